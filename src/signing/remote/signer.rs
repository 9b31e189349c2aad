//! What a remote signer has to say of itself; everything else is the same for all of them.

use std::fmt;
use std::time::Duration;

use crate::callout::Request;
use crate::config::{RemoteKey, Secret};
use crate::rsa::RsaPublicKey;
use crate::time::UnixTime;
use crate::url::HttpUrl;

/// The longest access token, in bytes. It is a header value; those of Azure have some 2 KB.
const MAX_TOKEN_LENGTH: usize = 8192;

/// One kind of remote signer: makes the request for a signature as `PS256` has it (RFC 7518 §3.5), and reads the answer.
pub trait RemoteSigner {
    /// Its name in the audit trail.
    fn name(&self) -> &'static str;

    /// Its key, and how it is reached, as configured.
    fn remote(&self) -> &RemoteKey;

    /// Where the filter asks for the access token that its requests carry, if it does.
    fn token_source(&self) -> Option<&dyn TokenSource> {
        None
    }

    /// The request for the public keys, where the configuration has none.
    fn key_request(&self, asked: &Asked<'_>) -> Request;

    /// Whether that request has a body: where callouts that had one and got no answer are never followed by another, this one is not.
    fn asks_for_keys_with_a_body(&self) -> bool {
        false
    }

    /// The public keys in a complete answer, the one that signs now among them, with the version that a signature by each names: at
    /// least one, and a bounded number.
    ///
    /// # Errors
    /// What is wrong with the answer, for the log.
    fn read_keys(&self, body: &[u8]) -> Result<Vec<(u32, RsaPublicKey)>, &'static str>;

    /// The request for the signature of a signing input (RFC 7515 §5.1).
    fn request(&self, signing_input: &str, asked: &Asked<'_>) -> Request;

    /// The signature in a complete answer of at most [`MAX_RESPONSE_LENGTH`](super::MAX_RESPONSE_LENGTH) bytes.
    ///
    /// # Errors
    /// What is wrong with the answer, for the log.
    fn read(&self, body: &[u8]) -> Result<RemoteSignature, &'static str>;

    /// What the signer warns of in a complete answer, whatever else that says, for the log.
    fn warnings(&self, _body: &[u8]) -> Vec<String> {
        Vec::new()
    }

    /// The status that an answer of an error has in HTTP's own words, where the service says it in the body alone.
    fn status(&self, status: u16, _body: &[u8]) -> u16 {
        status
    }

    /// Whether time may help against an answer with this status. A request that is wrong stays wrong.
    fn may_pass(&self, status: u16) -> bool {
        matches!(status, 408 | 425 | 429 | 500..=599)
    }

    /// What an answer with this status may mean, for the operator.
    fn hint(&self, status: u16) -> Option<&'static str>;

    /// The same of an answer to the request for the public keys.
    fn key_hint(&self, status: u16) -> Option<&'static str>;
}

/// Where access tokens for a signer come from.
pub trait TokenSource {
    /// The request for one. `current` is one that may be prolonged instead.
    fn request(&self, current: Option<&Secret>, asked: &Asked<'_>) -> Request;

    /// Whether that request has a body: see [`RemoteSigner::asks_for_keys_with_a_body`].
    fn asks_with_a_body(&self) -> bool;

    /// The token in a complete answer.
    ///
    /// # Errors
    /// What is wrong with the answer, for the log.
    fn read(&self, body: &[u8]) -> Result<AccessToken, &'static str>;

    /// The status with which the signer refuses a token that it does not know, or not any more.
    fn refusal(&self) -> u16;

    /// Whether time may help against an answer with this status.
    fn may_pass(&self, status: u16) -> bool {
        matches!(status, 408 | 425 | 429 | 500..=599)
    }

    /// What an answer with this status may mean, for the operator.
    fn hint(&self, status: u16) -> Option<&'static str>;
}

/// An access token. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The token.
    pub secret: Secret,
    /// How long it lives from when it was asked for. Without it, until it is refused.
    pub life: Option<Duration>,
    /// Whether it can be prolonged.
    pub is_renewable: bool,
}

/// With what a request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// When.
    pub now: UnixTime,
    /// How long the callout may take.
    pub timeout: Duration,
    /// The access token that the filter has asked for.
    pub token: Option<&'a Secret>,
}

/// A signature as a remote signer gives it: nobody has verified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteSignature {
    /// Which version of the key it says has signed.
    pub version: u32,
    /// The signature's bytes.
    pub bytes: Vec<u8>,
}

impl AccessToken {
    /// With this text, if it can be the value of a header.
    pub(super) fn new(text: &str, life: Option<Duration>, is_renewable: bool) -> Option<Self> {
        let is_value = (1..=MAX_TOKEN_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_value.then(|| Self { secret: Secret::new(text), life, is_renewable })
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("life", &self.life).finish_non_exhaustive()
    }
}

impl Asked<'_> {
    /// A request for JSON, with the access token if there is one.
    pub(super) fn get(&self, upstream: &str, url: &HttpUrl) -> Request {
        self.request("GET", upstream, url, self.headers(), Vec::new())
    }

    /// The same that brings JSON.
    pub(super) fn post(&self, upstream: &str, url: &HttpUrl, body: String) -> Request {
        let mut headers = self.headers();
        headers.push(("content-type", "application/json".to_owned()));
        self.request("POST", upstream, url, headers, body.into_bytes())
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("accept", "application/json".to_owned())];
        headers.extend(self.token.map(|token| ("authorization", format!("Bearer {}", token.expose()))));
        headers
    }

    pub(super) fn request(
        &self,
        method: &'static str,
        upstream: &str,
        url: &HttpUrl,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Request {
        let (upstream, url) = (upstream.to_owned(), url.clone());
        // Who asks tries once more itself.
        Request { upstream, method, url, headers, body, timeout: self.timeout, may_be_repeated: false }
    }
}
