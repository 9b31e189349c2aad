//! What signed tokens say and who signs them (spec §2.4, §4): the same settings for tokens on requests to the Hub and on
//! responses to it.

use std::time::Duration;

use super::jwks_location::HttpUrl;
use super::secret::Secret;
use crate::rsa::{RsaPrivateKey, RsaPublicKey};
use crate::time::UnixTime;

/// What signed tokens say, and who signs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// `iss`: the `O` of the certificate C3.
    pub issuer: String,
    /// `sub`: the `OU` of the certificate C3.
    pub subject: String,
    /// `aud`: the Hub's provider id for this bank.
    pub audience: String,
    /// `exp` − `iat`: 10 to 30 seconds.
    pub lifetime: Duration,
    /// Who signs.
    pub signer: Signer,
}

/// Who signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// This filter, with one of these keys: at least one, with different key ids and different times.
    Local(Vec<LocalKey>),
    /// The Transit engine of HashiCorp Vault or OpenBao.
    VaultTransit(Box<VaultTransit>),
}

/// A private key in the gateway's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalKey {
    /// Its `kid` on the bank's JWKS.
    pub key_id: String,
    /// The key.
    pub private_key: RsaPrivateKey,
    /// From when on it signs: until a later one does. [`UnixTime::EPOCH`] if it was always active.
    pub active_from: UnixTime,
}

/// A key in the Transit engine of HashiCorp Vault or OpenBao.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultTransit {
    /// Where it signs: `…/v1/{mount}/sign/{key}/sha2-256`.
    pub url: HttpUrl,
    /// What the gateway calls to reach it: in Envoy the name of a cluster, elsewhere `host:port`.
    pub upstream: String,
    /// `X-Vault-Namespace`
    pub namespace: Option<String>,
    /// `X-Vault-Token`
    pub token: Secret,
    /// The key's `kid` on the bank's JWKS.
    pub key_id: String,
    /// Which version of the key signs; the newest if none is named.
    pub key_version: Option<u32>,
    /// The public key, to check signatures with before they leave.
    pub public_key: Option<RsaPublicKey>,
    /// How long one try may take.
    pub timeout: Duration,
    /// How long all tries together may take.
    pub deadline: Duration,
}
