//! The token cache changes what a request costs and nothing else: every rule holds for a token that is known as it does for
//! one that is new.

use std::time::Duration;

use super::*;

/// A direction with the cache and one without. Both have the Hub's keys, and have admitted this token.
struct Pair([Inbound; 2]);

impl Pair {
    fn that_know(token: &str, change: impl Fn(&mut Json)) -> Self {
        Self([0, 1_000].map(|capacity| {
            let mut inbound = inbound(|config| {
                if capacity > 0 {
                    config["auth"]["jwt_auth"]["token_cache_capacity"] = json!(capacity);
                }
                change(config);
            });
            assert_eq!(code(&with_keys(&mut inbound, bearer(token))), "admitted");
            assert_eq!(at_once(&mut inbound, bearer(token)), "admitted", "and again");
            inbound
        }))
    }

    /// What both say at once to a request, which must be the same.
    #[track_caller]
    fn judge(&mut self, now: Moment, facts: &RequestFacts) -> &'static str {
        let [without, with] = &mut self.0;
        let [without, with] = [without, with].map(|inbound| {
            let step = inbound.on_request(now, RequestId(1), facts.clone());
            step.verdict.map_or("waits", |verdict| code(&verdict))
        });
        assert_eq!(with, without);
        with
    }

    /// Gives both this answer to the fetch that a request with this token begins, and says what becomes of the request.
    #[track_caller]
    fn judge_after(&mut self, now: Moment, token: &str, answer: &Answer) -> &'static str {
        let [without, with] = &mut self.0;
        let [without, with] = [without, with].map(|inbound| {
            let fetch = inbound.on_request(now, RequestId(1), bearer(token)).callout().expect("a fetch");
            let outcome = inbound.on_answer(now, fetch.id, &fetch.subject, answer);
            code(&outcome.resumed[0].verdict)
        });
        assert_eq!(with, without);
        with
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_known_token_is_admitted_as_long_as_it_is_valid_and_no_longer() {
    let token = token(|_| ());
    let mut pair = Pair::that_know(&token, |_| ());
    for (later, expected) in [(30, "admitted"), (40, "admitted"), (41, "JWS.InvalidClaim"), (31, "admitted")] {
        assert_eq!(pair.judge(NOW.after(seconds(later)), &bearer(&token)), expected, "{later}");
    }
    let earlier = Moment::by_wall_clock(UnixTime::from_millis(NOW.wall.as_millis() - 11_000));
    // Keys from the future count for nothing, but claims are looked at before keys.
    assert_eq!(pair.judge(earlier, &bearer(&token)), "JWS.InvalidClaim", "iat");
}

#[test]
fn a_known_token_is_refused_from_another_certificate() {
    let token = token(|_| ());
    let mut pair = Pair::that_know(&token, |config| config["peer"] = json!({ "allow_unpinned": true }));
    for (subject, expected) in [
        ("CN=abc123,OU=233bcd1d,O=Another", "JWS.InvalidClaim"),
        (r"CN=abc123,OU=another,O=Ozone Financial Technology\, Limited", "JWS.InvalidClaim"),
        // Its keys are elsewhere.
        (r"CN=another,OU=233bcd1d,O=Ozone Financial Technology\, Limited", "waits"),
        ("OU=233bcd1d", "Certificate.Malformed"),
    ] {
        let mut facts = bearer(&token);
        facts.peer.subject = Some(subject.as_bytes().into());
        assert_eq!(pair.judge(NOW, &facts), expected, "{subject}");
    }
    let mut facts = bearer(&token);
    facts.peer.verified = false;
    assert_eq!(pair.judge(NOW, &facts), "Certificate.Missing");
}

#[test]
fn a_known_token_is_refused_from_a_certificate_that_is_not_pinned() {
    let token = token(|_| ());
    let mut pair = Pair::that_know(&token, |_| ());
    let mut facts = bearer(&token);
    facts.peer.subject = Some(br"CN=abc123,OU=other,O=Ozone Financial Technology\, Limited".into());
    assert_eq!(pair.judge(NOW, &facts), "Certificate.NotAllowed");
}

#[test]
fn a_known_token_is_refused_for_another_provider_and_with_a_reserved_header() {
    let token = token(|_| ());
    let bearer = format!("Bearer {token}");
    let mut pair = Pair::that_know(&token, |config| {
        config["provider_ids"] = json!(["retail"]);
    });
    for (header, value, expected) in [
        ("o3-provider-id", "retail", "admitted"),
        ("o3-provider-id", "corporate", "Provider.Unknown"),
        ("x-hub-token-id", "1", "Header.NotAllowed"),
        ("authorization", "Bearer x", "Credential.Malformed"),
    ] {
        assert_eq!(pair.judge(NOW, &hub(&[("authorization", &bearer), (header, value)])), expected, "{header} {value}");
    }
    let mut two = [0, 10].map(|capacity| {
        let mut two = inbound(|config| {
            config["provider_ids"] = json!(["retail", "corporate"]);
            if capacity > 0 {
                config["auth"]["jwt_auth"]["token_cache_capacity"] = json!(capacity);
            }
        });
        let retail = hub(&[("authorization", &bearer), ("o3-provider-id", "retail")]);
        assert_eq!(code(&with_keys(&mut two, retail)), "admitted");
        two
    });
    for two in &mut two {
        let corporate = hub(&[("authorization", &bearer), ("o3-provider-id", "corporate")]);
        assert_eq!(at_once(two, corporate), "JWS.InvalidClaim");
    }
}

#[test]
fn a_token_that_differs_from_a_known_one_in_a_byte_is_verified() {
    let token = token(|_| ());
    let mut pair = Pair::that_know(&token, |_| ());
    let (start, signature) = token.rsplit_once('.').unwrap();
    let mut signature = crate::jose::base64url(signature).unwrap();
    signature[100] ^= 1;
    let broken = format!("{start}.{}", crate::testing::b64(&signature));
    for _ in 0..2 {
        assert_eq!(pair.judge(NOW, &bearer(&broken)), "JWS.InvalidSignature");
    }
    assert_eq!(pair.judge(NOW, &bearer(&token)), "admitted");
}

#[test]
fn a_known_token_is_refused_once_its_key_is_not_published_any_more() {
    let token = token(|claims| claims["exp"] = json!(NOW.wall.as_millis() / 1000 + 290));
    let keys = |key: &SigningKey, kid: &str| {
        let body = Body::Read(key.jwks(kid));
        Answer { status: Some(b"200".to_vec()), body, ..Answer::default() }
    };
    // The set lives for a minute here.
    let minute = |config: &mut Json| config["auth"]["jwt_auth"]["max_age"] = json!("1m");
    let later = NOW.after(seconds(60));
    for (answer, expected) in [
        (keys(SigningKey::first(), "sig3"), "admitted"),
        (keys(SigningKey::first(), "another"), "JWS.InvalidHeader"),
        (keys(SigningKey::second(), "sig3"), "JWS.InvalidSignature"),
        (Answer { status: Some(b"503".to_vec()), ..Answer::default() }, "GenericRecoverableError"),
        (Answer::default(), "GenericRecoverableError"),
    ] {
        let mut pair = Pair::that_know(&token, minute);
        assert_eq!(pair.judge_after(later, &token, &answer), expected);
        assert_eq!(
            pair.judge(later, &bearer(&token)),
            if expected == "JWS.InvalidHeader" { "waits" } else { expected }
        );
    }
}

#[test]
fn a_known_token_waits_for_keys_like_any_other() {
    let token = token(|claims| claims["exp"] = json!(NOW.wall.as_millis() / 1000 + 290));
    let mut pair = Pair::that_know(&token, |config| config["auth"]["jwt_auth"]["max_age"] = json!("1m"));
    assert_eq!(pair.judge(NOW.after(seconds(59)), &bearer(&token)), "admitted");
    assert_eq!(pair.judge(NOW.after(seconds(60)), &bearer(&token)), "waits");
}
