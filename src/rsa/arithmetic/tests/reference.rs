//! Whole operations of real keys against those of the crate `rsa`, whose arithmetic (`crypto-bigint`) shares no code with
//! this one: RSAVP1 and RSASP1 (RFC 8017 §5.2), the latter as the filter does it, with blinding.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "all of this is a test, its helpers too")]

use std::convert::Infallible;

use num_bigint::BigUint;
use rsa::hazmat::{rsa_decrypt, rsa_encrypt};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use rsa::{BoxedUint, RsaPrivateKey};
use rsa_arithmetic::{Crt, Kernel, Number, PublicRing};

const EXPONENT: u64 = 65537;

/// Random numbers, the same in each run (xorshift64*).
struct Random(u64);

#[test]
fn the_scalar_kernel_calculates_as_rsa_does() {
    compare(Kernel::scalar(), 40);
}

#[test]
fn the_fused_kernel_calculates_as_rsa_does() {
    compare(Kernel::fused().unwrap(), 10);
}

fn compare(kernel: Kernel, messages: usize) {
    let mut random = Random(1);
    for bits in [2048, 2048, 2050, 3072] {
        let key = RsaPrivateKey::new(&mut random, bits).unwrap();
        let bytes = bits.div_ceil(8);
        let modulus = big(key.n());
        let ring = PublicRing::new(&modulus.to_bytes_be(), bits, kernel);
        let crt = crt(&key, bits, kernel);
        for case in 0..messages {
            let number = match case {
                0 => BigUint::ZERO,
                1 => BigUint::from(1_u32),
                2 => &modulus - 1_u32,
                3 => big(key.primes()[0].as_ref()),
                _ => random.number(bits) % &modulus,
            };
            let message = BoxedUint::from_be_slice(&padded(&number, bytes), key.n().bits_precision()).unwrap();
            let ours = ring.number(&number.to_bytes_be());
            let verified = ring.power_times(&ours, EXPONENT, &ours);
            assert_eq!(*verified.to_be_bytes(bytes), padded(&big(&rsa_encrypt(&key, &message).unwrap()), bytes));
            let factor = ring.number(&(random.number(bits) % &modulus).to_bytes_be());
            let signed = big(&rsa_decrypt(None::<&mut Random>, &key, &message).unwrap());
            let signature = sign(&ring, &crt, &ours, &factor);
            assert_eq!(*signature.to_be_bytes(bytes), padded(&signed, bytes), "{number:x}");
        }
    }
}

/// m^d, as `private.rs` of the filter has it.
fn sign(ring: &PublicRing, crt: &Crt, message: &Number, factor: &Number) -> Number {
    let blinded = ring.power_times(factor, EXPONENT, &ring.multiply(message, factor));
    let inverse = ring.multiply(&crt.inverse_power(&blinded), factor);
    ring.power_times(&inverse, EXPONENT, message)
}

fn crt(key: &RsaPrivateKey, bits: usize, kernel: Kernel) -> Crt {
    let [p, q] = [0, 1].map(|index| big(key.primes()[index].as_ref()));
    let [exponent_p, exponent_q] = [&p, &q].map(|factor| big(key.d()) % (factor - 1_u32));
    let coefficient = q.modinv(&p).unwrap();
    let numbers = [&p, &q, &exponent_p, &exponent_q, &coefficient].map(BigUint::to_bytes_be);
    Crt::new(numbers.each_ref().map(Vec::as_slice), bits, kernel)
}

fn big(number: &BoxedUint) -> BigUint {
    BigUint::from_bytes_be(&number.to_be_bytes())
}

fn padded(number: &BigUint, length: usize) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; length - bytes.len()], bytes].concat()
}

impl Random {
    fn number(&mut self, bits: usize) -> BigUint {
        let mut bytes = vec![0; bits.div_ceil(8)];
        self.try_fill_bytes(&mut bytes).unwrap();
        BigUint::from_bytes_be(&bytes)
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::try_from(self.try_next_u64()? >> 32).unwrap())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        Ok(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.try_next_u64()?.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Good enough for keys of tests.
impl TryCryptoRng for Random {}
