//! How long the filter's RSA takes, and that of the crate `rsa`, by the same clock in the same engine.

use std::convert::Infallible;
use std::hint::black_box;

use hub_auth_filter::rsa::RsaPrivateKey;
use rsa::BoxedUint;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::pss::{Signature, SigningKey, VerifyingKey};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _, Verifier as _};
use sha2::Sha256;

use crate::answers::{public, ring, verifies};
use crate::question::{By, PublicKey, Time, Work};

/// Does the work for about so many nanoseconds, at least once. What is done once only is not counted.
pub(crate) fn time(work: &Work, budget: u64, clock: impl Fn() -> u64) -> Result<Time, &'static str> {
    match work {
        Work::Verify(By::Filter, signed) => {
            let key = public(&signed.key)?;
            repeat(budget, clock, || verifies(black_box(&key), black_box(signed)))
        }
        Work::Verify(By::Reference, signed) => {
            let key = VerifyingKey::<Sha256>::new(reference(&signed.key)?);
            let signature = &*signed.signature.0;
            repeat(budget, clock, || {
                let signature = Signature::try_from(black_box(signature));
                signature.is_ok_and(|signature| key.verify(black_box(&signed.message.0), &signature).is_ok())
            })
        }
        Work::Sign(By::Filter, key, message) => {
            let key = RsaPrivateKey::from_pem(key).map_err(|_| "not an acceptable private key")?;
            repeat(budget, clock, || black_box(key.sign_ps256(black_box(&message.0), &[1; 32])).is_ok())
        }
        Work::Sign(By::Reference, key, message) => {
            let key = rsa::RsaPrivateKey::from_pkcs8_pem(key).map_err(|_| "not PKCS#8 in PEM")?;
            let (key, mut numbers) = (SigningKey::<Sha256>::new(key), Numbers(1));
            repeat(budget, clock, || {
                let signature = key.try_sign_with_rng(&mut numbers, black_box(&message.0));
                signature.is_ok_and(|signature| !black_box(signature.to_bytes()).is_empty())
            })
        }
        Work::SetUp(key) => repeat(budget, clock, || {
            public(black_box(key)).is_ok_and(|key| {
                black_box(ring(&key));
                true
            })
        }),
    }
}

/// The first repetition fills caches and says how many more fit into the budget. It counts only if no more do.
fn repeat(budget: u64, clock: impl Fn() -> u64, mut work: impl FnMut() -> bool) -> Result<Time, &'static str> {
    let mut run = |repetitions: u64| {
        let start = clock();
        let succeeded = (0..repetitions).all(|_| work());
        let nanoseconds = clock().saturating_sub(start);
        if succeeded { Ok(Time { repetitions, nanoseconds }) } else { Err("work that does not succeed") }
    };
    let first = run(1)?;
    match budget.saturating_sub(first.nanoseconds) / first.nanoseconds.max(1) {
        0 => Ok(first),
        more => run(more),
    }
}

fn reference(key: &PublicKey) -> Result<rsa::RsaPublicKey, &'static str> {
    let [n, e] = [&key.modulus, &key.exponent].map(|number| BoxedUint::from_be_slice_vartime(&number.0));
    rsa::RsaPublicKey::new(n, e).map_err(|_| "not a public key of the crate")
}

/// Numbers for salts and blinding that cost next to nothing (SplitMix64). Only time is taken here.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl TryRng for Numbers {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }

    fn try_fill_bytes(&mut self, output: &mut [u8]) -> Result<(), Infallible> {
        output.chunks_mut(8).for_each(|part| part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]));
        Ok(())
    }
}

impl TryCryptoRng for Numbers {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A clock on which one repetition takes so long.
    fn repetitions(each: u64, budget: u64) -> Time {
        let now = Cell::new(7);
        let work = || {
            now.set(now.get() + each);
            true
        };
        repeat(budget, || now.get(), work).unwrap()
    }

    #[test]
    fn what_fits_into_the_budget_is_repeated_and_the_first_time_is_not_counted() {
        assert_eq!(repetitions(10, 100), Time { repetitions: 9, nanoseconds: 90 });
        assert_eq!(repetitions(60, 100), Time { repetitions: 1, nanoseconds: 60 });
        assert_eq!(repetitions(101, 100), Time { repetitions: 1, nanoseconds: 101 });
    }

    #[test]
    fn work_that_fails_has_no_time() {
        assert!(repeat(100, || 0, || false).is_err());
    }
}
