//! The URL of a callout (RFC 3986), in the parts that its request is made of.

use std::cmp::Ordering;
use std::sync::Arc;

use super::authority::Authority;

/// A checked URL to make a callout to. Copies share it, which makes it quick to see that two are the same.
#[derive(Debug, Clone)]
pub struct HttpUrl(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// All that follows is a part of it, so this alone is compared.
    text: String,
    scheme: Scheme,
    authority: String,
    path: String,
}

/// How a URL is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// HTTP over TLS.
    Https,
    /// Plaintext: to this machine only. A remote signer may be elsewhere; the operator is warned then.
    Http,
}

impl PartialEq for HttpUrl {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for HttpUrl {}

impl PartialOrd for HttpUrl {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HttpUrl {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.text.cmp(&other.0.text) }
    }
}

impl HttpUrl {
    /// From parts that were checked. The path begins with a slash.
    pub(super) fn of_parts(scheme: Scheme, authority: &Authority, path: String) -> Self {
        let authority = authority.to_string();
        Self(Arc::new(Parts { text: format!("{}://{authority}{path}", scheme.as_str()), scheme, authority, path }))
    }

    /// `https` or `http`.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// Host, and port when the configuration gives one: the `Host` of the request.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.0.authority
    }

    /// Path with query: the request target.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The whole URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

impl Scheme {
    /// As in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Https, Self::Http].into_iter().find(|known| text.eq_ignore_ascii_case(known.as_str()))
    }

    pub(super) fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}
