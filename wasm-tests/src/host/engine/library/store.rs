//! A store: an instance of a module with the state of its VM, and calls into it.

use super::c_api::{Extern, FUNCTION, Handle, I32, MEMORY, Val, wasmtime_context_t, wasmtime_store_t};
use super::loaded::Wasmtime;
use crate::host::engine::watchdog::Watched;
use crate::host::engine::{Called, Instance};
use crate::host::status::Ending;
use crate::host::vm_state::VmState;
use std::any::Any;
use std::panic;
use std::time::Instant;
use std::{ptr, thread};

/// An instance in a store of its own.
pub(super) struct Running {
    library: &'static Wasmtime,
    store: *mut wasmtime_store_t,
    pub(super) context: *mut wasmtime_context_t,
    data: *mut Data,
    pub(super) instance: Handle,
}

impl Running {
    /// A store with nothing in it yet.
    pub(super) fn new(library: &'static Wasmtime, state: VmState) -> Self {
        let data = Box::into_raw(Box::new(Data { state, unwinding: None }));
        // SAFETY: the data live longer than the store.
        let store = unsafe { (library.api.wasmtime_store_new)(library.engine, data.cast(), None) };
        // SAFETY: the store has just been made.
        let context = unsafe { (library.api.wasmtime_store_context)(store) };
        Running { library, store, context, data, instance: Handle::default() }
    }

    fn export(&mut self, name: &str, kind: u8) -> Option<Handle> {
        let mut found = Extern::default();
        // SAFETY: a name with its length, and a place for what is found.
        let exists = unsafe {
            let (name, length) = (name.as_ptr(), name.len());
            (self.library.api.wasmtime_instance_export_get)(self.context, &self.instance, name, length, &mut found)
        };
        (exists && found.kind == kind).then_some(found.of)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: nobody else deletes them. The data go last.
        unsafe {
            (self.library.api.wasmtime_store_delete)(self.store);
            drop(Box::from_raw(self.data));
        }
    }
}

impl Instance for Running {
    fn state(&self) -> &VmState {
        // SAFETY: the module is not running: `call` has `self` for as long as it does.
        unsafe { &(*self.data).state }
    }

    fn state_mut(&mut self) -> &mut VmState {
        // SAFETY: as above.
        unsafe { &mut (*self.data).state }
    }

    fn has(&mut self, function: &str) -> bool {
        self.export(function, FUNCTION).is_some()
    }

    fn memory_size(&mut self) -> usize {
        let Some(memory) = self.export("memory", MEMORY) else { return 0 };
        // SAFETY: a memory of this instance.
        unsafe { (self.library.api.wasmtime_memory_data_size)(self.context, &memory) }
    }

    fn call(&mut self, function: &str, args: &[u32]) -> Option<Called> {
        let handle = self.export(function, FUNCTION)?;
        let patience = self.state().gateway.borrow().settings.patience;
        let (thread, engine) = (thread::current(), self.library.of);
        let test = thread.name().unwrap_or("a test");
        let _watched =
            Watched::new(patience, format!("{test}: {function} on {engine} has not ended within {patience:?}"));
        #[expect(clippy::disallowed_methods, reason = "the ban on clocks is for the module, not for what runs it")]
        let started = Instant::now();
        // SAFETY: a function of this instance, and `self` is not borrowed.
        let ended = unsafe { self.library.call(self.context, &handle, args) };
        Some(Called { ended, fuel: 0, took: started.elapsed() })
    }
}

/// What a store holds for the host.
pub(super) struct Data {
    pub(super) state: VmState,
    /// What unwinds the module, if it is more than a trap.
    pub(super) unwinding: Option<Unwinding>,
}

pub(super) enum Unwinding {
    /// The worker dies.
    Crash(String),
    /// The host panicked. A panic must not pass through the frames of a library.
    Panic(Box<dyn Any + Send>),
}

impl Wasmtime {
    /// Calls a function of a store.
    ///
    /// # Safety
    /// The function must be one of this context, and nobody may hold a reference to the context's [`Data`].
    pub(super) unsafe fn call(
        &self,
        context: *mut wasmtime_context_t,
        function: &Handle,
        args: &[u32],
    ) -> Result<Option<u32>, Ending> {
        let args: Vec<Val> = args.iter().map(|arg| Val::i32(*arg)).collect();
        let mut trap = ptr::null_mut();
        // SAFETY: by the caller's promise; arguments and results are as many as is said, and the type is deleted once.
        let (error, results) = unsafe {
            let signature = (self.api.wasmtime_func_type)(context, function);
            let mut results = vec![Val::default(); (*(self.api.wasm_functype_results)(signature)).size];
            (self.api.wasm_functype_delete)(signature);
            let (at, count) = (results.as_mut_ptr(), results.len());
            let error =
                (self.api.wasmtime_func_call)(context, function, args.as_ptr(), args.len(), at, count, &mut trap);
            (error, results)
        };
        // SAFETY: the data are those that the store was made with, and the module is not running any more.
        let data = unsafe { &mut *(self.api.wasmtime_context_get_data)(context).cast::<Data>() };
        let said = match (error.is_null(), trap.is_null()) {
            (true, true) => {
                let number = results.first().filter(|value| value.kind == I32).and_then(Val::number);
                return Ok(number.and_then(|number| u32::try_from(number).ok()));
            }
            // SAFETY: what is not null is an error or trap that is ours.
            (false, _) => unsafe { self.error(error) },
            // SAFETY: likewise.
            (true, false) => unsafe { self.trap(trap) },
        };
        match data.unwinding.take() {
            Some(Unwinding::Panic(panic)) => panic::resume_unwind(panic),
            Some(Unwinding::Crash(why)) => Err(Ending::Crash(why)),
            None => Err(Ending::Trap(said)),
        }
    }
}
