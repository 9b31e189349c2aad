//! The address of a server (RFC 6454 §4): `http` or `https`, host and port, and nothing that a URL may have beyond them.

use std::fmt;

use super::authority::{Authority, AuthorityFault};
use super::http_url::{HttpUrl, Scheme};

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: Scheme,
    authority: Authority,
}

/// Why a text is not an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OriginFault {
    /// Neither `http://` nor `https://`.
    Scheme,
    /// A user name or password.
    UserInfo,
    /// Not a DNS name, an IPv4 address or an IPv6 address in brackets.
    Host,
    /// Not from 1 to 65535.
    Port,
    /// A path, a query or a fragment, be it only a slash.
    More,
}

impl Origin {
    pub(crate) fn parse(text: &str) -> Result<Self, OriginFault> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginFault::Scheme)?;
        let scheme = Scheme::parse(scheme).ok_or(OriginFault::Scheme)?;
        if rest.contains(['/', '?', '#']) {
            return Err(OriginFault::More);
        }
        let authority = Authority::parse(rest).map_err(|fault| match fault {
            AuthorityFault::UserInfo => OriginFault::UserInfo,
            AuthorityFault::Host => OriginFault::Host,
            AuthorityFault::Port => OriginFault::Port,
        })?;
        Ok(Self { scheme, authority })
    }

    /// How it is called.
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether others can read what is sent there.
    pub(crate) fn is_plaintext_beyond_loopback(&self) -> bool {
        self.scheme == Scheme::Http && !self.authority.is_loopback()
    }

    /// `host:port`: what a gateway calls that knows no name for the host.
    pub(crate) fn host_and_port(&self) -> String {
        self.authority.with_port(self.scheme.default_port())
    }

    /// The URL of a path there, which begins with a slash and needs no encoding.
    pub(crate) fn url(&self, path: String) -> HttpUrl {
        HttpUrl::of_parts(self.scheme, &self.authority, path)
    }
}

impl fmt::Display for OriginFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "one without http:// or https:// at its start",
            Self::UserInfo => AuthorityFault::UserInfo.as_str(),
            Self::Host => AuthorityFault::Host.as_str(),
            Self::Port => AuthorityFault::Port.as_str(),
            Self::More => "one with more behind them",
        })
    }
}

impl std::error::Error for OriginFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        for (text, url, upstream) in [
            ("http://bao:8200", "http://bao:8200/v1/x", "bao:8200"),
            ("https://Vault.Example", "https://vault.example/v1/x", "vault.example:443"),
            ("HTTP://127.0.0.1", "http://127.0.0.1/v1/x", "127.0.0.1:80"),
            ("https://[2001:DB8::1]:8200", "https://[2001:db8::1]:8200/v1/x", "[2001:db8::1]:8200"),
        ] {
            let origin = Origin::parse(text).unwrap();
            let read = origin.url("/v1/x".to_owned());
            assert_eq!((read.as_str(), origin.host_and_port().as_str()), (url, upstream), "{text}");
            assert_eq!(format!("{}://{}{}", read.scheme().as_str(), read.authority(), read.path()), url, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, fault) in [
            ("", OriginFault::Scheme),
            ("bao:8200", OriginFault::Scheme),
            ("//bao:8200", OriginFault::Scheme),
            ("unix:///run/bao.sock", OriginFault::Scheme),
            (" http://bao", OriginFault::Scheme),
            ("http://bao/", OriginFault::More),
            ("http://bao/v1", OriginFault::More),
            ("http://bao?x", OriginFault::More),
            ("http://bao#x", OriginFault::More),
            ("http://user@bao", OriginFault::UserInfo),
            ("http://user:password@bao:8200", OriginFault::UserInfo),
            ("http://", OriginFault::Host),
            ("http://b ao", OriginFault::Host),
            ("http://ba%6f", OriginFault::Host),
            ("http://{OU}", OriginFault::Host),
            ("http://127.1", OriginFault::Host),
            ("http://bao:", OriginFault::Port),
            ("http://bao:0", OriginFault::Port),
        ] {
            assert_eq!(Origin::parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn only_plaintext_to_another_machine_can_be_read_by_others() {
        for (text, readable) in [
            ("http://bao", true),
            ("http://10.0.0.1:8200", true),
            ("http://localhost:8200", false),
            ("http://127.0.0.1:8200", false),
            ("http://[::1]:8200", false),
            ("https://bao", false),
        ] {
            assert_eq!(Origin::parse(text).unwrap().is_plaintext_beyond_loopback(), readable, "{text}");
        }
    }
}
