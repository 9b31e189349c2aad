//! Redis behind Webdis, for who has that: once over two gateways, and what happens when Redis is down or comes back empty.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::fleet::redis::{PASSWORD, Redis, USER};
use wasm_tests::stage::fleet::{Fleet, FleetSetup};
use wasm_tests::stage::signed_by;

use super::beside_others;
use super::load::{Load, Presentation};

fn fresh(fleet: &Fleet) -> Request {
    Request::with_token(&signed_by(&fleet.stage.pki.hub))
}

async fn presented(fleet: &Fleet, gateway: usize, request: &Request) -> Presentation {
    Presentation::of(&fleet.send(gateway, request).await)
}

/// What the real pair answers, on which the filter counts.
#[tokio::test]
async fn webdis_takes_the_command_that_the_filter_sends_from_the_gateways_user_alone() {
    let pair = Redis::start().await;
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{USER}:{PASSWORD}"));
    let ask = |command: &str| Request::new("POST", "/").body(command.as_bytes());
    let set = |value: &str| ask(&format!("SET/some-key/{value}/NX/GET/PX/60000"));
    assert_eq!(pair.send(&set("first")).await.reply().status, 403);
    let signed_in = |request: Request| request.header("authorization", format!("Basic {basic}"));
    let first = pair.send(&signed_in(set("first"))).await.reply();
    assert_eq!((first.status, first.json()["SET"].is_null()), (200, true), "{}", first.json());
    let second = pair.send(&signed_in(set("second"))).await.reply();
    assert_eq!((second.status, second.json()["SET"].as_str()), (200, Some("first")), "{}", second.json());
    assert_eq!(pair.send(&signed_in(ask("GET/some-key"))).await.reply().status, 403, "nothing but SET");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_tokens_that_two_gateways_get_at_once_each_passes_exactly_once() {
    let _beside = beside_others().await;
    let pair = Redis::start().await;
    let fleet = FleetSetup::redis(&pair).gateways(2, 2).start().await;
    let tally = Load::run(&fleet, 8, 400).await;
    tally.print("Redis: two gateways of two workers", Duration::ZERO);
    tally.assert_once(&fleet);
    assert_eq!((tally.tokens(), tally.admitted(), tally.refused()), (400, 400, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_down_tokens_are_refused_and_what_it_forgot_passes_once_more() {
    let _beside = beside_others().await;
    let mut pair = Redis::start().await;
    let fleet = FleetSetup::redis(&pair).start().await;
    let used = fresh(&fleet);
    assert_eq!(presented(&fleet, 0, &used).await, Presentation::Admitted);
    pair.stop_redis();
    assert_eq!(presented(&fleet, 1, &fresh(&fleet)).await, Presentation::Unavailable);
    assert_eq!(presented(&fleet, 0, &used).await, Presentation::Replayed, "what it knows itself");
    pair.start_redis().await;
    let started = Instant::now();
    while presented(&fleet, 1, &fresh(&fleet)).await != Presentation::Admitted {
        assert!(started.elapsed() < Duration::from_secs(15), "the gateway does not recover");
        sleep(Duration::from_millis(200)).await;
    }
    // Redis was started empty, as after a failover to a replica that had not got the write: docs/fleet.md says so.
    assert_eq!(presented(&fleet, 1, &used).await, Presentation::Admitted);
    assert_eq!(presented(&fleet, 0, &used).await, Presentation::Replayed);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_local_gateways_go_on_without_redis() {
    let _beside = beside_others().await;
    let mut pair = Redis::start().await;
    let fleet = FleetSetup::redis(&pair).local().start().await;
    pair.stop_redis();
    let token = fresh(&fleet);
    let both = [presented(&fleet, 0, &token).await, presented(&fleet, 0, &token).await];
    assert_eq!(both, [Presentation::Admitted, Presentation::Replayed]);
    assert!(fleet.count(&["hub_auth_filter_replay_fallbacks_total"]).await >= 1);
}
