//! Where there is a steady clock: how long a signature takes is told by that. A token that is no longer of this time is minted
//! anew.

use super::*;
use crate::testing::MachineClocks;

const HOUR: i64 = 3600;

fn iat(now: Moment) -> u64 {
    now.wall.as_millis() / 1000
}

/// What has become of the only request.
fn admitted(outcome: CalloutOutcome) -> Admission {
    let [Resumed { verdict: Verdict::Request(verdict), .. }] = <[_; 1]>::try_from(outcome.resumed).unwrap() else {
        panic!("no request")
    };
    let RequestVerdict::Admit(admission) = verdict else { panic!("{verdict:?}") };
    *admission
}

#[test]
fn a_clock_that_is_set_by_a_little_makes_no_difference_to_a_signature() {
    for by in [-10, -1, 1, 5] {
        let mut outbound = outbound(remote);
        let mut machine = MachineClocks::new();
        let start = machine.now();
        let callout = outbound.on_request(start, FIRST, facts()).callout().unwrap();
        let now = machine.set(by);
        assert!(outbound.on_tick(now).outcomes.is_empty(), "{by}");
        let outcome = outbound.on_answer(now, callout.id, &callout.subject, &signature_of(&callout));
        assert_eq!(token_of(&admitted(outcome)).1["iat"], iat(start), "{by}");
    }
}

#[test]
fn a_token_that_is_not_of_this_time_is_minted_anew_and_signed_once_more() {
    let changes: [fn(&mut MachineClocks) -> Moment; 5] = [
        |machine| machine.set(-HOUR),
        |machine| machine.set(-11),
        |machine| machine.set(6),
        |machine| machine.set(HOUR),
        |machine| machine.sleep(11 * 60),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut outbound = outbound(remote);
        let mut machine = MachineClocks::new();
        let first = outbound.on_request(machine.now(), FIRST, facts()).callout().unwrap();
        let now = change(&mut machine);
        assert!(outbound.on_tick(now).outcomes.is_empty(), "{number}: it is not lost");
        let mut outcome = outbound.on_answer(now, first.id, &first.subject, &signature_of(&first));
        assert!(outcome.resumed.is_empty(), "{number}");
        let told = report(&outcome.events).unwrap();
        assert!(!told.is_success && told.text.ends_with("not of this time; trying once more"), "{}", told.text);
        let second = outcome.callouts.pop().unwrap();
        let now = machine.pass(1);
        let outcome = outbound.on_answer(now, second.id, &second.subject, &signature_of(&second));
        assert_eq!(token_of(&admitted(outcome)).1["iat"], iat(now) - 1, "{number}");
    }
}

#[test]
fn a_token_is_minted_anew_once() {
    let mut outbound = outbound(remote);
    let mut machine = MachineClocks::new();
    let first = outbound.on_request(machine.now(), FIRST, facts()).callout().unwrap();
    let mut outcome = outbound.on_answer(machine.set(HOUR), first.id, &first.subject, &signature_of(&first));
    let second = outcome.callouts.pop().unwrap();
    let outcome = outbound.on_answer(machine.set(-HOUR), second.id, &second.subject, &signature_of(&second));
    assert!(outcome.callouts.is_empty());
    assert_eq!(code(&outcome.resumed[0].verdict), "GenericRecoverableError");
}

#[test]
fn a_signature_that_takes_too_long_is_late_however_the_clock_is_set_meanwhile() {
    for by in [-HOUR, -6, 0, HOUR] {
        let mut outbound = outbound(remote);
        let mut machine = MachineClocks::new();
        let callout = outbound.on_request(machine.now(), FIRST, facts()).callout().unwrap();
        machine.set(by);
        let outcome = outbound.on_answer(machine.pass(6), callout.id, &callout.subject, &signature_of(&callout));
        assert_eq!(code(&outcome.resumed[0].verdict), "GenericRecoverableError", "{by}");
    }
}

#[test]
fn what_waits_for_a_signer_that_is_silent_is_told_as_soon_however_the_clock_is_set() {
    for by in [-HOUR, HOUR] {
        let mut outbound = outbound(remote);
        let mut machine = MachineClocks::new();
        let first = outbound.on_request(machine.now(), FIRST, facts()).callout().unwrap();
        machine.set(by);
        let silence = first.request.timeout.as_secs() + 5;
        assert!(outbound.on_tick(machine.pass(silence)).outcomes.is_empty(), "{by}");
        assert_eq!(outbound.on_tick(machine.pass(1)).outcomes.len(), 1, "{by}");
    }
}
