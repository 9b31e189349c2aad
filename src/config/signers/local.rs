//! Private keys in the gateway's memory, with which this filter signs by itself (spec §4).

use crate::config::errors::ConfigErrors;
use crate::config::reader::{Keys, ListRule, Node, TextRule};
use crate::config::secret::SecretSource;
use crate::config::seen::Seen;
use crate::config::text_rules::{KEY_ID, pem};
use crate::config::time::read_time;
use crate::rsa::RsaPrivateKey;
use crate::time::UnixTime;

pub(in crate::config) const KEY_KEYS: Keys = Keys { supported: &["kid", "private_key", "active_from"], refused: &[] };

/// One signs and one takes over at the next rotation. Every one is in each worker's memory.
pub(in crate::config) const LOCAL_KEYS: ListRule = ListRule { of: "keys", min: 1, max: 16 };

pub(in crate::config) const PRIVATE_KEY: TextRule =
    pem("an RSA private key of 2048 to 4096 bits in PEM, PKCS#8 or PKCS#1");

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

/// Reads `keys`.
pub(super) fn read(
    node: &Node<'_>,
    secrets: &mut SecretSource<'_>,
    errors: &mut ConfigErrors,
) -> Option<Vec<LocalKey>> {
    let mut key_ids = Seen::new("key ids");
    let mut public_keys = Seen::new("private keys");
    let mut times = Seen::new("activation times");
    node.list(&LOCAL_KEYS, errors, |item, errors| {
        // Noted for every item, also for a broken one: errors name positions.
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
        // With two keys that are active from the same moment, it would be open which one signs.
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
    let parse = |text: &str| RsaPrivateKey::from_pem(text).map_err(|fault| fault.to_string());
    secrets.read_as(node, &PRIVATE_KEY, parse, errors)
}
