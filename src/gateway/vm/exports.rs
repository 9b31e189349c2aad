//! The functions that the host calls (ABI 0.2.1), each handed to the one [`Module`](super::module::Module) of this VM.
//!
//! All of the ABI are here, also those with nothing to do: one host calls some without a look whether they exist, and its
//! worker dies where one does not. `wasm-tests/exports.txt` lists them.
#![allow(unsafe_code, reason = "exports have fixed names")]

use super::module::{Module, with_module};
use crate::gateway::abi;

use super::{gate, logger};

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Announces the version of the ABI.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Runs once, before anything else. Makes no host call: one gateway crashes on any here.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the constructors of the C library, which a reactor runs itself, once.
    unsafe { __wasm_call_ctors() };
    logger::install();
}

/// Creates a plugin (no parent) or a request of the plugin `parent`.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    with_module(|| (), |module| module.create(context, parent));
}

/// Starts the VM.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_context: u32, _configuration_size: usize) -> i32 {
    1
}

/// Configures a plugin; 0 if it cannot work with its configuration.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(context: u32, configuration_size: usize) -> i32 {
    i32::from(with_module(|| false, |module| module.configure(context, configuration_size)))
}

/// About a second has passed.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(context: u32) {
    with_module(|| (), |module| module.tick(context));
}

/// A request has arrived.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, headers: usize, _end_of_stream: u32) -> i32 {
    with_module(refuse, |module| module.request_headers(context, headers))
}

/// A response has arrived, or is about to be sent by the gateway itself.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, headers: usize, _end_of_stream: u32) -> i32 {
    with_module(refuse, |module| module.response_headers(context, headers))
}

/// A callout has ended.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(context: u32, token: u32, _headers: u32, body_size: usize, _trailers: u32) {
    with_module(gate::refuse_unknown, |module| module.call_response(context, token, body_size));
}

/// A request or plugin is about to end; nothing is left to do for it.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_done(_context: u32) -> i32 {
    1
}

/// The time to log a request or plugin.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_log(_context: u32) {}

/// A request or plugin has ended.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    with_module(|| (), |module: &mut Module| module.delete(context));
}

/// A module that is busy with another call cannot decide, and must not let anything pass.
fn refuse() -> i32 {
    gate::refuse_unknown();
    abi::PAUSE
}

/// What is of no interest. A request is decided on by its headers alone: while it is held, none of these is called for it.
mod ignored {
    use crate::gateway::abi::CONTINUE;

    /// A part of a request's body.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_request_body(_context: u32, _size: usize, _end_of_stream: u32) -> i32 {
        CONTINUE
    }

    /// A part of a response's body.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_response_body(_context: u32, _size: usize, _end_of_stream: u32) -> i32 {
        CONTINUE
    }

    /// The trailers of a request.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_request_trailers(_context: u32, _trailers: usize) -> i32 {
        CONTINUE
    }

    /// The trailers of a response.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_response_trailers(_context: u32, _trailers: usize) -> i32 {
        CONTINUE
    }

    /// A TCP connection. The filter is none for TCP.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_new_connection(_context: u32) -> i32 {
        CONTINUE
    }

    /// Bytes from the client of a TCP connection.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_downstream_data(_context: u32, _size: usize, _end_of_stream: u32) -> i32 {
        CONTINUE
    }

    /// Bytes from the server of a TCP connection.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_upstream_data(_context: u32, _size: usize, _end_of_stream: u32) -> i32 {
        CONTINUE
    }

    /// The client has closed a TCP connection.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_downstream_connection_close(_context: u32, _peer: u32) {}

    /// The server has closed a TCP connection.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_upstream_connection_close(_context: u32, _peer: u32) {}

    /// An entry in a queue. The filter has none.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_queue_ready(_context: u32, _queue: u32) {}

    /// The first metadata of a gRPC callout. The filter makes none.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_grpc_receive_initial_metadata(_context: u32, _token: u32, _headers: u32) {}

    /// A message of a gRPC callout.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_grpc_receive(_context: u32, _token: u32, _size: usize) {}

    /// The last metadata of a gRPC callout.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_grpc_receive_trailing_metadata(_context: u32, _token: u32, _trailers: u32) {}

    /// The end of a gRPC callout.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_grpc_close(_context: u32, _token: u32, _status: u32) {}

    /// A call of a function that the host has beyond the ABI. The filter asks for none.
    #[unsafe(no_mangle)]
    extern "C" fn proxy_on_foreign_function(_context: u32, _function: u32, _size: usize) {}
}
