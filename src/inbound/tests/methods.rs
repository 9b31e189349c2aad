//! The other methods in the request machine: what each asks for, what it takes away, and where a token passes unread.

use super::*;

const DIGEST_OF_KEY: &str = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683";

/// The hub's certificate has this SHA-256.
const FINGERPRINT: [u8; 64] = [b'f'; 64];

fn sent(method: &str, path: &str, headers: &[(&str, &str)], configured: &ConfiguredHeaders) -> RequestFacts {
    let mut facts = hub(&[]);
    facts.peer.fingerprint = Some(FINGERPRINT.into());
    for (name, value) in [(":method", method), (":path", path)].iter().chain(headers) {
        facts.note_header(name.as_bytes(), value.as_bytes(), configured);
    }
    facts
}

/// The admission of a request that needs no callout, or the code of its rejection.
fn decide(
    inbound: &mut Inbound,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Admission, &'static str> {
    let facts = sent(method, path, headers, &inbound.configured_headers().clone());
    match inbound.on_request(NOW, RequestId(1), facts).verdict.expect("a verdict at once") {
        RequestVerdict::Admit(admission) => Ok(*admission),
        refused => Err(code(&refused)),
    }
}

fn method_of(admission: &Admission) -> &str {
    admission.set().next().unwrap().1
}

fn api_key(header: &str) -> impl FnOnce(&mut Json) {
    let settings = json!({ "keys": [{ "id": "2026", "sha256": DIGEST_OF_KEY }], "header": header });
    move |config| config["auth"] = json!({ "api_key": settings })
}

fn with_service_initiation(change: impl FnOnce(&mut Json)) -> Inbound {
    inbound(|config| {
        config["service_initiation"] = json!({ "allow": [{ "method": "POST", "path": "/payments" }] });
        change(config);
    })
}

#[test]
fn an_api_key_is_accepted_under_its_id_and_ends_here() {
    let mut inbound = inbound(api_key("authorization"));
    let admission = decide(&mut inbound, "GET", "/accounts", &[("authorization", "key")]).unwrap();
    assert_eq!(method_of(&admission), "api_key");
    assert_eq!(admission.set().last(), Some(("x-hub-token-id", "2026")));
    assert_eq!(admission.removed(), ["authorization"]);
    assert_eq!(decide(&mut inbound, "GET", "/accounts", &[("authorization", "other")]), Err("ApiKey.Invalid"));
    assert_eq!(decide(&mut inbound, "GET", "/accounts", &[]), Err("Credential.Missing"));
}

#[test]
fn a_key_in_a_header_of_its_own_ends_here_and_so_does_a_stray_authorization() {
    let mut inbound = inbound(api_key("X-Api-Key"));
    let both = [("x-api-key", "key"), ("authorization", "Basic dTpw")];
    let admission = decide(&mut inbound, "GET", "/accounts", &both).unwrap();
    assert_eq!(admission.removed(), ["x-api-key", "authorization"]);
    assert_eq!(decide(&mut inbound, "GET", "/accounts", &[("authorization", "key")]), Err("Credential.Missing"));
}

#[test]
fn the_log_is_told_which_key_is_in_use() {
    let mut inbound = inbound(api_key("authorization"));
    assert_eq!(inbound.notices(NOW), []);
    let facts = sent("GET", "/accounts", &[("authorization", "key")], &inbound.configured_headers().clone());
    let notices = inbound.on_request(NOW, RequestId(1), facts).events;
    assert!(matches!(notices.as_slice(), [Event::Information(text)] if text.contains("2026")), "{notices:?}");
}

#[test]
fn an_opaque_token_passes_unread_where_it_is_allowed() {
    let mut inbound = with_service_initiation(|_| ());
    let opaque = [("authorization", "Bearer opaque")];
    let admission = decide(&mut inbound, "POST", "/payments", &opaque).unwrap();
    assert_eq!(method_of(&admission), "unverified_service_initiation");
    assert_eq!(admission.removed(), [""; 0], "the backend has to check it");
    assert_eq!(set(&admission).len(), 3, "no token id");
    for (method, path) in [("GET", "/payments"), ("POST", "/accounts"), ("POST", "/payments/1")] {
        assert_eq!(decide(&mut inbound, method, path, &opaque), Err("JWS.Malformed"), "{method} {path}");
    }
}

#[test]
fn a_jwt_auth_token_never_passes_unread() {
    let expired = format!("Bearer {}", token(|claims| claims["exp"] = json!(0)));
    let headers = [("authorization", expired.as_str())];
    assert_eq!(decide(&mut with_service_initiation(|_| ()), "POST", "/payments", &headers), Err("JWS.InvalidClaim"));
    // Where it means nothing it is a credential that is sent, and removed.
    let mut mtls_only = with_service_initiation(|config| config["auth"] = json!({ "mtls_only": {} }));
    let admission = decide(&mut mtls_only, "POST", "/payments", &headers).unwrap();
    assert_eq!((method_of(&admission), admission.removed().len()), ("mtls_only", 1));
}

#[test]
fn a_token_of_more_than_8_kib_never_passes_unread() {
    let long = format!("Bearer {}", "x".repeat(8 * 1024 + 1));
    let headers = [("authorization", long.as_str())];
    assert_eq!(decide(&mut with_service_initiation(|_| ()), "POST", "/payments", &headers), Err("JWS.Malformed"));
}

#[test]
fn an_api_key_is_looked_for_before_a_token_passes_unread() {
    // The digest of "Bearer key".
    let digest = "db84eb93eef453fe9551b776ca56ff5f399449bc3ec2cadad63cc2263ec48a25";
    let keys = json!([{ "id": "2025", "sha256": digest, "expires": "2020-01-01T00:00:00Z" }]);
    let mut expired = with_service_initiation(|config| config["auth"] = json!({ "api_key": { "keys": keys } }));
    let headers = [("authorization", "Bearer key")];
    assert_eq!(decide(&mut expired, "POST", "/payments", &headers), Err("ApiKey.Invalid"), "known, and expired");
    let mut unknown = with_service_initiation(api_key("authorization"));
    let admission = decide(&mut unknown, "POST", "/payments", &headers).unwrap();
    assert_eq!(method_of(&admission), "unverified_service_initiation");
}

/// An opaque token is asked about first; what the server calls inactive may be a service initiation token.
#[test]
fn with_introspection_the_server_is_asked_before_a_token_passes_unread() {
    let mut inbound = with_service_initiation(|config| {
        config["auth"] = json!({ "client_credentials": { "certificate_bound": false, "introspection": {
            "url": "https://as.test/introspect", "client_id": "c", "client_secret": { "value": "s" },
        } } });
    });
    let jwt_auth = format!("Bearer {}", token(|_| ()));
    for (token, path, expected) in [
        ("Bearer opaque", "/payments", "unverified_service_initiation"),
        ("Bearer opaque-2", "/accounts", "AccessToken.Invalid"),
        (jwt_auth.as_str(), "/payments", "AccessToken.Invalid"),
    ] {
        let facts = sent("POST", path, &[("authorization", token)], &ConfiguredHeaders::default());
        let callout = inbound.on_request(NOW, RequestId(1), facts).callout().expect("a question");
        let body = Body::Read(br#"{"active":false}"#.to_vec());
        let answer = Answer { status: Some(b"200".to_vec()), body, ..Answer::default() };
        let outcome = inbound.on_answer(NOW, callout.id, &callout.subject, &answer);
        let got = match &outcome.resumed[0].verdict {
            Verdict::Request(RequestVerdict::Admit(admission)) => method_of(admission),
            refused => code(refused),
        };
        assert_eq!(got, expected, "{path}");
    }
}

/// The bank's own token may be odd to its authorisation server. It is not passed unread, as nobody said that it is no access
/// token, and it keeps nobody else out.
#[test]
fn a_token_that_the_server_does_not_confirm_is_refused_and_a_server_with_too_much_to_do_is_left_alone() {
    let mut inbound = with_service_initiation(|config| {
        config["auth"] = json!({ "client_credentials": { "certificate_bound": false, "introspection": {
            "url": "https://as.test/introspect", "client_id": "c", "client_secret": { "value": "s" },
        } } });
    });
    let status = |status: &str| Answer { status: Some(status.as_bytes().to_vec()), ..Answer::default() };
    let busy = Answer { retry_after: Some(b"30".to_vec()), ..status("429") };
    for (n, (answer, expected)) in [
        (status("400"), "AccessToken.Invalid"),
        (status("404"), "AccessToken.Invalid"),
        (busy, "GenericRecoverableError"),
    ]
    .into_iter()
    .enumerate()
    {
        let credential = format!("Bearer opaque-{n}");
        let facts = sent("POST", "/payments", &[("authorization", &credential)], &ConfiguredHeaders::default());
        let callout = inbound.on_request(NOW, RequestId(1), facts).callout().expect("a question");
        let outcome = inbound.on_answer(NOW, callout.id, &callout.subject, &answer);
        let Verdict::Request(RequestVerdict::Reject(rejection)) = &outcome.resumed[0].verdict else { panic!() };
        assert_eq!(rejection.code().as_str(), expected);
        let retry_after = rejection.reply().headers.into_iter().find(|(name, _)| *name == "retry-after");
        let retry_after = retry_after.map(|(_, seconds)| seconds.to_string());
        assert_eq!(retry_after.as_deref(), (expected == "GenericRecoverableError").then_some("30"));
    }
}

/// An access token that has expired or was revoked is not passed unread because of that.
#[test]
fn an_inactive_token_that_is_recognisably_an_access_token_is_no_service_initiation_token() {
    let part = |json: &str| crate::testing::b64(json.as_bytes());
    let of_issuer = format!("{}.{}.AA", part(r#"{"typ":"JWT"}"#), part(r#"{"iss":"https://as.test"}"#));
    let of_another = format!("{}.{}.AA", part(r#"{"typ":"JWT"}"#), part(r#"{"iss":"https://other.test"}"#));
    let of_the_type = format!("{}.{}.AA", part(r#"{"typ":"at+jwt"}"#), part("{}"));
    let passed = "unverified_service_initiation";
    for (issuer, token, expected) in [
        (Some("https://as.test"), &of_issuer, "AccessToken.Invalid"),
        (Some("https://as.test"), &of_the_type, "AccessToken.Invalid"),
        (None, &of_the_type, "AccessToken.Invalid"),
        (Some("https://as.test"), &of_another, passed),
        (None, &of_issuer, passed),
        (Some("https://as.test"), &"opaque".to_owned(), passed),
    ] {
        let mut inbound = with_service_initiation(|config| {
            config["auth"] = json!({ "client_credentials": { "certificate_bound": false, "introspection": {
                "url": "https://as.test/introspect", "client_id": "c", "client_secret": { "value": "s" },
            } } });
            if let Some(issuer) = issuer {
                config["auth"]["client_credentials"]["issuer"] = json!(issuer);
            }
        });
        let credential = format!("Bearer {token}");
        let facts = sent("POST", "/payments", &[("authorization", &credential)], &ConfiguredHeaders::default());
        let callout = inbound.on_request(NOW, RequestId(1), facts).callout().expect("a question");
        let body = Body::Read(br#"{"active":false}"#.to_vec());
        let answer = Answer { status: Some(b"200".to_vec()), body, ..Answer::default() };
        let outcome = inbound.on_answer(NOW, callout.id, &callout.subject, &answer);
        let got = match &outcome.resumed[0].verdict {
            Verdict::Request(RequestVerdict::Admit(admission)) => method_of(admission),
            refused => code(refused),
        };
        assert_eq!(got, expected, "{issuer:?} {token}");
    }
}

#[test]
fn the_fingerprint_is_asked_for_where_something_depends_on_it() {
    assert!(!inbound(|_| ()).needs_fingerprint());
    assert!(inbound(|config| config["health_checks"] = json!({})).needs_fingerprint());
    assert!(inbound(|config| config["peer"] = json!({ "fingerprints": ["ab".repeat(32)] })).needs_fingerprint());
    let client_credentials = |bound: bool| {
        inbound(|config| {
            config["auth"] = json!({ "client_credentials": {
                "issuer": "i", "audience": "a", "jwks": { "url": "https://as.test/jwks" }, "certificate_bound": bound,
            } });
        })
    };
    assert!(client_credentials(true).needs_fingerprint());
    assert!(client_credentials(false).needs_fingerprint(), "a token may be bound although it need not be");
}

#[test]
fn a_health_check_is_answered_before_anything_is_asked_for() {
    let mut inbound = inbound(|config| config["health_checks"] = json!({}));
    let mut facts = sent("GET", "/hello", &[], &inbound.configured_headers().clone());
    facts.peer = PeerFacts::default();
    let Some(RequestVerdict::Answer(reply)) = inbound.on_request(NOW, RequestId(1), facts).verdict else { panic!() };
    assert_eq!(reply.status, 200);
    assert_eq!(decide(&mut inbound, "GET", "/accounts", &[]), Err("Credential.Missing"));
}

#[test]
fn a_token_passes_once_where_replays_are_refused() {
    let mut inbound = inbound(|config| config["auth"]["jwt_auth"]["replay_detection"] = json!("worker"));
    let token = token(|_| ());
    assert_eq!(code(&with_keys(&mut inbound, bearer(&token))), "admitted");
    assert_eq!(code(&with_keys(&mut inbound, bearer(&token))), "JWS.InvalidClaim");
}
