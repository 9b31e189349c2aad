//! Which requests may bring a service initiation token instead of the Hub's credential (spec §2.6). Methods and paths are
//! compared octet by octet, so nothing may stand here that two readers of a path spell in two ways.

use super::errors::ConfigErrors;
use super::path;
use super::reader::{Keys, ListRule, Node, TextRule};

pub(super) const KEYS: Keys = Keys { supported: &["allow"], refused: &[] };
pub(super) const REQUEST_KEYS: Keys = Keys { supported: &["method", "path"], refused: &[] };

/// The standard has a handful of such calls; each is compared on every request.
pub(super) const ALLOW: ListRule = ListRule { of: "requests", min: 1, max: 32 };

/// A token of RFC 9110 §5.6.2. Methods are case-sensitive (§9.1), and a lower-case one is a mistake.
pub(super) const METHOD: TextRule = TextRule {
    expected: "an upper-case HTTP method of 1 to 32 characters",
    max_bytes: 32,
    allows: |character| {
        character.is_ascii_uppercase() || character.is_ascii_digit() || "!#$%&'*+-.^_`|~".contains(character)
    },
};

const PATH: &str = "a path such as \"/payments\" without query and without encoded characters";

/// The requests that may bring a service initiation token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceInitiation {
    /// At least one.
    pub allow: Vec<AllowedRequest>,
}

/// One kind of request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedRequest {
    /// Its method.
    pub method: String,
    /// Its path, without query: no encoded octets, no empty segments, no dot segments, no slash at its end but in `/`.
    pub path: String,
}

impl ServiceInitiation {
    pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let allow = object.member("allow").list(&ALLOW, errors, |item, errors| {
            let object = item.object(&REQUEST_KEYS, errors)?;
            let method = object.member("method").text(&METHOD, errors).map(str::to_owned);
            let path = read_path(&object.member("path"), errors);
            Some(AllowedRequest { method: method?, path: path? })
        });
        Some(Self { allow: allow? })
    }
}

fn read_path(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<String> {
    let text = node.string(PATH, errors)?;
    match path::check(text, path::is_segment_character) {
        Ok(()) => Some(text.to_owned()),
        Err(fault) => node.refuse_text(PATH, &fault.to_string(), errors),
    }
}
