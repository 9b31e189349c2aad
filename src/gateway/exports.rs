//! The functions that the host calls (ABI 0.2.1), each handed to the one [`Module`](super::module::Module) of this VM.
#![allow(unsafe_code, reason = "exports have fixed names")]

use super::module::{Module, with_module};
use super::{abi, logger, verdict};

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

/// Configures a plugin; 0 if it can not work with its configuration.
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
    with_module(verdict::refuse_unknown, |module| module.call_response(context, token, body_size));
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

/// A module that is busy with another call can not decide, and must not let anything pass.
fn refuse() -> i32 {
    verdict::refuse_unknown();
    abi::PAUSE
}
