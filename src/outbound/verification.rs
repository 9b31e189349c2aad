//! Whether a response is the Hub's (spec §1, *outbound response*): its token must be right by the rules of JWT Auth, with the
//! Hub's subject and the bank's provider ids from the configuration.

use std::time::Duration;

use crate::auth::jwt_auth::{JwtAuth, JwtAuthError, Presented};
use crate::callout::{CalloutError, CalloutId, CalloutPermission, CalloutReport, CalloutSubject, Readiness};
use crate::capabilities::Capabilities;
use crate::config::{self, VerificationMode};
use crate::evidence::Evidence;
use crate::header_value::HeaderValue;
use crate::keys;
use crate::request::NonceInput;
use crate::time::Moment;

/// Verifies the Hub's responses, with the keys that it knows.
#[derive(Debug)]
pub(super) struct Verification {
    settings: config::VerifyResponses,
    jwt_auth: JwtAuth,
    holds_responses: bool,
}

impl Verification {
    pub(super) fn new(settings: config::VerifyResponses, capabilities: &Capabilities) -> Self {
        let jwt_auth = JwtAuth::new(settings.jwt_auth.clone(), capabilities);
        Self { settings, jwt_auth, holds_responses: capabilities.holds_responses }
    }

    /// Whether a response without a right token is replaced.
    pub(super) fn is_required(&self) -> bool {
        self.settings.mode == VerificationMode::Require
    }

    /// The lower-case name of the header that carries the token.
    pub(super) fn header(&self) -> &str {
        &self.settings.header
    }

    /// Makes sure, before a request leaves, that its response can be verified. Not every gateway can hold a response until
    /// keys are there; and where none can be had, it is better not to have asked.
    ///
    /// # Errors
    /// When to try again.
    pub(super) fn prepare(&mut self, now: Moment, permission: CalloutPermission) -> Result<Readiness<()>, Duration> {
        self.jwt_auth.prepare(now, &self.settings.hub, permission).map_err(|error| match error {
            JwtAuthError::KeysUnavailable { retry_after } => retry_after,
            // The configuration has checked that the Hub's subject has an address.
            _ => Duration::from_secs(1),
        })
    }

    /// Decides on the token of a response. Keys that are missing are waited for where the gateway can hold the response.
    pub(super) fn verify(
        &mut self,
        now: Moment,
        values: &[HeaderValue],
        permission: CalloutPermission,
        evidence: &mut Evidence,
    ) -> Result<Readiness<()>, JwtAuthError> {
        // Nothing remembers the tokens of responses.
        let nonce_input = &NonceInput::default();
        let (subject, audiences) = (&self.settings.hub, &*self.settings.provider_ids);
        let presented = Presented { subject, values, audiences, nonce_input };
        let permission = if self.holds_responses { permission } else { CalloutPermission::Used };
        match self.jwt_auth.verify(now, presented, permission, evidence)? {
            Readiness::Ready(_) => Ok(Readiness::Ready(())),
            Readiness::Wait(wait) => Ok(Readiness::Wait(wait)),
        }
    }

    /// Takes the end of a fetch. `None` if it was given up before and does not count any more.
    pub(super) fn finish(
        &mut self,
        now: Moment,
        id: CalloutId,
        subject: &CalloutSubject,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<CalloutReport> {
        match subject {
            CalloutSubject::KeySet(url) => self.jwt_auth.keys().finish(now, id, url, answer).map(CalloutReport::from),
            CalloutSubject::Token(_)
            | CalloutSubject::Signature(_)
            | CalloutSubject::SignerKeys
            | CalloutSubject::SignerToken
            | CalloutSubject::TokenUse(_)
            | CalloutSubject::StoreSession => None,
        }
    }

    /// Gives up a fetch because the client has hung up whose own callout it was.
    pub(super) fn abandon(&mut self, id: CalloutId, subject: &CalloutSubject) {
        if let CalloutSubject::KeySet(url) = subject {
            self.jwt_auth.keys().abandon(id, url);
        }
    }

    /// The fetches that nobody reported on in time.
    pub(super) fn timed_out(&mut self, now: Moment) -> Vec<(CalloutId, CalloutSubject)> {
        let lost = self.jwt_auth.keys().timed_out(now);
        lost.into_iter().map(|(id, url)| (id, CalloutSubject::KeySet(url))).collect()
    }

    /// What time alone brings about.
    pub(super) fn due(&mut self, now: Moment) -> keys::Due {
        self.jwt_auth.keys().due(now)
    }

    /// Whether requests may wait for what another worker fetches.
    pub(super) fn awaits_others(&mut self) -> bool {
        self.jwt_auth.keys().awaits_others()
    }
}
