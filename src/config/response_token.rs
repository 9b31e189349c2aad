//! The token on responses to the Hub (spec §1, *inbound response*).

use super::errors::ConfigErrors;
use super::header_name;
use super::reader::{Keys, Node};
use super::secret::SecretSource;
use super::signing::Signing;

pub(super) const KEYS: Keys =
    Keys { supported: &["audience", "certificate", "lifetime", "keys", "remote_signer", "header"], refused: &[] };

/// The token on responses to the Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseToken {
    /// What it says, and who signs.
    pub signing: Signing,
    /// The lower-case name of the header that carries it.
    pub header: String,
}

impl ResponseToken {
    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let signing = Signing::read(node, &object, secrets, errors);
        let header = header_name::read_of_response(&object.member("header"), errors);
        Some(Self { signing: signing?, header: header? })
    }
}
