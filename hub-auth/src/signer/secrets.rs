//! What must be kept secret: the PIN of the token, and what clients say in `X-Vault-Token`. Both come from files, and from nowhere that
//! other processes can look at.

use std::env;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use hub_auth_filter::facade::config::Secret;

/// Where systemd puts credentials (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The shortest token of a client: 128 bits in hexadecimal. It can be guessed by anybody on the machine.
const SHORTEST: usize = 32;
/// The longest, as in the filter's configuration.
const LONGEST: usize = 4096;
/// How many clients there are: a token before and after its change, for a few gateways.
const MOST: usize = 16;
/// Longer than all of them.
const LONGEST_FILE: u64 = 128 * 1024;

/// The file with the PIN. It is read for each login.
#[derive(Debug)]
pub(super) struct PinFile(PathBuf);

impl PinFile {
    /// The file that an option names, or else systemd's credential `pin`. It must be readable.
    pub(super) fn find(named: Option<&Path>) -> io::Result<Self> {
        let path = named.map(Path::to_owned).or_else(|| credential("pin"));
        let file = Self(path.ok_or_else(|| {
            io::Error::other(
                "expected --pin-file with the PIN of the token, or systemd's credential \"pin\", got neither",
            )
        })?);
        file.read()?;
        Ok(file)
    }

    /// The PIN, and its digest, by which it is known again.
    pub(super) fn read(&self) -> io::Result<(Secret, Digest)> {
        let text = read(&self.0)?;
        let line = text.expose().trim_end_matches(['\r', '\n']);
        if line.is_empty() || line.contains(['\r', '\n']) {
            return Err(said(&self.0, &"expected one line, got none or several"));
        }
        Ok((Secret::new(line), digest(&SHA256, line.as_bytes())))
    }
}

/// Digests of what clients may say, so that a comparison takes the same time whatever they say.
pub(super) struct ClientTokens(Vec<Digest>);

impl ClientTokens {
    /// Those in the file that an option names, or else in systemd's credential `client-token`, a line each. `None` if there is neither.
    pub(super) fn read(named: Option<&Path>) -> io::Result<Option<Self>> {
        let path = named.map(Path::to_owned).or_else(|| credential("client-token").filter(|path| path.exists()));
        let Some(path) = path else { return Ok(None) };
        let text = read(&path)?;
        let lines: Vec<&str> = text.expose().lines().collect();
        let is_token = |line: &&str| {
            (SHORTEST..=LONGEST).contains(&line.len()) && line.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if lines.is_empty() || lines.len() > MOST || !lines.iter().all(is_token) {
            let expected = format!(
                "expected 1 to {MOST} lines, each with {SHORTEST} to {LONGEST} visible ASCII characters, got something else; \
                 openssl rand -hex 32 makes one"
            );
            return Err(said(&path, &expected));
        }
        Ok(Some(Self(lines.iter().map(|line| digest(&SHA256, line.as_bytes())).collect())))
    }

    /// Whether this is one of them.
    pub(super) fn know(&self, told: &[u8]) -> bool {
        let told = digest(&SHA256, told);
        let equal = |known: &Digest| verify_slices_are_equal(known.as_ref(), told.as_ref()).is_ok();
        // All of them, wherever the right one stands.
        self.0.iter().filter(|known| equal(known)).count() > 0
    }
}

fn credential(name: &str) -> Option<PathBuf> {
    let directory = env::var_os(CREDENTIALS).filter(|path| !path.is_empty())?;
    Some(Path::new(&directory).join(name))
}

/// The text of a file that others cannot read.
fn read(path: &Path) -> io::Result<Secret> {
    let file = File::open(path).map_err(|error| said(path, &error))?;
    let mode = file.metadata().map_err(|error| said(path, &error))?.permissions().mode();
    if mode & 0o007 != 0 {
        let found = format!("expected a file that others cannot read (chmod 0600), got mode {:04o}", mode & 0o7777);
        return Err(said(path, &found));
    }
    let mut text = String::new();
    file.take(LONGEST_FILE).read_to_string(&mut text).map_err(|error| said(path, &error))?;
    Ok(Secret::new(text))
}

fn said(path: &Path, what: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn each_line_is_the_token_of_a_client_and_nothing_else_is() {
        let (first, second) = ("a".repeat(32), "b".repeat(64));
        let file = file(&format!("{first}\n{second}\n"));
        let tokens = ClientTokens::read(Some(file.path())).unwrap().unwrap();
        for token in [&first, &second] {
            assert!(tokens.know(token.as_bytes()));
        }
        for token in ["", &"a".repeat(31), &format!("{first}\n{second}"), &format!("{first} "), &"B".repeat(64)] {
            assert!(!tokens.know(token.as_bytes()), "{token}");
        }
    }

    #[test]
    fn a_file_without_tokens_or_with_weak_ones_is_refused() {
        for text in ["", "\n", &"a".repeat(31), &format!("{}\n\n", "a".repeat(32)), &format!("{} ", "a".repeat(32))] {
            assert!(ClientTokens::read(Some(file(text).path())).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let file = file("1234\n");
        assert!(PinFile::find(Some(file.path())).is_ok());
        for mode in [0o644, 0o604, 0o602] {
            fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            let error = PinFile::find(Some(file.path())).unwrap_err().to_string();
            assert!(error.contains("others cannot read"), "{error}");
        }
    }

    #[test]
    fn a_pin_is_one_line() {
        for text in ["", "\n", "1234\n5678\n"] {
            let error = PinFile::find(Some(file(text).path())).unwrap_err().to_string();
            assert!(error.contains("expected one line") && !error.contains("1234"), "{error}");
        }
    }
}
