//! The engines that run modules, behind one interface: the engine is part of a gateway's host, and one that compiles an
//! instruction wrongly is a fault of that gateway like any other.
//!
//! An engine [compiles](Engine::compile) a module; the [`Code`] makes an [`Instance`] with the host's functions; these are handed
//! a [`Caller`], which is the instance in the middle of the call. The state of the VM lives in the instance.

mod library;
mod metered;
mod watchdog;

use super::abi::Import;
use super::vm::{Ending, VmState};
use std::fmt;

/// What compiles and runs a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The release of wasmtime that this package is built with. It counts fuel: a call that does not end is a trap, and what a call
    /// costs is the same on every machine. It stands for V8, which Envoy has.
    Metered,
    /// wasmtime 0.38, in APISIX's wasm-nginx-module 0.7.
    Wasmtime0_38,
    /// wasmtime 14, in Kong 3.6.
    Wasmtime14,
    /// wasmtime 19, in Kong 3.7.
    Wasmtime19,
    /// wasmtime 26, in Kong 3.9.
    Wasmtime26,
}

impl Engine {
    /// How many there are.
    pub(crate) const COUNT: usize = 5;

    /// Whether it counts what calls cost, and ends those that cost more than they may.
    pub fn counts_fuel(self) -> bool {
        self == Engine::Metered
    }

    /// Compiles a module in the binary format. The error is what the engine says against it.
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

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Metered => "wasmtime with fuel",
            Engine::Wasmtime0_38 => "wasmtime 0.38",
            Engine::Wasmtime14 => "wasmtime 14",
            Engine::Wasmtime19 => "wasmtime 19",
            Engine::Wasmtime26 => "wasmtime 26",
        })
    }
}

/// A module that an engine has compiled.
pub(crate) trait Code: Send + Sync {
    /// What the module imports: a module and a name each.
    fn imports(&self) -> Vec<(String, String)>;

    /// Makes an instance, which can call these host functions and no others; each has the name of the module that it is
    /// imported from before it. The error says why it cannot be made.
    fn instantiate(&self, state: VmState, imports: &[(String, &'static Import)]) -> Result<Box<dyn Instance>, String>;
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
