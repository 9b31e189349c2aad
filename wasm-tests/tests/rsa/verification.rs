//! Verdicts on signatures of keys of all sizes and exponents: the right one, and everything that is nearly right. AWS-LC and
//! the way in which each case was made say what is expected.

use std::sync::LazyLock;

use num_bigint::BigUint;
use sha2::{Digest as _, Sha256};
use wasm_tests::probe::keys::verifies;
use wasm_tests::probe::{Padding, Probe, PublicKey, SignedMessage, Verdict};

use super::keys::{EXPONENTS, Numbers, SIZES, SmallPrimes, bytes};
use super::verdicts;

const SALT: usize = 32;

struct Case {
    what: String,
    signed: SignedMessage,
    expected: Verdict,
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let keys: Vec<_> =
        SIZES.iter().flat_map(|bits| EXPONENTS.map(|exponent| SmallPrimes::new(*bits, exponent))).collect();
    keys.iter().enumerate().flat_map(|(index, key)| cases(key, &keys[(index + 1) % keys.len()])).collect()
});

/// Asserts that the probe judges all signatures right.
pub async fn verdicts_are_right(probe: &mut Probe) {
    assert!(CASES.len() >= 1000, "{}", CASES.len());
    let signed: Vec<_> = CASES.iter().map(|case| case.signed.clone()).collect();
    for (case, verdict) in CASES.iter().zip(verdicts(probe, &signed).await) {
        assert_eq!(verdict, case.expected, "{}: {:?}", case.what, case.signed);
    }
}

/// What the expectations are worth: the reference has the same.
#[test]
fn the_reference_judges_as_is_expected() {
    for Case { what, signed, expected } in &*CASES {
        let valid = verifies(&signed.key, &signed.message.0, &signed.signature.0);
        assert_eq!(valid, *expected == Verdict::Valid, "{what}: {signed:?}");
    }
    let valid = CASES.iter().filter(|case| case.expected == Verdict::Valid).count();
    assert!((100..CASES.len() / 2).contains(&valid), "{valid} of {} are valid", CASES.len());
}

/// The cases of one key. The other key has made none of its signatures.
fn cases(key: &SmallPrimes, other: &SmallPrimes) -> Vec<Case> {
    let (bits, length) = (key.modulus.bits(), key.length());
    let mut numbers = Numbers::new(&format!("messages {bits} {}", key.exponent));
    let mut cases = Vec::new();
    let mut add = |what: &str, public: PublicKey, message: &[u8], signature: Vec<u8>, expected| {
        let what = format!("{bits} bits, exponent {}: {what}", key.exponent);
        let signed =
            SignedMessage { padding: Padding::Pss, key: public, message: message.into(), signature: signature.into() };
        cases.push(Case { what, signed, expected });
    };
    for message in [vec![], numbers.bytes(1), numbers.bytes(64), numbers.bytes(619)] {
        let right = encoded(&message, &numbers.bytes(SALT), bits);
        let number = key.sign_encoded(&right);
        let signature = bytes(&number, length);
        add("right", key.public(), &message, signature.clone(), Verdict::Valid);

        // The signature, changed.
        for byte in [0, 1, length / 2, length - 1] {
            let mut changed = signature.clone();
            changed[byte] ^= 1 << (message.len() % 8);
            add(&format!("byte {byte} changed"), key.public(), &message, changed, Verdict::Invalid);
        }
        let shapes = [
            ("empty", vec![]),
            ("first byte gone", signature[1..].to_vec()),
            ("last byte gone", signature[..length - 1].to_vec()),
            ("a zero before", [&[0], &*signature].concat()),
            ("a zero after", [&*signature, &[0]].concat()),
            ("reversed", signature.iter().rev().copied().collect()),
        ];
        for (what, changed) in shapes {
            add(what, key.public(), &message, changed, Verdict::Invalid);
        }
        // The same number modulo n; with some sizes it fits.
        let above = &number + &key.modulus;
        if above.bits().div_ceil(8) <= length as u64 {
            add("the modulus added", key.public(), &message, bytes(&above, length), Verdict::Invalid);
        }
        add("negated", key.public(), &message, bytes(&(&key.modulus - &number), length), Verdict::Invalid);

        // The message or the key, changed.
        let mut longer = message.clone();
        longer.push(0);
        add("message longer", key.public(), &longer, signature.clone(), Verdict::Invalid);
        add("other key", other.public(), &message, signature.clone(), Verdict::Invalid);
        let exponent = if key.exponent == 3 { 5 } else { key.exponent - 2 };
        let public = super::keys::public(&key.modulus, exponent);
        add("other exponent", public, &message, signature, Verdict::Invalid);

        // Signed by the key, but not what RFC 8017 §9.1.1 makes.
        let mut wrong: Vec<(&str, Vec<u8>)> = vec![
            ("salt too short", encoded(&message, &numbers.bytes(SALT - 1), bits)),
            ("salt too long", encoded(&message, &numbers.bytes(SALT + 1), bits)),
            ("no salt", encoded(&message, &[], bits)),
        ];
        let flips = [
            ("trailer", right.len() - 1, 1),
            ("hash", right.len() - 2, 1),
            ("padding", 1, 0x80),
            ("salt", right.len() - 34, 4),
        ];
        for (what, byte, bit) in flips {
            let mut changed = right.clone();
            changed[byte] ^= bit;
            wrong.push((what, changed));
        }
        for (what, encoded) in wrong {
            add(what, key.public(), &message, bytes(&key.sign_encoded(&encoded), length), Verdict::Invalid);
        }
    }
    let one = BigUint::from(1_u32);
    let mut edges = vec![
        ("0", BigUint::ZERO),
        ("1", one.clone()),
        ("2", one.clone() + 1_u32),
        ("n - 1", &key.modulus - 1_u32),
        ("n", key.modulus.clone()),
        ("n + 1", &key.modulus + 1_u32),
        ("the largest", (one << (8 * length)) - 1_u32),
    ];
    edges.retain(|(_, number)| number.bits() <= 8 * length as u64);
    for (what, number) in edges {
        add(what, key.public(), b"", bytes(&number, length), Verdict::Invalid);
    }
    cases
}

/// The encoding of a message with this salt (EMSA-PSS-ENCODE, RFC 8017 §9.1.1), for a modulus of so many bits.
fn encoded(message: &[u8], salt: &[u8], modulus_bits: u64) -> Vec<u8> {
    let bits = usize::try_from(modulus_bits - 1).expect("a size");
    let length = bits.div_ceil(8);
    let digest = Sha256::digest(message);
    let hash = Sha256::new().chain_update([0; 8]).chain_update(digest).chain_update(salt).finalize();
    let mut block = vec![0; length - 33];
    let start = block.len() - salt.len();
    block[start..].copy_from_slice(salt);
    block[start - 1] = 1;
    for (counter, part) in (0_u32..).zip(block.chunks_mut(32)) {
        let mask = Sha256::new().chain_update(hash).chain_update(counter.to_be_bytes()).finalize();
        part.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
    block[0] &= 0xff >> (8 * length - bits);
    [&block, &*hash, &[0xbc]].concat()
}
