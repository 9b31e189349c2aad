//! A clock of its own for a gateway: Envoy with another time of day than this machine's, which can be set while it runs. Its timers are
//! as always.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::envoy::Configuration;

/// What gives a process its time, in C, because that is loaded before Envoy's memory is there.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/stage/fleet/clock.c");

/// The clock of one gateway.
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, with its files in this directory.
    ///
    /// # Panics
    /// If there is no C compiler.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        let clock = Self { library: directory.join("clock.so"), file: directory.join("clock") };
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .arg(&clock.library)
            .arg(SOURCE)
            .status();
        assert!(compiled.is_ok_and(|status| status.success()), "{SOURCE} does not compile");
        fs::write(&clock.file, [0; 8]).expect("a writable directory");
        clock
    }

    /// Sets it ahead of the right time by so many seconds, or behind.
    pub fn set(&self, ahead: i64) {
        // In place: Envoy has this very file in its memory.
        let file = fs::OpenOptions::new().write(true).open(&self.file).expect("the clock");
        let nanoseconds = ahead * 1_000_000_000;
        std::os::unix::fs::FileExt::write_all_at(&file, &nanoseconds.to_ne_bytes(), 0).expect("the clock");
    }

    /// Gives it to an Envoy.
    #[must_use]
    pub fn give(&self, configuration: Configuration) -> Configuration {
        configuration
            .environment("LD_PRELOAD", &self.library.display().to_string())
            .environment("HUB_AUTH_CLOCK", &self.file.display().to_string())
    }
}
