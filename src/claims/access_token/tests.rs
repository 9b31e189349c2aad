//! The rules of access tokens: what each claim may be, and what an introspection response may be.

use super::*;
use crate::testing::{EcSigningKey, b64, buffer, token};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const NOW: u64 = 1_795_253_400;
const ISSUER: &str = "https://as.bank.example";
const AUDIENCE: &str = "https://ozone-connect.bank.example";
const THUMBPRINT: [u8; 32] = [0xa5; 32];

fn certificate(octet: u8) -> Fingerprint {
    Fingerprint::parse(format!("{octet:02x}").repeat(32)).unwrap()
}

fn needed() -> Vec<String> {
    vec!["accounts".to_owned(), "payments:write".to_owned()]
}

/// Everything is demanded.
fn rules(scopes: &[String]) -> AccessTokenRules<'_> {
    AccessTokenRules {
        issuer: Some(ISSUER),
        audience: Some(AUDIENCE),
        scopes,
        needs_expiry: true,
        clock_skew: Duration::from_secs(10),
        needs_binding: true,
        fingerprint: Some(certificate(0xa5)),
    }
}

fn claims() -> Json {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW - 10, "nbf": NOW - 10, "sub": "hub",
        "client_id": "hub", "jti": "8d5bd4e6", "scope": "accounts payments:write",
        "cnf": {"x5t#S256": b64(&THUMBPRINT)},
    })
}

fn facts(claims: &str) -> Result<AccessTokenFacts, AccessTokenFault> {
    let Ok(Value::Object(members)) = Value::parse(claims.as_bytes()) else { panic!("{claims}") };
    AccessTokenFacts::from_claims(&members)
}

fn check_with(rules: &AccessTokenRules<'_>, change: impl FnOnce(&mut Json)) -> Result<(), AccessTokenFault> {
    let mut claims = claims();
    change(&mut claims);
    rules.check(&facts(&claims.to_string())?, UnixTime::from_secs(NOW))
}

fn check(change: impl FnOnce(&mut Json)) -> Result<(), AccessTokenFault> {
    check_with(&rules(&needed()), change)
}

fn remove(claim: &'static str) -> impl FnOnce(&mut Json) {
    move |claims| drop(claims.as_object_mut().unwrap().remove(claim))
}

fn invalid<T>(claim: Claim, fault: Fault) -> Result<T, AccessTokenFault> {
    Err(AccessTokenFault::Invalid(claim, fault))
}

#[test]
fn a_token_that_says_everything_is_right() {
    assert_eq!(check(|_| ()), Ok(()));
    let facts = facts(&claims().to_string()).unwrap();
    assert_eq!((facts.token_id(), facts.expiry()), (Some("8d5bd4e6"), Some(UnixTime::from_secs(NOW + 300))));
}

#[test]
fn issuer_audience_and_expiry_are_mandatory_where_they_are_demanded() {
    for claim in [Claim::Issuer, Claim::Audience, Claim::Expiry] {
        assert_eq!(check(remove(claim.name())), invalid(claim, Fault::Missing));
    }
    let needed = needed();
    let lenient = AccessTokenRules { issuer: None, audience: None, needs_expiry: false, ..rules(&needed) };
    for claim in ["iss", "aud", "exp", "iat", "nbf", "jti"] {
        assert_eq!(check_with(&lenient, remove(claim)), Ok(()), "{claim}");
    }
    for (claim, value) in [("iss", "https://other.example"), ("aud", "other")] {
        assert_eq!(check_with(&lenient, |claims| claims[claim] = json!(value)), Ok(()), "{claim}");
    }
}

#[test]
fn issue_time_start_and_id_may_be_missing() {
    for claim in ["iat", "nbf", "jti"] {
        assert_eq!(check(remove(claim)), Ok(()), "{claim}");
    }
}

#[test]
fn an_expiry_counts_even_where_it_may_be_missing() {
    let needed = needed();
    let lenient = AccessTokenRules { needs_expiry: false, ..rules(&needed) };
    let expired = check_with(&lenient, |claims| claims["exp"] = json!(NOW - 11));
    assert_eq!(expired, invalid(Claim::Expiry, Fault::Passed));
}

#[test]
fn the_issuer_is_exactly_the_one_that_is_known() {
    for issuer in ["", "https://as.bank.example/", "https://AS.bank.example", "https://as.bank.example\0", " "] {
        let result = check(|claims| claims["iss"] = json!(issuer));
        assert_eq!(result, invalid(Claim::Issuer, Fault::Mismatch), "{issuer:?}");
    }
}

#[test]
fn the_audience_names_us_alone_or_among_others() {
    for audience in [json!(AUDIENCE), json!([AUDIENCE]), json!(["other", AUDIENCE]), json!([AUDIENCE, "other"])] {
        assert_eq!(check(|claims| claims["aud"] = audience), Ok(()));
    }
    let longer = format!("{AUDIENCE}/");
    for audience in [json!("other"), json!(""), json!([]), json!(["other"]), json!(longer), json!([longer, ""])] {
        assert_eq!(check(|claims| claims["aud"] = audience), invalid(Claim::Audience, Fault::Mismatch));
    }
}

#[test]
fn time_claims_hold_to_the_millisecond_of_the_skew() {
    let needed = needed();
    let check_at = |millis: u64, claim: &str, value: u64| {
        let mut claims = claims();
        claims[claim] = json!(value);
        let now = UnixTime::from_secs(NOW).after(Duration::from_millis(millis));
        rules(&needed).check(&facts(&claims.to_string()).unwrap(), now)
    };
    assert_eq!(check_at(10_000, "exp", NOW), Ok(()));
    assert_eq!(check_at(10_001, "exp", NOW), invalid(Claim::Expiry, Fault::Passed));
    for claim in [Claim::IssuedAt, Claim::NotBefore] {
        assert_eq!(check_at(10_000, claim.name(), NOW + 20), Ok(()));
        assert_eq!(check_at(9_999, claim.name(), NOW + 20), invalid(claim, Fault::NotReached));
    }
}

#[test]
fn every_scope_that_is_needed_must_be_granted_in_any_order_and_company() {
    for scope in [
        "accounts payments:write",
        "payments:write accounts",
        "openid payments:write x accounts",
        " accounts  payments:write ",
    ] {
        assert_eq!(check(|claims| claims["scope"] = json!(scope)), Ok(()), "{scope:?}");
    }
    for scope in [
        "",
        " ",
        "accounts",
        "accounts payments",
        "Accounts payments:write",
        "accounts,payments:write",
        "accounts\tpayments:write",
        "accounts payments:write:x",
    ] {
        let result = check(|claims| claims["scope"] = json!(scope));
        assert_eq!(result, Err(AccessTokenFault::ScopeMissing), "{scope:?}");
    }
    assert_eq!(check(remove("scope")), Err(AccessTokenFault::ScopeMissing));
    assert_eq!(check_with(&rules(&[]), remove("scope")), Ok(()));
    // A list instead of words, as some servers write.
    for (scope, is_enough) in [
        (json!(["accounts", "payments:write"]), true),
        (json!(["payments:write", "x", "accounts"]), true),
        (json!(["accounts payments:write"]), false),
        (json!(["accounts"]), false),
        (json!([]), false),
    ] {
        let result = check(|claims| claims["scope"] = scope.clone());
        assert_eq!(result, if is_enough { Ok(()) } else { Err(AccessTokenFault::ScopeMissing) }, "{scope}");
    }
    assert_eq!(check(|claims| claims["scope"] = json!(["accounts", 1])), invalid(Claim::Scope, Fault::WrongType));
    // Microsoft's name for it is another claim.
    assert_eq!(
        check(|claims| (claims["scp"], claims["scope"]) = (json!("accounts payments:write"), json!(""))),
        Err(AccessTokenFault::ScopeMissing)
    );
}

/// A token that is wrong in both ways is an invalid token: 401, not 403.
#[test]
fn what_is_invalid_comes_before_a_missing_scope() {
    let result = check(|claims| (claims["scope"], claims["exp"]) = (json!(""), json!(0)));
    assert_eq!(result, invalid(Claim::Expiry, Fault::Passed));
    assert_eq!(
        check(|claims| (claims["scope"], claims["cnf"]) = (json!(""), json!({}))),
        Err(AccessTokenFault::BoundOtherwise)
    );
}

#[test]
fn a_token_is_bound_to_the_peers_certificate() {
    let ours = json!({ "x5t#S256": b64(&THUMBPRINT) });
    for (peer, confirmation, expected) in [
        (Some(0xa5), ours.clone(), Ok(())),
        (Some(0xa6), ours.clone(), Err(AccessTokenFault::BoundToAnother)),
        (None, ours, Err(AccessTokenFault::FingerprintUnknown)),
        (Some(0xa5), json!({"x5t#s256": b64(&THUMBPRINT)}), Err(AccessTokenFault::BoundOtherwise)),
        (Some(0xa5), json!({}), Err(AccessTokenFault::BoundOtherwise)),
        (None, json!({}), Err(AccessTokenFault::BoundOtherwise)),
        (Some(0xa5), json!({"jkt": "x"}), Err(AccessTokenFault::BoundOtherwise)),
        (Some(0xa5), json!({"x5t#S256": b64(&THUMBPRINT), "jkt": 1}), Err(AccessTokenFault::BoundOtherwise)),
        (Some(0xa5), json!({"x5t#S256": b64(&THUMBPRINT), "kid": "1"}), Ok(())),
    ] {
        // RFC 8705 §3, RFC 9449 §7: the same where tokens need not be bound.
        for needs_binding in [true, false] {
            let fingerprint = peer.map(certificate);
            let needed = needed();
            let rules = AccessTokenRules { needs_binding, fingerprint, ..rules(&needed) };
            let result = check_with(&rules, |claims| claims["cnf"] = confirmation.clone());
            assert_eq!(result, expected, "{peer:?} {confirmation} {needs_binding}");
        }
    }
    assert_eq!(check(remove("cnf")), Err(AccessTokenFault::NotBound));
    let needed = needed();
    for fingerprint in [Some(certificate(0xa5)), None] {
        let rules = AccessTokenRules { needs_binding: false, fingerprint, ..rules(&needed) };
        assert_eq!(check_with(&rules, remove("cnf")), Ok(()));
    }
}

#[test]
fn a_thumbprint_is_the_base64url_of_32_bytes() {
    let good = b64(&THUMBPRINT);
    for text in [
        String::new(),
        b64(&[0xa5; 31]),
        b64(&[0xa5; 33]),
        format!("{good}="),
        format!("{good} "),
        "a5".repeat(32),
        good.replacen('p', "+", 1),
    ] {
        let result = check(|claims| claims["cnf"] = json!({ "x5t#S256": text }));
        assert_eq!(result, invalid(Claim::Confirmation, Fault::OutOfRange), "{text:?}");
    }
}

#[test]
fn a_claim_of_another_type_is_refused_wherever_it_is() {
    let texts = vec![json!(1), json!(null), json!(true), json!([]), json!({}), json!(["a"])];
    let scopes = vec![json!(1), json!(null), json!(true), json!({}), json!([1]), json!(["accounts", ["a"]])];
    let times = vec![json!("1795253430"), json!(null), json!(true), json!([NOW]), json!({})];
    let audiences = vec![json!(1), json!(null), json!({}), json!([1]), json!([AUDIENCE, null]), json!([[AUDIENCE]])];
    let confirmations = vec![json!(null), json!("x"), json!([]), json!({"x5t#S256": 1}), json!({"x5t#S256": null})];
    for (claims, values) in [
        (vec![Claim::Issuer, Claim::TokenId], texts),
        (vec![Claim::Scope], scopes),
        (vec![Claim::Expiry, Claim::IssuedAt, Claim::NotBefore], times),
        (vec![Claim::Audience], audiences),
        (vec![Claim::Confirmation], confirmations),
    ] {
        for claim in claims {
            for value in &values {
                let result = check(|claims| claims[claim.name()] = value.clone());
                assert_eq!(result, invalid(claim, Fault::WrongType), "{claim:?} {value}");
            }
        }
    }
}

#[test]
fn times_and_ids_out_of_range_are_refused() {
    for claim in [Claim::Expiry, Claim::IssuedAt, Claim::NotBefore] {
        for value in [json!(-1), json!(-0.5), json!(253_402_300_800_u64), json!(u64::MAX), json!(1e300)] {
            let result = check(|claims| claims[claim.name()] = value.clone());
            assert_eq!(result, invalid(claim, Fault::OutOfRange), "{claim:?} {value}");
        }
    }
    for id in ["", "a\r\nx: y", "\u{0}", &"j".repeat(crate::claims::MAX_JTI_LENGTH + 1)] {
        assert_eq!(check(|claims| claims["jti"] = json!(id)), invalid(Claim::TokenId, Fault::OutOfRange), "{id:?}");
    }
}

fn introspected(response: &Json) -> Option<Introspected> {
    let text = response.to_string();
    let Ok(Value::Object(members)) = Value::parse(text.as_bytes()) else { panic!("{text}") };
    Introspected::read(&members)
}

#[test]
fn a_response_must_say_whether_the_token_is_active() {
    let mut response = claims();
    for active in [json!("true"), json!(1), json!(null), json!([true]), json!({})] {
        response["active"] = active;
        assert_eq!(introspected(&response), None, "{}", response["active"]);
    }
    assert_eq!(introspected(&claims()), None);
    assert_eq!(introspected(&json!({})), None);
}

/// RFC 7662 §2.2: a server should say nothing else of an inactive token, and nothing else counts.
#[test]
fn nothing_matters_of_an_inactive_token() {
    let mut response = claims();
    response["active"] = json!(false);
    response["exp"] = json!("never");
    assert_eq!(introspected(&response), Some(Introspected::Inactive));
    assert_eq!(introspected(&json!({"active": false})), Some(Introspected::Inactive));
}

#[test]
fn an_active_token_has_the_facts_of_its_claims() {
    let mut response = claims();
    response["active"] = json!(true);
    let expected = facts(&claims().to_string()).unwrap();
    assert_eq!(introspected(&response), Some(Introspected::Active(expected)));
}

#[test]
fn an_active_token_with_a_claim_that_can_not_be_right_is_invalid() {
    let mut response = claims();
    (response["active"], response["exp"]) = (json!(true), json!("1795253430"));
    let fault = AccessTokenFault::Invalid(Claim::Expiry, Fault::WrongType);
    assert_eq!(introspected(&response), Some(Introspected::Invalid(fault)));
}

#[test]
fn a_token_type_is_bearer_or_not_said() {
    for token_type in ["Bearer", "bearer", "BEARER"] {
        let response = json!({"active": true, "token_type": token_type});
        assert!(matches!(introspected(&response), Some(Introspected::Active(_))), "{token_type}");
    }
    for (token_type, fault) in [
        (json!("DPoP"), Fault::Mismatch),
        (json!("N_A"), Fault::Mismatch),
        (json!(""), Fault::Mismatch),
        (json!("Bearer "), Fault::Mismatch),
        (json!(null), Fault::WrongType),
        (json!(["Bearer"]), Fault::WrongType),
    ] {
        let response = json!({"active": true, "token_type": token_type});
        let expected = AccessTokenFault::Invalid(Claim::TokenType, fault);
        assert_eq!(introspected(&response), Some(Introspected::Invalid(expected)), "{token_type}");
    }
}

#[test]
fn the_claims_of_a_jwt_are_checked_without_its_scopes_and_believed_with_its_signature() {
    let mut without_scope = claims();
    without_scope["scope"] = json!("");
    let text = EcSigningKey::first().token("{}", &without_scope.to_string());
    let needed = needed();
    let rules = rules(&needed);
    let checked =
        || rules.check_token(UnverifiedToken::parse(&text, buffer()).unwrap(), UnixTime::from_secs(NOW)).unwrap();
    let key = |key: &EcSigningKey| {
        let (x, y) = key.coordinates();
        VerificationKey::from(crate::ecdsa::P256PublicKey::new(&x, &y).unwrap())
    };
    let verify = |algorithm, by: &EcSigningKey| {
        checked().verify(UnixTime::from_secs(NOW), algorithm, &key(by), &mut VerifiedTokens::new(0))
    };
    let facts = verify(Algorithm::Es256, EcSigningKey::first()).unwrap();
    assert_eq!(facts.token_id(), Some("8d5bd4e6"));
    assert_eq!(rules.check_scopes(&facts), Err(AccessTokenFault::ScopeMissing));
    assert_eq!(verify(Algorithm::Es256, EcSigningKey::second()), Err(SignatureMismatch));
    assert_eq!(verify(Algorithm::Ps256, EcSigningKey::first()), Err(SignatureMismatch));
}

#[test]
fn a_jwt_whose_payload_is_no_object_or_whose_claims_are_wrong_is_refused() {
    let needed = needed();
    let check = |payload: &str| {
        let text = token("{}", payload, b"");
        let token = UnverifiedToken::parse(&text, buffer()).unwrap();
        rules(&needed).check_token(token, UnixTime::from_secs(NOW)).map(|_| ())
    };
    assert!(matches!(check("[]"), Err(AccessTokenFault::Malformed(JwsError::NotAnObject(_)))));
    assert!(matches!(check(r#"{"iss":"a","iss":"a"}"#), Err(AccessTokenFault::Malformed(JwsError::NotJson(..)))));
    assert_eq!(check(&claims().to_string()), Ok(()));
    assert_eq!(check("{}"), invalid(Claim::Issuer, Fault::Missing));
    assert_eq!(check(r#"{"jti":1}"#), invalid(Claim::TokenId, Fault::WrongType));
}

proptest! {
    #[test]
    fn arbitrary_members_never_panic(
        name in prop::sample::select(vec!["iss", "aud", "exp", "iat", "nbf", "jti", "scope", "cnf", "token_type"]),
        value in prop_oneof![
            "-?[0-9]{1,20}(\\.[0-9]{1,3})?(e[0-9]{1,2})?",
            "\"[ -!#-\\[\\]-~]{0,50}\"",
            "\\[[0-9,]{0,5}\\]",
            "\\{\"x5t#S256\":\"[A-Za-z0-9_-]{0,44}\"\\}",
        ],
    ) {
        let mut response = claims();
        response["active"] = json!(true);
        response[name] = json!("PLACE");
        let text = response.to_string().replace("\"PLACE\"", &value);
        if let Ok(Value::Object(members)) = Value::parse(text.as_bytes()) {
            let needed = needed();
            if let Some(Introspected::Active(facts)) = Introspected::read(&members) {
                let _ = rules(&needed).check(&facts, UnixTime::from_secs(NOW));
            }
        }
    }
}
