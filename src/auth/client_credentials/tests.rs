//! The rules of the method as a whole: in which order a token is judged, by whose keys, and by whose word.

use super::*;
use crate::callout::{Callout, CalloutError};
use crate::callout::{CalloutSubject, Wait};
use crate::claims::{Claim, Fault};
use crate::config::{self, Introspection, JwtValidation, Secret};
use crate::gateway::kinds::GatewayKind;
use crate::header_value::HeaderValue;
use crate::peer::{PeerCertificate, PeerFacts, PeerRules, PeerSource, Pins};
use crate::request::NonceInput;
use crate::testing::{EcSigningKey, SigningKey, b64, token};
use crate::time::UnixTime;
use serde_json::{Value as Json, json};

const T0: u64 = 1_795_253_400;
const ISSUER: &str = "https://as.bank.example";
const AUDIENCE: &str = "https://ozone-connect.bank.example";
const JWKS: &str = "https://as.bank.example/jwks";
const HEADER: &str = r#"{"alg":"PS256","typ":"at+jwt","kid":"k"}"#;

fn at(seconds: u64) -> Moment {
    Moment::by_wall_clock(UnixTime::from_secs(T0 + seconds))
}

fn settings(validation: TokenValidation) -> config::ClientCredentials {
    config::ClientCredentials {
        issuer: Some(ISSUER.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
        scopes: vec!["accounts".to_owned()],
        clock_skew: Duration::from_secs(10),
        certificate_bound: true,
        validation,
    }
}

fn jwt(algorithms: &[Algorithm]) -> TokenValidation {
    TokenValidation::Jwt(JwtValidation {
        algorithms: algorithms.to_vec(),
        jwks: HttpUrl::parse(JWKS).unwrap(),
        upstream: "as".to_owned(),
        max_age: Duration::from_secs(600),
        timeout: Duration::from_secs(5),
        refetch_cooldown: Duration::from_secs(30),
        token_cache_capacity: None,
    })
}

fn opaque() -> TokenValidation {
    TokenValidation::Introspection(Introspection {
        url: HttpUrl::parse("https://as.bank.example/introspect").unwrap(),
        upstream: "as".to_owned(),
        client_id: "filter".to_owned(),
        client_secret: config::Credential::Secret(Secret::new("s3cret")),
        timeout: Duration::from_secs(5),
        max_age: Duration::from_secs(60),
        negative_max_age: Duration::from_secs(5),
        capacity: 10,
        require_expiry: false,
    })
}

/// A peer certificate with this fingerprint.
fn certificate(fingerprint: Option<[u8; 32]>) -> PeerCertificate {
    let hex = |octets: [u8; 32]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let facts = PeerFacts {
        verified: true,
        subject: Some(b"CN=hub,OU=unit,O=Hub".into()),
        fingerprint: fingerprint.map(|octets| hex(octets).into()),
        ..PeerFacts::default()
    };
    let pins = Pins { organisational_units: vec!["unit".to_owned()], ..Pins::default() };
    let rules = PeerRules { pins, source: PeerSource::Connection };
    PeerCertificate::establish(&facts, &rules).unwrap()
}

const OURS: [u8; 32] = [7; 32];

fn claims() -> Json {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "exp": T0 + 300, "iat": T0, "jti": "j1", "scope": "accounts payments",
        "cnf": {"x5t#S256": b64(&OURS)},
    })
}

fn claims_with(name: &str, value: Json) -> String {
    let mut claims = claims();
    claims[name] = value;
    claims.to_string()
}

/// A method with short names for what the tests do with it.
struct Bench {
    method: ClientCredentials,
    certificate: PeerCertificate,
    evidence: Evidence,
}

impl Bench {
    fn new(settings: config::ClientCredentials) -> Self {
        let method = ClientCredentials::new(settings, &GatewayKind::Envoy.capabilities(None, false));
        Self { method, certificate: certificate(Some(OURS)), evidence: Evidence::default() }
    }

    /// A method that knows these keys.
    fn with_keys(algorithms: &[Algorithm], keys: &[Json]) -> Self {
        let mut bench = Self::new(settings(jwt(algorithms)));
        bench.fetch(0, &json!({ "keys": keys }).to_string());
        bench
    }

    /// A method that knows the PS256 key `k`.
    fn with_key() -> Self {
        Self::with_keys(&[Algorithm::Ps256], &[SigningKey::first().jwk("k")])
    }

    /// The first request, and the answer to the fetch that it causes.
    fn fetch(&mut self, second: u64, answer: &str) {
        let Validator::Jwt(validator) = &self.method.validator else { panic!() };
        let header = HEADER.replace("PS256", validator.algorithms[0].name());
        let wanted = token(&header, &claims().to_string(), b"");
        let callout = self.callout(second, &wanted);
        let CalloutSubject::KeySet(url) = &callout.subject else { panic!() };
        let keys = self.method.keys().unwrap();
        keys.finish(at(second), callout.id, url, Ok(answer.as_bytes())).unwrap();
    }

    fn callout(&mut self, second: u64, token: &str) -> Callout {
        match self.present(second, token, CalloutPermission::Allowed) {
            Ok(Readiness::Wait(Wait { subject, callout: Some(callout) })) => {
                assert_eq!(subject, callout.subject);
                callout
            }
            other => panic!("a callout was expected, not {other:?}"),
        }
    }

    /// The first request with this token, and the answer to the introspection that it causes.
    fn introspect(&mut self, second: u64, token: &str, answer: &Json) {
        let callout = self.callout(second, token);
        let CalloutSubject::Token(digest) = callout.subject else { panic!() };
        let answer = answer.to_string();
        let cache = self.method.introspection().unwrap();
        cache.finish(at(second), callout.id, &digest, Ok(answer.as_bytes()), None).unwrap();
    }

    fn present(
        &mut self,
        second: u64,
        token: &str,
        permission: CalloutPermission,
    ) -> Result<Readiness<Accepted>, AccessTokenError> {
        let authorization = [format!("Bearer {token}").into_bytes().into()];
        self.authenticate(second, &authorization, permission)
    }

    fn authenticate(
        &mut self,
        second: u64,
        authorization: &[HeaderValue],
        permission: CalloutPermission,
    ) -> Result<Readiness<Accepted>, AccessTokenError> {
        // No provider id takes part: the audience of an access token is the bank's own.
        let nonce_input = &NonceInput::default();
        let credential =
            Credential { certificate: &self.certificate, authorization, api_key: &[], audiences: &[], nonce_input };
        self.method.authenticate(at(second), credential, permission, &mut self.evidence)
    }

    /// The id of an accepted token, or why it is not accepted.
    fn judge(&mut self, token: &str) -> Result<Option<String>, AccessTokenError> {
        match self.present(0, token, CalloutPermission::Used)? {
            Readiness::Ready(accepted) => Ok(accepted.credential_id),
            Readiness::Wait(_) => panic!("a request waits once"),
        }
    }
}

fn header(error: AccessTokenHeaderError) -> Result<Option<String>, AccessTokenError> {
    Err(AccessTokenError::Header(error))
}

fn fault(fault: AccessTokenFault) -> Result<Option<String>, AccessTokenError> {
    Err(AccessTokenError::Fault(fault))
}

#[test]
fn a_token_is_accepted_when_the_keys_are_there_and_is_known_by_its_id() {
    let mut bench = Bench::new(settings(jwt(&[Algorithm::Ps256])));
    let good = SigningKey::first().token(HEADER, &claims().to_string());
    let callout = bench.callout(0, &good);
    assert_eq!(callout.subject, CalloutSubject::KeySet(HttpUrl::parse(JWKS).unwrap()));
    assert_eq!(callout.request.upstream, "as");
    let Ok(Readiness::Wait(waits)) = bench.present(0, &good, CalloutPermission::Allowed) else { panic!() };
    assert_eq!(waits, Wait { subject: callout.subject.clone(), callout: None });
    let keys = bench.method.keys().unwrap();
    keys.finish(at(0), callout.id, &HttpUrl::parse(JWKS).unwrap(), Ok(&SigningKey::first().jwks("k"))).unwrap();
    assert_eq!(bench.judge(&good), Ok(Some("j1".to_owned())));
    assert_eq!(bench.evidence.key_id.as_deref(), Some("k"));
    let mut without_id = claims();
    without_id.as_object_mut().unwrap().remove("jti");
    assert_eq!(bench.judge(&SigningKey::first().token(HEADER, &without_id.to_string())), Ok(None));
}

#[test]
fn each_algorithm_is_accepted_where_it_is_listed_and_nowhere_else() {
    let claims = claims().to_string();
    let signed = |algorithm: Algorithm, kid: &str| {
        let header = format!(r#"{{"alg":"{}","kid":"{kid}"}}"#, algorithm.name());
        match algorithm {
            Algorithm::Ps256 => SigningKey::first().token(&header, &claims),
            Algorithm::Rs256 => SigningKey::first().token_rs256(&header, &claims),
            Algorithm::Es256 => EcSigningKey::first().token(&header, &claims),
        }
    };
    let keys = [SigningKey::first().jwk("rsa"), EcSigningKey::first().jwk("ec")];
    for listed in Algorithm::ALL {
        let mut bench = Bench::with_keys(&[listed], &keys);
        for used in Algorithm::ALL {
            let kid = if used == Algorithm::Es256 { "ec" } else { "rsa" };
            let expected =
                if used == listed { Ok(Some("j1".to_owned())) } else { header(AccessTokenHeaderError::Algorithm) };
            assert_eq!(bench.judge(&signed(used, kid)), expected, "{used:?} where {listed:?} is listed");
        }
    }
}

/// A token chooses among the listed algorithms, and never what its key may verify.
#[test]
fn no_header_makes_a_key_verify_what_it_is_not_for() {
    let mut only_ps256 = SigningKey::first().jwk("ps256");
    only_ps256["alg"] = json!("PS256");
    let mut bench = Bench::with_keys(
        &Algorithm::ALL,
        &[only_ps256, SigningKey::second().jwk("rsa"), EcSigningKey::first().jwk("ec")],
    );
    let claims = claims().to_string();
    let header_of = |alg: &str, kid: &str| format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#);
    let unknown = header(AccessTokenHeaderError::UnknownKeyId);
    let mismatch = Err(AccessTokenError::Signature);
    for (token, expected) in [
        (SigningKey::first().token_rs256(&header_of("RS256", "ps256"), &claims), &unknown),
        (SigningKey::second().token(&header_of("ES256", "rsa"), &claims), &unknown),
        (EcSigningKey::first().token(&header_of("PS256", "ec"), &claims), &unknown),
        (SigningKey::second().token_rs256(&header_of("PS256", "rsa"), &claims), &mismatch),
        (SigningKey::second().token(&header_of("RS256", "rsa"), &claims), &mismatch),
        (SigningKey::first().token(&header_of("PS256", "rsa"), &claims), &mismatch),
        (token(&header_of("ES256", "ec"), &claims, &[0; 64]), &mismatch),
        (token(&header_of("PS256", "rsa"), &claims, b""), &mismatch),
    ] {
        assert_eq!(bench.judge(&token), *expected);
    }
}

#[test]
fn a_header_is_as_rfc_9068_wants_it() {
    use AccessTokenHeaderError::{Algorithm, Extensions, KeyId, Type, UnknownKeyId};
    let mut bench = Bench::with_key();
    let signed = |header: &str| SigningKey::first().token(header, &claims().to_string());
    for object_type in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt", "JWT", "jwt", "application/jwt"]
    {
        let header = format!(r#"{{"alg":"PS256","typ":"{object_type}","kid":"k"}}"#);
        assert_eq!(bench.judge(&signed(&header)), Ok(Some("j1".to_owned())), "{object_type}");
    }
    assert_eq!(
        bench.judge(&signed(r#"{"alg":"PS256","kid":"k","cty":"x","jku":"https://evil.example"}"#)),
        Ok(Some("j1".to_owned()))
    );
    for (text, error) in [
        (r#"{"kid":"k"}"#, Algorithm),
        (r#"{"alg":"none","kid":"k"}"#, Algorithm),
        (r#"{"alg":"HS256","kid":"k"}"#, Algorithm),
        (r#"{"alg":"ps256","kid":"k"}"#, Algorithm),
        (r#"{"alg":["PS256"],"kid":"k"}"#, Algorithm),
        (r#"{"alg":"PS384","kid":"k"}"#, Algorithm),
        (r#"{"alg":"PS256","typ":"","kid":"k"}"#, Type),
        (r#"{"alg":"PS256","typ":1,"kid":"k"}"#, Type),
        (r#"{"alg":"PS256","typ":null,"kid":"k"}"#, Type),
        (r#"{"alg":"PS256","typ":"JOSE","kid":"k"}"#, Type),
        (r#"{"alg":"PS256","typ":"logout+jwt","kid":"k"}"#, Type),
        (r#"{"alg":"PS256","typ":"dpop+jwt","kid":"k"}"#, Type),
        (r#"{"alg":"PS256","typ":"text/at+jwt","kid":"k"}"#, Type),
        (r#"{"alg":"PS256","typ":"application/application/jwt","kid":"k"}"#, Type),
        (r#"{"alg":"PS256","crit":["exp"],"exp":1,"kid":"k"}"#, Extensions),
        (r#"{"alg":"PS256","b64":false,"kid":"k"}"#, Extensions),
        (r#"{"alg":"PS256","kid":""}"#, KeyId),
        (r#"{"alg":"PS256","kid":null}"#, KeyId),
        (r#"{"alg":"PS256","kid":1}"#, KeyId),
        (r#"{"alg":"PS256","kid":"K"}"#, UnknownKeyId),
    ] {
        assert_eq!(bench.judge(&signed(text)), header(error), "{text}");
    }
}

#[test]
fn a_token_without_a_kid_is_verified_with_the_only_key_for_its_algorithm() {
    let header_of = |algorithm: Algorithm| format!(r#"{{"alg":"{}","typ":"at+jwt"}}"#, algorithm.name());
    let claims = claims().to_string();
    let [first, second] = [SigningKey::first(), SigningKey::second()];
    let ps256 = first.token(&header_of(Algorithm::Ps256), &claims);
    let rs256 = first.token_rs256(&header_of(Algorithm::Rs256), &claims);
    let es256 = EcSigningKey::first().token(&header_of(Algorithm::Es256), &claims);
    let of = |key: &SigningKey, kid: &str, change: (&str, &str)| {
        let mut jwk = key.jwk(kid);
        jwk[change.0] = json!(change.1);
        jwk
    };
    let ec = EcSigningKey::first().jwk("ec");
    let (accepted, refused) = (|| Ok(Some("j1".to_owned())), || header(AccessTokenHeaderError::NoKeyId));
    for (what, keys, expected) in [
        ("one of each type", vec![first.jwk("a"), ec.clone()], [accepted(), accepted(), accepted()]),
        ("another of its type", vec![first.jwk("a"), second.jwk("b"), ec.clone()], [refused(), refused(), accepted()]),
        ("the same twice", vec![first.jwk("a"), first.jwk("b")], [accepted(), accepted(), refused()]),
        (
            "one for each algorithm",
            vec![of(first, "a", ("alg", "PS256")), of(second, "b", ("alg", "RS256"))],
            [accepted(), Err(AccessTokenError::Signature), refused()],
        ),
        (
            "another for encryption",
            vec![first.jwk("a"), of(second, "b", ("use", "enc"))],
            [accepted(), accepted(), refused()],
        ),
        ("one of another type", vec![ec.clone()], [refused(), refused(), accepted()]),
        (
            "another key",
            vec![second.jwk("a")],
            [Err(AccessTokenError::Signature), Err(AccessTokenError::Signature), refused()],
        ),
    ] {
        let mut bench = Bench::with_keys(&Algorithm::ALL, &keys);
        for (token, expected) in [&ps256, &rs256, &es256].into_iter().zip(expected) {
            assert_eq!(bench.judge(token), expected, "{what}");
        }
    }
}

#[test]
fn tokens_without_a_kid_have_nothing_fetched_but_keys_that_are_needed_anyway() {
    let without_kid = SigningKey::first().token(r#"{"alg":"PS256"}"#, &claims().to_string());
    let mut bench = Bench::new(settings(jwt(&[Algorithm::Ps256])));
    assert!(matches!(bench.present(0, &without_kid, CalloutPermission::Allowed), Ok(Readiness::Wait(_))));
    let keys = [SigningKey::first().jwk("a"), SigningKey::second().jwk("b")];
    let mut bench = Bench::with_keys(&[Algorithm::Ps256], &keys);
    for second in 0..200 {
        let error = bench.present(second, &without_kid, CalloutPermission::Allowed).unwrap_err();
        assert_eq!(error, AccessTokenError::Header(AccessTokenHeaderError::NoKeyId), "{second}");
    }
    let unknown = SigningKey::first().token(r#"{"alg":"PS256","kid":"new"}"#, &claims().to_string());
    let looked_up = bench.present(200, &unknown, CalloutPermission::Allowed);
    assert!(matches!(looked_up, Ok(Readiness::Wait(_))), "and they take nothing from those that name a key");
}

#[test]
fn what_is_no_bearer_token_or_no_jws_is_told_apart() {
    let mut bench = Bench::with_key();
    let refused = |result: Result<Readiness<Accepted>, AccessTokenError>| result.unwrap_err();
    assert_eq!(
        refused(bench.authenticate(0, &[], CalloutPermission::Allowed)),
        AccessTokenError::Credential(CredentialError::Missing)
    );
    assert_eq!(
        refused(bench.authenticate(0, &[b"Basic YTpi".to_vec().into()], CalloutPermission::Allowed)),
        AccessTokenError::Credential(CredentialError::NotBearer)
    );
    assert_eq!(bench.judge("opaque"), Err(AccessTokenError::Malformed(JwsError::NotThreeParts)));
}

#[test]
fn claims_are_judged_before_keys_are_fetched_and_before_the_signature() {
    let mut bench = Bench::new(settings(jwt(&[Algorithm::Ps256])));
    let expired = token(HEADER, &claims_with("exp", json!(T0 - 11)), b"");
    let error = bench.present(0, &expired, CalloutPermission::Allowed).unwrap_err();
    assert_eq!(error, AccessTokenError::Fault(AccessTokenFault::Invalid(Claim::Expiry, Fault::Passed)));
    for (claim, value, expected) in [
        ("iss", json!("https://other.example"), AccessTokenFault::Invalid(Claim::Issuer, Fault::Mismatch)),
        ("aud", json!("retail"), AccessTokenFault::Invalid(Claim::Audience, Fault::Mismatch)),
        ("cnf", json!({}), AccessTokenFault::BoundOtherwise),
        ("cnf", json!({"x5t#S256": b64(&[8; 32])}), AccessTokenFault::BoundToAnother),
    ] {
        assert_eq!(bench.judge(&token(HEADER, &claims_with(claim, value), b"")), fault(expected));
    }
    let mut without_expiry = claims();
    without_expiry.as_object_mut().unwrap().remove("exp");
    let without_expiry = token(HEADER, &without_expiry.to_string(), b"");
    assert_eq!(bench.judge(&without_expiry), fault(AccessTokenFault::Invalid(Claim::Expiry, Fault::Missing)));
}

#[test]
fn an_answer_without_exp_is_accepted_unless_one_is_required() {
    for (required, expected) in [
        (false, Ok(Some("j1".to_owned()))),
        (true, Err(AccessTokenError::Fault(AccessTokenFault::Invalid(Claim::Expiry, Fault::Missing)))),
    ] {
        let TokenValidation::Introspection(introspection) = opaque() else { panic!() };
        let validation = TokenValidation::Introspection(Introspection { require_expiry: required, ..introspection });
        let mut bench = Bench::new(settings(validation));
        let mut answer = response();
        answer.as_object_mut().unwrap().remove("exp");
        bench.introspect(0, "opaque", &answer);
        assert_eq!(bench.judge("opaque"), expected);
    }
}

/// RFC 7662 does not say what a server answers about a refresh token; some call it active.
#[test]
fn an_answer_that_says_that_it_is_no_bearer_token_is_refused() {
    for token_type in ["refresh_token", "Refresh", "DPoP", "N_A"] {
        let mut bench = Bench::new(settings(opaque()));
        let mut answer = response();
        answer["token_type"] = json!(token_type);
        bench.introspect(0, "opaque", &answer);
        let expected = AccessTokenFault::Invalid(Claim::TokenType, Fault::Mismatch);
        assert_eq!(bench.judge("opaque"), Err(AccessTokenError::Fault(expected)), "{token_type}");
    }
}

/// 403 is for whoever has a valid token: a forged one without the scope is answered with 401.
#[test]
fn a_missing_scope_is_told_only_to_a_valid_token() {
    let mut bench = Bench::with_key();
    let claims = claims_with("scope", json!("payments"));
    assert_eq!(bench.judge(&SigningKey::second().token(HEADER, &claims)), Err(AccessTokenError::Signature));
    assert_eq!(bench.judge(&SigningKey::first().token(HEADER, &claims)), fault(AccessTokenFault::ScopeMissing));
}

#[test]
fn a_token_is_bound_to_the_peers_certificate_unless_that_is_switched_off() {
    let good = SigningKey::first().token(HEADER, &claims().to_string());
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("cnf");
    let unbound = SigningKey::first().token(HEADER, &claims.to_string());
    let mut bench = Bench::with_key();
    for (fingerprint, expected) in [
        (Some(OURS), Ok(Some("j1".to_owned()))),
        (Some([8; 32]), fault(AccessTokenFault::BoundToAnother)),
        (None, fault(AccessTokenFault::FingerprintUnknown)),
    ] {
        bench.certificate = certificate(fingerprint);
        assert_eq!(bench.judge(&good), expected, "{fingerprint:?}");
    }
    let mut bench =
        Bench::new(config::ClientCredentials { certificate_bound: false, ..settings(jwt(&[Algorithm::Ps256])) });
    bench.fetch(0, &json!({"keys": [SigningKey::first().jwk("k")]}).to_string());
    bench.certificate = certificate(None);
    assert_eq!(bench.judge(&unbound), Ok(Some("j1".to_owned())));
    assert_eq!(bench.judge(&good), fault(AccessTokenFault::FingerprintUnknown), "it is bound, although it need not be");
    bench.certificate = certificate(Some([8; 32]));
    assert_eq!(bench.judge(&good), fault(AccessTokenFault::BoundToAnother));
}

#[test]
fn without_keys_nothing_is_accepted_and_the_caller_is_told_when_to_come_back() {
    let mut bench = Bench::new(settings(jwt(&[Algorithm::Ps256])));
    let good = SigningKey::first().token(HEADER, &claims().to_string());
    let callout = bench.callout(0, &good);
    let url = HttpUrl::parse(JWKS).unwrap();
    bench.method.keys().unwrap().finish(at(0), callout.id, &url, Err(CalloutError::NoAnswer)).unwrap();
    let expected = AccessTokenError::KeysUnavailable { retry_after: Duration::from_secs(1) };
    assert_eq!(bench.judge(&good), Err(expected));
    assert_eq!(bench.present(0, &good, CalloutPermission::Allowed).unwrap_err(), expected);
}

fn response() -> Json {
    let mut response = claims();
    response["active"] = json!(true);
    response
}

#[test]
fn an_opaque_token_is_asked_about_and_then_known() {
    let mut bench = Bench::new(settings(opaque()));
    let callout = bench.callout(0, "opaque");
    assert_eq!(callout.subject, CalloutSubject::Token(TokenDigest::of("opaque")));
    assert_eq!((callout.request.upstream.as_str(), callout.request.method), ("as", "POST"));
    assert_eq!(callout.request.headers[2].1, "Basic ZmlsdGVyOnMzY3JldA==");
    let Ok(Readiness::Wait(waits)) = bench.present(0, "opaque", CalloutPermission::Allowed) else { panic!() };
    assert_eq!(waits, Wait { subject: callout.subject, callout: None });
    let body = response().to_string();
    let cache = bench.method.introspection().unwrap();
    cache.finish(at(0), callout.id, &TokenDigest::of("opaque"), Ok(body.as_bytes()), None).unwrap();
    assert_eq!(bench.judge("opaque"), Ok(Some("j1".to_owned())));
    assert_eq!(bench.evidence.key_id, None);
}

/// A JWT is nobody's to read but the server's, where the server is to be asked.
#[test]
fn where_the_server_is_asked_it_is_asked_about_every_token() {
    let mut bench = Bench::new(settings(opaque()));
    let jwt = SigningKey::first().token(HEADER, &claims().to_string());
    assert_eq!(bench.callout(0, &jwt).subject, CalloutSubject::Token(TokenDigest::of(&jwt)));
    assert!(bench.method.keys().is_none());
    let longest = "t".repeat(MAX_TOKEN_LENGTH);
    bench.callout(0, &longest);
    assert_eq!(bench.judge(&format!("{longest}t")), Err(AccessTokenError::Malformed(JwsError::TooLong)));
}

#[test]
fn the_servers_word_is_held_to_the_same_rules() {
    type Change = fn(&mut Json);
    let cases: [(Change, Result<Option<String>, AccessTokenError>); 10] = [
        (|_| (), Ok(Some("j1".to_owned()))),
        (|r| r["active"] = json!(false), Err(AccessTokenError::Inactive)),
        (|r| r["exp"] = json!("soon"), fault(AccessTokenFault::Invalid(Claim::Expiry, Fault::WrongType))),
        (|r| r["exp"] = json!(T0 - 11), fault(AccessTokenFault::Invalid(Claim::Expiry, Fault::Passed))),
        (|r| r["iss"] = json!("other"), fault(AccessTokenFault::Invalid(Claim::Issuer, Fault::Mismatch))),
        (
            |r| drop(r.as_object_mut().unwrap().remove("aud")),
            fault(AccessTokenFault::Invalid(Claim::Audience, Fault::Missing)),
        ),
        (|r| drop(r.as_object_mut().unwrap().remove("exp")), Ok(Some("j1".to_owned()))),
        (|r| r["cnf"] = json!({"x5t#S256": b64(&[8; 32])}), fault(AccessTokenFault::BoundToAnother)),
        (|r| r["scope"] = json!("payments"), fault(AccessTokenFault::ScopeMissing)),
        (|r| r["token_type"] = json!("DPoP"), fault(AccessTokenFault::Invalid(Claim::TokenType, Fault::Mismatch))),
    ];
    for (change, expected) in cases {
        let mut bench = Bench::new(settings(opaque()));
        let mut response = response();
        change(&mut response);
        bench.introspect(0, "opaque", &response);
        assert_eq!(bench.judge("opaque"), expected, "{response}");
    }
}

/// What is kept of a token is not what was decided on it.
#[test]
fn a_known_token_is_judged_again_for_each_certificate_and_at_each_time() {
    let mut bench = Bench::new(settings(opaque()));
    let mut response = response();
    response["nbf"] = json!(T0 + 15);
    bench.introspect(0, "opaque", &response);
    let early = AccessTokenFault::Invalid(Claim::NotBefore, Fault::NotReached);
    assert_eq!(bench.present(4, "opaque", CalloutPermission::Allowed).unwrap_err(), AccessTokenError::Fault(early));
    assert!(matches!(bench.present(5, "opaque", CalloutPermission::Allowed), Ok(Readiness::Ready(_))));
    bench.certificate = certificate(Some([8; 32]));
    let stolen = AccessTokenFault::BoundToAnother;
    assert_eq!(bench.present(5, "opaque", CalloutPermission::Allowed).unwrap_err(), AccessTokenError::Fault(stolen));
}

#[test]
fn a_server_that_does_not_answer_is_no_reason_to_accept_or_to_call_a_token_inactive() {
    let mut bench = Bench::new(settings(opaque()));
    let callout = bench.callout(0, "opaque");
    let cache = bench.method.introspection().unwrap();
    cache.finish(at(0), callout.id, &TokenDigest::of("opaque"), Err(CalloutError::Status(500)), None).unwrap();
    let expected = AccessTokenError::IntrospectionUnavailable { retry_after: Duration::from_secs(1) };
    assert_eq!(bench.judge("opaque"), Err(expected));
}

#[test]
fn a_token_that_the_server_does_not_confirm_is_refused_and_no_other() {
    for answer in [Err(CalloutError::Status(400)), Ok(&b"{}"[..]), Ok(b"<html>")] {
        let mut bench = Bench::new(settings(opaque()));
        let callout = bench.callout(0, "odd");
        let cache = bench.method.introspection().unwrap();
        cache.finish(at(0), callout.id, &TokenDigest::of("odd"), answer, None).unwrap();
        assert_eq!(bench.judge("odd"), Err(AccessTokenError::Unconfirmed));
        bench.callout(0, "good");
    }
}

#[test]
fn neither_token_nor_secret_is_printed() {
    let mut bench = Bench::new(settings(opaque()));
    bench.introspect(0, "opaque-token", &response());
    let printed = format!("{:?}", bench.method);
    assert!(!printed.contains("s3cret") && !printed.contains("opaque-token"), "{printed}");
    assert!(!printed.contains("ZmlsdGVyOnMzY3JldA"), "{printed}");
}

#[test]
fn where_nobody_can_be_woken_each_request_makes_its_own_callout() {
    for validation in [jwt(&[Algorithm::Ps256]), opaque()] {
        for (gateway, own) in [(GatewayKind::Envoy, false), (GatewayKind::Kong, true), (GatewayKind::Apisix, true)] {
            let capabilities = gateway.capabilities(None, true);
            let mut bench = Bench::new(settings(validation.clone()));
            bench.method = ClientCredentials::new(settings(validation.clone()), &capabilities);
            let token = SigningKey::first().token(HEADER, &claims().to_string());
            bench.callout(0, &token);
            let Ok(Readiness::Wait(needs)) = bench.present(0, &token, CalloutPermission::Allowed) else { panic!() };
            assert_eq!(needs.callout.is_some(), own, "{gateway:?}");
        }
    }
}
