//! Where a caller's JWKS is: a fixed URL, or a template that the subject of the caller's certificate fills (spec §2.4).
//! URLs as in RFC 3986. The subject is written by whoever got a certificate from the Trust Framework, so its values are
//! percent-encoded (§2.1) down to the unreserved characters (§2.3): none can leave the path segment it stands in.

use std::fmt;

use super::authority::{Authority, AuthorityFault};
use super::http_url::{HttpUrl, Scheme};
use crate::hex;

/// The longest URL in bytes, filled in. The Trust Framework's have about 140; servers refuse request lines beyond 8
/// KiB.
const MAX_URL_BYTES: usize = 2048;

/// A Trust Framework environment, and with it the keystore of its participants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Pre-production.
    Sandbox,
    /// Production.
    Production,
}

/// A checked URL, or a checked template of URLs on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwksLocation {
    scheme: Scheme,
    authority: Authority,
    path: Vec<Piece>,
}

/// A part of a path with query.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    OrganisationalUnit,
    CommonName,
}

/// Why a text is not a JWKS location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwksLocationError {
    /// The scheme is not `https`.
    NotHttps,
    /// The scheme is `http`, and the host another machine: anyone on the way could choose whom to believe.
    PlaintextBeyondLoopback,
    /// A placeholder before the path: the certificate would choose the host.
    PlaceholderOutsidePath,
    /// A user name or password.
    UserInfo,
    /// Not a DNS name, an IPv4 address or an IPv6 address in brackets.
    Host,
    /// Not from 1 to 65535.
    Port,
    /// A fragment, which is never sent.
    Fragment,
    /// A character that RFC 3986 does not allow, or `%` without two hex digits.
    Character,
    /// Braces around something else than `OU` or `CN`.
    UnknownPlaceholder,
    /// A template without a placeholder.
    PlaceholderMissing,
    /// A fixed URL with a placeholder.
    PlaceholderInFixedUrl,
    /// The filled path would be refused for any subject.
    Expansion(ExpandError),
}

/// Why a subject does not give a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpandError {
    /// The template needs the common name.
    CommonNameMissing,
    /// A value is empty.
    EmptyValue,
    /// A path segment would be `.` or `..` and climb to other keys (RFC 3986 §5.2.4).
    DotSegment,
    /// The URL would be too long.
    TooLong,
}

impl JwksLocation {
    /// The keystore of a Trust Framework environment.
    #[must_use]
    pub fn of_environment(environment: Environment) -> Self {
        let host = match environment {
            Environment::Sandbox => "keystore.sandbox.directory.openfinance.ae",
            Environment::Production => "keystore.directory.openfinance.ae",
        };
        let literal = |text: &str| Piece::Literal(text.to_owned());
        let slash = || literal("/");
        let path = vec![slash(), Piece::OrganisationalUnit, slash(), Piece::CommonName, literal("/application.jwks")];
        Self { scheme: Scheme::Https, authority: Authority::of_known_host(host), path }
    }

    /// A URL that is the same for every caller.
    ///
    /// # Errors
    /// When the text is not an `https` URL (or `http` to this machine), or has a placeholder.
    pub fn fixed(url: &str) -> Result<Self, JwksLocationError> {
        let location = parse(url)?;
        let fixed = location.path.iter().all(|piece| matches!(piece, Piece::Literal(_)));
        if fixed { Ok(location) } else { Err(JwksLocationError::PlaceholderInFixedUrl) }
    }

    /// A URL with `{OU}` or `{CN}` (or `${OU}`, `${CN}`, as the standard writes them) in its path or query.
    ///
    /// # Errors
    /// When the text is not an `https` URL (or `http` to this machine), or has no placeholder.
    pub fn template(template: &str) -> Result<Self, JwksLocationError> {
        let location = parse(template)?;
        let fixed = location.path.iter().all(|piece| matches!(piece, Piece::Literal(_)));
        if fixed { Err(JwksLocationError::PlaceholderMissing) } else { Ok(location) }
    }

    /// The URL, if it is the same for every caller.
    #[must_use]
    pub fn fixed_url(&self) -> Option<HttpUrl> {
        // No placeholder takes nothing.
        self.expand("", None).ok()
    }

    /// How it is fetched.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// `host:port`: what a gateway calls that knows no name for the host.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        self.authority.with_port(self.scheme.default_port())
    }

    /// The URL for a caller with this subject.
    ///
    /// # Errors
    /// When a value is missing or empty, would climb in the path, or makes the URL too long.
    pub fn expand(&self, organisational_unit: &str, common_name: Option<&str>) -> Result<HttpUrl, ExpandError> {
        let mut path = String::new();
        for piece in &self.path {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::OrganisationalUnit => push_encoded(&mut path, organisational_unit)?,
                Piece::CommonName => {
                    push_encoded(&mut path, common_name.ok_or(ExpandError::CommonNameMissing)?)?;
                }
            }
        }
        // Values add no `/` and no `?`, so these are the segments that the operator wrote.
        let before_query = path.split_once('?').map_or(path.as_str(), |(before, _)| before);
        if before_query.split('/').any(is_dot_segment) {
            return Err(ExpandError::DotSegment);
        }
        let url = HttpUrl::of_parts(self.scheme, &self.authority, path);
        if url.as_str().len() > MAX_URL_BYTES { Err(ExpandError::TooLong) } else { Ok(url) }
    }
}

impl HttpUrl {
    /// Reads a URL without placeholders.
    ///
    /// # Errors
    /// See [`JwksLocation::fixed`].
    pub fn parse(url: &str) -> Result<Self, JwksLocationError> {
        JwksLocation::fixed(url)?.expand("", None).map_err(JwksLocationError::Expansion)
    }
}

impl fmt::Display for JwksLocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHttps => "one with another scheme",
            Self::PlaintextBeyondLoopback => "one with http:// to a host that is not localhost, 127.0.0.0/8 or [::1]",
            Self::PlaceholderOutsidePath => "one with a placeholder outside path and query",
            Self::UserInfo => AuthorityFault::UserInfo.as_str(),
            Self::Host => AuthorityFault::Host.as_str(),
            Self::Port => AuthorityFault::Port.as_str(),
            Self::Fragment => "one with a fragment (#)",
            Self::Character => "one with characters that RFC 3986 does not allow",
            Self::UnknownPlaceholder => "one with braces around something else",
            Self::PlaceholderMissing => "one without: give it as \"url\"",
            Self::PlaceholderInFixedUrl => "one with: give it as \"url_template\"",
            Self::Expansion(ExpandError::TooLong) => "one that is too long",
            Self::Expansion(_) => "one with a path segment . or ..",
        })
    }
}

impl std::error::Error for JwksLocationError {}

fn parse(text: &str) -> Result<JwksLocation, JwksLocationError> {
    let (scheme, rest) = text.split_once("://").ok_or(JwksLocationError::NotHttps)?;
    let target = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(target).ok_or(JwksLocationError::Character)?;
    if scheme.contains('{') || authority.contains('{') {
        return Err(JwksLocationError::PlaceholderOutsidePath);
    }
    let scheme = Scheme::parse(scheme).ok_or(JwksLocationError::NotHttps)?;
    let authority = Authority::parse(authority).map_err(|fault| match fault {
        AuthorityFault::UserInfo => JwksLocationError::UserInfo,
        AuthorityFault::Host => JwksLocationError::Host,
        AuthorityFault::Port => JwksLocationError::Port,
    })?;
    if scheme == Scheme::Http && !authority.is_loopback() {
        return Err(JwksLocationError::PlaintextBeyondLoopback);
    }
    if target.contains('#') {
        return Err(JwksLocationError::Fragment);
    }
    let location = JwksLocation { scheme, authority, path: parse_path(target)? };
    // What fails with harmless values fails with all.
    location.expand("x", Some("x")).map_err(JwksLocationError::Expansion)?;
    Ok(location)
}

fn parse_path(target: &str) -> Result<Vec<Piece>, JwksLocationError> {
    let mut path = Vec::new();
    if !target.starts_with('/') {
        path.push(Piece::Literal("/".to_owned()));
    }
    let mut rest = target;
    while let Some((literal, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or(JwksLocationError::UnknownPlaceholder)?;
        path.push(parse_literal(literal.strip_suffix('$').unwrap_or(literal))?);
        path.push(match name {
            "OU" => Piece::OrganisationalUnit,
            "CN" => Piece::CommonName,
            _ => return Err(JwksLocationError::UnknownPlaceholder),
        });
        rest = after;
    }
    path.push(parse_literal(rest)?);
    Ok(path)
}

/// RFC 3986 §3.3 and §3.4. A `%` must be complete, or a value beside it could complete it.
fn parse_literal(text: &str) -> Result<Piece, JwksLocationError> {
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(Piece::Literal(text.to_owned())),
            [b'%', a, b, after @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => after,
            [byte, after @ ..] if is_unreserved(*byte) || b"!$&'()*+,;=:@/?".contains(byte) => after,
            _ => return Err(JwksLocationError::Character),
        }
    }
}

fn push_encoded(path: &mut String, value: &str) -> Result<(), ExpandError> {
    if value.is_empty() {
        return Err(ExpandError::EmptyValue);
    }
    for byte in value.bytes() {
        if is_unreserved(byte) {
            path.push(char::from(byte));
        } else {
            path.push('%');
            path.extend(hex::upper(byte));
        }
    }
    Ok(())
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Servers decode `%2e` before they resolve dot segments.
fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

#[cfg(test)]
mod tests;
