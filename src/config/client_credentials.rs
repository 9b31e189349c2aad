//! The settings of the client credentials grant (spec §2.3): what the access tokens of the bank's own authorisation server
//! must say, and how the filter learns what they say: from the token itself, if it is a JWT, with the server's keys, or from
//! the server's introspection endpoint.

use std::time::Duration;

use super::callouts::{REFETCH_COOLDOWN, TIMEOUT, read_upstream};
use super::duration::DurationRange;
use super::errors::ConfigErrors;
use super::reader::{IntegerRange, Keys, ListRule, Node, Object, TextRule};
use super::secret::{Credential, SecretSource};
use super::token_cache;
use crate::jose::Algorithm;
use crate::url::{HttpUrl, JwksLocation, JwksLocationError};

pub(super) const KEYS: Keys = Keys {
    supported: &[
        "issuer",
        "audience",
        "scopes",
        "clock_skew",
        "certificate_bound",
        "jwks",
        "algorithms",
        "upstream",
        "max_age",
        "timeout",
        "refetch_cooldown",
        "token_cache_capacity",
        "introspection",
    ],
    refused: &[],
};

/// The keys that say how a key set is used. Beside `introspection`, which has its own, they would have no effect.
pub(super) const KEYS_OF_JWKS: [&str; 6] =
    ["algorithms", "upstream", "max_age", "timeout", "refetch_cooldown", "token_cache_capacity"];

/// The keys are the bank's, at one address that no certificate takes part in.
pub(super) const JWKS_KEYS: Keys = Keys { supported: &["url"], refused: &[] };

pub(super) const INTROSPECTION_KEYS: Keys = Keys {
    supported: &[
        "url",
        "upstream",
        "client_id",
        "client_secret",
        "timeout",
        "max_age",
        "negative_max_age",
        "capacity",
        "require_expiry",
    ],
    refused: &[],
};

/// An issuer is a URL, and an audience usually one; RFC 7519 §2 allows any string.
pub(super) const IDENTIFIER: TextRule = TextRule {
    expected: "a string of 1 to 512 bytes without control characters",
    max_bytes: 512,
    allows: |character| !character.is_control(),
};

/// A scope is looked for on every request; the API Hub needs a handful.
pub(super) const SCOPES: ListRule = ListRule { of: "scopes", min: 0, max: 32 };

/// RFC 6749 §3.3. A space would make two of one.
pub(super) const SCOPE: TextRule = TextRule {
    expected: "a scope of 1 to 128 visible ASCII characters without \" and \\",
    max_bytes: 128,
    allows: |character| character.is_ascii_graphic() && !['"', '\\'].contains(&character),
};

pub(super) const ALGORITHMS: ListRule = ListRule { of: "algorithms", min: 1, max: Algorithm::ALL.len() };

/// RFC 6749 appendix A.1 and A.2 allow printable ASCII, spaces among it.
pub(super) const CLIENT_ID: TextRule = TextRule {
    expected: "a string of 1 to 256 printable ASCII characters",
    max_bytes: 256,
    allows: |character| matches!(character, ' '..='~'),
};

/// See [`CLIENT_ID`].
pub(super) const CLIENT_SECRET: TextRule = TextRule {
    expected: "a secret of 1 to 1024 printable ASCII characters",
    max_bytes: 1024,
    allows: |character| matches!(character, ' '..='~'),
};

/// The 10 minutes of the Trust Framework bind its participants' keys and are a good default. How long a key still counts that
/// the bank withdrew from its own server is the bank's decision, up to a day.
pub(super) const KEY_MAX_AGE: DurationRange =
    DurationRange { min: Duration::from_secs(1), max: Duration::from_hours(24), default: Duration::from_mins(10) };

/// Two servers of one bank. RFC 7519 §4.1.4 thinks of minutes at the most; the default is the one of JWT Auth.
pub(super) const CLOCK_SKEW: DurationRange =
    DurationRange { min: Duration::ZERO, max: Duration::from_mins(1), default: Duration::from_secs(10) };

/// How long a token that was revoked may still be accepted. With zero every request asks.
pub(super) const MAX_AGE: DurationRange =
    DurationRange { min: Duration::ZERO, max: Duration::from_mins(10), default: Duration::from_mins(1) };

/// A token that is unknown now may have been issued by a server whose replicas lag: it must not stay refused for long.
pub(super) const NEGATIVE_MAX_AGE: DurationRange =
    DurationRange { min: Duration::ZERO, max: Duration::from_mins(1), default: Duration::from_secs(5) };

/// Answers have a few hundred bytes in memory, in each worker.
pub(super) const CAPACITY: IntegerRange = IntegerRange { of: Some("answers"), min: 1, max: 100_000, default: 10_000 };

/// The settings of the client credentials grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    /// `iss` of the tokens. Always there for tokens that are JWTs.
    pub issuer: Option<String>,
    /// What `aud` must name. Always there for tokens that are JWTs.
    pub audience: Option<String>,
    /// The scopes that a token must have, all of them.
    pub scopes: Vec<String>,
    /// How far the authorisation server's clock may be off.
    pub clock_skew: Duration,
    /// Whether a token must be bound to the peer's certificate (RFC 8705 §3).
    pub certificate_bound: bool,
    /// How the filter learns what a token says.
    pub validation: TokenValidation,
}

/// How the filter learns what a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenValidation {
    /// It is a JWT.
    Jwt(JwtValidation),
    /// The authorisation server tells.
    Introspection(Introspection),
}

/// How access tokens are verified that are JWTs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtValidation {
    /// Which algorithms may have signed them.
    pub algorithms: Vec<Algorithm>,
    /// Where the authorisation server's keys are.
    pub jwks: HttpUrl,
    /// What the gateway calls to fetch them: a name that its configuration defines, or `host` or `host:port`.
    pub upstream: String,
    /// How long a fetched key set is used.
    pub max_age: Duration,
    /// How long a fetch may take.
    pub timeout: Duration,
    /// How long after an extra fetch for an unknown `kid` the next one may happen.
    pub refetch_cooldown: Duration,
    /// How many tokens are remembered whose signature was verified; `None` if each is verified every time.
    pub token_cache_capacity: Option<usize>,
}

/// How the authorisation server is asked about access tokens (RFC 7662).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introspection {
    /// Its introspection endpoint.
    pub url: HttpUrl,
    /// What the gateway calls to reach it: a name that its configuration defines, or `host` or `host:port`.
    pub upstream: String,
    /// As whom it is asked.
    pub client_id: String,
    /// The secret that proves it.
    pub client_secret: Credential,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long the answer on an active token is used.
    pub max_age: Duration,
    /// How long the answer on any other token is used.
    pub negative_max_age: Duration,
    /// How many answers are kept.
    pub capacity: usize,
    /// Whether an answer without `exp` is refused.
    pub require_expiry: bool,
}

impl ClientCredentials {
    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let (jwks, introspection) = (object.member("jwks"), object.member("introspection"));
        let validation = match (jwks.is_absent(), introspection.is_absent()) {
            (false, true) => JwtValidation::read(&jwks, &object, errors).map(TokenValidation::Jwt),
            (true, false) => {
                refuse_keys_of_jwks(&object, errors);
                Introspection::read(&introspection, secrets, errors).map(TokenValidation::Introspection)
            }
            (neither, _) => {
                let got = if neither { "neither" } else { "both" };
                node.refuse_text("\"jwks\" or \"introspection\"", got, errors)
            }
        };
        // An introspection endpoint tells its own tokens from others; a key set does not.
        let may_be_absent = jwks.is_absent();
        let issuer = read_identifier(&object.member("issuer"), may_be_absent, errors);
        let audience = read_identifier(&object.member("audience"), may_be_absent, errors);
        let scopes =
            object.member("scopes").list(&SCOPES, errors, |item, errors| item.text(&SCOPE, errors).map(str::to_owned));
        let clock_skew = object.member("clock_skew").duration(&CLOCK_SKEW, errors);
        let certificate_bound = object.member("certificate_bound").boolean(true, errors);
        Some(Self {
            issuer: issuer?,
            audience: audience?,
            scopes: scopes?,
            clock_skew: clock_skew?,
            certificate_bound: certificate_bound?,
            validation: validation?,
        })
    }
}

impl JwtValidation {
    fn read(node: &Node<'_>, settings: &Object<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let address = node.object(&JWKS_KEYS, errors).and_then(|jwks| read_url(&jwks.member("url"), errors));
        let (jwks, host_and_port) = address.unzip();
        let algorithms = read_algorithms(&settings.member("algorithms"), errors);
        let upstream = read_upstream(&settings.member("upstream"), host_and_port, errors);
        let max_age = settings.member("max_age").duration(&KEY_MAX_AGE, errors);
        let timeout = settings.member("timeout").duration(&TIMEOUT, errors);
        let refetch_cooldown = settings.member("refetch_cooldown").duration(&REFETCH_COOLDOWN, errors);
        let token_cache_capacity = token_cache::read(&settings.member("token_cache_capacity"), errors);
        Some(Self {
            algorithms: algorithms?,
            jwks: jwks?,
            upstream: upstream?,
            max_age: max_age?,
            timeout: timeout?,
            refetch_cooldown: refetch_cooldown?,
            token_cache_capacity: token_cache_capacity?,
        })
    }
}

impl Introspection {
    fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&INTROSPECTION_KEYS, errors)?;
        let (url, host_and_port) = read_url(&object.member("url"), errors).unzip();
        let upstream = read_upstream(&object.member("upstream"), host_and_port, errors);
        let client_id = object.member("client_id").text(&CLIENT_ID, errors);
        let client_secret = secrets.read_credential(&object.member("client_secret"), &CLIENT_SECRET, errors);
        let timeout = object.member("timeout").duration(&TIMEOUT, errors);
        let max_age = object.member("max_age").duration(&MAX_AGE, errors);
        let negative_max_age = object.member("negative_max_age").duration(&NEGATIVE_MAX_AGE, errors);
        let capacity = object.member("capacity").integer(&CAPACITY, errors);
        let require_expiry = object.member("require_expiry").boolean(false, errors);
        Some(Self {
            url: url?,
            upstream: upstream?,
            client_id: client_id?.to_owned(),
            client_secret: client_secret?,
            timeout: timeout?,
            max_age: max_age?,
            negative_max_age: negative_max_age?,
            capacity: capacity?,
            require_expiry: require_expiry?,
        })
    }
}

fn refuse_keys_of_jwks(object: &Object<'_>, errors: &mut ConfigErrors) {
    for key in KEYS_OF_JWKS {
        let member = object.member(key);
        if !member.is_absent() {
            member.refuse("expected nothing beside \"introspection\", got a setting of \"jwks\"", errors);
        }
    }
}

/// `Some(None)` is a setting that is absent and may be.
fn read_identifier(node: &Node<'_>, may_be_absent: bool, errors: &mut ConfigErrors) -> Option<Option<String>> {
    if may_be_absent && node.is_absent() {
        return Some(None);
    }
    node.text(&IDENTIFIER, errors).map(|text| Some(text.to_owned()))
}

fn read_algorithms(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Vec<Algorithm>> {
    if node.is_absent() {
        return Some(vec![Algorithm::Ps256]);
    }
    let choices = Algorithm::ALL.map(|algorithm| (algorithm.name(), algorithm));
    node.list(&ALGORITHMS, errors, |item, errors| item.choice(&choices, errors))
}

/// A URL, and its server as `host:port`, for gateways that know no name for it.
fn read_url(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<(HttpUrl, String)> {
    const EXPECTED: &str = "an https:// URL without braces";
    let parsed = JwksLocation::fixed(node.string(EXPECTED, errors)?).and_then(|location| {
        let url = location.expand("", None).map_err(JwksLocationError::Expansion)?;
        Ok((url, location.host_and_port()))
    });
    match parsed {
        Ok(address) => Some(address),
        // It would advise a template.
        Err(JwksLocationError::PlaceholderInFixedUrl) => node.refuse_text(EXPECTED, "one with", errors),
        Err(fault) => node.refuse_text(EXPECTED, &fault.to_string(), errors),
    }
}
