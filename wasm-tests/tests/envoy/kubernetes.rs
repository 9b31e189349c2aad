//! What the chart makes for Envoy alone, run: the attacks that the shipped file is tested with, the probes that the kubelet would send, and the CRL as
//! the kubelet replaces it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use wasm_tests::chart::{document, file, named, rendered};
use wasm_tests::stage::client::{self, Outcome, Request};
use wasm_tests::stage::crl::Crl;
use wasm_tests::stage::envoy::{Configuration, module};
use wasm_tests::stage::pki::{BANK_ORGANISATION, BANK_UNIT, Pki};
use wasm_tests::stage::{PROVIDER_ID, Places, Setup, Stage, signed_by};

use crate::{accepted, peers, refusals};

/// The HTTP filters of the listener that the Hub calls.
const FILTERS: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";

/// A pod of the chart, with a change of its bootstrap.
struct Pod {
    manifests: Vec<Value>,
    bootstrap: Value,
    ports: Ports,
    /// Where the canary has its certificate.
    canary: &'static str,
}

/// The ports that Envoy is given here; in a pod they are its own.
#[derive(Clone, Copy)]
struct Ports {
    https: SocketAddr,
    metrics: SocketAddr,
    admin: SocketAddr,
}

impl Pod {
    fn new(changes: &Value) -> Self {
        let manifests = rendered("envoy", changes);
        let bootstrap = document(file(&manifests, "ozone-connect", "inbound.yaml"));
        let ports = Ports { https: free_port(), metrics: free_port(), admin: free_port() };
        Self { manifests, bootstrap, ports, canary: "c3" }
    }

    /// With this change of its bootstrap.
    fn changed(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.bootstrap);
        self
    }

    fn setup(&self) -> Setup {
        let (bootstrap, ports, canary) = (self.bootstrap.clone(), self.ports, self.canary);
        let secret = file(&self.manifests, "ozone-connect", "trust-framework-crl.yaml").to_owned();
        Setup::new().made(move |places| configuration(bootstrap.clone(), &secret, ports, canary, places))
    }

    /// What the kubelet asks with this probe: whether it is content.
    async fn probe(&self, probe: &str) -> bool {
        let container =
            &named(&self.manifests, "Deployment", "ozone-connect")["spec"]["template"]["spec"]["containers"][0];
        let ask = &container[probe]["httpGet"];
        assert_eq!((&ask["port"], &ask["scheme"]), (&json!("metrics"), &Value::Null), "{probe}");
        assert!(
            container["ports"].as_array().expect("ports").contains(&json!({"name": "metrics", "containerPort": 9102}))
        );
        let answer = client::plain(self.ports.metrics, "GET", ask["path"].as_str().expect("a path")).await;
        answer.is_ok_and(|(status, _)| (200..400).contains(&status))
    }

    /// Whether a probe is content soon; the kubelet waits for two minutes.
    async fn probe_soon(&self, probe: &str) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            if self.probe(probe).await {
                return true;
            }
            sleep(Duration::from_millis(50)).await;
        }
        false
    }

    async fn get(&self, path: &str) -> (u16, String) {
        client::plain(self.ports.metrics, "GET", path).await.expect("an answer")
    }
}

fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address")
}

/// The bootstrap with addresses, ports and paths of the stage.
fn configuration(mut bootstrap: Value, secret: &str, ports: Ports, canary: &str, places: &Places) -> Configuration {
    let at = |address: SocketAddr| json!({"address": address.ip(), "port_value": address.port()});
    let listeners = bootstrap["static_resources"]["listeners"].as_array_mut().expect("listeners");
    for (listener, name, port, address) in
        [(0, "ozone_connect", 8443, ports.https), (1, "metrics", 9102, ports.metrics)]
    {
        let listener = &mut listeners[listener];
        let socket = &mut listener["address"]["socket_address"];
        assert_eq!((&*socket, name), (&json!({"address": "0.0.0.0", "port_value": port}), name));
        *socket = at(address);
        assert_eq!(listener["name"], name);
    }
    assert_eq!(bootstrap["admin"]["address"]["socket_address"], json!({"address": "127.0.0.1", "port_value": 9901}));
    bootstrap["admin"]["address"]["socket_address"] = at(ports.admin);
    let servers = BTreeMap::from([
        ("keystore", (places.keystore, "keystore.sandbox.directory.openfinance.ae", 443)),
        ("bank", (places.bank, "ozone-connect-backend.ozone-connect.svc.cluster.local", 8080)),
        ("admin", (ports.admin, "127.0.0.1", 9901)),
        ("canary", (ports.https, "127.0.0.1", 8443)),
    ]);
    for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().expect("clusters") {
        let (address, name, port) = servers[cluster["name"].as_str().expect("a name")];
        let socket = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        let socket = cluster.pointer_mut(socket).expect("an address");
        assert_eq!(*socket, json!({"address": name, "port_value": port}));
        *socket = at(address);
    }
    let crl = PathBuf::from(places.file("kubelet"));
    mount(&crl, &fs::read(places.file("crl/trust-framework.pem")).expect("a CRL"));
    let secret_file = places.file("kubelet-crl.yaml");
    fs::write(&secret_file, secret.replace("/var/lib/hub-auth-crl", &crl.display().to_string())).expect("a file");
    // Not there where a test takes the filter away.
    let whole = bootstrap.to_string().replace("/var/lib/hub-auth-filter/plugin.wasm", &module());
    let mut made = Configuration::new("the chart's bootstrap", whole);
    if bootstrap.to_string().contains("\"canary\"") {
        made = made
            .relocate("/etc/envoy/tls/canary-chain.pem", &places.file(&format!("{canary}-chain.pem")))
            .relocate("/etc/envoy/tls/canary-key.pem", &places.file(&format!("{canary}-key.pem")));
    }
    made.relocate("/etc/envoy/tls/s4-chain.pem", &places.file("s4-chain.pem"))
        .relocate("/etc/envoy/tls/s4-key.pem", &places.file("s4-key.pem"))
        .relocate("/etc/envoy/tls/trust-framework-ca.pem", &places.file("client-ca.pem"))
        .relocate("/etc/envoy/trust-framework-crl.yaml", &secret_file)
        .relocate("/etc/ssl/certs/ca-certificates.crt", &places.file("public-roots.pem"))
        // As the pod has it of a Secret, where the values say so.
        .environment("SIG4_PRIVATE_KEY", &Pki::shared().bank.signing.pkcs8_pem())
}

/// Puts the CRL into a volume as the kubelet does: the file is a link through `..data` to a directory that is new each time, and only `..data` is
/// replaced, by a rename.
fn mount(volume: &Path, crl: &[u8]) {
    fs::create_dir_all(volume).expect("a directory");
    let count = fs::read_dir(volume).expect("a directory").count();
    let new = format!("..{count}");
    fs::create_dir(volume.join(&new)).expect("a directory");
    fs::write(volume.join(&new).join("trust-framework.pem"), crl).expect("a CRL");
    symlink(&new, volume.join("..data_tmp")).expect("a link");
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).expect("a rename");
    if !volume.join("trust-framework.pem").exists() {
        symlink("..data/trust-framework.pem", volume.join("trust-framework.pem")).expect("a link");
    }
}

fn right(stage: &Stage) -> Request {
    Request::with_token(&signed_by(&stage.pki.hub))
}

#[tokio::test]
async fn the_hub_is_let_in_and_every_wrong_request_is_refused() {
    let stage = Pod::new(&json!({})).setup().start().await;
    refusals::refuses_every_wrong_request(&stage).await;
    assert_eq!(stage.send_as_hub(&right(&stage)).await.reply().status, 200);
}

#[tokio::test]
async fn whoever_is_not_the_hub_is_refused_and_nothing_forged_reaches_the_bank() {
    let stage = Pod::new(&json!({})).setup().start().await;
    refusals::refuses_other_participants(&stage).await;
    accepted::tells_the_bank_who_called(&stage).await;
    peers::replaces_a_forged_certificate_header(&stage).await;
    peers::removes_a_claimed_method(&stage).await;
    peers::has_one_spelling_of_a_path(&stage).await;
    peers::refuses_underscores(&stage).await;
    peers::refuses_headers_beyond_the_bounds(&stage).await;
    peers::refuses_in_tls(&stage).await;
}

#[tokio::test]
async fn all_probes_are_content_and_the_bank_sees_none_of_them() {
    let pod = Pod::new(&json!({}));
    let stage = pod.setup().start().await;
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert!(pod.probe_soon(probe).await, "{probe}: {:?}", stage.envoy.stats("canary").await);
    }
    assert_eq!(stage.bank.received(), []);
    let refused = stage.envoy.events("refused");
    assert!(!refused.is_empty() && refused.iter().all(|line| line["code"] == "Certificate.NotAllowed"), "{refused:?}");
}

#[tokio::test]
async fn of_the_admin_interface_two_pages_are_shown_to_others() {
    let pod = Pod::new(&json!({}));
    let stage = pod.setup().start().await;
    assert_eq!(stage.send_as_hub(&right(&stage)).await.reply().status, 200);
    assert!(pod.probe_soon("startupProbe").await);
    let (status, metrics) = pod.get("/stats/prometheus").await;
    for line in [
        r#"hub_auth_filter_requests_total{direction="inbound",outcome="accepted"} 1"#,
        r#"envoy_cluster_membership_healthy{envoy_cluster_name="canary"} 1"#,
    ] {
        assert!(status == 200 && metrics.lines().any(|one| one == line), "{line}: {metrics}");
    }
    for path in [
        "/",
        "/stats",
        "/stats/prometheus/",
        "/stats/prometheus/..",
        "/ready/../config_dump",
        "//config_dump",
        "/ready%2f..%2fcerts",
        "/config_dump",
        "/certs",
        "/clusters",
        "/logging",
        "/quitquitquit",
        "/server_info",
        "/READY",
    ] {
        let (status, body) = pod.get(path).await;
        assert!([400, 404].contains(&status) && body.is_empty(), "{path}: {status} {body}");
    }
    for (method, path) in
        [("POST", "/ready"), ("POST", "/quitquitquit"), ("POST", "/stats/prometheus"), ("PUT", "/ready")]
    {
        let (status, _) = client::plain(pod.ports.metrics, method, path).await.expect("an answer");
        assert_eq!(status, 404, "{method} {path}");
    }
}

/// Changes of the bootstrap after which requests are not decided on by the filter.
fn without_the_filter() -> Vec<(&'static str, Box<dyn FnOnce(&mut Value)>)> {
    fn of(bootstrap: &mut Value) -> &mut Vec<Value> {
        bootstrap.pointer_mut(FILTERS).and_then(Value::as_array_mut).expect("filters")
    }
    vec![
        ("no filter", Box::new(|bootstrap| drop(of(bootstrap).remove(0)))),
        ("neither filter nor last line", Box::new(|bootstrap| drop(of(bootstrap).drain(..2)))),
        (
            "an entry point that is not called",
            Box::new(|bootstrap| {
                let list = "/0/typed_config/config/vm_config/capability_restriction_config/allowed_capabilities";
                let list =
                    bootstrap.pointer_mut(&format!("{FILTERS}{list}")).and_then(Value::as_object_mut).expect("a list");
                list.remove("proxy_on_request_headers").expect("the entry point");
            }),
        ),
        ("switched off", Box::new(|bootstrap| of(bootstrap)[0]["disabled"] = true.into())),
        (
            "a backend that refuses in its own words",
            Box::new(|bootstrap| {
                of(bootstrap).drain(..2);
                let routes =
                    format!("{}/route_config/virtual_hosts/0/routes/0", FILTERS.trim_end_matches("/http_filters"));
                let body = json!({"inline_string": r#"{"errorCode": "Forbidden"}"#});
                *bootstrap.pointer_mut(&routes).expect("a route") =
                    json!({"match": {"prefix": "/"}, "direct_response": {"status": 403, "body": body}});
            }),
        ),
    ]
}

/// Whether it is well is seen after the first answers.
fn ask_more_often(bootstrap: &mut Value) {
    let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().expect("clusters");
    let canary = clusters.iter_mut().find(|cluster| cluster["name"] == "canary").expect("the canary");
    for interval in ["no_traffic_interval", "unhealthy_interval"] {
        assert_eq!(canary["health_checks"][0][interval], "2s");
        canary["health_checks"][0][interval] = "0.1s".into();
    }
}

#[tokio::test]
async fn no_pod_gets_requests_whose_filter_is_not_there() {
    for (what, change) in without_the_filter() {
        let pod = Pod::new(&json!({})).changed(change).changed(ask_more_often);
        let stage = pod.setup().start().await;
        let started = Instant::now();
        while stage.envoy.stats("cluster.canary.health_check.attempt").await.values().sum::<u64>() < 3 {
            assert!(started.elapsed() < Duration::from_secs(20), "{what}");
            sleep(Duration::from_millis(50)).await;
        }
        assert!(!pod.probe("startupProbe").await, "{what}");
        assert!(pod.probe("livenessProbe").await && pod.probe("readinessProbe").await, "{what}: only the canary knows");
    }
}

/// A certificate of the canary that the listener refuses says nothing about the filter: no new pod starts, but those that run go on.
#[tokio::test]
async fn a_canary_whose_own_certificate_is_refused_takes_no_running_pod_away() {
    // Of the bank's own CA.
    let pod = Pod { canary: "proxy", ..Pod::new(&json!({})) };
    let stage = pod.setup().start().await;
    assert!(!pod.probe("startupProbe").await);
    assert!(pod.probe("readinessProbe").await && pod.probe("livenessProbe").await);
    assert_eq!(stage.send_as_hub(&right(&stage)).await.reply().status, 200);
}

#[tokio::test]
async fn without_a_canary_a_pod_starts_when_envoy_is_ready() {
    let pod = Pod::new(&json!({"canary": {"enabled": false}}));
    let whole = pod.bootstrap.to_string();
    assert!(!whole.contains("canary"), "{whole}");
    let _stage = pod.setup().start().await;
    assert!(pod.probe("startupProbe").await);
    assert_eq!(pod.get("/canary").await.0, 404);
}

#[tokio::test]
async fn a_variable_of_the_values_signs_responses() {
    let token = json!({
        "audience": PROVIDER_ID,
        "certificate": {"organisation": BANK_ORGANISATION, "organisational_unit": BANK_UNIT},
        "keys": [{"kid": "sig4-2026-05", "private_key": {"env": "SIG4_PRIVATE_KEY"}}],
    });
    let pod = Pod::new(&json!({
        "filter": {"inbound": {"response_token": token}},
        "variables": [{"name": "SIG4_PRIVATE_KEY", "secret": "sig4", "key": "key"}],
    }));
    let container = &named(&pod.manifests, "Deployment", "ozone-connect")["spec"]["template"]["spec"]["containers"][0];
    let from = json!({"secretKeyRef": {"name": "sig4", "key": "key"}});
    assert_eq!(container["env"], json!([{"name": "SIG4_PRIVATE_KEY", "valueFrom": from}]));
    let stage = pod.setup().start().await;
    let reply = stage.send_as_hub(&right(&stage)).await.reply();
    assert_eq!(reply.status, 200);
    assert!(reply.header("authorization").is_some_and(|value| value.starts_with("Bearer ")), "{reply:?}");
}

#[tokio::test]
async fn a_crl_that_the_kubelet_replaces_counts_without_a_restart() {
    let pki = Pki::shared();
    let pod = Pod::new(&json!({}));
    let stage = pod.setup().start().await;
    assert_eq!(stage.send_as_hub(&right(&stage)).await.reply().status, 200);
    mount(
        &stage.file("kubelet"),
        Crl::pem(&Crl::lasting(2, -60, 3600).revoking(&pki.hub.transport).issued(pki)).as_bytes(),
    );
    let started = Instant::now();
    while matches!(stage.send_as_hub(&right(&stage)).await, Outcome::Reply(_)) {
        assert!(started.elapsed() < Duration::from_secs(10), "the certificate is revoked");
        sleep(Duration::from_millis(50)).await;
    }
    let another = stage.send(Some(&pki.client(&pki.hub.subject)), &right(&stage)).await;
    assert_eq!(another.reply().status, 200);
}
