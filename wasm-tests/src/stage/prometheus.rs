//! What watches: a real Prometheus, its prober of HTTP and its exporter of files, on loopback.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use super::client;

/// What `make prometheus` makes.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/prometheus");
/// Starting takes a second or so; a loaded machine may need much more.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many ports are tried. Another program may take a free one before the program does.
const PORTS: usize = 5;

/// A program of those that watch: in the folder `PROMETHEUS`, or as the Makefile installed it.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let named = std::env::var_os("PROMETHEUS").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = named.unwrap_or_else(|| PathBuf::from(INSTALLED)).join(name);
    assert!(
        path.is_file(),
        "{} is no file: run `make prometheus`, or set PROMETHEUS to a folder that has it.",
        path.display()
    );
    path
}

/// A running program that serves HTTP. Dropping it stops it.
pub struct Watcher {
    child: Child,
    address: SocketAddr,
}

impl Watcher {
    /// A Prometheus with this configuration, and its data, in this directory.
    pub async fn prometheus(directory: &Path, configuration: &str) -> Self {
        let file = written(directory, "prometheus.yaml", configuration);
        let arguments = |address: SocketAddr| {
            vec![
                format!("--config.file={}", file.display()),
                format!("--storage.tsdb.path={}", directory.join("prometheus").display()),
                format!("--web.listen-address={address}"),
                "--log.level=warn".to_owned(),
            ]
        };
        Self::start("prometheus", directory, arguments, "/-/ready").await
    }

    /// A blackbox exporter with this configuration.
    pub async fn blackbox(directory: &Path, configuration: &str) -> Self {
        let file = written(directory, "blackbox.yaml", configuration);
        let arguments = |address: SocketAddr| {
            vec![format!("--config.file={}", file.display()), format!("--web.listen-address={address}")]
        };
        Self::start("prometheus-blackbox-exporter", directory, arguments, "/-/healthy").await
    }

    /// A node_exporter that reads the `.prom` files of this directory and tells nothing else.
    pub async fn files(directory: &Path) -> Self {
        let arguments = |address: SocketAddr| {
            vec![
                "--collector.disable-defaults".to_owned(),
                "--collector.textfile".to_owned(),
                format!("--collector.textfile.directory={}", directory.display()),
                format!("--web.listen-address={address}"),
            ]
        };
        Self::start("prometheus-node-exporter", directory, arguments, "/").await
    }

    async fn start(name: &str, directory: &Path, arguments: impl Fn(SocketAddr) -> Vec<String>, ready: &str) -> Self {
        let log = directory.join(format!("{name}.log"));
        for _ in 0..PORTS {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let address = free.expect("a free port");
            let output = File::create(&log).expect("a writable directory");
            let child = Command::new(program(name))
                .args(arguments(address))
                .current_dir(directory)
                .stdin(Stdio::null())
                .stdout(output.try_clone().expect("a file descriptor"))
                .stderr(output)
                .spawn();
            let mut child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
            let started = Instant::now();
            loop {
                if let Some(status) = child.try_wait().expect("a child process") {
                    let told = fs::read_to_string(&log).unwrap_or_default();
                    assert!(told.contains("address already in use"), "{name} ended with {status}:\n{told}");
                    break;
                }
                if client::plain(address, "GET", ready).await.is_ok_and(|(status, _)| status == 200) {
                    return Self { child, address };
                }
                if started.elapsed() > PATIENCE {
                    let _ = child.kill();
                    let _ = child.wait();
                    panic!("{name} was not ready in {PATIENCE:?}");
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
        panic!("{name} found {PORTS} free ports in use");
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The alerts of a Prometheus, pending and firing.
    pub async fn alerts(&self) -> Vec<Value> {
        list(&self.told("/api/v1/alerts").await["alerts"])
    }

    /// The rules of a Prometheus, with their state and the error of their last evaluation.
    pub async fn rules(&self) -> Vec<Value> {
        let groups = list(&self.told("/api/v1/rules").await["groups"]);
        groups.iter().flat_map(|group| list(&group["rules"])).collect()
    }

    /// What a query gives now: each series with its labels and its value.
    pub async fn query(&self, query: &str) -> Vec<Value> {
        list(&self.told(&format!("/api/v1/query?query={}", escaped(query))).await["result"])
    }

    /// What it gives from the one to the other time, in seconds since 1970, each second.
    pub async fn query_range(&self, query: &str, from: u64, to: u64) -> Vec<Value> {
        let query = format!("/api/v1/query_range?query={}&start={from}&end={to}&step=1", escaped(query));
        list(&self.told(&query).await["result"])
    }

    async fn told(&self, path: &str) -> Value {
        let (status, body) = client::plain(self.address, "GET", path).await.expect("an answer of Prometheus");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str::<Value>(&body).expect("JSON")["data"].take()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn written(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).expect("a writable directory");
    path
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}")).clone()
}

/// As a part of a query (RFC 3986 §2.1).
fn escaped(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
