//! The methods of authentication, one file each (spec §2). Mutual TLS and pinning have been checked before any of them.

pub mod api_key;
pub mod bearer;
pub mod client_credentials;
pub mod jwt_auth;
pub mod service_initiation;

use crate::callout::CalloutPermission;
use crate::callout::{Callout, CalloutError, CalloutId, CalloutReport, CalloutSubject};
use crate::capabilities::Capabilities;
use crate::config;
use crate::evidence::Evidence;
use crate::header_value::HeaderValue;
use crate::introspection::IntrospectionCache;
use crate::keys::{self, KeyCache};
use crate::peer::PeerCertificate;
use crate::time::UnixTime;

pub use api_key::{ApiKey, ApiKeyError};
pub use bearer::CredentialError;
pub use client_credentials::{AccessTokenError, ClientCredentials};
pub use jwt_auth::{JwtAuth, JwtAuthError};
pub use service_initiation::ServiceInitiation;

/// The configured method, with what it has learned.
#[derive(Debug)]
pub enum AuthMethod {
    /// Nothing beyond mutual TLS and pinning (spec §2.1).
    MtlsOnly,
    /// A shared secret (spec §2.2).
    ApiKey(Box<ApiKey>),
    /// JWT Auth (spec §2.4).
    JwtAuth(Box<JwtAuth>),
    /// The client credentials grant (spec §2.3).
    ClientCredentials(Box<ClientCredentials>),
}

/// What a request brings that methods look at.
#[derive(Debug, Clone, Copy)]
pub struct Credential<'a> {
    /// The peer certificate, which was verified and is pinned.
    pub certificate: &'a PeerCertificate,
    /// The values of `Authorization`.
    pub authorization: &'a [HeaderValue],
    /// The values of the API key's own header, where it has one.
    pub api_key: &'a [HeaderValue],
    /// The provider ids of which a token's `aud` must name one.
    pub audiences: &'a [String],
}

/// Why a method does not accept a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthError {
    /// The API key was not accepted.
    ApiKey(ApiKeyError),
    /// JWT Auth did not accept the token.
    JwtAuth(JwtAuthError),
    /// The access token is not accepted.
    AccessToken(AccessTokenError),
}

/// What a method says to a request.
#[derive(Debug)]
pub enum Outcome {
    /// The caller is who the certificate says.
    Accepted(Accepted),
    /// The answer to a callout is needed first.
    Needs(Needs),
}

/// A credential that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The id of the credential, for the bank's backend: a token's `jti`, an API key's id.
    pub credential_id: Option<String>,
}

/// What a request waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// What has to be known.
    pub subject: CalloutSubject,
    /// The callout to make, unless one is under way.
    pub callout: Option<Callout>,
}

/// Something to tell the operator that belongs to no rejection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Good to know.
    Information(String),
    /// To be acted upon.
    Warning(String),
}

/// What time alone brought about.
#[derive(Debug, Default)]
pub struct Due {
    /// Callouts to make in the background.
    pub callouts: Vec<Callout>,
    /// Topics on which another worker has learned what can be learned now.
    pub settled: Vec<CalloutSubject>,
}

impl AuthMethod {
    /// The method that is configured. `capabilities` are the gateway's.
    #[must_use]
    pub fn new(auth: &config::Auth, capabilities: &Capabilities) -> Self {
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
    pub fn name(&self) -> &'static str {
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
    pub fn authenticate(
        &mut self,
        now: UnixTime,
        credential: Credential<'_>,
        permission: CalloutPermission,
        evidence: &mut Evidence,
    ) -> Result<Outcome, AuthError> {
        match self {
            Self::MtlsOnly => Ok(Outcome::Accepted(Accepted { credential_id: None })),
            Self::ApiKey(method) => {
                let id = method.authenticate(now, method.values(credential)).cloned().map_err(|error| {
                    evidence.api_key = error.key_id().map(ToString::to_string);
                    AuthError::ApiKey(error)
                })?;
                method.note_use(&id);
                Ok(Outcome::Accepted(Accepted { credential_id: Some(id.to_string()) }))
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
    pub fn claims(&self, now: UnixTime, token: &str, credential: Credential<'_>) -> bool {
        service_initiation::is_jwt_auth_token(token)
            || match self {
                Self::MtlsOnly | Self::JwtAuth(_) => false,
                Self::ApiKey(method) => method.is_offered(now, credential),
                Self::ClientCredentials(method) => method.claims(token),
            }
    }

    /// The lower-case name of the header that carries the credential, unless that is `authorization`.
    #[must_use]
    pub fn own_header(&self) -> Option<&str> {
        match self {
            Self::ApiKey(method) => Some(method.header()).filter(|header| *header != "authorization"),
            Self::MtlsOnly | Self::JwtAuth(_) | Self::ClientCredentials(_) => None,
        }
    }

    /// What the log should be told now, if anything.
    pub fn notices(&mut self, now: UnixTime) -> Vec<Notice> {
        match self {
            Self::ApiKey(method) => method.notices(now),
            Self::MtlsOnly | Self::JwtAuth(_) | Self::ClientCredentials(_) => Vec::new(),
        }
    }

    /// Takes the end of a callout. `None` if it was given up before and does not count any more.
    pub fn finish(
        &mut self,
        now: UnixTime,
        id: CalloutId,
        subject: &CalloutSubject,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<CalloutReport> {
        match subject {
            CalloutSubject::KeySet(url) => self.keys()?.finish(now, id, url, answer).map(CalloutReport::from),
            CalloutSubject::Token(token) => {
                self.introspection()?.finish(now, id, token, answer).map(CalloutReport::from)
            }
            // Methods ask for no signatures.
            CalloutSubject::Signature(_) => None,
        }
    }

    /// The callouts that nobody reported on in time. Each counts as failed once it is given to [`AuthMethod::finish`].
    pub fn lost(&mut self, now: UnixTime) -> Vec<(CalloutId, CalloutSubject)> {
        let keys = self.keys().map(|keys| keys.lost(now)).unwrap_or_default();
        let tokens = self.introspection().map(|cache| cache.lost(now)).unwrap_or_default();
        let keys = keys.into_iter().map(|(id, url)| (id, CalloutSubject::KeySet(url)));
        keys.chain(tokens.into_iter().map(|(id, token)| (id, CalloutSubject::Token(token)))).collect()
    }

    /// What time alone brings about.
    pub fn due(&mut self, now: UnixTime) -> Due {
        let keys::Due { fetches, ended_elsewhere } = self.keys().map(|keys| keys.due(now)).unwrap_or_default();
        Due { callouts: fetches, settled: ended_elsewhere.into_iter().map(CalloutSubject::KeySet).collect() }
    }

    /// Whether a decision needs the certificate's fingerprint.
    #[must_use]
    pub fn needs_fingerprint(&self) -> bool {
        match self {
            Self::MtlsOnly | Self::ApiKey(_) | Self::JwtAuth(_) => false,
            Self::ClientCredentials(method) => method.needs_fingerprint(),
        }
    }

    /// Whether time alone ever brings anything about.
    #[must_use]
    pub fn needs_ticks(&self) -> bool {
        !matches!(self, Self::MtlsOnly)
    }

    /// Whether requests may wait for what another worker learns.
    pub fn awaits_others(&mut self) -> bool {
        self.keys().is_some_and(|keys| keys.awaits_others())
    }

    fn keys(&mut self) -> Option<&mut KeyCache> {
        match self {
            Self::MtlsOnly | Self::ApiKey(_) => None,
            Self::JwtAuth(method) => Some(method.keys()),
            Self::ClientCredentials(method) => method.keys(),
        }
    }

    fn introspection(&mut self) -> Option<&mut IntrospectionCache> {
        match self {
            Self::MtlsOnly | Self::ApiKey(_) | Self::JwtAuth(_) => None,
            Self::ClientCredentials(method) => method.introspection(),
        }
    }
}
