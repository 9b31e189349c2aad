//! A terminator of TLS in front of Envoy: a real nginx or HAProxy on a file of `gateway-configs/terminators/`, which verifies the
//! Hub's certificate, forwards it in a header, and shows a certificate of its own to Envoy.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::client::{Connection, Outcome, Request};
use super::crl::Crl;
use super::envoy::Configuration;
use super::pki::{GATEWAY_NAME, Identity, Pki};
use super::{Setup, Stage, write};

/// What `make terminators` makes.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/terminators");
/// Where the shipped configurations are.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway-configs/terminators");
/// Starting takes a moment; a loaded machine may need much more.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many ports are tried. Another program may take a free one before the terminator does.
const PORTS: usize = 5;

/// Which terminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// nginx, which forwards the certificate as percent-encoded PEM.
    Nginx,
    /// HAProxy, which forwards it as RFC 9440 writes it.
    HaProxy,
}

/// A terminator with Envoy and everybody else behind it. Dropping it stops everything.
pub struct Fronted {
    child: Child,
    address: SocketAddr,
    /// What is behind it.
    pub stage: Stage,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Nginx, Self::HaProxy];

    /// The filter's `source` for this terminator, JSON, with these settings of `proxy`.
    #[must_use]
    pub fn source(self, proxy: &str) -> String {
        let header = match self {
            Self::Nginx => {
                r#""name": "x-client-cert", "format": "url_encoded_pem", "verified": [{"header": "x-client-verify", "value": "SUCCESS"}]"#
            }
            Self::HaProxy => r#""format": "rfc9440", "verified": [{"header": "x-client-verify", "value": "0"}]"#,
        };
        format!(r#"{{"forwarded_header": {{{header}, "proxy": {proxy}}}}}"#)
    }

    /// The headers with which it would forward this certificate.
    #[must_use]
    pub fn headers(self, identity: &Identity) -> [(&'static str, String); 2] {
        match self {
            Self::Nginx => {
                let leaf =
                    identity.chain_pem.split_inclusive("-----END CERTIFICATE-----\n").next().expect("a certificate");
                let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
                let escaped = leaf.bytes().map(|byte| match byte {
                    byte if plain(&byte) => char::from(byte).to_string(),
                    byte => format!("%{byte:02X}"),
                });
                [("x-client-cert", escaped.collect()), ("x-client-verify", "SUCCESS".to_owned())]
            }
            Self::HaProxy => {
                let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &identity.chain[0]);
                [("client-cert", format!(":{base64}:")), ("x-client-verify", "0".to_owned())]
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
        }
    }

    /// The shipped file with addresses and paths of the stage.
    fn configuration(self, directory: &Path, own: SocketAddr, gateway: SocketAddr) -> Configuration {
        let file = |name: &str| directory.join(name).display().to_string();
        let read = |name: &'static str| {
            let text =
                fs::read_to_string(Path::new(SHIPPED).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            Configuration::new(name, text)
        };
        match self {
            Self::Nginx => {
                // One process, so that it ends when it is told to; Debian's places need not be there.
                let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                    .map(|name| format!("    {name}_temp_path {};\n", file(&format!("nginx-{name}"))));
                read("nginx.conf")
                    .replace("worker_processes auto;", "daemon off; master_process off;")
                    .replace("/var/log/nginx/error.log", &file("nginx-error.log"))
                    .replace("/var/log/nginx/access.log", &file("nginx-access.log"))
                    .replace("/run/nginx.pid", &file("nginx.pid"))
                    .replace("    server_tokens off;\n", &format!("    server_tokens off;\n{}", places.concat()))
                    .replace("server gateway.bank.internal:8443;", &format!("server {gateway};"))
                    .replace("listen 8443 ssl;", &format!("listen {own} ssl;"))
                    .relocate("/etc/nginx/tls/", &format!("{}/", directory.display()))
            }
            Self::HaProxy => read("haproxy.cfg")
                .replace("bind :8443 ssl", &format!("bind {own} ssl"))
                .replace("server gateway gateway.bank.internal:8443 ssl", &format!("server gateway {gateway} ssl"))
                .relocate("/etc/haproxy/tls/", &format!("{}/", directory.display())),
        }
    }

    fn command(self, configuration: &Path, directory: &Path) -> Command {
        let mut command = Command::new(self.binary());
        match self {
            Self::Nginx => command.arg("-p").arg(directory).arg("-e").arg(directory.join("nginx-error.log")).arg("-c"),
            Self::HaProxy => command.args(["-db", "-f"]),
        };
        command.arg(configuration);
        command
    }

    /// `NGINX` or `HAPROXY`, or the one that the Makefile installed.
    fn binary(self) -> PathBuf {
        let variable = self.name().to_uppercase();
        let named = std::env::var_os(&variable).filter(|path| !path.is_empty()).map(PathBuf::from);
        let path = named.unwrap_or_else(|| Path::new(INSTALLED).join(self.name()));
        assert!(
            path.is_file(),
            "{} is no file: run `make terminators`, or set {variable} to the path of one.",
            path.display()
        );
        path
    }
}

impl Fronted {
    /// Starts everything: Envoy as the guide has it behind a terminator, and in front of it this one, on its shipped file with
    /// these places replaced.
    pub async fn start(kind: Kind, setup: Setup, edits: &[(&str, &str)]) -> Self {
        let stage = behind(kind, setup).start().await;
        let pki = stage.pki;
        let directory = stage.file("");
        write(&directory, "s4.pem", &(pki.listener.chain_pem.clone() + &pki.listener.key_pem));
        write(&directory, "proxy.pem", &(pki.proxy.chain_pem.clone() + &pki.proxy.key_pem));
        write(&directory, "s4-chain.pem", &pki.listener.chain_pem);
        write(&directory, "s4-key.pem", &pki.listener.key_pem);
        let (child, address) = listening(kind, &directory, stage.envoy.address(), edits).await;
        Self { child, address, stage }
    }

    /// Sends one request through the terminator, with this client certificate.
    pub async fn send(&self, identity: Option<&Identity>, request: &Request) -> Outcome {
        match Connection::open(self.address, &self.stage.pki.root(), identity).await {
            Ok(mut connection) => connection.send(request).await,
            Err(reason) => Outcome::Refused(reason),
        }
    }

    /// Sends one request to Envoy, past the terminator, with this client certificate.
    pub async fn send_past(&self, identity: Option<&Identity>, request: &Request) -> Outcome {
        let root = self.stage.pki.internal_root();
        match Connection::open_to(GATEWAY_NAME, self.stage.envoy.address(), &root, identity).await {
            Ok(mut connection) => connection.send(request).await,
            Err(reason) => Outcome::Refused(reason),
        }
    }
}

impl Drop for Fronted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Envoy as it is set up behind a terminator: with a certificate of the bank's own CA, which vouches for the terminator, too, and
/// says what it has revoked.
#[must_use]
pub fn behind_the_internal_ca(setup: Setup, source: &str) -> Setup {
    let pki = Pki::shared();
    setup
        .certificate(&pki.gateway)
        .crl(Some(Crl::pem(&Crl::new(1).issued_by_the_bank(pki)).as_bytes()))
        .edit("/client-ca.pem}", "/internal-ca.pem}")
        .edit("\"peer\": {", &format!("\"peer\": {{\"source\": {source},"))
}

fn behind(kind: Kind, setup: Setup) -> Setup {
    behind_the_internal_ca(
        setup,
        &kind.source(&format!(r#"{{"organisational_units": ["{}"]}}"#, super::pki::PROXY_UNIT)),
    )
}

/// A terminator that listens.
async fn listening(kind: Kind, directory: &Path, gateway: SocketAddr, edits: &[(&str, &str)]) -> (Child, SocketAddr) {
    let log = directory.join(format!("{}.log", kind.name()));
    for _ in 0..PORTS {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let configuration = kind.configuration(directory, address, gateway);
        let configuration =
            edits.iter().fold(configuration, |configuration, (from, to)| configuration.replace(from, to));
        let file = format!("{}.conf", kind.name());
        write(directory, &file, configuration.text());
        let output = File::create(&log).expect("a writable directory");
        let mut child = kind
            .command(&directory.join(file), directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file descriptor"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", kind.name()));
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a child process") {
                let told = fs::read_to_string(&log).unwrap_or_default();
                assert!(told.contains("ddress already in use"), "{} ended with {status}:\n{told}", kind.name());
                break;
            }
            if TcpStream::connect(address).is_ok() {
                return (child, address);
            }
            if started.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{} was not ready in {PATIENCE:?}", kind.name());
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
    panic!("{} found {PORTS} free ports in use", kind.name());
}
