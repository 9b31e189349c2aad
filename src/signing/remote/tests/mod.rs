//! The rules of the remote signer: what is asked, how often, for how long, and which answers count.

mod access_tokens;
mod keys;

use super::*;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::callout::Request;
use crate::config;
use crate::config::{Credential, Patience, RemoteKey, Secret, Signer, VaultToken};
use crate::gateway::kinds::GatewayKind;
use crate::request::NonceInput;
use crate::rsa::RsaPublicKey;
use crate::signing::nonce::Nonces;
use crate::testing::{SigningKey, b64};
use crate::time::UnixTime;
use crate::url::HttpUrl;
use serde_json::{Value as Json, json};

const T0: u64 = 1_795_253_400_000;
const FIRST: RequestId = RequestId(1);
const SECOND: RequestId = RequestId(2);

fn at(milliseconds: u64) -> Moment {
    Moment::by_wall_clock(UnixTime::from_millis(T0 + milliseconds))
}

/// Two seconds a try, five in all.
fn settings() -> config::VaultTransit {
    let key = SigningKey::first();
    config::VaultTransit {
        url: HttpUrl::parse("https://bao.example/v1/transit/sign/sig4/sha2-256").unwrap(),
        key_url: HttpUrl::parse("https://bao.example/v1/transit/keys/sig4").unwrap(),
        namespace: None,
        token: VaultToken::Given(Credential::Secret(Secret::new("s.secret"))),
        key_version: None,
        remote: RemoteKey {
            upstream: "bao".into(),
            key_id: "sig4-2026".into(),
            public_key: Some(RsaPublicKey::new(&key.modulus(), &key.exponent()).unwrap()),
            patience: Patience { timeout: Duration::from_secs(2), deadline: Duration::from_secs(5) },
        },
    }
}

/// The same with this public key, or without one.
fn with_key(public_key: Option<RsaPublicKey>) -> config::VaultTransit {
    config::VaultTransit { remote: RemoteKey { public_key, ..settings().remote }, ..settings() }
}

/// The same with this deadline.
fn with_deadline(seconds: u64) -> config::VaultTransit {
    let patience = Patience { deadline: Duration::from_secs(seconds), ..settings().remote.patience };
    config::VaultTransit { remote: RemoteKey { patience, ..settings().remote }, ..settings() }
}

/// The same without a public key: the signer is asked for it.
fn unpinned() -> config::VaultTransit {
    with_key(None)
}

fn token_for(audience: &str) -> UnsignedToken {
    let signing = config::Signing {
        issuer: "Acme Bank".into(),
        subject: "XYZ".into(),
        audience: audience.into(),
        lifetime: Duration::from_secs(30),
        signer: Signer::VaultTransit(Box::new(settings())),
    };
    UnsignedToken::mint(&signing, "sig4-2026", &Nonces::new().next(at(0).wall, &NonceInput::default()), at(0).wall)
}

/// The answer that carries the right signature for this token.
fn signed(token: &UnsignedToken) -> Vec<u8> {
    signed_by(SigningKey::first(), 1, token)
}

/// The answer that carries a signature by this version of the key.
fn signed_by(key: &SigningKey, version: u32, token: &UnsignedToken) -> Vec<u8> {
    answer_with(version, &key.sign(token.signing_input().as_bytes()))
}

fn answer_with(version: u32, signature: &[u8]) -> Vec<u8> {
    json!({"data": {"signature": format!("vault:v{version}:{}", b64(signature))}}).to_string().into_bytes()
}

/// Asks Vault, as these settings want it, through Envoy.
pub(super) fn vault() -> RemoteSigning {
    RemoteSigning::new(Box::new(VaultTransit::new(settings())), &GatewayKind::Envoy.capabilities(None, false))
}

/// The signature on this signing input that a signer reads in this answer.
pub(super) fn read_by(
    signer: impl RemoteSigner + 'static,
    body: &[u8],
    signing_input: &str,
) -> Result<Vec<u8>, AnswerFault> {
    let signing = RemoteSigning::new(Box::new(signer), &GatewayKind::Envoy.capabilities(None, false));
    let signature = signing.read(body)?;
    if !signing.preparations.keys.is_unknown() {
        signing.preparations.keys.verify(signing_input.as_bytes(), &signature)?;
    }
    Ok(signature.bytes)
}

/// The remote signer and the tokens that wait for it, with short names for what the tests do with them.
struct Bench(RemoteSigning, BTreeMap<RequestId, Box<PendingToken>>);

impl Bench {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: config::VaultTransit) -> Self {
        Self::within(GatewayKind::Envoy, settings)
    }

    fn within(kind: GatewayKind, settings: config::VaultTransit) -> Self {
        let signer = Box::new(VaultTransit::new(settings));
        Self(RemoteSigning::new(signer, &kind.capabilities(None, false)), BTreeMap::new())
    }

    fn start(&mut self, millisecond: u64, request: RequestId) -> Callout {
        self.start_with(millisecond, request, token_for("hub"))
    }

    fn start_with(&mut self, millisecond: u64, request: RequestId, token: UnsignedToken) -> Callout {
        match self.begin(millisecond, request, token) {
            Need::Signature(callout) => callout,
            Need::Preparation(wait) => panic!("{wait:?}"),
        }
    }

    fn begin(&mut self, millisecond: u64, request: RequestId, token: UnsignedToken) -> Need {
        let started = self.0.start(at(millisecond), request, token, Correlation::default(), true);
        let (pending, need) = started.expect("room");
        self.1.insert(request, pending);
        need
    }

    fn finish(
        &mut self,
        millisecond: u64,
        callout: &Callout,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<RemoteStep> {
        let CalloutSubject::Signature(request) = callout.subject else { panic!("{:?}", callout.subject) };
        let pending = self.1.remove(&request)?;
        match self.0.finish(at(millisecond), callout.id, request, pending, answer, true) {
            Err(pending) => {
                self.1.insert(request, pending);
                None
            }
            Ok(step) => Some(step),
        }
    }

    /// Ends a preparation.
    fn prepared(
        &mut self,
        millisecond: u64,
        fetch: &Callout,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<Result<(), RemoteError>> {
        let preparation = Preparation::of(&fetch.subject).expect("a preparation");
        self.0.finish_preparation(at(millisecond), fetch.id, preparation, answer).map(|result| result.map(drop))
    }

    /// What becomes of a token that waited for one.
    fn go_on_after(
        &mut self,
        millisecond: u64,
        request: RequestId,
        preparation: Preparation,
        result: Result<(), RemoteError>,
    ) -> RemoteStep {
        let pending = self.1.remove(&request).expect("a token that waits");
        self.0.go_on(at(millisecond), request, pending, preparation, result, true)
    }

    /// Keeps a token that still waits, and makes what it waits for its callout.
    fn next(&mut self, request: RequestId, step: RemoteStep) -> Option<Callout> {
        let RemoteStep::Pending { pending, need, .. } = step else { panic!("{step:?}") };
        self.1.insert(request, pending);
        match need {
            Need::Signature(callout) => Some(callout),
            Need::Preparation(wait) => wait.callout,
        }
    }

    /// The second callout, after this end of the first.
    fn again(&mut self, millisecond: u64, callout: &Callout, answer: Result<&[u8], CalloutError>) -> Callout {
        match self.finish(millisecond, callout, answer) {
            Some(RemoteStep::Pending { pending, need: Need::Signature(callout), error: Some(_) }) => {
                let CalloutSubject::Signature(request) = callout.subject else { panic!("{:?}", callout.subject) };
                self.1.insert(request, pending);
                callout
            }
            other => panic!("a second try was expected, not {other:?}"),
        }
    }
}

/// What became of a token, in a word.
fn outcome(step: Option<&RemoteStep>) -> &'static str {
    match step {
        None => "nothing",
        Some(RemoteStep::Signed { .. }) => "signed",
        Some(RemoteStep::Pending { need: Need::Signature(_), .. }) => "again",
        Some(RemoteStep::Pending { need: Need::Preparation(wait), .. }) => match Preparation::of(&wait.subject) {
            Some(Preparation::AccessToken) => "token",
            _ => "keys",
        },
        Some(RemoteStep::Failed { .. }) => "failed",
    }
}

fn body(callout: &Callout) -> Json {
    serde_json::from_slice(&callout.request.body).unwrap()
}

#[test]
fn the_request_is_the_one_of_the_transit_engine() {
    let callout = Bench::new().start(0, FIRST);
    assert_eq!(callout.subject, CalloutSubject::Signature(FIRST));
    let Request { upstream, method, url, headers, timeout, .. } = &*callout.request;
    assert_eq!((upstream.as_str(), *method), ("bao", "POST"));
    assert_eq!(url.as_str(), "https://bao.example/v1/transit/sign/sig4/sha2-256");
    assert_eq!(*timeout, Duration::from_secs(2));
    let expected = [
        ("accept", "application/json"),
        ("x-vault-token", "s.secret"),
        ("x-vault-request", "true"),
        ("content-type", "application/json"),
    ];
    assert_eq!(*headers, expected.map(|(name, value)| (name, value.to_owned())));
    assert_eq!(
        body(&callout),
        json!({
            "input": STANDARD.encode(token_for("hub").signing_input()),
            "signature_algorithm": "pss",
            "salt_length": "hash",
            "marshaling_algorithm": "jws",
        })
    );
}

#[test]
fn a_namespace_is_named_if_one_is_configured() {
    let mut bench = Bench::with(config::VaultTransit { namespace: Some("bank/sandbox".into()), ..settings() });
    let callout = bench.start(0, FIRST);
    assert!(callout.request.headers.contains(&("x-vault-namespace", "bank/sandbox".to_owned())));
}

#[test]
fn a_version_of_the_key_is_named_if_one_is_configured() {
    let mut bench = Bench::with(config::VaultTransit { key_version: Some(7), ..settings() });
    assert_eq!(body(&bench.start(0, FIRST))["key_version"], json!(7));
}

#[test]
fn a_right_answer_signs_the_token_that_it_was_asked_for() {
    let mut bench = Bench::new();
    let token = token_for("hub");
    let callout = bench.start_with(0, FIRST, token.clone());
    let Some(RemoteStep::Signed { token: given, signature, .. }) = bench.finish(20, &callout, Ok(&signed(&token)))
    else {
        panic!()
    };
    assert_eq!(given, token);
    settings().remote.public_key.unwrap().verify_ps256(token.signing_input().as_bytes(), &signature).unwrap();
    assert_eq!(bench.0.pending(), 0);
}

/// Each token with the signature that was made for it: the other one would not verify.
#[test]
fn tokens_that_wait_at_once_do_not_take_each_others_signatures() {
    let mut bench = Bench::new();
    let (token, other) = (token_for("hub"), token_for("other hub"));
    let callout = bench.start_with(0, FIRST, token.clone());
    let second = bench.start_with(1, SECOND, other.clone());
    assert_eq!(bench.0.pending(), 2);
    assert_ne!(callout.id, second.id);
    let step = bench.finish(10, &second, Ok(&signed(&other)));
    assert!(matches!(step, Some(RemoteStep::Signed { token, .. }) if token == other));
    let step = bench.finish(11, &callout, Ok(&signed(&other)));
    assert!(
        matches!(step, Some(RemoteStep::Pending { error: Some(RemoteError::Wrong(AnswerFault::Mismatch)), .. })),
        "{step:?}"
    );
}

#[test]
fn a_failure_that_may_pass_is_tried_once_more_and_never_a_third_time() {
    let garbage: Result<&[u8], CalloutError> = Ok(b"<html>");
    let wrong = signed(&token_for("other hub"));
    for answer in [
        Err(CalloutError::NoAnswer),
        Err(CalloutError::Incomplete),
        Err(CalloutError::TooLong),
        Err(CalloutError::Status(500)),
        Err(CalloutError::Status(503)),
        Err(CalloutError::StatusAlone(503)),
        garbage,
        Ok(&wrong),
        Ok(b""),
    ] {
        let mut bench = Bench::new();
        let callout = bench.start(0, FIRST);
        let second = bench.again(10, &callout, answer);
        assert_ne!(second.id, callout.id);
        assert_eq!((&second.subject, &second.request), (&callout.subject, &callout.request), "the same is asked");
        assert_eq!(bench.0.pending(), 1);
        assert_eq!(outcome(bench.finish(20, &second, answer).as_ref()), "failed", "{answer:?}");
        assert_eq!(bench.0.pending(), 0);
    }
}

#[test]
fn a_second_try_may_succeed() {
    let mut bench = Bench::new();
    let callout = bench.start(0, FIRST);
    let second = bench.again(10, &callout, Err(CalloutError::Status(500)));
    let step = bench.finish(20, &second, Ok(&signed(&token_for("hub"))));
    assert!(matches!(step, Some(RemoteStep::Signed { .. })));
}

#[test]
fn a_second_try_says_why_it_is_made() {
    let mut bench = Bench::new();
    let callout = bench.start(0, FIRST);
    let step = bench.finish(10, &callout, Err(CalloutError::Status(503)));
    let expected = RemoteError::Unavailable(CalloutError::Status(503));
    assert!(matches!(step, Some(RemoteStep::Pending { error, .. }) if error == Some(expected)));
}

#[test]
fn a_failure_that_stays_is_not_tried_again() {
    for error in [
        CalloutError::NotDispatched,
        CalloutError::Status(400),
        CalloutError::Status(403),
        CalloutError::Status(404),
        CalloutError::Status(429),
    ] {
        let mut bench = Bench::new();
        let callout = bench.start(0, FIRST);
        assert_eq!(outcome(bench.finish(10, &callout, Err(error)).as_ref()), "failed", "{error:?}");
        assert_eq!(bench.0.pending(), 0);
    }
}

/// What the second one would be sent with is what the first one was sent with, and about to be freed.
#[test]
fn where_an_unanswered_callout_cannot_be_repeated_there_is_no_second_try_but_after_an_answer_with_a_body() {
    let kong = || Bench::within(GatewayKind::Kong, settings());
    let wrong = signed(&token_for("other hub"));
    let garbage: Result<&[u8], CalloutError> = Ok(b"<html>");
    for answer in [Err(CalloutError::Status(412)), Err(CalloutError::Status(503)), garbage, Ok(&wrong)] {
        let mut bench = kong();
        let callout = bench.start(0, FIRST);
        let second = bench.again(10, &callout, answer);
        let end = bench.finish(20, &second, Ok(&signed(&token_for("hub"))));
        assert_eq!(outcome(end.as_ref()), "signed", "{answer:?}");
    }
    let unavailable = |error| (Err(error), RemoteError::Unavailable(error));
    let empty: Result<&[u8], CalloutError> = Ok(b"");
    for (answer, expected) in [
        unavailable(CalloutError::NoAnswer),
        unavailable(CalloutError::Incomplete),
        unavailable(CalloutError::StatusAlone(307)),
        unavailable(CalloutError::StatusAlone(412)),
        unavailable(CalloutError::StatusAlone(500)),
        (empty, RemoteError::Unrepeated),
        (Err(CalloutError::StatusAlone(204)), RemoteError::Unrepeated),
        (Err(CalloutError::StatusAlone(403)), RemoteError::Refused(403)),
    ] {
        let mut bench = kong();
        let callout = bench.start(0, FIRST);
        let end = bench.finish(10, &callout, answer);
        assert!(matches!(end, Some(RemoteStep::Failed { error, .. }) if error == expected), "{answer:?}: {end:?}");
        assert_eq!(expected.is_unavailable(), expected != RemoteError::Refused(403), "{answer:?}");
    }
}

#[test]
fn a_second_try_needs_time_before_the_deadline() {
    for (millisecond, step) in [(4_900, "again"), (4_901, "failed"), (6_000, "failed")] {
        let mut bench = Bench::new();
        let callout = bench.start(0, FIRST);
        let end = bench.finish(millisecond, &callout, Err(CalloutError::NoAnswer));
        assert_eq!(outcome(end.as_ref()), step, "{millisecond}");
    }
}

#[test]
fn no_try_may_take_longer_than_is_left() {
    let mut bench = Bench::new();
    let callout = bench.start(0, FIRST);
    assert_eq!(bench.again(3_500, &callout, Err(CalloutError::NoAnswer)).request.timeout, Duration::from_millis(1_500));
    let mut bench = Bench::with(with_deadline(1));
    assert_eq!(bench.start(0, FIRST).request.timeout, Duration::from_secs(1));
}

#[test]
fn a_signature_that_comes_after_the_deadline_does_not_count() {
    for (millisecond, step) in [(5_000, "signed"), (5_001, "failed")] {
        let mut bench = Bench::new();
        let callout = bench.start(0, FIRST);
        let second = bench.again(4_000, &callout, Err(CalloutError::NoAnswer));
        let end = bench.finish(millisecond, &second, Ok(&signed(&token_for("hub"))));
        assert_eq!(outcome(end.as_ref()), step, "{millisecond}");
        assert!(!matches!(end, Some(RemoteStep::Failed { error, .. }) if error != RemoteError::Late));
    }
}

/// Some gateways let a server that drips outlive the timeout.
#[test]
fn a_try_that_took_longer_than_it_may_brought_no_answer_and_is_made_once_more() {
    let signed = signed(&token_for("hub"));
    for answer in [Ok(signed.as_slice()), Err(CalloutError::Status(403))] {
        let mut bench = Bench::new();
        let callout = bench.start(0, FIRST);
        let step = bench.finish(2_001, &callout, answer);
        let no_answer = RemoteError::Unavailable(CalloutError::NoAnswer);
        let Some(RemoteStep::Pending { pending, need: Need::Signature(callout), error }) = step else {
            panic!("{step:?}")
        };
        bench.1.insert(FIRST, pending);
        assert_eq!(error, Some(no_answer));
        let end = bench.finish(4_002, &callout, answer);
        assert!(matches!(end, Some(RemoteStep::Failed { error, .. }) if error == no_answer), "{end:?}");
    }
    let mut bench = Bench::new();
    let callout = bench.start(0, FIRST);
    assert_eq!(outcome(bench.finish(2_000, &callout, Ok(&signed)).as_ref()), "signed");
    let callout = bench.start(0, FIRST);
    let second = bench.again(2_001, &callout, Ok(&signed));
    assert_eq!(outcome(bench.finish(4_001, &second, Ok(&signed)).as_ref()), "signed", "each try has its own time");
    let mut bench = Bench::with(with_deadline(1));
    let callout = bench.start(0, FIRST);
    let end = bench.finish(1_001, &callout, Err(CalloutError::Status(403)));
    assert!(
        matches!(end, Some(RemoteStep::Failed { error, .. }) if error == RemoteError::Unavailable(CalloutError::NoAnswer)),
        "{end:?}"
    );
}

#[test]
fn a_try_from_the_future_brought_no_answer_because_the_clock_was_set_back() {
    let mut bench = Bench::new();
    for (now, expected) in [(998, "again"), (999, "signed"), (1_999, "signed")] {
        let callout = bench.start(1_999, FIRST);
        let end = bench.finish(now, &callout, Ok(&signed(&token_for("hub"))));
        assert_eq!(outcome(end.as_ref()), expected, "{now}: a small step back changes nothing");
    }
}

#[test]
fn an_answer_counts_once_and_only_for_its_own_callout() {
    let mut bench = Bench::new();
    let answer = signed(&token_for("hub"));
    let callout = bench.start(0, FIRST);
    let second = bench.again(10, &callout, Err(CalloutError::NoAnswer));
    assert_eq!(outcome(bench.finish(20, &callout, Ok(&answer)).as_ref()), "nothing", "of the callout before");
    let elsewhere = Callout { subject: CalloutSubject::Signature(SECOND), ..second.clone() };
    assert_eq!(outcome(bench.finish(20, &elsewhere, Ok(&answer)).as_ref()), "nothing", "for another request");
    assert_eq!(outcome(bench.finish(20, &second, Ok(&answer)).as_ref()), "signed");
    assert_eq!(outcome(bench.finish(20, &second, Ok(&answer)).as_ref()), "nothing", "a second time");
}

#[test]
fn a_request_that_has_gone_away_is_forgotten() {
    let mut bench = Bench::new();
    let callout = bench.start(0, FIRST);
    let second = bench.start(0, SECOND);
    bench.0.forget(FIRST);
    assert_eq!(bench.0.pending(), 1);
    assert_eq!(outcome(bench.finish(10, &callout, Ok(&signed(&token_for("hub")))).as_ref()), "nothing");
    assert_eq!(outcome(bench.finish(10, &second, Ok(&signed(&token_for("hub")))).as_ref()), "signed");
}

#[test]
fn a_request_that_asks_anew_forgets_what_it_asked_before() {
    let mut bench = Bench::new();
    let callout = bench.start(0, FIRST);
    let anew = bench.start(10, FIRST);
    assert_eq!(bench.0.pending(), 1);
    let answer = signed(&token_for("hub"));
    assert_eq!(outcome(bench.finish(20, &callout, Ok(&answer)).as_ref()), "nothing");
    assert_eq!(outcome(bench.finish(20, &anew, Ok(&answer)).as_ref()), "signed");
}

#[test]
fn a_callout_that_nobody_reported_on_is_lost_after_a_while() {
    let mut bench = Bench::new();
    let callout = bench.start(0, FIRST);
    assert_eq!(bench.0.timed_out(at(7_000).steady), []);
    assert_eq!(bench.0.timed_out(at(7_001).steady), [(callout.id, FIRST)]);
    // Two seconds a try, and the second one has begun later.
    let mut bench = Bench::with(with_deadline(60));
    let callout = bench.start(0, FIRST);
    let second = bench.again(8_000, &callout, Err(CalloutError::NoAnswer));
    assert_eq!(bench.0.timed_out(at(15_000).steady), []);
    assert_eq!(bench.0.timed_out(at(15_001).steady), [(second.id, FIRST)]);
}

#[test]
fn a_callout_from_the_future_is_lost_because_the_clock_was_set_back() {
    let mut bench = Bench::new();
    let callout = bench.start(2_000, FIRST);
    assert_eq!(bench.0.timed_out(at(1_000).steady), []);
    assert_eq!(bench.0.timed_out(at(999).steady), [(callout.id, FIRST)]);
}

#[test]
fn the_signer_does_not_print_its_token() {
    let mut bench = Bench::new();
    let callout = bench.start(0, FIRST);
    let printed = format!("{:?} {:?} {callout:?}", bench.0, VaultTransit::new(settings()));
    assert!(!printed.contains("s.secret"), "{printed}");
    assert!(printed.contains("[redacted]"), "{printed}");
}
