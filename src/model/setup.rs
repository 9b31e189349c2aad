//! The configurations that are played, and a worker with one.

use serde_json::{Value as Json, json};

use crate::callout::{Answer, CalloutId, CalloutSubject};
use crate::capabilities::Capabilities;
use crate::config::Config;
use crate::effects::{CalloutOutcome, Effects, TickOutcome};
use crate::inbound::Inbound;
use crate::outbound::Outbound;
use crate::request::{RequestFacts, RequestId, ResponseFacts};
use crate::time::Moment;
use crate::verdict::{RequestVerdict, ResponseVerdict};

use super::cast::{Key, ORGANISATION, PROVIDERS, UNIT};

/// A configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    /// JWT Auth, and what was verified is remembered.
    JwtAuth,
    /// JWT Auth, and each worker lets a token in once.
    OnceAWorker,
    /// JWT Auth, and all workers together let a token in once.
    Once,
    /// The same with room for two tokens.
    OnceCrowded,
    /// JWT Auth, and all that ask one store let a token in once, restarts included.
    OnceInTheFleet,
    /// JWT Auth, and responses get a token of the bank by a remote signer.
    ResponseToken,
    /// Access tokens that the authorisation server is asked about; a payment may bring a token of the bank.
    Introspection,
    /// The bank's requests, signed here, with a key that comes next.
    Local,
    /// The bank's requests, signed by a remote signer.
    Remote,
    /// The same, and only the Hub's responses pass.
    Require,
    /// The same, and it is told which responses are not the Hub's.
    Report,
}

/// When the next of the bank's own keys becomes active: this long after the start, in seconds.
pub(super) const ROTATION: u64 = 100;

/// When it all begins, in seconds since 1970.
pub(super) const START: u64 = 1_795_253_400;

impl Setup {
    /// Whether requests come from the Hub.
    pub(super) fn is_inbound(self) -> bool {
        !matches!(self, Self::Local | Self::Remote | Self::Require | Self::Report)
    }

    /// Whether responses mean anything.
    pub(super) fn looks_at_responses(self) -> bool {
        matches!(self, Self::ResponseToken | Self::Require | Self::Report)
    }

    /// Whether a token is let in once: by a worker, or by all together.
    pub(super) fn once(self) -> Option<bool> {
        match self {
            Self::OnceAWorker => Some(false),
            Self::Once | Self::OnceCrowded | Self::OnceInTheFleet => Some(true),
            _ => None,
        }
    }

    /// A worker with this configuration.
    pub(super) fn start(self, capabilities: &Capabilities) -> Worker {
        let config = json!({ (if self.is_inbound() { "inbound" } else { "outbound" }): self.settings() });
        let config = Config::parse(config.to_string().as_bytes()).unwrap();
        if self.is_inbound() {
            Worker::Inbound(Box::new(Inbound::new(config.into_inbound(), capabilities)))
        } else {
            Worker::Outbound(Box::new(Outbound::new(config.into_outbound(), capabilities)))
        }
    }

    fn settings(self) -> Json {
        let mut inbound = json!({
            "provider_ids": PROVIDERS,
            "peer": { "organisational_units": [UNIT] },
            "auth": { "jwt_auth": { "jwks": { "environment": "sandbox" }, "upstream": "keystore" } },
        });
        let method = &mut inbound["auth"]["jwt_auth"];
        match self {
            Self::JwtAuth => method["token_cache_capacity"] = json!(20),
            Self::OnceAWorker => method["replay_detection"] = json!("worker"),
            Self::Once | Self::OnceCrowded => {
                method["replay_detection"] = json!("gateway");
                method["replay_capacity"] = json!(if self == Self::Once { 200 } else { 2 });
            }
            Self::OnceInTheFleet => {
                let etcd = json!({ "address": "https://etcd.test:2379", "upstream": "store" });
                method["replay_detection"] = json!({ "store": { "etcd": etcd } });
            }
            Self::ResponseToken => inbound["response_token"] = signing(true),
            Self::Introspection => {
                inbound["service_initiation"] = json!({ "allow": [{ "method": "POST", "path": "/payments" }] });
                inbound["auth"] = json!({ "client_credentials": { "scopes": ["accounts"], "introspection": {
                    "url": "https://as.test/introspect", "upstream": "as", "client_id": "filter",
                    "client_secret": { "value": "s3cret" },
                } } });
            }
            Self::Local => return signing(false),
            Self::Remote => return signing(true),
            Self::Require | Self::Report => {
                let mut signing = signing(true);
                signing["verify_responses"] = json!({
                    "mode": if self == Self::Require { "require" } else { "report" },
                    "hub": { "organisation": ORGANISATION, "organisational_unit": UNIT, "common_name": "abc123" },
                    "provider_ids": ["retail"],
                    "jwks": { "environment": "sandbox" },
                    "upstream": "keystore",
                });
                return signing;
            }
        }
        inbound
    }
}

fn signing(is_remote: bool) -> Json {
    let mut signing = json!({
        "audience": "hub-for-retail",
        "certificate": { "organisation": "Example Bank, PJSC", "organisational_unit": "d0c1b2a3" },
    });
    if is_remote {
        signing["remote_signer"] = json!({ "vault_transit": {
            "address": "https://bao.test:8200", "upstream": "bao", "key": "sig4", "kid": "sig4",
            "token": { "value": "s.secret" }, "public_key": Key::First.signing().public_pem(),
        } });
    } else {
        let from = humantime::format_rfc3339(std::time::UNIX_EPOCH + std::time::Duration::from_secs(START + ROTATION));
        signing["keys"] = json!([
            { "kid": "sig4", "private_key": { "value": Key::First.signing().pem() } },
            { "kid": "sig5", "private_key": { "value": Key::Next.signing().pem() }, "active_from": from.to_string() },
        ]);
    }
    signing
}

/// One worker of the gateway.
pub(super) enum Worker {
    Inbound(Box<Inbound>),
    Outbound(Box<Outbound>),
}

macro_rules! each {
    ($worker:expr, $direction:ident => $result:expr) => {
        match $worker {
            Worker::Inbound($direction) => $result,
            Worker::Outbound($direction) => $result,
        }
    };
}

impl Worker {
    pub(super) fn on_request(&mut self, now: Moment, id: RequestId, facts: RequestFacts) -> Effects<RequestVerdict> {
        each!(self, direction => direction.on_request(now, id, facts))
    }

    pub(super) fn on_response(&mut self, now: Moment, id: RequestId, facts: ResponseFacts) -> Effects<ResponseVerdict> {
        match self {
            Self::Inbound(inbound) => inbound.on_response(now, id, &facts),
            Self::Outbound(outbound) => outbound.on_response(now, id, facts),
        }
    }

    pub(super) fn on_answer(
        &mut self,
        now: Moment,
        id: CalloutId,
        subject: &CalloutSubject,
        answer: &Answer,
    ) -> CalloutOutcome {
        each!(self, direction => direction.on_answer(now, id, subject, answer))
    }

    pub(super) fn on_not_dispatched(&mut self, now: Moment, id: CalloutId, subject: &CalloutSubject) -> CalloutOutcome {
        each!(self, direction => direction.on_not_dispatched(now, id, subject))
    }

    pub(super) fn on_request_end(&mut self, id: RequestId) {
        each!(self, direction => direction.on_request_end(id));
    }

    pub(super) fn on_tick(&mut self, now: Moment) -> TickOutcome {
        each!(self, direction => direction.on_tick(now))
    }

    pub(super) fn ticks(&mut self) -> bool {
        each!(self, direction => direction.tick_period().is_some())
    }
}
