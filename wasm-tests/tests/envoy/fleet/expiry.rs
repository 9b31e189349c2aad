//! Nothing stays: when tokens are long over, etcd has no key of them, without anybody who cleans up.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::fleet::etcd::EtcdSetup;
use wasm_tests::stage::fleet::{FleetSetup, PREFIX};
use wasm_tests::stage::tokens::{Signer, now};
use wasm_tests::stage::{signed_by, token_of};

use super::load::Presentation;

/// A token's ten seconds, the skew of ten, some 30 s, up to 60 s of a lease that is shared, and what etcd takes to notice.
const UNTIL_ALL_ENDED: Duration = Duration::from_secs(10 + 10 + 30 + 60 + 15);

/// It waits, and does nothing meanwhile: it runs beside the others.
#[tokio::test(flavor = "multi_thread")]
async fn when_tokens_are_over_etcd_keeps_nothing_of_them() {
    let etcd = EtcdSetup::new().start().await;
    let fleet = FleetSetup::etcd(&etcd).gateways(1, 1).start().await;
    let hub = &fleet.stage.pki.hub;
    let started = Instant::now();
    for _ in 0..20 {
        let token = token_of(hub).valid(now(), now() + 10).sign(Signer::Ps256(&hub.signing));
        assert_eq!(Presentation::of(&fleet.send(0, &Request::with_token(&token)).await), Presentation::Admitted);
    }
    let last = started.elapsed();
    assert_eq!(etcd.keys(PREFIX).await.len(), 20);
    // A token passes for its ten seconds and the skew: as long the key must stay.
    sleep(Duration::from_secs(22).saturating_sub(started.elapsed() - last)).await;
    assert_eq!(etcd.keys(PREFIX).await.len(), 20, "too early");
    while !etcd.keys(PREFIX).await.is_empty() {
        assert!(started.elapsed() < UNTIL_ALL_ENDED, "{} keys are left", etcd.keys(PREFIX).await.len());
        sleep(Duration::from_secs(1)).await;
    }
    println!(
        "20 tokens of 10 s: the last key was gone {:.0} s after the last token",
        (started.elapsed() - last).as_secs_f64()
    );
    // The worker and Envoy's main thread, which has a filter too, each ask for the next one well before the last one ends.
    let left = etcd.leases().await;
    assert!(left <= 8, "{left} leases are left");
    // A lease that ended is not taken for another.
    assert_eq!(Presentation::of(&fleet.send(0, &Request::with_token(&signed_by(hub))).await), Presentation::Admitted);
}
