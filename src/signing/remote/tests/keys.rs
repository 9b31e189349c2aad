//! Where no public key is configured, the signer is asked for it: nothing leaves that was not verified.

use super::*;

/// The answer to the request for the public keys, with these versions.
fn told(keys: &[(u32, &SigningKey)]) -> Vec<u8> {
    let keys: serde_json::Map<_, _> =
        keys.iter().map(|(version, key)| (version.to_string(), json!({"public_key": key.public_pem()}))).collect();
    json!({"data": {"keys": keys}}).to_string().into_bytes()
}

fn first() -> Vec<u8> {
    told(&[(1, SigningKey::first())])
}

fn both() -> Vec<u8> {
    told(&[(1, SigningKey::first()), (2, SigningKey::second())])
}

impl Bench {
    /// Asks for a token, which waits for the public keys: the fetch, unless one is in flight.
    fn start_without_keys(&mut self, millisecond: u64, request: RequestId) -> Option<Callout> {
        match self.begin(millisecond, request, token_for("hub")) {
            Need::Preparation(wait) => wait.callout,
            Need::Signature(callout) => panic!("{callout:?}"),
        }
    }

    /// Ends a fetch, and has this token go on.
    fn fetched(
        &mut self,
        millisecond: u64,
        fetch: &Callout,
        answer: Result<&[u8], CalloutError>,
        request: RequestId,
    ) -> RemoteStep {
        assert_eq!(fetch.subject, CalloutSubject::SignerKeys);
        let keys = self.prepared(millisecond, fetch, answer).expect("a fetch that counts");
        self.go_on(millisecond, request, keys)
    }

    fn go_on(&mut self, millisecond: u64, request: RequestId, keys: Result<(), RemoteError>) -> RemoteStep {
        self.go_on_after(millisecond, request, Preparation::PublicKeys, keys)
    }

    /// One that has fetched the first version.
    fn with_first_key(kind: GatewayKind) -> Self {
        let mut bench = Self::within(kind, unpinned());
        let fetch = bench.start_without_keys(0, FIRST).expect("a fetch");
        let step = bench.fetched(1, &fetch, Ok(&first()), FIRST);
        let callout = bench.next(FIRST, step).expect("a callout");
        let end = bench.finish(2, &callout, Ok(&signed(&token_for("hub"))));
        assert_eq!(outcome(end.as_ref()), "signed");
        bench
    }
}

const KINDS: [GatewayKind; 3] = [GatewayKind::Envoy, GatewayKind::Kong, GatewayKind::Apisix];

#[test]
fn the_public_keys_are_fetched_first_and_once() {
    for kind in KINDS {
        let mut bench = Bench::within(kind, unpinned());
        let fetch = bench.start_without_keys(0, FIRST).expect("a fetch");
        assert_eq!((fetch.request.method, fetch.request.url.path()), ("GET", "/v1/transit/keys/sig4"));
        assert!(fetch.request.body.is_empty());
        let step = bench.fetched(10, &fetch, Ok(&first()), FIRST);
        let callout = bench.next(FIRST, step).expect("a callout");
        assert_eq!(callout.subject, CalloutSubject::Signature(FIRST));
        let end = bench.finish(20, &callout, Ok(&signed(&token_for("hub"))));
        assert_eq!(outcome(end.as_ref()), "signed");
        bench.start(30, SECOND);
    }
}

#[test]
fn a_signature_that_does_not_verify_never_leaves() {
    let token = token_for("hub");
    let message = token.signing_input().as_bytes();
    for (what, answer) in [
        ("PKCS #1 v1.5", answer_with(1, &SigningKey::first().sign_rs256(message))),
        ("another key", signed_by(SigningKey::second(), 1, &token)),
        ("another token", signed(&token_for("other hub"))),
        ("another length", answer_with(1, &[7; 384])),
        ("a version that there is not", signed_by(SigningKey::first(), 2, &token)),
    ] {
        for kind in KINDS {
            let mut bench = Bench::with_first_key(kind);
            let callout = bench.start(100, FIRST);
            let step = bench.finish(110, &callout, Ok(&answer)).expect("a step");
            assert_eq!(outcome(Some(&step)), "keys", "{what}: the key may be new");
            let fetch = bench.next(FIRST, step).expect("a fetch");
            let step = bench.fetched(120, &fetch, Ok(&first()), FIRST);
            assert_eq!(outcome(Some(&step)), "again", "{what}");
            let callout = bench.next(FIRST, step).expect("a callout");
            let end = bench.finish(130, &callout, Ok(&answer));
            assert_eq!(outcome(end.as_ref()), "failed", "{what}");

            // For a while nothing more is fetched for such a signature.
            for (millisecond, expected) in [(200, "again"), (10_119, "again"), (10_120, "keys")] {
                let callout = bench.start(millisecond, FIRST);
                let step = bench.finish(millisecond, &callout, Ok(&answer));
                assert_eq!(outcome(step.as_ref()), expected, "{what} at {millisecond}");
            }
        }
    }
}

#[test]
fn after_a_rotation_the_keys_are_fetched_for_the_signature_that_came() {
    for kind in KINDS {
        let mut bench = Bench::with_first_key(kind);
        let token = token_for("hub");
        let callout = bench.start(100, FIRST);
        let step = bench.finish(110, &callout, Ok(&signed_by(SigningKey::second(), 2, &token))).expect("a step");
        let expected = RemoteError::Wrong(AnswerFault::UnknownVersion);
        assert!(matches!(step, RemoteStep::Pending { error, .. } if error == Some(expected)), "{step:?}");
        let fetch = bench.next(FIRST, step).expect("a fetch");
        let step = bench.fetched(120, &fetch, Ok(&both()), FIRST);
        let RemoteStep::Signed { signature, .. } = step else { panic!("{step:?}") };
        let key = RsaPublicKey::from_pem(&SigningKey::second().public_pem()).unwrap();
        key.verify_ps256(token.signing_input().as_bytes(), &signature).unwrap();

        // Both versions are known now, and a further one is asked for at once.
        for (millisecond, version, key, expected) in [
            (130, 1, SigningKey::first(), "signed"),
            (140, 2, SigningKey::second(), "signed"),
            (150, 3, SigningKey::first(), "keys"),
        ] {
            let callout = bench.start(millisecond, FIRST);
            let step = bench.finish(millisecond, &callout, Ok(&signed_by(key, version, &token)));
            assert_eq!(outcome(step.as_ref()), expected, "{version}");
        }
    }
}

#[test]
fn a_key_that_was_made_anew_under_its_version_is_noticed() {
    let mut bench = Bench::with_first_key(GatewayKind::Envoy);
    let callout = bench.start(100, FIRST);
    let token = token_for("hub");
    let step = bench.finish(110, &callout, Ok(&signed_by(SigningKey::second(), 1, &token))).expect("a step");
    let fetch = bench.next(FIRST, step).expect("a fetch");
    let step = bench.fetched(120, &fetch, Ok(&told(&[(1, SigningKey::second())])), FIRST);
    assert_eq!(outcome(Some(&step)), "signed");
}

#[test]
fn without_the_public_keys_nothing_is_signed() {
    for (answer, expected) in [
        (Err(CalloutError::Status(403)), RemoteError::Refused(403)),
        (Err(CalloutError::StatusAlone(403)), RemoteError::Refused(403)),
        (Err(CalloutError::Status(404)), RemoteError::Refused(404)),
        (Err(CalloutError::StatusAlone(204)), RemoteError::Refused(204)),
        (Err(CalloutError::Status(429)), RemoteError::Unavailable(CalloutError::Status(429))),
        (Err(CalloutError::NotDispatched), RemoteError::Unavailable(CalloutError::NotDispatched)),
    ] {
        for kind in KINDS {
            let mut bench = Bench::within(kind, unpinned());
            let fetch = bench.start_without_keys(0, FIRST).expect("a fetch");
            let step = bench.fetched(10, &fetch, answer, FIRST);
            assert!(matches!(step, RemoteStep::Failed { error, .. } if error == expected), "{step:?}");
        }
    }
}

#[test]
fn a_fetch_that_may_go_better_is_made_once_more_and_that_is_the_second_try_of_the_token() {
    let [garbage, empty]: [Result<&[u8], CalloutError>; 2] = [Ok(b"<html>"), Ok(b"")];
    for answer in [
        Err(CalloutError::NoAnswer),
        Err(CalloutError::Status(503)),
        Err(CalloutError::StatusAlone(500)),
        Err(CalloutError::Incomplete),
        Err(CalloutError::TooLong),
        garbage,
        empty,
    ] {
        for kind in KINDS {
            let mut bench = Bench::within(kind, unpinned());
            let fetch = bench.start_without_keys(0, FIRST).expect("a fetch");
            let step = bench.fetched(10, &fetch, answer, FIRST);
            let fetch = bench.next(FIRST, step).expect("another fetch");
            assert_eq!(fetch.request.method, "GET", "nothing is lost of a body that it does not have");
            let step = bench.fetched(20, &fetch, Ok(&first()), FIRST);
            let callout = bench.next(FIRST, step).expect("a callout");
            let end = bench.finish(30, &callout, Err(CalloutError::Status(503)));
            assert_eq!(outcome(end.as_ref()), "failed", "{answer:?}");

            let mut bench = Bench::within(kind, unpinned());
            let fetch = bench.start_without_keys(0, FIRST).expect("a fetch");
            let step = bench.fetched(10, &fetch, answer, FIRST);
            let fetch = bench.next(FIRST, step).expect("another fetch");
            let step = bench.fetched(20, &fetch, answer, FIRST);
            assert_eq!(outcome(Some(&step)), "failed", "{answer:?}");
        }
    }
}

#[test]
fn fetch_and_signature_share_the_deadline() {
    let mut bench = Bench::within(GatewayKind::Envoy, unpinned());
    let fetch = bench.start_without_keys(0, FIRST).expect("a fetch");
    assert_eq!(fetch.request.timeout, Duration::from_secs(2));
    let step = bench.fetched(2_000, &fetch, Err(CalloutError::NoAnswer), FIRST);
    let fetch = bench.next(FIRST, step).expect("another fetch");
    let step = bench.fetched(3_500, &fetch, Ok(&first()), FIRST);
    assert_eq!(bench.next(FIRST, step).expect("a callout").request.timeout, Duration::from_millis(1_500));

    for (millisecond, expected) in [(1_000, "again"), (4_999, "again"), (5_000, "failed"), (6_000, "failed")] {
        let mut bench = Bench::within(GatewayKind::Envoy, unpinned());
        let fetch = bench.start_without_keys(0, FIRST).expect("a fetch");
        bench
            .0
            .finish_preparation(at(1_000), fetch.id, Preparation::PublicKeys, Ok(&first()))
            .expect("keys")
            .expect("keys");
        let step = bench.go_on(millisecond, FIRST, Ok(()));
        assert_eq!(outcome(Some(&step)), expected, "{millisecond}");
    }
}

#[test]
fn tokens_wait_for_one_fetch_where_that_belongs_to_the_plugin_and_each_for_its_own_elsewhere() {
    for (kind, shares) in [(GatewayKind::Envoy, true), (GatewayKind::Kong, false), (GatewayKind::Apisix, false)] {
        let mut bench = Bench::within(kind, unpinned());
        let fetch = bench.start_without_keys(0, FIRST).expect("a fetch");
        let other = bench.start_without_keys(1, SECOND);
        assert_eq!(other.is_none(), shares, "{kind:?}");
        let step = bench.fetched(10, &fetch, Ok(&first()), FIRST);
        assert_eq!(outcome(Some(&step)), "again");
        let step = match other {
            None => bench.go_on(10, SECOND, Ok(())),
            Some(other) => bench.fetched(11, &other, Ok(&first()), SECOND),
        };
        assert_eq!(outcome(Some(&step)), "again");
    }
}

#[test]
fn a_fetch_that_began_earlier_takes_nothing_back() {
    let mut bench = Bench::within(GatewayKind::Kong, unpinned());
    let earlier = bench.start_without_keys(0, FIRST).expect("a fetch");
    let later = bench.start_without_keys(1, SECOND).expect("a fetch");
    bench.fetched(10, &later, Ok(&both()), SECOND).outcome_is("again");
    bench.fetched(20, &earlier, Ok(&first()), FIRST).outcome_is("again");
    let callout = bench.start(30, FIRST);
    let end = bench.finish(40, &callout, Ok(&signed_by(SigningKey::second(), 2, &token_for("hub"))));
    assert_eq!(outcome(end.as_ref()), "signed", "the second version is still known");
}

impl RemoteStep {
    #[track_caller]
    fn outcome_is(&self, expected: &str) {
        assert_eq!(outcome(Some(self)), expected);
    }
}

#[test]
fn a_token_that_may_not_wait_gets_nothing_unless_the_keys_are_known() {
    let mut bench = Bench::within(GatewayKind::Envoy, unpinned());
    assert!(bench.0.start(at(0), FIRST, token_for("hub"), Correlation::default(), false).is_none());
    let mut bench = Bench::with_first_key(GatewayKind::Envoy);
    let started = bench.0.start(at(10), FIRST, token_for("hub"), Correlation::default(), false);
    let Some((pending, Need::Signature(callout))) = started else { panic!("{started:?}") };
    let answer = signed_by(SigningKey::second(), 2, &token_for("hub"));
    let step = bench.0.finish(at(20), callout.id, FIRST, pending, Ok(&answer), false).expect("an end that counts");
    step.outcome_is("again");
}

#[test]
fn the_keys_are_fetched_ahead_until_they_have_come_once() {
    let mut bench = Bench::within(GatewayKind::Envoy, unpinned());
    let fetch = bench.0.due(at(0)).expect("a fetch");
    assert!(bench.0.due(at(1_000)).is_none(), "it is in flight");
    assert!(bench.start_without_keys(1_000, FIRST).is_none(), "it serves whoever comes meanwhile");
    bench.fetched(1_500, &fetch, Err(CalloutError::Status(403)), FIRST).outcome_is("failed");
    assert!(bench.0.due(at(2_499)).is_none(), "a pause after a failure");
    let fetch = bench.0.due(at(2_500)).expect("a fetch");
    bench
        .0
        .finish_preparation(at(2_600), fetch.id, Preparation::PublicKeys, Err(CalloutError::NoAnswer))
        .expect("an end that counts")
        .unwrap_err();
    assert!(bench.0.due(at(4_599)).is_none(), "a longer one");
    let fetch = bench.0.due(at(4_600)).expect("a fetch");
    assert_eq!(bench.0.finish_preparation(at(4_700), fetch.id, Preparation::PublicKeys, Ok(&both())), Some(Ok(2)));
    assert!(bench.0.due(at(3_600_000)).is_none());
    bench.start(4_800, FIRST);
}

#[test]
fn nothing_is_fetched_ahead_where_that_is_no_use() {
    let key = settings().remote.public_key;
    for (kind, public_key) in [(GatewayKind::Envoy, key), (GatewayKind::Kong, None), (GatewayKind::Apisix, None)] {
        let mut bench = Bench::within(kind, with_key(public_key));
        assert!(bench.0.due(at(0)).is_none(), "{kind:?}");
    }
}

#[test]
fn a_fetch_that_nobody_reports_on_is_given_up_where_somebody_can_be_woken() {
    for (kind, lost) in [(GatewayKind::Envoy, true), (GatewayKind::Kong, false)] {
        let mut bench = Bench::within(kind, unpinned());
        let fetch = bench.start_without_keys(0, FIRST).expect("a fetch");
        assert_eq!(bench.0.timed_out_preparations(at(7_000).steady), []);
        let expected = if lost { vec![(fetch.id, Preparation::PublicKeys)] } else { vec![] };
        assert_eq!(bench.0.timed_out_preparations(at(7_001).steady), expected);
        assert!(bench.0.due(at(7_001)).is_none(), "what waits is told first");
    }
}

#[test]
fn an_answer_that_is_late_or_of_another_fetch_does_not_count() {
    let mut bench = Bench::within(GatewayKind::Kong, unpinned());
    let fetch = bench.start_without_keys(0, FIRST).expect("a fetch");
    assert!(bench.0.finish_preparation(at(10), fetch.id.next(), Preparation::PublicKeys, Ok(&first())).is_none());
    let late = bench.0.finish_preparation(at(2_001), fetch.id, Preparation::PublicKeys, Ok(&first()));
    assert_eq!(late, Some(Err(RemoteError::Unavailable(CalloutError::NoAnswer))));
    assert!(
        bench.0.finish_preparation(at(2_002), fetch.id, Preparation::PublicKeys, Ok(&first())).is_none(),
        "a second time"
    );
    bench.0.forget(FIRST);
    let fetch = bench.start_without_keys(3_000, SECOND).expect("a fetch");
    bench.0.forget_fetch(fetch.id);
    assert!(
        bench.0.finish_preparation(at(3_010), fetch.id, Preparation::PublicKeys, Ok(&first())).is_none(),
        "its client has gone"
    );
}

#[test]
fn each_failure_of_a_fetch_says_what_to_do() {
    for (error, text) in [
        (
            RemoteError::Refused(403),
            "status 403 instead of 200: the token is invalid, expired, or may not read the key: grant it \"read\" on keys/ and the \
             key's name, or configure public_key",
        ),
        (RemoteError::Refused(404), "status 404 instead of 200: there is no such key, mount or namespace"),
        (RemoteError::Unavailable(CalloutError::Status(500)), "status 500 instead of 200"),
        (
            RemoteError::Unavailable(CalloutError::Status(503)),
            "status 503 instead of 200: it cannot be reached, or it is sealed or in maintenance",
        ),
    ] {
        assert_eq!(vault().explain_preparation(Preparation::PublicKeys, error), text);
    }
}
