//! The imports of the proxy-wasm ABI 0.2.1: one row a host call, and the one way in which all of them are answered.
//! What decides, in this order: the phase of the VM, deliberate faults, restricted capabilities, the profile, the call itself.

mod control;
mod data;
mod http;
mod maps;
mod metrics;
mod wasi;

use super::engine::{Args, Caller, HostFunction, Imports, Kind};
use super::fault::Effect;
use super::guest::Guest;
use super::interleaving::Side;
use super::profile::Profile;
use super::record::HostCall;
use super::status::{Answered, Ending, Errno, Refusal, Refused, Status};
use super::vm_state::Phase;
use std::time::Instant;

/// A host call.
pub(crate) struct Import {
    name: &'static str,
    /// `i` for each i32 and `l` for each i64.
    params: &'static str,
    /// The latest phase of the VM in which it may be called.
    until: Phase,
    /// What says what the call is about.
    subject: Subject,
    run: fn(&mut Guest<'_>, &Args) -> Answered,
}

/// What says what a call is about.
enum Subject {
    /// Nothing.
    None,
    /// A pointer and a length, from this place on.
    Bytes(usize),
    /// The first parameter, which is the number of one of these.
    OneOf(&'static [&'static str]),
}

impl Import {
    const fn new(name: &'static str, params: &'static str, run: fn(&mut Guest<'_>, &Args) -> Answered) -> Self {
        Import { name, params, until: Phase::Running, subject: Subject::None, run }
    }

    /// Says what the call is about: the bytes whose pointer and length stand at `place`.
    const fn about(mut self, place: usize) -> Self {
        self.subject = Subject::Bytes(place);
        self
    }

    /// Says what the call is about: one of these, of which the first parameter gives the number.
    const fn about_one_of(mut self, names: &'static [&'static str]) -> Self {
        self.subject = Subject::OneOf(names);
        self
    }

    /// May be called while the module initializes itself.
    const fn early(mut self) -> Self {
        self.until = Phase::Initializing;
        self
    }

    /// May be called at any time, even while the host asks for memory.
    const fn always(mut self) -> Self {
        self.until = Phase::Allocating;
        self
    }

    fn is_wasi(&self) -> bool {
        !self.name.starts_with("proxy_") && !RUNTIME.iter().any(|runtime| runtime.name == self.name)
    }

    fn subject(&self, guest: &mut Guest<'_>, args: &Args) -> Option<String> {
        match self.subject {
            Subject::None => None,
            Subject::Bytes(place) => {
                let bytes = guest.bytes(args, place).ok()?;
                Some(String::from_utf8_lossy(&bytes).replace('\0', "."))
            }
            Subject::OneOf(names) => names.get(args.int(0) as usize).map(|name| (*name).to_owned()),
        }
    }
}

impl HostFunction for Import {
    fn name(&self) -> &'static str {
        self.name
    }

    fn params(&self) -> Vec<Kind> {
        self.params.chars().map(|kind| if kind == 'l' { Kind::Long } else { Kind::Int }).collect()
    }

    fn has_result(&self) -> bool {
        wasi::returns(self.name)
    }

    fn answer(&self, caller: &mut dyn Caller, args: &Args) -> Result<u32, Ending> {
        #[expect(clippy::disallowed_methods, reason = "the ban on clocks is for the module, not for what runs it")]
        let started = Instant::now();
        let answered = self.answer_now(caller, args);
        caller.state_mut().in_host += started.elapsed();
        answered
    }
}

impl Import {
    fn answer_now(&self, caller: &mut dyn Caller, args: &Args) -> Result<u32, Ending> {
        let mut guest = Guest::new(caller);
        if guest.state().phase > Phase::Running && !self.is_wasi() && guest.gateway().profile.silent_start {
            if guest.state().phase == Phase::Initializing {
                return Err(Ending::Crash(format!("{} called while the module initializes itself", self.name)));
            }
        } else if guest.state().phase > self.until {
            return Err(Ending::Trap(format!("{} called while {:?}", self.name, guest.state().phase)));
        }
        let subject = self.subject(&mut guest, args);
        let context = guest.state().effective();
        interrupt(&mut guest, self, subject.as_deref(), Side::Before);
        let ended = decide(self, &mut guest, args, subject.as_deref());
        let code = match ended {
            Ok(()) => 0,
            Err(Refusal::Code(code)) => code,
            Err(Refusal::Trap(why)) => return Err(Ending::Trap(why)),
            Err(Refusal::Crash(why)) => return Err(Ending::Crash(why)),
        };
        let state = guest.state();
        let exchange = state.exchange_of(context);
        let record =
            HostCall { name: self.name, subject: subject.clone(), code, worker: state.worker, context, exchange };
        guest.gateway_mut().host_calls.push(record);
        interrupt(&mut guest, self, subject.as_deref(), Side::After);
        Ok(code)
    }
}

/// What Emscripten's runtime asks for.
const RUNTIME: &[Import] = &[
    Import::new("emscripten_notify_memory_growth", "i", |_, _| Ok(())).always(),
    Import::new("pthread_equal", "ii", |_, args| Err(Refusal::Code(u32::from(args.int(0) == args.int(1))))),
];

/// The host functions that the profile's gateway has, of those that a module imports. Each has the name of the module that it
/// is imported from before it.
pub(crate) fn wanted(imports: Vec<(String, String)>, profile: &Profile) -> Imports {
    let found = |module: &str, name: &str| {
        let rows: Vec<&Import> = match module {
            "env" => proxy_calls().chain(RUNTIME).collect(),
            "wasi_snapshot_preview1" | "wasi_unstable" => wasi::CALLS.iter().collect(),
            _ => Vec::new(),
        };
        rows.into_iter().find(|import| import.name == name && !profile.missing.contains(&import.name))
    };
    imports
        .into_iter()
        .filter_map(|(module, name)| found(&module, &name).map(|import| (module, import as &dyn HostFunction)))
        .collect()
}

fn proxy_calls() -> impl Iterator<Item = &'static Import> {
    [control::CALLS, maps::CALLS, data::CALLS, http::CALLS, metrics::CALLS].into_iter().flatten()
}

/// Runs the workers that are to come between here.
fn interrupt(guest: &mut Guest<'_>, import: &Import, subject: Option<&str>, side: Side) {
    // Without it the VM is not being called for anything yet.
    let Some(mut interrupt) = guest.state_mut().interrupt.take() else { return };
    let due = guest.gateway_mut().interruptions(import.name, side, guest.state().worker, subject);
    due.into_iter().for_each(&mut interrupt);
    guest.state_mut().interrupt = Some(interrupt);
}

fn decide(import: &Import, guest: &mut Guest<'_>, args: &Args, subject: Option<&str>) -> Answered {
    let effect = guest.gateway_mut().fault(import.name, subject);
    match effect {
        Some(Effect::Returns(0) | Effect::Silent) => return Ok(()),
        Some(Effect::Returns(code)) => return Err(Refusal::Code(code)),
        Some(Effect::Garbage(garbage)) => guest.state_mut().garbage = Some(garbage),
        None => {}
    }
    if !guest.gateway().settings.allows(import.name) {
        return Err(if import.is_wasi() { Errno::NotCapable.into() } else { Status::InternalFailure.into() });
    }
    let profile = guest.gateway().profile.clone();
    // The answer to a callout of the root context can be read.
    let outside = guest.state_mut().stream().is_none() && guest.state().callout.is_none();
    if outside && let Some(refused) = (profile.outside)(import.name) {
        return Err(refused.into());
    }
    if profile.unimplemented.contains(&import.name) {
        return Err(Status::Unimplemented.into());
    }
    if profile.silent.contains(&import.name) {
        return Ok(());
    }
    if profile.trapping.iter().any(|calls| calls.contains(&import.name)) {
        return Err(Refused::Trap(format!("{} is not implemented", import.name)).into());
    }
    let ended = (import.run)(guest, args);
    guest.state_mut().garbage = None;
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::host_call;
    use crate::host::{Gateway, Module, Profile, Request, Upstream};

    /// A module that makes one host call with the same number for every argument, at its start, in a request, and when
    /// the request ends.
    fn calling(module: &str, import: &Import, argument: i64) -> Module {
        let kinds = import.params.chars().map(|kind| if kind == 'l' { "i64" } else { "i32" });
        let params: String = kinds.clone().map(|kind| format!(" {kind}")).collect();
        let args: String = kinds
            .map(|kind| {
                let number = if kind == "i64" { argument } else { argument << 32 >> 32 };
                format!(" ({kind}.const {number})")
            })
            .collect();
        let (result, drop) = if wasi::returns(import.name) { ("(result i32)", "drop") } else { ("", "") };
        Module::from_wat(&format!(
            r#"(module (import "{module}" "{}" (func $call (param{params}) {result}))
              (memory (export "memory") 1)
              (func (export "proxy_abi_version_0_2_1"))
              (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
              (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $call{args}) {drop} (i32.const 1))
              (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (call $call{args}) {drop} (i32.const 1))
              (func (export "proxy_on_log") (param i32) (call $call{args}) {drop}))"#,
            import.name,
        ))
    }

    #[test]
    fn no_argument_of_any_host_call_traps_the_module_or_panics_the_host() {
        let wasi = wasi::CALLS.iter().map(|import| ("wasi_snapshot_preview1", import));
        for (module, import) in proxy_calls().chain(RUNTIME).map(|import| ("env", import)).chain(wasi) {
            for argument in [0, 1, 7, 65_533, 65_536, i64::from(i32::MAX), -1, i64::MIN] {
                let gateway = Gateway::new(Profile::envoy())
                    .upstream("", Upstream::new())
                    .start(&calling(module, import, argument))
                    .unwrap_or_else(|failure| panic!("{}({argument}): {failure}", import.name));
                gateway.send(Request::post("/").body("body")).disconnect();
                gateway.settle();
            }
        }
    }

    #[test]
    fn a_pointer_outside_the_memory_is_a_status() {
        for (name, code) in [
            ("proxy_get_property", Status::InvalidMemoryAccess.into()),
            ("proxy_http_call", Status::InvalidMemoryAccess.into()),
            ("proxy_send_local_response", Status::InvalidMemoryAccess.into()),
            ("random_get", Errno::Invalid as u32),
            ("environ_sizes_get", Errno::Fault as u32),
        ] {
            let import = proxy_calls().chain(wasi::CALLS).find(|import| import.name == name).expect("a host call");
            let module = if import.is_wasi() { "wasi_snapshot_preview1" } else { "env" };
            let gateway = Gateway::new(Profile::envoy()).start(&calling(module, import, -1)).expect("a start");
            assert_eq!(gateway.trace()[0].code, code, "{name}");
        }
    }

    #[test]
    fn every_row_is_there_once() {
        let names: Vec<_> = proxy_calls().chain(wasi::CALLS).map(|import| import.name).collect();
        assert_eq!(names, host_call::NAMES);
    }
}
