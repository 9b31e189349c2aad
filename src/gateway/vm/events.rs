//! What is told of events: what is counted and measured of them, and which line of the gateway's log says what, at which level.

use log::Level;

use crate::callout::{CalloutKind, CalloutReport};
use crate::effects::Event;
use crate::reply::RejectionEvent;
use crate::time::UnixTime;

use super::logger;
use super::metrics::Metrics;
use crate::gateway::abi;

/// Tells of events.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) metrics: Metrics,
}

impl Events {
    /// Tells of several events, in their order.
    pub(super) fn tell_all(&mut self, events: Vec<Event>) {
        for event in &events {
            self.tell(event);
        }
    }

    /// Counts an event, and logs it.
    pub(super) fn tell(&mut self, event: &Event) {
        self.metrics.note(event);
        log(event);
    }
}

/// Logs an event.
pub(super) fn log(event: &Event) {
    match event {
        Event::Admitted | Event::Measured(_) | Event::DecidedAlone(_) => {}
        Event::Rejected(rejection) | Event::Replaced(rejection) => {
            json_line(Level::Warn, |now| rejection.log_line(now, RejectionEvent::Refused));
        }
        Event::Tolerated(rejection) => {
            json_line(Level::Warn, |now| rejection.log_line(now, RejectionEvent::Tolerated));
        }
        Event::Signed(record) => json_line(Level::Info, |now| record.log_line(now).into_bytes()),
        Event::CalloutEnded(report) => log::log!(level_of(report), "{}", report.text),
        Event::Information(text) => log::info!("{text}"),
        Event::Warning(text) => log::warn!("{text}"),
    }
}

/// Without a clock a line would have no time: there is none.
fn json_line(level: Level, line: impl FnOnce(UnixTime) -> Vec<u8>) {
    if let Some(now) = abi::wall_clock() {
        logger::json(level, &line(now));
    }
}

fn level_of(report: &CalloutReport) -> Level {
    match (report.kind, report.is_success) {
        (_, false) => Level::Warn,
        (CalloutKind::Keys | CalloutKind::SignerKeys | CalloutKind::SignerToken, true) => Level::Info,
        // Once for each token.
        (CalloutKind::Introspection | CalloutKind::Signer | CalloutKind::ReplayStore, true) => Level::Debug,
    }
}
