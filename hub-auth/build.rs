//! Tells the program which commit it was built from, and which modules lay beside it then.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

fn main() {
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let modules: String =
        ["hub_auth_filter.wasm", "hub_auth_filter_relaxed_simd.wasm"].iter().map(|name| module(name)).collect();
    // One line for the compiler; the program breaks it where \u{1f} stands.
    println!("cargo::rustc-env=HUB_AUTH_VERSION={version} (commit {})\u{1f}{modules}", commit());
}

/// The commit, or `unknown` in a tree that git does not keep.
fn commit() -> String {
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The SHA-256 of a module as `sha256sum` prints it.
fn module(name: &str) -> String {
    let path = Path::new("../dist").join(name);
    // Of a file that is not there this means: look again at the next build.
    println!("cargo::rerun-if-changed={}", path.display());
    match fs::read(&path) {
        Ok(bytes) => {
            let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{digest}  {name}\u{1f}")
        }
        Err(_) => format!("{:64}  {name}\u{1f}", "not built beside this program"),
    }
}
