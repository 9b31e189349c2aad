//! What is written to standard output: a line of JSON for each signature, and others for what was refused and for what happened to the
//! token. Never a PIN, a client's token, or what was signed. `schema/signer-line.schema.json` has their form.

use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use humantime::format_rfc3339_millis;
use serde::Serialize;

use super::input::Facts;

/// The form of lines. A member that is new does not change it.
const VERSION: u8 = 1;

/// How many refusals are written in a second. Anybody on the machine can cause them.
const REFUSALS_PER_SECOND: u64 = 20;

/// How many lines may wait to be written; those of signatures do not wait here.
const WAITING: usize = 256;

/// A request for a signature, as it is told of.
pub(super) struct Entry {
    pub(super) request_id: String,
    pub(super) client: String,
    pub(super) started: Instant,
    /// What the token says, once it is one that may be signed.
    pub(super) facts: Option<Facts>,
    /// SHA-256 of the signing input, in hexadecimal.
    pub(super) input: Option<String>,
}

/// What became of a request for a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It was signed.
    Signed,
    /// It was signed, and who asked was no longer there: nobody got the signature.
    Abandoned,
    /// It was not to be signed.
    Refused,
    /// It could not be signed.
    Failed,
}

#[derive(Serialize)]
struct Line<'l> {
    version: u8,
    event: &'l str,
    time: String,
    key: &'l str,
    key_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_sha256: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressed: Option<u64>,
}

/// What writes the lines.
pub(super) struct Journal {
    key: String,
    key_version: u32,
    sender: Mutex<Option<SyncSender<String>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    throttle: Mutex<Throttle>,
}

struct Throttle {
    since: Instant,
    written: u64,
    suppressed: u64,
}

impl Journal {
    /// Starts to write of the key that clients call so.
    pub(super) fn start(key: &str, key_version: u32) -> Self {
        let (sender, receiver) = sync_channel(WAITING);
        // Without the thread nothing waits: `send` tells that nobody receives.
        let writer = thread::Builder::new().name("journal".to_owned()).spawn(move || write_all(&receiver)).ok();
        Self {
            key: key.to_owned(),
            key_version,
            sender: Mutex::new(Some(sender)),
            writer: Mutex::new(writer),
            throttle: Mutex::new(Throttle { since: Instant::now(), written: 0, suppressed: 0 }),
        }
    }

    /// Tells of a request for a signature. When this returns, the line is written.
    ///
    /// # Errors
    /// It cannot be written: then the signature must not leave.
    pub(super) fn signature(
        &self,
        entry: &Entry,
        outcome: Outcome,
        status: u16,
        reason: Option<&str>,
    ) -> io::Result<()> {
        write(&self.of_entry(entry, outcome, status, reason, None))
    }

    /// Tells of a request that was refused or failed before it came to the token, unless there are too many of them.
    pub(super) fn refusal(&self, entry: &Entry, outcome: Outcome, status: u16, reason: &str) {
        let suppressed = {
            let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
            if throttle.since.elapsed() >= Duration::from_secs(1) {
                throttle.since = Instant::now();
                throttle.written = 0;
            }
            if throttle.written >= REFUSALS_PER_SECOND {
                throttle.suppressed += 1;
                return;
            }
            throttle.written += 1;
            std::mem::take(&mut throttle.suppressed)
        };
        let line = self.of_entry(entry, outcome, status, Some(reason), (suppressed > 0).then_some(suppressed));
        if !self.send(line) {
            self.throttle.lock().unwrap_or_else(PoisonError::into_inner).suppressed += 1 + suppressed;
        }
    }

    /// Tells of something that happened to the daemon or its token.
    pub(super) fn note(&self, event: &str, reason: Option<&str>) {
        let line = Line { reason, ..self.line(event) };
        self.send(to_text(&line));
    }

    /// Writes what waits. Nothing is written afterwards but lines of signatures.
    pub(super) fn end(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }

    fn send(&self, line: String) -> bool {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().is_some_and(|sender| sender.try_send(line).is_ok())
    }

    fn of_entry(
        &self,
        entry: &Entry,
        outcome: Outcome,
        status: u16,
        reason: Option<&str>,
        suppressed: Option<u64>,
    ) -> String {
        to_text(&Line {
            request_id: Some(&entry.request_id),
            client: Some(&entry.client),
            kid: entry.facts.as_ref().map(|facts| facts.key_id.as_str()),
            jti: entry.facts.as_ref().map(|facts| facts.token_id.as_str()),
            input_sha256: entry.input.as_deref(),
            outcome: Some(outcome),
            status: Some(status),
            reason,
            duration_us: u64::try_from(entry.started.elapsed().as_micros()).ok(),
            suppressed,
            ..self.line("signature")
        })
    }

    fn line<'l>(&'l self, event: &'l str) -> Line<'l> {
        Line {
            version: VERSION,
            event,
            time: format_rfc3339_millis(SystemTime::now()).to_string(),
            key: &self.key,
            key_version: self.key_version,
            request_id: None,
            client: None,
            kid: None,
            jti: None,
            input_sha256: None,
            outcome: None,
            status: None,
            reason: None,
            duration_us: None,
            suppressed: None,
        }
    }
}

fn to_text(line: &Line<'_>) -> String {
    // Texts and numbers: nothing that JSON does not have.
    serde_json::to_string(line).unwrap_or_default()
}

fn write_all(receiver: &Receiver<String>) {
    for line in receiver {
        let _ = write(&line);
    }
}

fn write(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}
