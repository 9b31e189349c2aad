//! Where there is a steady clock: how long a fetch takes is told by that, and keys age by whichever clock says that they are older.

use super::*;
use crate::shared_data::SharedData as _;
use crate::testing::MachineClocks;

const HOUR: i64 = 3600;

/// A cache where callouts belong to the plugin, and one where they belong to requests.
fn benches() -> [Bench; 2] {
    [GatewayKind::Envoy, GatewayKind::Kong].map(|kind| Bench(KeyCache::new(policy(), &kind.capabilities(None, true))))
}

fn fetch(bench: &mut Bench, now: Moment) -> CalloutId {
    fetch_for(bench, now, "a")
}

fn fetch_for(bench: &mut Bench, now: Moment, key_id: &str) -> CalloutId {
    match bench.0.lookup(now, &url("hub"), key_id, Algorithm::Ps256, CalloutPermission::Allowed) {
        Ok(Readiness::Wait(Wait { callout: Some(fetch), .. })) => fetch.id,
        other => panic!("a fetch was expected, not {other:?}"),
    }
}

fn fetched(bench: &mut Bench, now: Moment, fetch: CalloutId) -> FetchReport {
    bench.0.finish(now, fetch, &url("hub"), Ok(&keys(&["a"]))).unwrap()
}

/// What a lookup says now, and what it says once nothing can be fetched.
fn says(bench: &mut Bench, now: Moment) -> [String; 2] {
    let after = bench.says_to(now, "a", CalloutPermission::Used);
    [bench.says_to(now, "a", CalloutPermission::Allowed), after]
}

#[test]
fn a_clock_that_is_set_back_during_a_fetch_makes_no_difference_to_it() {
    for by in [-HOUR, -1] {
        for mut bench in benches() {
            let mut machine = MachineClocks::new();
            let now = machine.pass(1);
            let fetch = fetch(&mut bench, now);
            let now = machine.set(by);
            assert_eq!(bench.0.timed_out(now), [], "{by}");
            let report = fetched(&mut bench, now, fetch);
            assert_eq!((report.result, report.cached_for), (Ok(1), MAX_AGE), "{by}");
            assert_eq!(says(&mut bench, now), ["key", "key"], "{by}");
            assert_eq!(says(&mut bench, machine.pass(599))[1], "key", "{by}");
            assert_eq!(says(&mut bench, machine.pass(1))[1], "unavailable 0", "{by}: they end all the same");
        }
    }
}

/// The answer may have come just before, and nobody can tell a machine that slept from a clock that was set forward.
#[test]
fn what_was_fetched_while_the_machine_slept_is_as_old_as_its_sleep() {
    let sleeps: [fn(&mut MachineClocks, u64) -> Moment; 2] =
        [MachineClocks::sleep, |machine, seconds| machine.set(i64::try_from(seconds).unwrap())];
    for sleep in sleeps {
        for (slept, left) in [(1, 599), (300, 300), (599, 1), (600, 0), (3600, 0)] {
            for mut bench in benches() {
                let mut machine = MachineClocks::new();
                let now = machine.pass(1);
                let fetch = fetch(&mut bench, now);
                let now = sleep(&mut machine, slept);
                assert_eq!(bench.0.timed_out(now), [], "{slept}");
                let report = fetched(&mut bench, now, fetch);
                assert_eq!((report.result, report.cached_for), (Ok(1), Duration::from_secs(left)), "{slept}");
                let expected = if left > 0 { "key" } else { "unavailable 0" };
                assert_eq!(says(&mut bench, now)[1], expected, "{slept}");
                assert_eq!(says(&mut bench, machine.pass(left))[1], "unavailable 0", "{slept}");
            }
        }
    }
}

#[test]
fn what_another_worker_fetched_while_the_machine_slept_is_no_younger() {
    let mut machine = MachineClocks::new();
    let memory = SharedMemory::default();
    let [mut first, mut second] = [(); 2].map(|()| Bench(sharing(policy(), &memory)));
    let id = fetch(&mut first, machine.now());
    let now = machine.sleep(400);
    fetched(&mut first, now, id);
    let now = machine.for_a_new_worker();
    assert_eq!(second.says_to(now, "a", CalloutPermission::Allowed), "key");
    assert_eq!(second.says_to(now.after(Duration::from_secs(199)), "a", CalloutPermission::Used), "key");
    assert_eq!(second.says_to(now.after(Duration::from_secs(200)), "a", CalloutPermission::Used), "unavailable 0");
}

#[test]
fn a_fetch_that_takes_too_long_is_late_however_the_clock_is_set_meanwhile() {
    for by in [-HOUR, -6, 0, HOUR] {
        for mut bench in benches() {
            let mut machine = MachineClocks::new();
            let fetch = fetch(&mut bench, machine.now());
            machine.set(by);
            let report = fetched(&mut bench, machine.pass(6), fetch);
            assert_eq!(report.result, Err(FetchError::Callout(CalloutError::NoAnswer)), "{by}");
        }
    }
}

#[test]
fn a_clock_that_is_set_back_makes_keys_neither_younger_nor_unusable() {
    for by in [-HOUR, -300, -1] {
        for mut bench in benches() {
            let mut machine = MachineClocks::new();
            let first = fetch(&mut bench, machine.now());
            fetched(&mut bench, machine.now(), first);
            machine.pass(300);
            assert_eq!(says(&mut bench, machine.set(by)), ["key", "key"], "{by}");
            assert_eq!(says(&mut bench, machine.pass(299))[1], "key", "{by}");
            assert_eq!(says(&mut bench, machine.pass(1)), ["fetch", "unavailable 0"], "{by}");
        }
    }
}

#[test]
fn a_clock_that_is_set_forward_makes_keys_as_old_as_it_says() {
    for mut bench in benches() {
        let mut machine = MachineClocks::new();
        let first = fetch(&mut bench, machine.now());
        fetched(&mut bench, machine.now(), first);
        assert_eq!(says(&mut bench, machine.set(HOUR)), ["fetch", "unavailable 0"]);
        assert_eq!(says(&mut bench, machine.set(-HOUR))[1], "unavailable 0", "and they stay so");
    }
}

#[test]
fn keys_are_not_used_after_the_machine_has_slept_for_as_long_as_they_last() {
    for set_back in [0, -HOUR] {
        for mut bench in benches() {
            let mut machine = MachineClocks::new();
            let first = fetch(&mut bench, machine.now());
            fetched(&mut bench, machine.now(), first);
            machine.set(set_back);
            assert_eq!(says(&mut bench, machine.sleep(11 * 60)), ["fetch", "unavailable 0"], "{set_back}");
        }
    }
}

#[test]
fn a_pause_lasts_as_long_as_it_should_however_the_clock_is_set() {
    for by in [-HOUR, -1, 1, HOUR] {
        for mut bench in benches() {
            let mut machine = MachineClocks::new();
            let first = fetch(&mut bench, machine.now());
            bench.0.finish(machine.now(), first, &url("hub"), Err(CalloutError::NoAnswer)).unwrap();
            assert_eq!(says(&mut bench, machine.set(by)), ["unavailable 1", "unavailable 1"], "{by}");
            assert_eq!(says(&mut bench, machine.pass(1))[0], "fetch", "{by}");
        }
    }
}

#[test]
fn unknown_key_ids_cause_no_more_fetches_because_the_clock_is_set() {
    for by in [-HOUR, HOUR / 10] {
        for mut bench in benches() {
            let mut machine = MachineClocks::new();
            let first = fetch(&mut bench, machine.now());
            fetched(&mut bench, machine.now(), first);
            let now = machine.pass(1);
            let second = fetch_for(&mut bench, now, "b");
            fetched(&mut bench, now, second);
            assert_eq!(bench.says_to(machine.set(by), "b", CalloutPermission::Allowed), "unknown", "{by}");
            assert_eq!(bench.says_to(machine.pass(30), "b", CalloutPermission::Allowed), "fetch", "{by}");
        }
    }
}

/// A worker that has fetched, and one that starts now and shares data with it.
fn shared(machine: &mut MachineClocks) -> (Bench, Bench) {
    let memory = SharedMemory::default();
    let [mut first, second] = [(); 2].map(|()| Bench(sharing(policy(), &memory)));
    let id = fetch(&mut first, machine.now());
    fetched(&mut first, machine.now(), id);
    (first, second)
}

#[test]
fn what_another_worker_has_fetched_is_as_old_as_either_clock_says() {
    let mut machine = MachineClocks::new();
    let (_, mut second) = shared(&mut machine);
    machine.sleep(300);
    let now = machine.for_a_new_worker();
    assert_eq!(second.says_to(now, "a", CalloutPermission::Allowed), "key");
    assert_eq!(second.says_to(now.after(Duration::from_secs(299)), "a", CalloutPermission::Used), "key");
    assert_eq!(second.says_to(now.after(Duration::from_secs(300)), "a", CalloutPermission::Used), "unavailable 0");
    let (_, mut second) = shared(&mut machine);
    machine.sleep(11 * 60);
    assert_eq!(second.says_to(machine.for_a_new_worker(), "a", CalloutPermission::Allowed), "fetch");
}

#[test]
fn what_another_worker_has_fetched_is_fetched_again_once_the_clock_was_set_back_before_that() {
    let mut machine = MachineClocks::new();
    let (mut first, mut second) = shared(&mut machine);
    let now = machine.set(-HOUR);
    let other = machine.for_a_new_worker();
    assert_eq!(second.says_to(other, "a", CalloutPermission::Allowed), "fetch", "it may be older than it seems");
    assert_eq!(first.says_to(now, "a", CalloutPermission::Allowed), "key", "the one that fetched knows how old it is");
}

#[test]
fn a_turn_at_fetching_and_a_pause_are_the_same_to_all_workers_however_the_clock_is_set() {
    for by in [-HOUR, HOUR] {
        let memory = SharedMemory::default();
        let [mut first, mut second] = [(); 2].map(|()| Bench(sharing(policy(), &memory)));
        let mut machine = MachineClocks::new();
        let id = fetch(&mut first, machine.now());
        machine.set(by);
        assert_eq!(second.says_to(machine.for_a_new_worker(), "a", CalloutPermission::Allowed), "wait", "{by}");
        first.0.finish(machine.now(), id, &url("hub"), Err(CalloutError::NoAnswer)).unwrap();
        machine.set(-by);
        let now = machine.for_a_new_worker();
        assert_eq!(second.0.due(now).ended_elsewhere, [url("hub")], "{by}");
        assert_eq!(second.says_to(now, "a", CalloutPermission::Allowed), "unavailable 1", "{by}");
    }
}

/// As it is left by a module that is replaced: times of another kind, under names of their own.
#[test]
fn what_another_version_has_shared_is_not_read() {
    let mut machine = MachineClocks::new();
    let memory = SharedMemory::default();
    let now = machine.now();
    let shared = SharedKeys::new(Rc::new(memory.clone()), &policy());
    for (kind, times) in [("set", 1), ("turn", 3)] {
        let (name, owner) = shared.slot(kind, &url("hub"));
        let old = name.replace("/jwks/3/", "/jwks/2/");
        assert_ne!(old, name);
        let time = now.wall.as_millis().to_be_bytes();
        let payload = [owner.as_slice(), &time.repeat(times), &keys(&["a"])].concat();
        let _written = memory.write(&old, &crate::shared_data::envelope::seal(&old, &payload), None).unwrap();
    }
    assert_eq!(Bench(sharing(policy(), &memory)).says_to(now, "a", CalloutPermission::Allowed), "fetch");
}
