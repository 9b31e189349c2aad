//! The part of the C API that is used. What is declared here was compared with `wasm.h` and `wasmtime/*.h` of 0.38, 14, 19 and 26,
//! which agree in all of it.

use libloading::Library;
use std::ffi::c_void;
use std::ptr;

/// Types of which only pointers are known.
macro_rules! opaque {
    ($($name:ident)*) => {
        $(#[repr(C)]
        pub(super) struct $name {
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
pub(super) struct Handle {
    store: u64,
    index: usize,
}

/// `wasmtime_extern_t`: what a module exports.
#[repr(C)]
#[derive(Default)]
pub(super) struct Extern {
    pub(super) kind: u8,
    pub(super) of: Handle,
}

pub(super) const FUNCTION: u8 = 0;
pub(super) const MEMORY: u8 = 3;

/// `wasmtime_val_t`. The union has the size of its largest member, a vector, and the alignment of a 64-bit number.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Val {
    pub(super) kind: u8,
    of: [u64; 2],
}

/// `WASMTIME_I32` and `WASM_I32`; likewise below.
pub(super) const I32: u8 = 0;
pub(super) const I64: u8 = 1;

impl Val {
    pub(super) fn i32(number: u32) -> Self {
        Val { kind: I32, of: [number.into(), 0] }
    }

    /// The number, if it is one. An `i32` is the first half of the union, and what the other half holds is not said.
    pub(super) fn number(&self) -> Option<u64> {
        match self.kind {
            I32 => Some(self.of[0] & u64::from(u32::MAX)),
            I64 => Some(self.of[0]),
            _ => None,
        }
    }
}

/// `wasm_byte_vec_t`, `wasm_name_t` and `wasm_valtype_vec_t`.
#[repr(C)]
pub(super) struct Vector<T> {
    pub(super) size: usize,
    pub(super) data: *mut T,
}

impl<T> Vector<T> {
    pub(super) fn empty() -> Self {
        Vector { size: 0, data: ptr::null_mut() }
    }
}

pub(super) type Callback =
    unsafe extern "C" fn(*mut c_void, *mut wasmtime_caller_t, *const Val, usize, *mut Val, usize) -> *mut wasm_trap_t;
pub(super) type Finalizer = unsafe extern "C" fn(*mut c_void);

/// The functions of the C API that are used.
macro_rules! api {
    ($($name:ident($($arg:ty),*) $(-> $result:ty)?;)*) => {
        pub(super) struct Api {
            $(pub(super) $name: unsafe extern "C" fn($($arg),*) $(-> $result)?,)*
        }

        impl Api {
            /// Finds every function in the library.
            ///
            /// # Safety
            /// It must be a wasmtime whose headers agree with the declarations below.
            pub(super) unsafe fn of(library: &Library) -> Result<Self, libloading::Error> {
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
