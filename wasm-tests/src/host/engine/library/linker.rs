//! The host functions of a module, and the calls of them.

use super::c_api::{
    Extern, FUNCTION, Handle, MEMORY, Val, wasm_trap_t, wasmtime_caller_t, wasmtime_context_t, wasmtime_linker_t,
};
use super::loaded::Wasmtime;
use super::store::{Data, Unwinding};
use crate::host::engine::{Args, Caller, HostFunction};
use crate::host::status::Ending;
use crate::host::vm_state::VmState;
use std::ffi::c_void;
use std::panic::{self, AssertUnwindSafe};
use std::{ptr, slice};

/// A `wasmtime_linker_t`.
pub(super) struct Linker {
    library: &'static Wasmtime,
    pub(super) linker: *mut wasmtime_linker_t,
}

// SAFETY: nobody changes it once it defines what it is for, and instances may be made by several threads at once: what they are made
// with is the host's functions, which belong to no thread.
unsafe impl Send for Linker {}
// SAFETY: as above.
unsafe impl Sync for Linker {}

/// What a host function is called with: which one it is.
struct Environment {
    library: &'static Wasmtime,
    import: &'static dyn HostFunction,
}

impl Linker {
    pub(super) fn new(library: &'static Wasmtime) -> Self {
        // SAFETY: the engine lives as long as the process.
        Linker { library, linker: unsafe { (library.api.wasmtime_linker_new)(library.engine) } }
    }

    pub(super) fn define(&self, module: &str, import: &'static dyn HostFunction) -> Result<(), String> {
        let Linker { library, linker } = *self;
        let name = import.name();
        let environment = Box::into_raw(Box::new(Environment { library, import })).cast::<c_void>();
        let signature = library.signature(import);
        // SAFETY: names with their lengths, a type that is deleted once, and an environment that the finalizer frees.
        let error = unsafe {
            let error = (library.api.wasmtime_linker_define_func)(
                linker,
                module.as_ptr(),
                module.len(),
                name.as_ptr(),
                name.len(),
                signature,
                answer,
                environment,
                Some(free),
            );
            (library.api.wasm_functype_delete)(signature);
            error
        };
        // SAFETY: an error is ours.
        if error.is_null() { Ok(()) } else { Err(unsafe { library.error(error) }) }
    }
}

impl Drop for Linker {
    fn drop(&mut self) {
        // SAFETY: nobody else deletes it, and instances keep what they need of it.
        unsafe { (self.library.api.wasmtime_linker_delete)(self.linker) };
    }
}

/// Frees the environment of a host function.
unsafe extern "C" fn free(environment: *mut c_void) {
    // SAFETY: it was made by `Box::into_raw`, and a finalizer is called once.
    drop(unsafe { Box::from_raw(environment.cast::<Environment>()) });
}

/// Every host function.
unsafe extern "C" fn answer(
    environment: *mut c_void,
    caller: *mut wasmtime_caller_t,
    params: *const Val,
    count: usize,
    results: *mut Val,
    places: usize,
) -> *mut wasm_trap_t {
    // SAFETY: it is the environment that the function was defined with.
    let Environment { library, import } = unsafe { &*environment.cast::<Environment>() };
    // SAFETY: so many values, and so many places.
    let (params, results) =
        unsafe { (slice::from_raw_parts(params, count), slice::from_raw_parts_mut(results, places)) };
    let args = Args::new(params.iter().map(|param| param.number().unwrap_or(0)));
    // SAFETY: the caller lives as long as this call.
    let context = unsafe { (library.api.wasmtime_caller_context)(caller) };
    let mut guest = InCall { library, caller, context };
    let ended = panic::catch_unwind(AssertUnwindSafe(|| import.answer(&mut guest, &args)));
    let (why, unwinding) = match ended {
        Ok(Ok(code)) => {
            if let Some(result) = results.first_mut() {
                *result = Val::i32(code);
            }
            return ptr::null_mut();
        }
        Ok(Err(Ending::Trap(why))) => (why, None),
        Ok(Err(Ending::Crash(why))) => (why.clone(), Some(Unwinding::Crash(why))),
        Err(panic) => ("the host panicked".to_owned(), Some(Unwinding::Panic(panic))),
    };
    guest.data_mut().unwinding = unwinding;
    // SAFETY: so many bytes.
    unsafe { (library.api.wasmtime_trap_new)(why.as_ptr(), why.len()) }
}

/// A module in the middle of a call of a host function.
struct InCall<'a> {
    library: &'a Wasmtime,
    caller: *mut wasmtime_caller_t,
    context: *mut wasmtime_context_t,
}

impl InCall<'_> {
    fn data(&self) -> &Data {
        // SAFETY: the data that the store was made with; nobody but the host function, which has `self`, refers to them now.
        unsafe { &*(self.library.api.wasmtime_context_get_data)(self.context).cast::<Data>() }
    }

    fn data_mut(&mut self) -> &mut Data {
        // SAFETY: as above.
        unsafe { &mut *(self.library.api.wasmtime_context_get_data)(self.context).cast::<Data>() }
    }

    fn export(&mut self, name: &str, kind: u8) -> Option<Handle> {
        let mut found = Extern::default();
        // SAFETY: a name with its length, and a place for what is found.
        let exists = unsafe {
            (self.library.api.wasmtime_caller_export_get)(self.caller, name.as_ptr(), name.len(), &mut found)
        };
        (exists && found.kind == kind).then_some(found.of)
    }
}

impl Caller for InCall<'_> {
    fn state(&self) -> &VmState {
        &self.data().state
    }

    fn state_mut(&mut self) -> &mut VmState {
        &mut self.data_mut().state
    }

    fn memory(&mut self) -> Option<&mut [u8]> {
        let memory = self.export("memory", MEMORY)?;
        // SAFETY: the module does not run while the slice lives, which borrows `self`.
        unsafe {
            let data = (self.library.api.wasmtime_memory_data)(self.context, &memory);
            let size = (self.library.api.wasmtime_memory_data_size)(self.context, &memory);
            Some(if size == 0 { &mut [] } else { slice::from_raw_parts_mut(data, size) })
        }
    }

    fn call(&mut self, function: &str, arg: u32) -> Option<Result<Option<u32>, Ending>> {
        let function = self.export(function, FUNCTION)?;
        // SAFETY: a function of the caller's instance, and `self` is not borrowed.
        Some(unsafe { self.library.call(self.context, &function, &[arg]) })
    }
}
