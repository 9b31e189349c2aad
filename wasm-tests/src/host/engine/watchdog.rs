//! Ends the process when a call does not end, where the engine counts nothing: a test that hangs says nothing.

#![expect(clippy::disallowed_methods, reason = "the ban on threads and clocks is for the module, not for what runs it")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

struct Calls {
    last: u64,
    /// Until when, and what they are.
    running: BTreeMap<u64, (Instant, String)>,
}

static CALLS: LazyLock<Mutex<Calls>> = LazyLock::new(|| {
    thread::spawn(watch);
    Mutex::new(Calls { last: 0, running: BTreeMap::new() })
});

/// A call that is being watched, for as long as this lives.
pub(super) struct Watched(u64);

impl Watched {
    /// Watches a call that `what` describes, and that may take so long.
    pub(super) fn new(patience: Duration, what: String) -> Self {
        let mut calls = calls();
        calls.last += 1;
        let number = calls.last;
        calls.running.insert(number, (Instant::now() + patience, what));
        Watched(number)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        calls().running.remove(&self.0);
    }
}

fn calls() -> MutexGuard<'static, Calls> {
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch() {
    loop {
        thread::sleep(Duration::from_millis(500));
        for (until, what) in calls().running.values() {
            if *until < Instant::now() {
                // Not `eprintln!`, which a test's harness would keep for itself.
                let _ = writeln!(std::io::stderr(), "{what}: giving up");
                process::abort();
            }
        }
    }
}
