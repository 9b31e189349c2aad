//! Processes of the stage that come and go: ports that are theirs while they are away, and falling silent.

use std::fs;
use std::iter;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// A process stops at once; a loaded machine may need longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A free port below those that the system gives to whoever asks for any (from 32768 on): one of these somebody could take before its
/// program listens, or while it is away.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn lasting_port() -> SocketAddr {
    static DRAWN: AtomicU16 = AtomicU16::new(0);
    let [process, ..] = process::id().to_le_bytes();
    let mut ports = iter::repeat_with(|| 10_000 + 80 * u16::from(process) + DRAWN.fetch_add(1, Ordering::Relaxed));
    let free = ports.find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()).expect("a port");
    free.local_addr().expect("an address")
}

/// Lets a process fall silent: it takes connections and answers nothing. When this returns, it has stopped: the signal alone is
/// delivered to its threads a little later, and until then it answers.
pub(super) fn suspend(process: u32) {
    signal(process, "-STOP");
    let started = Instant::now();
    while !has_stopped(process) {
        assert!(started.elapsed() < PATIENCE, "process {process} does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Lets it go on.
pub(super) fn resume(process: u32) {
    signal(process, "-CONT");
}

fn signal(process: u32, signal: &str) {
    let sent = Command::new("kill").args([signal, &process.to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
}

/// Whether every thread of the process is stopped (state `T` of proc_pid_stat(5), behind the name in parentheses).
fn has_stopped(process: u32) -> bool {
    let is_stopped = |thread: fs::DirEntry| {
        let told = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        told.rsplit_once(')').is_some_and(|(_, state)| state.trim_start().starts_with('T'))
    };
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("the threads of a child process");
    threads.map(|thread| thread.expect("a readable /proc")).all(is_stopped)
}
