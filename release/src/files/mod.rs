//! The folder of a release: what was built is there, and what tells of it is written beside it.
//!
//! | file | what it is |
//! |---|---|
//! | `*.cdx.json` | what is inside a program or a module: an SBOM in CycloneDX |
//! | `NOTES.md` | what the changelog says |
//! | `provenance.json` | of what and how it was built: a statement of in-toto, SLSA's predicate |
//! | `SHA256SUMS`, `SHA256SUMS.minisig` | the checksum of each file, and the signature of that |

mod provenance;
mod sbom;
mod signature;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::arguments::Finish;
use crate::digest::sha256;
use crate::project;

const SUMS: &str = "SHA256SUMS";
const PROVENANCE: &str = "provenance.json";

/// Completes the folder.
pub(crate) fn finish(arguments: &Finish, out: &mut impl Write) -> io::Result<()> {
    let Finish { source, project, folder, .. } = arguments;
    let key = signature::key()?;
    let built = read(folder)?;
    if built.keys().any(|name| name == SUMS || name == PROVENANCE) {
        return Err(io::Error::other(format!("{} is complete already: remove it first", folder.display())));
    }
    let facts = sbom::Facts::of(project)?;
    for (name, bytes) in built.iter().filter(|(name, bytes)| is_program(name, bytes)) {
        fs::write(folder.join(format!("{name}.cdx.json")), sbom::of(source, name, bytes, &facts)?)?;
    }
    fs::write(folder.join("NOTES.md"), project::notes(project, &source.version)?)?;
    let subjects = read(folder)?;
    fs::write(folder.join(PROVENANCE), provenance::of(arguments, &digests(&subjects))?)?;
    let files = digests(&read(folder)?);
    let sums: String = files.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect();
    fs::write(folder.join(SUMS), &sums)?;
    let comment = format!("hub-auth-filter {} of commit {}", source.version, source.commit);
    signature::sign(&arguments.minisign, &key, &folder.join(SUMS), &comment)?;
    out.write_all(sums.as_bytes())
}

/// A module, or a program of Linux.
fn is_program(name: &str, bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm") || (bytes.starts_with(b"\x7fELF") && !name.contains('.'))
}

fn read(folder: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let fault = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| io::Error::other(format!("{} is no name for a file of a release", name.display())))?;
        let bytes = fs::read(entry.path()).map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
        files.insert(name, bytes);
    }
    Ok(files)
}

fn digests(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, String> {
    files.iter().map(|(name, bytes)| (name.clone(), sha256(bytes))).collect()
}
