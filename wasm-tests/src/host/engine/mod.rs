//! The engines that run modules, behind one interface: the engine is part of a gateway's host, and one that compiles an
//! instruction wrongly is a fault of that gateway like any other.
//!
//! An engine [compiles](Engine::compile) a module; the [`Code`] makes an [`Instance`] with [`HostFunction`]s; these are handed a
//! [`Caller`], which is the instance in the middle of the call. The state of the VM lives in the instance.

mod library;
mod metered;
mod watchdog;

use super::profile::Engine;
use super::status::Ending;
use super::vm_state::VmState;
use std::time::Duration;

impl Engine {
    /// Compiles a module in the binary format. The error is why the engine rejects it.
    ///
    /// Panics with one sentence when the engine is not installed.
    pub(crate) fn compile(self, wasm: &[u8]) -> Result<Box<dyn Code>, String> {
        match self {
            Engine::Metered => metered::compile(wasm),
            Engine::Wasmtime0_38 | Engine::Wasmtime14 | Engine::Wasmtime19 | Engine::Wasmtime26 => {
                library::compile(self, wasm)
            }
        }
    }
}

/// A module that an engine has compiled.
pub(crate) trait Code: Send + Sync {
    /// What the module imports: a module and a name each.
    fn imports(&self) -> Vec<(String, String)>;

    /// Makes an instance, which can call these host functions and no others. The error says why it cannot be made.
    fn instantiate(&self, state: VmState, imports: &Imports) -> Result<Box<dyn Instance>, String>;
}

/// An instance of a module.
pub(crate) trait Instance {
    fn state(&self) -> &VmState;

    fn state_mut(&mut self) -> &mut VmState;

    /// Whether the module exports a function of this name.
    fn has(&mut self, function: &str) -> bool;

    /// The size of the exported memory in bytes.
    fn memory_size(&mut self) -> usize;

    /// Calls an exported function; `None` if the module does not have it.
    fn call(&mut self, function: &str, args: &[u32]) -> Option<Called>;
}

/// What became of a call.
pub(crate) struct Called {
    /// The result, if there is one.
    pub(crate) ended: Result<Option<u32>, Ending>,
    /// What it has cost, where that is counted.
    pub(crate) fuel: u64,
    /// How long it has taken, with the calls of the host.
    pub(crate) took: Duration,
}

/// The host functions of a module, each with the name of the module that it is imported from before it.
pub(crate) type Imports = Vec<(String, &'static dyn HostFunction)>;

/// A function of the host that modules can call.
pub(crate) trait HostFunction: Sync {
    fn name(&self) -> &'static str;

    fn params(&self) -> Vec<Kind>;

    /// Whether it has a result, an `i32`.
    fn has_result(&self) -> bool;

    /// Answers a call of it; the error unwinds the module.
    fn answer(&self, caller: &mut dyn Caller, args: &Args) -> Result<u32, Ending>;
}

/// What a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An `i32`.
    Int,
    /// An `i64`.
    Long,
}

/// The arguments of a host call.
pub(crate) struct Args(Vec<u64>);

impl Args {
    /// The numbers of an engine; an `i32` is its unsigned form.
    pub(crate) fn new(params: impl Iterator<Item = u64>) -> Self {
        Args(params.collect())
    }

    /// The argument at this place, an `i32` in the signature.
    pub(crate) fn int(&self, place: usize) -> u32 {
        u32::try_from(self.0[place]).expect("an i32 parameter")
    }

    /// The argument at this place, an `i64` in the signature.
    pub(crate) fn long(&self, place: usize) -> u64 {
        self.0[place]
    }
}

/// An instance in the middle of a call of a host function.
pub(crate) trait Caller {
    fn state(&self) -> &VmState;

    fn state_mut(&mut self) -> &mut VmState;

    /// The exported memory.
    fn memory(&mut self) -> Option<&mut [u8]>;

    /// Calls an exported function; `None` if the module does not have it.
    fn call(&mut self, function: &str, arg: u32) -> Option<Result<Option<u32>, Ending>>;
}
