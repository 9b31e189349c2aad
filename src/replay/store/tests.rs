//! The store of used tokens, driven event by event.

use std::rc::Rc;

use super::*;
use crate::callout::{CalloutError, Request};
use crate::config::{Patience, Secret, StoreUser};
use crate::gateway::kinds::GatewayKind;
use crate::replay::TokenIdentity;
use crate::shared_data::NoSharedData;
use crate::url::Origin;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const NOW: u64 = 1_795_253_400;

/// How long a token lives that is used here, with the clock skew.
const LIFE: u64 = 40;

fn at(milliseconds: u64) -> Moment {
    Moment::by_wall_clock(UnixTime::from_millis(NOW * 1_000 + milliseconds))
}

fn settings(kind: StoreKind, user: bool) -> ReplayStore {
    ReplayStore {
        kind,
        address: Origin::parse("http://etcd.bank.example:2379").unwrap(),
        upstream: "etcd".into(),
        prefix: "hub-auth/".into(),
        user: user.then(|| StoreUser { name: "gate\"way".into(), password: Secret::new("s3cret") }),
        patience: Patience { timeout: Duration::from_secs(1), deadline: Duration::from_secs(3) },
    }
}

fn capabilities(kind: GatewayKind) -> Capabilities {
    kind.capabilities(Some(Rc::new(NoSharedData)), true)
}

fn memory(kind: GatewayKind, user: bool) -> SharedMemory {
    SharedMemory::new(&settings(StoreKind::Etcd, user), &capabilities(kind))
}

fn usage(number: u64) -> Usage<'static> {
    let token_id: &'static str = Box::leak(number.to_string().into_boxed_str());
    Usage {
        token: TokenDigest::of(token_id),
        identity: TokenIdentity::new("O", "OU", token_id),
        valid_until: UnixTime::from_secs(NOW + LIFE),
        token_id,
    }
}

fn subject(number: u64) -> CalloutSubject {
    CalloutSubject::TokenUse(usage(number).token)
}

impl SharedMemory {
    fn asked(&mut self, now: Moment, number: u64) -> Result<Option<Callout>, ReplayError> {
        let nonce_input = NonceInput::default();
        let wait = self.ask(now, usage(number), &nonce_input, CalloutPermission::Allowed)?;
        assert_eq!(wait.subject, subject(number));
        Ok(wait.callout)
    }

    #[track_caller]
    fn answered(&mut self, now: Moment, callout: &Callout, body: &Value) -> Finished {
        let body = body.to_string();
        let ended = Ended { body: Ok(body.as_bytes()), retry_after: None, time: None };
        self.finish(now, callout.id, &callout.subject, ended).unwrap()
    }

    #[track_caller]
    fn failed_with(&mut self, now: Moment, callout: &Callout, error: CalloutError) -> Finished {
        self.finish(now, callout.id, &callout.subject, Ended::without(error)).unwrap()
    }

    fn result(&mut self, number: u64) -> Option<Result<(), ReplayError>> {
        Some(self.take_decided(&usage(number).token)?.result)
    }

    /// One that has a lease.
    fn prepared_at(now: Moment, kind: GatewayKind) -> Self {
        let mut memory = memory(kind, false);
        if kind == GatewayKind::Envoy {
            let callout = memory.due(now).unwrap();
            let Finished { callouts, decided, .. } = memory.answered(now, &callout, &lease(1, 131));
            assert!(callouts.is_empty() && decided.is_empty());
        } else {
            let callout = memory.asked(now, 1_000).unwrap().unwrap();
            let next = memory.answered(now, &callout, &lease(1, 131)).callouts;
            memory.answered(now, &next[0], &json!({"succeeded": true}));
            assert_eq!(memory.result(1_000), Some(Ok(())));
        }
        memory
    }
}

fn path_and_body(callout: &Callout) -> (String, Value) {
    let Request { url, body, .. } = &*callout.request;
    (url.path().to_owned(), serde_json::from_slice(body).unwrap())
}

fn lease(id: u64, ttl: u64) -> Value {
    json!({"header": {"revision": "7"}, "ID": id.to_string(), "TTL": ttl.to_string()})
}

/// The value that a transaction writes.
fn value(callout: &Callout) -> String {
    path_and_body(callout).1["success"][0]["request_put"]["value"].as_str().unwrap().to_owned()
}

/// The answer to a transaction whose key was there with this value.
fn found(value: &str) -> Value {
    json!({"header": {}, "responses": [{"response_range": {"kvs": [{"key": "aw==", "value": value}], "count": "1"}}]})
}

const UNAVAILABLE: ReplayError = ReplayError::StoreUnavailable { retry_after: FIRST_BACKOFF };

#[test]
fn a_token_costs_one_transaction_under_a_lease_that_was_asked_for_before() {
    let mut memory = memory(GatewayKind::Envoy, false);
    let callout = memory.due(at(0)).unwrap();
    assert_eq!(callout.subject, CalloutSubject::StoreSession);
    assert_eq!(path_and_body(&callout), ("/v3/lease/grant".into(), json!({"TTL": "131"})), "40 s, 30 s and 60 s");
    assert!(memory.due(at(1)).is_none(), "it is asked for once");
    memory.answered(at(5), &callout, &lease(7_587_848_390_493_283_847, 131));
    assert!(memory.due(at(6)).is_none());

    let callout = memory.asked(at(10), 1).unwrap().unwrap();
    let (path, body) = path_and_body(&callout);
    let key = body["compare"][0]["key"].as_str().unwrap().to_owned();
    let plain = String::from_utf8(STANDARD.decode(&key).unwrap()).unwrap();
    let digest = plain.strip_prefix("hub-auth/").unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{plain}");
    assert_eq!(path, "/v3/kv/txn");
    let written = value(&callout);
    assert_eq!(STANDARD.decode(&written).unwrap().len(), 32);
    assert_eq!(
        body,
        json!({
            "compare": [{"key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"}],
            "success": [{"request_put": {"key": key, "value": written, "lease": "7587848390493283847"}}],
            "failure": [{"request_range": {"key": key}}],
        })
    );
    assert_eq!(callout.request.upstream, "etcd");
    assert_eq!(callout.request.timeout, Duration::from_secs(1));
    let Finished { report, callouts, decided } =
        memory.answered(at(12), &callout, &json!({"succeeded": true, "responses": [{"response_put": {}}]}));
    assert!(report.is_success && callouts.is_empty());
    assert_eq!(decided, [usage(1).token]);
    assert_eq!(memory.result(1), Some(Ok(())));
    assert_eq!(memory.result(1), None, "an answer is for one");
}

#[test]
fn another_use_is_a_replay_and_the_own_one_is_recognised_by_its_value() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    let callout = memory.asked(at(1), 1).unwrap().unwrap();
    memory.answered(at(2), &callout, &found(&STANDARD.encode("0123456789abcdef0123456789abcdef")));
    assert_eq!(memory.result(1), Some(Err(ReplayError::Replayed)));

    let first = memory.asked(at(3), 2).unwrap().unwrap();
    let Finished { report, callouts, decided } = memory.failed_with(at(900), &first, CalloutError::NoAnswer);
    assert!(!report.is_success && decided.is_empty());
    let [second] = callouts.as_slice() else { panic!("{callouts:?}") };
    assert_eq!(value(second), value(&first), "the second try is the same use");
    memory.answered(at(905), second, &found(&value(&first)));
    assert_eq!(memory.result(2), Some(Ok(())), "the first try has written it");

    let third = memory.asked(at(910), 3).unwrap().unwrap();
    assert_ne!(value(&third), value(&first), "each use has a value of its own");
}

#[test]
fn a_token_that_somebody_asks_about_is_not_asked_about_by_others() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    let callout = memory.asked(at(1), 1).unwrap().unwrap();
    assert_eq!(memory.asked(at(1), 1), Err(ReplayError::Replayed));
    memory.answered(at(2), &callout, &json!({"succeeded": true}));
    // Its client has hung up: nobody takes the answer, and it is not for the next one.
    let again = memory.asked(at(3), 1).unwrap().unwrap();
    assert_ne!(value(&again), value(&callout));
    assert_eq!(memory.result(1), None);
}

#[test]
fn three_tries_and_no_more_and_then_the_store_is_left_alone() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    for error in [CalloutError::NoAnswer, CalloutError::Status(503), CalloutError::StatusAlone(500)] {
        let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
        let first = memory.asked(at(1), 1).unwrap().unwrap();
        let callouts = memory.failed_with(at(2), &first, error).callouts;
        assert!(memory.asked(at(2), 2).is_ok(), "one server has failed, not the store");
        let callouts = memory.failed_with(at(3), &callouts[0], error).callouts;
        let Finished { callouts, decided, .. } = memory.failed_with(at(4), &callouts[0], error);
        assert!(callouts.is_empty() && decided == [usage(1).token]);
        assert_eq!(memory.result(1), Some(Err(UNAVAILABLE)), "{error:?}");
        assert_eq!(memory.asked(at(5), 3), Err(UNAVAILABLE));
    }
    // A status that another server would give as well.
    for error in
        [CalloutError::Status(429), CalloutError::Status(403), CalloutError::TooLong, CalloutError::NotDispatched]
    {
        let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
        let first = memory.asked(at(1), 1).unwrap().unwrap();
        assert_eq!(memory.failed_with(at(2), &first, error).callouts, []);
        assert_eq!(memory.result(1), Some(Err(UNAVAILABLE)), "{error:?}");
    }
    // After the pause one token finds out, and the others do not wait for it.
    let first = memory.asked(at(1), 1).unwrap().unwrap();
    memory.failed_with(at(2), &first, CalloutError::Status(429));
    assert!(memory.asked(at(251), 2).is_err());
    let probe = memory.asked(at(252), 2).unwrap().unwrap();
    assert_eq!(memory.asked(at(253), 3), Err(UNAVAILABLE));
    memory.answered(at(260), &probe, &json!({"succeeded": true}));
    assert!(memory.asked(at(261), 3).is_ok() && memory.asked(at(261), 4).is_ok());
    // Each pause is twice as long as the one before, and callers wait as long, or for a second.
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    let mut time = 0;
    for pause in [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
        let probe = memory.asked(at(time), 1).unwrap().unwrap();
        assert_eq!(probe.subject, subject(1), "after {time} ms");
        memory.failed_with(at(time), &probe, CalloutError::Status(429));
        let expected = ReplayError::StoreUnavailable { retry_after: Duration::from_millis(pause).max(FIRST_BACKOFF) };
        assert_eq!(memory.asked(at(time), 2), Err(expected));
        time += pause;
        assert!(memory.asked(at(time - 1), 2).is_err());
    }
}

#[test]
fn a_store_that_says_for_how_long_is_left_alone_for_that() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    let callout = memory.asked(at(0), 1).unwrap().unwrap();
    let ended = Ended { retry_after: Some(Duration::from_secs(20)), ..Ended::without(CalloutError::Status(429)) };
    memory.finish(at(1), callout.id, &callout.subject, ended).unwrap();
    assert_eq!(memory.asked(at(5_001), 2), Err(ReplayError::StoreUnavailable { retry_after: Duration::from_secs(15) }));
    assert!(memory.asked(at(20_001), 2).is_ok());
}

#[test]
fn no_try_is_made_that_the_deadline_leaves_no_time_for() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    let first = memory.asked(at(0), 1).unwrap().unwrap();
    assert_eq!(memory.failed_with(at(2_960), &first, CalloutError::NoAnswer).callouts, []);
    assert_eq!(memory.result(1), Some(Err(UNAVAILABLE)));
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    let first = memory.asked(at(0), 1).unwrap().unwrap();
    let callouts = memory.failed_with(at(2_900), &first, CalloutError::NoAnswer).callouts;
    assert_eq!(callouts[0].request.timeout, Duration::from_millis(100));
}

#[test]
fn an_answer_that_is_late_counts_as_none() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    let first = memory.asked(at(0), 1).unwrap().unwrap();
    let finished = memory.answered(at(1_600), &first, &json!({"succeeded": true}));
    assert_eq!((finished.callouts.len(), finished.decided.len()), (1, 0), "the second try finds out");
}

#[test]
fn half_answers_tell_nothing() {
    let long = "x".repeat(MAX_ANSWER_LENGTH + 1);
    for body in [
        json!({}),
        json!([]),
        json!({"succeeded": "true"}),
        json!({"succeeded": false}),
        json!({"succeeded": 1}),
        json!({"responses": []}),
        json!({"responses": [{"response_range": {"kvs": []}}]}),
        json!({"responses": [{"response_range": {"kvs": [{"value": "%"}]}}]}),
        json!({"responses": [{"response_range": {"kvs": [{"value": "YQ=="}, {"value": "YQ=="}]}}]}),
        json!({"error": "etcdserver: not capable", "code": 14}),
        json!({"succeeded": long}),
    ] {
        let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
        let callout = memory.asked(at(1), 1).unwrap().unwrap();
        let Finished { report, decided, .. } = memory.answered(at(2), &callout, &body);
        assert!(!report.is_success && decided == [usage(1).token], "{body}");
        assert_eq!(memory.result(1), Some(Err(UNAVAILABLE)), "{body}");
    }
}

#[test]
fn a_lease_is_replaced_ahead_of_time_and_fits_the_tokens_that_come() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    // It ends 131 s from the beginning, and tokens need 70 s of it.
    assert!(memory.due(at(45_000)).is_none());
    let callout = memory.due(at(46_001)).unwrap();
    memory.answered(at(46_010), &callout, &lease(2, 131));
    let of_lease = |callout: &Callout| path_and_body(callout).1["success"][0]["request_put"]["lease"].clone();
    let first = memory.asked(at(46_020), 1).unwrap().unwrap();
    assert_eq!(of_lease(&first), "1", "the one that ends first of those that last long enough");
    let mut long = usage(2);
    long.valid_until = UnixTime::from_secs(NOW + 46 + 310);
    let nonce_input = NonceInput::default();
    let callout = memory.ask(at(46_030), long, &nonce_input, CalloutPermission::Allowed).unwrap().callout.unwrap();
    assert_eq!(path_and_body(&callout), ("/v3/lease/grant".into(), json!({"TTL": "400"})), "310 s, 30 s and 60 s");
    let next = memory.answered(at(46_040), &callout, &lease(3, 400)).callouts;
    assert_eq!(of_lease(&next[0]), "3");
}

#[test]
fn a_lease_counts_from_when_it_was_asked_for_and_for_as_long_as_the_store_says() {
    for (answered, ttl, is_enough) in [(1, 131, true), (900, 131, true), (1, 70, true), (1, 69, false)] {
        let mut memory = memory(GatewayKind::Envoy, false);
        let callout = memory.asked(at(0), 1).unwrap().unwrap();
        let next = memory.answered(at(answered), &callout, &lease(1, ttl)).callouts;
        let asks = path_and_body(&next[0]).0 == "/v3/kv/txn";
        assert_eq!(asks, is_enough, "{answered} {ttl}");
    }
}

#[test]
fn all_that_wait_for_a_lease_go_on_when_it_is_there_or_are_refused_together() {
    let mut memory = memory(GatewayKind::Envoy, false);
    let callout = memory.asked(at(0), 1).unwrap().unwrap();
    assert_eq!(callout.subject, CalloutSubject::StoreSession);
    assert_eq!(memory.asked(at(1), 2), Ok(None));
    assert_eq!(memory.asked(at(2), 3), Ok(None));
    let Finished { callouts, decided, .. } = memory.answered(at(5), &callout, &lease(1, 131));
    let subjects: Vec<_> = callouts.iter().map(|callout| callout.subject.clone()).collect();
    assert_eq!((subjects, decided.len()), (vec![subject(1), subject(2), subject(3)], 0));

    let mut memory = super::tests::memory(GatewayKind::Envoy, false);
    let callout = memory.asked(at(0), 1).unwrap().unwrap();
    assert_eq!(memory.asked(at(1), 2), Ok(None));
    let again = memory.failed_with(at(5), &callout, CalloutError::NoAnswer).callouts;
    let [again] = again.as_slice() else { panic!("{again:?}") };
    let again = memory.failed_with(at(5), again, CalloutError::NoAnswer).callouts;
    let Finished { callouts, decided, .. } = memory.failed_with(at(6), &again[0], CalloutError::NoAnswer);
    assert!(callouts.is_empty());
    assert_eq!(decided, [usage(1).token, usage(2).token]);
    assert_eq!((memory.result(1), memory.result(2)), (Some(Err(UNAVAILABLE)), Some(Err(UNAVAILABLE))));
    assert!(memory.due(at(7)).is_none(), "the store is left alone");
    assert!(memory.due(at(260)).is_some());
}

#[test]
fn a_user_logs_in_first_and_again_when_the_token_has_ended() {
    let mut memory = memory(GatewayKind::Envoy, true);
    let login = memory.due(at(0)).unwrap();
    let expected = json!({"name": "gate\"way", "password": "s3cret"});
    assert_eq!(path_and_body(&login), ("/v3/auth/authenticate".into(), expected));
    assert!(!login.request.headers.iter().any(|(name, _)| *name == "authorization"));
    memory.answered(at(1), &login, &json!({"header": {}, "token": "abc.7"}));
    let grant = memory.due(at(2)).unwrap();
    let authorization = ("authorization", "abc.7".to_owned());
    assert!(path_and_body(&grant).0 == "/v3/lease/grant" && grant.request.headers.contains(&authorization));
    memory.answered(at(3), &grant, &lease(1, 131));
    let first = memory.asked(at(4), 1).unwrap().unwrap();
    assert!(first.request.headers.contains(&authorization));
    // Its end is noticed by the token that comes first, which pays for it, and it is no failure of the store.
    let login = memory.failed_with(at(5), &first, CalloutError::Status(401)).callouts;
    assert_eq!(path_and_body(&login[0]).0, "/v3/auth/authenticate");
    let again = memory.answered(at(6), &login[0], &json!({"token": "def.8"})).callouts;
    assert!(again[0].request.headers.contains(&("authorization", "def.8".to_owned())));
    assert_eq!(value(&again[0]), value(&first));
    // Once: a store that takes no token is not asked without end.
    assert_eq!(memory.failed_with(at(7), &again[0], CalloutError::Status(401)).callouts, []);
    assert_eq!(memory.result(1), Some(Err(UNAVAILABLE)));
}

#[test]
fn a_login_that_fails_or_brings_no_token_is_said_and_nothing_is_written() {
    for (answer, expected) in [
        (Err(CalloutError::Status(400)), "user name or password is wrong"),
        (Ok(json!({})), "has no token"),
        (Ok(json!({"token": "a\nb"})), "has no token"),
        (Ok(json!({"token": ""})), "has no token"),
        (Ok(json!({"token": "x".repeat(5000)})), "has no token"),
    ] {
        let mut memory = memory(GatewayKind::Envoy, true);
        let login = memory.asked(at(0), 1).unwrap().unwrap();
        let finished = match answer {
            Ok(body) => memory.answered(at(1), &login, &body),
            Err(error) => memory.failed_with(at(1), &login, error),
        };
        assert!(finished.report.text.contains(expected), "{}", finished.report.text);
        assert!(!finished.report.text.contains("s3cret"));
        assert_eq!((finished.callouts.len(), memory.result(1)), (0, Some(Err(UNAVAILABLE))), "{expected}");
    }
}

#[test]
fn a_lease_that_is_gone_is_replaced_once() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    let first = memory.asked(at(1), 1).unwrap().unwrap();
    let grant = memory.failed_with(at(2), &first, CalloutError::Status(404)).callouts;
    assert_eq!(path_and_body(&grant[0]).0, "/v3/lease/grant");
    let again = memory.answered(at(3), &grant[0], &lease(2, 131)).callouts;
    assert_eq!(value(&again[0]), value(&first));
    assert_eq!(memory.failed_with(at(4), &again[0], CalloutError::Status(404)).callouts, []);
    assert_eq!(memory.result(1), Some(Err(UNAVAILABLE)));
}

/// A key lives for 30 s after its token. One that the store's clock has seen end before that may have been there.
#[test]
fn a_clock_that_is_behind_the_stores_brings_no_token_back() {
    for (late, expected) in [
        (0, Ok(())),
        (15, Ok(())),
        (16, Err(ReplayError::Forgotten { retry_after: Duration::ZERO })),
        (3_600, Err(ReplayError::Forgotten { retry_after: Duration::ZERO })),
    ] {
        let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
        let callout = memory.asked(at(1), 1).unwrap().unwrap();
        let time = Some(UnixTime::from_secs(NOW + LIFE + late));
        let ended = Ended { body: Ok(b"{\"succeeded\":true}"), retry_after: None, time };
        let report = memory.finish(at(2), callout.id, &callout.subject, ended).unwrap().report;
        assert_eq!(memory.result(1), Some(expected), "{late}");
        assert_eq!((report.is_success, report.text.contains("clock")), (expected.is_ok(), expected.is_err()), "{late}");
        assert!(memory.asked(at(3), 2).is_ok(), "the store has not failed");
    }
}

#[test]
fn a_clock_that_is_ahead_of_the_stores_makes_leases_longer() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    let callout = memory.asked(at(1), 1).unwrap().unwrap();
    let ended =
        Ended { body: Ok(b"{\"succeeded\":true}"), retry_after: None, time: Some(UnixTime::from_secs(NOW - 100)) };
    memory.finish(at(2), callout.id, &callout.subject, ended).unwrap();
    let callout = memory.asked(at(3), 2).unwrap().unwrap();
    assert_eq!(path_and_body(&callout), ("/v3/lease/grant".into(), json!({"TTL": "229"})), "99 s more, and a part");
}

#[test]
fn only_so_many_uses_are_asked_about_at_a_time() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    let callouts: Vec<_> = (0..256).map(|number| memory.asked(at(1), number).unwrap().unwrap()).collect();
    assert_eq!(memory.asked(at(1), 256), Err(ReplayError::Unavailable));
    memory.answered(at(2), &callouts[7], &json!({"succeeded": true}));
    assert!(memory.asked(at(3), 256).is_ok());
}

/// A store that grants less than it is asked for would be asked again and again.
#[test]
fn what_is_never_enough_is_not_asked_for_without_end() {
    for kind in [GatewayKind::Envoy, GatewayKind::Kong] {
        let mut memory = memory(kind, false);
        let mut callout = memory.asked(at(0), 1).unwrap().unwrap();
        let mut asked = 1;
        while let Some(next) = memory.answered(at(1), &callout, &lease(1, 5)).callouts.pop() {
            callout = next;
            asked += 1;
            assert!(asked <= 6, "{kind:?}");
        }
        assert_eq!((asked, memory.result(1)), (6, Some(Err(UNAVAILABLE))), "{kind:?}");
    }
}

#[test]
fn a_store_whose_clock_stands_at_its_beginning_does_not_keep_keys_for_decades() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
    let callout = memory.asked(at(1), 1).unwrap().unwrap();
    let ended = Ended { body: Ok(b"{\"succeeded\":true}"), retry_after: None, time: Some(UnixTime::EPOCH) };
    memory.finish(at(2), callout.id, &callout.subject, ended).unwrap();
    let callout = memory.asked(at(3), 2).unwrap().unwrap();
    let day = 24 * 60 * 60;
    assert_eq!(path_and_body(&callout).1, json!({"TTL": (day + 39 + 30 + 60 + 1).to_string()}));
}

#[test]
fn neither_the_password_nor_the_token_of_the_user_is_printed() {
    let mut memory = memory(GatewayKind::Envoy, true);
    let login = memory.due(at(0)).unwrap();
    memory.answered(at(1), &login, &json!({"token": "hidden.7"}));
    let printed = format!("{memory:?} {login:?} {:?}", memory.due(at(2)));
    assert!(!printed.contains("hidden.7") && !printed.contains("s3cret"), "{printed}");
}

#[test]
fn who_may_not_wait_asks_nothing() {
    for permission in [CalloutPermission::ForOthers, CalloutPermission::Used] {
        let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Envoy);
        let asked = memory.ask(at(1), usage(1), &NonceInput::default(), permission);
        assert_eq!(asked, Err(ReplayError::Unavailable), "{permission:?}");
    }
}

#[test]
fn where_callouts_belong_to_requests_each_makes_those_that_it_needs_itself() {
    let mut memory = memory(GatewayKind::Kong, true);
    assert!(memory.due(at(0)).is_none(), "nobody could make it");
    let login = memory.asked(at(0), 1).unwrap().unwrap();
    let other = memory.asked(at(1), 2).unwrap().unwrap();
    assert_eq!((&login.subject, &other.subject), (&subject(1), &subject(2)));
    let grant = memory.answered(at(2), &login, &json!({"token": "abc"})).callouts;
    assert_eq!((path_and_body(&grant[0]).0, &grant[0].subject), ("/v3/lease/grant".into(), &subject(1)));
    let transaction = memory.answered(at(3), &grant[0], &lease(1, 131)).callouts;
    assert_eq!(path_and_body(&transaction[0]).0, "/v3/kv/txn");
    memory.answered(at(4), &transaction[0], &json!({"succeeded": true}));
    assert_eq!(memory.result(1), Some(Ok(())));
    // The other finds a lease when its login has ended.
    let transaction = memory.answered(at(5), &other, &json!({"token": "def"})).callouts;
    assert_eq!(path_and_body(&transaction[0]).0, "/v3/kv/txn");
    // A client that hangs up leaves nothing behind.
    memory.abandon(transaction[0].id, &transaction[0].subject);
    assert!(memory.finish(at(6), transaction[0].id, &subject(2), Ended::without(CalloutError::NoAnswer)).is_none());
    assert!(memory.asked(at(7), 2).is_ok());
    assert!(memory.timed_out(at(60_000)).is_empty());
}

/// Not every gateway tells at once of a client that has hung up, and some never do.
#[test]
fn a_use_that_nobody_reports_on_keeps_no_other_from_finding_out() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Kong);
    let first = memory.asked(at(0), 1).unwrap().unwrap();
    memory.failed_with(at(1), &first, CalloutError::Status(429));
    let probe = memory.asked(at(1_002), 2).unwrap().unwrap();
    assert_eq!(memory.asked(at(4_001), 3), Err(UNAVAILABLE), "one finds out");
    let next = memory.asked(at(4_003), 3).unwrap().unwrap();
    assert_eq!(memory.asked(at(4_004), 4), Err(UNAVAILABLE), "and then another");
    // Whoever waits for the first after all is told that nothing is known.
    let ended = Ended::without(CalloutError::NoAnswer);
    if let Some(finished) = memory.finish(at(4_005), probe.id, &probe.subject, ended) {
        assert_eq!(finished.decided, [usage(2).token]);
    }
    assert_eq!(memory.result(2), None);
    memory.answered(at(4_006), &next, &json!({"succeeded": true}));
    assert!(memory.asked(at(4_007), 4).is_ok());
    // The only clock was set back.
    assert!(memory.asked(at(1_000), 5).is_ok() && memory.uses.len() == 1);
}

#[test]
fn where_no_callout_may_follow_on_one_without_an_answer_there_is_no_second_try() {
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Kong);
    let first = memory.asked(at(1), 1).unwrap().unwrap();
    assert_eq!(memory.failed_with(at(2), &first, CalloutError::NoAnswer).callouts, []);
    assert_eq!(memory.result(1), Some(Err(UNAVAILABLE)));
    let mut memory = SharedMemory::prepared_at(at(0), GatewayKind::Kong);
    let first = memory.asked(at(1), 1).unwrap().unwrap();
    assert_eq!(memory.failed_with(at(2), &first, CalloutError::Status(503)).callouts.len(), 1);
}

#[test]
fn redis_is_asked_with_one_command_and_says_what_was_there() {
    for (answer, expected) in [
        (json!({"SET": null}), Ok(())),
        (json!({"SET": "0123456789abcdef0123456789abcdef"}), Err(ReplayError::Replayed)),
        (json!({"SET": [false, "ERR syntax error"]}), Err(UNAVAILABLE)),
        (json!({"SET": [true, "OK"]}), Err(UNAVAILABLE)),
        (json!({"GET": null}), Err(UNAVAILABLE)),
        (json!({}), Err(UNAVAILABLE)),
    ] {
        let settings = settings(StoreKind::Webdis, true);
        let mut memory = SharedMemory::new(&settings, &capabilities(GatewayKind::Envoy));
        assert!(memory.due(at(0)).is_none());
        let callout = memory.asked(at(0), 1).unwrap().unwrap();
        let command = String::from_utf8(callout.request.body.clone()).unwrap();
        let parts: Vec<&str> = command.split('/').collect();
        assert_eq!((parts[0], &parts[3..]), ("SET", &["NX", "GET", "PX", "70000"][..]), "{command}");
        assert!(parts[1].starts_with("hub%2Dauth%2F") && parts[2].len() == 32, "{command}");
        assert_eq!(callout.request.url.path(), "/");
        let authorization = format!("Basic {}", STANDARD.encode("gate\"way:s3cret"));
        assert!(callout.request.headers.contains(&("authorization", authorization)));
        memory.answered(at(1), &callout, &answer);
        assert_eq!(memory.result(1), Some(expected), "{answer}");
        if expected.is_ok() {
            let callout = memory.asked(at(2), 2).unwrap().unwrap();
            let command = String::from_utf8(callout.request.body.clone()).unwrap();
            memory.answered(at(3), &callout, &json!({"SET": command.split('/').nth(2).unwrap()}));
            assert_eq!(memory.result(2), Some(Ok(())), "its own first try");
        }
    }
}
