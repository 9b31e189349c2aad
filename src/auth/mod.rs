//! The method of authentication that is configured (spec §2), behind one question: is the caller who its certificate says?
//! Mutual TLS and pinning have been checked before.

pub(crate) mod api_key;
mod bearer;
pub(crate) mod client_credentials;
mod credential;
mod error;
pub(crate) mod jwt_auth;
mod method;
mod proof;
pub(crate) mod service_initiation;

use crate::callout::{CalloutId, CalloutPermission, CalloutSubject, Ended, Readiness};
use crate::capabilities::Capabilities;
use crate::config;
use crate::evidence::Evidence;
use crate::replay::ReplayUsage;
use crate::time::Moment;

pub(crate) use api_key::ApiKeyError;
pub(crate) use bearer::CredentialError;
pub(crate) use client_credentials::AccessTokenError;
pub(crate) use credential::{Accepted, Credential};
pub(crate) use error::AuthError;
pub(crate) use jwt_auth::JwtAuthError;
pub(crate) use method::{AuthMethod, Due, Learned, Notice};
pub(crate) use proof::Authenticated;
pub(crate) use service_initiation::ServiceInitiation;

use service_initiation::is_opaque_token;

/// Authenticates callers: by the method that is configured, or by the rule of service initiation.
#[derive(Debug)]
pub(crate) struct Authenticator {
    method: AuthMethod,
    service_initiation: Option<ServiceInitiation>,
}

impl Authenticator {
    /// With these settings, and nothing learned yet. `capabilities` are the gateway's.
    #[must_use]
    pub(crate) fn new(
        auth: &config::Auth,
        service_initiation: Option<config::ServiceInitiation>,
        capabilities: &Capabilities,
    ) -> Self {
        let service_initiation = service_initiation.map(ServiceInitiation::new);
        Self { method: AuthMethod::new(auth, capabilities), service_initiation }
    }

    /// Decides on the credential of a request with this method and path, and notes in `evidence` what the log should know.
    ///
    /// # Errors
    /// The first check that failed, cheapest first.
    pub(crate) fn authenticate(
        &mut self,
        now: Moment,
        credential: Credential<'_>,
        (method, path): (&[u8], &[u8]),
        permission: CalloutPermission,
        evidence: &mut Evidence,
    ) -> Result<Readiness<Authenticated>, AuthError> {
        let initiating = self.service_initiation_token(credential, method, path);
        if initiating.is_some_and(|token| !self.method.claims(now, token, credential)) {
            return Ok(Readiness::Ready(Authenticated::by_service_initiation()));
        }
        match self.method.authenticate(now, credential, permission, evidence) {
            Ok(Readiness::Ready(Accepted { credential_id })) => {
                Ok(Readiness::Ready(Authenticated::by_method(self.method.name(), credential_id)))
            }
            Ok(Readiness::Wait(wait)) => Ok(Readiness::Wait(wait)),
            // The authorisation server was asked whether it is its own, and it is not, nor does it look like one that was.
            Err(AuthError::AccessToken(AccessTokenError::Inactive))
                if initiating.is_some_and(|token| !self.method.recognises(token)) =>
            {
                Ok(Readiness::Ready(Authenticated::by_service_initiation()))
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the end of a callout. `None` if it was given up before and does not count any more.
    pub(crate) fn finish(
        &mut self,
        now: Moment,
        id: CalloutId,
        subject: &CalloutSubject,
        ended: Ended<'_>,
    ) -> Option<Learned> {
        self.method.finish(now, id, subject, ended)
    }

    /// See [`AuthMethod::decided_alone`].
    pub(crate) fn decided_alone(&mut self) -> u64 {
        self.method.decided_alone()
    }

    /// Whether each use of a token needs a [`NonceInput`](crate::request::NonceInput).
    #[must_use]
    pub(crate) fn wants_nonces(&self) -> bool {
        self.method.wants_nonces()
    }

    /// Gives up a callout because the client has hung up whose own it was.
    pub(crate) fn abandon(&mut self, id: CalloutId, subject: &CalloutSubject) {
        self.method.abandon(id, subject);
    }

    /// The callouts that nobody reported on in time. Each counts as failed once it is given to [`Authenticator::finish`].
    pub(crate) fn timed_out(&mut self, now: Moment) -> Vec<(CalloutId, CalloutSubject)> {
        self.method.timed_out(now)
    }

    /// What time alone brings about.
    pub(crate) fn due(&mut self, now: Moment) -> Due {
        self.method.due(now)
    }

    /// What the log should be told now, if anything.
    pub(crate) fn notices(&mut self, now: Moment) -> Vec<Notice> {
        self.method.notices(now)
    }

    /// How full the memory of used tokens is, if there is one, unless that has been told.
    pub(crate) fn replay_usage(&mut self) -> Option<ReplayUsage> {
        self.method.replay_usage()
    }

    /// The lower-case name of the header that carries the credential, unless that is `authorization`.
    #[must_use]
    pub(crate) fn own_header(&self) -> Option<&str> {
        self.method.own_header()
    }

    /// Whether a decision needs the certificate's fingerprint.
    #[must_use]
    pub(crate) fn needs_fingerprint(&self) -> bool {
        self.method.needs_fingerprint()
    }

    /// Whether time alone ever brings anything about.
    #[must_use]
    pub(crate) fn needs_ticks(&self) -> bool {
        self.method.needs_ticks()
    }

    /// Whether requests may wait for what another worker learns.
    pub(crate) fn awaits_others(&mut self) -> bool {
        self.method.awaits_others()
    }

    /// The token of a request that may bring one which only the bank's backend can check (spec §2.6).
    fn service_initiation_token<'c>(&self, credential: Credential<'c>, method: &[u8], path: &[u8]) -> Option<&'c str> {
        let service_initiation = self.service_initiation.as_ref()?;
        if !service_initiation.allows(method, path) {
            return None;
        }
        bearer::token(credential.authorization).ok().filter(|token| is_opaque_token(token))
    }
}
