//! `hub-auth api-key new`: a key that nobody can guess, and what the bank keeps of it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use serde_json::json;

use crate::arguments::NewApiKey;

/// Prints a new key to `key_output`, and to `output` the entry for it in the configuration.
///
/// # Errors
/// The system has no random numbers, or writing fails.
pub(crate) fn new(arguments: &NewApiKey, now: SystemTime, output: &mut dyn Write) -> io::Result<()> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let key = hex(&bytes);
    let expires = now + Duration::from_secs(u64::from(arguments.days) * 24 * 60 * 60);
    let entry = json!({
        "id": arguments.id,
        "sha256": hex(digest(&SHA256, key.as_bytes()).as_ref()),
        "not_before": humantime::format_rfc3339_seconds(now).to_string(),
        "expires": humantime::format_rfc3339_seconds(expires).to_string(),
    });
    writeln!(output, "The key, for the Hub. It is not shown again; keep it out of logs and mails:\n\n  {key}\n")?;
    writeln!(output, "The entry for \"keys\" in \"inbound.auth.api_key\". It has the digest only:\n\n  {entry}")
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
