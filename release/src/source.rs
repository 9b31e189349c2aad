//! What is released: which version, of which commit, at what time.

use std::time::{Duration, UNIX_EPOCH};

use clap::Args;

/// What is the same in everything that is made of one commit.
#[derive(Clone, Debug, Args)]
pub(crate) struct Source {
    /// The version, as in Cargo.toml.
    #[arg(long)]
    pub(crate) version: String,
    /// The commit, all 40 digits.
    #[arg(long, value_parser = commit)]
    pub(crate) commit: String,
    /// The time of everything that is made: seconds since 1970, those of the commit.
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=LAST))]
    pub(crate) created: u64,
}

/// The end of the year 9999, after which times have no common form.
const LAST: u64 = 253_402_300_799;

impl Source {
    /// When it was made, as RFC 3339 writes it.
    pub(crate) fn created(&self) -> String {
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(self.created)).to_string()
    }
}

fn commit(text: &str) -> Result<String, String> {
    let is_hash = text.len() == 40 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then(|| text.to_owned()).ok_or_else(|| "the whole hash of a commit is 40 hexadecimal digits".to_owned())
}
