//! How long the filter's RSA takes, and that of the crate `rsa`, by the same clock in the same engine.

use std::convert::Infallible;
use std::hint::black_box;

use hub_auth_filter::facade::rsa::RsaPrivateKey;
use rsa::BoxedUint;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::pss::{Signature, SigningKey, VerifyingKey};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _, Verifier as _};
use sha2::Sha256;

use crate::answers::{public, ring, verifies};
use crate::older;
use crate::question::{By, PublicKey, Time, Work};

/// A millisecond: less than the turns in which systems share a processor, and far more than reading the clock takes.
const STRETCH: u64 = 1_000_000;

/// Does the work for about so many nanoseconds, at least twice.
pub(crate) fn time(work: &Work, budget: u64, clock: impl Fn() -> u64) -> Result<Time, &'static str> {
    match work {
        Work::Verify(By::Filter, signed) => {
            let key = public(&signed.key)?;
            repeat(budget, clock, || verifies(black_box(&key), black_box(signed)))
        }
        Work::Verify(By::Older, signed) => older::verify(signed, budget, clock),
        Work::Sign(By::Older, key, message) => older::sign(key, message, budget, clock),
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

/// Repeats work for about so many nanoseconds, in stretches of a millisecond or of one repetition, and returns the fastest
/// stretch. Whatever else the machine does in between takes the others longer. The first repetition fills caches and says how
/// many are a millisecond.
///
/// # Errors
/// The work says that it did not succeed.
pub fn repeat(budget: u64, clock: impl Fn() -> u64, mut work: impl FnMut() -> bool) -> Result<Time, &'static str> {
    let mut stretch = |repetitions: u64| {
        let start = clock();
        let succeeded = (0..repetitions).all(|_| work());
        let nanoseconds = clock().saturating_sub(start);
        if succeeded { Ok(Time { repetitions, nanoseconds }) } else { Err("work that does not succeed") }
    };
    let start = clock();
    let first = stretch(1)?;
    let repetitions = (STRETCH / first.nanoseconds.max(1)).max(1);
    let mut fastest = stretch(repetitions)?;
    while clock().saturating_sub(start) < budget {
        let next = stretch(repetitions)?;
        if next.nanoseconds < fastest.nanoseconds {
            fastest = next;
        }
    }
    Ok(fastest)
}

fn reference(key: &PublicKey) -> Result<rsa::RsaPublicKey, &'static str> {
    let [n, e] = [&key.modulus, &key.exponent].map(|number| BoxedUint::from_be_slice_vartime(&number.0));
    rsa::RsaPublicKey::new(n, e).map_err(|_| "not a public key of the crate")
}

/// Numbers for salts and blinding that cost next to nothing (SplitMix64). Only time is taken here.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn fill(&mut self, output: &mut [u8]) {
        output.chunks_mut(8).for_each(|part| part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]));
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
        self.fill(output);
        Ok(())
    }
}

impl TryCryptoRng for Numbers {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Work that takes so many nanoseconds, one time after another and then over again.
    fn repeated(times: &[u64], budget: u64) -> Time {
        let (now, mut times) = (Cell::new(7), times.iter().cycle());
        let work = || {
            now.set(now.get() + times.next().unwrap());
            true
        };
        repeat(budget, || now.get(), work).unwrap()
    }

    #[test]
    fn a_stretch_is_a_millisecond_or_one_repetition() {
        assert_eq!(repeated(&[250_000], 1), Time { repetitions: 4, nanoseconds: 1_000_000 });
        assert_eq!(repeated(&[3_000_000], 1), Time { repetitions: 1, nanoseconds: 3_000_000 });
    }

    #[test]
    fn the_fastest_stretch_within_the_budget_counts_and_the_first_repetition_never() {
        let times = [1_000_000, 5_000_000, 2_000_000, 3_000_000, 1_500_000];
        assert_eq!(repeated(&times, 7_000_000).nanoseconds, 2_000_000);
        assert_eq!(repeated(&times, 12_000_000).nanoseconds, 1_500_000);
        assert_eq!(repeated(&times, 0).nanoseconds, 5_000_000);
    }

    #[test]
    fn work_that_fails_has_no_time() {
        assert!(repeat(100, || 0, || false).is_err());
    }
}
