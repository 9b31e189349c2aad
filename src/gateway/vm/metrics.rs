//! Counters per outcome, where the gateway has metrics.

use crate::callout::CalloutKind;
use crate::effects::Event;
use crate::reply::ErrorCode;

use crate::gateway::abi;

/// The ids that the host gave the counters; those that it did not define are not there.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    accepted: Option<u32>,
    refused: Vec<(ErrorCode, u32)>,
    tolerated: Option<u32>,
    signed: Option<u32>,
    keys: Callouts,
    introspection: Callouts,
    signer: Callouts,
    replay_full: Option<u32>,
}

/// What came of callouts of one kind.
#[derive(Debug, Default)]
struct Callouts {
    succeeded: Option<u32>,
    failed: Option<u32>,
}

impl Metrics {
    /// Those of a direction.
    pub(super) fn define(direction: &str, codes: &[ErrorCode]) -> Self {
        let counter = |name: &str| abi::define_counter(&format!("hub_auth_filter.{name}"));
        let refused = |code: ErrorCode| {
            let name = format!("{direction}.refused.{}", code.as_str().replace('.', "_"));
            counter(&name).map(|id| (code, id))
        };
        let callouts = |succeeded, failed| Callouts { succeeded: counter(succeeded), failed: counter(failed) };
        Self {
            accepted: counter(&format!("{direction}.accepted")),
            refused: codes.iter().copied().filter_map(refused).collect(),
            tolerated: counter(&format!("{direction}.tolerated")),
            signed: counter(&format!("{direction}.signed")),
            keys: callouts("jwks.fetched", "jwks.failed"),
            introspection: callouts("introspection.answered", "introspection.failed"),
            signer: callouts("signer.answered", "signer.failed"),
            replay_full: counter("replay.full"),
        }
    }

    /// Counts an event.
    pub(super) fn count(&self, event: &Event) {
        match event {
            Event::Admitted => increment(self.accepted),
            Event::Rejected(rejection) => {
                let code = rejection.code();
                increment(self.refused.iter().find(|(refused, _)| *refused == code).map(|(_, id)| *id));
                if rejection.is_replay_memory_full() {
                    increment(self.replay_full);
                }
            }
            Event::Tolerated(_) => increment(self.tolerated),
            Event::Signed(_) => increment(self.signed),
            Event::CalloutEnded(report) => {
                let Callouts { succeeded, failed } = match report.kind {
                    CalloutKind::Keys => &self.keys,
                    CalloutKind::Introspection => &self.introspection,
                    CalloutKind::Signer | CalloutKind::SignerKeys => &self.signer,
                };
                increment(if report.is_success { *succeeded } else { *failed });
            }
            Event::Information(_) | Event::Warning(_) => {}
        }
    }
}

fn increment(counter: Option<u32>) {
    if let Some(id) = counter {
        abi::increment_counter(id);
    }
}
