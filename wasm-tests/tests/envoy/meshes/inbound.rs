//! Requests of the Hub to the bank, through both meshes' gateways.

use serde_json::{Value, json};
use wasm_tests::stage::client::{Outcome, Request};
use wasm_tests::stage::crl::Crl;
use wasm_tests::stage::envoy::{Configuration, module};
use wasm_tests::stage::pki::{KEYSTORE_NAME, Pki};
use wasm_tests::stage::{Places, Setup, Stage, signed_by};

use super::bootstrap::configuration;
use super::manifests::Manifests;
use super::{envoy_gateway, istio};
use crate::{peers, refusals};

/// What the Hub's requests may come through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mesh {
    WasmPlugin,
    EnvoyFilter,
    EnvoyGateway,
}

pub const MESHES: [Mesh; 3] = [Mesh::WasmPlugin, Mesh::EnvoyFilter, Mesh::EnvoyGateway];

impl Mesh {
    /// Its manifests.
    pub fn shipped(self) -> Manifests {
        match self {
            Self::WasmPlugin => Manifests::shipped("istio/inbound.yaml"),
            Self::EnvoyFilter => Manifests::shipped("istio/inbound.yaml")
                .without("WasmPlugin")
                .and(Manifests::shipped("istio/envoyfilter.yaml")),
            Self::EnvoyGateway => Manifests::shipped("envoy-gateway/inbound.yaml"),
        }
    }
}

/// A stage with what the mesh hands over for its manifests.
pub fn setup(mesh: Mesh, manifests: Manifests) -> Setup {
    Setup::new().made(move |places| configuration(&bootstrap(mesh, &manifests, places)))
}

/// What the mesh hands over for its manifests.
pub fn bootstrap(mesh: Mesh, manifests: &Manifests, places: &Places) -> Value {
    let module = module();
    if mesh == Mesh::EnvoyGateway {
        return envoy_gateway::bootstrap(manifests, &module, places, KEYSTORE_NAME);
    }
    let around = istio::Around {
        module: &module,
        secrets: secrets(places),
        address_of: &|host| if host == KEYSTORE_NAME { places.keystore } else { places.bank },
        file: &|path| {
            assert_eq!(path, "/etc/ssl/certs/ca-certificates.crt");
            places.file("public-roots.pem")
        },
    };
    let mut bootstrap = istio::bootstrap(manifests, &around);
    // An EnvoyFilter names the module itself, where an init container has put it.
    let chain = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0];
    for filter in super::patches::http_filters(chain) {
        if let Some(named) = filter.pointer_mut("/typed_config/config/vm_config/code/local/filename") {
            *named = module.clone().into();
        }
    }
    bootstrap
}

/// The Secrets that `istio/inbound.yaml` names.
fn secrets(places: &Places) -> Vec<Value> {
    vec![
        json!({"name": "kubernetes://ozone-connect", "tls_certificate": {
            "certificate_chain": {"filename": places.file("s4-chain.pem")},
            "private_key": {"filename": places.file("s4-key.pem")},
        }}),
        json!({"name": "kubernetes://ozone-connect-cacert", "validation_context": {
            "trusted_ca": {"filename": places.file("client-ca.pem")},
            "crl": {"filename": places.file("crl/trust-framework.pem")},
        }}),
    ]
}

fn right(stage: &Stage) -> Request {
    Request::with_token(&signed_by(&stage.pki.hub))
}

#[tokio::test]
async fn the_hub_is_let_in_and_every_wrong_request_is_refused() {
    for mesh in MESHES {
        let stage = setup(mesh, mesh.shipped()).start().await;
        refusals::refuses_every_wrong_request(&stage).await;
        assert_eq!(stage.send_as_hub(&right(&stage)).await.reply().status, 200, "{mesh:?}");
    }
}

#[tokio::test]
async fn whoever_is_not_the_hub_is_refused_and_nothing_forged_reaches_the_bank() {
    for mesh in MESHES {
        let stage = setup(mesh, mesh.shipped()).start().await;
        peers::withstands_whoever_is_not_the_hub(&stage).await;
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_refused() {
    let pki = Pki::shared();
    let crl = Crl::pem(&Crl::lasting(2, -60, 3600).revoking(&pki.hub.transport).issued(pki));
    for mesh in MESHES {
        let stage = setup(mesh, mesh.shipped()).crl(Some(crl.as_bytes())).start().await;
        let revoked = stage.send_as_hub(&right(&stage)).await;
        assert!(matches!(revoked, Outcome::Refused(_)), "{mesh:?}: {revoked:?}");
        let another = stage.send(Some(&pki.client(&pki.hub.subject)), &right(&stage)).await;
        assert_eq!(another.reply().status, 200, "{mesh:?}");
    }
}

/// Ways to lose the filter, each of which the guides name.
fn without_the_filter() -> Vec<(&'static str, Mesh, Manifests)> {
    let istio = || Mesh::WasmPlugin.shipped();
    let gateway = || Mesh::EnvoyGateway.shipped();
    let target = "/spec/targetRefs/0/kind";
    let of_the_route =
        Mesh::EnvoyGateway.shipped().without("SecurityPolicy").with("EnvoyExtensionPolicy", target, json!("HTTPRoute"));
    let of_the_route = of_the_route.with("EnvoyExtensionPolicy", "/spec/wasm", json!([]));
    let of_the_route = of_the_route.keeping("EnvoyExtensionPolicy");
    vec![
        (
            "the Service's port",
            Mesh::WasmPlugin,
            istio().with("WasmPlugin", "/spec/match/0/ports/0/number", json!(443)),
        ),
        ("SERVER", Mesh::WasmPlugin, istio().with("WasmPlugin", "/spec/match/0/mode", json!("SERVER"))),
        ("another label", Mesh::WasmPlugin, istio().with("WasmPlugin", "/spec/selector/matchLabels/istio", json!("x"))),
        ("no plugin", Mesh::WasmPlugin, istio().without("WasmPlugin")),
        ("no policy", Mesh::EnvoyGateway, gateway().without("EnvoyExtensionPolicy")),
        ("a policy of the route", Mesh::EnvoyGateway, gateway().and(of_the_route)),
    ]
}

#[tokio::test]
async fn without_the_filter_the_last_line_lets_nothing_through() {
    for (what, mesh, manifests) in without_the_filter() {
        let stage = setup(mesh, manifests).start().await;
        let pretended = right(&stage).header("X-Hub-Auth-Method", "jwt_auth");
        let twice = right(&stage).header("x-hub-auth-method", "jwt_auth").header("x-hub-auth-method", "mtls_only");
        for request in [right(&stage), pretended, twice] {
            let reply = stage.send_as_hub(&request).await.reply();
            // Not the filter's: the canary of the guides looks for that.
            assert_eq!((reply.status, reply.error_code()), (403, None), "{what}");
        }
        assert_eq!(stage.bank.received(), [], "{what}");
    }
}

#[tokio::test]
async fn the_canary_of_the_guides_is_answered_by_the_filter() {
    for mesh in MESHES {
        let stage = setup(mesh, mesh.shipped()).start().await;
        let own = stage.send(Some(&stage.pki.bank.transport), &Request::new("GET", "/accounts")).await.reply();
        assert_eq!((own.status, own.error_code().as_deref()), (403, Some("Certificate.NotAllowed")), "{mesh:?}");
    }
}

#[tokio::test]
async fn without_a_demand_for_certificates_the_filter_still_demands_one() {
    let mode = "/spec/tls/clientValidation/mode";
    for (mesh, manifests) in [
        (
            Mesh::WasmPlugin,
            Mesh::WasmPlugin.shipped().with("Gateway", "/spec/servers/0/tls/mode", json!("OPTIONAL_MUTUAL")),
        ),
        (Mesh::EnvoyGateway, Mesh::EnvoyGateway.shipped().with("ClientTrafficPolicy", mode, json!("VerifyIfGiven"))),
    ] {
        let stage = setup(mesh, manifests).start().await;
        let reply = stage.send(None, &right(&stage)).await.reply();
        assert_eq!((reply.status, reply.error_code().as_deref()), (401, Some("Certificate.Missing")), "{mesh:?}");
        let stranger = stage.send(Some(&stage.pki.stranger), &right(&stage)).await;
        assert!(matches!(stranger, Outcome::Refused(_)), "{mesh:?}: {stranger:?}");
        assert_eq!(stage.bank.received(), [], "{mesh:?}");
    }
}

/// What the guide of Envoy Gateway warns of. Nothing behind TLS can tell such a certificate from a verified one there: its last line knows
/// headers only.
#[tokio::test]
async fn certificates_that_nobody_verified_are_believed_where_they_are_let_in() {
    let mode = "/spec/tls/clientValidation/mode";
    let manifests = Mesh::EnvoyGateway.shipped().with("ClientTrafficPolicy", mode, json!("RequireAny"));
    let stage = setup(Mesh::EnvoyGateway, manifests).start().await;
    let stolen = stage.send(Some(&stage.pki.self_signed), &right(&stage)).await;
    assert_eq!(stolen.reply().status, 200);
}

#[tokio::test]
async fn a_keystore_that_is_not_there_is_503_and_the_filter_in_both_its_forms_refuses_everybody() {
    let upstream = "/spec/wasm/0/config/inbound/auth/jwt_auth/upstream";
    let nowhere = Mesh::EnvoyGateway.shipped().with("EnvoyExtensionPolicy", upstream, json!("nowhere"));
    let twice = Mesh::WasmPlugin.shipped().and(Manifests::shipped("istio/envoyfilter.yaml"));
    for (mesh, manifests, status, code) in [
        (Mesh::EnvoyGateway, nowhere, 503, "GenericRecoverableError"),
        (Mesh::WasmPlugin, twice, 403, "Header.NotAllowed"),
    ] {
        let stage = setup(mesh, manifests).start().await;
        let reply = stage.send_as_hub(&right(&stage)).await.reply();
        assert_eq!((reply.status, reply.error_code().as_deref()), (status, Some(code)), "{mesh:?}");
        assert_eq!(stage.bank.received(), [], "{mesh:?}");
    }
}

#[tokio::test]
async fn the_keystore_can_be_a_cluster_with_any_name() {
    let name = "httproute/ozone-connect/keystore/rule/0";
    let cluster = "/spec/bootstrap/jsonPatches/0/value";
    let manifests = Mesh::EnvoyGateway
        .shipped()
        .with("EnvoyProxy", &format!("{cluster}/name"), json!(name))
        .with("EnvoyProxy", &format!("{cluster}/load_assignment/cluster_name"), json!(name))
        .with("EnvoyExtensionPolicy", "/spec/wasm/0/config/inbound/auth/jwt_auth/upstream", json!(name));
    let stage = setup(Mesh::EnvoyGateway, manifests).start().await;
    assert_eq!(stage.send_as_hub(&right(&stage)).await.reply().status, 200);
}

/// A trap, which the release module must never have: `traps.rs` has the module that has one.
#[tokio::test]
async fn after_a_trap_istio_begins_anew_and_envoy_gateway_refuses_for_good() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let trapping = directory.path().join("trapping.wasm");
    std::fs::write(&trapping, wat::parse_str(crate::traps::TRAPPING).expect("a module")).expect("a writable directory");
    for (mesh, name, reloads) in
        [(Mesh::WasmPlugin, "ozone-connect.hub-auth-filter", Some(1)), (Mesh::EnvoyGateway, "hub_auth_filter", None)]
    {
        let trapping = trapping.display().to_string();
        let setup = Setup::new().made(move |places| {
            let whole = bootstrap(mesh, &mesh.shipped(), places).to_string();
            Configuration::new("with a trap", whole.replace(&module(), &trapping))
        });
        let stage = setup.start().await;
        for _ in 0..2 {
            assert_eq!(stage.send_as_hub(&right(&stage)).await.reply().status, 503, "{mesh:?}");
            tokio::time::sleep(std::time::Duration::from_millis(1600)).await;
        }
        assert_eq!(stage.bank.received(), [], "{mesh:?}");
        let counted = stage.envoy.stats("vm_reload").await;
        assert_eq!(counted.get(&format!("wasm.{name}.vm_reload_success")).copied().filter(|count| *count > 0), reloads);
    }
}
