//! The two ways in: as little proxy-wasm (ABI 0.2.1) as a gateway needs to hand over a header of a request and to send a
//! reply, and one plain function for engines without a gateway.
//!
//! The question is a header because Envoy lets no filter hold a request and see its body at the same time.
#![allow(unsafe_code, reason = "calls into the host, exports, and buffers handed over between them")]

use std::alloc::Layout;
use std::ptr::null_mut;

use crate::answer;
use crate::question::{Answer, Question};

const OK: u32 = 0;
const PAUSE: i32 = 1;
const REQUEST_HEADERS: u32 = 0;
const QUESTION: &str = "question";
const MONOTONIC_CLOCK: u32 = 1;
const NO_GRPC_STATUS: i32 = -1;

/// A serialized map of no headers: their number.
const NO_HEADERS: [u8; 4] = [0; 4];

mod host {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *mut *mut u8,
            value_size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_size: usize,
            body: *const u8,
            body_size: usize,
            headers: *const u8,
            headers_size: usize,
            grpc_status: i32,
        ) -> u32;
    }

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn clock_time_get(clock: u32, precision: u64, nanoseconds: *mut u64) -> u32;
    }

    unsafe extern "C" {
        pub(super) fn __wasm_call_ctors();
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: the constructors of the C library, which a reactor runs itself, once.
    unsafe { host::__wasm_call_ctors() };
}

/// Memory for what the host hands over, or null if there is none left.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::from_size_align(size.max(1), 1) {
        // SAFETY: the size is at least 1.
        Ok(layout) => unsafe { std::alloc::alloc(layout) },
        Err(_) => null_mut(),
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(_context: u32, _parent: u32) {}

/// Answers with status 200, or with 400 if there is no question.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(_context: u32, _headers: usize, _end_of_stream: u32) -> i32 {
    let (status, reply) = question().map_or((400, Vec::new()), |question| (200, reply(&question)));
    // SAFETY: the host reads the slices during the call only.
    let _ = unsafe {
        host::proxy_send_local_response(
            status,
            "".as_ptr(),
            0,
            reply.as_ptr(),
            reply.len(),
            NO_HEADERS.as_ptr(),
            NO_HEADERS.len(),
            NO_GRPC_STATUS,
        )
    };
    PAUSE
}

/// Answers the question at `pointer`, in a buffer from `proxy_on_memory_allocate` that is taken back. The answer's pointer
/// is in the upper half of the result and its size in the lower one; it stays there.
#[unsafe(no_mangle)]
extern "C" fn probe_answer(pointer: *mut u8, size: usize) -> u64 {
    // SAFETY: so says the caller.
    let question = unsafe { Vec::from_raw_parts(pointer, size, size.max(1)) };
    let reply = reply(&question).leak();
    (reply.as_ptr() as u64) << 32 | reply.len() as u64
}

fn reply(question: &[u8]) -> Vec<u8> {
    let answer = match serde_json::from_slice::<Question>(question) {
        Ok(question) => answer(&question, now),
        Err(error) => Answer::Nonsense(error.to_string()),
    };
    serde_json::to_vec(&answer).unwrap_or_default()
}

/// Nanoseconds of a clock that never goes back.
fn now() -> u64 {
    let mut nanoseconds = 0;
    // SAFETY: the host writes one u64.
    let _ = unsafe { host::clock_time_get(MONOTONIC_CLOCK, 1, &mut nanoseconds) };
    nanoseconds
}

/// The header of the request that has the question.
fn question() -> Option<Vec<u8>> {
    let (mut value, mut length) = (null_mut(), 0);
    // SAFETY: the host reads the name during the call only, and writes a pointer and a size.
    let status = unsafe {
        host::proxy_get_header_map_value(REQUEST_HEADERS, QUESTION.as_ptr(), QUESTION.len(), &mut value, &mut length)
    };
    if status != OK || value.is_null() {
        return None;
    }
    // SAFETY: the host got the buffer from `proxy_on_memory_allocate(length)` and filled it.
    Some(unsafe { Vec::from_raw_parts(value, length, length.max(1)) })
}
