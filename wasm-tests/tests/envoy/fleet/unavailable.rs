//! The choice that is made aloud: while etcd cannot be asked, tokens are refused, or each gateway goes on with its own memory.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::fleet::etcd::{Etcd, EtcdSetup};
use wasm_tests::stage::fleet::{Fleet, FleetSetup};
use wasm_tests::stage::signed_by;

use super::beside_others;
use super::load::Presentation;

/// How often a gateway went on with its own memory.
const FALLBACKS: &str = "hub_auth_filter_replay_fallbacks_total";
/// So small that it is soon full. etcd takes no less than its first page.
const SMALL: u64 = 4 * 1024 * 1024;

fn fresh(fleet: &Fleet) -> Request {
    Request::with_token(&signed_by(&fleet.stage.pki.hub))
}

async fn presented(fleet: &Fleet, gateway: usize, request: &Request) -> Presentation {
    Presentation::of(&fleet.send(gateway, request).await)
}

/// Sends new tokens until one passes, which must be soon.
async fn until_one_passes(fleet: &Fleet, gateway: usize) {
    let started = Instant::now();
    while presented(fleet, gateway, &fresh(fleet)).await != Presentation::Admitted {
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "gateway {gateway} does not recover:\n{}",
            fleet.gateway(gateway).log()
        );
        sleep(Duration::from_millis(200)).await;
    }
}

/// How a gateway does while etcd is full, and after that.
async fn full(setup: FleetSetup, etcd: &Etcd, expected: &Presentation) -> Fleet {
    let fleet = setup.start().await;
    let used = fresh(&fleet);
    assert_eq!(presented(&fleet, 0, &used).await, Presentation::Admitted);
    etcd.fill().await;
    for gateway in [0, 1] {
        assert_eq!(presented(&fleet, gateway, &fresh(&fleet)).await, *expected, "gateway {gateway}");
    }
    // What this gateway has seen itself, it knows without etcd.
    assert_eq!(presented(&fleet, 0, &used).await, Presentation::Replayed);
    fleet
}

#[tokio::test(flavor = "multi_thread")]
async fn when_etcd_has_no_room_left_tokens_are_refused_until_it_has() {
    let _beside = beside_others().await;
    let etcd = EtcdSetup::new().quota(SMALL).start().await;
    let fleet = full(FleetSetup::etcd(&etcd), &etcd, &Presentation::Unavailable).await;
    assert_eq!(fleet.count(&[FALLBACKS]).await, 0);
    etcd.empty().await;
    until_one_passes(&fleet, 0).await;
    until_one_passes(&fleet, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_local_a_gateway_goes_on_with_its_own_memory_counts_it_and_says_so() {
    let _beside = beside_others().await;
    let etcd = EtcdSetup::new().quota(SMALL).start().await;
    let fleet = full(FleetSetup::etcd(&etcd).local(), &etcd, &Presentation::Admitted).await;
    let token = fresh(&fleet);
    assert_eq!(presented(&fleet, 0, &token).await, Presentation::Admitted);
    assert_eq!(presented(&fleet, 0, &token).await, Presentation::Replayed, "its own memory still knows it");
    assert_eq!(presented(&fleet, 1, &token).await, Presentation::Admitted, "the price of \"local\"");
    let counted = fleet.count(&[FALLBACKS]).await;
    assert!(counted >= 4, "{counted} counted");
    let log = fleet.gateway(0).log();
    let told = log.lines().filter(|line| line.contains("this gateway alone has decided on ")).count();
    assert_eq!(told, 1, "once a minute:\n{log}");

    etcd.empty().await;
    let started = Instant::now();
    loop {
        let token = fresh(&fleet);
        let both = (presented(&fleet, 0, &token).await, presented(&fleet, 1, &token).await);
        if both == (Presentation::Admitted, Presentation::Replayed) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(15), "the gateways do not ask etcd again: {both:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_left_alone_lets_nothing_pass() {
    let _beside = beside_others().await;
    let mut etcd = EtcdSetup::new().start().await;
    let fleet = FleetSetup::etcd(&etcd).gateways(1, 1).start().await;
    assert_eq!(presented(&fleet, 0, &fresh(&fleet)).await, Presentation::Admitted);
    let leader = etcd.leader().await;
    let others: Vec<usize> = etcd.live().into_iter().filter(|member| *member != leader).collect();
    others.iter().for_each(|member| etcd.suspend(*member));
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(presented(&fleet, 0, &fresh(&fleet)).await, Presentation::Unavailable);
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(11), "three refusals within their deadlines: {took:?}");
    others.iter().for_each(|member| etcd.resume(*member));
    until_one_passes(&fleet, 0).await;
}
