//! Certificates that were revoked or have ended (RFC 5280 §5, §4.1.2.5), on the shipped configuration: who is refused, when a new
//! CRL counts, and that nobody gets in without one.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use wasm_tests::stage::client::{Connection, Outcome, Request};
use wasm_tests::stage::crl::Crl;
use wasm_tests::stage::pki::{Identity, Pki};
use wasm_tests::stage::{Setup, Stage, signed_by};

/// Envoy reads a new CRL within milliseconds; a loaded machine may need more.
const PATIENCE: Duration = Duration::from_secs(20);

const PROVIDER_IDS: &str = r#""provider_ids": ["retail"],"#;

fn pki() -> &'static Pki {
    Pki::shared()
}

/// A CRL with the Hub's certificate on it, newer than that of the stage.
fn revoking_the_hub() -> String {
    Crl::pem(&Crl::lasting(2, -60, 3600).revoking(&pki().hub.transport).issued(pki()))
}

fn right() -> Request {
    Request::with_token(&signed_by(&pki().hub))
}

/// Whether somebody with this certificate gets a request through on a connection of its own. It must be one or the other: not a reply
/// of the filter.
async fn is_let_in(stage: &Stage, identity: &Identity) -> bool {
    match stage.send(Some(identity), &right()).await {
        Outcome::Reply(reply) => {
            assert_eq!(reply.status, 200, "{:?}", reply.error_code());
            true
        }
        Outcome::Refused(_) => false,
    }
}

/// Waits until the answer to the question is this.
async fn becomes(stage: &Stage, identity: &Identity, let_in: bool, what: &str) {
    let started = Instant::now();
    while is_let_in(stage, identity).await != let_in {
        assert!(started.elapsed() < PATIENCE, "{what}: {}", stage.envoy.log());
        sleep(Duration::from_millis(50)).await;
    }
}

/// The reasons for refused handshakes, as the access log has them.
fn refused_handshakes(stage: &mut Stage) -> String {
    stage.envoy.stop();
    stage.envoy.access_log().replace('_', " ")
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_and_another_of_the_same_hub_is_not() {
    let mut stage = Setup::new().crl(Some(revoking_the_hub().as_bytes())).start().await;
    assert!(!is_let_in(&stage, &pki().hub.transport).await);
    assert!(is_let_in(&stage, &pki().client(&pki().hub.subject)).await);
    assert_eq!(stage.bank.received().len(), 1);
    let reasons = refused_handshakes(&mut stage);
    assert!(
        reasons.contains("at depth 0: certificate revocation check against provided CRLs failed: certificate revoked"),
        "{reasons}"
    );
}

#[tokio::test]
async fn a_new_crl_counts_for_the_next_connection_without_a_restart() {
    let stage = Setup::new().start().await;
    let hub = &pki().hub.transport;
    let mut open = stage.connect(Some(hub)).await.expect("a connection");
    assert_eq!(open.send(&right()).await.reply().status, 200);

    stage.replace_crl(revoking_the_hub().as_bytes());
    becomes(&stage, hub, false, "revoked").await;
    assert_eq!(open.send(&right()).await.reply().status, 200, "what bounds it is max_connection_duration");

    // Half a CRL: Envoy keeps the one that it has, and says so.
    let half = revoking_the_hub();
    stage.replace_crl(half.split_at(half.len() / 2).0.as_bytes());
    let started = Instant::now();
    while stage.envoy.stats("sds.trust_framework_crl.key_rotation_failed").await.values().sum::<u64>() == 0 {
        assert!(started.elapsed() < PATIENCE, "{}", stage.envoy.log());
        sleep(Duration::from_millis(50)).await;
    }
    assert!(
        stage.envoy.log().contains("Failed to reload certificates: Failed to load CRL from"),
        "{}",
        stage.envoy.log()
    );
    assert!(!is_let_in(&stage, hub).await);

    // One that has ended refuses everybody, and the next one heals it.
    stage.replace_crl(Crl::pem(&Crl::lasting(3, -7200, -1).issued(pki())).as_bytes());
    becomes(&stage, &pki().client(&pki().hub.subject), false, "ended").await;
    stage.replace_crl(Crl::pem(&Crl::lasting(4, -30, 3600).issued(pki())).as_bytes());
    becomes(&stage, hub, true, "current again").await;
}

#[tokio::test]
async fn without_a_good_crl_nobody_gets_in_and_the_logs_say_why() {
    let ended = Crl::pem(&Crl::lasting(2, -7200, -1).issued(pki()));
    let of_another = Crl::pem(&Crl::new(2).issued_by_root(pki()));
    let half = revoking_the_hub();
    let half = half.split_at(half.len() / 2).0;
    for (what, file, reason) in [
        ("missing", None, "Filesystem config update rejected: Invalid path"),
        ("half", Some(half), "Filesystem config update rejected: Failed to load CRL from"),
        ("ended", Some(ended.as_str()), "against provided CRLs failed: CRL has expired"),
        ("another CA's", Some(of_another.as_str()), "against provided CRLs failed: unable to get certificate CRL"),
        ("no CRL", Some("none"), "against provided CRLs failed: unable to get certificate CRL"),
    ] {
        let mut stage = Setup::new().crl(file.map(str::as_bytes)).start().await;
        assert!(!is_let_in(&stage, &pki().hub.transport).await, "{what}");
        assert_eq!(stage.bank.received(), [], "{what}");
        let told = stage.envoy.log() + &refused_handshakes(&mut stage);
        assert!(told.contains(reason), "{what}: {told}");
    }
}

/// Envoy takes an empty file for no CRL at all. The guide says how not to depend on that: a CRL beside the CAs turns the check on
/// for good, and the newer one of two counts.
#[tokio::test]
async fn an_empty_file_revokes_nothing_unless_a_crl_stands_beside_the_cas() {
    let (hub, other) = (&pki().hub.transport, &pki().client(&pki().hub.subject));
    let without = Setup::new().crl(Some(b"")).start().await;
    assert!(is_let_in(&without, hub).await);

    let ended = Crl::pem(&Crl::lasting(1, -7200, -1).issued(pki()));
    let stage = Setup::new().crl(Some(b"")).append_to_cas(&ended).start().await;
    assert!(!is_let_in(&stage, hub).await);
    stage.replace_crl(revoking_the_hub().as_bytes());
    becomes(&stage, other, true, "a current CRL").await;
    assert!(!is_let_in(&stage, hub).await);
    stage.replace_crl(b"");
    becomes(&stage, other, false, "empty again").await;

    let current = Crl::pem(&Crl::new(1).issued(pki()));
    let stage = Setup::new().crl(Some(revoking_the_hub().as_bytes())).append_to_cas(&current).start().await;
    assert!(!is_let_in(&stage, hub).await && is_let_in(&stage, other).await, "the newer one counts");
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_refused_and_its_connection_ends_after_the_bound() {
    const BOUND: Duration = Duration::from_secs(6);
    let stage = Setup::new().edit("max_connection_duration: 3600s", "max_connection_duration: 6s").start().await;
    let ending = pki().client_between(&pki().hub.subject, -3600, 3);
    let opened = Instant::now();
    let mut open = stage.connect(Some(&ending)).await.expect("a connection");
    assert_eq!(open.send(&right()).await.reply().status, 200);

    sleep(Duration::from_millis(4_100).saturating_sub(opened.elapsed())).await;
    assert!(!is_let_in(&stage, &ending).await, "it has ended");
    // Directly behind Envoy the filter does not see the certificate.
    assert_eq!(open.send(&right()).await.reply().status, 200, "the connection was verified in time");
    while let Outcome::Reply(reply) = open.send(&right()).await {
        assert_eq!(reply.status, 200);
        assert!(opened.elapsed() < BOUND + PATIENCE, "the connection does not end");
        sleep(Duration::from_millis(200)).await;
    }
    assert!(opened.elapsed() >= BOUND, "{:?}", opened.elapsed());
}

#[tokio::test]
async fn where_the_filter_sees_the_certificate_it_is_refused_on_its_open_connection() {
    let health_checks = format!("{PROVIDER_IDS} \"health_checks\": {{}},");
    let stage = Setup::new().edit(PROVIDER_IDS, &health_checks).start().await;
    let ending = pki().client_between(&pki().hub.subject, -3600, 3);
    let opened = Instant::now();
    let mut open: Connection = stage.connect(Some(&ending)).await.expect("a connection");
    let hello = Request::new("GET", "/hello-mtls");
    assert_eq!(open.send(&right()).await.reply().status, 200);
    assert_eq!(open.send(&hello).await.reply().status, 200);

    sleep(Duration::from_millis(4_100).saturating_sub(opened.elapsed())).await;
    let reply = open.send(&right()).await.reply();
    assert_eq!((reply.status, reply.error_code().as_deref()), (401, Some("Certificate.Invalid")));
    assert_eq!(open.send(&hello).await.reply().status, 401);
    assert_eq!(stage.bank.received().len(), 1);
}
