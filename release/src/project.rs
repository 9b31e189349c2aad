//! The project at one commit: whether it is a release, what the changelog says of it, what Cargo.lock and cargo say of its dependencies.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::arguments::Ready;

/// Refuses what is no release.
pub(crate) fn ready(arguments: &Ready) -> io::Result<()> {
    let Ready { version, project } = arguments;
    let tag = format!("v{version}");
    let tags = said(Command::new("git").args(["tag", "--points-at", "HEAD"]), project)?;
    let tags: Vec<&str> = tags.lines().collect();
    if !tags.contains(&tag.as_str()) {
        let there = if tags.is_empty() { "it has no tag".to_owned() } else { format!("its tags: {}", tags.join(", ")) };
        return Err(io::Error::other(format!(
            "Cargo.toml says {version}, so the commit needs the tag {tag}; {there}. Tag it, or change the version"
        )));
    }
    let changed = said(Command::new("git").args(["status", "--porcelain"]), project)?;
    if !changed.is_empty() {
        return Err(io::Error::other(format!("a release is of a commit, and these files differ from it:\n{changed}")));
    }
    notes(project, version).map(|_| ())
}

/// What the changelog says of a version.
pub(crate) fn notes(project: &Path, version: &str) -> io::Result<String> {
    let changelog = read(&project.join("CHANGELOG.md"))?;
    let heading = format!("## {version}");
    let is_heading =
        |line: &str| line.strip_prefix(&heading).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let mut lines = changelog.lines().skip_while(|line| !is_heading(line));
    let Some(first) = lines.next() else {
        return Err(io::Error::other(format!(
            "CHANGELOG.md has no section {heading}: give what is under Unreleased this heading, with the date"
        )));
    };
    let section: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    Ok(format!("{}\n\n{}\n", first.replacen("##", "# hub-auth-filter", 1), section.join("\n").trim()))
}

/// The release of the compiler.
pub(crate) fn compiler(project: &Path) -> io::Result<String> {
    let rustc = said(Command::new("rustc").arg("--version"), project)?;
    let release = rustc.split_whitespace().nth(1);
    release.map(str::to_owned).ok_or_else(|| io::Error::other(format!("rustc says {rustc}, and no release of it")))
}

/// The SHA-256 of each package by name and version, as Cargo.lock has it.
pub(crate) fn checksums(project: &Path) -> io::Result<BTreeMap<(String, String), String>> {
    let lock = read(&project.join("Cargo.lock"))?;
    let checksum = |package: &str| {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
            Some(line.trim_matches('"').to_owned())
        };
        Some(((value("name")?, value("version")?), value("checksum")?))
    };
    Ok(lock.split("[[package]]").filter_map(checksum).collect())
}

/// The licence of each package by name and version, as cargo says it.
pub(crate) fn licences(project: &Path) -> io::Result<BTreeMap<(String, String), String>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
        license: Option<String>,
    }
    let metadata = said(cargo().args(["metadata", "--locked", "--format-version", "1"]), project)?;
    let metadata: Metadata = serde_json::from_str(&metadata)?;
    // Some old packages write `MIT/Apache-2.0`, which is no expression of SPDX.
    let licence = |package: Package| Some(((package.name, package.version), package.license?.replace('/', " OR ")));
    Ok(metadata.packages.into_iter().filter_map(licence).collect())
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    fs::read_to_string(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Cargo, the one that called if one did.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// What a program says in the project's folder.
pub(crate) fn said(command: &mut Command, project: &Path) -> io::Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.current_dir(project).output();
    let output = output.map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}
