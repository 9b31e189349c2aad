//! One VM: an instance of the module, and calls into it. Follows `wasm.cc` of proxy-wasm-cpp-host.

use super::abi;
use super::engine::{Called, Instance};
use super::gateway_state::GatewayState;
use super::module::Module;
use super::record::VmCall;
use super::status::Ending;
use super::vm_state::{Phase, VmState};
use std::cell::RefCell;
use std::rc::Rc;

/// An instance of a module, with everything that dies with it.
pub(crate) struct Vm {
    instance: Box<dyn Instance>,
}

/// What a call returned.
#[derive(Clone, Copy)]
pub(crate) struct Returned {
    pub(crate) value: u32,
    pub(crate) stopped: bool,
}

impl Vm {
    /// Instantiates and initializes a module. The error is a sentence.
    pub(crate) fn new(
        module: &Module,
        gateway: &Rc<RefCell<GatewayState>>,
        worker: usize,
        id: u64,
    ) -> Result<Vm, String> {
        let state = VmState::new(Rc::clone(gateway), worker, id);
        let instance = module.code(gateway.borrow().profile.engine).and_then(|code| {
            let wanted = abi::wanted(code.imports(), &gateway.borrow().profile);
            code.instantiate(state, &wanted)
        });
        Ok(Vm { instance: instance.map_err(|error| format!("the module cannot be loaded: {error}"))? })
    }

    pub(crate) fn state(&self) -> &VmState {
        self.instance.state()
    }

    pub(crate) fn state_mut(&mut self) -> &mut VmState {
        self.instance.state_mut()
    }

    pub(crate) fn memory(&mut self) -> usize {
        self.instance.memory_size()
    }

    pub(crate) fn exports(&mut self, name: &str) -> bool {
        self.instance.has(name) && self.state().gateway.borrow().settings.allows(name)
    }

    /// Runs `_initialize` (or `_start`), and `main` after `_initialize`.
    pub(crate) fn initialize(&mut self) -> Result<(), Ending> {
        if self.exports("_initialize") {
            self.call("_initialize", 0, &[])?;
            if self.exports("main") {
                self.call("main", 0, &[0, 0])?;
            }
        } else {
            self.call("_start", 0, &[])?;
        }
        self.state_mut().phase = Phase::Running;
        Ok(())
    }

    /// Calls an export for a context; `None` if the module does not have it.
    pub(crate) fn call(
        &mut self,
        export: &'static str,
        context: u32,
        args: &[u32],
    ) -> Result<Option<Returned>, Ending> {
        if !self.instance.has(export) {
            let is_unchecked = self.state().gateway.borrow().profile.unchecked_exports.contains(&export);
            let crash =
                || Err(Ending::Crash(format!("the module does not export {export}, which is called all the same")));
            return if is_unchecked { crash() } else { Ok(None) };
        }
        if export.starts_with("proxy_") && !self.state().gateway.borrow().settings.allows(export) {
            return Ok(None);
        }
        let state = self.state_mut();
        let outer = (state.current, state.chosen, state.during);
        (state.current, state.chosen, state.during) = (context, 0, export);
        let in_host = state.in_host;
        let called = self.instance.call(export, args);
        let state = self.state_mut();
        let in_host = state.in_host.saturating_sub(in_host);
        (state.current, state.chosen, state.during) = outer;
        let Some(Called { ended, fuel, took }) = called else { return Ok(None) };
        let stopped = std::mem::take(&mut state.stop_iteration);
        let exchange = state.exchange_of(context);
        let record = VmCall {
            export,
            worker: state.worker,
            context,
            fuel,
            took: took.saturating_sub(in_host),
            exchange,
            steps: std::mem::take(&mut state.steps),
        };
        state.gateway.borrow_mut().vm_calls.push(record);
        ended.map(|result| Some(Returned { value: result.unwrap_or(0), stopped }))
    }
}
