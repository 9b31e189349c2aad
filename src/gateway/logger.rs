//! The crate `log` on the gateway's log.

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::abi;

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
            abi::log(level, &record.args().to_string());
        }
    }

    fn flush(&self) {}
}
