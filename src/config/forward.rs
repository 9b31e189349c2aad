//! What an accepted request carries to the bank's backend: its credential, and headers that say who called.

use super::errors::ConfigErrors;
use super::reader::{Keys, Node};

pub(super) const KEYS: Keys = Keys { supported: &["authorization", "identity_headers"], refused: &[] };

pub(super) const AUTHORIZATION: [(&str, ForwardAuthorization); 2] =
    [("remove", ForwardAuthorization::Remove), ("keep", ForwardAuthorization::Keep)];

/// What an accepted request carries on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// What happens to the credential.
    pub authorization: ForwardAuthorization,
    /// Whether the identity headers ([`crate::identity_headers`]) are set.
    pub identity_headers: bool,
}

/// What happens to the `Authorization` header of an accepted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardAuthorization {
    /// It ends here: the backend cannot leak or replay what it never saw.
    Remove,
    /// The backend gets it.
    Keep,
}

impl Forward {
    pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        if node.is_absent() {
            return Some(Self { authorization: ForwardAuthorization::Remove, identity_headers: true });
        }
        let object = node.object(&KEYS, errors)?;
        let authorization = object.member("authorization");
        let authorization = if authorization.is_absent() {
            Some(ForwardAuthorization::Remove)
        } else {
            authorization.choice(&AUTHORIZATION, errors)
        };
        let identity_headers = object.member("identity_headers").boolean(true, errors);
        Some(Self { authorization: authorization?, identity_headers: identity_headers? })
    }
}
