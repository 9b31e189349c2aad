//! The crate `log` on the gateway's log. Text gets the filter's name in front; a line of JSON stands for itself.

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::gateway::abi;

/// The target of lines that are JSON objects.
pub(super) const JSON_LINE: &str = "json";

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
        let level = match record.level() {
            Level::Trace => 0,
            Level::Debug => 1,
            Level::Info => 2,
            Level::Warn => 3,
            Level::Error => 4,
        };
        if self.enabled(record.metadata()) {
            let prefix = if record.target() == JSON_LINE { "" } else { PREFIX };
            abi::log(level, &format!("{prefix}{}", record.args()));
        }
    }

    fn flush(&self) {}
}
