//! What Envoy really says about the client certificate, in its properties and in `x-forwarded-client-cert`, is understood
//! (spec §2.1, §6).

use aws_lc_rs::digest::{SHA256, digest};
use wasm_tests::stage::client::Request;
use wasm_tests::stage::pki::{ARABIC_HUB_UNIT, Identity};
use wasm_tests::stage::{Setup, signed_by};

const PEER: &str = "\"peer\": {";
/// The connection is the caller's own here, and Envoy writes the header itself: what it writes is asked, not who may write it.
const FORWARDED: &str = r#""peer": {"source": {"forwarded_header": {"proxy": {"allow_unpinned": true}}},"#;

/// The SHA-256 fingerprint of a party's certificate, as openssl prints it.
fn fingerprint(identity: &Identity) -> String {
    let digest = digest(&SHA256, &identity.chain[0]);
    digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

#[tokio::test]
async fn a_certificate_that_envoy_forwards_in_its_header_is_the_caller() {
    let stage = Setup::new().pin(ARABIC_HUB_UNIT).edit(PEER, FORWARDED).start().await;
    for party in [&stage.pki.hub, &stage.pki.arabic_hub] {
        let request = Request::with_token(&signed_by(party));
        assert_eq!(stage.send(Some(&party.transport), &request).await.reply().status, 200);
    }
    let received = stage.bank.received();
    for (request, party) in received.iter().zip([&stage.pki.hub, &stage.pki.arabic_hub]) {
        assert_eq!(request.value("x-hub-client-organisation"), Some(party.subject.organisation.as_str()));
    }
    let forged = Request::with_token(&signed_by(&stage.pki.hub))
        .header("x-forwarded-client-cert", format!("Subject=\"OU={},O=a\"", stage.pki.hub.subject.organisational_unit));
    let reply = stage.send(Some(&stage.pki.tpp.transport), &forged).await.reply();
    assert_eq!((reply.status, reply.error_code().as_deref()), (403, Some("Certificate.NotAllowed")));
}

#[tokio::test]
async fn a_certificate_can_be_pinned_by_the_fingerprint_that_openssl_prints() {
    for source in [PEER, FORWARDED] {
        let pinned =
            |fingerprint: &str| Setup::new().edit(PEER, &format!("{source}\"fingerprints\": [\"{fingerprint}\"],"));
        let pki = wasm_tests::stage::pki::Pki::shared();
        let request = Request::with_token(&signed_by(&pki.hub));
        let right = pinned(&fingerprint(&pki.hub.transport)).start().await;
        assert_eq!(right.send_as_hub(&request).await.reply().status, 200);
        let other = pinned(&fingerprint(&pki.tpp.transport)).start().await;
        assert_eq!(other.send_as_hub(&request).await.reply().error_code().as_deref(), Some("Certificate.NotAllowed"));
    }
}
