//! The settings of JWT Auth: where the API Hub's keys are, how long they are believed, and what a token may claim
//! (spec §2.4). Every default is the standard's, or this project's where the standard is silent.

use std::time::Duration;

use super::callouts::{REFETCH_COOLDOWN, TIMEOUT, read_upstream};
use super::duration::DurationRange;
use super::errors::ConfigErrors;
use super::reader::{Keys, ListRule, Node, Object};
use super::replay::{self, Replay};
use super::secret::SecretSource;
use super::{subject, token_cache};
use crate::url::{Environment, ExpandError, HttpUrl, JwksLocation, JwksLocationError};

pub(super) const KEYS: Keys = Keys {
    supported: &[
        "jwks",
        "upstream",
        "max_age",
        "timeout",
        "refetch_cooldown",
        "clock_skew",
        "max_lifetime",
        "replay_detection",
        "replay_capacity",
        "token_cache_capacity",
        "warm",
    ],
    refused: &[],
};

pub(super) const WARM_KEYS: Keys = Keys { supported: &["organisational_unit", "common_name"], refused: &[] };

/// There is one Hub, and few others call. Each is asked for by every worker that shares no data.
pub(super) const WARM: ListRule = ListRule { of: "subjects", min: 1, max: 16 };

pub(super) const JWKS_KEYS: Keys = Keys { supported: &["environment", "url_template", "url"], refused: &[] };

/// The standard lets a JWKS be cached for at most 10 minutes, and senders count on it when they publish a key. Below a
/// second, every request would fetch.
pub(super) const MAX_AGE: DurationRange =
    DurationRange { min: Duration::from_secs(1), max: Duration::from_mins(10), default: Duration::from_mins(10) };

/// The standard allows 10 seconds, no more.
pub(super) const CLOCK_SKEW: DurationRange =
    DurationRange { min: Duration::ZERO, max: Duration::from_secs(10), default: Duration::from_secs(10) };

/// The standard recommends tokens of 10 to 30 seconds and gives no limit; one that lives for days is a password.
pub(super) const MAX_LIFETIME: DurationRange =
    DurationRange { min: Duration::from_secs(1), max: Duration::from_hours(24), default: Duration::from_mins(5) };

pub(super) const ENVIRONMENTS: [(&str, Environment); 2] =
    [("sandbox", Environment::Sandbox), ("production", Environment::Production)];

/// The settings of JWT Auth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtAuth {
    /// Where a caller's keys are.
    pub jwks: JwksLocation,
    /// What the gateway calls to fetch them: a name that its configuration defines, or `host` or `host:port`.
    pub upstream: String,
    /// How long a fetched key set is used.
    pub max_age: Duration,
    /// How long a fetch may take.
    pub timeout: Duration,
    /// How long after an extra fetch for an unknown `kid` the next one may happen.
    pub refetch_cooldown: Duration,
    /// How far the caller's clock may be off.
    pub clock_skew: Duration,
    /// The longest `exp` − `iat` of a token.
    pub max_lifetime: Duration,
    /// How replays of a token are noticed; `None` if they are not.
    pub replay: Option<Replay>,
    /// How many tokens are remembered whose signature was verified; `None` if each is verified every time.
    pub token_cache_capacity: Option<usize>,
    /// The addresses whose keys are fetched before the first request: the one that is the same for all, or those of the callers
    /// that are named.
    pub warm: Vec<HttpUrl>,
}

impl JwtAuth {
    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let settings = Self::read_without_replay(&object, errors);
        let replay =
            replay::read(&object.member("replay_detection"), &object.member("replay_capacity"), secrets, errors);
        let cache = object.member("token_cache_capacity");
        let token_cache_capacity = token_cache::read(&cache, errors);
        // Beside replay detection the cache would never be of use: no token is accepted twice.
        if replay.as_ref().is_some_and(Option::is_some) && !cache.is_absent() {
            let problem = "expected nothing beside \"replay_detection\", which lets a token pass once, got a setting for \
                           tokens that come again";
            cache.refuse(problem, errors);
        }
        let warm = object.member("warm");
        let (replay, token_cache_capacity) = (replay?, token_cache_capacity?);
        let mut settings = Self { replay, token_cache_capacity, ..settings? };
        if !warm.is_absent() {
            settings.warm = read_warm(&warm, &settings.jwks, errors)?;
        }
        Some(settings)
    }

    /// Reads all settings but those of replay detection and the token cache, from an object that may have others as well.
    pub(super) fn read_without_replay(object: &Object<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let jwks = read_jwks(&object.member("jwks"), errors);
        let upstream =
            read_upstream(&object.member("upstream"), jwks.as_ref().map(JwksLocation::host_and_port), errors);
        let max_age = object.member("max_age").duration(&MAX_AGE, errors);
        let timeout = object.member("timeout").duration(&TIMEOUT, errors);
        let refetch_cooldown = object.member("refetch_cooldown").duration(&REFETCH_COOLDOWN, errors);
        let clock_skew = object.member("clock_skew").duration(&CLOCK_SKEW, errors);
        let max_lifetime = object.member("max_lifetime").duration(&MAX_LIFETIME, errors);
        Some(Self {
            warm: jwks.iter().filter_map(JwksLocation::fixed_url).collect(),
            jwks: jwks?,
            upstream: upstream?,
            max_age: max_age?,
            timeout: timeout?,
            refetch_cooldown: refetch_cooldown?,
            clock_skew: clock_skew?,
            max_lifetime: max_lifetime?,
            replay: None,
            token_cache_capacity: None,
        })
    }
}

fn read_jwks(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<JwksLocation> {
    let object = node.object(&JWKS_KEYS, errors)?;
    object.exactly_one(errors);
    let environment = object.member("environment");
    let environment = if environment.is_absent() {
        None
    } else {
        environment.choice(&ENVIRONMENTS, errors).map(JwksLocation::of_environment)
    };
    let expected = "an https:// URL with {OU} or {CN} in its path or query";
    let template = read_location(&object.member("url_template"), expected, JwksLocation::template, errors);
    let expected = "an https:// URL without {OU} and {CN}";
    let fixed = read_location(&object.member("url"), expected, JwksLocation::fixed, errors);
    environment.or(template).or(fixed)
}

/// Reads whose keys are fetched before the first request.
fn read_warm(node: &Node<'_>, jwks: &JwksLocation, errors: &mut ConfigErrors) -> Option<Vec<HttpUrl>> {
    if jwks.fixed_url().is_some() {
        node.refuse("expected nothing beside a URL that is the same for all, whose keys are fetched anyway", errors);
        return None;
    }
    node.list(&WARM, errors, |item, errors| {
        let object = item.object(&WARM_KEYS, errors)?;
        let unit = subject::read_value(&object.member("organisational_unit"), errors);
        let common_name = subject::read_optional(&object.member("common_name"), errors);
        match jwks.expand(unit?, common_name?) {
            Ok(url) => Some(url),
            Err(ExpandError::CommonNameMissing) => {
                let expected = "the CN of the certificate, which the address of the JWKS needs";
                object.member("common_name").refuse_text(expected, "nothing", errors)
            }
            Err(fault) => {
                let got = if fault == ExpandError::TooLong { "longer ones" } else { "a path segment . or .." };
                item.refuse_text("values that fit into the address of the JWKS", got, errors)
            }
        }
    })
}

fn read_location(
    node: &Node<'_>,
    expected: &str,
    parse: fn(&str) -> Result<JwksLocation, JwksLocationError>,
    errors: &mut ConfigErrors,
) -> Option<JwksLocation> {
    if node.is_absent() {
        return None;
    }
    let text = node.string(expected, errors)?;
    match parse(text) {
        Ok(location) => Some(location),
        Err(fault) => node.refuse_text(expected, &fault.to_string(), errors),
    }
}
