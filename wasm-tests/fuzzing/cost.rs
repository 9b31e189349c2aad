//! What a call costs: the bytes that it allocated, and the processor's time. Both are the calling thread's own, so that nothing else
//! on the machine counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

/// The most that reading may cost: something for any input, and something for each of its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Bytes allocated altogether, also those that were freed again. Of an input of no bytes.
    pub(crate) base: usize,
    /// The same, for each byte of the input.
    pub(crate) per_byte: usize,
    /// Processor time, whatever the input. Tests are not optimised, and the processor has caches to fill.
    pub(crate) time: Duration,
}

impl Bound {
    /// What reading text may cost.
    pub(crate) const TEXT: Self = Self { base: 4096, per_byte: 64, time: Duration::from_millis(100) };
}

/// Calls something that reads so many bytes.
///
/// # Panics
/// If it costs more than may be.
pub(crate) fn bounded<T>(bound: Bound, length: usize, call: impl FnOnce() -> T) -> T {
    let (bytes, time) = (ALLOCATED.get(), processor_time());
    let result = call();
    let (bytes, time) = (ALLOCATED.get() - bytes, processor_time() - time);
    let most = bound.base + bound.per_byte * length;
    assert!(bytes <= most, "{bytes} bytes were allocated for an input of {length}, more than {most}");
    assert!(time <= bound.time, "{time:?} for an input of {length} bytes, more than {:?}", bound.time);
    result
}

#[allow(unsafe_code, reason = "the standard library does not ask for this time")]
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes a `timespec` to where there is one.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0, "there is no such clock");
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

#[allow(
    unsafe_code,
    reason = "an allocator is unsafe to write; this one counts and hands everything on to the system's"
)]
// SAFETY: every call is the system allocator's, with the arguments unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }
}

fn note(bytes: usize) {
    ALLOCATED.set(ALLOCATED.get().wrapping_add(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: Bound = Bound { base: 10, per_byte: 1, time: Duration::from_secs(1) };

    #[test]
    fn what_costs_no_more_than_may_be_is_let_through() {
        assert_eq!(bounded(TINY, 5, || vec![1_u8; 15]), [1; 15]);
    }

    #[test]
    #[should_panic(expected = "16 bytes were allocated for an input of 5, more than 15")]
    fn what_allocates_too_much_is_found_although_it_frees_it_again() {
        bounded(TINY, 5, || drop((vec![1_u8; 8], vec![1_u8; 8])));
    }

    #[test]
    #[should_panic(expected = "more than 1ms")]
    fn what_takes_too_long_is_found() {
        let bound = Bound { time: Duration::from_millis(1), ..TINY };
        bounded(bound, 5, || {
            let start = processor_time();
            while processor_time() - start < Duration::from_millis(2) {}
        });
    }
}
