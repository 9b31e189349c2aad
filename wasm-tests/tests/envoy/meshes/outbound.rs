//! Requests of the bank to the Hub, through Istio's egress gateway; and both directions in one proxy.

use std::net::SocketAddr;
use std::path::Path;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use wasm_tests::stage::bank::Bank;
use wasm_tests::stage::client::{self, Connection, Request};
use wasm_tests::stage::envoy::module;
use wasm_tests::stage::pki::{BANK_ORGANISATION, BANK_UNIT, CONSENT_MANAGER_NAME, HEADLESS_HEIMDALL_NAME, Pki};
use wasm_tests::stage::tokens::SigningKey;
use wasm_tests::stage::{OutboundSetup, PROVIDER_ID, Setup, signed_by};

use super::bootstrap::configuration;
use super::inbound::{self, Mesh};
use super::istio;
use super::manifests::Manifests;
use crate::outbound::{hands_the_request_on_and_nothing_else, reaches_both_servers, replaces_any_credential};

fn shipped() -> Manifests {
    Manifests::shipped("istio/outbound.yaml")
}

fn bootstrap(manifests: &Manifests, directory: &Path, hub: SocketAddr) -> Value {
    bootstrap_with(manifests, directory, hub, vec![])
}

fn bootstrap_with(manifests: &Manifests, directory: &Path, hub: SocketAddr, more: Vec<Value>) -> Value {
    let file = |name: &str| directory.join(name).display().to_string();
    let module = module();
    let around = istio::Around {
        module: &module,
        secrets: [
            json!({"name": "kubernetes://c3", "tls_certificate": {
                "certificate_chain": {"filename": file("c3-chain.pem")},
                "private_key": {"filename": file("c3-key.pem")},
            }}),
            json!({"name": "kubernetes://c3-cacert", "validation_context": {
                "trusted_ca": {"filename": file("trust-framework-ca.pem")},
            }}),
        ]
        .into_iter()
        .chain(more)
        .collect(),
        address_of: &|_| hub,
        file: &|path| panic!("{path}"),
    };
    istio::bootstrap(manifests, &around)
}

fn setup(manifests: Manifests) -> OutboundSetup {
    OutboundSetup::new().made(move |directory, hub| configuration(&bootstrap(&manifests, directory, hub)))
}

#[tokio::test]
async fn the_egress_gateway_signs_what_leaves_and_tells_the_hub_nothing_of_this_side() {
    let stage = setup(shipped()).start().await;
    reaches_both_servers(&stage).await;
    replaces_any_credential(&stage).await;
    // Istio counts a request's attempts for whoever gets it.
    hands_the_request_on_and_nothing_else(&stage, &["x-envoy-attempt-count"]).await;
}

/// Here the listener has TLS, with certificates that stand in for the mesh's, which Envoy itself would tell the Hub of.
#[tokio::test]
async fn the_hub_does_not_learn_who_called_within_the_mesh() {
    let pki = Pki::shared();
    let text = |text: &str| json!({"inline_string": text});
    let of_the_mesh = vec![
        json!({"name": "default", "tls_certificate": {
            "certificate_chain": text(&pki.hub_server.chain_pem), "private_key": text(&pki.hub_server.key_pem),
        }}),
        json!({"name": "ROOTCA", "validation_context": {"trusted_ca": text(&pki.internal_bundle())}}),
    ];
    let stage = OutboundSetup::new()
        .made(move |directory, hub| configuration(&bootstrap_with(&shipped(), directory, hub, of_the_mesh.clone())))
        .start()
        .await;
    for host in [CONSENT_MANAGER_NAME, HEADLESS_HEIMDALL_NAME] {
        let address = stage.envoy.address();
        let mut caller = Connection::open_to(host, address, &pki.root(), Some(&pki.proxy)).await.expect("a connection");
        let request = Request::new("GET", "/consents")
            .header("x-envoy-peer-metadata", "x")
            .header("x-envoy-peer-metadata-id", "y");
        assert_eq!(caller.send(&request).await.reply().status, 200, "{host}");
        let calls = stage.hub.take();
        let names: Vec<&str> = calls[0].request.headers.iter().map(|(name, _)| name.as_str()).collect();
        let told = names.iter().any(|name| name.contains("client-cert") || name.contains("peer-metadata"));
        assert!(!told && names.contains(&"authorization"), "{host}: {names:?}");
    }
}

#[tokio::test]
async fn a_filter_that_is_never_called_lets_nothing_leave() {
    for (pointer, value) in [
        ("/spec/match/0/ports/0/number", json!(443)),
        ("/spec/match/0/mode", json!("SERVER")),
        ("/spec/selector/matchLabels/istio", json!("another")),
    ] {
        let stage = setup(shipped().with("WasmPlugin", pointer, value)).start().await;
        for request in [Request::new("GET", "/consents"), Request::with_token("x")] {
            assert_eq!(stage.send_to_consent_manager(&request).await.reply().status, 403, "{pointer}");
        }
        assert_eq!((stage.hub.calls(), stage.hub.refused_handshakes()), (vec![], 0), "{pointer}");
    }
}

#[tokio::test]
async fn no_other_host_is_reached() {
    let stage = setup(shipped()).start().await;
    for host in ["hub.example", "apihub.openfinance.ae"] {
        let reply = stage.send(host, &Request::new("GET", "/consents")).await.reply();
        assert_eq!((reply.status, reply.error_code().as_deref()), (404, Some("GenericError")), "{host}");
    }
    assert_eq!((stage.hub.calls(), stage.hub.refused_handshakes()), (vec![], 0));
}

/// A variable of this name for one plugin alone.
fn given(key: &SigningKey) -> Value {
    json!([{"name": "SIG4_PRIVATE_KEY", "valueFrom": "INLINE", "value": key.pkcs8_pem()}])
}

/// Asserts that a header has a token that this key has signed.
#[track_caller]
fn is_signed_with(key: &SigningKey, header: Option<&str>) {
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).expect("a bearer token");
    let jwk = serde_json::from_value(key.jwk()).expect("a JWK");
    let mut rules = Validation::new(Algorithm::PS256);
    rules.set_audience(&[PROVIDER_ID]);
    let key = DecodingKey::from_jwk(&jwk).expect("a key");
    jsonwebtoken::decode::<Value>(token, &key, &rules).expect("a token of this key");
}

/// Istio gives plugins no `vm_id`, and one module here serves both directions: their machines must be two all the same.
#[tokio::test]
async fn two_plugins_of_one_module_side_by_side_each_see_their_own_variables() {
    let pki = Pki::shared();
    let (for_responses, for_requests) = (&pki.bank.signing, &pki.next_bank_signing);
    let token = json!({
        "audience": PROVIDER_ID,
        "certificate": {"organisation": BANK_ORGANISATION, "organisational_unit": BANK_UNIT},
        "keys": [{"kid": for_responses.kid, "private_key": {"env": "SIG4_PRIVATE_KEY"}}],
    });
    let inbound = Mesh::WasmPlugin
        .shipped()
        .with("WasmPlugin", "/spec/pluginConfig/inbound/response_token", token)
        .with("WasmPlugin", "/spec/vmConfig/env", given(for_responses));
    let outbound = shipped()
        .with("WasmPlugin", "/spec/pluginConfig/outbound/keys/0/kid", json!(for_requests.kid))
        .with("WasmPlugin", "/spec/vmConfig/env", given(for_requests));
    let hub = Bank::start().await;
    let address = hub.address();
    let stage = Setup::new()
        .made(move |places| {
            let mut both = inbound::bootstrap(Mesh::WasmPlugin, &inbound, places);
            let mut egress = bootstrap(&outbound, Path::new("/nowhere"), address);
            egress["static_resources"]["listeners"][0]["name"] = "egress".into();
            let (all, more) = (&mut both["static_resources"], &mut egress["static_resources"]);
            // What leaves is read as it is.
            for cluster in more["clusters"].as_array_mut().expect("clusters") {
                cluster.as_object_mut().expect("a cluster").remove("transport_socket");
            }
            for part in ["listeners", "clusters"] {
                let more = more[part].as_array_mut().expect("a list");
                all[part].as_array_mut().expect("a list").append(more);
            }
            let text = both["static_resources"].to_string();
            assert_eq!((text.matches("hub_auth_filter").count(), text.matches("vm_id").count()), (2, 0), "{text}");
            configuration(&both)
        })
        .start()
        .await;

    let egress = stage.envoy.address_of("egress").await;
    for _ in 0..2 {
        let reply = stage.send_as_hub(&Request::with_token(&signed_by(&pki.hub))).await.reply();
        assert_eq!(reply.status, 200);
        is_signed_with(for_responses, reply.header("authorization"));
        let sent = client::send_plain(egress, CONSENT_MANAGER_NAME, &Request::new("GET", "/consents")).await.reply();
        assert_eq!(sent.status, 200);
        is_signed_with(for_requests, hub.take()[0].value("authorization"));
    }
}
