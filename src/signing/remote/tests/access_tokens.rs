//! Where the filter asks for the access token itself: it comes first, serves all tokens until it ends, and is asked for anew once if the
//! signer refuses it.

use super::*;
use crate::config::{LoginMethod, VaultLogin};

const KINDS: [GatewayKind; 3] = [GatewayKind::Envoy, GatewayKind::Kong, GatewayKind::Apisix];
const LOGIN: &str = "/v1/auth/approle/login";
const RENEWAL: &str = "/v1/auth/token/renew-self";
const MINUTE: u64 = 60_000;

/// The same settings with a login in place of the token.
fn logging_in(settings: config::VaultTransit) -> config::VaultTransit {
    let url = |path: &str| HttpUrl::parse(&format!("https://bao.example{path}")).unwrap();
    let method = LoginMethod::AppRole { role_id: "r".into(), secret_id: Some(Secret::new("s3cret-id")) };
    let login = VaultLogin { url: url(LOGIN), renewal_url: url(RENEWAL), method };
    config::VaultTransit { token: VaultToken::Login(login), ..settings }
}

fn granted(token: &str, seconds: u64, renewable: bool) -> Vec<u8> {
    let auth = json!({"client_token": token, "lease_duration": seconds, "renewable": renewable});
    json!({"auth": auth, "warnings": null}).to_string().into_bytes()
}

/// An hour, and it can be prolonged.
fn first_token() -> Vec<u8> {
    granted("hvs.first", 3600, true)
}

fn second_token() -> Vec<u8> {
    granted("hvs.second", 3600, true)
}

/// What a callout asks for: the last part of its path, and the token that it carries.
fn asked(callout: &Callout) -> (&str, Option<&str>) {
    let token = callout.request.headers.iter().find(|(name, _)| *name == "x-vault-token");
    (callout.request.url.path().rsplit('/').next().unwrap(), token.map(|(_, token)| token.as_str()))
}

impl Bench {
    /// The login that a new token waits for, unless it waits for another's.
    fn waits_for_login(&mut self, millisecond: u64, request: RequestId) -> Option<Callout> {
        let Need::Preparation(wait) = self.begin(millisecond, request, token_for("hub")) else { panic!("no login") };
        assert_eq!(wait.subject, CalloutSubject::SignerToken);
        wait.callout
    }

    /// Ends a login on which this token waits.
    fn logged_in(
        &mut self,
        millisecond: u64,
        login: &Callout,
        answer: Result<&[u8], CalloutError>,
        request: RequestId,
    ) -> RemoteStep {
        let result = self.prepared(millisecond, login, answer).expect("a login that counts");
        self.go_on_after(millisecond, request, Preparation::AccessToken, result)
    }

    /// One that has logged in and knows the public key; nothing waits.
    fn with_token(kind: GatewayKind, token: &[u8]) -> Self {
        let mut bench = Self::within(kind, logging_in(settings()));
        let login = bench.waits_for_login(0, FIRST).expect("a login");
        let step = bench.logged_in(0, &login, Ok(token), FIRST);
        let callout = bench.next(FIRST, step).expect("a callout");
        bench.signs(0, &callout);
        bench
    }

    /// A right answer to this callout.
    fn signs(&mut self, millisecond: u64, callout: &Callout) {
        let end = self.finish(millisecond, callout, Ok(&signed(&token_for("hub"))));
        assert_eq!(outcome(end.as_ref()), "signed");
    }

    fn due(&mut self, millisecond: u64) -> Option<Callout> {
        self.0.due(at(millisecond))
    }
}

#[test]
fn the_login_comes_first_then_the_public_keys_and_then_the_signature() {
    for kind in KINDS {
        let mut bench = Bench::within(kind, logging_in(unpinned()));
        let login = bench.waits_for_login(0, FIRST).expect("a login");
        assert_eq!((asked(&login), login.request.method), (("login", None), "POST"));
        assert_eq!(body(&login), json!({"role_id": "r", "secret_id": "s3cret-id"}));
        let step = bench.logged_in(10, &login, Ok(&first_token()), FIRST);
        assert_eq!(outcome(Some(&step)), "keys");
        let fetch = bench.next(FIRST, step).expect("a fetch");
        assert_eq!(asked(&fetch), ("sig4", Some("hvs.first")));
        let keys = json!({"data": {"keys": {"1": {"public_key": SigningKey::first().public_pem()}}}}).to_string();
        let result = bench.prepared(20, &fetch, Ok(keys.as_bytes())).expect("a fetch that counts");
        let step = bench.go_on_after(20, FIRST, Preparation::PublicKeys, result);
        let callout = bench.next(FIRST, step).expect("a callout");
        assert_eq!(asked(&callout), ("sha2-256", Some("hvs.first")));
        bench.signs(30, &callout);
        assert_eq!(asked(&bench.start(40, SECOND)), ("sha2-256", Some("hvs.first")), "it serves all");
    }
}

#[test]
fn where_the_plugin_may_call_one_login_serves_all_that_wait_and_elsewhere_each_has_its_own() {
    for kind in KINDS {
        let mut bench = Bench::within(kind, logging_in(settings()));
        let first = bench.waits_for_login(0, FIRST).expect("a login");
        let second = bench.waits_for_login(1, SECOND);
        assert_eq!(second.is_none(), kind == GatewayKind::Envoy);
        let step = bench.logged_in(10, &first, Ok(&first_token()), FIRST);
        let callout = bench.next(FIRST, step).expect("a callout");
        let step = match second {
            None => bench.go_on_after(10, SECOND, Preparation::AccessToken, Ok(())),
            Some(login) => bench.logged_in(11, &login, Ok(&second_token()), SECOND),
        };
        let other = bench.next(SECOND, step).expect("a callout");
        let token = if kind == GatewayKind::Envoy { "hvs.first" } else { "hvs.second" };
        assert_eq!((asked(&callout).1, asked(&other).1), (Some("hvs.first"), Some(token)));
    }
}

#[test]
fn an_older_token_does_not_take_the_place_of_a_newer_one() {
    let mut bench = Bench::within(GatewayKind::Kong, logging_in(settings()));
    let older = bench.waits_for_login(0, FIRST).expect("a login");
    let newer = bench.waits_for_login(1, SECOND).expect("a login");
    bench.prepared(10, &newer, Ok(&second_token())).expect("it counts").expect("a token");
    bench.prepared(11, &older, Ok(&first_token())).expect("it counts").expect("a token");
    assert_eq!(asked(&bench.start(20, RequestId(3))).1, Some("hvs.second"));
}

#[test]
fn on_envoy_the_token_is_asked_for_ahead_prolonged_a_minute_before_its_end_and_else_asked_for_anew() {
    let mut bench = Bench::within(GatewayKind::Envoy, logging_in(unpinned()));
    let login = bench.due(0).expect("a login");
    assert_eq!((login.subject.clone(), asked(&login)), (CalloutSubject::SignerToken, ("login", None)));
    assert!(bench.due(1).is_none(), "it is in flight");
    bench.prepared(10, &login, Ok(&first_token())).expect("it counts").expect("a token");
    let fetch = bench.due(20).expect("the keys");
    assert_eq!(asked(&fetch), ("sig4", Some("hvs.first")));
    let keys = json!({"data": {"keys": {"1": {"public_key": SigningKey::first().public_pem()}}}}).to_string();
    bench.prepared(30, &fetch, Ok(keys.as_bytes())).expect("it counts").expect("keys");

    let minute_before_end = 59 * MINUTE;
    assert!(bench.due(minute_before_end - 1).is_none());
    let renewal = bench.due(minute_before_end).expect("a renewal");
    assert_eq!((asked(&renewal), body(&renewal)), (("renew-self", Some("hvs.first")), json!({})));
    bench.prepared(minute_before_end + 10, &renewal, Ok(&first_token())).expect("it counts").expect("a token");

    // The next is refused, as where the most is reached that the role allows: then it is a login.
    let again = 2 * minute_before_end;
    let renewal = bench.due(again).expect("a renewal");
    assert_eq!(asked(&renewal).0, "renew-self");
    bench.prepared(again, &renewal, Err(CalloutError::Status(403))).expect("it counts").unwrap_err();
    assert!(bench.due(again + 999).is_none(), "a pause");
    assert_eq!(asked(&bench.start(again + 999, FIRST)).1, Some("hvs.first"), "the old one serves meanwhile");
    let login = bench.due(again + 1_000).expect("a login");
    assert_eq!(asked(&login), ("login", None));
    bench.prepared(again + 1_010, &login, Ok(&second_token())).expect("it counts").expect("a token");
    assert_eq!(asked(&bench.start(again + 1_020, SECOND)).1, Some("hvs.second"));
}

/// A server that is away for a moment has not said that the token cannot be prolonged: a secret id may be for few uses.
#[test]
fn a_renewal_that_nobody_answered_is_tried_again_and_no_login() {
    for (fault, next) in [
        (CalloutError::NoAnswer, "renew-self"),
        (CalloutError::Status(503), "renew-self"),
        (CalloutError::Status(429), "renew-self"),
        (CalloutError::Status(400), "login"),
    ] {
        let mut bench = Bench::with_token(GatewayKind::Envoy, &first_token());
        let late = 59 * MINUTE;
        let renewal = bench.due(late).expect("a renewal");
        bench.prepared(late, &renewal, Err(fault)).expect("it counts").unwrap_err();
        assert_eq!(asked(&bench.due(late + 1_000).expect("another")).0, next, "{fault:?}");
    }
}

/// What gives tokens may want to be left alone for longer than a pause; the signer is asked meanwhile if there is one.
#[test]
fn the_pause_that_a_quota_asks_for_is_kept_and_is_not_the_signers() {
    let quota = Answer {
        status: Some(b"429".to_vec()),
        retry_after: Some(b"30".to_vec()),
        body: Body::Read(b"{}".to_vec()),
        ..Answer::default()
    };
    let mut bench = Bench::with_token(GatewayKind::Envoy, &first_token());
    let late = 59 * MINUTE;
    let renewal = bench.due(late).expect("a renewal");
    bench.0.note_pause(at(late).steady, &renewal.subject, &quota);
    bench.prepared(late, &renewal, Err(CalloutError::Status(429))).expect("it counts").unwrap_err();
    assert!(bench.due(late + 29_999).is_none());
    assert_eq!(bench.0.retry_after(at(late + 1)), None, "there is a token");
    bench.start(late + 1, FIRST);
    assert!(bench.due(late + 30_000).is_some());
    assert_eq!(bench.0.retry_after(at(late + MINUTE)), None);

    let mut bench = Bench::within(GatewayKind::Kong, logging_in(settings()));
    let login = bench.waits_for_login(0, FIRST).expect("a login");
    bench.0.note_pause(at(0).steady, &login.subject, &quota);
    let step = bench.logged_in(0, &login, Err(CalloutError::Status(429)), FIRST);
    assert_eq!(outcome(Some(&step)), "failed", "a quota counts tries");
    assert_eq!(bench.0.retry_after(at(1_000)), Some(Duration::from_secs(29)));
}

#[test]
fn a_token_near_the_most_that_its_role_allows_is_not_prolonged_again() {
    for (token, renewed) in [
        (granted("t", 3600, true), "renew-self"),
        (granted("t", 61, true), "renew-self"),
        (granted("t", 60, true), "login"),
        (granted("t", 3600, false), "login"),
    ] {
        let mut bench = Bench::with_token(GatewayKind::Envoy, &token);
        let next = (0..60 * 60).find_map(|second| bench.due(second * 1_000)).expect("another");
        assert_eq!(asked(&next).0, renewed);
    }
}

#[test]
fn one_that_has_ended_is_not_used_and_one_that_does_not_end_is_never_asked_for_anew() {
    for kind in KINDS {
        let mut bench = Bench::with_token(kind, &granted("t", 40, false));
        // Half of its life, as that is shorter than a minute.
        let callout = bench.start(19_999, FIRST);
        bench.signs(19_999, &callout);
        match (bench.begin(20_000, FIRST, token_for("hub")), kind) {
            (Need::Signature(_), GatewayKind::Envoy) => {}
            (Need::Preparation(wait), GatewayKind::Kong | GatewayKind::Apisix) => {
                assert_eq!(wait.subject, CalloutSubject::SignerToken);
            }
            (need, kind) => panic!("{need:?} on {kind:?}"),
        }
        assert_eq!(bench.due(20_000).is_some(), kind == GatewayKind::Envoy);
        let Need::Preparation(wait) = bench.begin(40_000, SECOND, token_for("hub")) else { panic!("it has ended") };
        assert_eq!(wait.subject, CalloutSubject::SignerToken);

        let mut bench = Bench::with_token(kind, &granted("t", 0, false));
        bench.start(365 * 24 * 60 * MINUTE, FIRST);
        assert!(bench.due(365 * 24 * 60 * MINUTE).is_none());
    }
}

/// Where nobody asks ahead of time, who needs a signature in the last minute does, and has the old token if that fails.
#[test]
fn a_request_that_finds_the_token_near_its_end_goes_on_with_it_if_no_other_comes() {
    for kind in [GatewayKind::Kong, GatewayKind::Apisix] {
        for (fault, goes_on) in [
            (CalloutError::Status(403), true),
            (CalloutError::StatusAlone(403), kind == GatewayKind::Apisix),
            (CalloutError::StatusAlone(302), kind == GatewayKind::Apisix),
            (CalloutError::StatusAlone(103), kind == GatewayKind::Apisix),
            (CalloutError::StatusAlone(503), kind == GatewayKind::Apisix),
            (CalloutError::NotDispatched, kind == GatewayKind::Apisix),
            (CalloutError::NoAnswer, kind == GatewayKind::Apisix),
        ] {
            let mut bench = Bench::with_token(kind, &first_token());
            let late = 59 * MINUTE;
            let renewal = bench.waits_for_login(late, FIRST).expect("a renewal");
            assert_eq!(asked(&renewal).0, "renew-self");
            let step = bench.logged_in(late + 10, &renewal, Err(fault), FIRST);
            if !goes_on {
                let RemoteStep::Failed { error, .. } = step else { panic!("{fault:?}: no other callout may follow") };
                assert!(error.is_unavailable(), "{error:?}: the next request goes on with the old token");
                bench.start(late + 100, SECOND);
                continue;
            }
            let callout = bench.next(FIRST, step).expect("a callout");
            assert_eq!(asked(&callout), ("sha2-256", Some("hvs.first")));
            bench.signs(late + 20, &callout);
            bench.start(late + 100, SECOND);
            let Need::Preparation(wait) = bench.begin(late + 1_010, SECOND, token_for("hub")) else { panic!() };
            let next = match fault {
                CalloutError::Status(403) | CalloutError::StatusAlone(103 | 302 | 403) => "login",
                _ => "renew-self",
            };
            assert_eq!(asked(&wait.callout.unwrap()).0, next, "{fault:?}: the pause is over");
        }
    }
}

#[test]
fn a_token_that_the_signer_refuses_is_replaced_once() {
    for kind in KINDS {
        let mut bench = Bench::with_token(kind, &first_token());
        let callout = bench.start(100, FIRST);
        let step = bench.finish(110, &callout, Err(CalloutError::Status(403))).expect("a step");
        assert_eq!(outcome(Some(&step)), "token", "it may have been revoked");
        let login = bench.next(FIRST, step).expect("a login");
        assert_eq!(asked(&login), ("login", None), "what is refused is not prolonged");
        let step = bench.logged_in(120, &login, Ok(&second_token()), FIRST);
        let callout = bench.next(FIRST, step).expect("a callout");
        assert_eq!(asked(&callout).1, Some("hvs.second"));
        bench.signs(130, &callout);
    }
}

#[test]
fn where_the_new_token_is_refused_too_none_is_asked_for_in_a_while() {
    for kind in KINDS {
        let mut bench = Bench::with_token(kind, &first_token());
        let callout = bench.start(100, FIRST);
        let step = bench.finish(110, &callout, Err(CalloutError::Status(403))).expect("a step");
        let login = bench.next(FIRST, step).expect("a login");
        let step = bench.logged_in(120, &login, Ok(&second_token()), FIRST);
        let callout = bench.next(FIRST, step).expect("a callout");
        let end = bench.finish(130, &callout, Err(CalloutError::Status(403)));
        assert!(matches!(end, Some(RemoteStep::Failed { error: RemoteError::Refused(403), .. })), "{end:?}");

        for (millisecond, expected) in [(200, "failed"), (10_129, "failed"), (10_130, "token")] {
            let callout = bench.start(millisecond, FIRST);
            let end = bench.finish(millisecond, &callout, Err(CalloutError::Status(403)));
            assert_eq!(outcome(end.as_ref()), expected, "at {millisecond}");
        }
    }
}

/// Several find that a token is refused: one login is enough, and the new token is not thrown away because of the old.
#[test]
fn a_late_refusal_of_the_old_token_does_not_end_the_new_one() {
    for kind in KINDS {
        let mut bench = Bench::with_token(kind, &first_token());
        let first = bench.start(100, FIRST);
        let second = bench.start(101, SECOND);
        let step = bench.finish(110, &first, Err(CalloutError::Status(403))).expect("a step");
        let login = bench.next(FIRST, step).expect("a login");
        let step = bench.logged_in(120, &login, Ok(&second_token()), FIRST);
        bench.next(FIRST, step).expect("a callout");
        let step = bench.finish(130, &second, Err(CalloutError::Status(403))).expect("a step");
        assert_eq!(outcome(Some(&step)), "again");
        assert_eq!(asked(&bench.next(SECOND, step).expect("a callout")).1, Some("hvs.second"));
    }
}

#[test]
fn a_refusal_to_tell_the_public_keys_is_one_of_the_token() {
    for kind in KINDS {
        let mut bench = Bench::within(kind, logging_in(unpinned()));
        let login = bench.waits_for_login(0, FIRST).expect("a login");
        let step = bench.logged_in(10, &login, Ok(&first_token()), FIRST);
        let fetch = bench.next(FIRST, step).expect("a fetch");
        let refused = bench.prepared(20, &fetch, Err(CalloutError::Status(403))).expect("it counts");
        let step = bench.go_on_after(20, FIRST, Preparation::PublicKeys, refused);
        assert_eq!(outcome(Some(&step)), "token");
        let login = bench.next(FIRST, step).expect("a login");
        let step = bench.logged_in(30, &login, Ok(&second_token()), FIRST);
        let fetch = bench.next(FIRST, step).expect("a fetch");
        assert_eq!(asked(&fetch), ("sig4", Some("hvs.second")));
        // It may sign only: another token would not help.
        let refused = bench.prepared(40, &fetch, Err(CalloutError::Status(403))).expect("it counts");
        let step = bench.go_on_after(40, FIRST, Preparation::PublicKeys, refused);
        assert!(matches!(step, RemoteStep::Failed { error: RemoteError::Refused(403), .. }), "{step:?}");
    }
}

#[test]
fn a_login_that_fails_is_tried_twice_and_then_all_are_told_to_wait() {
    for kind in KINDS {
        let mut bench = Bench::within(kind, logging_in(settings()));
        let login = bench.waits_for_login(0, FIRST).expect("a login");
        let step = bench.logged_in(10, &login, Err(CalloutError::NoAnswer), FIRST);
        if kind == GatewayKind::Kong {
            let unanswered = RemoteError::Unanswered(CalloutError::NoAnswer);
            assert!(matches!(step, RemoteStep::Failed { error, .. } if error == unanswered), "{step:?}");
        } else {
            let login = bench.next(FIRST, step).expect("a second try");
            let step = bench.logged_in(20, &login, Err(CalloutError::NoAnswer), FIRST);
            assert_eq!(outcome(Some(&step)), "failed");
        }
        assert!(bench.0.retry_after(at(900)).is_some_and(|pause| pause <= Duration::from_secs(2)));
        assert_eq!(bench.0.retry_after(at(2_100)), None);
    }
}

/// On Kong no callout may follow on one that had a body and whose answer had none: the worker would send without end.
#[test]
fn where_no_callout_may_follow_none_does_whatever_the_status() {
    for status in [100, 103, 204, 302, 400, 403, 404, 429, 500, 503] {
        let mut bench = Bench::within(GatewayKind::Kong, logging_in(settings()));
        let login = bench.waits_for_login(0, FIRST).expect("a login");
        let step = bench.logged_in(10, &login, Err(CalloutError::StatusAlone(status)), FIRST);
        assert_eq!(outcome(Some(&step)), "failed", "{status}");
    }
}

/// Where each request logs in by itself, several may fail together.
#[test]
fn logins_that_fail_together_are_one_failure() {
    let mut bench = Bench::within(GatewayKind::Kong, logging_in(settings()));
    let logins: Vec<_> = (1..=8).map(|id| bench.waits_for_login(id.into(), RequestId(id)).expect("a login")).collect();
    for login in logins {
        bench.prepared(2_000, &login, Err(CalloutError::NoAnswer)).expect("it counts").unwrap_err();
    }
    assert_eq!(bench.0.retry_after(at(2_001)), Some(Duration::from_millis(999)));
}

#[test]
fn a_login_that_is_refused_is_not_tried_again_and_says_why() {
    for (status, told) in [
        (400, "what the filter logs in with, is unknown"),
        (403, "the login is refused"),
        (404, "there is no such login method"),
    ] {
        for kind in KINDS {
            let mut bench = Bench::within(kind, logging_in(settings()));
            let login = bench.waits_for_login(0, FIRST).expect("a login");
            let step = bench.logged_in(10, &login, Err(CalloutError::Status(status)), FIRST);
            let RemoteStep::Failed { error, .. } = step else { panic!("{step:?}") };
            assert_eq!(error, RemoteError::Refused(status));
            assert!(bench.0.explain_preparation(Preparation::AccessToken, error).contains(told));
        }
    }
}

#[test]
fn what_is_no_token_is_not_one() {
    for (answer, told) in [
        (b"<html>".to_vec(), "not a JSON object"),
        (b"{}".to_vec(), "no auth.client_token"),
        (granted("", 3600, true), "no auth.client_token"),
        (granted("a b", 3600, true), "no auth.client_token"),
        (granted("a\r\nx-b: c", 3600, true), "no auth.client_token"),
        (granted(&"a".repeat(8193), 3600, true), "no auth.client_token"),
        (granted("t", 9, true), "ends within 10 s"),
        (json!({"auth": {"client_token": "t"}}).to_string().into_bytes(), "no auth.lease_duration"),
        (
            json!({"auth": {"client_token": "t", "lease_duration": -1}}).to_string().into_bytes(),
            "no auth.lease_duration",
        ),
        (
            json!({"auth": {"client_token": "t", "lease_duration": "60"}}).to_string().into_bytes(),
            "no auth.lease_duration",
        ),
        (json!({"auth": {"client_token": 5, "lease_duration": 60}}).to_string().into_bytes(), "no auth.client_token"),
        (granted("t", 3600, true).into_iter().chain([b' '; 16 * 1024]).collect(), "longer than 16384 bytes"),
    ] {
        for kind in KINDS {
            let mut bench = Bench::within(kind, logging_in(settings()));
            let login = bench.waits_for_login(0, FIRST).expect("a login");
            let error = bench.prepared(10, &login, Ok(&answer)).expect("it counts").unwrap_err();
            assert!(bench.0.explain_preparation(Preparation::AccessToken, error).contains(told), "{error}");
            let step = bench.go_on_after(10, FIRST, Preparation::AccessToken, Err(error));
            assert_eq!(outcome(Some(&step)), "token", "a second try, and not a signature");
        }
    }
}

/// A machine that slept has no steady clock meanwhile, and tokens end all the same.
#[test]
fn a_token_ends_also_while_the_machine_sleeps() {
    let mut bench = Bench::with_token(GatewayKind::Envoy, &first_token());
    let slept = Moment { aging: at(1_000).aging.after(Duration::from_secs(3600)), ..at(1_000) };
    let need = bench.0.start(slept, FIRST, token_for("hub"), Correlation::default(), true).expect("room").1;
    assert!(matches!(need, Need::Preparation(Wait { subject: CalloutSubject::SignerToken, .. })), "{need:?}");
}

#[test]
fn one_that_may_not_wait_goes_on_only_if_there_is_a_token() {
    for kind in KINDS {
        let mut bench = Bench::within(kind, logging_in(settings()));
        let start = |bench: &mut Bench, millisecond| {
            bench.0.start(at(millisecond), FIRST, token_for("hub"), Correlation::default(), false).map(|(_, need)| need)
        };
        assert!(start(&mut bench, 0).is_none());
        let mut bench = Bench::with_token(kind, &first_token());
        assert!(matches!(start(&mut bench, 59 * MINUTE), Some(Need::Signature(_))));
        assert!(start(&mut bench, 60 * MINUTE).is_none());
    }
}

#[test]
fn one_that_may_not_wait_for_another_token_is_told_to_come_again() {
    for kind in KINDS {
        let mut bench = Bench::with_token(kind, &first_token());
        let callout = bench.start(100, FIRST);
        let pending = bench.1.remove(&FIRST).expect("it waits");
        let refused = Err(CalloutError::Status(403));
        let step = bench.0.finish(at(110), callout.id, FIRST, pending, refused, false).expect("it counts");
        let RemoteStep::Failed { error, .. } = step else { panic!("{step:?}") };
        assert!(error.is_unavailable(), "{error:?}");
        assert!(bench.waits_for_login(120, SECOND).is_some(), "the token is forgotten all the same");
    }
}

#[test]
fn a_login_that_nobody_reports_on_is_given_up() {
    for kind in KINDS {
        let mut bench = Bench::within(kind, logging_in(settings()));
        let login = bench.waits_for_login(0, FIRST).expect("a login");
        assert_eq!(bench.0.timed_out_preparations(at(7_000).steady), []);
        let lost = bench.0.timed_out_preparations(at(7_001).steady);
        let is_told = kind == GatewayKind::Envoy;
        assert_eq!(lost, if is_told { vec![(login.id, Preparation::AccessToken)] } else { vec![] });
        bench.0.forget_fetch(login.id);
        assert!(bench.prepared(10, &login, Ok(&first_token())).is_none(), "its client has gone");
    }
}

/// The gateway adds nothing there, so the log does not send people to it.
#[test]
fn a_cloud_that_refuses_the_filters_own_token_is_not_blamed_on_the_gateway() {
    let url = |path: &str| HttpUrl::parse(&format!("https://kms.example{path}")).unwrap();
    for (token, blames_gateway) in [
        (config::CloudToken::AddedByGateway, true),
        (config::CloudToken::Metadata(config::Metadata { upstream: "imds".into(), url: url("/token") }), false),
    ] {
        let remote = settings().remote;
        let azure = config::AzureKeyVault {
            url: url("/sign"),
            key_url: url("/"),
            key_path: "/".into(),
            token: token.clone(),
            remote: remote.clone(),
        };
        let google = config::GoogleKms { url: url("/sign"), key_url: url("/"), name: "n".into(), token, remote };
        let hints = [AzureKeyVault::new(azure).hint(401), GoogleKms::new(google).hint(401)];
        assert!(hints.iter().all(|hint| hint.unwrap().contains("gateway") == blames_gateway), "{hints:?}");
    }
}

#[test]
fn nothing_of_it_is_printed() {
    let source = VaultTransit::new(logging_in(settings()));
    let token = source.token_source().unwrap().read(&first_token()).unwrap();
    for text in [format!("{token:?}"), format!("{source:?}"), format!("{:?}", logging_in(settings()))] {
        assert!(!text.contains("hvs.") && !text.contains("s3cret"), "{text}");
    }
}

proptest::proptest! {
    /// Whatever a login answers: no panic, and a token only with a life of ten seconds or more.
    #[test]
    fn any_answer_to_a_login_is_a_token_or_an_error(text in "\\PC{0,64}", seconds in proptest::prelude::any::<i64>(), renewable: bool) {
        let answer = json!({"auth": {"client_token": text, "lease_duration": seconds, "renewable": renewable}}).to_string();
        let mut bench = Bench::within(GatewayKind::Envoy, logging_in(settings()));
        let login = bench.waits_for_login(0, FIRST).expect("a login");
        let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) && (seconds == 0 || seconds >= 10);
        proptest::prop_assert_eq!(bench.prepared(1, &login, Ok(answer.as_bytes())).unwrap().is_ok(), is_token);
    }
}
