//! The rules of JWK sets: which keys are kept, what they may verify, and that a written set is read again.

use super::Algorithm::{Es256, Ps256, Rs256};
use super::*;
use crate::testing::{EcSigningKey, SigningKey, b64};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn set(keys: &[Json]) -> Result<KeySet, JwksError> {
    set_for(&[Ps256], keys)
}

fn set_for(accepted: &[Algorithm], keys: &[Json]) -> Result<KeySet, JwksError> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), accepted)
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
        set.key(kid, Ps256).unwrap().verify(Ps256, b"m", &key.sign(b"m")).unwrap();
    }
    assert!(set.key("c", Ps256).is_none());
}

#[test]
fn the_only_key_for_an_algorithm_is_the_only_one() {
    let (a, b, ec) = (SigningKey::first().jwk("a"), SigningKey::second().jwk("b"), EcSigningKey::first().jwk("e"));
    let again = SigningKey::first().jwk("c");
    let contradicts = |key: &SigningKey| key.jwk("d");
    let ambiguous = [contradicts(SigningKey::first()), contradicts(SigningKey::second())];
    for (what, keys, rsa, p256) in [
        ("one of each type", vec![a.clone(), ec.clone()], true, true),
        ("two of a type", vec![a.clone(), b.clone(), ec.clone()], false, true),
        ("one under two ids", vec![a.clone(), again], true, false),
        ("none of its type", vec![ec.clone()], false, true),
        ("one that names nothing beside it", [vec![ec], ambiguous.to_vec()].concat(), false, true),
    ] {
        let set = set_for(&[Ps256, Es256], &keys).unwrap();
        assert_eq!((set.only_key(Ps256).is_some(), set.only_key(Es256).is_some()), (rsa, p256), "{what}");
        assert!(set.only_key(Rs256).is_none(), "{what}: it is not accepted");
        let read_again = KeySet::parse(set.to_jwks().as_bytes(), &[Ps256, Es256]).unwrap();
        assert_eq!(read_again.only_key(Ps256).is_some(), rsa, "{what}: in another worker");
    }
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
        ("use is empty", Box::new(|jwk| jwk["use"] = json!(""))),
        ("kid is null", Box::new(|jwk| jwk["kid"] = Json::Null)),
        ("kty is null", Box::new(|jwk| jwk["kty"] = Json::Null)),
        ("only signs", Box::new(|jwk| jwk["key_ops"] = json!(["sign"]))),
        ("key_ops is text", Box::new(|jwk| jwk["key_ops"] = json!("verify"))),
        ("for RS256", Box::new(|jwk| jwk["alg"] = json!("RS256"))),
        ("for PS512", Box::new(|jwk| jwk["alg"] = json!("PS512"))),
        ("no n", Box::new(|jwk| drop(jwk.as_object_mut().unwrap().remove("n")))),
        ("n is padded too much", Box::new(|jwk| jwk["n"] = json!(format!("{}===", jwk["n"].as_str().unwrap())))),
        ("n is padded too little", Box::new(|jwk| jwk["n"] = json!(format!("{}=", jwk["n"].as_str().unwrap())))),
        ("n is padded inside", Box::new(|jwk| jwk["n"] = json!(format!("AA=={}", jwk["n"].as_str().unwrap())))),
        ("n is zero", Box::new(|jwk| jwk["n"] = json!(b64(&[0; 256])))),
        ("e is zero", Box::new(|jwk| jwk["e"] = json!("AAAA"))),
        ("n is null", Box::new(|jwk| jwk["n"] = Json::Null)),
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
        assert!(mixed.key("good", Ps256).is_some() && mixed.len() == 1, "{name} takes a good key away");
    }
}

#[test]
fn a_key_published_with_a_private_member_is_skipped() {
    for member in PRIVATE_MEMBERS {
        for value in [json!("AQAB"), json!(0), json!(false), json!({}), json!([{"r": "AQAB"}])] {
            assert_eq!(set(&[jwk(|jwk| jwk[member] = value)]).unwrap_err(), JwksError::NoUsableKey, "{member}");
        }
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
    assert!(set(&[ec.clone(), rsa]).unwrap().key("2011-04-29", Ps256).is_some());
    assert_eq!(set(&[ec, private]).unwrap_err(), JwksError::NoUsableKey);
    // A.3: symmetric keys, which a set for verifiers must never make usable.
    let symmetric = json!({"kty":"oct","alg":"A128KW","k":"GawgguFyGrWKav7AX4VKUg","kid":"2011-04-29"});
    assert_eq!(set(&[symmetric]).unwrap_err(), JwksError::NoUsableKey);
}

/// An EC key with id `k`, changed by `change`.
fn ec_jwk(change: impl FnOnce(&mut Json)) -> Json {
    let mut jwk = EcSigningKey::first().jwk("k");
    change(&mut jwk);
    jwk
}

#[test]
fn a_key_verifies_the_accepted_algorithms_of_its_type_and_of_its_alg() {
    let with_alg = |mut jwk: Json, alg: &str| {
        jwk["alg"] = json!(alg);
        jwk
    };
    let (rsa, ec) = (SigningKey::first().jwk("k"), EcSigningKey::first().jwk("k"));
    for (key, accepted, fit) in [
        (rsa.clone(), vec![Ps256], vec![Ps256]),
        (rsa.clone(), vec![Rs256], vec![Rs256]),
        (rsa.clone(), vec![Rs256, Ps256, Es256], vec![Ps256, Rs256]),
        (rsa.clone(), vec![Es256], vec![]),
        (rsa.clone(), vec![], vec![]),
        (with_alg(rsa.clone(), "PS256"), vec![Ps256, Rs256], vec![Ps256]),
        (with_alg(rsa.clone(), "RS256"), vec![Ps256, Rs256], vec![Rs256]),
        (with_alg(rsa.clone(), "RS256"), vec![Ps256, Es256], vec![]),
        (with_alg(rsa.clone(), "ES256"), vec![Ps256, Rs256, Es256], vec![]),
        (with_alg(rsa.clone(), "rs256"), vec![Ps256, Rs256], vec![]),
        (with_alg(rsa, "none"), vec![Ps256, Rs256], vec![]),
        (ec.clone(), vec![Es256], vec![Es256]),
        (ec.clone(), vec![Ps256, Rs256, Es256], vec![Es256]),
        (ec.clone(), vec![Ps256, Rs256], vec![]),
        (with_alg(ec.clone(), "ES256"), vec![Es256], vec![Es256]),
        (with_alg(ec.clone(), "ES384"), vec![Es256], vec![]),
        (with_alg(ec.clone(), "PS256"), vec![Ps256, Es256], vec![]),
        (with_alg(ec, "ECDH-ES"), vec![Es256], vec![]),
    ] {
        let found: Vec<Algorithm> = match set_for(&accepted, std::slice::from_ref(&key)) {
            Ok(set) => Algorithm::ALL.into_iter().filter(|algorithm| set.key("k", *algorithm).is_some()).collect(),
            Err(error) => {
                assert_eq!(error, JwksError::NoUsableKey);
                Vec::new()
            }
        };
        assert_eq!(found, fit, "{accepted:?} of {key}");
    }
}

#[test]
fn an_ec_key_that_is_not_a_public_key_on_p_256_for_signatures_is_skipped() {
    type Change = Box<dyn FnOnce(&mut Json)>;
    let (x, y) = EcSigningKey::first().coordinates();
    let text = |bytes: &[u8]| json!(b64(bytes));
    let short = text(&x[1..]);
    let long = text(&[&[0], y.as_slice()].concat());
    let beside = text(&[&y[..31], &[y[31] ^ 1]].concat());
    let cases: Vec<(&str, Change)> = vec![
        ("RSA", Box::new(|jwk| jwk["kty"] = json!("RSA"))),
        ("OKP", Box::new(|jwk| jwk["kty"] = json!("OKP"))),
        ("another curve", Box::new(|jwk| jwk["crv"] = json!("secp256k1"))),
        ("crv in other case", Box::new(|jwk| jwk["crv"] = json!("p-256"))),
        ("no crv", Box::new(|jwk| drop(jwk.as_object_mut().unwrap().remove("crv")))),
        ("no x", Box::new(|jwk| drop(jwk.as_object_mut().unwrap().remove("x")))),
        ("no y", Box::new(|jwk| drop(jwk.as_object_mut().unwrap().remove("y")))),
        ("x of 31 bytes", Box::new(move |jwk| jwk["x"] = short)),
        ("y of 33 bytes", Box::new(move |jwk| jwk["y"] = long)),
        ("y beside the curve", Box::new(move |jwk| jwk["y"] = beside)),
        ("x is padded too much", Box::new(|jwk| jwk["x"] = json!(format!("{}==", jwk["x"].as_str().unwrap())))),
        ("published with d", Box::new(|jwk| jwk["d"] = json!("AQAB"))),
        ("for key agreement", Box::new(|jwk| jwk["use"] = json!("enc"))),
        ("derives keys", Box::new(|jwk| jwk["key_ops"] = json!(["deriveKey"]))),
        ("no kid", Box::new(|jwk| drop(jwk.as_object_mut().unwrap().remove("kid")))),
    ];
    assert!(set_for(&[Es256], &[ec_jwk(|_| ())]).is_ok());
    for (name, change) in cases {
        let key = ec_jwk(change);
        assert_eq!(set_for(&Algorithm::ALL, &[key]).unwrap_err(), JwksError::NoUsableKey, "{name}");
    }
}

/// RFC 7517 §4.5: keys of different types may share a kid.
#[test]
fn a_kid_names_one_key_of_each_type() {
    let (rsa, ec) = (SigningKey::first().jwk("k"), EcSigningKey::first().jwk("k"));
    let both = set_for(&[Ps256, Es256], &[rsa.clone(), ec.clone()]).unwrap();
    assert_eq!(both.len(), 2);
    both.key("k", Ps256).unwrap().verify(Ps256, b"m", &SigningKey::first().sign(b"m")).unwrap();
    both.key("k", Es256).unwrap().verify(Es256, b"m", &EcSigningKey::first().sign(b"m")).unwrap();
    let again = set_for(&[Ps256, Es256], &[rsa, ec, EcSigningKey::second().jwk("k")]).unwrap();
    assert!(again.key("k", Es256).is_none() && again.key("k", Ps256).is_some() && again.len() == 1);
}

/// Servers publish a key once for each certificate.
#[test]
fn a_key_that_is_published_twice_is_one_key() {
    let certificate = |x5c: &str| jwk(|jwk| jwk["x5c"] = json!([x5c]));
    let for_signatures = jwk(|jwk| jwk["use"] = json!("sig"));
    let written_otherwise = jwk(|jwk| jwk["n"] = json!(b64(&[&[0][..], &SigningKey::first().modulus()].concat())));
    for keys in [
        vec![jwk(|_| ()), jwk(|_| ())],
        vec![certificate("AAAA"), certificate("BBBB")],
        vec![jwk(|_| ()), certificate("AAAA")],
        vec![jwk(|_| ()), for_signatures, written_otherwise],
        vec![jwk(|_| ()); MAX_KEYS + 2],
    ] {
        let mut skipped = SkippedKeys::default();
        let body = json!({ "keys": keys }).to_string();
        let set = KeySet::parse_and_tell(body.as_bytes(), &[Ps256], &mut skipped).unwrap();
        assert_eq!((set.len(), skipped.len()), (1, 0), "{keys:?}");
        set.key("k", Ps256).unwrap().verify(Ps256, b"m", &SigningKey::first().sign(b"m")).unwrap();
    }
    let curve = set_for(&[Es256], &[ec_jwk(|_| ()), ec_jwk(|jwk| jwk["use"] = json!("sig"))]).unwrap();
    assert!(curve.len() == 1 && curve.key("k", Es256).is_some());
    let another_exponent = jwk(|jwk| jwk["e"] = json!("Aw"));
    assert_eq!(set(&[jwk(|_| ()), another_exponent]).unwrap_err(), JwksError::NoUsableKey, "this is another key");
}

/// As servers do that write a key once for each of their algorithms.
#[test]
fn a_key_that_is_published_for_two_algorithms_verifies_both_and_no_other() {
    let for_algorithm = |alg: &str| jwk(|jwk| jwk["alg"] = json!(alg));
    let all = [Ps256, Rs256, Es256];
    for (keys, fit) in [
        (vec![for_algorithm("PS256"), for_algorithm("RS256")], vec![Ps256, Rs256]),
        (vec![for_algorithm("RS256"), for_algorithm("PS256"), for_algorithm("RS256")], vec![Ps256, Rs256]),
        (vec![for_algorithm("PS256"), for_algorithm("PS256")], vec![Ps256]),
        (vec![for_algorithm("PS256"), for_algorithm("PS512")], vec![Ps256]),
        (vec![for_algorithm("PS256"), jwk(|_| ())], vec![Ps256, Rs256]),
        (vec![jwk(|_| ()), for_algorithm("PS256")], vec![Ps256, Rs256]),
    ] {
        let set = set_for(&all, &keys).unwrap();
        let again = KeySet::parse(set.to_jwks().as_bytes(), &all).unwrap();
        for set in [&set, &again] {
            let found: Vec<_> = all.into_iter().filter(|algorithm| set.key("k", *algorithm).is_some()).collect();
            assert_eq!((found, set.len()), (fit.clone(), 1), "{keys:?}");
        }
    }
}

/// Nothing is lost by reading this.
#[test]
fn a_key_is_read_as_real_servers_write_it() {
    type Change = Box<dyn FnOnce(&mut Json)>;
    let zero_and = |bytes: &[u8]| json!(b64(&[&[0][..], bytes].concat()));
    let cases: Vec<(&str, Change)> = vec![
        ("n with a zero in front", Box::new(move |jwk| jwk["n"] = zero_and(&SigningKey::first().modulus()))),
        ("n with padding", Box::new(|jwk| jwk["n"] = json!(format!("{}==", jwk["n"].as_str().unwrap())))),
        (
            "n with both",
            Box::new(move |jwk| {
                let text = zero_and(&SigningKey::first().modulus());
                let text = text.as_str().unwrap();
                jwk["n"] = json!(format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4)));
            }),
        ),
        ("e as a word of four bytes", Box::new(|jwk| jwk["e"] = json!("AAEAAQ"))),
        ("e as a padded word", Box::new(|jwk| jwk["e"] = json!("AAEAAQ=="))),
        ("e as eight bytes", Box::new(|jwk| jwk["e"] = json!("AAAAAAABAAE"))),
        ("no key_ops in the list", Box::new(|jwk| jwk["key_ops"] = json!([]))),
        ("no other primes in the list", Box::new(|jwk| jwk["oth"] = json!([]))),
        ("no certificate in the list", Box::new(|jwk| jwk["x5c"] = json!([]))),
        (
            "what is not known is null",
            Box::new(|jwk| {
                for member in ["use", "key_ops", "alg", "x5c", "x5t", "x5u", "x5t#S256", "nbf", "exp"] {
                    jwk[member] = Json::Null;
                }
            }),
        ),
        (
            "the private members are null",
            Box::new(|jwk| {
                PRIVATE_MEMBERS.iter().for_each(|member| jwk[*member] = Json::Null);
            }),
        ),
        (
            "the private members are empty",
            Box::new(|jwk| {
                PRIVATE_MEMBERS.iter().for_each(|member| jwk[*member] = json!(""));
            }),
        ),
    ];
    for (name, change) in cases {
        let set = set(&[jwk(change)]).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        set.key("k", Ps256).unwrap().verify(Ps256, b"m", &SigningKey::first().sign(b"m")).unwrap();
    }
    for change in [
        |jwk: &mut Json| jwk["x"] = json!(format!("{}=", jwk["x"].as_str().unwrap())),
        |jwk: &mut Json| jwk["d"] = Json::Null,
        |jwk: &mut Json| jwk["key_ops"] = json!([]),
    ] {
        let set = set_for(&[Es256], &[ec_jwk(change)]).unwrap();
        set.key("k", Es256).unwrap().verify(Es256, b"m", &EcSigningKey::first().sign(b"m")).unwrap();
    }
}

#[test]
fn each_skipped_key_is_told_with_its_kid_and_the_reason() {
    type Change = Box<dyn FnOnce(&mut Json)>;
    let cases: Vec<(Change, SkipReason)> = vec![
        (Box::new(|jwk| *jwk = json!(["k"])), SkipReason::NotAnObject),
        (Box::new(|jwk| jwk["d"] = json!("AQAB")), SkipReason::Private),
        (Box::new(|jwk| jwk["use"] = json!("enc")), SkipReason::Usage),
        (Box::new(|jwk| jwk["key_ops"] = json!(["sign"])), SkipReason::Operations),
        (Box::new(|jwk| jwk["kid"] = json!("")), SkipReason::KeyId),
        (Box::new(|jwk| jwk["kty"] = json!("OKP")), SkipReason::Type),
        (Box::new(|jwk| jwk["n"] = json!("*")), SkipReason::Number),
        (Box::new(|jwk| jwk["n"] = json!(b64(&[0xff; 128]))), SkipReason::Size),
        (Box::new(|jwk| jwk["e"] = json!("Ag")), SkipReason::NotAKey),
        (Box::new(|jwk| jwk["alg"] = json!("PS512")), SkipReason::Algorithm),
        (Box::new(|jwk| jwk["alg"] = json!("RS256")), SkipReason::Algorithm),
    ];
    for (change, reason) in cases {
        let key = jwk(change);
        let body = json!({ "keys": [key, SigningKey::second().jwk("good")] }).to_string();
        let mut skipped = SkippedKeys::default();
        KeySet::parse_and_tell(body.as_bytes(), &[Ps256], &mut skipped).unwrap();
        let [named] = skipped.named() else { panic!("{reason:?}: {skipped:?}") };
        let key_id = key["kid"].as_str().map(str::to_owned);
        assert_eq!((named.key_id.clone(), named.reason, skipped.len()), (key_id, reason, 1));
    }
}

#[test]
fn keys_that_contradict_each_other_and_keys_from_the_65th_on_are_told() {
    let told = |keys: &[Json]| {
        let mut skipped = SkippedKeys::default();
        let _ = KeySet::parse_and_tell(json!({ "keys": keys }).to_string().as_bytes(), &[Ps256], &mut skipped);
        let reasons: Vec<_> = skipped.named().iter().map(|key| key.reason).collect();
        (skipped.len(), reasons)
    };
    let (first, second) = (SigningKey::first().jwk("k"), SigningKey::second().jwk("k"));
    assert_eq!(told(&[first.clone(), second.clone()]), (2, vec![SkipReason::Ambiguous; 2]));
    assert_eq!(told(&[first.clone(), first.clone(), second, first]), (3, vec![SkipReason::Ambiguous; 3]));
    let many: Vec<_> = (0..MAX_KEYS + 3).map(|n| SigningKey::first().jwk(&format!("{n:03}"))).collect();
    assert_eq!(told(&many), (3, vec![SkipReason::TooMany; 3]));
}

/// The other way round, a key that may not verify what is accepted does not claim its kid.
#[test]
fn two_rsa_keys_for_different_algorithms_claim_one_kid_where_both_are_accepted() {
    let mut keys = [SigningKey::first().jwk("k"), SigningKey::second().jwk("k")];
    (keys[0]["alg"], keys[1]["alg"]) = (json!("PS256"), json!("RS256"));
    assert!(set_for(&[Ps256], &keys).unwrap().key("k", Ps256).is_some());
    assert_eq!(set_for(&[Ps256, Rs256], &keys).unwrap_err(), JwksError::NoUsableKey);
}

#[test]
fn a_written_set_is_read_as_the_same_set() {
    let mut for_rs256 = SigningKey::second().jwk("\"é\\k");
    for_rs256["alg"] = json!("RS256");
    for_rs256["x5c"] = json!(["AAAA"]);
    for_rs256["use"] = json!("sig");
    let mut for_es256 = EcSigningKey::second().jwk("c");
    for_es256["alg"] = json!("ES256");
    let published = [
        SigningKey::first().jwk("k"),
        EcSigningKey::first().jwk("k"),
        for_rs256,
        for_es256,
        SigningKey::first().jwk("twice"),
        SigningKey::second().jwk("twice"),
    ];
    let set = set_for(&Algorithm::ALL, &published).unwrap();
    let written = set.to_jwks();
    let again = KeySet::parse(written.as_bytes(), &Algorithm::ALL).unwrap();
    assert_eq!((again.to_jwks(), again.len()), (written.clone(), 4));
    for kid in ["k", "\"é\\k", "c", "twice", "other"] {
        for algorithm in Algorithm::ALL {
            let signature = |key: usize| match (algorithm, key) {
                (Ps256, 0) => SigningKey::first().sign(b"m"),
                (Ps256, _) => SigningKey::second().sign(b"m"),
                (Rs256, 0) => SigningKey::first().sign_rs256(b"m"),
                (Rs256, _) => SigningKey::second().sign_rs256(b"m"),
                (Es256, 0) => EcSigningKey::first().sign(b"m"),
                (Es256, _) => EcSigningKey::second().sign(b"m"),
            };
            let verified = |set: &KeySet| {
                let verifies = |key: usize| {
                    set.key(kid, algorithm).map(|found| found.verify(algorithm, b"m", &signature(key)).is_ok())
                };
                [verifies(0), verifies(1)]
            };
            assert_eq!(verified(&set), verified(&again), "{kid} {algorithm:?}");
        }
    }
    let members: Json = serde_json::from_str(&written).unwrap();
    let mut sorted = vec![published[0].clone(), published[1].clone(), published[3].clone()];
    sorted.push(json!({"kty": "RSA", "kid": "\"é\\k", "alg": "RS256", "n": published[2]["n"], "e": "AQAB"}));
    for key in members["keys"].as_array().unwrap() {
        assert!(sorted.contains(key), "{key}");
    }
}

#[test]
fn the_largest_set_fits_into_its_own_bound_when_written() {
    let id = |n: usize| format!("{n:0>3}{}", "\"".repeat(crate::jose::MAX_KID_LENGTH - 3));
    let modulus = b64(&[0xff; 512]);
    let keys: Vec<_> = (0..MAX_KEYS)
        .map(|n| json!({"kty": "RSA", "kid": id(n), "alg": "PS256", "n": modulus, "e": "Af____8"}))
        .collect();
    let written = set(&keys).unwrap().to_jwks();
    assert_eq!(KeySet::parse(written.as_bytes(), &[Ps256]).unwrap().len(), MAX_KEYS);
}

/// Some servers publish a key once for each algorithm, and so is a set written.
#[test]
fn the_bound_of_a_set_counts_keys_and_not_how_often_they_are_published() {
    let key = |n: usize, alg: &str| {
        let mut key = SigningKey::first().jwk(&format!("{n:03}"));
        key["alg"] = json!(alg);
        key
    };
    let each = |alg| (0..MAX_KEYS).map(move |n| key(n, alg));
    let together: Vec<_> = each("PS256").zip(each("RS256")).flat_map(|(first, second)| [first, second]).collect();
    let apart: Vec<_> = each("PS256").chain(each("RS256")).collect();
    let more = vec![key(MAX_KEYS, "PS256"), EcSigningKey::first().jwk("000"), key(0, "RS256")];
    let more = [apart.clone(), more].concat();
    for (published, too_many) in [(together, 0), (apart, 0), (more, 2)] {
        let mut skipped = SkippedKeys::default();
        let body = json!({ "keys": published }).to_string();
        let set = KeySet::parse_and_tell(body.as_bytes(), &Algorithm::ALL, &mut skipped).unwrap();
        assert_eq!((set.len(), skipped.len()), (MAX_KEYS, too_many));
        let again = KeySet::parse(set.to_jwks().as_bytes(), &Algorithm::ALL).unwrap();
        for set in [&set, &again] {
            for n in 0..MAX_KEYS {
                assert!(
                    [Ps256, Rs256].iter().all(|algorithm| set.key(&format!("{n:03}"), *algorithm).is_some()),
                    "{n}"
                );
            }
        }
    }
}

#[test]
fn a_kid_that_several_keys_claim_names_none_of_them() {
    let twice = [SigningKey::first().jwk("k"), SigningKey::second().jwk("k"), SigningKey::second().jwk("other")];
    let keys = set(&twice).unwrap();
    assert!(keys.key("k", Ps256).is_none());
    assert!(keys.key("other", Ps256).is_some());
    for thrice in [[0, 1, 0], [0, 0, 1], [1, 0, 0]] {
        assert_eq!(set(&thrice.map(|n| twice[n].clone())).unwrap_err(), JwksError::NoUsableKey, "{thrice:?}");
    }
}

/// RFC 7517 §4.5: keys of different kinds may share a kid.
#[test]
fn a_skipped_key_does_not_claim_its_kid() {
    let encryption = jwk(|jwk| jwk["use"] = json!("enc"));
    assert!(set(&[encryption, SigningKey::first().jwk("k")]).unwrap().key("k", Ps256).is_some());
}

#[test]
fn a_key_with_duplicate_members_is_skipped_alone() {
    let good = SigningKey::first().jwk("good").to_string();
    let broken = format!("{},\"kid\":\"evil\"}}", SigningKey::second().jwk("k").to_string().trim_end_matches('}'));
    let overflow = r#"{"kty":"RSA","x":1e999}"#;
    let keys = KeySet::parse(format!("{{\"keys\":[{broken},{overflow},{good}]}}").as_bytes(), &[Ps256]).unwrap();
    assert!(keys.key("good", Ps256).is_some() && keys.len() == 1);
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
        assert_eq!(KeySet::parse(body.as_bytes(), &[Ps256]).unwrap_err(), JwksError::NotASet, "{body}");
    }
    assert_eq!(set(&[]).unwrap_err(), JwksError::NoUsableKey);
}

#[test]
fn the_bodys_length_and_the_number_of_keys_are_bounded() {
    let body = |length: usize| {
        let set = json!({ "keys": [SigningKey::first().jwk("k")] }).to_string();
        format!("{set}{}", " ".repeat(length - set.len()))
    };
    assert!(KeySet::parse(body(MAX_SET_LENGTH).as_bytes(), &[Ps256]).is_ok());
    assert_eq!(KeySet::parse(body(MAX_SET_LENGTH + 1).as_bytes(), &[Ps256]).unwrap_err(), JwksError::TooLong);
    let many: Vec<_> = (0..=MAX_KEYS).map(|n| SigningKey::first().jwk(&format!("{n:03}"))).collect();
    let kept = set(&many).unwrap();
    assert_eq!(kept.len(), MAX_KEYS);
    assert!(kept.key("000", Ps256).is_some() && kept.key("064", Ps256).is_none());
}

proptest! {
    #[test]
    fn arbitrary_bodies_never_panic(body in "\\{\"keys\":\\[[ -~]{0,200}\\]\\}|[ -~]{0,200}") {
        let _ = KeySet::parse(body.as_bytes(), &Algorithm::ALL);
    }

    #[test]
    fn whatever_is_read_is_written_and_read_again(
        kids in prop::collection::vec("\\PC{0,8}", 1..6),
        algs in prop::collection::vec(prop::sample::select(vec!["", "PS256", "RS256", "ES256", "EdDSA"]), 6),
    ) {
        let keys = [SigningKey::first().jwk(""), EcSigningKey::first().jwk("")];
        let published = kids.iter().zip(&algs).enumerate().map(|(n, (kid, alg))| {
            let mut key = keys[n % 2].clone();
            key["kid"] = json!(kid);
            if !alg.is_empty() {
                key["alg"] = json!(alg);
            }
            key
        });
        if let Ok(set) = set_for(&Algorithm::ALL, &published.collect::<Vec<_>>()) {
            let again = KeySet::parse(set.to_jwks().as_bytes(), &Algorithm::ALL).unwrap();
            prop_assert_eq!(again.to_jwks(), set.to_jwks());
            prop_assert_eq!(again.len(), set.len());
        }
    }
}
