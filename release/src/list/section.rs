//! A section beside the code, which nobody who runs it reads.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

const NAME: &str = ".dep-v0";

/// A module with one more custom section at its end: <https://webassembly.github.io/spec/core/binary/modules.html#custom-section>.
pub(super) fn append(mut module: Vec<u8>, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut section = Vec::new();
    write_length(&mut section, NAME.len())?;
    section.extend_from_slice(NAME.as_bytes());
    section.extend_from_slice(content);
    module.push(0);
    write_length(&mut module, section.len())?;
    module.append(&mut section);
    Ok(module)
}

/// A length in LEB128.
fn write_length(bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    let mut rest = length;
    loop {
        let low = u8::try_from(rest & 0x7f).map_err(io::Error::other)?;
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return Ok(());
        }
        bytes.push(low | 0x80);
    }
}

/// The same for a program of Linux, by the linker's own tool.
pub(super) fn add(program: &Path, content: &[u8]) -> io::Result<()> {
    let beside = program.with_extension("dep-v0");
    fs::write(&beside, content)?;
    let section = format!("{NAME}={}", beside.display());
    let status = Command::new("objcopy").arg("--add-section").arg(section).arg(program).status();
    fs::remove_file(&beside)?;
    let status =
        status.map_err(|error| io::Error::new(error.kind(), format!("objcopy (Debian: binutils): {error}")))?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("objcopy: {status}"))) }
}
