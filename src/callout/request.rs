//! The request of a callout, and what tells callouts apart.

use std::fmt;
use std::time::Duration;

use crate::request::RequestId;
use crate::token_digest::TokenDigest;
use crate::url::HttpUrl;

/// What each callout says that it comes from. Firewalls in front of keystores refuse requests that do not say it.
pub const USER_AGENT: &str = concat!("hub-auth-filter/", env!("CARGO_PKG_VERSION"));

/// A callout to be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callout {
    /// Tells it from earlier callouts on the same subject; to be given back with the answer.
    pub id: CalloutId,
    /// What is asked about; to be given back with the answer.
    pub subject: CalloutSubject,
    /// The request to make. Boxed, because most that may hold a callout hold none.
    pub request: Box<Request>,
}

/// Tells one callout from another on the same subject, so that the answer to one that was given up is not taken for its
/// successor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct CalloutId(u64);

/// What a callout asks about, and what requests wait to learn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CalloutSubject {
    /// The key set at an address.
    KeySet(HttpUrl),
    /// The state of an access token.
    Token(TokenDigest),
    /// The signature of the token on a request or its response.
    Signature(RequestId),
    /// The public keys of the remote signer.
    SignerKeys,
    /// The access token for the remote signer.
    SignerToken,
    /// Whether a token was used, by the word of a store that several gateways share.
    TokenUse(TokenDigest),
    /// What has to be asked of that store before it can be asked about tokens.
    StoreSession,
}

impl CalloutSubject {
    /// The token whose use this is about.
    #[must_use]
    pub(crate) fn token_use(&self) -> Option<TokenDigest> {
        if let Self::TokenUse(token) = self { Some(*token) } else { None }
    }
}

/// An HTTP request. Its headers and its body may hold secrets, so it does not print them.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The gateway's name for the server: in Envoy a cluster, elsewhere `host:port`.
    pub upstream: String,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Where to.
    pub url: HttpUrl,
    /// Headers beside those that follow from the URL.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether a gateway that finds its connection ended before any answer may send it once more by itself: the server may have read it
    /// twice then.
    pub may_be_repeated: bool,
}

impl Request {
    /// All headers to send: those that follow from the URL, what sends it, and its own. The first four always, and in this order:
    /// one gateway traps without them, and another takes those of an earlier request.
    pub(crate) fn all_headers(&self) -> Vec<(&str, &str)> {
        let mut headers = vec![
            (":method", self.method),
            (":scheme", self.url.scheme().as_str()),
            (":authority", self.url.authority()),
            (":path", self.url.path()),
            ("user-agent", USER_AGENT),
        ];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        headers
    }
}

/// Numbers callouts.
#[derive(Debug, Default)]
pub(crate) struct CalloutIds(CalloutId);

impl CalloutIds {
    /// The one that was drawn last.
    pub(crate) fn last(&self) -> CalloutId {
        self.0
    }

    /// One that no earlier callout had.
    pub(crate) fn draw(&mut self) -> CalloutId {
        self.0 = self.0.next();
        self.0
    }
}

impl CalloutId {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_callout_says_where_to_and_what_it_comes_from() {
        let version = env!("CARGO_PKG_VERSION");
        let url = HttpUrl::parse("https://keys.example:8443/a?b=c").unwrap();
        for (method, headers) in [
            ("GET", vec![]),
            ("GET", vec![("accept", "application/json".to_owned())]),
            ("POST", vec![("x-vault-token", "t".to_owned()), ("accept", "application/json".to_owned())]),
        ] {
            let timeout = Duration::from_secs(1);
            let (body, may_be_repeated) = (vec![], false);
            let request =
                Request { upstream: "u".into(), method, url: url.clone(), headers, body, timeout, may_be_repeated };
            let sent = request.all_headers();
            let (head, own) = sent.split_at(5);
            let [.., (name, user_agent)] = head else { panic!("{sent:?}") };
            assert_eq!(
                head[..4],
                [(":method", method), (":scheme", "https"), (":authority", "keys.example:8443"), (":path", "/a?b=c")]
            );
            assert_eq!((*name, *user_agent), ("user-agent", format!("hub-auth-filter/{version}").as_str()));
            assert_eq!(own.len(), request.headers.len());
        }
    }
}
