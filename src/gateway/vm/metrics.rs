//! Counters, gauges and histograms, where the gateway has them. `docs/operations.md` lists them for operators.

use std::time::Duration;

use crate::callout::{CalloutKind, CalloutSubject, ClockDifference, FetchedKeySet};
use crate::effects::{Event, Measurement};
use crate::metric::MetricName;
use crate::reply::ErrorCode;

use super::direction::Direction;
use crate::gateway::abi::{Counter, Gauge, Histogram};

/// The most key sets whose ages are shown. With pinned organisational units there is one per Hub; a gateway keeps what is defined
/// for ever.
const MAX_KEY_SETS: usize = 8;

/// What the host defined; what it did not is not there.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    accepted: Option<Counter>,
    refused: Codes,
    replaced: Codes,
    tolerated: Codes,
    signed: Option<Counter>,
    held: Option<Counter>,
    released: Option<Counter>,
    decision: Option<Histogram>,
    signing: Option<Histogram>,
    keys: Callouts,
    introspection: Callouts,
    signer: Callouts,
    signer_keys: Callouts,
    signer_token: Callouts,
    replay_store: Callouts,
    /// By name, each from its first fetch on.
    key_sets: Vec<(MetricName, Option<Gauge>)>,
    clock_ahead: Option<Gauge>,
    clock_behind: Option<Gauge>,
    /// From the first certificate on.
    peer_certificate_end: Option<Gauge>,
    replay_fallbacks: Option<Counter>,
    replay_full: Option<Counter>,
    replay_used: Option<Gauge>,
    replay_capacity: Option<Gauge>,
    is_on: bool,
}

/// A counter for each error code.
#[derive(Debug, Default)]
struct Codes(Vec<(ErrorCode, Counter)>);

/// What came of callouts of one kind, and how long they took.
#[derive(Debug, Default)]
struct Callouts {
    succeeded: Option<Counter>,
    failed: Option<Counter>,
    duration: Option<Histogram>,
}

impl Metrics {
    /// Those of a direction, which begins to work.
    pub(super) fn define(direction: &Direction) -> Self {
        let of_direction = |name: &str| MetricName::new(name).with("direction", direction.name());
        let requests = |outcome: &str| of_direction("requests_total").with("outcome", outcome);
        let responses = |outcome: &str| of_direction("responses_total").with("outcome", outcome);
        let (codes, response_codes) = (direction.error_codes(), direction.response_error_codes());
        if let Some(starts) = counter(&of_direction("starts_total")) {
            starts.increment();
        }
        if let Some(build) = gauge(&MetricName::new("build_info").with("version", env!("CARGO_PKG_VERSION"))) {
            // Whether it shows decides nothing.
            let _ = build.set(1);
        }
        Self {
            accepted: counter(&requests("accepted")),
            refused: Codes::define(&requests("refused"), codes),
            replaced: Codes::define(&responses("refused"), response_codes),
            tolerated: Codes::define(&responses("tolerated"), response_codes),
            signed: counter(&of_direction("signatures_total")),
            held: counter(&of_direction("requests_held_total")),
            released: counter(&of_direction("requests_released_total")),
            decision: histogram(&of_direction("decision_duration_milliseconds")),
            signing: histogram(&of_direction("signing_duration_milliseconds")),
            keys: Callouts::define("jwks"),
            introspection: Callouts::define("introspection"),
            signer: Callouts::define("signature"),
            signer_keys: Callouts::define("signer_keys"),
            signer_token: Callouts::define("signer_token"),
            replay_store: Callouts::define("replay_store"),
            key_sets: Vec::new(),
            clock_ahead: gauge(&MetricName::new("clock_ahead_seconds")),
            clock_behind: gauge(&MetricName::new("clock_behind_seconds")),
            peer_certificate_end: None,
            replay_fallbacks: counter(&MetricName::new("replay_fallbacks_total")),
            replay_full: counter(&MetricName::new("replay_memory_full_total")),
            replay_used: gauge(&MetricName::new("replay_memory_used_tokens")),
            replay_capacity: gauge(&MetricName::new("replay_memory_capacity_tokens")),
            is_on: true,
        }
    }

    /// Whether anything is measured.
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Counts an event, and takes from it what is measured.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Admitted => increment(self.accepted.as_ref()),
            Event::Rejected(rejection) => {
                self.refused.increment(rejection.code());
                if rejection.is_replay_memory_full() {
                    increment(self.replay_full.as_ref());
                }
            }
            Event::Replaced(rejection) => self.replaced.increment(rejection.code()),
            Event::Tolerated(rejection) => self.tolerated.increment(rejection.code()),
            Event::Signed(_) => increment(self.signed.as_ref()),
            Event::CalloutEnded(report) => {
                let Callouts { succeeded, failed, .. } = match report.kind {
                    CalloutKind::Keys => &self.keys,
                    CalloutKind::Introspection => &self.introspection,
                    CalloutKind::Signer => &self.signer,
                    CalloutKind::SignerKeys => &self.signer_keys,
                    CalloutKind::SignerToken => &self.signer_token,
                    CalloutKind::ReplayStore => &self.replay_store,
                };
                increment(if report.is_success { succeeded } else { failed }.as_ref());
                if let Some(key_set) = &report.key_set {
                    self.note_key_set(key_set);
                }
            }
            Event::Measured(Measurement::PeerCertificateEnd(end)) => {
                if self.is_on && self.peer_certificate_end.is_none() {
                    let name = MetricName::new("peer_certificate_not_after_timestamp_seconds");
                    self.peer_certificate_end = gauge(&name);
                }
                set(&mut self.peer_certificate_end, end.as_secs());
            }
            Event::Measured(Measurement::ReplayMemory(usage)) => {
                set(&mut self.replay_used, wide(usage.used));
                set(&mut self.replay_capacity, wide(usage.capacity));
            }
            Event::DecidedAlone(count) => {
                if let Some(fallbacks) = &self.replay_fallbacks {
                    fallbacks.add(*count);
                }
            }
            Event::Information(_) | Event::Warning(_) => {}
        }
    }

    /// A request has to wait.
    pub(super) fn note_held(&self) {
        increment(self.held.as_ref());
    }

    /// A request waits no more.
    pub(super) fn note_released(&self) {
        increment(self.released.as_ref());
    }

    /// How long it took to decide on a request.
    pub(super) fn note_decision(&mut self, took: Duration) {
        record(&mut self.decision, took);
    }

    /// How long it took until a request or a response had its token.
    pub(super) fn note_signing(&mut self, took: Duration) {
        record(&mut self.signing, took);
    }

    /// How long a callout took.
    pub(super) fn note_callout(&mut self, subject: &CalloutSubject, took: Duration) {
        let callouts = match subject {
            CalloutSubject::KeySet(_) => &mut self.keys,
            CalloutSubject::Token(_) => &mut self.introspection,
            CalloutSubject::Signature(_) => &mut self.signer,
            CalloutSubject::SignerKeys => &mut self.signer_keys,
            CalloutSubject::SignerToken => &mut self.signer_token,
            CalloutSubject::TokenUse(_) | CalloutSubject::StoreSession => &mut self.replay_store,
        };
        record(&mut callouts.duration, took);
    }

    /// How the clock differs from a keystore's.
    pub(super) fn note_clock(&mut self, difference: ClockDifference) {
        set(&mut self.clock_ahead, difference.ahead.as_secs());
        set(&mut self.clock_behind, difference.behind.as_secs());
    }

    fn note_key_set(&mut self, FetchedKeySet { url, at }: &FetchedKeySet) {
        if !self.is_on {
            return;
        }
        let name = MetricName::new("key_set_fetched_timestamp_seconds").with_key_set(url);
        if let Some((_, fetched)) = self.key_sets.iter_mut().find(|(known, _)| *known == name) {
            set(fetched, at.as_secs());
        } else if self.key_sets.len() < MAX_KEY_SETS {
            let mut fetched = gauge(&name);
            set(&mut fetched, at.as_secs());
            self.key_sets.push((name, fetched));
        }
    }
}

impl Codes {
    fn define(name: &MetricName, codes: &[ErrorCode]) -> Self {
        let of_code = |code: ErrorCode| counter(&name.clone().with_code(code)).map(|counter| (code, counter));
        Self(codes.iter().copied().filter_map(of_code).collect())
    }

    fn increment(&self, code: ErrorCode) {
        increment(self.0.iter().find(|(counted, _)| *counted == code).map(|(_, counter)| counter));
    }
}

impl Callouts {
    fn define(about: &str) -> Self {
        let ended = |outcome| MetricName::new("callouts_total").with("about", about).with("outcome", outcome);
        Self {
            succeeded: counter(&ended("succeeded")),
            failed: counter(&ended("failed")),
            duration: histogram(&MetricName::new("callout_duration_milliseconds").with("about", about)),
        }
    }
}

fn counter(name: &MetricName) -> Option<Counter> {
    Counter::define(name.as_str())
}

fn gauge(name: &MetricName) -> Option<Gauge> {
    Gauge::define(name.as_str())
}

fn histogram(name: &MetricName) -> Option<Histogram> {
    Histogram::define(name.as_str())
}

fn increment(counter: Option<&Counter>) {
    if let Some(counter) = counter {
        counter.increment();
    }
}

// What the host does not take once is not offered again: one that allows a module less than this would log each try.

fn set(gauge: &mut Option<Gauge>, value: u64) {
    if gauge.as_ref().is_some_and(|gauge| gauge.set(value).is_err()) {
        *gauge = None;
    }
}

fn record(histogram: &mut Option<Histogram>, took: Duration) {
    let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if histogram.as_ref().is_some_and(|histogram| histogram.record(took).is_err()) {
        *histogram = None;
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
