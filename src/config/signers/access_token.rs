//! Where the filter has the access token from that a remote signer wants: it stands in the configuration, the gateway adds it, or the
//! filter asks for it. Those that a cloud gives end after an hour or a day, so none may stand in a configuration.

use crate::config::callouts::{read_address, read_upstream};
use crate::config::errors::ConfigErrors;
use crate::config::reader::{Keys, Node, Object};
use crate::config::secret::{ADDED_BY, SecretSource};
use crate::url::{HttpUrl, Origin};

pub(in crate::config) const CLOUD_TOKEN_KEYS: Keys = Keys { supported: &["added_by", "metadata"], refused: &[] };

const CLOUD_TOKEN: &str = "{\"metadata\": {}}, or {\"added_by\": \"gateway\"} where the gateway adds the access token";

const PLAINTEXT: &str = "with http:// everybody on the way can read the access token and sign with it; use the address of the machine itself";

/// Who gets the access token for a service of a cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudToken {
    /// The gateway, which adds it to calls of the filter.
    AddedByGateway,
    /// The filter, from the cloud's metadata address.
    Metadata(Metadata),
}

/// The metadata address of a cloud, which gives a machine, or a pod, access tokens for the identity that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// What the gateway calls to reach it.
    pub upstream: String,
    /// Where it gives tokens.
    pub url: HttpUrl,
}

/// What the metadata address of a cloud is like.
pub(super) struct MetadataRule {
    /// Its keys beside `address` and `upstream`, too.
    pub keys: &'static Keys,
    /// The address that all machines of this cloud have.
    pub address: &'static str,
}

impl CloudToken {
    /// Reads `token`. `path` is where the metadata address gives it, as the other settings of `metadata` say.
    pub(super) fn read(
        node: &Node<'_>,
        rule: &MetadataRule,
        secrets: &mut SecretSource<'_>,
        errors: &mut ConfigErrors,
        path: impl FnOnce(&Object<'_>, &mut ConfigErrors) -> Option<String>,
    ) -> Option<Self> {
        if node.is_absent() {
            return node.refuse_text(CLOUD_TOKEN, "nothing", errors);
        }
        let object = node.object(&CLOUD_TOKEN_KEYS, errors)?;
        object.exactly_one(errors);
        let (added_by, metadata) = (object.member("added_by"), object.member("metadata"));
        if !added_by.is_absent() {
            return added_by.choice(&ADDED_BY, errors).map(|()| Self::AddedByGateway);
        }
        if metadata.is_absent() {
            return None;
        }
        let object = metadata.object(rule.keys, errors)?;
        let address = object.member("address");
        let origin = if address.is_absent() {
            Origin::parse(rule.address).ok()
        } else {
            read_address(&address, PLAINTEXT, secrets, errors)
        };
        let host_and_port = origin.as_ref().map(Origin::host_and_port);
        let upstream = read_upstream(&object.member("upstream"), host_and_port, errors);
        let path = path(&object, errors);
        Some(Self::Metadata(Metadata { upstream: upstream?, url: origin?.url(path?) }))
    }

    /// The metadata address, if the filter asks that.
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        if let Self::Metadata(metadata) = self { Some(metadata) } else { None }
    }
}
