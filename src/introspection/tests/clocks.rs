//! Where there is a steady clock: how long a call takes is told by that, and answers age by whichever clock says that they are older.

use super::*;
use crate::testing::MachineClocks;

const HOUR: i64 = 3600;
const KINDS: [GatewayKind; 2] = [GatewayKind::Envoy, GatewayKind::Kong];

fn call(bench: &mut Bench, now: Moment, token: &str) -> CalloutId {
    match bench.0.lookup(now, token, &TokenDigest::of(token), CalloutPermission::Allowed) {
        Ok(Readiness::Wait(Wait { callout: Some(callout), .. })) => callout.id,
        other => panic!("a call was expected, not {other:?}"),
    }
}

fn answered(bench: &mut Bench, now: Moment, call: CalloutId, token: &str, answer: &Json) -> bool {
    let report = bench.0.finish(now, call, &TokenDigest::of(token), Ok(answer.to_string().as_bytes()), None);
    report.unwrap().result.is_ok()
}

fn says(bench: &mut Bench, now: Moment, token: &str) -> String {
    bench.says_to(now, token, CalloutPermission::Allowed)
}

#[test]
fn a_clock_that_is_set_back_during_a_call_makes_no_difference_to_it() {
    for (kind, by) in KINDS.into_iter().flat_map(|kind| [-HOUR, -1].map(|by| (kind, by))) {
        let mut bench = Bench::on(kind, POLICY);
        let mut machine = MachineClocks::new();
        let call = call(&mut bench, machine.now(), "t");
        let now = machine.set(by);
        assert_eq!(bench.0.timed_out(now), [], "{kind:?} {by}");
        assert!(answered(&mut bench, now, call, "t", &active()), "{kind:?} {by}");
        assert_eq!(says(&mut bench, now, "t"), "active", "{kind:?} {by}");
        assert_eq!(says(&mut bench, machine.pass(59), "t"), "active", "{kind:?} {by}");
        assert_eq!(says(&mut bench, machine.pass(1), "t"), "call", "{kind:?} {by}: it ends all the same");
    }
}

/// The answer may have come just before, and nobody can tell a machine that slept from a clock that was set forward.
#[test]
fn what_was_said_while_the_machine_slept_is_as_old_as_its_sleep() {
    for (kind, (slept, usable)) in
        KINDS.into_iter().flat_map(|kind| [(1, true), (59, true), (60, false), (3600, false)].map(|case| (kind, case)))
    {
        let mut bench = Bench::on(kind, POLICY);
        let mut machine = MachineClocks::new();
        let call = call(&mut bench, machine.now(), "t");
        let now = machine.sleep(slept);
        assert!(answered(&mut bench, now, call, "t", &active()), "{kind:?} {slept}");
        let expected = if usable { "active" } else { "unavailable 0" };
        assert_eq!(bench.says_to(now, "t", CalloutPermission::Used), expected, "{kind:?} {slept}");
        if usable {
            let end = machine.pass(60 - slept);
            assert_eq!(says(&mut bench, end, "t"), "call", "{kind:?} {slept}");
        }
    }
}

#[test]
fn a_call_that_takes_too_long_is_late_however_the_clock_is_set_meanwhile() {
    for by in [-HOUR, -6, HOUR] {
        let mut bench = Bench::new();
        let mut machine = MachineClocks::new();
        let call = call(&mut bench, machine.now(), "t");
        machine.set(by);
        assert!(!answered(&mut bench, machine.pass(6), call, "t", &active()), "{by}");
    }
}

#[test]
fn an_answer_is_as_old_as_either_clock_says() {
    let known = |change: fn(&mut MachineClocks) -> Moment| {
        let mut bench = Bench::new();
        let mut machine = MachineClocks::new();
        let call = call(&mut bench, machine.now(), "t");
        assert!(answered(&mut bench, machine.now(), call, "t", &active()));
        let now = change(&mut machine);
        says(&mut bench, now, "t")
    };
    assert_eq!(known(|machine| machine.set(-HOUR)), "active");
    assert_eq!(known(|machine| machine.set(60)), "call");
    assert_eq!(known(|machine| machine.sleep(60)), "call");
    assert_eq!(
        known(|machine| {
            machine.set(-HOUR);
            machine.sleep(60)
        }),
        "call"
    );
    assert_eq!(
        known(|machine| {
            machine.set(-HOUR);
            machine.pass(60)
        }),
        "call"
    );
}

#[test]
fn an_answer_ends_with_its_token_by_the_clock_on_the_wall() {
    let mut bench = Bench::new();
    let mut machine = MachineClocks::new();
    let now = machine.now();
    let answer = json!({ "active": true, "exp": now.wall.as_millis() / 1000 + 30 });
    let call = call(&mut bench, now, "t");
    assert!(answered(&mut bench, now, call, "t", &answer));
    assert_eq!(says(&mut bench, machine.pass(29), "t"), "active");
    assert_eq!(says(&mut bench, machine.set(1), "t"), "call");
}

#[test]
fn a_pause_and_a_probe_last_as_long_as_they_should_however_the_clock_is_set() {
    for (kind, by) in KINDS.into_iter().flat_map(|kind| [-HOUR, -1, 1, HOUR].map(|by| (kind, by))) {
        let mut bench = Bench::on(kind, POLICY);
        let mut machine = MachineClocks::new();
        let first = call(&mut bench, machine.now(), "t");
        bench.0.finish(machine.now(), first, &TokenDigest::of("t"), Err(CalloutError::NoAnswer), None).unwrap();
        assert_eq!(says(&mut bench, machine.set(by), "u"), "unavailable 1", "{kind:?} {by}");
        let now = machine.pass(1);
        let probe = call(&mut bench, now, "u");
        let now = machine.set(by);
        assert_eq!(says(&mut bench, now, "v"), "unavailable 1", "{kind:?} {by}: one finds out");
        assert!(answered(&mut bench, now, probe, "u", &active()), "{kind:?} {by}");
        assert_eq!(says(&mut bench, now, "v"), "call", "{kind:?} {by}");
    }
}
