//! The bank's Redis behind Webdis, its front of HTTP: both real, on loopback. Redis keeps all in memory.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::time::sleep;

use super::super::client::{self, Outcome, Request};
use super::super::process;
use super::etcd::PATIENCE;
use super::program;

/// The gateways' user at Webdis.
pub const USER: &str = "gateway";
/// Its password.
pub const PASSWORD: &str = "the-password-of-the-fleet";

/// The running pair. Dropping it stops it.
pub struct Redis {
    address: SocketAddr,
    front: SocketAddr,
    redis: Option<Child>,
    webdis: Option<Child>,
    files: TempDir,
}

impl Redis {
    /// Starts both. Webdis takes `SET` from the gateways' user, and nothing else from anybody.
    pub async fn start() -> Self {
        let files = tempfile::Builder::new().prefix("redis-").tempdir().expect("a temporary directory");
        let (address, front) = (process::lasting_port(), process::lasting_port());
        let mut pair = Self { address, front, redis: None, webdis: None, files };
        pair.start_redis().await;
        let settings = json!({
            "redis_host": "127.0.0.1", "redis_port": address.port(),
            "http_host": "127.0.0.1", "http_port": front.port(),
            "threads": 2, "pool_size": 4, "daemonize": false, "websockets": false, "database": 0,
            "acl": [
                {"disabled": ["*"]},
                {"http_basic_auth": format!("{USER}:{PASSWORD}"), "enabled": ["SET"]},
            ],
            "verbosity": 3, "logfile": pair.files.path().join("webdis.log"),
        });
        fs::write(pair.files.path().join("webdis.json"), settings.to_string()).expect("a writable directory");
        pair.webdis = Some(pair.spawn("webdis", &["webdis.json".to_owned()]));
        let started = Instant::now();
        while client::plain(front, "GET", "/PING").await.is_err() {
            assert!(started.elapsed() < PATIENCE, "Webdis is not ready");
            sleep(Duration::from_millis(20)).await;
        }
        pair
    }

    /// Where Webdis listens.
    #[must_use]
    pub fn front(&self) -> SocketAddr {
        self.front
    }

    /// The answer of Webdis.
    pub async fn send(&self, request: &Request) -> Outcome {
        client::send_plain(self.front, "webdis.bank.internal", request).await
    }

    /// Ends Redis; Webdis goes on without it.
    pub fn stop_redis(&mut self) {
        end(&mut self.redis);
    }

    /// Starts Redis. It is empty.
    pub async fn start_redis(&mut self) {
        let settings =
            ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &self.address.port().to_string()];
        self.redis = Some(self.spawn("redis-server", &settings.map(ToOwned::to_owned)));
        let started = Instant::now();
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            assert!(started.elapsed() < PATIENCE, "Redis is not ready");
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn spawn(&self, name: &str, arguments: &[String]) -> Child {
        let log = File::create(self.files.path().join(format!("{name}.out"))).expect("a writable directory");
        Command::new(program(name))
            .args(arguments)
            .current_dir(self.files.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file descriptor"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        end(&mut self.webdis);
        end(&mut self.redis);
    }
}

fn end(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}
