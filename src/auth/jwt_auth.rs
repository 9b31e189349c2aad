//! JWT Auth (spec §2.4): a PS256 token whose `iss` and `sub` are the `O` and `OU` of the peer certificate, verified with a
//! key that is published under the address that this certificate's subject names.

use std::borrow::Cow;

use crate::callout::{CalloutPermission, Readiness, Unavailable};
use crate::capabilities::Capabilities;
use crate::claims::verified::VerifiedTokens;
use crate::claims::{ClaimRules, ClaimsError};
use crate::config;
use crate::evidence::Evidence;
use crate::header_value::HeaderValue;
use crate::jose::{Algorithm, Header, JwsError, UnverifiedToken};
use crate::keys::{KeyCache, KeyPolicy};
use crate::peer::Subject;
use crate::replay::{NewUse, ReplayDetection, ReplayError, TokenIdentity};
use crate::request::NonceInput;
use crate::time::Moment;
use crate::url::HttpUrl;

use super::bearer::{self, CredentialError};
use super::credential::{Accepted, Credential};

/// The method JWT Auth, with the keys that it knows.
#[derive(Debug)]
pub(crate) struct JwtAuth {
    settings: config::JwtAuth,
    keys: KeyCache,
    verified: VerifiedTokens,
    replay: Option<ReplayDetection>,
    /// Where the keys of the caller before are: it is mostly the same one.
    last_address: Option<(Subject, HttpUrl)>,
}

/// A token that somebody presents, and who that ought to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presented<'a> {
    /// Whose `O` and `OU` the token must name.
    pub subject: &'a Subject,
    /// The values of the header that carries it.
    pub values: &'a [HeaderValue],
    /// The provider ids of which `aud` must name one.
    pub audiences: &'a [String],
    /// What makes this use of it different from all others, where a store of used tokens is asked.
    pub nonce_input: &'a NonceInput,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JwtAuthError {
    /// There is no bearer token.
    Credential(CredentialError),
    /// It is not a compact JWS.
    Malformed(JwsError),
    /// Its header is not as the standard wants it.
    Header(HeaderError),
    /// Its claims are not right.
    Claims(ClaimsError),
    /// Its signature is not by the key that it names.
    Signature,
    /// It is right, and was used before, or it is not known whether it was.
    Replay(ReplayError),
    /// The certificate's subject gives no address to fetch keys from.
    SubjectHasNoAddress,
    /// Keys are needed to decide and cannot be had now.
    KeysUnavailable {
        /// When to try again.
        retry_after: std::time::Duration,
    },
}

/// What is wrong with a JOSE header (spec §2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// `alg` is not `PS256`.
    Algorithm,
    /// `typ` is not `JOSE`.
    Type,
    /// `cty` is not `json`.
    ContentType,
    /// `kid` is missing or not usable.
    KeyId,
    /// `crit` or `b64` asks for extensions.
    Extensions,
    /// The key set does not have this `kid`, also not after a refresh.
    UnknownKeyId,
}

impl JwtAuth {
    /// The method with these settings and no keys yet. `capabilities` are the gateway's.
    #[must_use]
    pub(crate) fn new(settings: config::JwtAuth, capabilities: &Capabilities) -> Self {
        let policy = KeyPolicy {
            upstream: settings.upstream.clone(),
            algorithms: vec![Algorithm::Ps256],
            max_age: settings.max_age,
            timeout: settings.timeout,
            refetch_cooldown: settings.refetch_cooldown,
        };
        let longest_life = settings.max_lifetime.saturating_add(settings.clock_skew.saturating_mul(2));
        let replay = settings.replay.as_ref().map(|replay| ReplayDetection::new(replay, longest_life, capabilities));
        let verified = VerifiedTokens::new(settings.token_cache_capacity.unwrap_or(0));
        let mut keys = KeyCache::new(policy, capabilities);
        keys.warm(settings.warm.iter().cloned());
        Self { settings, keys, verified, replay, last_address: None }
    }

    /// The keys that are known.
    pub(crate) fn keys(&mut self) -> &mut KeyCache {
        &mut self.keys
    }

    /// What remembers used tokens, if anything does.
    pub(crate) fn replay(&mut self) -> Option<&mut ReplayDetection> {
        self.replay.as_mut()
    }

    /// Whether each use of a token needs a [`NonceInput`].
    #[must_use]
    pub(crate) fn wants_nonces(&self) -> bool {
        self.replay.as_ref().is_some_and(ReplayDetection::asks_a_store)
    }

    /// Makes sure that there are keys to verify this subject's tokens with.
    ///
    /// # Errors
    /// [`JwtAuthError::SubjectHasNoAddress`] and [`JwtAuthError::KeysUnavailable`].
    pub(crate) fn prepare(
        &mut self,
        now: Moment,
        subject: &Subject,
        permission: CalloutPermission,
    ) -> Result<Readiness<()>, JwtAuthError> {
        let url = self.jwks_url(subject)?;
        self.keys.prepare(now, &url, permission).map_err(unavailable)
    }

    /// Decides on a credential, and notes the token's `kid` in `evidence`.
    ///
    /// # Errors
    /// See [`JwtAuthError`]: the first check that failed, cheapest first.
    pub(crate) fn authenticate(
        &mut self,
        now: Moment,
        credential: Credential<'_>,
        permission: CalloutPermission,
        evidence: &mut Evidence,
    ) -> Result<Readiness<Accepted>, JwtAuthError> {
        let Credential { certificate, authorization, audiences, nonce_input, .. } = credential;
        let presented = Presented { subject: certificate.subject(), values: authorization, audiences, nonce_input };
        self.verify(now, presented, permission, evidence)
    }

    /// Decides on a token, and notes its `kid` in `evidence`.
    ///
    /// # Errors
    /// See [`JwtAuthError`]: the first check that failed, cheapest first.
    pub(crate) fn verify(
        &mut self,
        now: Moment,
        presented: Presented<'_>,
        permission: CalloutPermission,
        evidence: &mut Evidence,
    ) -> Result<Readiness<Accepted>, JwtAuthError> {
        let Presented { subject, values, .. } = presented;
        let url = self.jwks_url(subject)?;
        let token = bearer::token(values).map_err(JwtAuthError::Credential)?;
        let mut decoded = Vec::new();
        let token = self.verified.read(token, &mut decoded).map_err(JwtAuthError::Malformed)?;
        let key_id = token.header().key_id.clone().named();
        let outcome = self.check(now, token, presented, &url, permission);
        if !matches!(outcome, Ok(Readiness::Ready(_))) {
            evidence.key_id = key_id.map(Cow::into_owned);
        }
        outcome
    }

    fn check(
        &mut self,
        now: Moment,
        token: UnverifiedToken<'_>,
        presented: Presented<'_>,
        url: &HttpUrl,
        permission: CalloutPermission,
    ) -> Result<Readiness<Accepted>, JwtAuthError> {
        let Presented { subject, audiences, nonce_input, .. } = presented;
        let key_id = required_key_id(token.header()).map_err(JwtAuthError::Header)?;
        let rules = ClaimRules {
            issuer: subject.organisation(),
            subject: subject.organisational_unit(),
            audiences,
            clock_skew: self.settings.clock_skew,
            max_lifetime: self.settings.max_lifetime,
        };
        let text = token.as_str();
        let token = rules.check(token, now.wall).map_err(JwtAuthError::Claims)?;
        // The signature was right when the store was asked whether this token is new. It is the answer to that which decides now.
        if permission == CalloutPermission::Used
            && let Some(decided) = self.replay.as_mut().and_then(|replay| replay.take_decided(now, text))
        {
            let credential_id = Some(decided.map_err(JwtAuthError::Replay)?);
            return Ok(Readiness::Ready(Accepted { credential_id }));
        }
        let key = match self.keys.lookup(now, url, &key_id, Algorithm::Ps256, permission).map_err(unavailable)? {
            Readiness::Ready(key) => key.ok_or(JwtAuthError::Header(HeaderError::UnknownKeyId))?,
            Readiness::Wait(wait) => return Ok(Readiness::Wait(wait)),
        };
        let claims = token.verify_ps256(now.wall, key, &mut self.verified).map_err(|_| JwtAuthError::Signature)?;
        if let Some(replay) = &mut self.replay {
            let (token_id, valid_until) = (claims.token_id(), claims.valid_until());
            let identity = TokenIdentity::new(subject.organisation(), subject.organisational_unit(), token_id);
            let new_use = NewUse { token: text, identity, valid_until, token_id, nonce_input };
            if let Some(wait) = replay.admit(now, new_use, permission).map_err(JwtAuthError::Replay)? {
                return Ok(Readiness::Wait(wait));
            }
        }
        Ok(Readiness::Ready(Accepted { credential_id: Some(claims.into_token_id().into_owned()) }))
    }

    fn jwks_url(&mut self, subject: &Subject) -> Result<HttpUrl, JwtAuthError> {
        if let Some((last, url)) = &self.last_address
            && last == subject
        {
            return Ok(url.clone());
        }
        let url = self.settings.jwks.expand(subject.organisational_unit(), subject.common_name());
        let url = url.map_err(|_| JwtAuthError::SubjectHasNoAddress)?;
        self.last_address = Some((subject.clone(), url.clone()));
        Ok(url)
    }
}

fn unavailable(Unavailable { retry_after }: Unavailable) -> JwtAuthError {
    JwtAuthError::KeysUnavailable { retry_after }
}

/// The `kid` of a header that is exactly as the standard's table wants it.
fn required_key_id<'a>(header: &Header<'a>) -> Result<Cow<'a, str>, HeaderError> {
    let is = |member: &Option<Cow<'_, str>>, value| member.as_deref() == Some(value);
    if !is(&header.algorithm, "PS256") {
        return Err(HeaderError::Algorithm);
    }
    if !is(&header.object_type, "JOSE") {
        return Err(HeaderError::Type);
    }
    if !is(&header.content_type, "json") {
        return Err(HeaderError::ContentType);
    }
    if header.asks_for_extensions {
        return Err(HeaderError::Extensions);
    }
    header.key_id.clone().named().ok_or(HeaderError::KeyId)
}
