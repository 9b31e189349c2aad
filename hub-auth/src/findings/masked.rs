//! The text of a file as it may be shown: what could be a secret is covered, character by character, so that places stay
//! what they are.

use std::ops::Range;

use crate::document::Kind;
use crate::document::{Document, Embedded, Node, Style};

/// A value that is longer may be a key or a token, whatever its key is called.
const LONGEST_SHOWN: usize = 40;

/// Parts of the names of settings whose values are never shown.
const SECRET_NAMES: [&str; 7] = ["secret", "token", "password", "private_key", "value", "sha256", "api_key"];

/// Settings whose values say where something is and not what, however long they are.
const OPEN_NAMES: [&str; 6] = ["@type", "type_url", "filename", "url", "sni", "exact"];

/// The text of a file, with what may be a secret covered by `*`.
pub(super) fn text(document: &Document) -> String {
    let mut covered = Vec::new();
    for root in &document.roots {
        cover(root, Suspicion::ByLength, &document.text, &mut covered);
    }
    let mut bytes = document.text.clone().into_bytes();
    for range in covered {
        for byte in bytes.get_mut(range).into_iter().flatten() {
            if !byte.is_ascii_whitespace() {
                *byte = b'*';
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a value may be a secret, by the name of its setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suspicion {
    Open,
    ByLength,
    Secret,
}

fn cover(node: &Node, suspicion: Suspicion, file: &str, covered: &mut Vec<Range<usize>>) {
    match &*node.kind {
        Kind::Scalar { text, style } => {
            // JSON in a text is looked at value by value, in the file's places.
            let embedded = matches!(style, Style::Literal | Style::Quoted)
                .then(|| Embedded::in_scalar(node, file))
                .flatten()
                .filter(|embedded| embedded.root().is_some_and(|root| matches!(&*root.kind, Kind::Map(_))));
            if let (Some(embedded), false) = (&embedded, text.trim_start().starts_with("-----")) {
                let mut inner = Vec::new();
                if let Some(root) = embedded.root() {
                    cover(root, Suspicion::ByLength, &embedded.text, &mut inner);
                }
                covered.extend(inner.iter().map(|range| embedded.in_file(range)));
            } else {
                let is_covered = match suspicion {
                    Suspicion::Open => false,
                    Suspicion::ByLength => text.chars().count() > LONGEST_SHOWN,
                    Suspicion::Secret => true,
                };
                covered.extend(is_covered.then(|| node.span.clone()));
            }
        }
        Kind::List(items) => items.iter().for_each(|item| cover(item, suspicion, file, covered)),
        Kind::Map(members) => {
            for (key, value) in members {
                let name = key.text().unwrap_or_default().to_ascii_lowercase();
                let is_secret = SECRET_NAMES.iter().any(|secret| name.contains(secret)) && !is_name_of_variable(value);
                let suspicion = match is_secret {
                    true => Suspicion::Secret,
                    false if OPEN_NAMES.contains(&name.as_str()) => Suspicion::Open,
                    false => Suspicion::ByLength,
                };
                cover(value, suspicion, file, covered);
            }
        }
    }
}

/// `{"env": "NAME"}` says where a secret is, and not what.
fn is_name_of_variable(value: &Node) -> bool {
    matches!(value.members(), [(key, _)] if key.text() == Some("env"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn masked(text: &str) -> String {
        super::text(&Document::parse(Path::new("x"), text.to_owned()).expect("YAML"))
    }

    #[test]
    fn secrets_are_covered_wherever_they_stand() {
        let shown = masked(
            "name: short\nclient_secret: hunter2\nkey: |\n  -----BEGIN PRIVATE KEY-----\n  MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n\
             config: |\n  {\"token\": {\"value\": \"abc\"}, \"key\": {\"env\": \"NAME\"},\n   \"kid\": \"sig4\", \"private_key\": \"oops\"}\n",
        );
        for secret in ["hunter2", "MIIEvQ", "abc", "oops"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        for harmless in ["name: short", "\"kid\": \"sig4\"", "\"NAME\"", "client_secret:"] {
            assert!(shown.contains(harmless), "{harmless}: {shown}");
        }
    }

    #[test]
    fn a_long_value_is_covered_and_places_stay() {
        let text = "a: 0123456789012345678901234567890123456789012345\nb: بنك\n";
        let shown = masked(text);
        assert_eq!(shown.len(), text.len());
        assert!(!shown.contains("0123") && shown.contains("b: بنك"), "{shown}");
    }
}
