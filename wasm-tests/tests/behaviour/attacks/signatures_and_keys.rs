//! Attacks with the signature (RFC 8017 §8.1.2) and with the keys that a caller publishes (RFC 7517 §4, RFC 7518 §3.5, §6.3;
//! spec §2.4): a key that is too weak, or published for something else, verifies nothing, and takes no good key away.

use aws_lc_rs::digest;
use serde_json::json;
use wasm_tests::stage::tokens::{compact, with_broken_signature, with_swapped_claims};

use super::*;

/// The length of a signature, and of the modulus.
const LENGTH: usize = 256;

/// The bytes of a token's signature.
fn signature_of(token: &str) -> Vec<u8> {
    let (_, text) = token.rsplit_once('.').expect("a compact JWS");
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// The token with another signature.
fn with_signature(token: &str, signature: impl AsRef<[u8]>) -> Request {
    let (input, _) = token.rsplit_once('.').expect("a compact JWS");
    with(&format!("{input}.{}", b64(signature)))
}

/// Refused with each of these signatures, admitted with the right one.
fn no_signature_is(gateway: &Gateway, token: &str, wrong: Vec<(&str, Vec<u8>)>) {
    for (case, signature) in wrong {
        refused_unlike(gateway, case, with_signature(token, signature), with(token), INVALID_SIGNATURE, "signature");
    }
}

#[apply(every_gateway)]
fn a_signature_of_another_length_is_refused(host: Host) {
    let gateway = host.start();
    // One that begins with a zero byte is still right when a careless reader drops it.
    let tokens = std::iter::repeat_with(|| token(&gateway).sign(sig3()));
    let zero_first = tokens.take(10_000).find(|token| signature_of(token)[0] == 0).expect("one of 256 has it");
    for token in [token(&gateway).sign(sig3()), zero_first] {
        let right = signature_of(&token);
        assert_eq!(right.len(), LENGTH);
        let wrong = vec![
            ("255 bytes, the last left out", right[..255].to_vec()),
            ("255 bytes, the first left out", right[1..].to_vec()),
            ("257 bytes, a zero in front", [&[0], right.as_slice()].concat()),
            ("257 bytes, a zero behind", [right.as_slice(), &[0]].concat()),
            ("512 bytes, zeros in front", [&[0; 256], right.as_slice()].concat()),
            ("512 bytes, twice", right.repeat(2)),
            ("4 KiB", vec![1; 4096]),
            ("one byte", vec![1]),
        ];
        no_signature_is(&gateway, &token, wrong);
    }
}

#[apply(every_gateway)]
fn an_empty_signature_is_refused(host: Host) {
    let gateway = host.start();
    no_signature_is(&gateway, &token(&gateway).sign(sig3()), vec![("empty", Vec::new())]);
}

#[apply(every_gateway)]
fn a_zero_signature_is_refused(host: Host) {
    let gateway = host.start();
    let mut one = vec![0; LENGTH];
    one[255] = 1;
    no_signature_is(&gateway, &token(&gateway).sign(sig3()), vec![("zero", vec![0; LENGTH]), ("one", one)]);
}

/// RFC 8017 §5.2.2 step 1. Without the check, `s + n` would be a second signature beside each `s`.
#[apply(every_gateway)]
fn a_signature_that_is_not_below_the_modulus_is_refused(host: Host) {
    let gateway = host.start();
    let modulus = hub().signing.modulus();
    let tokens = std::iter::repeat_with(|| token(&gateway).sign(sig3()));
    // The sum fits 256 bytes only if the signature is small, as at least a few of a hundred are.
    let (token, congruent) = tokens
        .take(10_000)
        .find_map(|token| sum(&signature_of(&token), modulus).map(|sum| (token, sum)))
        .expect("a signature that is small enough");
    let wrong = vec![("s + n", congruent), ("n", modulus.to_vec()), ("2^2048 - 1", vec![0xff; LENGTH])];
    no_signature_is(&gateway, &token, wrong);
}

/// The sum of two big-endian numbers of one length, if it has that length too.
fn sum(a: &[u8], b: &[u8]) -> Option<Vec<u8>> {
    let mut sum = a.to_vec();
    let mut carry = false;
    for (byte, other) in sum.iter_mut().zip(b).rev() {
        let (with_other, first) = byte.overflowing_add(*other);
        let (with_carry, second) = with_other.overflowing_add(u8::from(carry));
        (*byte, carry) = (with_carry, first || second);
    }
    (!carry).then_some(sum)
}

#[apply(every_gateway)]
fn a_signature_by_another_key_is_refused(host: Host) {
    let gateway = host.start();
    let (next, theirs) = (&Pki::shared().next_signing, &attacker().signing);
    for (case, key) in [("the Hub's next key, not yet published", next), ("somebody else's key", theirs)] {
        let forged = token(&gateway).sign(Signer::Ps256(key));
        refused(&gateway, case, with(&forged), INVALID_SIGNATURE, "signature");
    }
    // The same where both keys are published: the kid says which one it must be.
    let gateway = publishing_jwks(host, &[hub().signing.jwk(), next.jwk()]);
    let forged = token(&gateway).sign(Signer::Ps256(next));
    let honest = token(&gateway).header("kid", next.kid.as_str()).sign(Signer::Ps256(next));
    refused_unlike(&gateway, "the kid of another", with(&forged), with(&honest), INVALID_SIGNATURE, "signature");
}

#[apply(every_gateway)]
fn a_changed_signature_header_or_claim_is_refused(host: Host) {
    let gateway = host.start();
    let right = token(&gateway);
    let text = right.sign(sig3());
    let signature = text.rsplit_once('.').expect("a compact JWS").1;
    let other_claims = with_swapped_claims(&text, &right.clone().claim("jti", "another").claims);
    let other_header = right.clone().header("x", 1).sign(Signer::Unsigned) + signature;
    let reordered = compact(&right.header.to_string(), &format!("{} ", right.claims), Signer::Unsigned) + signature;
    for (case, wrong) in [
        ("one bit of the signature", with_broken_signature(&text)),
        ("other claims", other_claims),
        ("another header", other_header),
        ("a space behind the claims", reordered),
    ] {
        refused_unlike(&gateway, case, with(&wrong), with(&text), INVALID_SIGNATURE, "signature");
    }
}

/// A token of the Hub under the kid `weak` is refused with this key published under it, alone or beside the Hub's own key;
/// the token is what the caller makes of it.
fn no_key_is(host: Host, case: &str, weak: &Value, token: impl Fn(&Gateway) -> String) {
    let gateway = publishing_jwks(host, std::slice::from_ref(weak));
    stopped(&send(&gateway, with(&token(&gateway))), case, NO_KEYS, "keys");
    assert!(gateway.logs().iter().any(|log| log.text.contains("no key that may be used")), "{case}");

    for keys in [[weak.clone(), hub().signing.jwk()], [hub().signing.jwk(), weak.clone()]] {
        let gateway = publishing_jwks(host, &keys);
        refused(&gateway, case, with(&token(&gateway)), INVALID_HEADER, "kid of the token is not in");
    }
}

/// The token that the Hub's next key signs under the kid `weak`.
fn by_next_key(gateway: &Gateway) -> String {
    token(gateway).header("kid", "weak").sign(Signer::Ps256(&Pki::shared().next_signing))
}

/// The Hub's next key, which is sound, with these members changed, verifies nothing; without the change it does.
fn no_sound_key_with(host: Host, changes: Vec<Value>) {
    for change in changes {
        let mut named = change.clone();
        named["kid"] = json!("weak");
        no_key_is(host, &change.to_string(), &jwk(&Pki::shared().next_signing, named), by_next_key);
    }
    let sound = jwk(&Pki::shared().next_signing, json!({ "kid": "weak" }));
    let gateway = publishing_jwks(host, &[sound, hub().signing.jwk()]);
    admitted(&gateway, "the key as it is", with(&by_next_key(&gateway)));
}

/// A real RSA-1024 key, made with `openssl genrsa 1024`, and its valid PS256 signature over the token below, made with
/// pyca/cryptography 48 (salt of 32 bytes): nothing else is wrong with this token.
#[apply(every_gateway)]
fn a_1024_bit_key_verifies_nothing_even_with_a_valid_signature(host: Host) {
    const MODULUS: &str = "xcEwtNtMFW19Pvy-YDHhHao1eHzjgwIryLrg3QUoETLnwiswWj92sjJTvoqufSASYPq76zBTKj7STzyjnz5T5qNcDJlum\
        Wn64I0ClTuny5SExTwJb4qiikENJvpHFhWeoZ-t1TtAgLzInnBKaqVeuBhw5uIG0jHkBvgwT98YY9c";
    const SIGNATURE: &str = "nGfz0pL3SMDTVEyJ_yke8V24YExsOJQcirNYdYi3TN2RQeNCo-yO7PvYn86TZM3yntkmBFZ191yMeoXwr1tTawW76wap\
        ZSBwzz-LJtNUuU1LlFUQouUiSgzzdZGJLR-cjaLdA77vMFfL5yY2tQ5NxpW3o-RXDXwwlaj9k5YQWPg";
    let header = r#"{"alg":"PS256","typ":"JOSE","cty":"json","kid":"weak"}"#;
    let claims = r#"{"iss":"Ozone Financial Technology, Limited","sub":"233bcd1d-4216-4b3c-a362-9e4a9282bba7","aud":"retail","iat":1795219200,"exp":1795219230,"jti":"weak-1"}"#;
    let token = compact(header, claims, Signer::Unsigned) + SIGNATURE;
    let key = json!({ "kty": "RSA", "kid": "weak", "n": MODULUS, "e": "AQAB" });
    no_key_is(host, "RSA-1024", &key, |_| token.clone());
    // That everything else is right shows where the signature is the only thing that is left to be wrong.
    let gateway = publishing_jwks(host, &[jwk(&hub().signing, json!({ "kid": "weak" }))]);
    stopped(&send(&gateway, with(&token)), "under a sound key", INVALID_SIGNATURE, "signature");
}

#[apply(every_gateway)]
fn a_key_below_2048_bits_is_not_made_longer_by_zeros(host: Host) {
    let short = Pki::shared().next_signing.modulus()[..128].to_vec();
    no_sound_key_with(
        host,
        vec![
            json!({ "n": b64(&short) }),
            json!({ "n": b64([&[0; 128], short.as_slice()].concat()) }),
            json!({ "n": b64([0; 256]) }),
            json!({ "n": "" }),
            json!({ "n": null }),
        ],
    );
}

#[apply(every_gateway)]
fn a_key_above_4096_bits_verifies_nothing(host: Host) {
    no_sound_key_with(host, vec![json!({ "n": b64([0xff; 513]) }), json!({ "n": b64([0xff; 4096]) })]);
}

#[apply(every_gateway)]
fn a_key_with_an_even_exponent_verifies_nothing(host: Host) {
    let exponents: [&[u8]; 5] = [&[2], &[4], &[1, 0, 0], &[0xff, 0xff, 0xfe], &[]];
    no_sound_key_with(host, exponents.map(|e| json!({ "e": b64(e) })).into());
}

/// With the exponent 1 the signature is the encoded message itself, which anybody can make.
#[apply(every_gateway)]
fn a_key_with_the_exponent_1_verifies_nothing(host: Host) {
    let key = &Pki::shared().next_signing;
    let anybodys = |gateway: &Gateway| {
        let input = token(gateway).header("kid", "weak").sign(Signer::Unsigned);
        let message = input.strip_suffix('.').expect("an empty signature");
        format!("{input}{}", b64(pss_encoded(message.as_bytes())))
    };
    no_key_is(host, "e = 1", &jwk(key, json!({ "kid": "weak", "e": b64([1]) })), anybodys);
    no_key_is(host, "e = 0", &jwk(key, json!({ "kid": "weak", "e": b64([0]) })), anybodys);
}

/// EMSA-PSS-ENCODE (RFC 8017 §9.1.1) for 2048 bits, SHA-256 and a salt of 32 bytes.
fn pss_encoded(message: &[u8]) -> Vec<u8> {
    let hash = |parts: &[&[u8]]| digest::digest(&digest::SHA256, &parts.concat()).as_ref().to_vec();
    let salt = [7; 32];
    let h = hash(&[&[0; 8], &hash(&[message]), &salt]);
    let mut db = vec![0; LENGTH - 32 - 1];
    let salt_at = db.len() - salt.len();
    db[salt_at - 1] = 1;
    db[salt_at..].copy_from_slice(&salt);
    let mask = (0_u32..).flat_map(|counter| hash(&[&h, &counter.to_be_bytes()]));
    db.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    db[0] &= 0x7f;
    [db.as_slice(), &h, &[0xbc]].concat()
}

#[apply(every_gateway)]
fn a_key_with_an_even_modulus_verifies_nothing(host: Host) {
    let mut even = Pki::shared().next_signing.modulus().to_vec();
    even[255] &= 0xfe;
    no_sound_key_with(host, vec![json!({ "n": b64(even) })]);
}

#[apply(every_gateway)]
fn a_key_of_another_type_verifies_nothing_even_with_rsa_members(host: Host) {
    let point = b64([1; 32]);
    // RFC 7515 appendix A.3: a sound key for ES256, which other methods may use.
    let (x, y) = ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    no_sound_key_with(
        host,
        vec![
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": null }),
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256" }),
            json!({ "kty": "oct", "k": b64([1; 32]) }),
            json!({ "kty": "EC", "crv": "P-256", "x": point, "y": point }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": point }),
            json!({ "kty": "rsa" }),
            json!({ "kty": null }),
            json!({ "kty": ["RSA"] }),
        ],
    );
}

#[apply(every_gateway)]
fn a_symmetric_key_in_the_set_verifies_no_hmac(host: Host) {
    let secret = [42; 32];
    let key = json!({ "kty": "oct", "use": "sig", "alg": "HS256", "kid": "weak", "k": b64(secret) });
    no_key_is(host, "PS256", &key, |gateway| token(gateway).header("kid", "weak").sign(Signer::Hs256(&secret)));
    let gateway = publishing_jwks(host, &[key, hub().signing.jwk()]);
    let forged = token(&gateway).header("kid", "weak").header("alg", "HS256").sign(Signer::Hs256(&secret));
    refused(&gateway, "HS256", with(&forged), INVALID_HEADER, "alg PS256");
}

#[apply(every_gateway)]
fn a_key_for_encryption_verifies_nothing(host: Host) {
    no_sound_key_with(host, vec![json!({ "use": "enc" }), json!({ "use": "SIG" }), json!({ "use": ["sig"] })]);
}

#[apply(every_gateway)]
fn a_key_whose_operations_lack_verify_verifies_nothing(host: Host) {
    no_sound_key_with(
        host,
        vec![
            json!({ "key_ops": ["encrypt", "wrapKey"] }),
            json!({ "key_ops": ["sign"] }),
            json!({ "key_ops": "verify" }),
        ],
    );
    // An empty list says nothing.
    for operations in [json!(["verify"]), json!([])] {
        let key = jwk(&Pki::shared().next_signing, json!({ "kid": "weak", "key_ops": operations }));
        let gateway = publishing_jwks(host, &[key]);
        admitted(&gateway, "with verify, or with nothing", with(&by_next_key(&gateway)));
    }
}

#[apply(every_gateway)]
fn a_key_for_another_algorithm_verifies_nothing(host: Host) {
    let algorithms = ["RS256", "PS384", "PS512", "RSA-OAEP", "HS256", "none", "ps256"];
    no_sound_key_with(host, algorithms.map(|alg| json!({ "alg": alg })).into());
}

#[apply(every_gateway)]
fn a_key_that_was_published_with_its_private_members_verifies_nothing(host: Host) {
    let members = ["d", "p", "q", "dp", "dq", "qi", "oth"];
    no_sound_key_with(host, members.map(|member| json!({ member: b64([3; 256]) })).into());
}

#[apply(every_gateway)]
fn a_kid_that_two_different_keys_claim_names_neither(host: Host) {
    let (first, second) = (&hub().signing, &attacker().signing);
    let claimed = |key: &SigningKey| jwk(key, json!({ "kid": "weak" }));
    let next = &Pki::shared().next_signing;
    let by_next = |gateway: &Gateway| with(&token(gateway).header("kid", next.kid.as_str()).sign(Signer::Ps256(next)));
    for keys in [
        vec![claimed(first), claimed(second), next.jwk()],
        vec![claimed(second), next.jwk(), claimed(first)],
        vec![claimed(first), claimed(second), claimed(first), next.jwk()],
    ] {
        let gateway = publishing_jwks(host, &keys);
        for signer in [first, second] {
            let ambiguous = with(&token(&gateway).header("kid", "weak").sign(Signer::Ps256(signer)));
            let reason = "kid of the token is not in";
            refused_unlike(&gateway, "claimed twice", ambiguous, by_next(&gateway), INVALID_HEADER, reason);
        }
    }
    for keys in [vec![claimed(first), next.jwk()], vec![claimed(first), next.jwk(), claimed(first)]] {
        let gateway = publishing_jwks(host, &keys);
        admitted(&gateway, "claimed by one key", signed(&token(&gateway).header("kid", "weak")));
    }
}

#[apply(every_gateway)]
fn a_key_with_a_member_that_stands_twice_verifies_nothing(host: Host) {
    let (sound, theirs) = (hub().signing.jwk(), attacker().signing.jwk());
    let next = &Pki::shared().next_signing;
    for name in ["n", "e", "kid", "use", "kty"] {
        let twice = with_member(&sound, &format!("{}:{}", json!(name), theirs[name]));
        let answer = format!(r#"{{"keys":[{twice},{}]}}"#, next.jwk());
        let gateway = started(host, &jwt_auth(), Answer::ok(answer));
        let honest = with(&token(&gateway).header("kid", next.kid.as_str()).sign(Signer::Ps256(next)));
        let attack = signed(&token(&gateway));
        refused_unlike(&gateway, name, attack, honest, INVALID_HEADER, "kid of the token is not in");
    }
}
