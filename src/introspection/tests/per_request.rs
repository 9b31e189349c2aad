//! The rules where no request can wait for another's call: each makes its own, up to a bound, and the first answer serves
//! those that come later.

use super::*;

/// On a gateway that wakes nobody.
fn alone() -> Bench {
    Bench::on(GatewayKind::Kong, POLICY)
}

fn calls(bench: &mut Bench, number: usize, second: u64, token: &str) -> Vec<CalloutId> {
    (0..number).map(|_| bench.call(second, token)).collect()
}

impl Bench {
    fn answer(&mut self, second: u64, call: CalloutId, token: &str, answer: &Json) -> Option<IntrospectionReport> {
        self.finish(second, call, token, Ok(answer.to_string().as_bytes()))
    }
}

#[test]
fn at_most_four_requests_ask_about_a_token_at_a_time_and_the_first_answer_serves_all() {
    let mut bench = alone();
    let asked = calls(&mut bench, 4, 0, "t");
    for _ in 0..96 {
        assert_eq!(bench.says(0, "t"), "unavailable 1");
    }
    assert_eq!(bench.says(0, "u"), "call", "about another token");
    bench.answer(1, asked[2], "t", &active()).unwrap();
    assert_eq!((bench.says_after(1, "t"), bench.says(1, "t")), ("active".into(), "active".into()));
    for call in [asked[0], asked[1], asked[3]] {
        assert!(bench.answer(2, call, "t", &active()).is_some(), "each end is reported");
        assert_eq!(bench.answer(2, call, "t", &active()), None, "and once");
    }
    assert_eq!(bench.says(2, "t"), "active");
}

#[test]
fn when_one_call_on_a_token_has_ended_another_may_be_made() {
    let mut bench = alone();
    let asked = calls(&mut bench, 4, 0, "t");
    bench.finish(0, asked[0], "t", Err(CalloutError::NoAnswer)).unwrap();
    assert_eq!(bench.says(0, "t"), "unavailable 1", "the pause");
    assert_eq!(bench.says(1, "t"), "call");
    assert_eq!(bench.says(1, "t"), "unavailable 1");
}

#[test]
fn at_most_64_calls_are_in_flight_in_all() {
    let mut bench = alone();
    for n in 0..MAX_CALLS / 4 {
        calls(&mut bench, 4, 0, &format!("t{n}"));
    }
    assert_eq!(bench.says(0, "one more"), "unavailable 1");
    assert_eq!(bench.in_flight(), MAX_CALLS);
}

#[test]
fn calls_that_fail_together_on_one_token_are_one_failure() {
    let mut bench = alone();
    for call in calls(&mut bench, 4, 0, "t") {
        let report = bench.finish(0, call, "t", Err(CalloutError::NoAnswer)).unwrap();
        assert_eq!(report.retry_after, Duration::from_secs(1));
    }
    assert_eq!(bench.says_after(0, "t"), "unavailable 1");
}

#[test]
fn a_call_that_fails_leaves_what_another_on_the_same_token_brought() {
    let mut bench = alone();
    let asked = calls(&mut bench, 2, 0, "t");
    bench.answer(1, asked[0], "t", &active()).unwrap();
    bench.finish(2, asked[1], "t", Err(CalloutError::NoAnswer)).unwrap();
    assert_eq!((bench.says_after(2, "t"), bench.says(2, "t")), ("active".into(), "active".into()));
}

/// Otherwise a slow answer could make a token active that was revoked meanwhile.
#[test]
fn an_answer_to_an_earlier_call_does_not_replace_that_to_a_later_one() {
    let mut bench = alone();
    let earlier = bench.call(0, "t");
    let later = bench.call(1, "t");
    let latest = bench.call(1, "t");
    let other = bench.call(1, "u");
    bench.answer(2, later, "t", &inactive()).unwrap();
    assert_eq!(bench.answer(3, earlier, "t", &active()).unwrap().result, Ok(TokenState::Active));
    assert_eq!((bench.says_after(3, "t"), bench.says(3, "t")), ("inactive".into(), "inactive".into()));
    bench.answer(3, other, "u", &active()).unwrap();
    assert_eq!(bench.says(3, "u"), "active", "the answer on another token counts");
    bench.answer(4, latest, "t", &active()).unwrap();
    assert_eq!(bench.says(4, "t"), "active", "the later one");
    assert_eq!(bench.says(64, "t"), "call");
}

#[test]
fn lost_calls_block_nobody_and_nobody_is_told_of_them() {
    let mut bench = alone();
    let lost = calls(&mut bench, 4, 0, "t");
    assert_eq!(bench.0.timed_out(at(1_000)), []);
    assert_eq!(bench.says(10, "t"), "unavailable 1", "they may come still");
    assert_eq!(bench.says(11, "t"), "call");
    assert_eq!(bench.answer(11, lost[0], "t", &active()), None, "it was given up");
    assert_eq!(bench.in_flight(), 1);

    let mut bench = alone();
    for n in 0..MAX_CALLS {
        bench.call(0, &format!("t{n}"));
    }
    assert_eq!(bench.says(10, "one more"), "unavailable 1");
    assert_eq!(bench.says(11, "one more"), "call");
}

#[test]
fn calls_from_the_future_are_lost_because_the_clock_was_set_back() {
    let mut bench = alone();
    calls(&mut bench, 4, 1_000, "t");
    assert_eq!(bench.says(998, "t"), "call");
    assert_eq!(bench.in_flight(), 1);
}

#[test]
fn a_probe_whose_client_hangs_up_leaves_its_place_to_another() {
    for kind in [GatewayKind::Kong, GatewayKind::Apisix] {
        let mut bench = Bench::on(kind, POLICY);
        bench.fail(0, "t");
        let probe = bench.call(1, "first");
        assert_eq!(bench.says(1, "second"), "unavailable 1", "one asks whether it is back");
        bench.0.abandon(CalloutId::default());
        assert_eq!(bench.says(1, "second"), "unavailable 1", "of something else");
        bench.0.abandon(probe);
        let next = bench.call(1, "second");
        assert_eq!(bench.says(1, "third"), "unavailable 1", "again one");
        bench.answer(2, next, "second", &active()).unwrap();
        assert_eq!((bench.says(2, "third"), bench.says(2, "fourth")), ("call".into(), "call".into()));
    }
}

#[test]
fn where_others_wait_for_it_a_probe_goes_on_without_its_client() {
    let mut bench = Bench::on(GatewayKind::Envoy, POLICY);
    bench.fail(0, "t");
    let probe = bench.call(1, "first");
    bench.0.abandon(probe);
    assert_eq!(bench.says(1, "second"), "unavailable 1");
}

/// Otherwise clients that do nothing but ask and hang up would have a failing server asked without end.
#[test]
fn only_so_many_probes_leave_their_places_in_the_time_that_one_may_take() {
    let mut bench = alone();
    bench.fail(0, "t");
    for n in 0..MAX_ABANDONED_PROBES {
        let probe = bench.call(1, &format!("t{n}"));
        bench.0.abandon(probe);
    }
    let probe = bench.call(1, "last");
    bench.0.abandon(probe);
    assert_eq!(bench.says(5, "u"), "unavailable 1", "it keeps its place until an answer could not come any more");
    let probe = bench.call(6, "u");
    bench.0.abandon(probe);
    assert_eq!(bench.says(6, "v"), "call");
}

#[test]
fn a_probe_that_was_given_up_says_still_what_it_finds() {
    let mut bench = alone();
    bench.fail(0, "t");
    let given_up = bench.call(1, "first");
    bench.0.abandon(given_up);
    let probe = bench.call(1, "second");
    bench.answer(2, given_up, "first", &active()).unwrap();
    assert_eq!(bench.says(2, "third"), "call", "the server is back");
    bench.answer(3, probe, "second", &active()).unwrap();
    assert_eq!(bench.says(3, "second"), "active");
}
