//! The settings for requests from the API Hub to the bank: who may call (spec §2.1, §2.5), how the caller is
//! authenticated (§2), and what goes on to the backend.

use super::api_key::ApiKey;
use super::client_credentials::ClientCredentials;
use super::errors::ConfigErrors;
use super::forward::Forward;
use super::health_checks::HealthChecks;
use super::jwt_auth::JwtAuth;
use super::peer;
use super::provider_ids;
use super::reader::{Keys, Node};
use super::response_token::ResponseToken;
use super::secret::SecretSource;
use super::service_initiation::ServiceInitiation;
use crate::peer::PeerRules;
use crate::provider::Providers;

pub(super) const KEYS: Keys = Keys {
    supported: &[
        "provider_ids",
        "require_provider_header",
        "peer",
        "auth",
        "service_initiation",
        "health_checks",
        "forward",
        "response_token",
    ],
    refused: &[],
};

pub(super) const AUTH_KEYS: Keys =
    Keys { supported: &["jwt_auth", "client_credentials", "api_key", "mtls_only"], refused: &[] };

pub(super) const MTLS_ONLY_KEYS: Keys = Keys { supported: &[], refused: &[] };

/// What the filter demands of requests from the API Hub to the bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// The bank's provider ids from onboarding, at least one, and what a token's `aud` must be for each.
    pub provider_ids: Providers,
    /// As configured; [`Inbound::needs_provider_header`] decides.
    pub require_provider_header: bool,
    /// Which client certificates may call.
    pub peer: PeerRules,
    /// How the caller is authenticated beyond mutual TLS.
    pub auth: Auth,
    /// Which requests may bring a token that only the backend can check.
    pub service_initiation: Option<ServiceInitiation>,
    /// Whether health checks are answered here.
    pub health_checks: Option<HealthChecks>,
    /// What an accepted request carries on.
    pub forward: Forward,
    /// The token that responses get.
    pub response_token: Option<ResponseToken>,
}

/// An authentication method. Each keeps mutual TLS and the peer's rules underneath.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Nothing more.
    MtlsOnly,
    /// A secret that the bank gave the Hub.
    ApiKey(ApiKey),
    /// A signed token on each request.
    JwtAuth(JwtAuth),
    /// An access token of the bank's own authorisation server.
    ClientCredentials(Box<ClientCredentials>),
}

impl Inbound {
    /// Whether a request without `o3-provider-id` is refused: always when there are several ids to choose from.
    #[must_use]
    pub fn needs_provider_header(&self) -> bool {
        self.require_provider_header || self.provider_ids.count() > 1
    }

    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let provider_ids = provider_ids::read(&object.member("provider_ids"), errors);
        let require_provider_header = object.member("require_provider_header").boolean(false, errors);
        let peer = peer::read(&object.member("peer"), errors);
        let auth = read_auth(&object.member("auth"), secrets, errors);
        if let (Some(Auth::ApiKey(api_key)), Some(source)) = (&auth, peer.as_ref().map(|peer| &peer.source))
            && source.header(false).into_iter().chain(source.verification_headers()).any(|name| api_key.header == name)
        {
            object.member("auth").refuse(
                "expected another \"header\" in \"api_key\" than that of the certificate, got the same",
                errors,
            );
        }
        let service_initiation =
            object.member("service_initiation").optional(|node| ServiceInitiation::read(node, errors));
        let health_checks = object.member("health_checks").optional(|node| HealthChecks::read(node, errors));
        let forward = Forward::read(&object.member("forward"), errors);
        if forward.is_some_and(|forward| !forward.identity_headers) && !object.member("service_initiation").is_absent()
        {
            object.member("service_initiation").refuse(
                "expected \"identity_headers\": true in \"forward\" beside it, got false: without them the backend cannot \
                 tell that such a request is not verified",
                errors,
            );
        }
        let response_token =
            object.member("response_token").optional(|node| ResponseToken::read(node, secrets, errors));
        Some(Self {
            provider_ids: provider_ids?,
            require_provider_header: require_provider_header?,
            peer: peer?,
            auth: auth?,
            service_initiation: service_initiation?,
            health_checks: health_checks?,
            forward: forward?,
            response_token: response_token?,
        })
    }
}

fn read_auth(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Auth> {
    let object = node.object(&AUTH_KEYS, errors)?;
    object.exactly_one(errors);
    let mtls_only = object.member("mtls_only");
    let mtls_only =
        if mtls_only.is_absent() { None } else { mtls_only.object(&MTLS_ONLY_KEYS, errors).map(|_| Auth::MtlsOnly) };
    let jwt_auth = object.member("jwt_auth");
    let jwt_auth =
        if jwt_auth.is_absent() { None } else { JwtAuth::read(&jwt_auth, secrets, errors).map(Auth::JwtAuth) };
    let api_key = object.member("api_key");
    let api_key = if api_key.is_absent() { None } else { ApiKey::read(&api_key, errors).map(Auth::ApiKey) };
    let client_credentials = object.member("client_credentials");
    let client_credentials = if client_credentials.is_absent() {
        None
    } else {
        let settings = ClientCredentials::read(&client_credentials, secrets, errors);
        settings.map(|settings| Auth::ClientCredentials(Box::new(settings)))
    };
    jwt_auth.or(client_credentials).or(api_key).or(mtls_only)
}
