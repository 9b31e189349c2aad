//! `hub-auth signer`, as the bank runs it beside its gateway: the tool itself, with a key in SoftHSM.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::sleep;

use super::client::{self, Reply, Request};
use super::openbao::{KEY, KEY_PATH};
use super::softhsm::{PIN, Softhsm};

/// What clients say.
pub const CLIENT_TOKEN: &str = "a-token-of-a-client-of-the-signer";
/// Where it tells of its health.
pub const HEALTH_PATH: &str = "/v1/sys/health";
/// Starting takes a moment; a loaded machine may need much more.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// On a port of loopback.
    Port(SocketAddr),
    /// On a socket in the file system.
    Socket(PathBuf),
}

/// The running daemon. Dropping it ends it.
pub struct ModuleSigner {
    child: Child,
    log: PathBuf,
    listen: Listen,
}

/// The files that go with a daemon: of the PIN and of what clients say.
pub struct Secrets {
    /// The file with the PIN.
    pub pin: PathBuf,
    /// The file with the token of the client.
    pub client_token: PathBuf,
}

impl Secrets {
    /// The right ones, in the folder of a module.
    #[must_use]
    pub fn of(module: &Softhsm) -> Self {
        let file = |name: &str, text: &str| {
            let path = module.folder().join(name);
            write_secret(&path, text);
            path
        };
        Self { pin: file("pin", PIN), client_token: file("client-token", CLIENT_TOKEN) }
    }
}

/// Writes a file that only its owner can read.
pub fn write_secret(path: &Path, text: &str) {
    fs::write(path, format!("{text}\n")).expect("a writable directory");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a file");
}

/// The tool: `HUB_AUTH`, or the one beside the program that runs, where cargo put both.
///
/// # Panics
/// It was not built.
#[must_use]
pub fn tool_beside() -> PathBuf {
    if let Some(named) = std::env::var_os("HUB_AUTH").filter(|path| !path.is_empty()) {
        return named.into();
    }
    let program = std::env::current_exe().expect("a program");
    let folders = program.ancestors().skip(1).take(2).map(|folder| folder.join("hub-auth"));
    folders
        .into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("There is no hub-auth beside {}: build it with it.", program.display()))
}

/// The command, with its secrets and without its key and where it listens.
#[must_use]
pub fn command(tool: &Path, module: &Softhsm, secrets: &Secrets) -> Command {
    let mut command = Command::new(tool);
    command.arg("signer").arg("--pin-file").arg(&secrets.pin).arg("--client-token-file").arg(&secrets.client_token);
    command.env_remove("NOTIFY_SOCKET").env_remove("CREDENTIALS_DIRECTORY").env_remove("WATCHDOG_USEC");
    module.in_environment(&mut command);
    command
}

impl ModuleSigner {
    /// Starts it on a free port, with the key of this label and these arguments.
    pub async fn on_port(tool: &Path, module: &Softhsm, label: &str, arguments: &[&str]) -> Self {
        let mut command = command(tool, module, &Secrets::of(module));
        command.args(["--key", &module.uri(label), "--listen", "127.0.0.1:0"]).args(arguments);
        Self::start(command, module.folder()).await
    }

    /// Starts it on a socket in the folder of the module, likewise.
    pub async fn on_socket(tool: &Path, module: &Softhsm, label: &str, arguments: &[&str]) -> Self {
        let mut command = command(tool, module, &Secrets::of(module));
        let listen = format!("unix:{}", module.folder().join("socket").display());
        command.args(["--key", &module.uri(label), "--listen", &listen]).args(arguments);
        Self::start(command, module.folder()).await
    }

    /// Starts this command, with its log in this folder, and waits until it listens.
    pub async fn start(mut command: Command, folder: &Path) -> Self {
        let log = folder.join("signer.log");
        let output = File::create(&log).expect("a writable directory");
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("a file descriptor")).stderr(output);
        let mut child = command.spawn().expect("the tool starts");
        let started = Instant::now();
        loop {
            let told = fs::read_to_string(&log).unwrap_or_default();
            let lines = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(line) = lines.into_iter().find(|line| line["event"] == "listening") {
                let place = line["reason"].as_str().expect("a place").to_owned();
                let listen = match place.strip_prefix("unix:") {
                    Some(path) => Listen::Socket(path.into()),
                    None => Listen::Port(place.parse().expect("an address")),
                };
                return Self { child, log, listen };
            }
            if let Some(status) = child.try_wait().expect("a child process") {
                panic!("hub-auth signer ended with {status}:\n{told}");
            }
            if started.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                panic!("hub-auth signer does not listen after {PATIENCE:?}:\n{told}");
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn listen(&self) -> &Listen {
        &self.listen
    }

    /// The port that it listens on.
    ///
    /// # Panics
    /// It listens on none.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        match self.listen {
            Listen::Port(address) => address,
            Listen::Socket(_) => panic!("it listens on no port"),
        }
    }

    /// Its answer to a request.
    pub async fn send(&self, request: &Request) -> Reply {
        match &self.listen {
            Listen::Port(address) => client::send_plain(*address, "localhost", request).await.reply(),
            Listen::Socket(path) => send_by(path, request).await,
        }
    }

    /// Its answer to a request of a client that it knows.
    pub async fn ask(&self, request: Request) -> Reply {
        self.send(&request.header("x-vault-token", CLIENT_TOKEN)).await
    }

    /// The public key: SubjectPublicKeyInfo, PEM.
    pub async fn public_key(&self) -> String {
        let reply = self.ask(Request::new("GET", KEY_PATH)).await.json();
        let pem = reply["data"]["keys"]["1"]["public_key"].as_str();
        pem.unwrap_or_else(|| panic!("no public key of {KEY}: {reply}")).to_owned()
    }

    /// Waits until its health has this status.
    pub async fn until_health_is(&self, status: u16) {
        let started = Instant::now();
        loop {
            let told = self.send(&Request::new("GET", HEALTH_PATH)).await;
            if told.status == status {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{}: {}\n{}", told.status, told.json(), self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it has written.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its lines about this event.
    #[must_use]
    pub fn events(&self, event: &str) -> Vec<Value> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["event"] == event).collect()
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends it SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill");
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child process") {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for ModuleSigner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request to a socket in the file system.
async fn send_by(path: &Path, request: &Request) -> Reply {
    let started = Instant::now();
    let stream = UnixStream::connect(path).await.expect("a connection");
    let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.expect("HTTP");
    let driver = tokio::spawn(connection);
    let response = sender.send_request(client::prepared("localhost", request)).await.expect("an answer");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes().to_vec();
    driver.abort();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    Reply { status: head.status.as_u16(), headers: headers.collect(), body, took: started.elapsed() }
}
