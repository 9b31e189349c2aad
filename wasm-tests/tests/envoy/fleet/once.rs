//! What a fleet is for: a token passes once, at whichever gateway and worker, and also after a gateway was started anew.

use wasm_tests::stage::client::Request;
use wasm_tests::stage::fleet::etcd::EtcdSetup;
use wasm_tests::stage::fleet::{FleetSetup, PREFIX};
use wasm_tests::stage::signed_by;

use super::alone;
use super::load::{Load, Presentation};

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_tokens_that_three_gateways_of_four_workers_get_at_once_each_passes_exactly_once() {
    let _alone = alone().await;
    let etcd = EtcdSetup::new().start().await;
    let fleet = FleetSetup::etcd(&etcd).gateways(3, 4).start().await;
    let tally = Load::run(&fleet, 12, 1000).await;
    tally.print("three gateways of four workers", std::time::Duration::ZERO);
    tally.assert_once(&fleet);
    assert_eq!((tally.tokens(), tally.admitted(), tally.refused()), (1000, 1000, 0));

    let keys = etcd.keys(PREFIX).await;
    assert_eq!(keys.len(), 1000);
    let is_digest = |key: &Vec<u8>| {
        let digits = key.strip_prefix(PREFIX.as_bytes()).unwrap_or_default();
        digits.len() == 64 && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    };
    assert!(keys.iter().all(is_digest), "nothing of a token is in clear");
    let leases = etcd.leases().await;
    assert!((1..=24).contains(&leases), "{leases} leases, of at most two a worker");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_used_is_refused_by_a_gateway_that_was_started_anew_and_by_the_others() {
    let _alone = alone().await;
    let etcd = EtcdSetup::new().start().await;
    let mut fleet = FleetSetup::etcd(&etcd).gateways(2, 1).start().await;
    let request = Request::with_token(&signed_by(&fleet.stage.pki.hub));
    assert_eq!(Presentation::of(&fleet.send(0, &request).await), Presentation::Admitted);
    fleet.restart(0, |same| same).await;
    for gateway in [0, 1, 0, 1] {
        assert_eq!(Presentation::of(&fleet.send(gateway, &request).await), Presentation::Replayed);
    }
    assert_eq!(fleet.stage.bank.received().len(), 1);
}
