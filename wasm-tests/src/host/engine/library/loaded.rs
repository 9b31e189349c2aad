//! A library that has been loaded, set up as the gateway's host sets it up, and what it says.

use super::c_api::{
    Api, I32, I64, Vector, wasm_config_t, wasm_engine_t, wasm_functype_t, wasm_trap_t, wasmtime_error_t,
};
use crate::host::engine::{HostFunction, Kind};
use crate::host::profile::Engine;
use libloading::Library;
use std::path::Path;
use std::slice;
use std::sync::OnceLock;

/// A library with its one engine. It is never unloaded.
pub(super) struct Wasmtime {
    pub(super) of: Engine,
    pub(super) api: Api,
    pub(super) engine: *mut wasm_engine_t,
    _library: Library,
}

// SAFETY: engines and compiled modules may be used by several threads at once, as `wasm.h` says; the rest are functions.
unsafe impl Send for Wasmtime {}
// SAFETY: as above.
unsafe impl Sync for Wasmtime {}

impl Wasmtime {
    /// The library of this engine, loaded once per process. Panics with one sentence when it cannot be.
    pub(super) fn of(engine: Engine) -> &'static Wasmtime {
        static LIBRARIES: [OnceLock<Result<Wasmtime, String>>; Engine::COUNT] =
            [const { OnceLock::new() }; Engine::COUNT];
        let library = LIBRARIES[engine as usize].get_or_init(|| Wasmtime::load(engine));
        library.as_ref().unwrap_or_else(|why| panic!("{why}"))
    }

    fn load(of: Engine) -> Result<Wasmtime, String> {
        let folder = of.to_string().replace(' ', "-");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools").join(folder).join("libwasmtime");
        let say = |error| format!("{of} cannot be loaded ({error}): run `make engines`");
        // SAFETY: loading it runs nothing but the initialisers of the C and Rust runtimes.
        let library = unsafe { Library::new(path) }.map_err(say)?;
        // SAFETY: the path is that of a pinned release, whose headers were read.
        let api = unsafe { Api::of(&library) }.map_err(say)?;
        // SAFETY: a configuration is handed over once, after it was set.
        let engine = unsafe {
            if of == Engine::Wasmtime0_38 {
                (api.wasm_engine_new)()
            } else {
                let config = (api.wasm_config_new)();
                (api.wasmtime_config_wasm_reference_types_set)(config, true);
                // SAFETY: a function of this type in the headers of all releases but 0.38.
                let set: libloading::Symbol<'_, unsafe extern "C" fn(*mut wasm_config_t, bool)> =
                    library.get("wasmtime_config_parallel_compilation_set").map_err(say)?;
                set(config, false);
                (api.wasm_engine_new_with_config)(config)
            }
        };
        if engine.is_null() {
            return Err(format!("{of} makes no engine"));
        }
        Ok(Wasmtime { of, api, engine, _library: library })
    }

    /// The text of an error, which is deleted.
    ///
    /// # Safety
    /// It must be an error that is owned.
    pub(super) unsafe fn error(&self, error: *mut wasmtime_error_t) -> String {
        let mut text = Vector::empty();
        // SAFETY: by the caller's promise.
        unsafe {
            (self.api.wasmtime_error_message)(error, &mut text);
            (self.api.wasmtime_error_delete)(error);
            self.text(text)
        }
    }

    /// Likewise of a trap.
    ///
    /// # Safety
    /// It must be a trap that is owned.
    pub(super) unsafe fn trap(&self, trap: *mut wasm_trap_t) -> String {
        let mut text = Vector::empty();
        // SAFETY: by the caller's promise.
        unsafe {
            (self.api.wasm_trap_message)(trap, &mut text);
            (self.api.wasm_trap_delete)(trap);
            self.text(text)
        }
    }

    /// # Safety
    /// The library must have made it, and nobody else may have it.
    unsafe fn text(&self, mut text: Vector<u8>) -> String {
        // SAFETY: the library has filled in the size and a pointer to so many bytes.
        let bytes = unsafe { slice::from_raw_parts(text.data, text.size) };
        let string = String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
        // SAFETY: the library made it.
        unsafe { (self.api.wasm_byte_vec_delete)(&mut text) };
        string
    }

    /// The type of a host function; its owner deletes it.
    pub(super) fn signature(&self, import: &dyn HostFunction) -> *mut wasm_functype_t {
        let vector = |kinds: Vec<u8>| {
            // SAFETY: these are the numbers of value types.
            let types: Vec<_> = kinds.into_iter().map(|kind| unsafe { (self.api.wasm_valtype_new)(kind) }).collect();
            let mut vector = Vector::empty();
            // SAFETY: so many pointers, each to a type that the vector owns from now on.
            unsafe { (self.api.wasm_valtype_vec_new)(&mut vector, types.len(), types.as_ptr()) };
            vector
        };
        let number = |kind| match kind {
            Kind::Int => I32,
            Kind::Long => I64,
        };
        let mut params = vector(import.params().into_iter().map(number).collect());
        let mut results = vector(import.has_result().then_some(I32).into_iter().collect());
        // SAFETY: both vectors become the function type's.
        unsafe { (self.api.wasm_functype_new)(&mut params, &mut results) }
    }
}
