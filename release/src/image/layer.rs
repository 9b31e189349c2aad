//! The layer of an ordinary image: `plugin.wasm` in a gzipped tar.

use std::io::{self, Write as _};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// The name by which both meshes look for the module.
const NAME: &str = "plugin.wasm";

/// A tar with the module at its root, as somebody who is nobody in particular would have made it at that time.
pub(super) fn archive(module: &[u8], created: u64) -> io::Result<Vec<u8>> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(created);
    header.set_size(u64::try_from(module.len()).map_err(io::Error::other)?);
    let mut tar = Builder::new(Vec::new());
    tar.append_data(&mut header, NAME, module)?;
    tar.into_inner()
}

/// The same, gzipped, without the name and the time that gzip can have.
pub(super) fn compressed(archive: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(archive)?;
    gzip.finish()
}
