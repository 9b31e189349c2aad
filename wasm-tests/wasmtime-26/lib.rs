//! The C API of wasmtime 26, for `src/host/engine/library.rs`.

pub use wasmtime_c_api::*;
