//! The Transit engine of HashiCorp Vault and OpenBao as remote signer (spec §4): the key stays there, and signatures come by
//! callout. Its API is that of `POST /v1/{mount}/sign/{key}/sha2-256` in Vault's documentation, which OpenBao shares.
//!
//! A state machine without clock and network. One token has at most two tries, and a deadline over both: a signature that
//! comes later would be on a token that is about to expire.

mod answer;
mod error;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use litemap::LiteMap;
use serde::Serialize;

use super::token::UnsignedToken;
use crate::callout::{Callout, CalloutError, CalloutId, CalloutSubject, Request, in_time};
use crate::capabilities::Capabilities;
use crate::config;
use crate::log_line::to_json;
use crate::request::RequestId;
use crate::time::UnixTime;

pub use answer::{AnswerFault, MAX_RESPONSE_LENGTH};
pub use error::RemoteError;

/// The least time before the deadline in which a second try is made. A signature takes a few milliseconds and a new
/// connection some tens of them; with less time the try would only load a signer that is late already.
const LEAST_TRY: Duration = Duration::from_millis(100);

/// How long after its own timeout a callout that nobody reported on is given up. Gateways report timeouts by themselves;
/// this is for the one that does not.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// The remote signer, and the tokens that wait for it.
#[derive(Debug)]
pub struct VaultTransit {
    settings: config::VaultTransit,
    pending: LiteMap<RequestId, Pending>,
    last_call: CalloutId,
    /// See [`Capabilities::repeats_unanswered_callouts`].
    repeats_unanswered: bool,
}

/// A token that waits.
#[derive(Debug)]
struct Pending {
    token: UnsignedToken,
    deadline: UnixTime,
    call: Call,
    second_try: bool,
}

/// A callout in flight.
#[derive(Debug, Clone, Copy)]
struct Call {
    id: CalloutId,
    since: UnixTime,
    timeout: Duration,
}

/// What the end of a callout means for the token that waited for it.
#[derive(Debug)]
#[must_use]
pub enum RemoteStep {
    /// It is signed, and the signature was checked as far as it can be.
    Signed {
        /// The token.
        token: UnsignedToken,
        /// Its signature.
        signature: Vec<u8>,
    },
    /// The signer is asked once more.
    Again {
        /// The callout.
        callout: Callout,
        /// Why.
        error: RemoteError,
    },
    /// There will be no signature.
    Failed(RemoteError),
}

impl VaultTransit {
    /// With these settings, and nothing waiting. `capabilities` are the gateway's.
    #[must_use]
    pub fn new(settings: config::VaultTransit, capabilities: &Capabilities) -> Self {
        let repeats_unanswered = capabilities.repeats_unanswered_callouts;
        Self { settings, pending: LiteMap::new_vec(), last_call: CalloutId::default(), repeats_unanswered }
    }

    /// The `kid` of its key.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.settings.key_id
    }

    /// How many tokens wait.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Asks for the signature of a token on behalf of a request. A token that this request waited for is forgotten.
    pub fn start(&mut self, now: UnixTime, request: RequestId, token: UnsignedToken) -> Callout {
        let deadline = now.after(self.settings.deadline);
        let call = self.call(now, deadline);
        let callout = callout(&self.settings, request, call, &token);
        self.pending.insert(request, Pending { token, deadline, call, second_try: false });
        callout
    }

    /// Takes the end of a callout. `None` if it was given up before and does not count any more.
    pub fn finish(
        &mut self,
        now: UnixTime,
        call: CalloutId,
        request: RequestId,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<RemoteStep> {
        if self.pending.get(&request)?.call.id != call {
            return None;
        }
        let pending = self.pending.remove(&request)?;
        let had_body = answer.map_or_else(CalloutError::had_body, |body| !body.is_empty());
        Some(match signature(&self.settings, &pending, now, answer) {
            Ok(signature) => RemoteStep::Signed { token: pending.token, signature },
            // Elsewhere a second try would tell whether the signer is well.
            Err(error) if !had_body && !self.repeats_unanswered => RemoteStep::Failed(error.unrepeated()),
            Err(error) if pending.may_try_again(now, error) => {
                let call = self.call(now, pending.deadline);
                let callout = callout(&self.settings, request, call, &pending.token);
                self.pending.insert(request, Pending { call, second_try: true, ..pending });
                RemoteStep::Again { callout, error }
            }
            Err(error) => RemoteStep::Failed(error),
        })
    }

    /// The callouts that nobody reported on in time. Each counts as failed once it is given to [`VaultTransit::finish`].
    #[must_use]
    pub fn lost(&self, now: UnixTime) -> Vec<(CalloutId, RequestId)> {
        let lost = self.pending.iter().filter(|(_, pending)| pending.call.is_lost(now));
        lost.map(|(request, pending)| (pending.call.id, *request)).collect()
    }

    /// Forgets a request that has gone away.
    pub fn forget(&mut self, request: RequestId) {
        self.pending.remove(&request);
    }

    /// One more callout, which begins now.
    fn call(&mut self, now: UnixTime, deadline: UnixTime) -> Call {
        self.last_call = self.last_call.next();
        Call { id: self.last_call, since: now, timeout: self.settings.timeout.min(now.until(deadline)) }
    }
}

impl Pending {
    fn may_try_again(&self, now: UnixTime, error: RemoteError) -> bool {
        !self.second_try && error.may_pass() && now.until(self.deadline) >= LEAST_TRY
    }
}

impl Call {
    /// Whether nobody will report on it. A beginning in the future (the clock was set back) counts as long ago.
    fn is_lost(self, now: UnixTime) -> bool {
        now.since(self.since).is_none_or(|since| since > self.timeout.saturating_add(LOST_AFTER))
    }
}

/// The signature that came for a token, if it came in time and is right.
fn signature(
    settings: &config::VaultTransit,
    pending: &Pending,
    now: UnixTime,
    answer: Result<&[u8], CalloutError>,
) -> Result<Vec<u8>, RemoteError> {
    if answer.is_ok() && now > pending.deadline {
        return Err(RemoteError::Late);
    }
    let body = in_time(answer, pending.call.since, pending.call.timeout, now).map_err(RemoteError::of)?;
    answer::signature(body, settings, pending.token.signing_input()).map_err(RemoteError::Wrong)
}

/// The request for a signature as `PS256` has it (RFC 7518 §3.5), encoded as a JWS has it (RFC 7515 §2).
fn callout(settings: &config::VaultTransit, request: RequestId, call: Call, token: &UnsignedToken) -> Callout {
    #[derive(Serialize)]
    struct Body {
        input: String,
        signature_algorithm: &'static str,
        salt_length: &'static str,
        marshaling_algorithm: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        key_version: Option<u32>,
    }
    let body = Body {
        input: STANDARD.encode(token.signing_input()),
        signature_algorithm: "pss",
        salt_length: "hash",
        marshaling_algorithm: "jws",
        key_version: settings.key_version,
    };
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json".to_owned()),
        ("x-vault-token", settings.token.expose().to_owned()),
        // Agents and proxies between here and the server may demand it (`require_request_header`).
        ("x-vault-request", "true".to_owned()),
    ];
    if let Some(namespace) = &settings.namespace {
        headers.push(("x-vault-namespace", namespace.clone()));
    }
    Callout {
        id: call.id,
        subject: CalloutSubject::Signature(request),
        request: Box::new(Request {
            upstream: settings.upstream.clone(),
            method: "POST",
            url: settings.url.clone(),
            headers,
            body: to_json(&body).into_bytes(),
            timeout: call.timeout,
        }),
    }
}

#[cfg(test)]
mod tests;
