//! A compact JWS is read as jsonwebtoken reads it, unless it breaks a rule of ours; and its claims are judged as by the rules
//! written down once more.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub_auth_filter::facade::claims::{AccessTokenFacts, AccessTokenFault, AccessTokenRules, ClaimRules, ClaimsError};
use hub_auth_filter::facade::jose::{StatedKeyId, UnverifiedToken};
use hub_auth_filter::facade::json::Object;
use hub_auth_filter::facade::peer::Fingerprint;
use hub_auth_filter::facade::time::UnixTime;

use crate::cost::{Bound, bounded};
use crate::reference::claims::{self, Judgement};
use crate::reference::json::{Shape, is_same_object};

pub(crate) const ISSUER: &str = "Hub Operator";
pub(crate) const SUBJECT: &str = "hub";
pub(crate) const AUDIENCE: &str = "retail";
pub(crate) const SCOPE: &str = "accounts";
/// The thumbprint of the certificate with the SHA-256 of 32 bytes 0xa5.
const THUMBPRINT: &str = "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU";

const MAX_TOKEN_LENGTH: usize = 8 * 1024;

/// A token; or, of what begins with a brace, the token with each line for a part: header, payload, signature. A fuzzer does not learn
/// base64.
pub(crate) fn check(data: &[u8]) -> bool {
    text_of(data).is_some_and(|text| check_token(&text))
}

/// The token that an input stands for.
pub(crate) fn text_of(data: &[u8]) -> Option<String> {
    if data.first() != Some(&b'{') {
        return std::str::from_utf8(data).ok().map(str::to_owned);
    }
    let mut parts = data.splitn(3, |byte| *byte == b'\n').map(|part| URL_SAFE_NO_PAD.encode(part));
    let [header, payload, signature] = [(); 3].map(|()| parts.next().unwrap_or_default());
    Some(format!("{header}.{payload}.{signature}"))
}

fn check_token(text: &str) -> bool {
    let mut decoded = Vec::new();
    let ours = bounded(Bound::TEXT, text.len(), || UnverifiedToken::parse(text, &mut decoded));
    let parts: Vec<&str> = text.split('.').collect();
    let read = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let bytes: Option<Vec<_>> = parts.iter().map(|part| read(part)).collect();
    // jsonwebtoken reads JSON in place of the payload. Where the parts change places it reads the header so.
    let [header, payload] = [parts.first(), parts.get(1)].map(|part| {
        let part = part.filter(|_| parts.len() == 3)?;
        jsonwebtoken::dangerous::insecure_decode_claims::<serde_json::Value>(format!("e30.{part}.AA")).ok()
    });
    let acceptable = |part: usize| {
        bytes.as_ref().and_then(|bytes| Shape::of(bytes.get(part)?)).is_some_and(|shape| shape.is_acceptable())
    };
    let expected =
        text.len() <= MAX_TOKEN_LENGTH && acceptable(0) && header.as_ref().is_some_and(|json| json.is_object());
    assert_eq!(ours.is_ok(), expected && parts.len() == 3, "{ours:?} {header:?}");
    let (Ok(token), Some(header)) = (ours, header) else { return false };
    check_header(&token, &header);
    if let Ok(theirs) = jsonwebtoken::decode_header(text) {
        let ours = token.header();
        assert_eq!(ours.algorithm.as_deref(), Some(&*format!("{:?}", theirs.alg)));
        assert_eq!(ours.object_type.as_deref().unwrap_or_default(), theirs.typ.as_deref().unwrap_or_default());
        assert_eq!(ours.content_type.as_deref(), theirs.cty.as_deref());
    }

    let claims = bounded(Bound::TEXT, text.len(), || token.claims());
    let payload_is_object = acceptable(1) && payload.as_ref().is_some_and(|json| json.is_object());
    assert_eq!(claims.is_ok(), payload_is_object, "{claims:?} {payload:?}");
    match (claims, payload) {
        (Ok(claims), Some(payload)) => {
            assert!(is_same_object(&claims, &payload), "{claims:?} {payload:?}");
            check_access_token(&claims, &payload);
            check_jwt_auth(token, text.len(), &payload);
        }
        _ => check_unread(token),
    }
    true
}

fn check_header(token: &UnverifiedToken<'_>, theirs: &serde_json::Value) {
    let ours = token.header();
    let text = |name: &str| theirs.get(name).and_then(serde_json::Value::as_str);
    assert_eq!(ours.algorithm.as_deref(), text("alg"));
    assert_eq!(ours.object_type.as_deref(), theirs.get("typ").map(|_| text("typ").unwrap_or_default()));
    assert_eq!(ours.content_type.as_deref(), text("cty"));
    let is_key_id = |kid: &&str| (1..=256).contains(&kid.len()) && !kid.chars().any(char::is_control);
    let expected = match theirs.get("kid") {
        None => StatedKeyId::Absent,
        Some(_) => text("kid").filter(is_key_id).map_or(StatedKeyId::Unusable, |kid| StatedKeyId::Named(kid.into())),
    };
    assert_eq!(ours.key_id, expected);
    assert_eq!(ours.asks_for_extensions, theirs.get("crit").is_some() || theirs.get("b64").is_some());
}

/// Claims of the kind that nobody can read are no claims.
fn check_unread(token: UnverifiedToken<'_>) {
    assert!(matches!(rules(&[]).check(token, now()), Err(ClaimsError::Malformed(_))));
}

fn check_jwt_auth(token: UnverifiedToken<'_>, length: usize, theirs: &serde_json::Value) {
    let audiences = [AUDIENCE.to_owned(), "corporate".to_owned()];
    let ours = bounded(Bound::TEXT, length, || rules(&audiences).check(token, now()).map(drop));
    let theirs = claims::jwt_auth(theirs, ISSUER, SUBJECT, &[AUDIENCE, "corporate"]);
    match (ours, theirs) {
        (_, Judgement::Close) | (Ok(()), Judgement::Right) | (Err(ClaimsError::Invalid(..)), Judgement::Wrong) => {}
        (ours, theirs) => panic!("{ours:?}, and {theirs:?}"),
    }
}

/// Holds the facts of an access token to the rules, by ours and by theirs.
pub(crate) fn check_access_token(ours: &Object<'_>, theirs: &serde_json::Value) {
    check_facts(AccessTokenFacts::from_claims(ours), theirs);
}

/// The same for facts that were read, or that cannot be right.
pub(crate) fn check_facts(facts: Result<AccessTokenFacts, AccessTokenFault>, theirs: &serde_json::Value) {
    let scopes = [SCOPE.to_owned()];
    let rules = AccessTokenRules {
        issuer: Some(ISSUER),
        audience: Some(AUDIENCE),
        scopes: &scopes,
        needs_expiry: true,
        clock_skew: Duration::from_secs(claims::SKEW),
        needs_binding: true,
        fingerprint: Fingerprint::parse("a5".repeat(32)).ok(),
    };
    let ours = facts.and_then(|facts| rules.check(&facts, now()));
    let theirs = claims::access_token(theirs, ISSUER, &[AUDIENCE], &[SCOPE], THUMBPRINT);
    match (ours, theirs) {
        (_, Judgement::Close) | (Ok(()), Judgement::Right) | (Err(_), Judgement::Wrong) => {}
        (ours, theirs) => panic!("{ours:?}, and {theirs:?}"),
    }
}

fn rules(audiences: &[String]) -> ClaimRules<'_> {
    ClaimRules {
        issuer: ISSUER,
        subject: SUBJECT,
        audiences,
        clock_skew: Duration::from_secs(claims::SKEW),
        max_lifetime: Duration::from_secs(claims::MAX_LIFETIME),
    }
}

fn now() -> UnixTime {
    UnixTime::from_secs(claims::NOW)
}
