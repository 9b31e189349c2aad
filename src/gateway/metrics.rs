//! Counters per outcome, where the gateway has metrics.

use std::collections::BTreeMap;

use crate::auth::CalloutReport;
use crate::reply::{ErrorCode, Refusal};

use super::abi;

/// The ids that the host gave the counters; those that it did not define are not there.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    accepted: Option<u32>,
    refused: BTreeMap<ErrorCode, u32>,
    fetched: Option<u32>,
    not_fetched: Option<u32>,
    introspected: Option<u32>,
    not_introspected: Option<u32>,
    replay_full: Option<u32>,
}

impl Metrics {
    pub(super) fn define() -> Self {
        let refused = |code: ErrorCode| {
            let name = format!("hub_auth_filter.inbound.refused.{}", code.as_str().replace('.', "_"));
            abi::define_counter(&name).map(|id| (code, id))
        };
        Self {
            accepted: abi::define_counter("hub_auth_filter.inbound.accepted"),
            refused: ErrorCode::ALL.into_iter().filter_map(refused).collect(),
            fetched: abi::define_counter("hub_auth_filter.jwks.fetched"),
            not_fetched: abi::define_counter("hub_auth_filter.jwks.failed"),
            introspected: abi::define_counter("hub_auth_filter.introspection.answered"),
            not_introspected: abi::define_counter("hub_auth_filter.introspection.failed"),
            replay_full: abi::define_counter("hub_auth_filter.replay.full"),
        }
    }

    pub(super) fn count_accepted(&self) {
        increment(self.accepted);
    }

    pub(super) fn count_refused(&self, refusal: &Refusal) {
        increment(self.refused.get(&refusal.code()).copied());
        if refusal.is_replay_memory_full() {
            increment(self.replay_full);
        }
    }

    pub(super) fn count_callout(&self, report: &CalloutReport) {
        match (report, report.is_success()) {
            (CalloutReport::Keys(_), true) => increment(self.fetched),
            (CalloutReport::Keys(_), false) => increment(self.not_fetched),
            (CalloutReport::Introspection(_), true) => increment(self.introspected),
            (CalloutReport::Introspection(_), false) => increment(self.not_introspected),
        }
    }
}

fn increment(counter: Option<u32>) {
    if let Some(id) = counter {
        abi::increment_counter(id);
    }
}
