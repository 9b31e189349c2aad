//! A real Envoy on a shipped configuration: a file of `gateway-configs/envoy/` with only addresses and paths replaced.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use super::client;
use crate::artifact::Artifact;

/// Where the shipped configurations are.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway-configs/envoy");
/// What `make envoy` makes.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/envoy/envoy");

/// Starting takes a second or so; a loaded machine may need much more.
const PATIENCE: Duration = Duration::from_secs(60);

/// The text of a shipped file.
///
/// # Panics
/// If there is no such file.
#[must_use]
pub fn shipped(file: &str) -> String {
    fs::read_to_string(Path::new(SHIPPED).join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The path of the module under test.
///
/// # Panics
/// If there is no such file.
#[must_use]
pub fn module() -> String {
    let path = Artifact::under_test().path();
    assert!(path.is_file(), "{} is missing: run `make build`.", path.display());
    path.display().to_string()
}

/// A configuration on its way from the shipped file to a running Envoy.
#[derive(Clone)]
pub struct Configuration {
    file: &'static str,
    text: String,
    environment: Vec<(String, String)>,
}

impl Configuration {
    /// A configuration that is not shipped, with a name for it.
    #[must_use]
    pub fn new(name: &'static str, text: String) -> Self {
        Self { file: name, text, environment: Vec::new() }
    }

    /// The shipped inbound configuration.
    #[must_use]
    pub fn inbound() -> Self {
        Self::shipped("inbound.yaml")
    }

    /// The shipped outbound configuration.
    #[must_use]
    pub fn outbound() -> Self {
        Self::shipped("outbound.yaml")
    }

    fn shipped(file: &'static str) -> Self {
        Self { file, text: shipped(file), environment: Vec::new() }
    }

    /// With one place replaced. The place must be there, and be the only one, so that no test runs on something else
    /// than what it names.
    #[must_use]
    pub fn replace(mut self, from: &str, to: &str) -> Self {
        assert_eq!(self.text.matches(from).count(), 1, "{} must have this place exactly once: {from}", self.file);
        self.text = self.text.replacen(from, to, 1);
        self
    }

    /// With one block replaced: the line that reads exactly so, and all that is indented more deeply below it.
    #[must_use]
    pub fn replace_block(mut self, first: &str, to: &str) -> Self {
        let depth = |line: &str| line.len() - line.trim_start().len();
        let starts = self.text.match_indices(&format!("\n{first}\n")).map(|(at, _)| at + 1).collect::<Vec<_>>();
        let [start] = starts[..] else { panic!("{} must have this line exactly once: {first}", self.file) };
        let below = self.text[start..].split_inclusive('\n').skip(1);
        let deeper = below.take_while(|line| line.trim().is_empty() || depth(line) > depth(first));
        let end = start + first.len() + 1 + deeper.map(str::len).sum::<usize>();
        self.text.replace_range(start..end, to);
        self
    }

    /// With a path replaced wherever it is named, also in comments.
    #[must_use]
    pub fn relocate(mut self, from: &str, to: &str) -> Self {
        assert!(self.text.contains(from), "{} must name this path: {from}", self.file);
        self.text = self.text.replace(from, to);
        self
    }

    /// With this behind its last line.
    #[must_use]
    pub fn append(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// With one more variable in Envoy's environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the comment that begins with this text made a part of the file, to its last line.
    #[must_use]
    pub fn uncomment(mut self, first: &str) -> Self {
        let start = format!("# {first}");
        assert_eq!(self.text.matches(&start).count(), 1, "{} must have this comment exactly once: {first}", self.file);
        let mut inside = false;
        let uncommented = |line: &str| {
            let text = line.trim_start();
            inside = text.starts_with('#') && (inside || text.starts_with(&start));
            if inside { line.replacen("# ", "", 1) } else { line.to_owned() }
        };
        self.text = self.text.split_inclusive('\n').map(uncommented).collect();
        self
    }

    /// With the TLS settings of a cluster taken out, which stand last in it, before an empty line.
    #[must_use]
    pub fn without_tls(mut self, cluster: &str) -> Self {
        let cluster = self.text.find(&format!("cluster_name: {cluster}\n")).expect("the cluster");
        let start = cluster + self.text[cluster..].find("      transport_socket:\n").expect("its TLS settings");
        let end = start + self.text[start..].find("\n\n").expect("their end");
        self.text.replace_range(start..end, "");
        self
    }

    /// The YAML.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A running Envoy. Dropping it stops it.
pub struct Envoy {
    child: Child,
    files: Files,
    admin: SocketAddr,
    listener: SocketAddr,
    ready_after: Duration,
}

struct Files {
    configuration: PathBuf,
    admin_address: PathBuf,
    log: PathBuf,
    access_log: PathBuf,
}

impl Envoy {
    /// Starts Envoy in this directory with so many worker threads, and waits until it serves.
    pub async fn start(directory: &Path, configuration: &Configuration, workers: u32) -> Self {
        let started = Instant::now();
        let (mut child, files) = spawn(directory, configuration, workers);
        let admin = loop {
            if let Some(status) = child.try_wait().expect("a child process") {
                panic!("Envoy exited with {status}:\n{}", read(&files.log));
            }
            if let Some(address) = ready(&files.admin_address).await {
                break address;
            }
            if started.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!("Envoy was not ready in {PATIENCE:?}:\n{}", read(&files.log));
            }
            sleep(Duration::from_millis(2)).await;
        };
        let mut envoy = Self { child, files, admin, listener: admin, ready_after: started.elapsed() };
        let listeners: Value = serde_json::from_str(&envoy.admin("/listeners?format=json").await).expect("JSON");
        let address = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        let port = address["port_value"].as_u64().and_then(|port| u16::try_from(port).ok());
        envoy.listener = SocketAddr::from(([127, 0, 0, 1], port.expect("the listener's port")));
        envoy
    }

    /// Starts Envoy where it ought to refuse: its exit code and its log.
    pub async fn refusal(directory: &Path, configuration: &Configuration) -> (Option<i32>, String) {
        let (mut child, files) = spawn(directory, configuration, 1);
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a child process") {
                return (status.code(), read(&files.log));
            }
            if started.elapsed() > PATIENCE || ready(&files.admin_address).await.is_some() {
                let _ = child.kill();
                let _ = child.wait();
                panic!("Envoy started, though it should have refused:\n{}", read(&files.log));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where its listener is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener
    }

    /// Where its listener of this name is, of several.
    pub async fn address_of(&self, name: &str) -> SocketAddr {
        let listeners: Value = serde_json::from_str(&self.admin("/listeners?format=json").await).expect("JSON");
        let all = listeners["listener_statuses"].as_array().expect("a list");
        let listener =
            all.iter().find(|listener| listener["name"] == name).unwrap_or_else(|| panic!("{name}: {listeners}"));
        let port = listener["local_address"]["socket_address"]["port_value"].as_u64();
        let port = port.and_then(|port| u16::try_from(port).ok()).expect("the listener's port");
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Where its admin interface is.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// How long it took to start: from its first instruction until it said that it serves.
    #[must_use]
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// What it logged, the filter's lines among it.
    #[must_use]
    pub fn log(&self) -> String {
        read(&self.files.log)
    }

    /// The facts of the filter's log lines about this event: `refused`, `tolerated` or `signed`.
    #[must_use]
    pub fn events(&self, event: &str) -> Vec<Value> {
        let log = self.log();
        let facts = log.lines().filter_map(|line| serde_json::from_str::<Value>(&line[line.find('{')?..]).ok());
        facts.filter(|facts| facts["event"] == event).collect()
    }

    /// The access log so far. Envoy writes it every 10 seconds and when it ends.
    #[must_use]
    pub fn access_log(&self) -> String {
        read(&self.files.access_log)
    }

    /// The counters and gauges whose names contain this, by name.
    pub async fn stats(&self, part: &str) -> BTreeMap<String, u64> {
        let text = self.admin(&format!("/stats?filter={part}")).await;
        let pairs = text.lines().filter_map(|line| line.rsplit_once(": "));
        pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
    }

    /// What Prometheus would get of the metrics whose names contain this.
    pub async fn prometheus(&self, part: &str) -> String {
        self.admin(&format!("/stats/prometheus?filter={part}")).await
    }

    /// The bytes that it has allocated. The memory of a module is not among them.
    pub async fn allocated(&self) -> u64 {
        let memory: Value = serde_json::from_str(&self.admin("/memory").await).expect("JSON");
        memory["allocated"].as_str().and_then(|bytes| bytes.parse().ok()).expect("a number of bytes")
    }

    async fn admin(&self, path: &str) -> String {
        client::plain(self.admin, "GET", path).await.unwrap_or_else(|error| panic!("Envoy's admin: {error}")).1
    }

    /// All of its configuration as its admin page shows it.
    pub async fn config_dump(&self) -> String {
        self.admin("/config_dump?include_eds").await
    }

    /// Asks Envoy to end and waits until it has; what it wrote is then whole.
    pub fn stop(&mut self) {
        let asked = TcpStream::connect(self.admin).and_then(|mut stream| {
            stream.write_all(b"POST /quitquitquit HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")
        });
        let started = Instant::now();
        while asked.is_ok() && started.elapsed() < Duration::from_secs(5) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The version of Envoy, such as `1.40.0`.
#[must_use]
pub fn version() -> String {
    let output = Command::new(binary()).arg("--version").output().expect("Envoy's version");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let build = text.split_once("version: ").and_then(|(_, build)| build.split('/').nth(1));
    build.unwrap_or_else(|| panic!("an unexpected version: {text}")).to_owned()
}

/// The binary: `ENVOY`, or the one that the Makefile installed.
fn binary() -> PathBuf {
    let named = std::env::var_os("ENVOY").filter(|path| !path.is_empty()).map(PathBuf::from);
    let missing = match &named {
        Some(path) => format!("ENVOY is {}, which is no file.", path.display()),
        None => "There is no Envoy: run `make envoy`, or set ENVOY to the path of one.".to_owned(),
    };
    let path = named.unwrap_or_else(|| PathBuf::from(INSTALLED));
    assert!(path.is_file(), "{missing}");
    path
}

fn spawn(directory: &Path, configuration: &Configuration, workers: u32) -> (Child, Files) {
    let file = |name| directory.join(name);
    let files = Files {
        configuration: file("envoy.yaml"),
        admin_address: file("admin-address"),
        log: file("envoy.log"),
        access_log: file("access.log"),
    };
    fs::write(&files.configuration, configuration.text()).expect("a writable directory");
    let child = Command::new(binary())
        .arg("--config-path")
        .arg(&files.configuration)
        .arg("--admin-address-path")
        .arg(&files.admin_address)
        .args(["--concurrency", &workers.to_string(), "--disable-hot-restart"])
        .envs(configuration.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(File::create(&files.access_log).expect("a writable directory"))
        .stderr(File::create(&files.log).expect("a writable directory"))
        .spawn()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", binary().display()));
    (child, files)
}

/// The admin interface's address once Envoy is ready to serve.
async fn ready(admin_address: &Path) -> Option<SocketAddr> {
    let address = fs::read_to_string(admin_address).ok()?.parse().ok()?;
    let (status, _) = client::plain(address, "GET", "/ready").await.ok()?;
    (status == 200).then_some(address)
}

fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
