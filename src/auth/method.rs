//! The methods of authentication, behind one set of questions.

use crate::callout::{Callout, CalloutId, CalloutPermission, CalloutReport, CalloutSubject, Ended, Readiness};
use crate::capabilities::Capabilities;
use crate::config;
use crate::evidence::Evidence;
use crate::introspection::IntrospectionCache;
use crate::keys::{self, KeyCache};
use crate::replay::{Finished, ReplayDetection, ReplayUsage};
use crate::time::Moment;

use super::api_key::ApiKey;
use super::client_credentials::ClientCredentials;
use super::credential::{Accepted, Credential};
use super::error::AuthError;
use super::jwt_auth::JwtAuth;
use super::service_initiation;

pub(crate) use super::api_key::Notice;

/// The configured method, with what it has learned.
#[derive(Debug)]
pub(crate) enum AuthMethod {
    /// Nothing beyond mutual TLS and pinning (spec §2.1).
    MtlsOnly,
    /// A shared secret (spec §2.2).
    ApiKey(Box<ApiKey>),
    /// JWT Auth (spec §2.4).
    JwtAuth(Box<JwtAuth>),
    /// The client credentials grant (spec §2.3).
    ClientCredentials(Box<ClientCredentials>),
}

/// What time alone brought about.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Callouts to make in the background.
    pub callouts: Vec<Callout>,
    /// Subjects on which another worker has learned what can be learned now.
    pub learned: Vec<CalloutSubject>,
}

/// What the end of a callout brought about.
#[derive(Debug)]
pub(crate) struct Learned {
    /// For the log.
    pub report: CalloutReport,
    /// The callouts that follow from it.
    pub callouts: Vec<Callout>,
    /// What is known now, or known not to be had: all that waited for it is decided on.
    pub subjects: Vec<CalloutSubject>,
}

impl Learned {
    fn about(subject: &CalloutSubject, report: CalloutReport) -> Self {
        Self { report, callouts: Vec::new(), subjects: vec![subject.clone()] }
    }
}

impl AuthMethod {
    /// The method that is configured. `capabilities` are the gateway's.
    #[must_use]
    pub(crate) fn new(auth: &config::Auth, capabilities: &Capabilities) -> Self {
        match auth {
            config::Auth::MtlsOnly => Self::MtlsOnly,
            config::Auth::ApiKey(settings) => Self::ApiKey(Box::new(ApiKey::new(settings.clone()))),
            config::Auth::JwtAuth(settings) => Self::JwtAuth(Box::new(JwtAuth::new(settings.clone(), capabilities))),
            config::Auth::ClientCredentials(settings) => {
                Self::ClientCredentials(Box::new(ClientCredentials::new((**settings).clone(), capabilities)))
            }
        }
    }

    /// Its name in `x-hub-auth-method`.
    #[must_use]
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::MtlsOnly => "mtls_only",
            Self::ApiKey(_) => "api_key",
            Self::JwtAuth(_) => "jwt_auth",
            Self::ClientCredentials(_) => "client_credentials",
        }
    }

    /// Decides on a credential, and notes in `evidence` what the log should know.
    ///
    /// # Errors
    /// The first check that failed, cheapest first.
    pub(crate) fn authenticate(
        &mut self,
        now: Moment,
        credential: Credential<'_>,
        permission: CalloutPermission,
        evidence: &mut Evidence,
    ) -> Result<Readiness<Accepted>, AuthError> {
        match self {
            Self::MtlsOnly => Ok(Readiness::Ready(Accepted { credential_id: None })),
            Self::ApiKey(method) => {
                let id = method.authenticate(now.wall, method.values(credential)).cloned().map_err(|error| {
                    evidence.api_key = error.key_id().map(ToString::to_string);
                    AuthError::ApiKey(error)
                })?;
                method.note_use(&id);
                Ok(Readiness::Ready(Accepted { credential_id: Some(id.to_string()) }))
            }
            Self::JwtAuth(method) => {
                method.authenticate(now, credential, permission, evidence).map_err(AuthError::JwtAuth)
            }
            Self::ClientCredentials(method) => {
                method.authenticate(now, credential, permission, evidence).map_err(AuthError::AccessToken)
            }
        }
    }

    /// Whether a Bearer token is meant for this method, or might be: it is then not for others to check.
    #[must_use]
    pub(crate) fn claims(&self, now: Moment, token: &str, credential: Credential<'_>) -> bool {
        service_initiation::is_jwt_auth_token(token)
            || match self {
                Self::MtlsOnly | Self::JwtAuth(_) => false,
                Self::ApiKey(method) => method.is_offered(now.wall, credential),
                Self::ClientCredentials(method) => method.claims(token),
            }
    }

    /// Whether a Bearer token is recognisably one that this method is there for, whatever is wrong with it.
    #[must_use]
    pub(crate) fn recognises(&self, token: &str) -> bool {
        service_initiation::is_jwt_auth_token(token)
            || matches!(self, Self::ClientCredentials(method) if method.recognises(token))
    }

    /// The lower-case name of the header that carries the credential, unless that is `authorization`.
    #[must_use]
    pub(crate) fn own_header(&self) -> Option<&str> {
        match self {
            Self::ApiKey(method) => Some(method.header()).filter(|header| *header != "authorization"),
            Self::MtlsOnly | Self::JwtAuth(_) | Self::ClientCredentials(_) => None,
        }
    }

    /// What the log should be told now, if anything.
    pub(crate) fn notices(&mut self, now: Moment) -> Vec<Notice> {
        match self {
            Self::ApiKey(method) => method.notices(now.wall),
            Self::JwtAuth(method) => {
                method.replay().and_then(|replay| replay.warning(now)).map(Notice::Warning).into_iter().collect()
            }
            Self::MtlsOnly | Self::ClientCredentials(_) => Vec::new(),
        }
    }

    /// How full the memory of used tokens is, if there is one, unless that has been told.
    pub(crate) fn replay_usage(&mut self) -> Option<ReplayUsage> {
        match self {
            Self::JwtAuth(method) => method.replay()?.usage(),
            Self::MtlsOnly | Self::ApiKey(_) | Self::ClientCredentials(_) => None,
        }
    }

    /// How many tokens were let in by the memory of this gateway alone, in place of the store that several share, since that was told
    /// last.
    pub(crate) fn decided_alone(&mut self) -> u64 {
        self.replay().map_or(0, ReplayDetection::decided_alone)
    }

    /// Whether each use of a token needs a [`NonceInput`](crate::request::NonceInput).
    #[must_use]
    pub(crate) fn wants_nonces(&self) -> bool {
        matches!(self, Self::JwtAuth(method) if method.wants_nonces())
    }

    /// Takes the end of a callout. `None` if it was given up before and does not count any more.
    pub(crate) fn finish(
        &mut self,
        now: Moment,
        id: CalloutId,
        subject: &CalloutSubject,
        ended: Ended<'_>,
    ) -> Option<Learned> {
        match subject {
            CalloutSubject::KeySet(url) => {
                let report = self.keys()?.finish(now, id, url, ended.body)?;
                Some(Learned::about(subject, report.into()))
            }
            CalloutSubject::Token(token) => {
                let report = self.introspection()?.finish(now, id, token, ended.body, ended.retry_after)?;
                Some(Learned::about(subject, report.into()))
            }
            CalloutSubject::TokenUse(_) | CalloutSubject::StoreSession => {
                let Finished { report, callouts, decided } = self.replay()?.finish(now, id, subject, ended)?;
                let subjects = decided.into_iter().map(CalloutSubject::TokenUse).collect();
                Some(Learned { report, callouts, subjects })
            }
            // Methods ask for no signatures.
            CalloutSubject::Signature(_) | CalloutSubject::SignerKeys | CalloutSubject::SignerToken => None,
        }
    }

    /// Gives up a callout because the client has hung up whose own it was.
    pub(crate) fn abandon(&mut self, id: CalloutId, subject: &CalloutSubject) {
        match subject {
            CalloutSubject::KeySet(url) => {
                if let Some(keys) = self.keys() {
                    keys.abandon(id, url);
                }
            }
            CalloutSubject::Token(_) => {
                if let Some(introspection) = self.introspection() {
                    introspection.abandon(id);
                }
            }
            CalloutSubject::TokenUse(_) | CalloutSubject::StoreSession => {
                if let Some(replay) = self.replay() {
                    replay.abandon(id, subject);
                }
            }
            // Methods ask for no signatures.
            CalloutSubject::Signature(_) | CalloutSubject::SignerKeys | CalloutSubject::SignerToken => {}
        }
    }

    /// The callouts that nobody reported on in time. Each counts as failed once it is given to [`AuthMethod::finish`].
    pub(crate) fn timed_out(&mut self, now: Moment) -> Vec<(CalloutId, CalloutSubject)> {
        let keys = self.keys().map(|keys| keys.timed_out(now)).unwrap_or_default();
        let tokens = self.introspection().map(|cache| cache.timed_out(now)).unwrap_or_default();
        let uses = self.replay().map(|replay| replay.timed_out(now)).unwrap_or_default();
        let keys = keys.into_iter().map(|(id, url)| (id, CalloutSubject::KeySet(url)));
        let tokens = tokens.into_iter().map(|(id, token)| (id, CalloutSubject::Token(token)));
        keys.chain(tokens).chain(uses).collect()
    }

    /// What time alone brings about.
    pub(crate) fn due(&mut self, now: Moment) -> Due {
        let keys::Due { fetches, ended_elsewhere } = self.keys().map(|keys| keys.due(now)).unwrap_or_default();
        let of_store = self.replay().and_then(|replay| replay.due(now));
        let callouts = fetches.into_iter().chain(of_store).collect();
        Due { callouts, learned: ended_elsewhere.into_iter().map(CalloutSubject::KeySet).collect() }
    }

    /// Whether a decision needs the certificate's fingerprint.
    #[must_use]
    pub(crate) fn needs_fingerprint(&self) -> bool {
        match self {
            Self::MtlsOnly | Self::ApiKey(_) | Self::JwtAuth(_) => false,
            // A token may be bound to the certificate, whether or not it must be.
            Self::ClientCredentials(_) => true,
        }
    }

    /// Whether time alone ever brings anything about.
    #[must_use]
    pub(crate) fn needs_ticks(&self) -> bool {
        !matches!(self, Self::MtlsOnly)
    }

    /// Whether requests may wait for what another worker learns.
    pub(crate) fn awaits_others(&mut self) -> bool {
        self.keys().is_some_and(|keys| keys.awaits_others())
    }

    fn keys(&mut self) -> Option<&mut KeyCache> {
        match self {
            Self::MtlsOnly | Self::ApiKey(_) => None,
            Self::JwtAuth(method) => Some(method.keys()),
            Self::ClientCredentials(method) => method.keys(),
        }
    }

    fn replay(&mut self) -> Option<&mut ReplayDetection> {
        match self {
            Self::JwtAuth(method) => method.replay(),
            Self::MtlsOnly | Self::ApiKey(_) | Self::ClientCredentials(_) => None,
        }
    }

    fn introspection(&mut self) -> Option<&mut IntrospectionCache> {
        match self {
            Self::MtlsOnly | Self::ApiKey(_) | Self::JwtAuth(_) => None,
            Self::ClientCredentials(method) => method.introspection(),
        }
    }
}
