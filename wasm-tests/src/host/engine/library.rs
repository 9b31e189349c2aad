//! Older releases of wasmtime, as the gateways' hosts have them: through the C API of a library that is installed beside this
//! project (`make engines`), and set up as the hosts set it up. APISIX follows `src/vm/wasmtime.c` of wasm-nginx-module, Kong
//! `src/wasm/wrt/ngx_wrt_wasmtime.c` of ngx_wasm_module; neither sets fuel, epochs or limits.
//!
//! What is declared here was compared with `wasm.h` and `wasmtime/*.h` of 0.38, 14, 19 and 26, which agree in all of it.

#![expect(
    unsafe_code,
    reason = "a C API can only be called so; each block relies on what its header demands, as said there"
)]

use super::watchdog::Watched;
use super::{Args, Called, Caller, Code, Engine, HostFunction, Imports, Instance, Kind};
use crate::host::status::Ending;
use crate::host::vm_state::VmState;
use libloading::Library;
use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::c_void;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{ptr, slice, thread};

/// Types of which only pointers are known.
macro_rules! opaque {
    ($($name:ident)*) => {
        $(#[repr(C)]
        struct $name {
            _private: [u8; 0],
        })*
    };
}

opaque! {
    wasm_config_t wasm_engine_t wasm_functype_t wasm_importtype_t wasm_trap_t wasm_valtype_t wasmtime_caller_t wasmtime_context_t
    wasmtime_error_t wasmtime_linker_t wasmtime_module_t wasmtime_store_t
}

/// `wasmtime_func_t`, `wasmtime_memory_t` and `wasmtime_instance_t`: something in a store.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Handle {
    store: u64,
    index: usize,
}

/// `wasmtime_extern_t`: what a module exports.
#[repr(C)]
#[derive(Default)]
struct Extern {
    kind: u8,
    of: Handle,
}

const FUNCTION: u8 = 0;
const MEMORY: u8 = 3;

/// `wasmtime_val_t`. The union has the size of its largest member, a vector, and the alignment of a 64-bit number.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Val {
    kind: u8,
    of: [u64; 2],
}

/// `WASMTIME_I32` and `WASM_I32`; likewise below.
const I32: u8 = 0;
const I64: u8 = 1;

impl Val {
    fn i32(number: u32) -> Self {
        Val { kind: I32, of: [number.into(), 0] }
    }

    /// The number, if it is one. An `i32` is the first half of the union, and what the other half holds is not said.
    fn number(&self) -> Option<u64> {
        match self.kind {
            I32 => Some(self.of[0] & u64::from(u32::MAX)),
            I64 => Some(self.of[0]),
            _ => None,
        }
    }
}

/// `wasm_byte_vec_t`, `wasm_name_t` and `wasm_valtype_vec_t`.
#[repr(C)]
struct Vector<T> {
    size: usize,
    data: *mut T,
}

impl<T> Vector<T> {
    fn empty() -> Self {
        Vector { size: 0, data: ptr::null_mut() }
    }
}

type Callback =
    unsafe extern "C" fn(*mut c_void, *mut wasmtime_caller_t, *const Val, usize, *mut Val, usize) -> *mut wasm_trap_t;
type Finalizer = unsafe extern "C" fn(*mut c_void);

/// The functions of the C API that are used.
macro_rules! api {
    ($($name:ident($($arg:ty),*) $(-> $result:ty)?;)*) => {
        struct Api {
            $($name: unsafe extern "C" fn($($arg),*) $(-> $result)?,)*
        }

        impl Api {
            /// Finds every function in the library.
            ///
            /// # Safety
            /// It must be a wasmtime whose headers agree with the declarations below.
            unsafe fn of(library: &Library) -> Result<Self, libloading::Error> {
                Ok(Api {
                    // SAFETY: by the caller's promise the function has this type.
                    $($name: *unsafe { library.get(stringify!($name))? },)*
                })
            }
        }
    };
}

api! {
    wasm_config_new() -> *mut wasm_config_t;
    wasm_engine_new() -> *mut wasm_engine_t;
    wasm_engine_new_with_config(*mut wasm_config_t) -> *mut wasm_engine_t;
    wasmtime_config_wasm_reference_types_set(*mut wasm_config_t, bool);
    wasmtime_module_new(*mut wasm_engine_t, *const u8, usize, *mut *mut wasmtime_module_t) -> *mut wasmtime_error_t;
    wasmtime_module_delete(*mut wasmtime_module_t);
    wasmtime_module_imports(*const wasmtime_module_t, *mut Vector<*mut wasm_importtype_t>);
    wasm_importtype_module(*const wasm_importtype_t) -> *const Vector<u8>;
    wasm_importtype_name(*const wasm_importtype_t) -> *const Vector<u8>;
    wasm_importtype_vec_delete(*mut Vector<*mut wasm_importtype_t>);
    wasmtime_store_new(*mut wasm_engine_t, *mut c_void, Option<Finalizer>) -> *mut wasmtime_store_t;
    wasmtime_store_context(*mut wasmtime_store_t) -> *mut wasmtime_context_t;
    wasmtime_store_delete(*mut wasmtime_store_t);
    wasmtime_context_get_data(*const wasmtime_context_t) -> *mut c_void;
    wasmtime_linker_new(*mut wasm_engine_t) -> *mut wasmtime_linker_t;
    wasmtime_linker_delete(*mut wasmtime_linker_t);
    wasmtime_linker_define_func(
        *mut wasmtime_linker_t, *const u8, usize, *const u8, usize, *const wasm_functype_t, Callback, *mut c_void, Option<Finalizer>
    ) -> *mut wasmtime_error_t;
    wasmtime_linker_instantiate(
        *const wasmtime_linker_t, *mut wasmtime_context_t, *const wasmtime_module_t, *mut Handle, *mut *mut wasm_trap_t
    ) -> *mut wasmtime_error_t;
    wasmtime_instance_export_get(*mut wasmtime_context_t, *const Handle, *const u8, usize, *mut Extern) -> bool;
    wasmtime_func_type(*const wasmtime_context_t, *const Handle) -> *mut wasm_functype_t;
    wasmtime_func_call(
        *mut wasmtime_context_t, *const Handle, *const Val, usize, *mut Val, usize, *mut *mut wasm_trap_t
    ) -> *mut wasmtime_error_t;
    wasmtime_caller_context(*mut wasmtime_caller_t) -> *mut wasmtime_context_t;
    wasmtime_caller_export_get(*mut wasmtime_caller_t, *const u8, usize, *mut Extern) -> bool;
    wasmtime_memory_data(*const wasmtime_context_t, *const Handle) -> *mut u8;
    wasmtime_memory_data_size(*const wasmtime_context_t, *const Handle) -> usize;
    wasm_functype_new(*mut Vector<*mut wasm_valtype_t>, *mut Vector<*mut wasm_valtype_t>) -> *mut wasm_functype_t;
    wasm_functype_results(*const wasm_functype_t) -> *const Vector<*mut wasm_valtype_t>;
    wasm_functype_delete(*mut wasm_functype_t);
    wasm_valtype_new(u8) -> *mut wasm_valtype_t;
    wasm_valtype_vec_new(*mut Vector<*mut wasm_valtype_t>, usize, *const *mut wasm_valtype_t);
    wasmtime_trap_new(*const u8, usize) -> *mut wasm_trap_t;
    wasm_trap_message(*const wasm_trap_t, *mut Vector<u8>);
    wasm_trap_delete(*mut wasm_trap_t);
    wasmtime_error_message(*const wasmtime_error_t, *mut Vector<u8>);
    wasmtime_error_delete(*mut wasmtime_error_t);
    wasm_byte_vec_delete(*mut Vector<u8>);
}

/// A library with its one engine. It is never unloaded.
struct Wasmtime {
    of: Engine,
    api: Api,
    engine: *mut wasm_engine_t,
    _library: Library,
}

// SAFETY: engines and compiled modules may be used by several threads at once, as `wasm.h` says; the rest are functions.
unsafe impl Send for Wasmtime {}
// SAFETY: as above.
unsafe impl Sync for Wasmtime {}

impl Wasmtime {
    /// The library of this engine, loaded once per process. Panics with one sentence when it cannot be.
    fn of(engine: Engine) -> &'static Wasmtime {
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
    unsafe fn error(&self, error: *mut wasmtime_error_t) -> String {
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
    unsafe fn trap(&self, trap: *mut wasm_trap_t) -> String {
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
    fn signature(&self, import: &dyn HostFunction) -> *mut wasm_functype_t {
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

    /// Calls a function of a store.
    ///
    /// # Safety
    /// The function must be one of this context, and nobody may hold a reference to the context's [`Data`].
    unsafe fn call(
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

/// What a store holds for the host.
struct Data {
    state: VmState,
    /// What unwinds the module, if it is more than a trap.
    unwinding: Option<Unwinding>,
}

enum Unwinding {
    /// The worker dies.
    Crash(String),
    /// The host panicked. A panic must not pass through the frames of a library.
    Panic(Box<dyn Any + Send>),
}

pub(super) fn compile(engine: Engine, wasm: &[u8]) -> Result<Box<dyn Code>, String> {
    let library = Wasmtime::of(engine);
    let mut module = ptr::null_mut();
    // SAFETY: so many bytes, and a place for the module.
    let error = unsafe { (library.api.wasmtime_module_new)(library.engine, wasm.as_ptr(), wasm.len(), &mut module) };
    if error.is_null() {
        Ok(Box::new(Compiled { library, module, linkers: Mutex::default() }))
    } else {
        // SAFETY: it is ours.
        Err(unsafe { library.error(error) })
    }
}

struct Compiled {
    library: &'static Wasmtime,
    module: *mut wasmtime_module_t,
    /// By what they define: 0.38 compiles a piece of code for each host function, which would be most of what a VM costs.
    linkers: Mutex<BTreeMap<Names, Arc<Linker>>>,
}

/// A module and a name each.
type Names = Vec<(String, &'static str)>;

// SAFETY: a `wasmtime_module_t` is compiled code that nobody changes, and may be used by several threads at once.
unsafe impl Send for Compiled {}
// SAFETY: as above.
unsafe impl Sync for Compiled {}

impl Compiled {
    /// A linker that defines these imports.
    fn linker(&self, imports: &Imports) -> Result<Arc<Linker>, String> {
        let defined: Names = imports.iter().map(|(module, import)| (module.clone(), import.name())).collect();
        let mut linkers = self.linkers.lock().unwrap_or_else(PoisonError::into_inner);
        let linker = match linkers.entry(defined) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let linker = Linker::new(self.library);
                imports.iter().try_for_each(|(module, import)| linker.define(module, *import))?;
                unknown.insert(Arc::new(linker))
            }
        };
        Ok(Arc::clone(linker))
    }
}

impl Drop for Compiled {
    fn drop(&mut self) {
        // SAFETY: nobody else deletes it, and instances keep what they need of it.
        unsafe { (self.library.api.wasmtime_module_delete)(self.module) };
    }
}

impl Code for Compiled {
    fn imports(&self) -> Vec<(String, String)> {
        let Api { wasm_importtype_module, wasm_importtype_name, .. } = self.library.api;
        let mut imports = Vector::empty();
        // SAFETY: the vector is filled, read before it is deleted, and so are the names, which belong to it.
        unsafe {
            (self.library.api.wasmtime_module_imports)(self.module, &mut imports);
            let copied = |name: *const Vector<u8>| {
                let bytes = slice::from_raw_parts((*name).data, (*name).size);
                String::from_utf8_lossy(bytes).into_owned()
            };
            let types = if imports.size == 0 { &[] } else { slice::from_raw_parts(imports.data, imports.size) };
            let names = types
                .iter()
                .map(|import| (copied(wasm_importtype_module(*import)), copied(wasm_importtype_name(*import))));
            let names = names.collect();
            (self.library.api.wasm_importtype_vec_delete)(&mut imports);
            names
        }
    }

    fn instantiate(&self, state: VmState, imports: &Imports) -> Result<Box<dyn Instance>, String> {
        let Compiled { library, module, .. } = *self;
        let linker = self.linker(imports)?;
        let mut running = Running::new(library, state);
        let mut trap = ptr::null_mut();
        // SAFETY: all of these live, and belong to this library.
        let error = unsafe {
            let instance = &mut running.instance;
            (library.api.wasmtime_linker_instantiate)(linker.linker, running.context, module, instance, &mut trap)
        };
        match (error.is_null(), trap.is_null()) {
            (true, true) => Ok(Box::new(running)),
            // SAFETY: what is not null is an error or trap that is ours.
            (false, _) => Err(unsafe { library.error(error) }),
            // SAFETY: likewise.
            (true, false) => Err(unsafe { library.trap(trap) }),
        }
    }
}

/// A `wasmtime_linker_t`.
struct Linker {
    library: &'static Wasmtime,
    linker: *mut wasmtime_linker_t,
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
    fn new(library: &'static Wasmtime) -> Self {
        // SAFETY: the engine lives as long as the process.
        Linker { library, linker: unsafe { (library.api.wasmtime_linker_new)(library.engine) } }
    }

    fn define(&self, module: &str, import: &'static dyn HostFunction) -> Result<(), String> {
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

/// An instance in a store of its own.
struct Running {
    library: &'static Wasmtime,
    store: *mut wasmtime_store_t,
    context: *mut wasmtime_context_t,
    data: *mut Data,
    instance: Handle,
}

impl Running {
    /// A store with nothing in it yet.
    fn new(library: &'static Wasmtime, state: VmState) -> Self {
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
        // SAFETY: a function of this instance, and `self` is not borrowed.
        let ended = unsafe { self.library.call(self.context, &handle, args) };
        Some(Called { ended, fuel: 0 })
    }
}
