//! Keys of any size with any public exponent, made at once: their moduli are products of many small primes. That is no key
//! to keep a secret with, but verification cannot tell, and every size has valid signatures.

use num_bigint::BigUint;
use sha2::{Digest as _, Sha256};
use wasm_tests::probe::PublicKey;

/// Sizes of moduli in bits: those in use, and such as fill the limbs and blocks of the kernels, or just do not.
pub const SIZES: [u64; 9] = [2048, 2049, 2056, 2080, 2081, 3072, 3073, 4095, 4096];

/// Public exponents: the smallest, the one in use, and the largest.
pub const EXPONENTS: [u64; 3] = [3, 65537, (1 << 33) - 1];

/// The bits of most primes: few enough that their squares fit into 128 bits, and primes are found at once.
const PRIME_BITS: u64 = 48;

/// A private key. Its modulus is the product of primes.
pub struct SmallPrimes {
    /// n
    pub modulus: BigUint,
    /// e
    pub exponent: u64,
    factors: Vec<Factor>,
}

/// A prime factor of a modulus.
struct Factor {
    prime: u64,
    /// The private exponent modulo it.
    private_exponent: u64,
    /// 1 modulo this prime and 0 modulo the others: the Chinese remainder theorem.
    coefficient: BigUint,
}

/// Numbers that look random and are the same in every run.
pub struct Numbers {
    seed: Vec<u8>,
    drawn: u64,
}

impl Numbers {
    /// A sequence of its own for every seed.
    pub fn new(seed: &str) -> Self {
        Self { seed: seed.into(), drawn: 0 }
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            bytes.extend(Sha256::new().chain_update(&self.seed).chain_update(self.drawn.to_be_bytes()).finalize());
            self.drawn += 1;
        }
        bytes.truncate(length);
        bytes
    }

    /// A number below this one.
    pub fn below(&mut self, bound: &BigUint) -> BigUint {
        BigUint::from_bytes_be(&self.bytes(length(bound) + 8)) % bound
    }
}

impl SmallPrimes {
    /// A key of exactly so many bits.
    pub fn new(bits: u64, exponent: u64) -> Self {
        let mut numbers = Numbers::new(&format!("{bits} {exponent}"));
        let mut primes = Vec::new();
        let mut modulus = BigUint::from(1_u32);
        while bits - modulus.bits() > PRIME_BITS + 14 {
            let low = BigUint::from(1_u32) << (PRIME_BITS - 1);
            push(prime_from(&low, &mut numbers, exponent), &mut primes, &mut modulus);
        }
        // The last one makes the size exact: from the number with which the product has so many bits to its double.
        let low = (BigUint::from(1_u32) << (bits - 1)) / &modulus + 1_u32;
        push(prime_from(&low, &mut numbers, exponent), &mut primes, &mut modulus);
        assert_eq!(modulus.bits(), bits);
        let factors = primes.into_iter().map(|prime| Factor::new(prime, &modulus, exponent)).collect();
        Self { modulus, exponent, factors }
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        public(&self.modulus, self.exponent)
    }

    /// The length of the modulus in bytes.
    pub fn length(&self) -> usize {
        length(&self.modulus)
    }

    /// The signature whose encoded message is this one (RSASP1, RFC 8017 §5.2.1).
    pub fn sign_encoded(&self, encoded: &[u8]) -> BigUint {
        let encoded = BigUint::from_bytes_be(encoded);
        self.factors.iter().map(|factor| factor.power(&encoded)).sum::<BigUint>() % &self.modulus
    }
}

impl Factor {
    fn new(prime: u64, modulus: &BigUint, exponent: u64) -> Self {
        let private_exponent = inverse(&exponent.into(), prime - 1);
        let others = modulus / prime;
        Self { prime, private_exponent, coefficient: &others * inverse(&others, prime) }
    }

    /// This factor's part of the power to the private exponent.
    fn power(&self, base: &BigUint) -> BigUint {
        let base = u64::try_from(base % self.prime).expect("a number below the prime");
        &self.coefficient * power(base, self.private_exponent, self.prime)
    }
}

/// A public key of these numbers.
pub fn public(modulus: &BigUint, exponent: u64) -> PublicKey {
    PublicKey { modulus: modulus.to_bytes_be().into(), exponent: BigUint::from(exponent).to_bytes_be().into() }
}

/// The length of a number in bytes.
pub fn length(number: &BigUint) -> usize {
    usize::try_from(number.bits().div_ceil(8)).expect("a length")
}

/// A number in so many bytes (I2OSP, RFC 8017 §4.1).
pub fn bytes(number: &BigUint, length: usize) -> Vec<u8> {
    let digits = number.to_bytes_be();
    let zeros = length.checked_sub(digits.len()).expect("a number that fits");
    [vec![0; zeros], digits].concat()
}

fn inverse(number: &BigUint, modulus: u64) -> u64 {
    let inverse = number.modinv(&modulus.into()).expect("a number that has an inverse");
    u64::try_from(inverse).expect("a number below the modulus")
}

fn push(prime: u64, primes: &mut Vec<u64>, modulus: &mut BigUint) {
    assert!(!primes.contains(&prime), "a prime must not come twice");
    primes.push(prime);
    *modulus *= prime;
}

/// A prime from `low` to less than its double that the exponent has an inverse for.
fn prime_from(low: &BigUint, numbers: &mut Numbers, exponent: u64) -> u64 {
    let start = u64::try_from(low + numbers.below(&(low * 3_u32 / 4_u32))).expect("a small number") | 1;
    let prime = (start..).step_by(2).find(|number| is_prime(*number) && common_divisor(exponent, number - 1) == 1);
    let prime = prime.expect("a prime");
    assert!(BigUint::from(prime) < low * 2_u32, "primes are denser than that");
    prime
}

/// Miller and Rabin's test with bases that make it certain for all numbers of 64 bits.
fn is_prime(number: u64) -> bool {
    const BASES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];
    if BASES.iter().any(|base| number.is_multiple_of(*base)) {
        return BASES.contains(&number);
    }
    let twos = (number - 1).trailing_zeros();
    BASES.iter().all(|base| {
        let mut power = power(*base, (number - 1) >> twos, number);
        power == 1
            || (0..twos).any(|_| {
                let found = power == number - 1;
                power = multiply(power, power, number);
                found
            })
    })
}

fn power(base: u64, exponent: u64, modulus: u64) -> u64 {
    (0..64).rev().fold(1, |power, bit| {
        let square = multiply(power, power, modulus);
        if exponent >> bit & 1 == 1 { multiply(square, base, modulus) } else { square }
    })
}

fn multiply(a: u64, b: u64, modulus: u64) -> u64 {
    u64::try_from(u128::from(a) * u128::from(b) % u128::from(modulus)).expect("a number below the modulus")
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
