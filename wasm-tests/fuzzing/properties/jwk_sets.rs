//! Of a JWK set those keys are kept that the rules of RFC 7517 and our own leave, by a second reading of the same items with serde_json;
//! their points are on the curve by AWS-LC, and their numbers are those that jsonwebtoken reads. A set that is written is the same set.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use hub_auth_filter::facade::jose::{Algorithm, JwksError, KeySet};
use hub_auth_filter::facade::json::raw_items;
use jsonwebtoken::DecodingKeyKind;
use jsonwebtoken::jwk::Jwk;
use serde_json::Value;

use crate::cost::{Bound, bounded};
use crate::reference::json::Shape;

/// The longest set that is read.
const MAX_LENGTH: usize = 256 * 1024;

/// The most keys of one set.
const MAX_KEYS: usize = 64;

/// Points are looked for on the curve, and a key is copied some times.
const BOUND: Bound = Bound { base: 64 * 1024, per_byte: 256, time: Duration::from_millis(500) };

/// A key by its type and numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256 { x: Vec<u8>, y: Vec<u8> },
}

/// What a set says: for each `kid` and algorithm the key. `None` where different keys claim the `kid`.
type Keys = BTreeMap<(String, &'static str), Key>;

pub(crate) fn check(data: &[u8]) -> bool {
    let ours = bounded(BOUND, data.len(), || KeySet::parse(data, &Algorithm::ALL));
    let Some(items) = raw_items(data, "keys") else {
        assert!(matches!(ours, Err(JwksError::NotASet | JwksError::TooLong)), "{ours:?}");
        return false;
    };
    let usable: Vec<_> = items.iter().filter_map(|item| usable(item)).collect();
    if usable.len() > MAX_KEYS {
        // Which of them are kept depends on their order, which only ours knows.
        return check_long(data, ours);
    }
    let theirs = by_id(&usable);
    match &ours {
        Ok(set) => {
            let written = set.to_jwks();
            assert_eq!(keys_of(set), theirs, "{written}");
            check_written(set, &written);
        }
        Err(JwksError::TooLong) => assert!(data.len() > MAX_LENGTH),
        Err(error) => assert!(matches!(error, JwksError::NoUsableKey) && theirs.is_empty(), "{error:?} {theirs:?}"),
    }
    ours.is_ok()
}

/// Of a set with many keys no more are kept than may be, if any.
fn check_long(data: &[u8], ours: Result<KeySet, JwksError>) -> bool {
    match ours {
        Ok(set) => {
            let keys: BTreeSet<_> = keys_of(&set).into_iter().map(|((id, _), key)| (id, key)).collect();
            assert!((1..=MAX_KEYS).contains(&keys.len()));
            check_written(&set, &set.to_jwks());
            true
        }
        Err(JwksError::TooLong) => {
            assert!(data.len() > MAX_LENGTH);
            false
        }
        // All contradict each other.
        Err(error) => {
            assert!(matches!(error, JwksError::NoUsableKey), "{error:?}");
            false
        }
    }
}

/// The keys of our set, by what it says when it is written.
fn keys_of(set: &KeySet) -> Keys {
    let written: Value = serde_json::from_str(&set.to_jwks()).expect("JSON");
    let mut keys = Keys::new();
    for jwk in written["keys"].as_array().expect("a list") {
        let (id, key) = (jwk["kid"].as_str().expect("a kid"), number_of(jwk).expect("a key"));
        for algorithm in Algorithm::ALL {
            if set.key(id, algorithm).is_some() && may_verify(&key, algorithm.name()) {
                keys.insert((id.to_owned(), algorithm.name()), key.clone());
            }
        }
    }
    keys
}

/// What was written for other workers is read as what it was.
fn check_written(set: &KeySet, written: &str) {
    let again = KeySet::parse(written.as_bytes(), &Algorithm::ALL).expect("a set");
    assert_eq!(again.to_jwks(), written);
    assert_eq!(keys_of(&again), keys_of(set));
}

/// The algorithms of each id whose keys do not contradict each other.
fn by_id(usable: &[(String, Key, Vec<&'static str>)]) -> Keys {
    let mut keys = Keys::new();
    for (id, key, algorithms) in usable {
        let same_type = |other: &Key| {
            matches!((key, other), (Key::Rsa { .. }, Key::Rsa { .. }) | (Key::P256 { .. }, Key::P256 { .. }))
        };
        let contradicted = usable.iter().any(|(other_id, other, _)| other_id == id && same_type(other) && other != key);
        if !contradicted {
            keys.extend(algorithms.iter().map(|algorithm| ((id.clone(), *algorithm), key.clone())));
        }
    }
    keys
}

/// The id, the key and its algorithms, if an item of a set is a key that may verify something.
fn usable(item: &[u8]) -> Option<(String, Key, Vec<&'static str>)> {
    Shape::of(item).filter(Shape::is_acceptable)?;
    let jwk: Value = serde_json::from_slice(item).ok().filter(Value::is_object)?;
    let is_private = |name: &str| {
        jwk.get(name).is_some_and(|value| !value.is_null() && *value != "" && *value != Value::Array(vec![]))
    };
    let said = |name: &str| jwk.get(name).filter(|value| !value.is_null());
    let may_verify_signatures = said("use").is_none_or(|usage| usage == "sig")
        && said("key_ops").is_none_or(|operations| {
            operations
                .as_array()
                .is_some_and(|list| list.is_empty() || list.iter().any(|operation| operation == "verify"))
        });
    let id = jwk["kid"].as_str().filter(|id| (1..=256).contains(&id.len()) && !id.chars().any(char::is_control))?;
    if ["d", "p", "q", "dp", "dq", "qi", "oth"].iter().any(|name| is_private(name)) || !may_verify_signatures {
        return None;
    }
    let key = number_of(&jwk)?;
    check_numbers(&jwk, &key);
    let mut algorithms: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
    algorithms.retain(|algorithm| may_verify(&key, algorithm) && said("alg").is_none_or(|said| said == algorithm));
    (!algorithms.is_empty()).then(|| (id.to_owned(), key, algorithms))
}

fn may_verify(key: &Key, algorithm: &str) -> bool {
    match key {
        Key::Rsa { .. } => algorithm != "ES256",
        Key::P256 { .. } => algorithm == "ES256",
    }
}

fn number_of(jwk: &Value) -> Option<Key> {
    let octets = |name: &str| {
        let text = jwk[name].as_str()?;
        URL_SAFE_NO_PAD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
    };
    let unsigned = |name: &str| Some(octets(name)?.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>());
    match jwk["kty"].as_str()? {
        "RSA" => {
            let (modulus, exponent) = (unsigned("n")?, unsigned("e")?);
            let bits = 8 * modulus.len() - modulus.first()?.leading_zeros() as usize;
            let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
            let small =
                exponent.len() <= 5 && exponent.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)) < 1 << 33;
            let is_key = (2048..=4096).contains(&bits) && odd(&modulus) && odd(&exponent) && exponent != [1] && small;
            is_key.then_some(Key::Rsa { modulus, exponent })
        }
        "EC" if jwk["crv"] == "P-256" => {
            let (x, y) = (octets("x")?, octets("y")?);
            let is_whole = x.len() == 32 && y.len() == 32;
            let point = [&[4][..], &x, &y].concat();
            (is_whole && ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).is_ok()).then_some(Key::P256 { x, y })
        }
        _ => None,
    }
}

/// jsonwebtoken reads the same numbers, where it reads the key at all.
fn check_numbers(jwk: &Value, key: &Key) {
    let Ok(theirs) = serde_json::from_value::<Jwk>(jwk.clone()) else { return };
    let Ok(theirs) = jsonwebtoken::DecodingKey::from_jwk(&theirs) else { return };
    let strip = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
    match (theirs.kind(), key) {
        (DecodingKeyKind::RsaModulusExponent { n, e }, Key::Rsa { modulus, exponent }) => {
            assert_eq!((strip(n), strip(e)), (modulus.clone(), exponent.clone()));
        }
        (DecodingKeyKind::SecretOrDer(point), Key::P256 { x, y }) => assert_eq!(*point, [&[4][..], x, y].concat()),
        (theirs, ours) => panic!("{theirs:?} {ours:?}"),
    }
}
