//! What Linux tells of the machine and of Envoy's process: the processor time of its worker thread, and its memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wasm_tests::stage::envoy;

/// The machine in one line.
pub(crate) fn description() -> String {
    let all = read("/proc/cpuinfo".into());
    let model = all.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().expect("a number of processors");
    format!("{model}, {cores} logical processors, Envoy {}", envoy::version())
}

/// The clock of one thread: it runs while the thread does.
pub(crate) struct ThreadClock(PathBuf);

impl ThreadClock {
    /// The clock of the only worker of this Envoy.
    pub(crate) fn of_worker(process: u32) -> Self {
        let threads = fs::read_dir(format!("/proc/{process}/task")).expect("Envoy's threads");
        let mut threads = threads.map(|entry| entry.expect("a thread").path());
        let worker = threads.find(|thread| read(thread.join("comm")).trim() == "wrk:worker_0");
        Self(worker.expect("a thread of the name wrk:worker_0"))
    }

    /// How long the thread has run.
    pub(crate) fn now(&self) -> Duration {
        ran(&self.0)
    }
}

/// The clock of all threads of a process, for as long as none of them ends.
pub(crate) struct ProcessClock(PathBuf);

impl ProcessClock {
    /// The clock of this process.
    pub(crate) fn of(process: u32) -> Self {
        Self(format!("/proc/{process}/task").into())
    }

    /// How long its threads have run together.
    pub(crate) fn now(&self) -> Duration {
        let threads = fs::read_dir(&self.0).expect("the threads of a process");
        threads.map(|entry| ran(&entry.expect("a thread").path())).sum()
    }
}

/// How long all threads of this process have run, also those that have ended: user and system time in ticks of 10 ms
/// (proc_pid_stat(5), where the name before them may have spaces).
pub(crate) fn process_time(process: u32) -> Duration {
    let all = read(format!("/proc/{process}/stat").into());
    let (_, fields) = all.rsplit_once(") ").expect("the name's end");
    let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("a number of ticks"));
    Duration::from_millis(10 * ticks.sum::<u64>())
}

/// The memory of this process that is really there, in bytes.
pub(crate) fn resident(process: u32) -> u64 {
    let status = read(format!("/proc/{process}/status").into());
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kilobytes")
}

/// The first field of schedstat: nanoseconds on a processor (Linux, Documentation/scheduler/sched-stats.rst).
fn ran(thread: &Path) -> Duration {
    let text = read(thread.join("schedstat"));
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.expect("nanoseconds on a processor"))
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
