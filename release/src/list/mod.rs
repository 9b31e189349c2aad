//! The list of its dependencies inside a program or module: the section `.dep-v0`, in the
//! [format of cargo-auditable](https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md), which scanners read.
//!
//! `cargo auditable` itself is not used: it puts itself before the compiler, and cargo has the path of that program in the names of all
//! symbols. So the code of a module would depend on the folder that it was built in. Here it is the same as without the list.

mod section;
mod tree;

use std::fs;
use std::io::{self, Write as _};

use auditable_serde::VersionInfo;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::arguments::Embed;

/// Writes the list into a file.
pub(crate) fn embed(arguments: &Embed) -> io::Result<()> {
    let list = tree::list(arguments)?;
    let json = serde_json::to_vec(&list)?;
    // A reader refuses a list with more than one root, or in a circle.
    serde_json::from_slice::<VersionInfo>(&json)?;
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&json)?;
    let content = zlib.finish()?;
    let file = &arguments.file;
    let program =
        fs::read(file).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
    if auditable_info::audit_info_from_slice(&program, usize::MAX).is_ok() {
        return Err(io::Error::other(format!("{} has such a list already", file.display())));
    }
    if program.starts_with(b"\0asm") {
        fs::write(file, section::append(program, &content)?)
    } else {
        section::add(file, &content)
    }
}
