//! The crate `log` on the gateway's log. Text gets the filter's name in front; a line of JSON stands for itself, and is written past
//! the crate, which would have it formatted twice.

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::gateway::abi;

/// What lines begin with that are text.
const PREFIX: &str = "hub-auth-filter: ";

struct GatewayLog;

/// Makes the macros of `log` write to the gateway. Makes no host call.
pub(super) fn install() {
    // Fails only if a logger is installed, which is then this one.
    let _ = log::set_logger(&GatewayLog);
    log::set_max_level(LevelFilter::Info);
}

impl Log for GatewayLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            abi::log(number(record.level()), format!("{PREFIX}{}", record.args()).as_bytes());
        }
    }

    fn flush(&self) {}
}

/// Writes a line that is a JSON object.
pub(super) fn json(level: Level, line: &[u8]) {
    if level <= log::max_level() {
        abi::log(number(level), line);
    }
}

/// The level, as the host numbers them.
fn number(level: Level) -> u32 {
    match level {
        Level::Trace => 0,
        Level::Debug => 1,
        Level::Info => 2,
        Level::Warn => 3,
        Level::Error => 4,
    }
}
