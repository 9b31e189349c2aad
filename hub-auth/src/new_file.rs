//! Files that are there whole or not at all, and that replace no others unless that is wanted.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// A file under another name, until it is published. If it is not, it goes.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    written: NamedTempFile,
}

impl NewFile {
    /// Writes all of it, with this mode, beside where it will be.
    pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let write = || {
            let mut written =
                Builder::new().prefix(".hub-auth-").permissions(Permissions::from_mode(mode)).tempfile_in(folder)?;
            written.write_all(bytes)?;
            written.as_file().sync_all()?;
            Ok(written)
        };
        let written = write().map_err(|error: io::Error| named(path, &error))?;
        Ok(Self { path: path.to_owned(), written })
    }

    /// Gives it its name. `option` is the one that names it.
    ///
    /// # Errors
    /// There is a file of that name and `replace` is not set, or the system refuses.
    pub(crate) fn publish(self, option: &str, replace: bool) -> io::Result<()> {
        let Self { path, written } = self;
        let result = if replace { written.persist(&path) } else { written.persist_noclobber(&path) };
        match result {
            Ok(_) => Ok(()),
            Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => Err(there_already(&path, option)),
            Err(failed) => Err(named(&path, &failed.error)),
        }
    }
}

/// Says early that there is a file of this name.
pub(crate) fn check_absent(path: &Path, option: &str, replace: bool) -> io::Result<()> {
    if !replace && path.symlink_metadata().is_ok() { Err(there_already(path, option)) } else { Ok(()) }
}

fn there_already(path: &Path, option: &str) -> io::Error {
    let path = path.display();
    io::Error::other(format!(
        "{path} is there already, and stays as it is. Name another file with {option}, or replace it with --force."
    ))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Between the check and the writing somebody else may have made it.
    #[test]
    fn a_file_that_came_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.pem");
        let file = NewFile::write(&path, b"new", 0o600).expect("written");
        fs::write(&path, "theirs").expect("written");
        assert!(file.publish("--key", false).expect_err("refused").to_string().contains("is there already"));
        assert_eq!(fs::read(&path).expect("there"), b"theirs");
        let names = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(names, 1, "what was not published is gone");
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_if_that_is_wanted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.pem");
        fs::write(&path, "old, and readable for all").expect("written");
        NewFile::write(&path, b"new", 0o600).and_then(|file| file.publish("--key", true)).expect("published");
        assert_eq!(fs::read(&path).expect("there"), b"new");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
