mod methods;
mod per_request;
mod response_token;
mod token_cache;
mod validity;

use super::*;
use crate::callout::Body;
use crate::gateway::kinds::GatewayKind;
use crate::peer::PeerFacts;
use crate::request::ConfiguredHeaders;
use crate::request_table::{LONGEST_WAIT, MAX_WAITING};
use crate::testing::{SigningKey, code, report, signed_line};
use crate::time::UnixTime;
use crate::verdict::Verdict;
use serde_json::{Value as Json, json};

const NOW: Moment = Moment::by_wall_clock(UnixTime::from_secs(1_795_253_400));
const HUB: &[u8] = br"CN=abc123,OU=233bcd1d,O=Ozone Financial Technology\, Limited,C=AE";

/// An inbound direction with the Hub pinned; `change` edits the configuration's `inbound` object.
fn inbound(change: impl FnOnce(&mut Json)) -> Inbound {
    inbound_in(GatewayKind::Envoy, change)
}

/// The same in another gateway.
fn inbound_in(kind: GatewayKind, change: impl FnOnce(&mut Json)) -> Inbound {
    let mut config = json!({ "inbound": {
        "provider_ids": ["retail"],
        "peer": { "organisational_units": ["233bcd1d"] },
        "auth": { "jwt_auth": { "jwks": { "environment": "sandbox" }, "upstream": "keystore" } },
    } });
    change(&mut config["inbound"]);
    let config = crate::config::Config::parse(config.to_string().as_bytes()).unwrap();
    Inbound::new(config.into_inbound(), &kind.capabilities(None, false))
}

fn token(change: impl FnOnce(&mut Json)) -> String {
    let now = NOW.wall.as_millis() / 1000;
    let mut claims = json!({
        "iss": "Ozone Financial Technology, Limited", "sub": "233bcd1d", "aud": "retail",
        "exp": now + 30, "iat": now, "jti": "8d5bd4e6",
    });
    change(&mut claims);
    let header = json!({ "alg": "PS256", "typ": "JOSE", "cty": "json", "kid": "sig3" });
    SigningKey::first().token(&header.to_string(), &claims.to_string())
}

/// A request of the Hub with these headers.
fn hub(headers: &[(&str, &str)]) -> RequestFacts {
    let mut facts = RequestFacts {
        peer: PeerFacts { verified: true, subject: Some(HUB.into()), ..PeerFacts::default() },
        ..RequestFacts::default()
    };
    for (name, value) in headers {
        facts.note_header(name.as_bytes(), value.as_bytes(), &ConfiguredHeaders::default());
    }
    facts
}

fn bearer(token: &str) -> RequestFacts {
    hub(&[("authorization", &format!("Bearer {token}"))])
}

fn published(kid: &str) -> Answer {
    Answer { status: Some(b"200".to_vec()), body: Body::Read(SigningKey::first().jwks(kid)), ..Answer::default() }
}

fn set(admission: &Admission) -> Vec<(&str, &str)> {
    admission.set().collect()
}

/// The verdict on a request that needs no fetch.
fn at_once(inbound: &mut Inbound, facts: RequestFacts) -> &'static str {
    let step = inbound.on_request(NOW, RequestId(1), facts);
    assert!(step.callouts.is_empty());
    code(&step.verdict.expect("a verdict at once"))
}

/// The verdict on a request, with the Hub's keys published where they belong.
fn with_keys(inbound: &mut Inbound, facts: RequestFacts) -> Verdict {
    let mut step = inbound.on_request(NOW, RequestId(7), facts);
    let Some(fetch) = step.callout() else { return Verdict::Request(step.verdict.unwrap()) };
    let mut outcome = inbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
    assert_eq!(outcome.resumed.len(), 1);
    outcome.resumed.remove(0).verdict
}

#[test]
fn the_hub_is_admitted_with_its_identity_and_without_its_token() {
    let Verdict::Request(RequestVerdict::Admit(admission)) = with_keys(&mut inbound(|_| ()), bearer(&token(|_| ())))
    else {
        panic!()
    };
    assert_eq!(admission.removed(), ["authorization"]);
    assert_eq!(
        set(&admission),
        [
            ("x-hub-auth-method", "jwt_auth"),
            ("x-hub-client-organisation", "Ozone Financial Technology, Limited"),
            ("x-hub-client-organisational-unit", "233bcd1d"),
            ("x-hub-token-id", "8d5bd4e6"),
        ]
    );
}

#[test]
fn what_is_forwarded_is_a_matter_of_configuration() {
    let mut keep = inbound(|config| config["forward"] = json!({ "authorization": "keep", "identity_headers": false }));
    let Verdict::Request(RequestVerdict::Admit(admission)) = with_keys(&mut keep, bearer(&token(|_| ()))) else {
        panic!()
    };
    assert_eq!((admission.removed(), admission.set().count()), (&[][..], 0));
}

#[test]
fn keys_are_fetched_from_the_address_that_the_certificate_names() {
    let mut step = inbound(|_| ()).on_request(NOW, RequestId(1), bearer(&token(|_| ())));
    assert!(step.verdict.is_none());
    assert_eq!(
        step.callout().unwrap().request.url.as_str(),
        "https://keystore.sandbox.directory.openfinance.ae/233bcd1d/abc123/application.jwks"
    );
}

#[test]
fn mtls_only_needs_no_credential_and_takes_one_away() {
    let mut inbound = inbound(|config| config["auth"] = json!({ "mtls_only": {} }));
    let step = inbound.on_request(NOW, RequestId(1), bearer("whatever"));
    let Some(RequestVerdict::Admit(admission)) = step.verdict else { panic!() };
    assert_eq!(admission.removed(), ["authorization"]);
    assert_eq!(set(&admission)[0], ("x-hub-auth-method", "mtls_only"));
    assert_eq!(set(&admission).len(), 3, "no token id");
    assert_eq!(at_once(&mut inbound, RequestFacts::default()), "Certificate.Missing");
}

#[test]
fn an_organisation_named_in_arabic_is_the_issuer_of_its_tokens() {
    let mut inbound = inbound(|_| ());
    let mut facts = bearer(&token(|claims| claims["iss"] = json!("بنك")));
    facts.peer.subject = Some(br"CN=abc123,OU=233bcd1d,O=\D8\A8\D9\86\D9\83,C=AE".into());
    let Verdict::Request(RequestVerdict::Admit(admission)) = with_keys(&mut inbound, facts) else { panic!() };
    assert_eq!(set(&admission)[1].1, "بنك");
}

#[test]
fn nothing_is_decided_on_a_certificate_that_was_not_verified() {
    let mut facts = bearer(&token(|_| ()));
    facts.peer.verified = false;
    assert_eq!(at_once(&mut inbound(|_| ()), facts), "Certificate.Missing");
}

#[test]
fn another_participant_is_refused_before_its_token_is_looked_at() {
    let mut facts = bearer("not a token");
    facts.peer.subject = Some(b"CN=tpp,OU=another,O=TPP,C=AE".into());
    assert_eq!(at_once(&mut inbound(|_| ()), facts), "Certificate.NotAllowed");
}

/// The one before is remembered.
#[test]
fn each_request_is_judged_by_its_own_certificate() {
    let mut inbound = inbound(|config| config["peer"]["fingerprints"] = json!(["ab".repeat(32)]));
    let mut facts = bearer(&token(|_| ()));
    facts.peer.fingerprint = Some("ab".repeat(32).into());
    for _ in 0..2 {
        assert_eq!(code(&with_keys(&mut inbound, facts.clone())), "admitted");
        let mut other = facts.clone();
        other.peer.fingerprint = Some("cd".repeat(32).into());
        assert_eq!(at_once(&mut inbound, other), "Certificate.NotAllowed");
        let mut other = facts.clone();
        other.peer.fingerprint = None;
        assert_eq!(at_once(&mut inbound, other), "Certificate.NotAllowed");
        let mut other = facts.clone();
        other.peer.subject = Some(br"CN=abc123,OU=another,O=Ozone Financial Technology\, Limited,C=AE".into());
        assert_eq!(at_once(&mut inbound, other), "Certificate.NotAllowed");
        let mut other = facts.clone();
        other.peer.verified = false;
        assert_eq!(at_once(&mut inbound, other), "Certificate.Missing");
    }
}

#[test]
fn a_subject_without_the_cn_that_the_address_needs_is_refused() {
    let mut facts = bearer(&token(|_| ()));
    for subject in [&b"OU=233bcd1d,O=a"[..], b"CN=..,OU=233bcd1d,O=a", b"CN=a,CN=b,OU=233bcd1d,O=a"] {
        facts.peer.subject = Some(subject.into());
        assert_eq!(at_once(&mut inbound(|_| ()), facts.clone()), "Certificate.Malformed");
    }
    let mut fixed =
        inbound(|config| config["auth"]["jwt_auth"]["jwks"] = json!({ "url": "https://keystore.test/jwks" }));
    facts.peer.subject = Some(br"OU=233bcd1d,O=Ozone Financial Technology\, Limited".into());
    assert_eq!(code(&with_keys(&mut fixed, facts)), "admitted", "a fixed address needs no CN");
}

#[test]
fn a_reserved_header_is_refused_even_where_none_are_set() {
    let request = || hub(&[("X_Hub_Token_Id", "1"), ("authorization", &format!("Bearer {}", token(|_| ())))]);
    assert_eq!(at_once(&mut inbound(|_| ()), request()), "Header.NotAllowed");
    let mut silent = inbound(|config| config["forward"] = json!({ "identity_headers": false }));
    assert_eq!(at_once(&mut silent, request()), "Header.NotAllowed");
}

#[test]
fn checks_that_need_no_key_need_no_fetch() {
    let mut inbound = inbound(|_| ());
    for (facts, expected) in [
        (hub(&[]), "Credential.Missing"),
        (hub(&[("authorization", "Basic dTpw")]), "Credential.Malformed"),
        (bearer("a.b"), "JWS.Malformed"),
        (bearer(&crate::testing::token(r#"{"alg":"none"}"#, "{}", b"")), "JWS.InvalidHeader"),
        (bearer(&token(|claims| claims["aud"] = json!("corporate"))), "JWS.InvalidClaim"),
        (bearer(&token(|claims| claims["exp"] = json!(0))), "JWS.InvalidClaim"),
    ] {
        assert_eq!(at_once(&mut inbound, facts), expected);
    }
}

#[test]
fn each_member_of_the_header_must_be_as_the_standard_says() {
    let good = json!({ "alg": "PS256", "typ": "JOSE", "cty": "json", "kid": "sig3" });
    let mut cases = vec![];
    for (member, values) in [
        ("alg", vec!["none", "None", "HS256", "RS256", "PS384", "ps256", "ES256", ""]),
        ("typ", vec!["JWT", "jose", "at+jwt", ""]),
        ("cty", vec!["JSON", "jwt", "application/json", ""]),
        ("kid", vec![""]),
    ] {
        cases.extend(values.into_iter().map(|value| (member, json!(value))));
        cases.push((member, Json::Null));
        cases.push((member, json!([good[member]])));
    }
    cases.extend([("crit", json!(["exp"])), ("b64", json!(false))]);
    let claims = json!({
        "iss": "Ozone Financial Technology, Limited", "sub": "233bcd1d", "aud": "retail",
        "exp": NOW.wall.as_millis() / 1000 + 30, "iat": NOW.wall.as_millis() / 1000, "jti": "1",
    });
    for (member, value) in cases {
        let mut header = good.clone();
        header[member] = value;
        let token = SigningKey::first().token(&header.to_string(), &claims.to_string());
        assert_eq!(code(&with_keys(&mut inbound(|_| ()), bearer(&token))), "JWS.InvalidHeader", "{header}");
    }
    let mut header = good;
    header["x5c"] = json!(["AA"]);
    header["jku"] = json!("https://attacker.test/jwks");
    header["jwk"] = SigningKey::second().jwk("sig3");
    let sign = |key: &SigningKey| key.token(&header.to_string(), &claims.to_string());
    assert_eq!(code(&with_keys(&mut inbound(|_| ()), bearer(&sign(SigningKey::first())))), "admitted");
    assert_eq!(code(&with_keys(&mut inbound(|_| ()), bearer(&sign(SigningKey::second())))), "JWS.InvalidSignature");
}

#[test]
fn a_tampered_token_has_the_wrong_signature() {
    let token = token(|_| ());
    let (start, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = start.split_once('.').unwrap();
    let now = NOW.wall.as_millis() / 1000;
    let claims = json!({
        "iss": "Ozone Financial Technology, Limited", "sub": "233bcd1d", "aud": "retail",
        "exp": now + 31, "iat": now, "jti": "8d5bd4e6",
    });
    let tampered = format!("{header}.{}.{signature}", crate::testing::b64(claims.to_string().as_bytes()));
    let cut = format!("{start}.");
    let zero = format!("{start}.{}", crate::testing::b64(&[0; 256]));
    for token in [tampered, cut, zero] {
        assert_eq!(code(&with_keys(&mut inbound(|_| ()), bearer(&token))), "JWS.InvalidSignature");
    }
}

#[test]
fn the_provider_that_the_header_names_is_the_audience() {
    let two = || inbound(|config| config["provider_ids"] = json!(["retail", "corporate"]));
    let request = |provider: Option<&str>, audience: &str| {
        let token = token(|claims| claims["aud"] = json!(audience));
        let mut headers = vec![("authorization", format!("Bearer {token}"))];
        headers.extend(provider.map(|provider| ("o3-provider-id", provider.to_owned())));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        code(&with_keys(&mut two(), hub(&headers)))
    };
    assert_eq!(request(Some("retail"), "retail"), "admitted");
    assert_eq!(request(Some("corporate"), "corporate"), "admitted");
    assert_eq!(request(Some("corporate"), "retail"), "JWS.InvalidClaim");
    assert_eq!(request(Some("private"), "retail"), "Provider.Unknown");
    assert_eq!(request(None, "retail"), "Provider.Unknown");
}

#[test]
fn the_header_names_the_provider_and_the_token_its_audience() {
    let providers = json!([{"id": "fabretail", "audience": "retail"}, "corporate"]);
    let request = |provider: &str, audience: &str| {
        let token = format!("Bearer {}", token(|claims| claims["aud"] = json!(audience)));
        let mut inbound = inbound(|config| config["provider_ids"] = providers.clone());
        code(&with_keys(&mut inbound, hub(&[("authorization", &token), ("o3-provider-id", provider)])))
    };
    assert_eq!(request("fabretail", "retail"), "admitted");
    assert_eq!(request("corporate", "corporate"), "admitted");
    assert_eq!(request("fabretail", "fabretail"), "JWS.InvalidClaim");
    assert_eq!(request("corporate", "retail"), "JWS.InvalidClaim");
    assert_eq!(request("retail", "retail"), "Provider.Unknown");
}

#[test]
fn a_provider_header_in_another_spelling_is_refused() {
    let bearer = format!("Bearer {}", token(|_| ()));
    let mut inbound = inbound(|_| ());
    for name in ["o3_provider_id", "O3.Provider.Id", "o3_aspsp-id"] {
        for headers in [vec![(name, "retail")], vec![("o3-provider-id", "retail"), (name, "corporate")]] {
            let headers = [&[("authorization", bearer.as_str())], &*headers].concat();
            assert_eq!(at_once(&mut inbound, hub(&headers)), "Header.NotAllowed", "{headers:?}");
        }
    }
}

#[test]
fn requests_for_the_same_keys_wait_for_one_fetch_and_each_gets_its_own_verdict() {
    let mut inbound = inbound(|_| ());
    let mut first = inbound.on_request(NOW, RequestId(1), bearer(&token(|_| ())));
    let second = inbound.on_request(NOW, RequestId(2), bearer(&token(|_| ())));
    let forged = token(|_| ());
    let forged = format!("{}.AAAA", forged.rsplit_once('.').unwrap().0);
    let third = inbound.on_request(NOW, RequestId(3), bearer(&forged));
    assert!(second.callouts.is_empty() && third.callouts.is_empty(), "one fetch for all");
    assert!(second.verdict.is_none() && third.verdict.is_none());
    let fetch = first.callout().unwrap();
    let outcome = inbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
    let verdicts: Vec<_> = outcome.resumed.iter().map(|resumed| (resumed.id.0, code(&resumed.verdict))).collect();
    assert_eq!(verdicts, [(1, "admitted"), (2, "admitted"), (3, "JWS.InvalidSignature")]);
    assert!([1, 2, 3].iter().all(|id| inbound.requests.get(RequestId(*id)).is_none()));
}

#[test]
fn the_end_of_one_fetch_decides_nothing_about_requests_that_wait_for_another() {
    let mut inbound = inbound(|config| config["peer"]["organisational_units"] = json!(["233bcd1d", "second"]));
    let mut second_hub = bearer(&token(|claims| claims["sub"] = json!("second")));
    second_hub.peer.subject = Some(br"CN=b,OU=second,O=Ozone Financial Technology\, Limited".into());
    let first = inbound.on_request(NOW, RequestId(1), bearer(&token(|_| ()))).callout().unwrap();
    let second = inbound.on_request(NOW, RequestId(2), second_hub).callout().expect("another address, another fetch");
    let outcome = inbound.on_answer(NOW, first.id, &first.subject, &Answer::default());
    assert_eq!(outcome.resumed.iter().map(|resumed| resumed.id.0).collect::<Vec<_>>(), [1]);
    let outcome = inbound.on_answer(NOW, second.id, &second.subject, &published("sig3"));
    assert_eq!((outcome.resumed[0].id, code(&outcome.resumed[0].verdict)), (RequestId(2), "admitted"));
}

#[test]
fn a_request_that_went_away_gets_no_verdict_and_its_fetch_serves_the_others() {
    let mut inbound = inbound(|_| ());
    let fetch = inbound.on_request(NOW, RequestId(1), bearer(&token(|_| ()))).callout().unwrap();
    let _ = inbound.on_request(NOW, RequestId(2), bearer(&token(|_| ())));
    inbound.on_request_end(RequestId(1));
    let outcome = inbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
    assert_eq!(outcome.resumed.len(), 1);
    assert_eq!(outcome.resumed[0].id, RequestId(2));
}

#[test]
fn without_keys_the_caller_is_told_to_try_again() {
    for answer in [
        Answer::default(),
        Answer { status: Some(b"503".to_vec()), ..Answer::default() },
        Answer { status: Some(b"200".to_vec()), body: Body::Read(b"<html>".to_vec()), ..Answer::default() },
    ] {
        let mut inbound = inbound(|_| ());
        let fetch = inbound.on_request(NOW, RequestId(1), bearer(&token(|_| ()))).callout().unwrap();
        let outcome = inbound.on_answer(NOW, fetch.id, &fetch.subject, &answer);
        assert_eq!(code(&outcome.resumed[0].verdict), "GenericRecoverableError");
        assert_eq!(at_once(&mut inbound, bearer(&token(|_| ()))), "GenericRecoverableError", "no fetch in the pause");
    }
}

#[test]
fn a_callout_that_the_gateway_refuses_ends_the_wait() {
    let mut inbound = inbound(|_| ());
    let fetch = inbound.on_request(NOW, RequestId(1), bearer(&token(|_| ()))).callout().unwrap();
    let outcome = inbound.on_not_dispatched(NOW, fetch.id, &fetch.subject);
    assert_eq!(code(&outcome.resumed[0].verdict), "GenericRecoverableError");
    let report = report(&outcome.events).unwrap();
    assert!(!report.is_success && report.text.contains("the gateway refused the callout"), "{report:?}");
}

#[test]
fn an_unknown_kid_is_refused_after_one_refresh() {
    let mut inbound = inbound(|_| ());
    let fetch = inbound.on_request(NOW, RequestId(1), bearer(&token(|_| ()))).callout().unwrap();
    let outcome = inbound.on_answer(NOW, fetch.id, &fetch.subject, &published("another"));
    assert_eq!(code(&outcome.resumed[0].verdict), "JWS.InvalidHeader");
    let fetch = inbound.on_request(NOW, RequestId(2), bearer(&token(|_| ()))).callout().expect("one extra fetch");
    let outcome = inbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
    assert_eq!(code(&outcome.resumed[0].verdict), "admitted", "the key was new");
}

#[test]
fn a_token_that_expires_while_it_waits_is_refused() {
    let mut inbound = inbound(|_| ());
    let fetch = inbound.on_request(NOW, RequestId(1), bearer(&token(|_| ()))).callout().unwrap();
    let later = NOW.after(std::time::Duration::from_secs(41));
    let outcome = inbound.on_answer(later, fetch.id, &fetch.subject, &published("sig3"));
    assert_eq!(code(&outcome.resumed[0].verdict), "JWS.InvalidClaim");
}

#[test]
fn the_number_of_waiting_requests_is_bounded() {
    let mut inbound = inbound(|_| ());
    let facts = bearer(&token(|_| ()));
    for id in (0..).take(MAX_WAITING) {
        assert!(inbound.on_request(NOW, RequestId(id), facts.clone()).verdict.is_none());
    }
    let step = inbound.on_request(NOW, RequestId(u32::MAX), facts);
    assert_eq!(code(&step.verdict.unwrap()), "GenericRecoverableError");
    assert!(!inbound.requests.has_room());
}

#[test]
fn a_fetch_that_nobody_reports_on_is_given_up_and_its_requests_are_answered() {
    let mut inbound = inbound(|_| ());
    let _ = inbound.on_request(NOW, RequestId(1), bearer(&token(|_| ())));
    let patience = NOW.after(std::time::Duration::from_secs(10));
    assert!(inbound.on_tick(patience).outcomes.is_empty());
    let tick = inbound.on_tick(patience.after(std::time::Duration::from_millis(1)));
    assert_eq!(code(&tick.outcomes[0].resumed[0].verdict), "GenericRecoverableError");
}

#[test]
fn keys_at_a_known_address_are_fetched_with_the_first_tick() {
    const SANDBOX: &str = "https://keystore.sandbox.directory.openfinance.ae/233bcd1d/abc123/application.jwks";
    let hub = json!([{ "organisational_unit": "233bcd1d", "common_name": "abc123" }]);
    let fixed = json!({ "url": "https://keys.example/jwks" });
    for (auth, expected) in [
        (json!({ "jwt_auth": { "jwks": { "environment": "sandbox" } } }), vec![]),
        (json!({ "jwt_auth": { "jwks": { "environment": "sandbox" }, "warm": hub } }), vec![SANDBOX]),
        (json!({ "jwt_auth": { "jwks": fixed } }), vec!["https://keys.example/jwks"]),
        (
            json!({ "client_credentials": { "issuer": "i", "audience": "a", "scopes": [], "certificate_bound": false, "jwks": fixed } }),
            vec!["https://keys.example/jwks"],
        ),
        (json!({ "mtls_only": {} }), vec![]),
    ] {
        let mut inbound = inbound(|config| config["auth"] = auth.clone());
        let fetches = inbound.on_tick(NOW).callouts;
        assert_eq!(fetches.iter().map(|fetch| fetch.request.url.as_str()).collect::<Vec<_>>(), expected, "{auth}");
        let Some(fetch) = fetches.first() else { continue };
        let outcome = inbound.on_answer(NOW, fetch.id, &fetch.subject, &Answer::default());
        assert!(!report(&outcome.events).unwrap().is_success, "a keystore that is down is seen at once");
    }
}

#[test]
fn with_keys_that_were_fetched_at_the_start_the_first_request_waits_for_nothing() {
    let mut inbound = inbound(|config| {
        config["auth"]["jwt_auth"]["warm"] = json!([{ "organisational_unit": "233bcd1d", "common_name": "abc123" }]);
    });
    let fetch = inbound.on_tick(NOW).callouts.remove(0);
    let outcome = inbound.on_answer(NOW, fetch.id, &fetch.subject, &published("sig3"));
    assert!(outcome.resumed.is_empty());
    assert_eq!(at_once(&mut inbound, bearer(&token(|_| ()))), "admitted");
}

#[test]
fn time_refreshes_keys_in_use() {
    let mut inbound = inbound(|_| ());
    assert_eq!(code(&with_keys(&mut inbound, bearer(&token(|_| ())))), "admitted");
    assert!(inbound.on_tick(NOW.after(std::time::Duration::from_secs(479))).callouts.is_empty());
    assert_eq!(inbound.on_tick(NOW.after(std::time::Duration::from_secs(480))).callouts.len(), 1);
}

#[test]
fn a_refusal_names_the_caller_and_the_key_in_the_log() {
    let mut inbound = inbound(|_| ());
    let step = inbound.on_request(NOW, RequestId(1), bearer(&token(|claims| claims["exp"] = json!(1))));
    let Some(RequestVerdict::Reject(rejection)) = step.verdict else { panic!() };
    let line: Json =
        serde_json::from_slice(&rejection.log_line(NOW.wall, crate::reply::RejectionEvent::Refused)).unwrap();
    assert_eq!((&line["organisational_unit"], &line["kid"]), (&json!("233bcd1d"), &json!("sig3")));
}

/// `jwt-compact` reads tokens with code and RSA arithmetic that are not ours. (It could not be the reader here: it
/// takes duplicates of members that it does not know, does not show `cty`, and cuts the fractions of times off.)
#[test]
fn jwt_compact_agrees_on_which_signature_is_valid() {
    use jwt_compact::alg::{Rsa, RsaPublicKey};
    use jwt_compact::jwk::JsonWebKey;
    use jwt_compact::{AlgorithmExt as _, UntrustedToken};
    let good = token(|_| ());
    let (start, _) = good.rsplit_once('.').unwrap();
    let bad = format!("{start}.{}", crate::testing::b64(&SigningKey::second().sign(start.as_bytes())));
    let jwk: JsonWebKey<'_> = serde_json::from_value(SigningKey::first().jwk("sig3")).unwrap();
    let key = RsaPublicKey::try_from(&jwk).unwrap();
    for (token, expected) in [(good, "admitted"), (bad, "JWS.InvalidSignature")] {
        let theirs = Rsa::ps256().validator::<Json>(&key).validate(&UntrustedToken::new(&token).unwrap()).is_ok();
        assert_eq!(theirs, expected == "admitted");
        assert_eq!(code(&with_keys(&mut inbound(|_| ()), bearer(&token))), expected);
    }
}
