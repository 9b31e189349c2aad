//! The host and port of a URL (RFC 3986 §3.2), narrower than the RFC: a DNS name of letters, digits and hyphens (RFC
//! 1123 §2.1), an IPv4 address, or an IPv6 address in brackets; no user name. Whatever else a URL parser further on
//! could read differently is refused, because this names the host whose keys are believed.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// RFC 1035 §2.3.4, as text without the final dot.
pub(crate) const MAX_NAME_BYTES: usize = 253;
/// RFC 1035 §2.3.4.
pub(crate) const MAX_LABEL_BYTES: usize = 63;

/// A checked host, and a port when one was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority {
    host: Host,
    port: Option<u16>,
}

/// Why a text is not an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthorityFault {
    /// It has a user name, with or without a password.
    UserInfo,
    /// The host is none of the three kinds.
    Host,
    /// The port is not a number from 1 to 65535.
    Port,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Authority {
    /// A host known at build time.
    pub(crate) fn of_known_host(host: &str) -> Self {
        Self { host: Host::Name(host.to_owned()), port: None }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, AuthorityFault> {
        if text.contains('@') {
            return Err(AuthorityFault::UserInfo);
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']').ok_or(AuthorityFault::Host)?;
            let port = match rest {
                "" => None,
                _ => Some(rest.strip_prefix(':').ok_or(AuthorityFault::Host)?),
            };
            (Host::V6(address.parse().map_err(|_| AuthorityFault::Host)?), port)
        } else {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            (name_or_v4(host).ok_or(AuthorityFault::Host)?, port)
        };
        let port = port.map(|digits| parse_port(digits).ok_or(AuthorityFault::Port)).transpose()?;
        Ok(Self { host, port })
    }

    /// Whether nobody but this machine can answer.
    pub(crate) fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Name(name) => name == "localhost",
            Host::V4(address) => address.is_loopback(),
            Host::V6(address) => address.is_loopback(),
        }
    }

    /// Whether the host is an IP address.
    pub(crate) fn is_address(&self) -> bool {
        match self.host {
            Host::Name(_) => false,
            Host::V4(_) | Host::V6(_) => true,
        }
    }

    /// `host:port`, with this port when the URL gives none.
    pub(crate) fn with_port(&self, default: u16) -> String {
        format!("{}:{}", self.host, self.port.unwrap_or(default))
    }
}

impl AuthorityFault {
    /// What the text is instead, for an error.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::UserInfo => "one with a user name or password",
            Self::Host => "one whose host is not a DNS name, an IPv4 address or an [IPv6] address",
            Self::Port => "one whose port is not a number from 1 to 65535",
        }
    }
}

impl fmt::Display for AuthorityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for AuthorityFault {}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

fn name_or_v4(text: &str) -> Option<Host> {
    if let Ok(address) = text.parse() {
        return Some(Host::V4(address));
    }
    let labels_fit = text.split('.').all(is_label);
    // Resolvers read `127.1` and `2130706433` as addresses, so a name that ends in a number is a disguised one.
    let ends_in_number = text.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    (text.len() <= MAX_NAME_BYTES && labels_fit && !ends_in_number).then(|| Host::Name(text.to_ascii_lowercase()))
}

fn is_label(label: &str) -> bool {
    let characters = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (1..=MAX_LABEL_BYTES).contains(&label.len()) && characters && !label.starts_with('-') && !label.ends_with('-')
}

fn parse_port(digits: &str) -> Option<u16> {
    // `u16` also parses `+443`.
    let only_digits = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|port| only_digits && *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_each_kind_are_read_and_printed_in_one_spelling() {
        let label = "a".repeat(63);
        let name = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        for (text, printed, upstream) in [
            ("keystore.example", "keystore.example", "keystore.example:443"),
            ("KeyStore.Example:8443", "keystore.example:8443", "keystore.example:8443"),
            ("a-b.1c", "a-b.1c", "a-b.1c:443"),
            ("localhost:1", "localhost:1", "localhost:1"),
            ("192.0.2.1:65535", "192.0.2.1:65535", "192.0.2.1:65535"),
            ("[2001:DB8::1]", "[2001:db8::1]", "[2001:db8::1]:443"),
            ("[::1]:00080", "[::1]:80", "[::1]:80"),
            (&name, &name, &format!("{name}:443")),
        ] {
            let authority = Authority::parse(text).unwrap();
            assert_eq!(
                (authority.to_string().as_str(), authority.with_port(443).as_str()),
                (printed, upstream),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        let (label, name) = ("a".repeat(64), format!("{}aa", "ab.".repeat(84)));
        assert_eq!(name.len(), 254);
        let texts =
            ["", ":443", ".", "a..b", ".a", "a.", "-a", "a-", "a.-b", "a_b", "a b", "a\\b", "a\tb", "a%20b", "a,b"];
        let addresses = ["127.1", "127.0.0.256", "2130706433", "a.1", "1.2.3.4.5", "01.2.3.4", "::1", "[::1", "[::1]a"];
        let more =
            ["[]", "[127.0.0.1]", "[fe80::1%25eth0]", "[::1]]", "b\u{fc}cher.example", "\u{661}.example", "a\0", "*"];
        for text in texts.into_iter().chain(addresses).chain(more).chain([label.as_str(), &name]) {
            assert_eq!(Authority::parse(text), Err(AuthorityFault::Host), "{text}");
        }
    }

    #[test]
    fn a_port_is_a_number_from_1_to_65535() {
        for port in ["", "0", "65536", "99999999", "+443", "-1", "443 ", "44a", "443:443", "\u{664}\u{664}\u{663}"] {
            for host in ["a.example", "[::1]"] {
                assert_eq!(Authority::parse(&format!("{host}:{port}")), Err(AuthorityFault::Port), "{host}:{port}");
            }
        }
    }

    #[test]
    fn a_user_name_is_refused_wherever_it_stands() {
        for text in ["user@a.example", "user:secret@a.example", "@a.example", "[::1]@a.example", "a.example@", "a\\@b"]
        {
            assert_eq!(Authority::parse(text), Err(AuthorityFault::UserInfo), "{text}");
        }
    }

    #[test]
    fn only_names_and_addresses_of_this_machine_are_loopback() {
        for text in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.255.255.254:1", "[::1]", "[0:0::1]:8080"] {
            assert!(Authority::parse(text).unwrap().is_loopback(), "{text}");
        }
        let foreign = ["localhost.example", "a.localhost", "128.0.0.1", "0.0.0.0", "10.0.0.1", "169.254.169.254"];
        for text in foreign.into_iter().chain(["[::]", "[::2]", "[::ffff:127.0.0.1]", "127.0.0.1.example"]) {
            assert!(!Authority::parse(text).unwrap().is_loopback(), "{text}");
        }
    }
}
