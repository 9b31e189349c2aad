//! `hub-auth key new`: a key and the request for its certificate, as the standard's *Keys and Certificates* demands them: RSA with 2048
//! bits, signed with SHA-256, and a subject of C, O, OU and CN.

mod csr;
mod signer;
mod steps;

use std::io::{self, Write};
use std::path::PathBuf;

use crate::arguments::{NewKey, Purpose};
use crate::new_file::{self, NewFile};

/// Who may read a file: its owner alone, or others too as far as the system's mask lets them.
const OWNER_ALONE: u32 = 0o600;
const ALL: u32 = 0o644;

/// Makes a key or uses the one of a signer, writes what is to be written, and tells in `output` what comes next.
///
/// # Errors
/// An option makes no sense, a file is there already or cannot be written, or the signer cannot be used.
pub(crate) fn new(arguments: &NewKey, output: &mut dyn Write, notes: &mut dyn Write) -> io::Result<()> {
    check(arguments, notes)?;
    let name = arguments.purpose.name();
    let key_path = arguments.key.clone().unwrap_or_else(|| PathBuf::from(format!("{name}-key.pem")));
    let csr_path = arguments.csr.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.csr")));
    // Before anything is made: a signer may charge for it, or never forget it.
    if arguments.signer.is_none() {
        if key_path == csr_path {
            return Err(io::Error::other("--csr: expected another file than that of the key, got the same"));
        }
        new_file::check_absent(&key_path, "--key", arguments.force)?;
    }
    new_file::check_absent(&csr_path, "--csr", arguments.force)?;
    let opened = signer::open(arguments, notes)?;
    let request = csr::request(arguments, &*opened.signer)?;
    let request = NewFile::write(&csr_path, request.as_bytes(), ALL)?;
    // The key first: without it the request would be for nothing.
    if let Some(pem) = &opened.private_key {
        NewFile::write(&key_path, pem.expose().as_bytes(), OWNER_ALONE)?.publish("--key", arguments.force)?;
        writeln!(output, "The key:      {} (nobody but you may ever read it)", key_path.display())?;
    } else {
        writeln!(output, "The key:      {}", opened.signer.place())?;
    }
    request.publish("--csr", arguments.force)?;
    writeln!(output, "The request:  {}", csr_path.display())?;
    writeln!(output, "Its subject:  {}", csr::subject_text(arguments))?;
    steps::print(arguments, &csr_path, output)
}

/// What options are of no use together.
fn check(arguments: &NewKey, notes: &mut dyn Write) -> io::Result<()> {
    match arguments.purpose {
        Purpose::C3 | Purpose::Sig4 if !arguments.dns_name.is_empty() => {
            Err(io::Error::other("--dns-name: expected none, got one: only S4 is the certificate of a server"))
        }
        Purpose::Sig4 if arguments.signer.as_ref().is_some_and(|signer| signer.starts_with("pkcs11:")) => {
            writeln!(notes, "hub-auth signer signs with this key for the filter, behind the API of Vault Transit.")
        }
        Purpose::C3 | Purpose::Sig4 => Ok(()),
        Purpose::S4 => {
            if arguments.client_id.is_some() {
                writeln!(notes, "--client-id is not used: the CN of S4 is the organisation's id.")?;
            }
            if arguments.dns_name.is_empty() {
                writeln!(
                    notes,
                    "No --dns-name was given. The standard demands the name of the server in its certificate (SAN), and the Hub's TLS \
                     client will look for it."
                )?;
            }
            Ok(())
        }
    }
}
