//! The one place where a reason becomes what others see of it: status, error code, body, headers, log line, metric
//! (spec §3).
//!
//! Messages name the check that failed and what would be right. They never repeat what the caller sent, nor the value
//! that was expected.

mod access_token;
mod jwt_auth;
mod outbound;

use std::borrow::Cow;
use std::time::Duration;

use crate::ascii::is_plain;
use crate::auth::{AccessTokenError, ApiKeyError, AuthError, JwtAuthError};
use crate::evidence::Evidence;
use crate::log_line::{Line, made_plain, plain, text};
use crate::peer::PeerError;
use crate::provider::ProviderError;
use crate::replay::ReplayError;
use crate::request::Correlation;
use crate::signing::SigningError;
use crate::time::UnixTime;

/// The longest `x-fapi-interaction-id` that is echoed, in bytes. It is a UUID.
const MAX_ECHOED: usize = 128;

/// The challenge where no credential was sent, with the protection space (RFC 9110 §11.5).
pub(crate) const CHALLENGE: &str = "Bearer realm=\"ozone-connect\"";

/// The most headers that an answer has.
const MOST_HEADERS: usize = 5;

/// Why a request is not let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RejectReason {
    /// No acceptable client certificate.
    Peer(PeerError),
    /// The request carries a header that only this filter may set.
    ReservedHeader,
    /// It carries a header that a backend could take for one of those that name the provider.
    MisspeltProviderHeader,
    /// It carries more headers than the gateway shows to the filter.
    TooManyHeaders,
    /// It names no host, and the gateway cannot show its headers to the filter.
    NoHost,
    /// It is not known which provider the request is for.
    Provider(ProviderError),
    /// The API key was not accepted.
    ApiKey(ApiKeyError),
    /// JWT Auth did not accept it.
    JwtAuth(JwtAuthError),
    /// The access token is not accepted.
    AccessToken(AccessTokenError),
    /// The bank's own request or response could not be signed.
    Signing(SigningError),
    /// There are no keys to verify the Hub's response with, and none can be had now.
    ResponseKeysUnavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The response carries no right token of the Hub.
    Response(JwtAuthError),
    /// A response came to a request that never passed this filter.
    ResponseWithoutRequest,
    /// A response came to a request that this filter has not let through: something in the gateway went around it.
    NotAuthenticated,
    /// As many requests as the filter holds are waiting for keys.
    TooManyWaiting,
    /// The plugin has no valid configuration. The log of the gateway's start says why.
    NotConfigured,
    /// A fault of the filter or of the gateway under it.
    Internal,
}

/// The error codes that the filter answers with (spec §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "spec §3 says what each code stands for")]
pub enum ErrorCode {
    CertificateMissing,
    CertificateMalformed,
    CertificateNotAllowed,
    CertificateInvalid,
    CredentialMissing,
    CredentialMalformed,
    HeaderNotAllowed,
    ApiKeyInvalid,
    JwsMalformed,
    JwsInvalidHeader,
    JwsInvalidSignature,
    JwsInvalidClaim,
    AccessTokenInvalid,
    AccessTokenInvalidScope,
    ProviderUnknown,
    ResponseNotVerified,
    GenericRecoverableError,
    GenericError,
}

/// A request that is answered here, with all that is logged of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    reason: RejectReason,
    /// Both the caller and the log are told. It can stand in JSON and in a challenge as it is.
    message: Cow<'static, str>,
    evidence: Evidence,
    correlation: Correlation,
}

/// What was done about something that ought to be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RejectionEvent {
    /// It was refused.
    Refused,
    /// It was let through all the same, as the configuration wants it.
    Tolerated,
}

/// A complete HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The status: 200 for a health check, else 401, 403, 500, 502 or 503.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body: JSON.
    pub body: String,
}

impl ErrorCode {
    /// The codes that requests from the Hub may meet, in the order of their declaration.
    pub const INBOUND: [Self; 17] = [
        Self::CertificateMissing,
        Self::CertificateMalformed,
        Self::CertificateNotAllowed,
        Self::CertificateInvalid,
        Self::CredentialMissing,
        Self::CredentialMalformed,
        Self::HeaderNotAllowed,
        Self::ApiKeyInvalid,
        Self::JwsMalformed,
        Self::JwsInvalidHeader,
        Self::JwsInvalidSignature,
        Self::JwsInvalidClaim,
        Self::AccessTokenInvalid,
        Self::AccessTokenInvalidScope,
        Self::ProviderUnknown,
        Self::GenericRecoverableError,
        Self::GenericError,
    ];

    /// The codes that responses to the Hub may be replaced with.
    pub const INBOUND_RESPONSES: [Self; 2] = [Self::GenericRecoverableError, Self::GenericError];

    /// The codes that requests to the Hub may meet.
    pub const OUTBOUND: [Self; 3] = [Self::ResponseNotVerified, Self::GenericRecoverableError, Self::GenericError];

    /// The `errorCode` of the response.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CertificateMissing => "Certificate.Missing",
            Self::CertificateMalformed => "Certificate.Malformed",
            Self::CertificateNotAllowed => "Certificate.NotAllowed",
            Self::CertificateInvalid => "Certificate.Invalid",
            Self::CredentialMissing => "Credential.Missing",
            Self::CredentialMalformed => "Credential.Malformed",
            Self::HeaderNotAllowed => "Header.NotAllowed",
            Self::ApiKeyInvalid => "ApiKey.Invalid",
            Self::JwsMalformed => "JWS.Malformed",
            Self::JwsInvalidHeader => "JWS.InvalidHeader",
            Self::JwsInvalidSignature => "JWS.InvalidSignature",
            Self::JwsInvalidClaim => "JWS.InvalidClaim",
            Self::AccessTokenInvalid => "AccessToken.Invalid",
            Self::AccessTokenInvalidScope => "AccessToken.InvalidScope",
            Self::ProviderUnknown => "Provider.Unknown",
            Self::ResponseNotVerified => "Response.NotVerified",
            Self::GenericRecoverableError => "GenericRecoverableError",
            Self::GenericError => "GenericError",
        }
    }

    /// The HTTP status that goes with the code.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::CertificateMissing
            | Self::CertificateMalformed
            | Self::CertificateInvalid
            | Self::CredentialMissing
            | Self::CredentialMalformed
            | Self::ApiKeyInvalid
            | Self::JwsMalformed
            | Self::JwsInvalidHeader
            | Self::JwsInvalidSignature
            | Self::JwsInvalidClaim
            | Self::AccessTokenInvalid => 401,
            Self::CertificateNotAllowed
            | Self::HeaderNotAllowed
            | Self::AccessTokenInvalidScope
            | Self::ProviderUnknown => 403,
            Self::ResponseNotVerified => 502,
            Self::GenericRecoverableError => 503,
            Self::GenericError => 500,
        }
    }
}

impl RejectReason {
    /// The error code that stands for it.
    #[must_use]
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Peer(PeerError::Missing | PeerError::UnknownProxy(_) | PeerError::NotVerified) => {
                ErrorCode::CertificateMissing
            }
            Self::Peer(PeerError::Malformed(_)) => ErrorCode::CertificateMalformed,
            Self::Peer(PeerError::NotPinned(_)) => ErrorCode::CertificateNotAllowed,
            Self::Peer(PeerError::NotValid(_)) => ErrorCode::CertificateInvalid,
            Self::ReservedHeader | Self::MisspeltProviderHeader | Self::TooManyHeaders | Self::NoHost => {
                ErrorCode::HeaderNotAllowed
            }
            Self::Provider(_) => ErrorCode::ProviderUnknown,
            Self::ApiKey(ApiKeyError::Unknown | ApiKeyError::NotYetValid(_) | ApiKeyError::Expired(_)) => {
                ErrorCode::ApiKeyInvalid
            }
            Self::ApiKey(ApiKeyError::Missing) => ErrorCode::CredentialMissing,
            Self::ApiKey(_) => ErrorCode::CredentialMalformed,
            Self::JwtAuth(error) => jwt_auth::code(error),
            Self::AccessToken(error) => access_token::code(error),
            Self::Signing(error) => outbound::signing_code(error),
            Self::Response(_) | Self::ResponseWithoutRequest => ErrorCode::ResponseNotVerified,
            Self::ResponseKeysUnavailable { .. } | Self::TooManyWaiting => ErrorCode::GenericRecoverableError,
            Self::NotAuthenticated | Self::NotConfigured | Self::Internal => ErrorCode::GenericError,
        }
    }

    /// How long the caller should wait before the next try, where waiting helps.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::JwtAuth(
                JwtAuthError::KeysUnavailable { retry_after }
                | JwtAuthError::Replay(
                    ReplayError::Full { retry_after }
                    | ReplayError::Forgotten { retry_after }
                    | ReplayError::StoreUnavailable { retry_after },
                ),
            )
            | Self::AccessToken(
                AccessTokenError::KeysUnavailable { retry_after }
                | AccessTokenError::IntrospectionUnavailable { retry_after },
            )
            | Self::ResponseKeysUnavailable { retry_after } => Some(*retry_after),
            Self::Signing(error) => error.retry_after(),
            Self::JwtAuth(JwtAuthError::Replay(ReplayError::Unavailable)) | Self::TooManyWaiting => {
                Some(Duration::from_secs(1))
            }
            _ => None,
        }
    }

    /// The challenge of a 401, and of a token that does not go far enough (RFC 6750 §3): with an error code, and this message, where a
    /// credential was sent.
    fn challenge(&self, message: &str) -> Option<Cow<'static, str>> {
        let error = match self.code() {
            ErrorCode::CertificateMissing
            | ErrorCode::CertificateMalformed
            | ErrorCode::CertificateInvalid
            | ErrorCode::CredentialMissing => return Some(CHALLENGE.into()),
            ErrorCode::CredentialMalformed => "invalid_request",
            ErrorCode::AccessTokenInvalidScope => "insufficient_scope",
            code if code.status() == 401 => "invalid_token",
            _ => return None,
        };
        Some([CHALLENGE, ", error=\"", error, "\", error_description=\"", message, "\""].concat().into())
    }

    /// What was wrong, for people. Plain ASCII without `"` and `\`, as `error_description` wants it (RFC 6750 §3).
    #[must_use]
    pub(crate) fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Peer(PeerError::Missing) => "There is no verified client certificate.".into(),
            Self::Peer(fault @ (PeerError::UnknownProxy(_) | PeerError::NotVerified)) => {
                format!("There is no verified client certificate: {fault}.").into()
            }
            Self::Peer(PeerError::Malformed(fault)) => {
                format!("The client certificate cannot be used: {fault}.").into()
            }
            Self::Peer(PeerError::NotPinned(fault)) => format!("The client certificate is refused: {fault}.").into(),
            Self::Peer(PeerError::NotValid(fault)) => format!("The client certificate is refused: {fault}.").into(),
            Self::ReservedHeader => "The request carries a header that only the gateway may set.".into(),
            Self::MisspeltProviderHeader => {
                "The request carries the header o3-provider-id or o3-aspsp-id in another spelling.".into()
            }
            Self::TooManyHeaders => "The request carries more headers than the gateway can check.".into(),
            Self::NoHost => "The request names no host.".into(),
            Self::Provider(error) => provider_message(*error).into(),
            Self::ApiKey(error) => api_key_message(error).into(),
            Self::JwtAuth(error) => jwt_auth::message(error),
            Self::AccessToken(error) => access_token::message(error),
            Self::Signing(error) => outbound::signing_message(error).into(),
            Self::ResponseKeysUnavailable { .. } => {
                "The keys to verify the response of the API Hub with cannot be had now. Try again.".into()
            }
            Self::Response(error) => outbound::response_message(error).into(),
            Self::ResponseWithoutRequest => "The response belongs to no request that passed here.".into(),
            Self::NotAuthenticated => "The request has not passed the gateway's authentication.".into(),
            Self::TooManyWaiting => "Too many requests are waiting for keys. Try again.".into(),
            Self::NotConfigured => "The gateway's authentication has no valid configuration.".into(),
            Self::Internal => "The gateway's authentication failed.".into(),
        }
    }
}

impl From<AuthError> for RejectReason {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::ApiKey(error) => Self::ApiKey(error),
            AuthError::JwtAuth(error) => Self::JwtAuth(error),
            AuthError::AccessToken(error) => Self::AccessToken(error),
        }
    }
}

impl Rejection {
    pub(crate) fn new(reason: RejectReason, evidence: Evidence, correlation: Correlation) -> Self {
        let message = reason.message();
        let message = if is_plain(message.as_bytes()) { message } else { made_plain(message.as_bytes()).into() };
        Self { reason, message, evidence, correlation }
    }

    /// A rejection of which nothing but the reason is known.
    #[must_use]
    pub(crate) fn bare(reason: RejectReason) -> Self {
        Self::new(reason, Evidence::default(), Correlation::default())
    }

    /// The error code.
    #[must_use]
    pub(crate) fn code(&self) -> ErrorCode {
        self.reason.code()
    }

    /// Why.
    #[cfg(not(target_family = "wasm"))]
    #[must_use]
    pub(crate) fn reason(&self) -> &RejectReason {
        &self.reason
    }

    /// Notes the gateway's id of the request, unless it is known.
    pub(crate) fn note_request_id(&mut self, request_id: impl FnOnce() -> Option<Vec<u8>>) {
        let known = &mut self.correlation.request_id;
        *known = known.take().or_else(request_id);
    }

    /// Whether the memory of replay detection had no room left, which an operator should know of.
    #[must_use]
    pub(crate) fn is_replay_memory_full(&self) -> bool {
        matches!(self.reason, RejectReason::JwtAuth(JwtAuthError::Replay(ReplayError::Full { .. })))
    }

    /// The response for the caller.
    #[must_use]
    pub(crate) fn reply(&self) -> Reply {
        let (code, message) = (self.code(), &*self.message);
        let mut headers = Vec::with_capacity(MOST_HEADERS);
        headers.push(("content-type", "application/json".into()));
        headers.push(("cache-control", "no-store".into()));
        if let Some(challenge) = self.reason.challenge(message) {
            headers.push(("www-authenticate", challenge));
        }
        if let Some(wait) = self.reason.retry_after() {
            headers.push(("retry-after", whole_seconds(wait).to_string().into()));
        }
        if let Some(id) = self.echoed_interaction_id() {
            headers.push(("x-fapi-interaction-id", id.into()));
        }
        let body = ["{\"errorCode\":\"", code.as_str(), "\",\"errorMessage\":\"", message, "\"}"].concat();
        Reply { status: code.status(), headers, body }
    }

    /// One line of JSON for the gateway's log. Values from the request are cut and reduced to plain ASCII.
    #[must_use]
    pub(crate) fn log_line(&self, now: UnixTime, event: RejectionEvent) -> Vec<u8> {
        let code = self.code();
        let mut line = Line::begin(now, event.name());
        if event == RejectionEvent::Refused {
            line.status(code.status());
        }
        plain!(line, "code", code.as_str());
        plain!(line, "reason", self.message.as_bytes());
        line.ids(&self.correlation);
        let Evidence { organisational_unit, key_id, api_key } = &self.evidence;
        if let Some(unit) = organisational_unit {
            text!(line, "organisational_unit", unit.as_bytes());
        }
        if let Some(key_id) = key_id {
            text!(line, "kid", key_id);
        }
        if let Some(api_key) = api_key {
            text!(line, "api_key", api_key);
        }
        line.end()
    }

    fn echoed_interaction_id(&self) -> Option<String> {
        let id = self.correlation.fapi_interaction_id.as_deref()?;
        let harmless = !id.is_empty() && id.len() <= MAX_ECHOED && id.iter().all(u8::is_ascii_graphic);
        harmless.then(|| id.iter().copied().map(char::from).collect())
    }
}

impl RejectionEvent {
    fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Tolerated => "tolerated",
        }
    }
}

/// Seconds, rounded up, at least 1.
fn whole_seconds(duration: Duration) -> u64 {
    let more = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(more).max(1)
}

fn provider_message(error: ProviderError) -> &'static str {
    match error {
        ProviderError::Missing => "The header o3-provider-id is missing.",
        ProviderError::Unknown => "The header o3-provider-id names no provider of this bank.",
        ProviderError::Contradictory => "The headers o3-provider-id and o3-aspsp-id differ.",
    }
}

fn api_key_message(error: &ApiKeyError) -> &'static str {
    match error {
        ApiKeyError::Missing => "The API key is missing.",
        ApiKeyError::Several => "The header of the API key has more than one value.",
        ApiKeyError::TooLong => "The header of the API key is too long.",
        ApiKeyError::OtherScheme => "The header of the API key does not start with the scheme that was agreed on.",
        ApiKeyError::Empty => "The header of the API key is empty.",
        ApiKeyError::Unknown => "The API key is not known.",
        ApiKeyError::NotYetValid(_) => "The API key is not valid yet.",
        ApiKeyError::Expired(_) => "The API key has expired.",
    }
}

#[cfg(test)]
mod tests;
