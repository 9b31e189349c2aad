//! The rules of claims once more (spec §2.3, §2.4), for values of serde_json, and short rather than exact: where a time is within a
//! second of a bound, anything may be the case.

use serde_json::Value;

/// What claims are, as far as this knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// They are right.
    Right,
    /// They are wrong.
    Wrong,
    /// A time is too close to its bound to say.
    Close,
}

/// At this moment claims are judged, in seconds.
pub(crate) const NOW: u64 = 1_795_253_400;
/// How far clocks may differ, in seconds.
pub(crate) const SKEW: u64 = 10;
/// The longest life of a token of JWT Auth, in seconds.
pub(crate) const MAX_LIFETIME: u64 = 300;

const LAST_TIME: f64 = 253_402_300_799.0;

/// Each of these, in whatever order.
fn all(judgements: impl IntoIterator<Item = Judgement>) -> Judgement {
    judgements.into_iter().fold(Judgement::Right, |all, one| match (all, one) {
        (Judgement::Wrong, _) | (_, Judgement::Wrong) => Judgement::Wrong,
        (Judgement::Close, _) | (_, Judgement::Close) => Judgement::Close,
        _ => Judgement::Right,
    })
}

fn is(right: bool) -> Judgement {
    if right { Judgement::Right } else { Judgement::Wrong }
}

fn below(left: f64, right: f64) -> Judgement {
    if (left - right).abs() < 1.0 { Judgement::Close } else { is(left < right) }
}

/// A NumericDate, if it is one.
fn time(value: &Value) -> Option<f64> {
    value.as_f64().filter(|time| (-0.0..=LAST_TIME).contains(time))
}

/// A time that `rule` wants, where there is one; `missing` where there is none.
fn timed(claims: &Value, name: &str, missing: Judgement, rule: impl FnOnce(f64) -> Judgement) -> Judgement {
    match claims.get(name) {
        None => missing,
        Some(value) => time(value).map_or(Judgement::Wrong, rule),
    }
}

fn audience(claims: &Value, accepted: &[&str]) -> Judgement {
    let names = |value: &Value| value.as_str().is_some_and(|text| accepted.contains(&text));
    match claims.get("aud") {
        Some(Value::Array(list)) => is(list.iter().all(Value::is_string) && list.iter().any(names)),
        Some(one) => is(names(one)),
        None => Judgement::Wrong,
    }
}

fn seconds(seconds: u64) -> f64 {
    u32::try_from(seconds).map_or(f64::MAX, f64::from)
}

fn reached(start: f64) -> Judgement {
    below(start, seconds(NOW + SKEW))
}

fn not_passed(expiry: f64) -> Judgement {
    below(seconds(NOW - SKEW), expiry)
}

/// Whether a `jti` is one.
fn is_token_id(value: &Value) -> bool {
    value.as_str().is_some_and(|id| (1..=256).contains(&id.len()) && !id.chars().any(char::is_control))
}

/// Claims of JWT Auth.
pub(crate) fn jwt_auth(claims: &Value, issuer: &str, subject: &str, audiences: &[&str]) -> Judgement {
    let lifetime = match [claims.get("iat"), claims.get("exp")].map(|value| value.and_then(time)) {
        [Some(issued), Some(expiry)] => below(expiry, issued + seconds(MAX_LIFETIME)),
        _ => Judgement::Wrong,
    };
    all([
        is(claims.get("iss").and_then(Value::as_str) == Some(issuer)),
        is(claims.get("sub").and_then(Value::as_str) == Some(subject)),
        audience(claims, audiences),
        timed(claims, "exp", Judgement::Wrong, not_passed),
        timed(claims, "iat", Judgement::Wrong, reached),
        timed(claims, "nbf", Judgement::Right, reached),
        lifetime,
        is(claims.get("jti").is_some_and(is_token_id)),
    ])
}

/// Claims of an access token that is bound to the certificate with this thumbprint, in base64url.
pub(crate) fn access_token(
    claims: &Value,
    issuer: &str,
    audiences: &[&str],
    scopes: &[&str],
    thumbprint: &str,
) -> Judgement {
    let granted: Option<Vec<&str>> = match claims.get("scope") {
        None => Some(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
        Some(one) => one.as_str().map(|text| text.split(' ').collect()),
    };
    let bound = match claims.get("cnf") {
        Some(Value::Object(confirmation)) => {
            let others = ["jkt", "jwk", "jwe"].iter().any(|name| confirmation.contains_key(*name));
            !others && confirmation.get("x5t#S256").and_then(Value::as_str) == Some(thumbprint)
        }
        _ => false,
    };
    all([
        is(claims.get("iss").and_then(Value::as_str) == Some(issuer)),
        audience(claims, audiences),
        timed(claims, "exp", Judgement::Wrong, not_passed),
        timed(claims, "iat", Judgement::Right, reached),
        timed(claims, "nbf", Judgement::Right, reached),
        is(claims.get("jti").is_none_or(is_token_id)),
        is(granted.is_some_and(|granted| scopes.iter().all(|scope| granted.contains(scope)))),
        is(bound),
    ])
}
