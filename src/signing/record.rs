//! The audit trail of key use (spec §4): one line for each signature, with nothing secret in it.

use serde::Serialize;

use super::token::UnsignedToken;
use crate::log_line::{self, LoggedIds, to_json};
use crate::request::Correlation;
use crate::time::UnixTime;

/// What is to be told of one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignatureRecord {
    key_id: String,
    token_id: String,
    audience: String,
    signer: &'static str,
    correlation: Correlation,
}

impl SignatureRecord {
    pub(super) fn new(token: &UnsignedToken, signer: &'static str, correlation: Correlation) -> Self {
        let [key_id, token_id, audience] = [token.key_id(), token.token_id(), token.audience()].map(ToOwned::to_owned);
        Self { key_id, token_id, audience, signer, correlation }
    }

    /// The ids of its request.
    #[must_use]
    pub(crate) fn correlation(&self) -> &Correlation {
        &self.correlation
    }

    /// The line: a JSON object.
    #[must_use]
    pub(crate) fn log_line(&self, now: UnixTime) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            time: String,
            version: u8,
            event: &'a str,
            kid: &'a str,
            jti: &'a str,
            aud: &'a str,
            signer: &'a str,
            #[serde(flatten)]
            ids: LoggedIds,
        }
        to_json(&Line {
            time: now.to_rfc3339(),
            version: log_line::VERSION,
            event: "signed",
            kid: &self.key_id,
            jti: &self.token_id,
            aud: &self.audience,
            signer: self.signer,
            ids: LoggedIds::of(&self.correlation),
        })
    }
}
