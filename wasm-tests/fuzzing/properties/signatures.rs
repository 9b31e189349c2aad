//! A signature verifies if, and only if, it does by jsonwebtoken, whose RSA and ECDSA are AWS-LC's. The keys are those of RFC 7515.

use std::sync::LazyLock;
use std::time::Duration;

use hub_auth_filter::facade::jose::{Algorithm, KeySet, UnverifiedToken};
use jsonwebtoken::DecodingKey;

use super::compact_jws::text_of;
use crate::cost::{Bound, bounded};

/// Appendix A.2.
const MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ\
    S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVM\
    TBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
/// Appendix A.3.
const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

/// One verification with each algorithm, in a test that is not optimised.
const BOUND: Bound = Bound { base: 64 * 1024, per_byte: 64, time: Duration::from_secs(1) };

struct Keys {
    ours: KeySet,
    rsa: DecodingKey,
    ec: DecodingKey,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let set = format!(
        r#"{{"keys":[{{"kty":"RSA","kid":"rsa","n":"{MODULUS}","e":"AQAB"}},
            {{"kty":"EC","crv":"P-256","kid":"ec","x":"{X}","y":"{Y}"}}]}}"#
    );
    Keys {
        ours: KeySet::parse(set.as_bytes(), &Algorithm::ALL).expect("a key set"),
        rsa: DecodingKey::from_rsa_components(MODULUS, "AQAB").expect("a key"),
        ec: DecodingKey::from_ec_components(X, Y).expect("a key"),
    }
});

pub(crate) fn check(data: &[u8]) -> bool {
    let Some(text) = text_of(data) else { return false };
    let mut decoded = Vec::new();
    let Ok(token) = UnverifiedToken::parse(&text, &mut decoded) else { return false };
    let (message, signature) = text.rsplit_once('.').expect("three parts");
    let algorithms = [
        (Algorithm::Ps256, "rsa", &KEYS.rsa, jsonwebtoken::Algorithm::PS256),
        (Algorithm::Rs256, "rsa", &KEYS.rsa, jsonwebtoken::Algorithm::RS256),
        (Algorithm::Es256, "ec", &KEYS.ec, jsonwebtoken::Algorithm::ES256),
    ];
    let mut verified = false;
    for (algorithm, key_id, theirs, their_algorithm) in algorithms {
        let key = KEYS.ours.key(key_id, algorithm).expect("the key is there");
        let ours = bounded(BOUND, text.len(), || token.verify(algorithm, key).is_ok());
        let theirs = jsonwebtoken::crypto::verify(signature, message.as_bytes(), theirs, their_algorithm);
        assert_eq!(ours, theirs.is_ok_and(|verified| verified), "{}", algorithm.name());
        verified |= ours;
    }
    verified
}
