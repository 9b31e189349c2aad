use std::collections::BTreeSet;
use std::sync::LazyLock;

use ::rsa::BoxedUint;
use ::rsa::pkcs1::{EncodeRsaPrivateKey as _, OtherPrimeInfo, RsaPrivateKeyRef, UintRef};
use ::rsa::pkcs8::PrivateKeyInfoRef;
use ::rsa::traits::PublicKeyParts as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents};
use der::{Decode as _, Encode as _};
use num_bigint::BigUint;
use proptest::prelude::*;
use rsa_arithmetic::Crt;
use zeroize::ZeroizeOnDrop;

use super::*;
use crate::rsa::hedge::HedgeSecret;
use crate::testing::{EcSigningKey, SigningKey, pem};

const NONCE: [u8; 32] = [7; 32];

/// The numbers of a key as they stand in PKCS#1, to be changed.
#[derive(Clone)]
struct Numbers([Vec<u8>; 8]);

const N: usize = 0;
const E: usize = 1;
const D: usize = 2;
const P: usize = 3;
const Q: usize = 4;
const EXPONENT1: usize = 5;
const EXPONENT2: usize = 6;
const COEFFICIENT: usize = 7;

static FIRST: LazyLock<Numbers> = LazyLock::new(|| Numbers::of(&PKCS1));

/// The first key in PKCS#8 and PKCS#1.
static PKCS8: LazyLock<Vec<u8>> = LazyLock::new(|| SigningKey::first().der());
static PKCS1: LazyLock<Vec<u8>> =
    LazyLock::new(|| PrivateKeyInfoRef::from_der(&PKCS8).unwrap().private_key.as_bytes().to_vec());

impl Numbers {
    fn of(pkcs1: &[u8]) -> Self {
        let file = RsaPrivateKeyRef::from_der(pkcs1).unwrap();
        let numbers = [file.modulus, file.public_exponent, file.private_exponent, file.prime1, file.prime2];
        let [n, e, d, p, q] = numbers.map(|number| number.as_bytes().to_vec());
        let [exponent1, exponent2, coefficient] =
            [file.exponent1, file.exponent2, file.coefficient].map(|number| number.as_bytes().to_vec());
        Self([n, e, d, p, q, exponent1, exponent2, coefficient])
    }

    fn with(&self, number: usize, value: &[u8]) -> Self {
        let mut changed = self.clone();
        changed.0[number] = value.to_vec();
        changed
    }

    fn file(&self) -> RsaPrivateKeyRef<'_> {
        let [n, e, d, p, q, exponent1, exponent2, coefficient] =
            self.0.each_ref().map(|number| UintRef::new(number).unwrap());
        RsaPrivateKeyRef {
            modulus: n,
            public_exponent: e,
            private_exponent: d,
            prime1: p,
            prime2: q,
            exponent1,
            exponent2,
            coefficient,
            other_prime_infos: None,
        }
    }

    fn pem(&self) -> String {
        pem("RSA PRIVATE KEY", &self.file().to_der().unwrap())
    }

    fn read(&self) -> Result<RsaPrivateKey, PrivateKeyError> {
        RsaPrivateKey::from_pem(&self.pem())
    }
}

fn first() -> RsaPrivateKey {
    RsaPrivateKey::from_pem(&SigningKey::first().pem()).unwrap()
}

/// By an implementation that is not the one under test.
fn verifies(key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> bool {
    let public = RsaPublicKeyComponents { n: key.modulus(), e: key.exponent() };
    public.verify(&RSA_PSS_2048_8192_SHA256, message, signature).is_ok()
}

/// Whether a key that was made from these numbers signs.
fn signs(key: &RsaPrivateKey) -> bool {
    let signature = key.sign_ps256(b"message", &NONCE).unwrap();
    verifies(key.public(), b"message", &signature) && !verifies(key.public(), b"massage", &signature)
}

#[test]
fn signatures_verify_with_another_implementation_at_every_size() {
    for size in [KeySize::Rsa2048, KeySize::Rsa3072, KeySize::Rsa4096] {
        let other = SigningKey::generate(size);
        let key = RsaPrivateKey::from_pem(&other.pem()).unwrap();
        assert_eq!(&*key.public().modulus(), other.modulus());
        assert_eq!(key.sign_ps256(b"", &NONCE).unwrap().len(), other.modulus().len());
        assert!(signs(&key));
    }
}

/// 2049 bits: the encoded message is a byte shorter than the modulus (RFC 8017 §8.1.1).
#[test]
fn unusual_exponents_and_sizes_are_no_obstacle() {
    for (bits, exponent) in [(2048_u32, 3), (2049, 65537), (2048, (1_u64 << 33) - 9)] {
        let mut generator = HedgeSecret::of([b"p", b"q"]).generator(&NONCE, &[0; 32]);
        let key =
            ::rsa::RsaPrivateKey::new_with_exp(&mut generator, bits.try_into().unwrap(), exponent.into()).unwrap();
        assert_eq!(key.n().bits(), bits);
        let der = key.to_pkcs1_der().unwrap();
        assert!(signs(&RsaPrivateKey::from_pem(&pem("RSA PRIVATE KEY", der.as_bytes())).unwrap()), "{exponent}");
    }
}

#[test]
fn pkcs8_and_pkcs1_give_the_same_key() {
    let key = FIRST.read().unwrap();
    assert_eq!(key, first());
    assert_eq!(key.sign_ps256(b"message", &NONCE), first().sign_ps256(b"message", &NONCE));
    assert_ne!(key, RsaPrivateKey::from_pem(&SigningKey::second().pem()).unwrap());
}

#[test]
fn white_space_does_not_matter() {
    let text = SigningKey::first().pem();
    let lines = text.trim().lines();
    for text in [
        text.trim().to_owned(),
        text.replace('\n', "\r\n"),
        text.replace('\n', "\r"),
        format!("\r\n\t {text}\n\n"),
        lines.clone().map(|line| format!("  {line}  \n")).collect(),
        lines.collect::<Vec<_>>().join(" "),
        text.replace("-----\n", "-----\n\n"),
        text.replace('\n', "\\n"),
        format!("Private-Key: (2048 bit, 2 primes)\nmodulus:\n    00:c8\n{text}"),
        format!("Bag Attributes\n    localKeyID: 01 \nKey Attributes: <No Attributes>\n{text}").replace('\n', "\\n"),
    ] {
        assert_eq!(RsaPrivateKey::from_pem(&text), Ok(first()), "{text}");
    }
}

#[test]
fn a_text_that_is_no_pem_of_a_private_rsa_key_is_refused_for_what_it_is() {
    let good = SigningKey::first().pem();
    let public = SigningKey::first().public_pem();
    let der = &*PKCS1;
    let encrypted = pem("RSA PRIVATE KEY", der).replacen(
        "-----\n",
        "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00000000000000000000000000000000\n\n",
        1,
    );
    let cases = [
        ("", PrivateKeyError::NotPem),
        ("SIG4_PRIVATE_KEY", PrivateKeyError::NotPem),
        (good.trim_start_matches('-'), PrivateKeyError::NotPem),
        (good.trim_end_matches("-\n"), PrivateKeyError::NotPem),
        (&format!("{good}my key"), PrivateKeyError::NotPem),
        (&good.replace("END PRIVATE", "END RSA PRIVATE"), PrivateKeyError::NotPem),
        (&good.replace('\n', "\\t"), PrivateKeyError::NotPem),
        (&good.replacen("MII", "MI_", 1), PrivateKeyError::NotPem),
        (&good.replacen("MII", "MI", 1), PrivateKeyError::NotPem),
        (&good.replacen("-----\n", "-----\nComment: mine\n\n", 1), PrivateKeyError::NotPem),
        (&pem("PRIVATE KEY", &[0; 16 * 1024]), PrivateKeyError::NotPem),
        (&format!("{good}{good}"), PrivateKeyError::SeveralBlocks),
        (&format!("{good}{public}"), PrivateKeyError::SeveralBlocks),
        (&good.replacen("-----\n", "-----\n-----BEGIN PRIVATE KEY-----\n", 1), PrivateKeyError::SeveralBlocks),
        (&pem("ENCRYPTED PRIVATE KEY", der), PrivateKeyError::Encrypted),
        (&encrypted, PrivateKeyError::Encrypted),
        (&encrypted.replace('\n', "\r\n"), PrivateKeyError::Encrypted),
        (&encrypted.replace('\n', "\\n"), PrivateKeyError::Encrypted),
        (&format!("Bag Attributes\n{encrypted}"), PrivateKeyError::Encrypted),
        (&format!("subject=CN=a\n{}", pem("CERTIFICATE", der)), PrivateKeyError::Certificate),
        (&public, PrivateKeyError::PublicKey),
        (&pem("RSA PUBLIC KEY", der), PrivateKeyError::PublicKey),
        (&pem("CERTIFICATE", der), PrivateKeyError::Certificate),
        (&pem("OPENSSH PRIVATE KEY", der), PrivateKeyError::OtherFormat),
        (&pem("CERTIFICATE REQUEST", der), PrivateKeyError::OtherFormat),
        (&pem("", der), PrivateKeyError::OtherFormat),
        (&EcSigningKey::first().pem(), PrivateKeyError::OtherAlgorithm),
        (&pem("EC PRIVATE KEY", der), PrivateKeyError::OtherAlgorithm),
        (&pem("PRIVATE KEY", der), PrivateKeyError::Malformed),
        (&pem("RSA PRIVATE KEY", &PKCS8), PrivateKeyError::Malformed),
        (&pem("RSA PRIVATE KEY", &[]), PrivateKeyError::Malformed),
        (&pem("RSA PRIVATE KEY", &der[..der.len() - 1]), PrivateKeyError::Malformed),
        (&pem("RSA PRIVATE KEY", &[der.as_slice(), &[0]].concat()), PrivateKeyError::Malformed),
        (&pem("PRIVATE KEY", &[PKCS8.as_slice(), &[0]].concat()), PrivateKeyError::Malformed),
    ];
    for (text, error) in cases {
        assert_eq!(RsaPrivateKey::from_pem(text), Err(error), "{}", text.get(..60).unwrap_or(text));
    }
}

#[test]
fn each_error_reads_as_what_the_operator_gave() {
    let error = RsaPrivateKey::from_pem(&pem("ENCRYPTED PRIVATE KEY", &[])).unwrap_err();
    assert_eq!(error.to_string(), "an encrypted key");
    assert_eq!(PrivateKeyError::TooSmall.to_string(), "a key of fewer than 2048 bits");
    assert_eq!(PrivateKeyError::TooLarge.to_string(), "a key of more than 4096 bits");
}

#[test]
fn weak_keys_are_refused_for_what_they_are() {
    let number = |bytes: usize, first: u8| [&[first][..], &vec![0xff; bytes - 1]].concat();
    let even = [&FIRST.0[N][..255], &[0]].concat();
    let cases = [
        (FIRST.with(N, &number(128, 0xff)), PrivateKeyError::TooSmall),
        (FIRST.with(N, &number(256, 0x7f)), PrivateKeyError::TooSmall),
        (FIRST.with(N, &[0]), PrivateKeyError::TooSmall),
        (FIRST.with(N, &number(513, 0x01)), PrivateKeyError::TooLarge),
        (FIRST.with(N, &number(1024, 0xff)), PrivateKeyError::TooLarge),
        (FIRST.with(N, &even), PrivateKeyError::Inconsistent),
        (FIRST.with(E, &[1]), PrivateKeyError::Exponent),
        (FIRST.with(E, &[2]), PrivateKeyError::Exponent),
        (FIRST.with(E, &[1, 0, 0]), PrivateKeyError::Exponent),
        (FIRST.with(E, &[2, 0, 0, 0, 1]), PrivateKeyError::Exponent),
        (FIRST.with(P, &number(129, 0x01)), PrivateKeyError::PrimeSize),
        (FIRST.with(Q, &FIRST.0[N]), PrivateKeyError::PrimeSize),
    ];
    for (index, (numbers, error)) in cases.iter().enumerate() {
        assert_eq!(numbers.read(), Err(*error), "case {index}");
    }
    let small = ::rsa::RsaPrivateKey::new(&mut HedgeSecret::of([b"", b""]).generator(&NONCE, &[0; 32]), 1024).unwrap();
    let small = pem("RSA PRIVATE KEY", small.to_pkcs1_der().unwrap().as_bytes());
    assert_eq!(RsaPrivateKey::from_pem(&small), Err(PrivateKeyError::TooSmall));
}

#[test]
fn a_key_of_three_primes_is_refused() {
    let mut file = FIRST.file();
    let three = UintRef::new(&[3]).unwrap();
    file.other_prime_infos = Some(vec![OtherPrimeInfo { prime: three, exponent: three, coefficient: three }]);
    let text = pem("RSA PRIVATE KEY", &file.to_der().unwrap());
    assert_eq!(RsaPrivateKey::from_pem(&text), Err(PrivateKeyError::MultiPrime));
}

#[test]
fn numbers_that_do_not_belong_together_are_refused() {
    let second = Numbers::of(PrivateKeyInfoRef::from_der(&SigningKey::second().der()).unwrap().private_key.as_bytes());
    for (number, other) in second.0.iter().enumerate().filter(|(number, _)| *number != E) {
        assert_eq!(FIRST.with(number, other).read(), Err(PrivateKeyError::Inconsistent), "number {number}");
    }
    assert_eq!(FIRST.with(E, &[3]).read(), Err(PrivateKeyError::Inconsistent));
}

#[test]
fn the_primes_may_stand_in_either_order_with_the_numbers_that_follow_from_it() {
    let numbers = &FIRST.0;
    let mut swapped = FIRST.clone();
    swapped.0.swap(P, Q);
    swapped.0.swap(EXPONENT1, EXPONENT2);
    assert_eq!(swapped.read(), Err(PrivateKeyError::Inconsistent), "the coefficient belongs to the other order");
    let [n, e, d, p, q] = [N, E, D, P, Q].map(|number| BoxedUint::from_be_slice_vartime(&numbers[number]));
    let key = ::rsa::RsaPrivateKey::from_components(n, e, d, vec![q, p]).unwrap();
    let coefficient = key.crt_coefficient().unwrap().to_be_bytes();
    assert!(signs(&swapped.with(COEFFICIENT, &coefficient).read().unwrap()));
}

/// n = p², and everything else fits. Without a coefficient there is no CRT, and the crate goes on without it.
#[test]
fn one_prime_twice_is_refused() {
    let [p, q] = [P, Q].map(|number| BoxedUint::from_be_slice(&FIRST.0[number], 2048).unwrap());
    let (prime, exponent) = if p > q { (P, EXPONENT1) } else { (Q, EXPONENT2) };
    let p = p.max(q);
    let (prime, exponent) = (FIRST.0[prime].clone(), FIRST.0[exponent].clone());
    let mut numbers = FIRST.with(N, &p.wrapping_mul(&p).to_be_bytes()).with(D, &exponent);
    for number in [P, Q] {
        numbers = numbers.with(number, &prime);
    }
    for number in [EXPONENT1, EXPONENT2] {
        numbers = numbers.with(number, &exponent);
    }
    assert_eq!(numbers.read(), Err(PrivateKeyError::Inconsistent));
}

/// A key that agrees with itself, but one of its "primes" is divisible by 3.
fn with_a_composite() -> ::rsa::RsaPrivateKey {
    let [p, q] = [P, Q].map(|number| BoxedUint::from_be_slice(&FIRST.0[number], 1024).unwrap());
    let composite = [2_u8, 4].map(|more| p.wrapping_add(BoxedUint::from(more)));
    let is_multiple_of_3 =
        |number: &&BoxedUint| number.to_be_bytes().iter().map(|byte| u32::from(*byte)).sum::<u32>() % 3 == 0;
    let composite = composite.iter().find(is_multiple_of_3).unwrap().clone();
    ::rsa::RsaPrivateKey::from_p_q(composite, q, 65537_u32.into()).unwrap()
}

#[test]
fn a_prime_that_is_none_is_refused_even_if_all_numbers_agree() {
    let text = pem("RSA PRIVATE KEY", with_a_composite().to_pkcs1_der().unwrap().as_bytes());
    assert!(read::pair(&text).is_ok(), "only the trial finds it");
    assert_eq!(RsaPrivateKey::from_pem(&text), Err(PrivateKeyError::Inconsistent));
}

#[test]
fn no_faulty_signature_leaves() {
    let pair = |crt: Crt, public: &RsaPublicKey| {
        let secret = HedgeSecret::of([b"p", b"q"]);
        RsaPrivateKey(Rc::new(Pair { crt, public: public.clone(), secret }))
    };
    let sign = |key: RsaPrivateKey| key.sign_ps256(b"message", &NONCE);
    let crt = || read::pair(&FIRST.pem()).unwrap().crt;
    assert!(sign(pair(crt(), first().public())).is_ok());
    // A calculation that goes wrong modulo one factor.
    let faulty = read::pair(&pem("RSA PRIVATE KEY", with_a_composite().to_pkcs1_der().unwrap().as_bytes())).unwrap();
    assert_eq!(sign(pair(faulty.crt, &faulty.public)), Err(SigningFault));
    // A signature of another key.
    let second = RsaPrivateKey::from_pem(&SigningKey::second().pem()).unwrap();
    assert_eq!(sign(pair(crt(), second.public())), Err(SigningFault));
}

/// RFC 8017 §5.2.1: one power, whatever it was blinded with.
#[test]
fn the_blinding_does_not_change_a_signature() {
    let key = first();
    let [n, d] = [N, D].map(|number| BigUint::from_bytes_be(&FIRST.0[number]));
    let largest = (&n - 1_u32).to_bytes_be();
    let multiple = (&n - BigUint::from_bytes_be(&FIRST.0[P])).to_bytes_be();
    let messages: [&[u8]; 6] = [&[0], &[1], &[2], &[0x7f; 256], &largest, &multiple];
    for message in messages {
        let expected = BigUint::from_bytes_be(message).modpow(&d, &n);
        for nonce in [1, 2] {
            let mut generator = key.0.secret.generator(&[nonce; 32], &[1; 32]);
            let power = key.0.power(message, &mut generator).unwrap();
            assert_eq!((BigUint::from_bytes_be(&power), power.len()), (expected.clone(), 256), "{message:x?}");
        }
    }
}

/// What the secret exponent is applied to has nothing in common with the message.
#[test]
fn blinding_factors_are_below_the_modulus_and_differ() {
    let key = first();
    let n = BigUint::from_bytes_be(&FIRST.0[N]);
    let factor = |nonce: u8| key.0.blinding_factor(&mut key.0.secret.generator(&[nonce; 32], &[1; 32])).unwrap();
    let factors: BTreeSet<_> = (0..50).map(|nonce| BigUint::from_bytes_be(&factor(nonce).to_be_bytes(256))).collect();
    assert_eq!(factors.len(), 50);
    assert!(factors.iter().all(|factor| *factor < n));
    // They have the length of the modulus, less what chance takes away.
    assert!(factors.iter().all(|factor| factor.bits() > 2000));
}

#[test]
fn a_signature_follows_from_key_message_and_nonce_alone() {
    let second = RsaPrivateKey::from_pem(&SigningKey::second().pem()).unwrap();
    let sign = |key: &RsaPrivateKey, message: &[u8], nonce: u8| key.sign_ps256(message, &[nonce; 32]).unwrap();
    let signature = sign(&first(), b"message", 1);
    assert_eq!(sign(&first(), b"message", 1), signature);
    assert_ne!(sign(&first(), b"message", 2), signature);
    assert_ne!(sign(&first(), b"massage", 1), signature);
    assert_ne!(sign(&second, b"message", 1), signature);
}

/// The salt takes one block of 32 bytes; what is drawn beyond it is the blinding factor.
#[test]
fn each_signature_is_blinded() {
    let key = first();
    let mut generator = key.0.secret.generator(&NONCE, &[1; 32]);
    key.0.sign(&[1; 32], &mut generator).unwrap();
    assert!(generator.drawn() > 2048 / 256);
}

#[test]
fn the_secret_of_the_salts_follows_from_the_key() {
    let salt = |key: &RsaPrivateKey| {
        let mut salt = [0; 32];
        ::rsa::rand_core::Rng::fill_bytes(&mut key.0.secret.generator(&NONCE, &[1; 32]), &mut salt);
        salt
    };
    let second = RsaPrivateKey::from_pem(&SigningKey::second().pem()).unwrap();
    assert_eq!(salt(&first()), salt(&FIRST.read().unwrap()));
    assert_ne!(salt(&first()), salt(&second));
}

#[test]
fn a_key_prints_nothing_and_is_overwritten_when_it_goes() {
    fn is_overwritten<T: ZeroizeOnDrop>(_: &T) {}
    assert_eq!(format!("{:?}", first()), "RsaPrivateKey([redacted])");
    let key = first();
    is_overwritten(&key.0.blinding_factor(&mut key.0.secret.generator(&NONCE, &[1; 32])).unwrap());
    is_overwritten(&key.0.crt);
    is_overwritten(&first().0.sign(&[1; 32], &mut first().0.secret.generator(&NONCE, &[1; 32])).unwrap());
}

/// Each number in turn, in every way that arithmetic may stumble over.
#[test]
fn hostile_numbers_are_refused_without_a_panic() {
    for number in 0..8 {
        let original = &FIRST.0[number];
        let one_more = BoxedUint::from_be_slice_vartime(original).wrapping_add(BoxedUint::one()).to_be_bytes();
        let values: [&[u8]; 12] = [
            &[],
            &[1],
            &[2],
            &[3],
            &[0x80],
            &[0xff; 128],
            &[0xff; 256],
            &[0xff; 257],
            &[0xff; 1024],
            &[&[0x80][..], &[0; 127]].concat(),
            &[&[0x80][..], &[0; 255]].concat(),
            &one_more,
        ];
        for value in values {
            assert!(FIRST.with(number, value).read().is_err(), "number {number}, {value:?}");
        }
    }
    for same in [&[1][..], &[3], &FIRST.0[N], &FIRST.0[P], &[0xff; 128]] {
        let numbers = [P, Q, D, EXPONENT1, EXPONENT2, COEFFICIENT];
        let changed = numbers.iter().fold(FIRST.clone(), |changed, number| changed.with(*number, same));
        assert!(changed.read().is_err(), "{same:?}");
    }
}

#[test]
fn no_byte_of_a_file_may_change() {
    for (label, der) in [("PRIVATE KEY", &*PKCS8), ("RSA PRIVATE KEY", &*PKCS1)] {
        for byte in 0..der.len() {
            let mut changed = der.clone();
            changed[byte] ^= 1 << (byte % 8);
            assert!(RsaPrivateKey::from_pem(&pem(label, &changed)).is_err(), "{label}: byte {byte}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        prop_assert!(RsaPrivateKey::from_pem(&text).is_err());
        let block = format!("-----BEGIN PRIVATE KEY-----{text}-----END PRIVATE KEY-----");
        prop_assert!(RsaPrivateKey::from_pem(&block).is_err());
    }

    #[test]
    fn a_changed_file_is_refused_or_signs(
        is_pkcs8: bool,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..6),
    ) {
        let (label, der) = if is_pkcs8 { ("PRIVATE KEY", &*PKCS8) } else { ("RSA PRIVATE KEY", &*PKCS1) };
        let mut changed = der.clone();
        for (index, value, kind) in edits {
            let index = index.index(changed.len());
            match kind {
                0 => changed[index] = value,
                1 => changed.insert(index, value),
                _ => changed.truncate(index.max(1)),
            }
        }
        if let Ok(key) = RsaPrivateKey::from_pem(&pem(label, &changed)) {
            prop_assert!(signs(&key));
        }
    }

    #[test]
    fn changed_pem_is_refused_or_the_same_key(index: prop::sample::Index, character: char) {
        let mut text = SigningKey::first().pem();
        let index = index.index(text.len());
        text.replace_range(index..=index, character.encode_utf8(&mut [0; 4]));
        if let Ok(key) = RsaPrivateKey::from_pem(&text) {
            prop_assert_eq!(key, first());
        }
    }
}
