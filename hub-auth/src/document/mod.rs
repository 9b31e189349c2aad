//! Files of gateways, read so that each value has its place: YAML 1.2, and JSON as a part of it.

mod embedded;
mod tree;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fs, io};

pub(crate) use embedded::Embedded;
pub(crate) use tree::{Kind, Node, Style};

/// The largest file that is read, in bytes. A bootstrap with the JSON of hundreds of routes stays below 1 MiB.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A file, with its documents: YAML separates several with `---`.
#[derive(Debug)]
pub(crate) struct Document {
    /// As it was named by the caller.
    pub(crate) path: PathBuf,
    /// All of it.
    pub(crate) text: String,
    /// What is in it.
    pub(crate) roots: Vec<Node>,
}

/// Why a file cannot be read.
#[derive(Debug)]
pub(crate) enum DocumentError {
    /// It is not there, or not for us.
    Unreadable(io::Error),
    /// It is longer than [`MAX_BYTES`].
    TooLong,
    /// It is not text in UTF-8.
    NotText,
    /// It is text, but neither YAML nor JSON.
    Syntax {
        /// The text, for showing the place.
        text: String,
        /// Where reading ended, in bytes.
        at: Range<usize>,
        /// What the parser says.
        message: String,
    },
}

impl Document {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, DocumentError> {
        let length = fs::metadata(path).map_err(DocumentError::Unreadable)?.len();
        if length > MAX_BYTES {
            return Err(DocumentError::TooLong);
        }
        let bytes = fs::read(path).map_err(DocumentError::Unreadable)?;
        let text = String::from_utf8(bytes).map_err(|_| DocumentError::NotText)?;
        Self::parse(path, text)
    }

    /// Reads the text of a file.
    pub(crate) fn parse(path: &Path, text: String) -> Result<Self, DocumentError> {
        match tree::parse(&text) {
            Ok(roots) => Ok(Self { path: path.to_owned(), text, roots }),
            Err(tree::SyntaxError { at, message }) => Err(DocumentError::Syntax { text, at, message }),
        }
    }
}
