//! Replay detection (spec §2.4, `jti`): one token passes once, whoever it comes to, whenever, and whatever the host does.

use std::time::Duration;

use serde_json::json;
use wasm_tests::host::{Answer, Exchange, Fault, Garbage, Gateway, InterleavingPoint, Module, Request};
use wasm_tests::stage::tokens::{Signer, Token, jwks, with_broken_signature};

use super::host::{MOST_FETCHES, every_gateway_with_shared_data};
use super::scene::*;

/// The calls that reach what workers share.
const READ: &str = "proxy_get_shared_data";
/// See [`READ`].
const WRITE: &str = "proxy_set_shared_data";

/// Where a memory for ten tokens is.
const BUCKET_OF_TEN: &str = "hub-auth-filter/replay/2/1x10/320000/0/0";

/// A gateway whose workers have keys and remember nothing yet.
fn detecting(host: Host, scope: &str, capacity: usize, workers: usize) -> Gateway {
    let mut configuration = jwt_auth();
    let method = &mut configuration["inbound"]["auth"]["jwt_auth"];
    method["replay_detection"] = json!(scope);
    method["replay_capacity"] = json!(capacity);
    let gateway = host.with_replay_scope(scope, &configuration).workers(workers);
    let gateway = gateway.start(Module::release()).expect("the gateway starts");
    let broken = with_broken_signature(&fresh(&gateway));
    for worker in 0..workers {
        gateway.worker(worker).send(with(&broken));
        gateway.settle();
    }
    gateway
}

/// A token that nobody has seen.
fn fresh(gateway: &Gateway) -> String {
    signed(token(gateway))
}

fn signed(token: Token) -> String {
    token.sign(Signer::Ps256(&hub().signing))
}

fn admitted<'e>(exchanges: impl IntoIterator<Item = &'e Exchange>) -> usize {
    exchanges.into_iter().filter(|exchange| outcome(exchange) == "admitted").count()
}

/// Status, code and message of a refusal.
fn refusal(exchange: &Exchange) -> (u16, String, String) {
    let reply = exchange.reply().unwrap_or_else(|| panic!("{:?}", exchange.outcome()));
    let body = error(&reply);
    let text = |member: &str| body[member].as_str().expect("text").to_owned();
    (reply.status, text("errorCode"), text("errorMessage"))
}

#[track_caller]
fn assert_replayed(exchange: &Exchange) {
    let (status, code, message) = refusal(exchange);
    assert_eq!((status, code.as_str()), (401, "JWS.InvalidClaim"));
    assert!(message.contains("used before"), "{message}");
}

/// The Retry-After of a refusal for want of room or of memory.
#[track_caller]
fn retry_after(exchange: &Exchange) -> u64 {
    let (status, code, _) = refusal(exchange);
    assert_eq!((status, code.as_str()), (503, "GenericRecoverableError"));
    let reply = exchange.reply().expect("refused");
    let seconds = reply.headers.text("retry-after").expect("a Retry-After");
    seconds.parse().expect("seconds")
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[apply(every_engine)]
fn a_token_passes_once(host: Host) {
    for scope in host.replay_scopes() {
        let gateway = detecting(host, scope, 10, 1);
        let (first, second) = (fresh(&gateway), fresh(&gateway));
        assert_eq!(judge(&gateway, with(&first)), "admitted");
        assert_replayed(&send(&gateway, with(&first)));
        assert_eq!(judge(&gateway, with(&second)), "admitted", "its own jti");
        assert_replayed(&send(&gateway, with(&first)));
    }
}

#[apply(every_gateway)]
fn without_replay_detection_a_token_passes_again(host: Host) {
    let gateway = host.start();
    let token = fresh(&gateway);
    assert_eq!([(); 2].map(|()| judge(&gateway, with(&token))), ["admitted"; 2]);
}

#[apply(every_gateway)]
fn of_a_hundred_presentations_to_four_workers_one_passes_with_gateway_and_one_each_with_worker(host: Host) {
    for (scope, passes) in host.scopes([("gateway", 1), ("worker", 4)]) {
        let gateway = detecting(host, scope, 10, 4);
        let token = fresh(&gateway);
        let exchanges: Vec<_> = (0..100).map(|n| gateway.worker(n % 4).send(with(&token))).collect();
        assert_eq!(admitted(&exchanges), passes, "{scope}");
        exchanges.iter().filter(|exchange| outcome(exchange) != "admitted").for_each(assert_replayed);
    }
}

#[apply(every_gateway)]
fn of_sixteen_that_wait_for_keys_together_one_passes_with_gateway_and_one_each_with_worker(host: Host) {
    for (scope, passes) in host.scopes([("gateway", 1), ("worker", 4)]) {
        let mut configuration = jwt_auth();
        configuration["inbound"]["auth"]["jwt_auth"]["replay_detection"] = json!(scope);
        let slow = publishing(Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(1)));
        let gateway = host
            .with_replay_scope(scope, &configuration)
            .workers(4)
            .upstream(KEYSTORE, slow)
            .start(Module::release())
            .unwrap();
        let token = fresh(&gateway);
        let exchanges: Vec<_> = (0..4 * MOST_FETCHES).map(|n| gateway.worker(n % 4).send(with(&token))).collect();
        assert!(exchanges.iter().all(|exchange| outcome(exchange) == "pending"));
        gateway.settle();
        assert_eq!(admitted(&exchanges), passes, "{scope}");
        exchanges.iter().filter(|exchange| outcome(exchange) != "admitted").for_each(assert_replayed);
    }
}

#[apply(every_gateway)]
fn a_token_is_remembered_to_the_last_millisecond_of_its_life(host: Host) {
    for scope in host.replay_scopes() {
        let gateway = detecting(host, scope, 10, 1);
        let token = fresh(&gateway);
        assert_eq!(judge(&gateway, with(&token)), "admitted");
        // `exp` is in 30 s, and the skew 10 s.
        for pause in [20_000, 10_000, 9_999, 1] {
            gateway.advance(millis(pause));
            assert_replayed(&send(&gateway, with(&token)));
        }
        gateway.advance(millis(1));
        let (status, code, message) = refusal(&send(&gateway, with(&token)));
        assert_eq!((status, code.as_str()), (401, "JWS.InvalidClaim"));
        assert!(message.contains("expired"), "{message}");
    }
}

#[apply(every_gateway)]
fn a_token_whose_signature_is_wrong_uses_nobody_up(host: Host) {
    for scope in host.replay_scopes() {
        let gateway = detecting(host, scope, 1, 1);
        let token = fresh(&gateway);
        for _ in 0..3 {
            assert_eq!(judge(&gateway, with(&with_broken_signature(&token))), "JWS.InvalidSignature");
        }
        assert_eq!(judge(&gateway, with(&token)), "admitted");
        assert_eq!(judge(&gateway, with(&with_broken_signature(&token))), "JWS.InvalidSignature", "as before");
        assert_replayed(&send(&gateway, with(&token)));
    }
}

#[apply(every_gateway)]
fn a_full_memory_refuses_new_tokens_forgets_no_old_one_and_has_room_when_one_ends(host: Host) {
    for scope in host.replay_scopes() {
        let gateway = detecting(host, scope, 3, 1);
        let full = |count| host.assert_counted(&gateway, "replay_memory_full_total", count);
        let now = gateway.now().as_secs();
        let old = [10, 20, 30].map(|life| signed(token(&gateway).valid(now, now + life)));
        for token in &old {
            assert_eq!(judge(&gateway, with(token)), "admitted");
        }
        full(0);
        // The first one ends 10 s after its `exp`, and a millisecond later there is room: rounded up.
        assert_eq!(retry_after(&send(&gateway, right(&gateway))), 21);
        full(1);
        for token in &old {
            assert_replayed(&send(&gateway, with(token)));
        }
        // A replay is not for want of room.
        full(1);
        gateway.advance(seconds(20));
        assert_eq!(retry_after(&send(&gateway, right(&gateway))), 1);
        full(2);
        gateway.advance(millis(1));
        assert_eq!(judge(&gateway, right(&gateway)), "admitted");
        assert_eq!(retry_after(&send(&gateway, right(&gateway))), 10, "one room, and it is taken");
        full(3);
        old[1..].iter().for_each(|token| assert_replayed(&send(&gateway, with(token))));
    }
}

#[apply(every_gateway)]
fn room_is_shared_by_all_workers_with_gateway_and_not_with_worker(host: Host) {
    for (scope, passes) in host.scopes([("gateway", 3), ("worker", 6)]) {
        let gateway = detecting(host, scope, 3, 2);
        let exchanges: Vec<_> = (0..20).map(|n| gateway.worker(n % 2).send(right(&gateway))).collect();
        assert_eq!(admitted(&exchanges), passes);
        host.assert_counted(&gateway, "replay_memory_full_total", 20 - passes as u64);
    }
}

/// One worker in the middle of each call for the shared memory, the other one from beginning to end meanwhile.
#[apply(every_gateway_with_shared_data)]
fn of_two_workers_that_meet_at_any_point_one_admits(host: Host) {
    for bucket_exists in [false, true] {
        for (call, nth) in [READ, WRITE].into_iter().flat_map(|call| [(call, 1), (call, 2)]) {
            for point in [InterleavingPoint::before(call), InterleavingPoint::after(call)] {
                let gateway = detecting(host, "gateway", 10, 2);
                if bucket_exists {
                    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
                }
                let token = fresh(&gateway);
                let what = format!("{point:?} {nth} {bucket_exists}");
                let point = point.only_for(BUCKET_OF_TEN).of_worker(0).nth(nth);
                let between = gateway.worker(1).send_at(point, with(&token));
                let interrupted = gateway.worker(0).send(with(&token));
                let Some(between) = between.exchange() else {
                    assert!(bucket_exists && nth == 2, "{what}: this call was not made");
                    assert_eq!(outcome(&interrupted), "admitted");
                    continue;
                };
                let outcomes = [outcome(&between), outcome(&interrupted)];
                assert_eq!(admitted([&between, &interrupted]), 1, "{what}: {outcomes:?}");
                assert!(outcomes.contains(&"JWS.InvalidClaim".to_owned()), "{what}: {outcomes:?}");
                assert_replayed(&send(&gateway, with(&token)));
            }
        }
    }
}

#[apply(every_gateway_with_shared_data)]
fn of_three_workers_inside_each_other_one_admits(host: Host) {
    let gateway = detecting(host, "gateway", 10, 3);
    let token = fresh(&gateway);
    let read = |worker| InterleavingPoint::after(READ).only_for(BUCKET_OF_TEN).of_worker(worker);
    let outer = gateway.worker(1).send_at(read(0), with(&token));
    let inner = gateway.worker(2).send_at(read(1), with(&token));
    let first = gateway.worker(0).send(with(&token));
    let (outer, inner) = (outer.exchange().expect("it came"), inner.exchange().expect("it came"));
    assert_eq!([&first, &outer, &inner].map(outcome), ["JWS.InvalidClaim", "JWS.InvalidClaim", "admitted"]);
}

#[apply(every_gateway_with_shared_data)]
fn two_workers_that_meet_with_different_tokens_lose_none(host: Host) {
    let gateway = detecting(host, "gateway", 10, 2);
    let tokens = [fresh(&gateway), fresh(&gateway)];
    let between = gateway.worker(1).send_at(InterleavingPoint::before(WRITE).only_for(BUCKET_OF_TEN), with(&tokens[1]));
    let interrupted = gateway.worker(0).send(with(&tokens[0]));
    assert_eq!(admitted([&interrupted, &between.exchange().expect("it came")]), 2);
    for (worker, token) in [(0, &tokens[1]), (1, &tokens[0])] {
        assert_replayed(&gateway.worker(worker).send(with(token)));
    }
}

/// The faults of one call: every status of ABI 0.2.1 and some that it does not list, nothing written, nonsense.
fn faults(call: &str) -> Vec<(String, Fault)> {
    let statuses = (0..=13).chain([99, u32::MAX]);
    let statuses = statuses.map(|status| (format!("{call} = {status}"), Fault::host_call(call).returns(status)));
    let mut faults: Vec<_> = statuses.collect();
    faults.push((format!("{call} writes nothing"), Fault::host_call(call).writes_nothing()));
    if call == READ {
        let garbage = [
            Garbage::Null,
            Garbage::Truncated,
            Garbage::OverlongCount,
            Garbage::OverlongName,
            Garbage::Bytes(vec![0xff; 70_000]),
        ];
        let named = garbage.map(|garbage| (format!("{call} {garbage:?}"), garbage));
        faults.extend(named.map(|(name, garbage)| (name, Fault::host_call(call).hands_out(garbage))));
    }
    faults
}

/// A host that says that it has written and has not is found out when the first value is not there. One that begins to lie
/// later is not, and is left out.
#[apply(every_gateway_with_shared_data)]
fn nothing_that_shared_data_answers_lets_a_token_pass_and_it_recovers(host: Host) {
    for (name, fault) in [READ, WRITE].into_iter().flat_map(faults) {
        for bucket_exists in [false, true] {
            if bucket_exists && (name == format!("{WRITE} = 0") || name == format!("{WRITE} writes nothing")) {
                continue;
            }
            let gateway = detecting(host, "gateway", 10, 2);
            if bucket_exists {
                assert_eq!(judge(&gateway, right(&gateway)), "admitted");
            }
            gateway.fault(fault.clone());
            let token = fresh(&gateway);
            for worker in [0, 1, 0] {
                let exchange = gateway.worker(worker).send(with(&token));
                let outcome = outcome(&exchange);
                // Read as absent when it is there, or told that others came between: it never gets through.
                assert!(["GenericRecoverableError", "GenericError"].contains(&outcome.as_str()), "{name}: {outcome}");
            }
            gateway.heal();
            gateway.advance(seconds(321));
            assert_eq!(judge(&gateway, right(&gateway)), "admitted", "{name}");
        }
    }
}

#[apply(every_gateway_with_shared_data)]
fn one_failed_call_refuses_one_request_and_never_lets_a_token_pass_twice(host: Host) {
    for (name, fault) in [READ, WRITE].into_iter().flat_map(faults) {
        for nth in 1..=4 {
            // It says that it has written, and has not: see above.
            if name == format!("{WRITE} = 0") || name == format!("{WRITE} writes nothing") {
                continue;
            }
            let gateway = detecting(host, "gateway", 10, 2);
            gateway.fault(fault.clone().only_nth(nth));
            let token = fresh(&gateway);
            let exchanges: Vec<_> = (0..6).map(|n| gateway.worker(n % 2).send(with(&token))).collect();
            assert!(admitted(&exchanges) <= 1, "{name}, call {nth}");
        }
    }
}

#[apply(every_gateway_with_shared_data)]
fn a_damaged_value_refuses_what_it_may_have_forgotten_and_heals(host: Host) {
    let gateway = detecting(host, "gateway", 10, 2);
    let lost = fresh(&gateway);
    assert_eq!(judge(&gateway, with(&lost)), "admitted");
    gateway.fault(Fault::host_call(READ).hands_out(Garbage::Truncated).only_nth(1));
    // Tokens live for 300 s at most, and 10 s more for the skew of either clock.
    assert_eq!(retry_after(&send(&gateway, with(&lost))), 320);
    assert_eq!(retry_after(&gateway.worker(1).send(with(&lost))), 320, "for all workers");
    assert_eq!(retry_after(&send(&gateway, right(&gateway))), 320, "nobody knows which they were");
    // That is not for want of room.
    host.assert_counted(&gateway, "replay_memory_full_total", 0);
    gateway.advance(seconds(280));
    assert_eq!(retry_after(&send(&gateway, right(&gateway))), 40);
    gateway.advance(seconds(1));
    let late = fresh(&gateway);
    assert_eq!(judge(&gateway, with(&late)), "admitted", "it ends later than any that can be lost");
    assert_replayed(&send(&gateway, with(&late)));
}

#[apply(every_gateway)]
fn a_clock_that_is_set_back_lets_no_token_pass_again(host: Host) {
    for scope in host.replay_scopes() {
        let gateway = detecting(host, scope, 10, 1);
        let token = fresh(&gateway);
        assert_eq!(judge(&gateway, with(&token)), "admitted");
        let now = gateway.now();
        gateway.advance(seconds(60));
        assert_eq!(judge(&gateway, right(&gateway)), "admitted", "the first is dropped");
        gateway.set_clock(now);
        assert_ne!(judge(&gateway, with(&token)), "admitted");
        // Keys from the future are fetched again first.
        gateway.settle();
        assert_eq!(retry_after(&send(&gateway, with(&token))), 40);
    }
}

#[apply(every_gateway)]
fn a_token_costs_the_gateway_one_read_and_one_write_and_little_fuel(host: Host) {
    let host = host.metered();
    let plain = host.start();
    judge(&plain, right(&plain));
    let base = plain.worker(0).send(right(&plain)).fuel();
    for (scope, (calls, bound)) in host.scopes([("worker", (0, 40_000)), ("gateway", (1, 600_000))]) {
        let gateway = detecting(host, scope, 256, 1);
        for _ in 0..128 {
            assert_eq!(judge(&gateway, right(&gateway)), "admitted");
        }
        let exchange = gateway.worker(0).send(right(&gateway));
        let extra = exchange.fuel().saturating_sub(base);
        println!("{scope}: {extra} more fuel with 128 tokens remembered");
        assert!(extra < bound, "{scope}: {extra}");
        for call in [READ, WRITE] {
            let about = exchange.host_calls();
            let about = about
                .iter()
                .filter(|one| one.name == call && one.subject.as_deref().is_some_and(|key| key.contains("/replay/")));
            assert_eq!(about.count(), calls, "{scope} {call}");
        }
    }
}

#[apply(every_gateway_with_shared_data)]
fn nothing_of_a_token_can_be_read_in_shared_data(host: Host) {
    let gateway = detecting(host, "gateway", 10, 1);
    let jti = "8d5bd4e6-7f0a-4a24-9f58-0b0c1c7b2f6e";
    let request: Request = with(&signed(token(&gateway).claim("jti", jti)));
    assert_eq!(judge(&gateway, request), "admitted");
    let value = gateway.shared_data(BUCKET_OF_TEN).expect("the bucket");
    let text = String::from_utf8_lossy(&value);
    assert!(!text.contains(jti) && !text.contains(&hub().subject.organisational_unit), "{text}");
}
