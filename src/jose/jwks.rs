//! JWK sets (RFC 7517 §5): which of the keys that somebody published may verify a PS256 signature.
//!
//! A set holds foreign, old and broken keys too. Each is skipped by itself (RFC 7517 §5), so that one of them never takes
//! the good ones away; what remains is found by `kid` alone.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::{Object, Value};
use crate::rsa::RsaPublicKey;

use super::base64url;
use super::compact::is_key_id;

/// The largest key set that is read, in bytes. Trust Framework keys carry `x5c` and have 2 to 3 KB each.
pub const MAX_SET_LENGTH: usize = 256 * 1024;

/// The most keys that are kept of one set; the rest is ignored.
pub const MAX_KEYS: usize = 64;

/// The members that only a private key has (RFC 7518 §6.3.2). A key that was published with one is not secret any more.
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// Public keys for PS256 by their `kid`; never empty.
#[derive(Debug)]
pub struct KeySet(BTreeMap<String, RsaPublicKey>);

/// Why a body gives no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwksError {
    /// Longer than [`MAX_SET_LENGTH`].
    TooLong,
    /// Not a JSON object with exactly one array `keys`.
    NotASet,
    /// No key of the set may verify PS256.
    NoUsableKey,
}

impl KeySet {
    /// Reads a JWK set and keeps the keys that may verify a PS256 signature: `kty` RSA with a `kid`, 2048 to 4096 bits,
    /// public, and allowed to verify with PS256 as far as `use`, `key_ops` and `alg` say anything. A `kid` that several
    /// of them claim names none of them.
    ///
    /// # Errors
    /// See [`JwksError`].
    pub fn parse(body: &[u8]) -> Result<Self, JwksError> {
        if body.len() > MAX_SET_LENGTH {
            return Err(JwksError::TooLong);
        }
        let published = published_keys(body)?;
        let mut keys: BTreeMap<String, Option<RsaPublicKey>> = BTreeMap::new();
        for (key_id, key) in published.into_iter().filter_map(usable_key).take(MAX_KEYS) {
            // A second claim to a kid leaves None behind, so that a third one cannot bring it back.
            keys.entry(key_id).and_modify(|known| *known = None).or_insert(Some(key));
        }
        let keys: BTreeMap<_, _> = keys.into_iter().filter_map(|(kid, key)| Some((kid, key?))).collect();
        if keys.is_empty() { Err(JwksError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    /// The key of this id.
    #[must_use]
    pub fn key(&self, key_id: &str) -> Option<&RsaPublicKey> {
        self.0.get(key_id)
    }

    /// How many keys there are: 1 to [`MAX_KEYS`].
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Splits a set into its keys and reads none of them, so that each can be broken by itself.
fn published_keys(body: &[u8]) -> Result<Vec<&RawValue>, JwksError> {
    #[derive(Deserialize)]
    struct JwkSet<'a> {
        #[serde(borrow)]
        keys: Vec<&'a RawValue>,
    }
    // serde would also read a struct from an array of its members.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(JwksError::NotASet);
    }
    serde_json::from_slice::<JwkSet<'_>>(body).map(|set| set.keys).map_err(|_| JwksError::NotASet)
}

/// The key and its id, if it may verify PS256.
fn usable_key(json: &RawValue) -> Option<(String, RsaPublicKey)> {
    let Ok(Value::Object(jwk)) = Value::parse(json.get().as_bytes()) else { return None };
    if jwk.text("kty") != Some("RSA") || PRIVATE_MEMBERS.iter().any(|member| jwk.contains(member)) {
        return None;
    }
    if !may_verify_ps256(&jwk) {
        return None;
    }
    let key_id = jwk.text("kid").filter(|kid| is_key_id(kid))?;
    let key = RsaPublicKey::new(&unsigned(&jwk, "n")?, &unsigned(&jwk, "e")?).ok()?;
    Some((key_id.to_owned(), key))
}

/// Whether `use` (RFC 7517 §4.2), `key_ops` (§4.3) and `alg` (§4.4), where they are given, allow to verify with PS256.
fn may_verify_ps256(jwk: &Object<'_>) -> bool {
    let absent_or = |name, value| jwk.member(name).is_none_or(|member| member.as_text() == Some(value));
    let operations = match jwk.member("key_ops") {
        None => true,
        Some(Value::List(operations)) => operations.iter().any(|operation| operation.as_text() == Some("verify")),
        Some(_) => false,
    };
    absent_or("use", "sig") && absent_or("alg", "PS256") && operations
}

/// A Base64urlUInt (RFC 7518 §2): big-endian, in as few bytes as possible.
fn unsigned(jwk: &Object<'_>, name: &str) -> Option<Vec<u8>> {
    base64url(jwk.text(name)?).filter(|bytes| bytes.first().is_some_and(|byte| *byte != 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SigningKey, b64};
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    fn set(keys: &[Json]) -> Result<KeySet, JwksError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    /// A good key with id `k`, changed by `change`.
    fn jwk(change: impl FnOnce(&mut Json)) -> Json {
        let mut jwk = SigningKey::first().jwk("k");
        change(&mut jwk);
        jwk
    }

    #[test]
    fn a_key_is_found_by_its_id() {
        let set = set(&[SigningKey::first().jwk("a"), SigningKey::second().jwk("b")]).unwrap();
        assert_eq!(set.len(), 2);
        for (kid, key) in [("a", SigningKey::first()), ("b", SigningKey::second())] {
            set.key(kid).unwrap().verify_ps256(b"m", &key.sign(b"m")).unwrap();
        }
        assert!(set.key("c").is_none());
    }

    #[test]
    fn the_trust_frameworks_extra_members_do_not_matter() {
        let key = jwk(|jwk| {
            jwk["x5c"] = json!([b64(&[0; 2000])]);
            jwk["x5t#S256"] = json!("x");
            jwk["x5dn"] = json!("CN=a");
            jwk["use"] = json!("sig");
            jwk["alg"] = json!("PS256");
            jwk["key_ops"] = json!(["sign", "verify"]);
        });
        assert!(set(&[key]).is_ok());
    }

    #[test]
    fn a_key_that_must_not_verify_ps256_is_skipped() {
        type Change = Box<dyn FnOnce(&mut Json)>;
        let e = |e: &[u8]| json!(b64(e));
        let cases: Vec<(&str, Change)> = vec![
            ("EC", Box::new(|jwk| jwk["kty"] = json!("EC"))),
            ("kty in other case", Box::new(|jwk| jwk["kty"] = json!("rsa"))),
            ("no kty", Box::new(|jwk| drop(jwk.as_object_mut().unwrap().remove("kty")))),
            ("no kid", Box::new(|jwk| drop(jwk.as_object_mut().unwrap().remove("kid")))),
            ("kid is a number", Box::new(|jwk| jwk["kid"] = json!(1))),
            ("kid is empty", Box::new(|jwk| jwk["kid"] = json!(""))),
            ("for encryption", Box::new(|jwk| jwk["use"] = json!("enc"))),
            ("use is null", Box::new(|jwk| jwk["use"] = Json::Null)),
            ("only signs", Box::new(|jwk| jwk["key_ops"] = json!(["sign"]))),
            ("key_ops is text", Box::new(|jwk| jwk["key_ops"] = json!("verify"))),
            ("for RS256", Box::new(|jwk| jwk["alg"] = json!("RS256"))),
            ("for PS512", Box::new(|jwk| jwk["alg"] = json!("PS512"))),
            ("no n", Box::new(|jwk| drop(jwk.as_object_mut().unwrap().remove("n")))),
            ("n is padded", Box::new(|jwk| jwk["n"] = json!(format!("{}==", jwk["n"].as_str().unwrap())))),
            (
                "n starts with zero",
                Box::new(|jwk| jwk["n"] = json!(b64(&[&[0][..], &SigningKey::first().modulus()].concat()))),
            ),
            ("n is 1024 bits", Box::new(|jwk| jwk["n"] = json!(b64(&[0xff; 128])))),
            ("n is 4104 bits", Box::new(|jwk| jwk["n"] = json!(b64(&[0xff; 513])))),
            ("n is even", Box::new(|jwk| jwk["n"] = json!(b64(&[0xfe; 256])))),
            ("e is 1", Box::new(move |jwk| jwk["e"] = e(&[1]))),
            ("e is even", Box::new(move |jwk| jwk["e"] = e(&[1, 0, 0]))),
            ("e has 34 bits", Box::new(move |jwk| jwk["e"] = e(&[2, 0, 0, 0, 1]))),
            ("e is empty", Box::new(move |jwk| jwk["e"] = e(&[]))),
            ("not an object", Box::new(|jwk| *jwk = json!("key"))),
            ("null", Box::new(|jwk| *jwk = Json::Null)),
        ];
        for (name, change) in cases {
            let key = jwk(change);
            assert_eq!(set(std::slice::from_ref(&key)).unwrap_err(), JwksError::NoUsableKey, "{name}");
            let mixed = set(&[key, SigningKey::second().jwk("good")]).unwrap();
            assert!(mixed.key("good").is_some() && mixed.len() == 1, "{name} takes a good key away");
        }
    }

    #[test]
    fn a_key_published_with_a_private_member_is_skipped() {
        for member in PRIVATE_MEMBERS {
            assert_eq!(set(&[jwk(|jwk| jwk[member] = json!("AQAB"))]).unwrap_err(), JwksError::NoUsableKey, "{member}");
        }
    }

    /// RFC 7517 appendix A.1: an EC key for encryption beside an RSA key; A.2: private keys; A.3: symmetric keys.
    #[test]
    fn the_examples_of_rfc_7517() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let ec = json!({"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"});
        let rsa = json!({"kty":"RSA","n":n,"e":"AQAB","kid":"2011-04-29"});
        let mut published = rsa.clone();
        published["alg"] = json!("RS256");
        let mut private = rsa.clone();
        private["d"] = json!(
            "X4cTteJY_gn4FYPsXB8rdXix5vwsg1FLN5E3EaG6RJoVH-HLLKD9M7dx5oo7GURknchnrRweUkC7hT5fJLM0WbFAKNLWY2vv7B6NqXSzUvxT0_YSfqij"
        );
        // As printed, A.1 says alg RS256: not for us.
        assert_eq!(set(&[ec.clone(), published]).unwrap_err(), JwksError::NoUsableKey);
        assert!(set(&[ec.clone(), rsa]).unwrap().key("2011-04-29").is_some());
        assert_eq!(set(&[ec, private]).unwrap_err(), JwksError::NoUsableKey);
        // A.3: symmetric keys, which a set for verifiers must never make usable.
        let symmetric = json!({"kty":"oct","alg":"A128KW","k":"GawgguFyGrWKav7AX4VKUg","kid":"2011-04-29"});
        assert_eq!(set(&[symmetric]).unwrap_err(), JwksError::NoUsableKey);
    }

    #[test]
    fn a_kid_that_several_keys_claim_names_none_of_them() {
        let twice = [SigningKey::first().jwk("k"), SigningKey::second().jwk("k"), SigningKey::second().jwk("other")];
        let keys = set(&twice).unwrap();
        assert!(keys.key("k").is_none());
        assert!(keys.key("other").is_some());
        let thrice = [twice[0].clone(), twice[1].clone(), twice[0].clone()];
        assert_eq!(set(&thrice).unwrap_err(), JwksError::NoUsableKey);
    }

    /// RFC 7517 §4.5: keys of different kinds may share a kid.
    #[test]
    fn a_skipped_key_does_not_claim_its_kid() {
        let encryption = jwk(|jwk| jwk["use"] = json!("enc"));
        assert!(set(&[encryption, SigningKey::first().jwk("k")]).unwrap().key("k").is_some());
    }

    #[test]
    fn a_key_with_duplicate_members_is_skipped_alone() {
        let good = SigningKey::first().jwk("good").to_string();
        let broken = format!("{},\"kid\":\"evil\"}}", SigningKey::second().jwk("k").to_string().trim_end_matches('}'));
        let overflow = r#"{"kty":"RSA","x":1e999}"#;
        let keys = KeySet::parse(format!("{{\"keys\":[{broken},{overflow},{good}]}}").as_bytes()).unwrap();
        assert!(keys.key("good").is_some() && keys.len() == 1);
    }

    #[test]
    fn what_is_not_a_set_is_refused() {
        let one = SigningKey::first().jwk("k");
        for body in [
            String::new(),
            "<!doctype html><title>Sign in</title>".into(),
            "[]".into(),
            format!("[[{one}]]"),
            "{}".into(),
            r#"{"keys":{}}"#.into(),
            r#"{"keys":null}"#.into(),
            one.to_string(),
            format!(r#"{{"keys":[{one}],"keys":[]}}"#),
            format!(r#"{{"keys":[{one}]"#),
            format!(r#"{{"keys":[{one}]}}{{}}"#),
        ] {
            assert_eq!(KeySet::parse(body.as_bytes()).unwrap_err(), JwksError::NotASet, "{body}");
        }
        assert_eq!(set(&[]).unwrap_err(), JwksError::NoUsableKey);
    }

    #[test]
    fn the_bodys_length_and_the_number_of_keys_are_bounded() {
        let body = |length: usize| {
            let set = json!({ "keys": [SigningKey::first().jwk("k")] }).to_string();
            format!("{set}{}", " ".repeat(length - set.len()))
        };
        assert!(KeySet::parse(body(MAX_SET_LENGTH).as_bytes()).is_ok());
        assert_eq!(KeySet::parse(body(MAX_SET_LENGTH + 1).as_bytes()).unwrap_err(), JwksError::TooLong);
        let many: Vec<_> = (0..=MAX_KEYS).map(|n| SigningKey::first().jwk(&format!("{n:03}"))).collect();
        let kept = set(&many).unwrap();
        assert_eq!(kept.len(), MAX_KEYS);
        assert!(kept.key("000").is_some() && kept.key("064").is_none());
    }

    proptest! {
        #[test]
        fn arbitrary_bodies_never_panic(body in "\\{\"keys\":\\[[ -~]{0,200}\\]\\}|[ -~]{0,200}") {
            let _ = KeySet::parse(body.as_bytes());
        }
    }
}
