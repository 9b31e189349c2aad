//! One request of the Hub, decided without a gateway, for the operator's tool: which check does a token fail, and which were not
//! reached? The machine that decides is the one that decides in gateways. Here is only what a gateway would bring to it.
//! [`Minting`] is the same for a request of the bank's.

mod check;
mod minting;

pub use check::Check;
pub use minting::{Minted, Minting, NotMinted};

use crate::callout::{Answer, Callout};
use crate::capabilities::Capabilities;
use crate::config::{self, Auth, Config, Direction};
use crate::inbound::Inbound;
use crate::jose::{Algorithm, KeySet, SkippedKeys};
use crate::keys::FetchError;
use crate::peer::name::DistinguishedName;
use crate::peer::{LeafCertificate, PeerFacts, PeerSource, Subject};
use crate::reply::RejectReason;
use crate::request::{Correlation, RequestFacts, RequestId};
use crate::time::{Moment, UnixTime};
use crate::verdict::{RequestVerdict, Verdict};

/// A configuration and a client certificate, with which requests are tried.
#[derive(Debug)]
pub struct Trial {
    settings: config::Inbound,
    certificate: LeafCertificate,
    capabilities: Capabilities,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The HTTP status: 200 stands for a request that goes on.
    pub status: u16,
    /// The error code of a refusal.
    pub code: Option<&'static str>,
    /// What the caller is told.
    pub message: Option<String>,
    /// The check of JWT Auth that failed. `None` if the request goes on, or was refused for something else.
    pub failed: Option<Check>,
}

/// A key of a set that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsableKey {
    /// Its `kid`.
    pub key_id: String,
    /// The algorithms of those that were asked for which it may verify.
    pub algorithms: Vec<&'static str>,
}

/// A key set as the filter sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySetView {
    /// The keys that are used, in the order of their `kid`.
    pub usable: Vec<UsableKey>,
    /// The beginning of the `kid` of those that are not, if they have one, and why. At most eight.
    pub skipped: Vec<(Option<String>, String)>,
    /// How many are not used.
    pub skipped_count: usize,
    /// Why the whole set is refused.
    pub refused: Option<String>,
}

impl Trial {
    /// With an inbound configuration and a certificate, in a gateway that can do this. `None` if the configuration is an outbound one.
    ///
    /// The certificate is taken for the one of the connection, wherever the gateway would learn of it. That a token was used
    /// before only the gateway knows, so it is not asked.
    #[must_use]
    pub fn new(config: Config, certificate: LeafCertificate, capabilities: Capabilities) -> Option<Self> {
        let Direction::Inbound(settings) = config.direction else { return None };
        let mut settings = *settings;
        settings.peer.source = PeerSource::Connection;
        settings.health_checks = None;
        settings.response_token = None;
        if let Auth::JwtAuth(method) = &mut settings.auth {
            method.replay = None;
        }
        Some(Self { settings, certificate, capabilities })
    }

    /// `O`, `OU` and `CN` of the certificate, if it has the first two exactly once.
    #[must_use]
    pub fn subject(&self) -> Option<(String, String, Option<String>)> {
        let subject = self.parsed_subject()?;
        let common_name = subject.common_name().map(str::to_owned);
        Some((subject.organisation().to_owned(), subject.organisational_unit().to_owned(), common_name))
    }

    /// Where the keys of this caller are published, with JWT Auth.
    #[must_use]
    pub fn jwks_url(&self) -> Option<String> {
        let Auth::JwtAuth(method) = &self.settings.auth else { return None };
        let subject = self.parsed_subject()?;
        let url = method.jwks.expand(subject.organisational_unit(), subject.common_name()).ok()?;
        Some(url.as_str().to_owned())
    }

    /// Whether it is JWT Auth that is configured.
    #[must_use]
    pub fn is_jwt_auth(&self) -> bool {
        matches!(self.settings.auth, Auth::JwtAuth(_))
    }

    /// Decides on a request with this method, path and headers at the time `now`. `answer` makes the callouts.
    pub fn decide(
        &self,
        now: UnixTime,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        answer: &mut dyn FnMut(&Callout) -> Answer,
    ) -> Outcome {
        let now = Moment::by_wall_clock(now);
        let mut inbound = Inbound::new(self.settings.clone(), &self.capabilities);
        let id = RequestId(1);
        let effects = inbound.on_request(now, id, self.facts(&inbound, (method, path), headers));
        if let Some(verdict) = effects.verdict {
            return Outcome::of(&verdict);
        }
        let mut callouts = effects.callouts;
        while let Some(callout) = callouts.pop() {
            let outcome = inbound.on_answer(now, callout.id, &callout.subject, &answer(&callout));
            callouts.extend(outcome.callouts);
            for resumed in outcome.resumed {
                if let Verdict::Request(verdict) = resumed.verdict {
                    return Outcome::of(&verdict);
                }
            }
        }
        let rejection = inbound.on_fault(id, RejectReason::Internal, Correlation::default());
        Outcome::of(&RequestVerdict::Reject(rejection))
    }

    fn facts(&self, inbound: &Inbound, (method, path): (&str, &str), headers: &[(&str, &str)]) -> RequestFacts {
        let mut facts = RequestFacts {
            peer: PeerFacts {
                verified: true,
                subject: Some(self.certificate.subject().as_bytes().into()),
                fingerprint: Some(self.certificate.fingerprint().to_string().into()),
                ..PeerFacts::default()
            },
            ..RequestFacts::default()
        };
        let pseudo = [(":method", method), (":path", path)];
        let all: Vec<(&str, &str)> = pseudo.into_iter().chain(headers.iter().copied()).collect();
        if let Some(map) = crate::header_map::encode(&all) {
            let _count = facts.note_headers(map, inbound.configured_headers(), |_| false);
        }
        facts
    }

    fn parsed_subject(&self) -> Option<Subject> {
        let name = DistinguishedName::parse(self.certificate.subject().as_bytes()).ok()?;
        Subject::from_name(&name).ok()
    }
}

impl Outcome {
    fn of(verdict: &RequestVerdict) -> Self {
        match verdict {
            RequestVerdict::Admit(_) => Self { status: 200, code: None, message: None, failed: None },
            RequestVerdict::Answer(reply) => Self { status: reply.status, code: None, message: None, failed: None },
            RequestVerdict::Reject(rejection) => Self {
                status: rejection.code().status(),
                code: Some(rejection.code().as_str()),
                message: Some(rejection.reason().message().into_owned()),
                failed: Check::failed_by(rejection.reason()),
            },
        }
    }
}

impl KeySetView {
    /// The set in this body, for JWT Auth or, with all algorithms, for access tokens.
    #[must_use]
    pub fn of(body: &[u8], for_access_tokens: bool) -> Self {
        let accepted: &[Algorithm] = if for_access_tokens { &Algorithm::ALL } else { &[Algorithm::Ps256] };
        let mut skipped = SkippedKeys::default();
        let parsed = KeySet::parse_and_tell(body, accepted, &mut skipped);
        let usable = parsed.as_ref().map(|set| usable_keys(set, accepted)).unwrap_or_default();
        let named = skipped.named().iter().map(|key| (key.key_id.clone(), key.reason.to_string()));
        Self {
            usable,
            skipped: named.collect(),
            skipped_count: skipped.len(),
            refused: parsed.err().map(|error| FetchError::Unusable(error).to_string()),
        }
    }
}

fn usable_keys(set: &KeySet, accepted: &[Algorithm]) -> Vec<UsableKey> {
    let mut usable: Vec<UsableKey> = Vec::new();
    for key_id in set.key_ids() {
        let may_verify = |algorithm: &&Algorithm| set.key(key_id, **algorithm).is_some();
        let algorithms = accepted.iter().filter(may_verify).map(|algorithm| algorithm.name()).collect();
        usable.push(UsableKey { key_id: key_id.to_owned(), algorithms });
    }
    usable
}

#[cfg(test)]
mod tests;
