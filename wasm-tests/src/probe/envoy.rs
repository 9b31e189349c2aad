//! The probe in a real Envoy: the only filter of a plain listener, which answers every request itself.

use std::fs;

use tempfile::TempDir;

use crate::stage::client::{Connection, Outcome, Request};
use crate::stage::envoy::{Configuration, Envoy};

const HOST: &str = "probe.example";

/// Questions are headers of any length.
const CONFIGURATION: &str = r#"
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
    - address: {socket_address: {address: 127.0.0.1, port_value: 0}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: probe
                max_request_headers_kb: 8192
                route_config: {virtual_hosts: [{name: probe, domains: ["*"], routes: []}]}
                http_filters:
                  - name: probe
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
                      config:
                        name: probe
                        vm_config:
                          runtime: envoy.wasm.runtime.v8
                          code: {local: {filename: MODULE}}
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
"#;

/// A module that runs in Envoy.
pub struct Probe {
    connection: Connection,
    envoy: Envoy,
    _files: TempDir,
}

impl Probe {
    /// Starts Envoy with a module.
    pub(super) async fn start(module: &[u8]) -> Self {
        let files = tempfile::Builder::new().prefix("rsa-probe-").tempdir().expect("a temporary directory");
        let file = files.path().join("probe.wasm");
        fs::write(&file, module).expect("a writable directory");
        let text = CONFIGURATION.replace("MODULE", &file.display().to_string());
        let envoy = Envoy::start(files.path(), &Configuration::new("the probe's configuration", text), 1).await;
        let connection = Connection::open_plain(envoy.address(), HOST).await.expect("a connection");
        Self { connection, envoy, _files: files }
    }

    /// Asks it.
    pub(super) async fn ask(&mut self, question: &[u8]) -> Vec<u8> {
        match self.connection.send(&Request::new("GET", "/").header("question", question)).await {
            Outcome::Reply(reply) if reply.status == 200 => reply.body,
            other => panic!("the probe in Envoy: {other:?}\n{}", self.envoy.log()),
        }
    }
}
