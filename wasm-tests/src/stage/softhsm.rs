//! The bank's hardware security module, in software: tokens of a real SoftHSM, each in a folder of its own. `make softhsm` installs it,
//! or `SOFTHSM` names the folder of another.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The PIN of its tokens.
pub const PIN: &str = "s3cret-pin";
/// The label of its first token.
pub const LABEL: &str = "hub";
/// What `make softhsm` makes.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/softhsm");

/// A module with one token. Dropping it takes all of its tokens away.
pub struct Softhsm {
    folder: TempDir,
    installed: PathBuf,
}

impl Softhsm {
    /// A module with one new token and no key.
    #[must_use]
    pub fn new() -> Self {
        let installed = installed();
        assert!(is_installed(), "There is no SoftHSM: run `make softhsm`, or set SOFTHSM.");
        let folder = tempfile::Builder::new().prefix("hub-auth-").tempdir().expect("a temporary directory");
        fs::create_dir(folder.path().join("tokens")).expect("a folder");
        let module = Self { folder, installed };
        module.set("");
        module.init(LABEL);
        module
    }

    /// Writes its settings: the usual ones, and these.
    pub fn set(&self, settings: &str) {
        let tokens = self.tokens().display().to_string();
        let all = format!("directories.tokendir = {tokens}\nobjectstore.backend = file\n{settings}");
        fs::write(self.folder.path().join("softhsm2.conf"), all).expect("a file");
    }

    /// One more token.
    pub fn init(&self, label: &str) {
        self.util(&["--init-token", "--free", "--label", label, "--so-pin", "so-secret", "--pin", PIN]);
    }

    /// Puts the private key of a PEM file into its first token.
    pub fn import(&self, pem: &Path, label: &str, id: &str) {
        let pem = pem.to_str().expect("UTF-8");
        self.util(&["--import", pem, "--token", LABEL, "--label", label, "--id", id, "--pin", PIN]);
    }

    /// Makes a key in its first token, by the operator's tool.
    pub fn make_key(&self, tool: &Path, label: &str) {
        let id = "233bcd1d-4216-4b3c-a362-9e4a9282bba7";
        let mut command = Command::new(tool);
        command.args(["key", "new", "--type", "sig4", "--organisation", "Example Bank PJSC", "--organisation-id", id]);
        command.args(["--client-id", id, "--generate", "--force", "--signer", &self.uri(label)]);
        command.env("HUB_AUTH_PIN", PIN);
        let output = self.in_environment(&mut command).output().expect("the tool starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The library.
    #[must_use]
    pub fn module(&self) -> PathBuf {
        self.installed.join("lib/libsofthsm2.so")
    }

    /// Where its tokens are, a folder each.
    #[must_use]
    pub fn tokens(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }

    /// A folder for files that go with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A key of its first token.
    #[must_use]
    pub fn uri(&self, label: &str) -> String {
        self.uri_of(&format!("token={LABEL};object={label}"))
    }

    /// What this path of a URI names in it.
    #[must_use]
    pub fn uri_of(&self, path: &str) -> String {
        format!("pkcs11:{path}?module-path={}", self.module().display())
    }

    /// Takes its first token out.
    pub fn take_out(&self) {
        fs::rename(self.token(&self.tokens()), self.folder.path().join("taken")).expect("a token");
    }

    /// Puts it back.
    pub fn put_back(&self) {
        fs::rename(self.folder.path().join("taken"), self.tokens().join("token-1")).expect("a token");
    }

    /// The folder of its only token.
    fn token(&self, tokens: &Path) -> PathBuf {
        let mut entries = fs::read_dir(tokens).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.next().expect("a token")
    }

    /// Has a program find it.
    pub fn in_environment<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("SOFTHSM2_CONF", self.folder.path().join("softhsm2.conf"))
            .env("LD_LIBRARY_PATH", self.installed.join("lib"))
            .current_dir(self.folder.path())
    }

    fn util(&self, arguments: &[&str]) {
        let mut command = Command::new(self.installed.join("bin/softhsm2-util"));
        command.arg("--module").arg(self.module()).args(arguments).stdin(Stdio::null());
        let output = self.in_environment(&mut command).output().expect("softhsm2-util");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Default for Softhsm {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether there is one.
#[must_use]
pub fn is_installed() -> bool {
    installed().join("lib/libsofthsm2.so").is_file()
}

fn installed() -> PathBuf {
    let named = std::env::var_os("SOFTHSM").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = named.unwrap_or_else(|| PathBuf::from(INSTALLED));
    path.canonicalize().unwrap_or(path)
}
