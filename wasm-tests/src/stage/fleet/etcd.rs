//! The bank's etcd: a real cluster of three members on loopback, whose members can be killed, fall silent and come back, with or
//! without users, quota and TLS. Its times are etcd's own: a heartbeat each 100 ms, an election after a second without one.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::sleep;

use super::super::client::{Connection, Outcome, Request};
use super::super::pki::{Identity, Pki};
use super::super::{process, write, write_identity};
use super::program;

/// How many members a cluster has. Two of them are a quorum.
pub const MEMBERS: usize = 3;
/// The name in the certificates of the members, as the shipped cluster of Envoy demands it.
pub const ETCD_NAME: &str = "etcd.bank.internal";
/// Starting takes a second or so; a loaded machine may need much more.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What a cluster is to be like. Its clients always do TLS, and must have a certificate of the bank's own CA.
#[derive(Clone, Copy, Default)]
pub struct EtcdSetup {
    quota: Option<u64>,
    token_life: Option<u64>,
}

impl EtcdSetup {
    /// As Debian installs it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With room for so many bytes. With more, etcd raises its alarm `NOSPACE` and takes no more writes.
    #[must_use]
    pub fn quota(mut self, bytes: u64) -> Self {
        self.quota = Some(bytes);
        self
    }

    /// With tokens of its users that end after so many seconds without use.
    #[must_use]
    pub fn token_life(mut self, seconds: u64) -> Self {
        self.token_life = Some(seconds);
        self
    }

    /// Starts it, and waits until it answers.
    pub async fn start(self) -> Etcd {
        let files = tempfile::Builder::new().prefix("etcd-").tempdir().expect("a temporary directory");
        let administrator = certificates(&files);
        let members = std::array::from_fn(|_| Member {
            client: process::lasting_port(),
            peer: process::lasting_port(),
            running: None,
        });
        let mut etcd = Etcd { members, setup: self, files, administrator, root_password: None };
        for member in 0..MEMBERS {
            etcd.spawn(member);
        }
        etcd.until_healthy().await;
        etcd
    }
}

/// A running cluster. Dropping it stops it.
pub struct Etcd {
    members: [Member; MEMBERS],
    setup: EtcdSetup,
    files: TempDir,
    administrator: Identity,
    pub(super) root_password: Option<&'static str>,
}

struct Member {
    client: SocketAddr,
    peer: SocketAddr,
    running: Option<Running>,
}

struct Running {
    child: Child,
    suspended: bool,
}

/// What the members present, and Envoy, in the directory; and what the administrator presents.
fn certificates(files: &TempDir) -> Identity {
    let pki = Pki::shared();
    write(files.path(), "etcd-ca.pem", &pki.internal_bundle());
    write_identity(files.path(), "member", &pki.internal_peer(&[ETCD_NAME, "127.0.0.1"]));
    write_identity(files.path(), "etcd-client", &pki.internal_client("gateways"));
    pki.internal_client("administrator")
}

impl Etcd {
    /// Where clients reach the members.
    #[must_use]
    pub fn addresses(&self) -> [SocketAddr; MEMBERS] {
        std::array::from_fn(|member| self.members[member].client)
    }

    /// Ends a member as a power cut does.
    pub fn kill(&mut self, member: usize) {
        if let Some(mut running) = self.members[member].running.take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }

    /// Starts a member that was killed, with the data that it had.
    pub fn restart(&mut self, member: usize) {
        assert!(self.members[member].running.is_none(), "member {member} runs");
        self.spawn(member);
    }

    /// Lets a member fall silent: it takes connections and answers nobody, members neither.
    pub fn suspend(&mut self, member: usize) {
        let running = self.members[member].running.as_mut().expect("a running member");
        process::suspend(running.child.id());
        running.suspended = true;
    }

    /// Lets it go on.
    pub fn resume(&mut self, member: usize) {
        let running = self.members[member].running.as_mut().expect("a running member");
        process::resume(running.child.id());
        running.suspended = false;
    }

    /// Those that run and are not silent.
    #[must_use]
    pub fn live(&self) -> Vec<usize> {
        let is_live = |member: &usize| self.members[*member].running.as_ref().is_some_and(|running| !running.suspended);
        (0..MEMBERS).filter(is_live).collect()
    }

    /// Waits until each live member says that it can write.
    pub async fn until_healthy(&mut self) {
        let started = Instant::now();
        for member in self.live() {
            while !self.is_healthy(member).await {
                let running = self.members[member].running.as_mut().expect("a running member");
                let ended = running.child.try_wait().expect("a child process");
                assert!(ended.is_none(), "etcd ended with {ended:?}:\n{}", self.log(member));
                assert!(started.elapsed() < PATIENCE, "etcd is not healthy:\n{}", self.log(member));
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// What a member says of itself at `/health`, where Envoy asks.
    pub async fn is_healthy(&self, member: usize) -> bool {
        let told = self.send(member, &Request::new("GET", "/health")).await;
        matches!(told, Outcome::Reply(reply) if reply.status == 200 && reply.json()["health"] == "true")
    }

    /// The answer of a member.
    pub async fn send(&self, member: usize, request: &Request) -> Outcome {
        let address = self.members[member].client;
        let root = Pki::shared().internal_root();
        let connection = Connection::open_to(ETCD_NAME, address, &root, Some(&self.administrator)).await;
        match connection {
            Ok(mut connection) => connection.send(request).await,
            Err(reason) => Outcome::Refused(reason),
        }
    }

    fn log(&self, member: usize) -> String {
        std::fs::read_to_string(self.file(&format!("{member}.log"))).unwrap_or_default()
    }

    /// A file of the cluster: `etcd-ca.pem`, `etcd-client-chain.pem`, `etcd-client-key.pem`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn spawn(&mut self, member: usize) {
        let url = |address: SocketAddr| format!("http://{address}");
        let file = |name| self.file(name).display().to_string();
        let Member { client, peer, .. } = self.members[member];
        let cluster = self.members.iter().enumerate().map(|(number, member)| format!("{number}={}", url(member.peer)));
        let log = self.file(&format!("{member}.log"));
        let log: File = OpenOptions::new().create(true).append(true).open(log).expect("a writable directory");
        let mut command = Command::new(program("etcd"));
        command
            .arg(format!("--name={member}"))
            .arg(format!("--data-dir={}", self.file(&format!("{member}.etcd")).display()))
            .arg(format!("--initial-cluster={}", cluster.collect::<Vec<_>>().join(",")))
            .arg(format!("--listen-client-urls=https://{client}"))
            .arg(format!("--advertise-client-urls=https://{client}"))
            .arg("--client-cert-auth")
            .arg(format!("--trusted-ca-file={}", file("etcd-ca.pem")))
            .arg(format!("--cert-file={}", file("member-chain.pem")))
            .arg(format!("--key-file={}", file("member-key.pem")))
            .arg(format!("--listen-peer-urls={}", url(peer)))
            .arg(format!("--initial-advertise-peer-urls={}", url(peer)));
        if let Some(bytes) = self.setup.quota {
            command.arg(format!("--quota-backend-bytes={bytes}"));
        }
        if let Some(seconds) = self.setup.token_life {
            command.arg(format!("--auth-token-ttl={seconds}"));
        }
        let child = command
            // Nothing of whoever runs the tests, such as ETCD_NAME.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file descriptor"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("etcd does not start: {error}"));
        self.members[member].running = Some(Running { child, suspended: false });
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in 0..MEMBERS {
            self.kill(member);
        }
    }
}
