//! The strings of a configuration as patterns: by the reader's rules, or, where it has a parser, by the grammar that this reads.

use sha2::{Digest as _, Sha256};

use super::definition::{Kind, Text};
use super::pattern::{class, in_any_case, in_any_spelling, number, one_of};
use crate::config::api_key::{KeyId, MAX_KEY_ID_BYTES};
use crate::config::header_name::{HEADER, OTHER_HEADERS, OTHER_RESPONSE_HEADERS};
use crate::config::path::{self, is_segment_character, is_unreserved};
use crate::config::reader::TextRule;
use crate::config::signers::vault_paths::{MAX_MOUNT_BYTES, is_segment};
use crate::config::signers::vault_transit::MAX_KEY_BYTES;
use crate::hex;
use crate::identity_headers::{IDENTITY_HEADERS, PROVIDER_HEADERS};
use crate::peer::leaf::MAX_CHAIN_BYTES;
use crate::peer::subject::{MAX_VALUE_BYTES, check_value};
use crate::url::{MAX_LABEL_BYTES, MAX_NAME_BYTES};

/// A text of the reader's rule.
pub(super) fn text(rule: &TextRule) -> Text {
    Text { pattern: Some(format!("^{}*$", class(rule.allows))), min: 1, max: Some(rule.max_bytes), refused: None }
}

/// A text that matches, of any length that does.
fn matching(pattern: String) -> Text {
    Text { pattern: Some(pattern), ..Text::default() }
}

impl From<Text> for Kind {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl Text {
    /// Without these.
    fn without(self, refused: String) -> Self {
        Self { refused: Some(refused), ..self }
    }

    /// Without a private key, which must not stand where everybody may read it.
    pub(super) fn without_private_key(self) -> Self {
        self.without("PRIVATE KEY-----".to_owned())
    }
}

/// A certificate in PEM, and no private key with it.
pub(super) fn certificate() -> Text {
    Text { max: Some(MAX_CHAIN_BYTES), ..Text::default() }.without_private_key()
}

/// A string of any content.
pub(super) fn any() -> Text {
    Text::default()
}

/// The one word.
pub(super) fn word(word: &'static str) -> Kind {
    Kind::Choice(vec![word])
}

/// An `O`, an `OU` or a `CN`: what can be seen in it, and nothing that drives a terminal.
pub(super) fn subject_value() -> Text {
    let allowed = class(|character| check_value(&format!("x{character}")).is_ok());
    let visible = class(|character| check_value(character.encode_utf8(&mut [0; 4])).is_ok());
    let pattern = format!("^{allowed}*{visible}{allowed}*$");
    Text { pattern: Some(pattern), min: 1, max: Some(MAX_VALUE_BYTES), refused: None }
}

/// The name of a key: visible ASCII.
pub(super) fn key_id() -> Text {
    let allowed = class(|character| KeyId::new(character.encode_utf8(&mut [0; 4])).is_some());
    Text { pattern: Some(format!("^{allowed}*$")), min: 1, max: Some(MAX_KEY_ID_BYTES), refused: None }
}

/// SHA-256 in hex; not that of nothing.
pub(super) fn digest() -> Text {
    let empty: String = Sha256::digest(b"").into_iter().flat_map(hex::lower).collect();
    matching("^[0-9A-Fa-f]{64}$".to_owned()).without(one_of([in_any_case(&empty)]))
}

/// SHA-256 in hex, with a colon between every two octets or with none at all.
pub(super) fn fingerprint() -> Text {
    matching("^(?:[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31})$".to_owned())
}

/// RFC 3339 in UTC, not before 1970. That a year has no 29 February it does not say.
pub(super) fn time() -> Text {
    let days = [
        "(?:01|03|05|07|08|10|12)-(?:0[1-9]|[12][0-9]|3[01])",
        "(?:04|06|09|11)-(?:0[1-9]|[12][0-9]|30)",
        "02-(?:0[1-9]|[12][0-9])",
    ]
    .join("|");
    let clock = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\\.[0-9]{1,9})?";
    matching(format!("^{}-(?:{days})T{clock}Z$", number(1970, 9999)))
}

/// The header of a request that carries a credential.
pub(super) fn request_header() -> Text {
    credential_header(&OTHER_HEADERS)
}

/// The header of a response that carries a token.
pub(super) fn response_header() -> Text {
    credential_header(&[&OTHER_HEADERS[..], &OTHER_RESPONSE_HEADERS].concat())
}

fn credential_header(others: &[&str]) -> Text {
    let reserved = IDENTITY_HEADERS.iter().chain(&PROVIDER_HEADERS).map(|header| in_any_spelling(header));
    text(&HEADER).without(one_of(others.iter().map(|header| in_any_case(header)).chain(reserved)))
}

/// A header that a proxy in front writes.
pub(super) fn proxy_header() -> Text {
    let reserved = IDENTITY_HEADERS.iter().map(|header| in_any_spelling(header));
    text(&HEADER).without(one_of([in_any_case("authorization")].into_iter().chain(reserved)))
}

/// A segment of a path that is not `.` or `..`.
fn segment(allowed: &str) -> String {
    format!("(?!\\.{{1,2}}(?:/|$)){allowed}+")
}

/// `/`, or segments with a slash before each.
pub(super) fn request_path() -> Text {
    let segment = segment(&class(is_segment_character));
    Text { max: Some(path::MAX_BYTES), ..matching(format!("^/(?:{segment}(?:/{segment})*)?$")) }
}

/// Likewise, and a slash at the end does no harm.
pub(super) fn base_path() -> Text {
    let segment = segment(&class(is_unreserved));
    Text { max: Some(path::MAX_BYTES), ..matching(format!("^/(?:{segment}(?:/{segment})*/?)?$")) }
}

fn vault_segment() -> String {
    segment(&class(|character| is_segment(&format!("x{character}"))))
}

/// The path of a mount of Vault.
pub(super) fn mount() -> Text {
    let segment = vault_segment();
    Text { max: Some(MAX_MOUNT_BYTES), ..matching(format!("^{segment}(?:/{segment})*$")) }
}

/// The name of a key of Vault.
pub(super) fn vault_key() -> Text {
    Text { max: Some(MAX_KEY_BYTES), ..matching(format!("^{}$", vault_segment())) }
}

/// A region of AWS.
pub(super) fn region() -> Text {
    matching("^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$".to_owned())
}

/// The name of a key of Azure Key Vault.
pub(super) fn key_vault_name() -> Text {
    matching("^[A-Za-z0-9-]{1,127}$".to_owned())
}

/// The resource name of a version of a key of Google Cloud KMS.
pub(super) fn key_version_name() -> Text {
    let part = "[A-Za-z0-9_:.-]{1,128}";
    let number = "[1-9][0-9]{0,8}";
    matching(format!(
        "^projects/(?!\\.{{1,2}}/){part}/locations/(?!\\.{{1,2}}/){part}/keyRings/(?!\\.{{1,2}}/){part}/cryptoKeys/(?!\\.{{1,2}}/){part}/cryptoKeyVersions/{number}$"
    ))
}

/// An `https` URL, or `http` to this machine.
pub(super) fn url() -> Text {
    matching(format!("{}(?:[/?]{}*)?$", server(), target_character()))
}

/// Likewise, with `{OU}` or `{CN}` in its path or query.
pub(super) fn url_template() -> Text {
    let placeholder = "\\u007b(?:OU|CN)\\u007d";
    let character = target_character();
    // One there must be; `$` before it is a character like others.
    matching(format!("{}[/?]{character}*{placeholder}(?:{character}|{placeholder})*$", server()))
}

/// The address of a server, of any kind.
pub(super) fn origin() -> Text {
    matching(format!("^(?:{}|{})://{}{}$", in_any_case("https"), in_any_case("http"), host(), port()))
}

/// Scheme, host and port, and no dot segment in the path behind them (RFC 3986 §5.2.4).
fn server() -> String {
    let octet = number(0, 255);
    let this_machine = format!("(?:{}|127(?:\\.{octet}){{3}}|{IPV6})", in_any_case("localhost"));
    let no_dot_segment = "(?![^?]*/(?:\\.|%2[Ee]){1,2}(?:[/?]|$))";
    format!(
        "^(?:{}://{}|{}://{this_machine}){}{no_dot_segment}",
        in_any_case("https"),
        host(),
        in_any_case("http"),
        port()
    )
}

/// An IPv6 address in brackets: its characters, not its grammar.
const IPV6: &str = "\\[[0-9A-Fa-f:.]+\\]";

/// A DNS name that no resolver takes for an address, or an address.
fn host() -> String {
    let octet = number(0, 255);
    let alphanumeric = "[0-9A-Za-z]";
    let label = format!("{alphanumeric}(?:[0-9A-Za-z-]{{0,{}}}{alphanumeric})?", MAX_LABEL_BYTES.saturating_sub(2));
    let end = "(?:[:/?]|$)";
    let name = format!("(?=[^:/?]{{1,{MAX_NAME_BYTES}}}{end})(?:{label}\\.)*(?![0-9]+{end}){label}");
    format!("(?:{name}|{octet}(?:\\.{octet}){{3}}|{IPV6})")
}

fn port() -> String {
    format!("(?::0*{})?", number(1, u16::MAX.into()))
}

/// RFC 3986 §3.3 and §3.4.
fn target_character() -> String {
    let plain = class(|character| is_segment_character(character) || matches!(character, '/' | '?'));
    format!("(?:{plain}|%[0-9A-Fa-f]{{2}})")
}
