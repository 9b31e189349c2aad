//! The client credentials grant (spec §2.3): an access token that the bank's own authorisation server gave to the API Hub,
//! validated as a JWT (RFC 9068 §4) with the server's keys, or by asking the server (RFC 7662).

use std::borrow::Cow;
use std::time::Duration;

use crate::callout::{CalloutPermission, Readiness, Unavailable};
use crate::capabilities::Capabilities;
use crate::claims::access_token::{AccessTokenFacts, AccessTokenFault, AccessTokenRules, Introspected};
use crate::claims::verified::VerifiedTokens;
use crate::config::{self, TokenValidation};
use crate::evidence::Evidence;
use crate::introspection::{Endpoint, IntrospectionCache, IntrospectionPolicy};
use crate::jose::compact::MAX_TOKEN_LENGTH;
use crate::jose::{Algorithm, Header, JwsError, StatedKeyId, UnverifiedToken};
use crate::keys::{KeyCache, KeyPolicy};
use crate::time::Moment;
use crate::token_digest::TokenDigest;
use crate::url::HttpUrl;

use super::bearer::{self, CredentialError};
use super::credential::{Accepted, Credential};
use super::service_initiation;

/// The method client credentials, with what it has learned.
#[derive(Debug)]
pub(crate) struct ClientCredentials {
    settings: config::ClientCredentials,
    validator: Validator,
}

/// How it is learned what a token says.
#[derive(Debug)]
enum Validator {
    Jwt(JwtValidator),
    Introspection(IntrospectionCache),
}

/// The keys of the authorisation server, and how they may be used.
#[derive(Debug)]
struct JwtValidator {
    jwks: HttpUrl,
    algorithms: Vec<Algorithm>,
    keys: KeyCache,
    verified: VerifiedTokens,
}

/// Why an access token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessTokenError {
    /// There is no bearer token.
    Credential(CredentialError),
    /// It is not a compact JWS, or too long to be looked at.
    Malformed(JwsError),
    /// Its header is not as it must be.
    Header(AccessTokenHeaderError),
    /// What it says, or is said of it, is not right.
    Fault(AccessTokenFault),
    /// Its signature is not by the key that it names.
    Signature,
    /// The authorisation server says that it is not active.
    Inactive,
    /// The authorisation server was asked, and did not say whether it is active.
    Unconfirmed,
    /// The authorisation server's keys are needed to decide and cannot be had now.
    KeysUnavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The authorisation server has to be asked and does not answer now.
    IntrospectionUnavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

/// What is wrong with the JOSE header of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessTokenHeaderError {
    /// `alg` is not one that is accepted.
    Algorithm,
    /// `typ` says that it is something else.
    Type,
    /// There is a `kid`, and it is not usable.
    KeyId,
    /// There is no `kid`, and not exactly one key of the set is for this `alg`.
    NoKeyId,
    /// `crit` or `b64` asks for extensions.
    Extensions,
    /// The key set does not have this `kid` for this `alg`, also not after a refresh.
    UnknownKeyId,
}

impl ClientCredentials {
    /// The method with these settings and nothing learned yet. `capabilities` are the gateway's.
    #[must_use]
    pub(crate) fn new(settings: config::ClientCredentials, capabilities: &Capabilities) -> Self {
        let validator = match &settings.validation {
            TokenValidation::Jwt(settings) => Validator::Jwt(JwtValidator::new(settings, capabilities)),
            TokenValidation::Introspection(settings) => {
                Validator::Introspection(introspection_cache(settings, capabilities))
            }
        };
        Self { settings, validator }
    }

    /// The keys that are known, where tokens are JWTs.
    pub(crate) fn keys(&mut self) -> Option<&mut KeyCache> {
        match &mut self.validator {
            Validator::Jwt(validator) => Some(&mut validator.keys),
            Validator::Introspection(_) => None,
        }
    }

    /// What the authorisation server said of tokens, where it is asked.
    pub(crate) fn introspection(&mut self) -> Option<&mut IntrospectionCache> {
        match &mut self.validator {
            Validator::Jwt(_) => None,
            Validator::Introspection(cache) => Some(cache),
        }
    }

    /// Whether a token is meant for this method, or might be. Of opaque tokens only the server can tell.
    #[must_use]
    pub(crate) fn claims(&self, token: &str) -> bool {
        match &self.validator {
            Validator::Jwt(_) => self
                .settings
                .issuer
                .as_deref()
                .is_none_or(|issuer| service_initiation::is_access_token(token, Some(issuer))),
            Validator::Introspection(_) => true,
        }
    }

    /// Whether a token is recognisably one of the configured server's, although that calls it inactive: expired or revoked. It
    /// is nobody else's to check then.
    #[must_use]
    pub(crate) fn recognises(&self, token: &str) -> bool {
        service_initiation::is_access_token(token, self.settings.issuer.as_deref())
    }

    /// Decides on a credential, and notes the token's `kid` in `evidence`.
    ///
    /// # Errors
    /// See [`AccessTokenError`]: the first check that failed, cheapest first; a missing scope last.
    pub(crate) fn authenticate(
        &mut self,
        now: Moment,
        credential: Credential<'_>,
        permission: CalloutPermission,
        evidence: &mut Evidence,
    ) -> Result<Readiness<Accepted>, AccessTokenError> {
        let token = bearer::token(credential.authorization).map_err(AccessTokenError::Credential)?;
        let rules = AccessTokenRules {
            issuer: self.settings.issuer.as_deref(),
            audience: self.settings.audience.as_deref(),
            scopes: &self.settings.scopes,
            needs_expiry: match &self.settings.validation {
                // RFC 9068 §2.2 demands one; RFC 7662 §2.2 lets the server keep it to itself.
                TokenValidation::Jwt(_) => true,
                TokenValidation::Introspection(settings) => settings.require_expiry,
            },
            clock_skew: self.settings.clock_skew,
            needs_binding: self.settings.certificate_bound,
            fingerprint: credential.certificate.fingerprint(),
        };
        match &mut self.validator {
            Validator::Jwt(validator) => validator.validate(now, token, &rules, permission, evidence),
            Validator::Introspection(cache) => introspect(cache, now, token, &rules, permission),
        }
    }
}

impl JwtValidator {
    fn new(settings: &config::JwtValidation, capabilities: &Capabilities) -> Self {
        let policy = KeyPolicy {
            upstream: settings.upstream.clone(),
            algorithms: settings.algorithms.clone(),
            max_age: settings.max_age,
            timeout: settings.timeout,
            refetch_cooldown: settings.refetch_cooldown,
        };
        let mut keys = KeyCache::new(policy, capabilities);
        keys.warm([settings.jwks.clone()]);
        let verified = VerifiedTokens::new(settings.token_cache_capacity.unwrap_or(0));
        Self { jwks: settings.jwks.clone(), algorithms: settings.algorithms.clone(), keys, verified }
    }

    fn validate(
        &mut self,
        now: Moment,
        token: &str,
        rules: &AccessTokenRules<'_>,
        permission: CalloutPermission,
        evidence: &mut Evidence,
    ) -> Result<Readiness<Accepted>, AccessTokenError> {
        let mut decoded = Vec::new();
        let token = self.verified.read(token, &mut decoded).map_err(AccessTokenError::Malformed)?;
        let key_id = token.header().key_id.clone().named();
        let outcome = self.check(now, token, rules, permission);
        if !matches!(outcome, Ok(Readiness::Ready(_))) {
            evidence.key_id = key_id.map(Cow::into_owned);
        }
        outcome
    }

    fn check(
        &mut self,
        now: Moment,
        token: UnverifiedToken<'_>,
        rules: &AccessTokenRules<'_>,
        permission: CalloutPermission,
    ) -> Result<Readiness<Accepted>, AccessTokenError> {
        let (key_id, algorithm) = check_header(token.header(), &self.algorithms).map_err(AccessTokenError::Header)?;
        let token = rules.check_token(token, now.wall).map_err(AccessTokenError::Fault)?;
        let (looked_up, missing) = match &key_id {
            Some(key_id) => {
                let looked_up = self.keys.lookup(now, &self.jwks, key_id, algorithm, permission);
                (looked_up, AccessTokenHeaderError::UnknownKeyId)
            }
            None => {
                let looked_up = self.keys.lookup_only(now, &self.jwks, algorithm, permission);
                (looked_up, AccessTokenHeaderError::NoKeyId)
            }
        };
        let unavailable = |Unavailable { retry_after }| AccessTokenError::KeysUnavailable { retry_after };
        let key = match looked_up.map_err(unavailable)? {
            Readiness::Ready(key) => key.ok_or(AccessTokenError::Header(missing))?,
            Readiness::Wait(wait) => return Ok(Readiness::Wait(wait)),
        };
        let facts =
            token.verify(now.wall, algorithm, key, &mut self.verified).map_err(|_| AccessTokenError::Signature)?;
        rules.check_scopes(&facts).map_err(AccessTokenError::Fault)?;
        Ok(Readiness::Ready(accepted(&facts)))
    }
}

/// A cache for the answers of this server.
fn introspection_cache(settings: &config::Introspection, capabilities: &Capabilities) -> IntrospectionCache {
    let config::Introspection { url, upstream, client_id, client_secret, .. } = settings;
    let policy = IntrospectionPolicy {
        timeout: settings.timeout,
        max_age: settings.max_age,
        negative_max_age: settings.negative_max_age,
        capacity: settings.capacity,
    };
    let secret = match client_secret {
        config::Credential::Secret(secret) => Some(secret.expose()),
        config::Credential::AddedByGateway => None,
    };
    let endpoint = Endpoint::new(upstream, url.clone(), client_id, secret);
    IntrospectionCache::new(endpoint, policy, capabilities)
}

fn introspect(
    cache: &mut IntrospectionCache,
    now: Moment,
    token: &str,
    rules: &AccessTokenRules<'_>,
    permission: CalloutPermission,
) -> Result<Readiness<Accepted>, AccessTokenError> {
    if token.len() > MAX_TOKEN_LENGTH {
        return Err(AccessTokenError::Malformed(JwsError::TooLong));
    }
    let digest = TokenDigest::of(token);
    let unavailable = |Unavailable { retry_after }| AccessTokenError::IntrospectionUnavailable { retry_after };
    match cache.lookup(now, token, &digest, permission).map_err(unavailable)? {
        Readiness::Ready(None) => Err(AccessTokenError::Unconfirmed),
        Readiness::Ready(Some(Introspected::Active(facts))) => {
            rules.check(facts, now.wall).map_err(AccessTokenError::Fault)?;
            Ok(Readiness::Ready(accepted(facts)))
        }
        Readiness::Ready(Some(Introspected::Inactive)) => Err(AccessTokenError::Inactive),
        Readiness::Ready(Some(Introspected::Invalid(fault))) => Err(AccessTokenError::Fault(*fault)),
        Readiness::Wait(wait) => Ok(Readiness::Wait(wait)),
    }
}

fn accepted(facts: &AccessTokenFacts) -> Accepted {
    Accepted { credential_id: facts.token_id().map(str::to_owned) }
}

/// The `kid` and the algorithm of a header that is as RFC 9068 §2.1 wants it. The RFC demands no `kid`; without one only a set
/// with exactly one key for the algorithm will do, so that no more than one is tried.
fn check_header<'a>(
    header: &Header<'a>,
    accepted: &[Algorithm],
) -> Result<(Option<Cow<'a, str>>, Algorithm), AccessTokenHeaderError> {
    let algorithm = header.algorithm.as_deref().and_then(Algorithm::from_name);
    let algorithm = algorithm.filter(|algorithm| accepted.contains(algorithm));
    let algorithm = algorithm.ok_or(AccessTokenHeaderError::Algorithm)?;
    if !header.object_type.as_deref().is_none_or(is_access_token_type) {
        return Err(AccessTokenHeaderError::Type);
    }
    if header.asks_for_extensions {
        return Err(AccessTokenHeaderError::Extensions);
    }
    match header.key_id.clone() {
        StatedKeyId::Absent => Ok((None, algorithm)),
        StatedKeyId::Unusable => Err(AccessTokenHeaderError::KeyId),
        StatedKeyId::Named(key_id) => Ok((Some(key_id), algorithm)),
    }
}

/// Whether `typ` is the media type of an access token, or of any JWT, which servers older than RFC 9068 say. Media types
/// have no case, and `application/` may be left out (RFC 7515 §4.1.9).
fn is_access_token_type(object_type: &str) -> bool {
    let object_type = object_type.to_ascii_lowercase();
    matches!(object_type.strip_prefix("application/").unwrap_or(&object_type), "at+jwt" | "jwt")
}

#[cfg(test)]
mod tests;
