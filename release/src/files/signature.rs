//! The signature: that of minisign, with a key that the environment names. It is nowhere in the project.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// The file of the secret key.
const KEY: &str = "RELEASE_KEY";
/// The password of that file, where nobody is there to type it.
const PASSWORD: &str = "RELEASE_KEY_PASSWORD";

/// The file of the key. It is asked for first, so that nothing is done in vain.
pub(super) fn key() -> io::Result<OsString> {
    env::var_os(KEY).filter(|key| Path::new(key).is_file()).ok_or_else(|| {
        io::Error::other(format!("{KEY} names no file. It is the secret key of the release; `minisign -G` makes one"))
    })
}

/// Signs a file. What the comment says is signed, too.
pub(super) fn sign(minisign: &Path, key: &OsString, file: &Path, comment: &str) -> io::Result<()> {
    let password = env::var(PASSWORD).ok();
    let stdin = if password.is_some() { Stdio::piped() } else { Stdio::inherit() };
    let mut command = Command::new(minisign);
    command.arg("-S").arg("-s").arg(key).arg("-m").arg(file).args(["-t", comment]);
    let fault = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", minisign.display()));
    let mut child = command.env_remove(PASSWORD).stdin(stdin).stdout(Stdio::null()).spawn().map_err(fault)?;
    if let (Some(mut stdin), Some(password)) = (child.stdin.take(), password) {
        writeln!(stdin, "{password}")?;
    }
    if child.wait()?.success() { Ok(()) } else { Err(io::Error::other("minisign did not sign")) }
}
