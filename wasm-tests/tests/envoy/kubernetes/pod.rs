//! A pod of the chart on the stage: its bootstrap, with the stage's addresses and files in the place of its own, its probes, and its volumes.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use wasm_tests::chart::{document, file, named, rendered};
use wasm_tests::stage::client;
use wasm_tests::stage::envoy::{Configuration, module};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::process::lasting_port;
use wasm_tests::stage::{Places, Setup};

/// A pod of the chart, with a change of its bootstrap.
pub(super) struct Pod {
    pub(super) manifests: Vec<Value>,
    pub(super) bootstrap: Value,
    pub(super) ports: Ports,
    /// Where the canary has its certificate.
    pub(super) canary: &'static str,
}

/// The ports that Envoy is given here; in a pod they are its own.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    https: SocketAddr,
    pub(super) metrics: SocketAddr,
    admin: SocketAddr,
}

impl Pod {
    /// The one of the example with these changes.
    pub(super) fn new(changes: &Value) -> Self {
        let manifests = rendered("envoy", changes);
        let bootstrap = document(file(&manifests, "ozone-connect", "inbound.yaml"));
        let ports = Ports { https: lasting_port(), metrics: lasting_port(), admin: lasting_port() };
        Self { manifests, bootstrap, ports, canary: "c3" }
    }

    /// With this change of its bootstrap.
    pub(super) fn changed(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.bootstrap);
        self
    }

    /// A stage with it.
    pub(super) fn setup(&self) -> Setup {
        let (bootstrap, ports, canary) = (self.bootstrap.clone(), self.ports, self.canary);
        let secret = file(&self.manifests, "ozone-connect", "trust-framework-crl.yaml").to_owned();
        Setup::new().made(move |places| configuration(bootstrap.clone(), &secret, ports, canary, places))
    }

    /// What the kubelet asks with this probe: whether it is content.
    pub(super) async fn probe(&self, probe: &str) -> bool {
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
    pub(super) async fn probe_soon(&self, probe: &str) -> bool {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            if self.probe(probe).await {
                return true;
            }
            sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// What others get from its port for metrics.
    pub(super) async fn get(&self, path: &str) -> (u16, String) {
        client::plain(self.ports.metrics, "GET", path).await.expect("an answer")
    }
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
pub(super) fn mount(volume: &Path, crl: &[u8]) {
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
