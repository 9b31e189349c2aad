//! What signed tokens say and who signs them (spec §2.4, §4): the same settings for tokens on requests to the Hub and on
//! responses to it.

use std::time::Duration;

use super::duration::DurationRange;
use super::errors::ConfigErrors;
use super::inbound::PROVIDER_ID;
use super::reader::{Keys, ListRule, Node, Object, TextRule};
use super::secret::SecretSource;
use super::seen::Seen;
use super::subject;
use super::time::read_time;
use super::vault_transit::VaultTransit;
use crate::jose::MAX_KID_LENGTH;
use crate::rsa::RsaPrivateKey;
use crate::time::UnixTime;

const KEY_KEYS: Keys = Keys { supported: &["kid", "private_key", "active_from"], refused: &[] };

const REMOTE_SIGNER_KEYS: Keys = Keys { supported: &["vault_transit"], refused: &[] };

/// One signs and one takes over at the next rotation. Every one is in each worker's memory.
const LOCAL_KEYS: ListRule = ListRule { of: "keys", min: 1, max: 16 };

/// What is accepted of others.
pub(super) const KEY_ID: TextRule = TextRule {
    expected: "a string of 1 to 256 bytes without control characters",
    max_bytes: MAX_KID_LENGTH,
    allows: |character| !character.is_control(),
};

/// The characters of PEM, and of the text that a mistake may be.
const PRIVATE_KEY: TextRule = TextRule {
    expected: "an RSA private key of 2048 to 4096 bits in PEM, PKCS#8 or PKCS#1",
    max_bytes: 16 * 1024,
    allows: |character| matches!(character, ' '..='~' | '\t' | '\r' | '\n'),
};

/// What the standard recommends.
const LIFETIME: DurationRange =
    DurationRange { min: Duration::from_secs(10), max: Duration::from_secs(30), default: Duration::from_secs(30) };

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

impl Signing {
    /// Reads the settings from an object that may have others as well.
    pub(super) fn read(
        node: &Node<'_>,
        object: &Object<'_>,
        secrets: &mut SecretSource<'_>,
        errors: &mut ConfigErrors,
    ) -> Option<Self> {
        let audience = object.member("audience").text(&PROVIDER_ID, errors);
        let certificate = subject::read_certificate(&object.member("certificate"), errors);
        let lifetime = object.member("lifetime").duration(&LIFETIME, errors);
        let (keys, remote_signer) = (object.member("keys"), object.member("remote_signer"));
        let local = if keys.is_absent() { None } else { read_keys(&keys, secrets, errors).map(Signer::Local) };
        let remote = if remote_signer.is_absent() { None } else { read_remote_signer(&remote_signer, secrets, errors) };
        if keys.is_absent() == remote_signer.is_absent() {
            let got = if keys.is_absent() { "neither" } else { "both" };
            return node.refuse_text("\"keys\" or \"remote_signer\"", got, errors);
        }
        let certificate = certificate?;
        Some(Self {
            issuer: certificate.organisation().to_owned(),
            subject: certificate.organisational_unit().to_owned(),
            audience: audience?.to_owned(),
            lifetime: lifetime?,
            signer: local.or(remote)?,
        })
    }
}

fn read_keys(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Vec<LocalKey>> {
    let mut key_ids = Seen::new("key ids");
    let mut public_keys = Seen::new("private keys");
    let mut times = Seen::new("activation times");
    node.list(&LOCAL_KEYS, errors, |item, errors| {
        // Noted for every item, also for a broken one, because its position is told.
        let object = item.object(&KEY_KEYS, errors);
        let member = |name| object.as_ref().map(|object| object.member(name));
        let (kid, pem, time) = (member("kid"), member("private_key"), member("active_from"));
        let key_id = kid.as_ref().and_then(|node| node.text(&KEY_ID, errors)).map(str::to_owned);
        let private_key = pem.as_ref().and_then(|node| read_private_key(node, secrets, errors));
        let active_from = time.as_ref().and_then(|node| read_time(node, errors));
        let active_from = active_from.map(|time| time.unwrap_or(UnixTime::EPOCH));
        let same_key_id = key_ids.note(key_id.clone());
        let same_key = public_keys.note(private_key.as_ref().map(|key| key.public().clone()));
        let same_time = times.note(active_from);
        key_ids.refuse(same_key_id, &kid?, errors);
        public_keys.refuse(same_key, &pem?, errors);
        // Which of the two would sign?
        match (same_time, time?) {
            (Some(position), time) if time.is_absent() => {
                let expected = format!("a time, because the key at [{position}] is always active as well");
                return time.refuse_text(&expected, "nothing", errors);
            }
            (same_time, time) => times.refuse(same_time, &time, errors),
        }
        let unique = same_key_id.or(same_key).or(same_time).is_none();
        let key = LocalKey { key_id: key_id?, private_key: private_key?, active_from: active_from? };
        unique.then_some(key)
    })
}

fn read_private_key(
    node: &Node<'_>,
    secrets: &mut SecretSource<'_>,
    errors: &mut ConfigErrors,
) -> Option<RsaPrivateKey> {
    let parse = |text: &str| {
        // How some tools put several lines into a variable.
        if text.contains("\\n") {
            return Err("one with \\n for the ends of its lines".to_owned());
        }
        RsaPrivateKey::from_pem(text).map_err(|fault| fault.to_string())
    };
    secrets.read_as(node, &PRIVATE_KEY, parse, errors)
}

fn read_remote_signer(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Signer> {
    let object = node.object(&REMOTE_SIGNER_KEYS, errors)?;
    object.exactly_one(errors);
    let vault_transit = object.member("vault_transit");
    if vault_transit.is_absent() {
        return None;
    }
    VaultTransit::read(&vault_transit, secrets, errors).map(|settings| Signer::VaultTransit(Box::new(settings)))
}
