//! Who signs tokens: this filter, with `keys`, or a `remote_signer`, which holds the key itself and is asked for each signature.

pub(super) mod access_token;
pub(super) mod aws_kms;
pub(super) mod azure_key_vault;
pub(super) mod common;
pub(super) mod google_cloud_kms;
pub(super) mod local;
pub(super) mod vault_login;
pub(super) mod vault_paths;
pub(super) mod vault_transit;

pub use access_token::{CloudToken, Metadata};
pub use aws_kms::{AwsCredentials, AwsKms};
pub use azure_key_vault::AzureKeyVault;
pub use common::RemoteKey;
pub use google_cloud_kms::GoogleKms;
pub use local::LocalKey;
pub use vault_login::{LoginMethod, VaultLogin, VaultToken};
pub use vault_transit::VaultTransit;

use super::errors::ConfigErrors;
use super::reader::{Keys, Node, Object};
use super::secret::SecretSource;
use crate::url::Scheme;

/// The keys of `remote_signer`: those of [`REMOTE_SIGNERS`].
pub(in crate::config) const KEYS: Keys =
    Keys { supported: &["vault_transit", "aws_kms", "azure_key_vault", "google_cloud_kms"], refused: &[] };

/// The remote signers: under which key each is configured, and how its settings are read. Another one is a file beside this
/// one, a variant of [`Signer`] with its [upstreams](Signer::upstream), and a line here and in [`KEYS`].
const REMOTE_SIGNERS: [(&str, Read); 4] = [
    ("vault_transit", |node, secrets, errors| {
        VaultTransit::read(node, secrets, errors).map(|settings| Signer::VaultTransit(Box::new(settings)))
    }),
    ("aws_kms", |node, secrets, errors| {
        AwsKms::read(node, secrets, errors).map(|settings| Signer::AwsKms(Box::new(settings)))
    }),
    ("azure_key_vault", |node, secrets, errors| {
        AzureKeyVault::read(node, secrets, errors).map(|settings| Signer::AzureKeyVault(Box::new(settings)))
    }),
    ("google_cloud_kms", |node, secrets, errors| {
        GoogleKms::read(node, secrets, errors).map(|settings| Signer::GoogleKms(Box::new(settings)))
    }),
];

/// Who signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// This filter, with one of these keys: at least one, with different key ids and different times.
    Local(Vec<LocalKey>),
    /// The Transit engine of HashiCorp Vault or OpenBao.
    VaultTransit(Box<VaultTransit>),
    /// AWS KMS.
    AwsKms(Box<AwsKms>),
    /// Azure Key Vault or Managed HSM.
    AzureKeyVault(Box<AzureKeyVault>),
    /// Google Cloud KMS.
    GoogleKms(Box<GoogleKms>),
}

/// The server of a remote signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignerUpstream<'a> {
    /// The path of the setting, from the object on that has `remote_signer`.
    pub path: &'static str,
    /// What the gateway calls: in Envoy the name of a cluster, elsewhere `host` or `host:port`.
    pub upstream: &'a str,
    /// Host and, where its URL has one, port.
    pub authority: &'a str,
    /// How it is called.
    pub scheme: Scheme,
    /// Whether the gateway adds the credential that it asks for.
    pub gateway_adds_credential: bool,
}

type Read = fn(&Node<'_>, &mut SecretSource<'_>, &mut ConfigErrors) -> Option<Signer>;

impl Signer {
    /// Whether somebody else signs, so that a token has to wait for an answer.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.remote_key().is_some()
    }

    /// The key that signs, if another has it than this filter.
    #[must_use]
    pub fn remote_key(&self) -> Option<&RemoteKey> {
        Some(match self {
            Self::Local(_) => return None,
            Self::AwsKms(settings) => &settings.remote,
            Self::AzureKeyVault(settings) => &settings.remote,
            Self::GoogleKms(settings) => &settings.remote,
            Self::VaultTransit(settings) => &settings.remote,
        })
    }

    /// The server that signs, if this filter does not.
    #[must_use]
    pub fn upstream(&self) -> Option<SignerUpstream<'_>> {
        let (path, url, gateway_adds_credential) = match self {
            Self::Local(_) => return None,
            Self::AwsKms(settings) => ("remote_signer.aws_kms.upstream", &settings.url, settings.credentials.is_none()),
            Self::AzureKeyVault(settings) => {
                let is_added = settings.token == CloudToken::AddedByGateway;
                ("remote_signer.azure_key_vault.upstream", &settings.url, is_added)
            }
            Self::GoogleKms(settings) => {
                let is_added = settings.token == CloudToken::AddedByGateway;
                ("remote_signer.google_cloud_kms.upstream", &settings.url, is_added)
            }
            Self::VaultTransit(settings) => {
                let is_added = settings.token.is_added_by_gateway();
                ("remote_signer.vault_transit.upstream", &settings.url, is_added)
            }
        };
        let upstream = &self.remote_key()?.upstream;
        Some(SignerUpstream {
            path,
            upstream,
            authority: url.authority(),
            scheme: url.scheme(),
            gateway_adds_credential,
        })
    }

    /// The servers that are called before a token is signed.
    pub fn upstreams(&self) -> impl Iterator<Item = SignerUpstream<'_>> {
        self.upstream().into_iter().chain(self.token_upstream())
    }

    /// The server that gives the access token for the one that signs, if the filter asks another for it.
    fn token_upstream(&self) -> Option<SignerUpstream<'_>> {
        let (path, token) = match self {
            Self::AzureKeyVault(settings) => ("remote_signer.azure_key_vault.token.metadata.upstream", &settings.token),
            Self::GoogleKms(settings) => ("remote_signer.google_cloud_kms.token.metadata.upstream", &settings.token),
            Self::Local(_) | Self::AwsKms(_) | Self::VaultTransit(_) => return None,
        };
        let Metadata { upstream, url } = token.metadata()?;
        let (authority, scheme) = (url.authority(), url.scheme());
        Some(SignerUpstream { path, upstream, authority, scheme, gateway_adds_credential: false })
    }

    /// Reads the one of `keys` and `remote_signer` that an object has.
    pub(super) fn read(
        node: &Node<'_>,
        object: &Object<'_>,
        secrets: &mut SecretSource<'_>,
        errors: &mut ConfigErrors,
    ) -> Option<Self> {
        let (keys, remote) = (object.member("keys"), object.member("remote_signer"));
        let local_signer = keys.optional(|node| local::read(node, secrets, errors));
        let remote_signer = remote.optional(|node| read_remote(node, secrets, errors));
        match (keys.is_absent(), remote.is_absent()) {
            (false, true) => local_signer?.map(Self::Local),
            (true, false) => remote_signer?,
            (neither, _) => {
                let got = if neither { "neither" } else { "both" };
                node.refuse_text("\"keys\" or \"remote_signer\"", got, errors)
            }
        }
    }
}

fn read_remote(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Signer> {
    let object = node.object(&KEYS, errors)?;
    object.exactly_one(errors);
    let mut signer = None;
    for (key, read) in REMOTE_SIGNERS {
        let settings = object.member(key);
        if !settings.is_absent() {
            signer = signer.or(read(&settings, secrets, errors));
        }
    }
    signer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_remote_signer_that_is_read_may_be_configured() {
        assert_eq!(KEYS.supported, REMOTE_SIGNERS.map(|(key, _)| key));
    }
}
