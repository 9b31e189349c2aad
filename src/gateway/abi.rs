//! The host's functions, each behind a safe one that treats every status but 0 as failure and trusts no pointer that was
//! not written. All `unsafe` of the crate is here.
#![allow(unsafe_code, reason = "calls into the host and buffers handed over by it")]

use std::alloc::Layout;
use std::borrow::Cow;
use std::ptr::null_mut;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::header_map;
use crate::time::{SteadyTime, UnixTime};

/// What `proxy_on_request_headers` and `proxy_on_response_headers` return to let it go on.
pub(super) const CONTINUE: i32 = 0;

/// What they return to hold it.
pub(super) const PAUSE: i32 = 1;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const CAS_MISMATCH: u32 = 8;
const CALL_RESPONSE_HEADERS: u32 = 6;
const CALL_RESPONSE_BODY: u32 = 4;
const PLUGIN_CONFIGURATION: u32 = 7;
const COUNTER: u32 = 0;
const GAUGE: u32 = 1;
const HISTOGRAM: u32 = 2;
const NO_GRPC_STATUS: i32 = -1;
const REALTIME_CLOCK: u32 = 0;
const MONOTONIC_CLOCK: u32 = 1;
const MILLISECOND: u64 = 1_000_000;

/// More environment variables, or longer ones in all, are not read: a gateway hands over a few.
const MAX_VARIABLES: usize = 1024;
/// See [`MAX_VARIABLES`].
const MAX_ENVIRONMENT: usize = 1024 * 1024;

mod host {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
        pub(super) fn proxy_get_property(
            path: *const u8,
            path_size: usize,
            value: *mut *mut u8,
            value_size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize)
        -> u32;
        pub(super) fn proxy_get_header_map_pairs(map: u32, value: *mut *mut u8, value_size: *mut usize) -> u32;
        pub(super) fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *mut *mut u8,
            value_size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_replace_header_map_value(
            map: u32,
            name: *const u8,
            name_size: usize,
            value: *const u8,
            value_size: usize,
        ) -> u32;
        pub(super) fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            buffer: u32,
            start: usize,
            max_size: usize,
            value: *mut *mut u8,
            value_size: *mut usize,
        ) -> u32;
        pub(super) fn proxy_http_call(
            upstream: *const u8,
            upstream_size: usize,
            headers: *const u8,
            headers_size: usize,
            body: *const u8,
            body_size: usize,
            trailers: *const u8,
            trailers_size: usize,
            timeout_milliseconds: u32,
            token: *mut u32,
        ) -> u32;
        pub(super) fn proxy_get_shared_data(
            key: *const u8,
            key_size: usize,
            value: *mut *mut u8,
            value_size: *mut usize,
            cas: *mut u32,
        ) -> u32;
        pub(super) fn proxy_set_shared_data(
            key: *const u8,
            key_size: usize,
            value: *const u8,
            value_size: usize,
            cas: u32,
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
        pub(super) fn proxy_continue_stream(stream: u32) -> u32;
        pub(super) fn proxy_set_effective_context(context: u32) -> u32;
        pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
        pub(super) fn proxy_increment_metric(id: u32, offset: i64) -> u32;
        pub(super) fn proxy_record_metric(id: u32, value: u64) -> u32;
    }

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn clock_time_get(clock: u32, precision: u64, nanoseconds: *mut u64) -> u32;
        pub(super) fn environ_sizes_get(count: *mut usize, size: *mut usize) -> u32;
        pub(super) fn environ_get(pointers: *mut usize, text: *mut u8) -> u32;
    }
}

/// The headers of one way of an exchange, as the host numbers header maps.
#[derive(Debug, Clone, Copy)]
pub(super) enum Headers {
    Request = 0,
    Response = 2,
}

/// One way of an exchange, as the host numbers streams.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Request = 0,
    Response = 1,
}

/// The host refused. Which status it gave makes no difference here.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostError;

/// What came of an access to shared data.
#[derive(Debug, Clone, Copy)]
pub(super) enum SharedDataError {
    /// There is no value.
    NotFound,
    /// The value has another version by now.
    Changed,
    /// Anything else.
    Failed,
}

/// The message of a log line is for people; nothing is to be done where it cannot be written.
pub(super) fn log(level: u32, message: &[u8]) {
    // SAFETY: the host reads `message` during the call only.
    let _ = unsafe { host::proxy_log(level, message.as_ptr(), message.len()) };
}

/// What the clock on the wall says. `None` where the host has none: nothing can be decided then.
pub(super) fn wall_clock() -> Option<UnixTime> {
    clock(REALTIME_CLOCK).map(UnixTime::from_nanos)
}

/// What the clock says that is never set. `None` where the host has none. (`std::time::Instant` would panic there.)
pub(super) fn steady_clock() -> Option<SteadyTime> {
    clock(MONOTONIC_CLOCK).map(SteadyTime::from_nanos)
}

/// Random bytes, as good as the host's generator is. `None` where it has none.
pub(super) fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// The environment variables that the gateway hands to the module: `NAME=value` each. (`std::env` would end the process
/// where the host refuses.)
pub(super) fn environment() -> Zeroizing<Vec<String>> {
    let (mut count, mut size) = (0, 0);
    // SAFETY: the host writes two numbers.
    let status = unsafe { host::environ_sizes_get(&mut count, &mut size) };
    if status != OK || count > MAX_VARIABLES || size > MAX_ENVIRONMENT {
        return Zeroizing::default();
    }
    // Some hosts write one byte more for each variable than they said.
    let (mut pointers, mut text) = (vec![0; count], Zeroizing::new(vec![0; size.saturating_add(count)]));
    // SAFETY: the host writes as many pointers and bytes as it said before, and no more than the one for each beyond. The pointers
    // are not followed.
    let status = unsafe { host::environ_get(pointers.as_mut_ptr(), text.as_mut_ptr()) };
    if status != OK {
        return Zeroizing::default();
    }
    let texts = text.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok());
    Zeroizing::new(texts.map(str::to_owned).collect())
}

/// A property of the request or its connection. The parts of its path are joined by NUL.
pub(super) fn property(path: &str) -> Option<Vec<u8>> {
    // SAFETY: the host reads `path` during the call only.
    received(|value, size| unsafe { host::proxy_get_property(path.as_ptr(), path.len(), value, size) })
}

/// Sets a property of the request.
pub(super) fn set_property(path: &str, value: &[u8]) -> Result<(), HostError> {
    // SAFETY: the host reads both during the call only.
    done(unsafe { host::proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

/// All headers of the request or the response, to be read with [`header_map::decode`].
pub(super) fn headers(of: Headers) -> Option<Vec<u8>> {
    // SAFETY: no argument but the two that `received` owns.
    received(|value, size| unsafe { host::proxy_get_header_map_pairs(of as u32, value, size) })
}

/// A header of the request: the first, or all of them joined, as the host likes.
pub(super) fn request_header(name: &str) -> Option<Vec<u8>> {
    header(Headers::Request as u32, name)
}

/// The first header of this name that the response has.
pub(super) fn response_header(name: &str) -> Option<Vec<u8>> {
    header(Headers::Response as u32, name)
}

/// A header of the answer to the callout that is being reported.
pub(super) fn call_response_header(name: &str) -> Option<Vec<u8>> {
    header(CALL_RESPONSE_HEADERS, name)
}

/// The body of the answer to the callout that is being reported: exactly `size` bytes, or nothing.
pub(super) fn call_response_body(size: usize) -> Option<Vec<u8>> {
    buffer(CALL_RESPONSE_BODY, size)
}

/// The configuration of the plugin: exactly `size` bytes, or nothing.
pub(super) fn plugin_configuration(size: usize) -> Option<Vec<u8>> {
    buffer(PLUGIN_CONFIGURATION, size)
}

/// Sets a header of the request or the response, in place of any that it had.
pub(super) fn replace_header(of: Headers, name: &str, value: &str) -> Result<(), HostError> {
    // SAFETY: the host reads both during the call only.
    done(unsafe {
        host::proxy_replace_header_map_value(of as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// Takes a header away from the request or the response; no error if it had none.
pub(super) fn remove_header(of: Headers, name: &str) -> Result<(), HostError> {
    // SAFETY: the host reads `name` during the call only.
    done(unsafe { host::proxy_remove_header_map_value(of as u32, name.as_ptr(), name.len()) })
}

/// Sends an HTTP request and returns the token that its answer will carry.
pub(super) fn http_call(
    upstream: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout: Duration,
) -> Result<u32, HostError> {
    let headers = header_map::encode(headers).ok_or(HostError)?;
    let trailers = header_map::encode::<&str>(&[]).ok_or(HostError)?;
    let timeout = u32::try_from(timeout.as_millis()).map_err(|_| HostError)?;
    let mut token = 0;
    // SAFETY: the host reads the slices during the call only and writes one u32.
    done(unsafe {
        host::proxy_http_call(
            upstream.as_ptr(),
            upstream.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            timeout,
            &mut token,
        )
    })?;
    Ok(token)
}

/// Answers the request of the effective context.
pub(super) fn send_local_response(
    status: u16,
    details: &str,
    headers: &[(&str, Cow<'_, str>)],
    body: &str,
) -> Result<(), HostError> {
    let headers = header_map::encode(headers).ok_or(HostError)?;
    // SAFETY: the host reads the slices during the call only.
    done(unsafe {
        host::proxy_send_local_response(
            status.into(),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    })
}

/// Lets the request or the response of the effective context, which was held, go on.
pub(super) fn continue_stream(stream: Stream) -> Result<(), HostError> {
    // SAFETY: no pointers.
    done(unsafe { host::proxy_continue_stream(stream as u32) })
}

/// Makes the next calls count for another context.
pub(super) fn set_effective_context(context: u32) -> Result<(), HostError> {
    // SAFETY: no pointers.
    done(unsafe { host::proxy_set_effective_context(context) })
}

/// Whether the host knows its contexts: whether it notices that it has none of this number. One that says that all is well
/// does nothing when it is told to change to another.
pub(super) fn knows_contexts() -> bool {
    // SAFETY: no pointers.
    unsafe { host::proxy_set_effective_context(u32::MAX) != OK }
}

/// A value that all workers see, with its version.
pub(super) fn shared_data(key: &str) -> Result<(Vec<u8>, u32), SharedDataError> {
    let mut version = 0;
    let mut status = OK;
    // SAFETY: the host reads `key` during the call only and writes one u32 beside what `received` owns.
    let value = received(|value, size| {
        status = unsafe { host::proxy_get_shared_data(key.as_ptr(), key.len(), value, size, &mut version) };
        status
    });
    match value {
        Some(value) => Ok((value, version)),
        None if status == NOT_FOUND => Err(SharedDataError::NotFound),
        None => Err(SharedDataError::Failed),
    }
}

/// Sets a value that all workers see, if it still has this version.
pub(super) fn set_shared_data(key: &str, value: &[u8], version: u32) -> Result<(), SharedDataError> {
    // SAFETY: the host reads both during the call only.
    match unsafe { host::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) } {
        OK => Ok(()),
        CAS_MISMATCH => Err(SharedDataError::Changed),
        _ => Err(SharedDataError::Failed),
    }
}

/// Asks for `proxy_on_tick` every `period`.
pub(super) fn set_tick_period(period: Duration) -> Result<(), HostError> {
    let period = u32::try_from(period.as_millis()).map_err(|_| HostError)?;
    // SAFETY: no pointers.
    done(unsafe { host::proxy_set_tick_period_milliseconds(period) })
}

/// What counts events.
#[derive(Debug)]
pub(super) struct Counter(u32);

/// What shows a number as it is now.
#[derive(Debug)]
pub(super) struct Gauge(u32);

/// What shows how numbers are distributed.
#[derive(Debug)]
pub(super) struct Histogram(u32);

// Some hosts trap where a metric of one kind is used as one of another: only what can be done with each is here. What is lost
// changes no decision.
impl Counter {
    /// See [`define_metric`].
    pub(super) fn define(name: &str) -> Option<Self> {
        define_metric(COUNTER, name).map(Self)
    }

    /// Adds one.
    pub(super) fn increment(&self) {
        self.add(1);
    }

    /// Adds some.
    pub(super) fn add(&self, count: u64) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        // SAFETY: no pointers.
        let _ = unsafe { host::proxy_increment_metric(self.0, count) };
    }
}

impl Gauge {
    /// See [`define_metric`].
    pub(super) fn define(name: &str) -> Option<Self> {
        define_metric(GAUGE, name).map(Self)
    }

    /// Shows this number from now on.
    pub(super) fn set(&self, value: u64) -> Result<(), HostError> {
        // SAFETY: no pointers.
        done(unsafe { host::proxy_record_metric(self.0, value) })
    }
}

impl Histogram {
    /// See [`define_metric`].
    pub(super) fn define(name: &str) -> Option<Self> {
        define_metric(HISTOGRAM, name).map(Self)
    }

    /// Takes in one more number.
    pub(super) fn record(&self, value: u64) -> Result<(), HostError> {
        // SAFETY: no pointers.
        done(unsafe { host::proxy_record_metric(self.0, value) })
    }
}

/// Defines a metric. `None` where the host has none, which some say by writing no id; others trap.
fn define_metric(kind: u32, name: &str) -> Option<u32> {
    let mut id = u32::MAX;
    // SAFETY: the host reads `name` during the call only and writes one u32.
    let status = unsafe { host::proxy_define_metric(kind, name.as_ptr(), name.len(), &mut id) };
    (status == OK && id != u32::MAX).then_some(id)
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

/// Runs a call that hands over a buffer. No buffer is no value; an empty one is an empty value.
fn received(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let mut value = null_mut();
    let mut size = 0;
    let status = call(&mut value, &mut size);
    if status != OK {
        return None;
    }
    if value.is_null() {
        return (size == 0).then(Vec::new);
    }
    // SAFETY: the host got the buffer from `proxy_on_memory_allocate(size)`, filled it, and hands it over to us. That
    // function takes at least one byte, of which an empty value initialises none.
    Some(unsafe { Vec::from_raw_parts(value, size, size.max(1)) })
}

/// The time by a clock, in nanoseconds. Some hosts say that they have one, and write nothing.
fn clock(id: u32) -> Option<u64> {
    let mut nanoseconds = 0;
    // SAFETY: the host writes one u64.
    let status = unsafe { host::clock_time_get(id, MILLISECOND, &mut nanoseconds) };
    (status == OK && nanoseconds > 0).then_some(nanoseconds)
}

fn header(map: u32, name: &str) -> Option<Vec<u8>> {
    // SAFETY: the host reads `name` during the call only.
    received(|value, size| unsafe { host::proxy_get_header_map_value(map, name.as_ptr(), name.len(), value, size) })
}

/// A buffer of the host, if it has exactly `size` bytes.
fn buffer(kind: u32, size: usize) -> Option<Vec<u8>> {
    if size == 0 {
        return Some(Vec::new());
    }
    // SAFETY: no argument but the two that `received` owns.
    received(|value, length| unsafe { host::proxy_get_buffer_bytes(kind, 0, size, value, length) })
        .filter(|bytes| bytes.len() == size)
}

fn done(status: u32) -> Result<(), HostError> {
    if status == OK { Ok(()) } else { Err(HostError) }
}
