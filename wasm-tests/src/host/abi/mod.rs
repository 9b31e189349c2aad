//! The imports of the proxy-wasm ABI 0.2.1: one row a host call, and the one way in which all of them are answered.
//! Order of judgement: the phase of the VM, deliberate faults, restricted capabilities, the profile, the call itself.

mod control;
mod data;
mod http;
mod maps;
mod metrics;
mod wasi;

pub(crate) use maps::add_field;

use super::fault::Effect;
use super::guest::{Args, Guest};
use super::profile::Profile;
use super::record::HostCall;
use super::status::{Answered, Errno, Refusal, Status};
use super::vm::{Phase, VmState};
use wasmtime::{Caller, FuncType, Linker, Val, ValType};

/// A host call.
pub(crate) struct Import {
    name: &'static str,
    /// `i` for each i32 and `l` for each i64.
    params: &'static str,
    /// The latest phase of the VM in which it may be called.
    until: Phase,
    /// The place of a pointer and length that say what the call is about.
    subject: Option<usize>,
    run: fn(&mut Guest<'_>, &Args) -> Answered,
}

impl Import {
    const fn new(name: &'static str, params: &'static str, run: fn(&mut Guest<'_>, &Args) -> Answered) -> Self {
        Import { name, params, until: Phase::Running, subject: None, run }
    }

    /// Says what the call is about: the bytes whose pointer and length stand at `place`.
    const fn about(mut self, place: usize) -> Self {
        self.subject = Some(place);
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
        let bytes = guest.bytes(args, self.subject?).ok()?;
        Some(String::from_utf8_lossy(&bytes).replace('\0', "."))
    }
}

/// What Emscripten's runtime asks for.
const RUNTIME: &[Import] = &[
    Import::new("emscripten_notify_memory_growth", "i", |_, _| Ok(())).always(),
    Import::new("pthread_equal", "ii", |_, args| Err(Refusal::Code(u32::from(args.int(0) == args.int(1))))),
];

/// The names of all host calls that a test can make fail.
pub(crate) fn names() -> Vec<&'static str> {
    proxy_calls().chain(wasi::CALLS).map(|import| import.name).collect()
}

/// Defines every import that the profile's gateway has.
pub(crate) fn link(linker: &mut Linker<VmState>, profile: &Profile) -> wasmtime::Result<()> {
    let wasi = ["wasi_snapshot_preview1", "wasi_unstable"]
        .into_iter()
        .flat_map(|module| wasi::CALLS.iter().map(move |import| (module, import)));
    for (module, import) in proxy_calls().chain(RUNTIME).map(|import| ("env", import)).chain(wasi) {
        if !profile.missing.contains(&import.name) {
            linker.func_new(module, import.name, signature(import), move |caller, params, results| {
                answer(import, caller, params, results)
            })?;
        }
    }
    Ok(())
}

fn proxy_calls() -> impl Iterator<Item = &'static Import> {
    [control::CALLS, maps::CALLS, data::CALLS, http::CALLS, metrics::CALLS].into_iter().flatten()
}

fn signature(import: &Import) -> FuncType {
    let params = import.params.chars().map(|kind| if kind == 'l' { ValType::I64 } else { ValType::I32 });
    let results = if wasi::returns(import.name) { vec![ValType::I32] } else { Vec::new() };
    FuncType::new(super::module::engine(), params, results)
}

fn answer(
    import: &'static Import,
    caller: Caller<'_, VmState>,
    params: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let mut guest = Guest::new(caller);
    if guest.state().phase > import.until {
        return Err(wasmtime::Error::msg(format!("{} called while {:?}", import.name, guest.state().phase)));
    }
    let args = Args::new(params);
    let subject = import.subject(&mut guest, &args);
    let context = guest.state().effective();
    let ended = judge(import, &mut guest, &args, subject.as_deref());
    let code = match ended {
        Ok(()) => 0,
        Err(Refusal::Code(code)) => code,
        Err(Refusal::Trap(error)) => return Err(error),
    };
    let state = guest.state();
    let exchange = state.exchange_of(context);
    let record = HostCall { name: import.name, subject, code, worker: state.worker, context, exchange };
    guest.world_mut().host_calls.push(record);
    if let Some(result) = results.first_mut() {
        *result = Val::I32(code.cast_signed());
    }
    Ok(())
}

fn judge(import: &Import, guest: &mut Guest<'_>, args: &Args, subject: Option<&str>) -> Answered {
    let effect = guest.world_mut().fault(import.name, subject);
    match effect {
        Some(Effect::Returns(0) | Effect::Silent) => return Ok(()),
        Some(Effect::Returns(code)) => return Err(Refusal::Code(code)),
        Some(Effect::Garbage(garbage)) => guest.state_mut().garbage = Some(garbage),
        None => {}
    }
    if !guest.world().settings.allows(import.name) {
        return Err(if import.is_wasi() { Errno::NotCapable.into() } else { Status::InternalFailure.into() });
    }
    if guest.world().profile.unimplemented.contains(&import.name) {
        return Err(Status::Unimplemented.into());
    }
    let ended = (import.run)(guest, args);
    guest.state_mut().garbage = None;
    ended
}
