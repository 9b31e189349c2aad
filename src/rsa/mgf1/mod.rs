//! The mask of EMSA-PSS: MGF1 with SHA-256 and a seed of 32 bytes (RFC 8017 appendix B.2.1).
//!
//! A seed and a counter fit into one block together with what SHA-256 adds (FIPS 180-4 §5.1.1): a bit, and the length in
//! bits. So each part of the mask is one compression, and needs no buffer. Where there are vectors of four numbers, in the
//! module for fast hosts, four parts are made at a time ([`lanes`]).

#[cfg(any(test, target_feature = "simd128"))]
mod lanes;

#[cfg(any(test, not(target_feature = "simd128")))]
use sha2::block_api::compress256;

/// The length of a hash.
const HASH_LENGTH: usize = 32;

/// What SHA-256 starts with (FIPS 180-4 §5.3.3).
const INITIAL_STATE: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// What SHA-256 adds to a seed and a counter, the last number of which is the length in bits.
const END_OF_BLOCK: [u32; 7] = [0x8000_0000, 0, 0, 0, 0, 0, 8 * (32 + 4)];

/// Adds the mask that follows from a seed, modulo 2.
pub(super) fn apply(block: &mut [u8], seed: &[u8; HASH_LENGTH]) {
    #[cfg(target_feature = "simd128")]
    apply_by(block, seed, lanes::hashes);
    #[cfg(not(target_feature = "simd128"))]
    apply_by(block, seed, hash);
}

/// The same, with a function that makes so many parts of the mask, from the one with a counter on.
fn apply_by<const PARTS: usize>(
    block: &mut [u8],
    seed: &[u8; HASH_LENGTH],
    hashes: fn(&[u32; 8], u32) -> [[u32; 8]; PARTS],
) {
    let mut words = [0; 8];
    words.iter_mut().zip(seed.as_chunks().0).for_each(|(word, bytes)| *word = u32::from_be_bytes(*bytes));
    for (counter, parts) in (0..).step_by(PARTS).zip(block.chunks_mut(PARTS * HASH_LENGTH)) {
        let hashes = hashes(&words, counter);
        let (mut masks, (whole, rest)) = (hashes.as_flattened().iter(), parts.as_chunks_mut());
        for (bytes, mask) in whole.iter_mut().zip(&mut masks) {
            *bytes = (u32::from_ne_bytes(*bytes) ^ mask.to_be()).to_ne_bytes();
        }
        let last = masks.next().copied().unwrap_or_default().to_be_bytes();
        rest.iter_mut().zip(last).for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// The hash of a seed and a counter.
#[cfg(any(test, not(target_feature = "simd128")))]
fn hash(seed: &[u32; 8], counter: u32) -> [[u32; 8]; 1] {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = *seed;
    let [e0, e1, e2, e3, e4, e5, e6] = END_OF_BLOCK;
    let block = [s0, s1, s2, s3, s4, s5, s6, s7, counter, e0, e1, e2, e3, e4, e5, e6].map(u32::to_be_bytes);
    let mut state = INITIAL_STATE;
    compress256(&mut state, block.as_flattened().as_chunks().0);
    [state]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    proptest! {
        #[test]
        fn a_mask_is_that_of_the_standard_at_every_length(seed in any::<[u8; 32]>(), length in 0_usize..600) {
            let parts = (0_u32..).map(|counter| Sha256::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize());
            let expected: Vec<u8> = parts.flatten().take(length).collect();
            let mut masks = [vec![0; length], vec![0; length], vec![0; length]];
            let [mask, one_by_one, by_four] = &mut masks;
            apply(mask, &seed);
            apply_by(one_by_one, &seed, hash);
            apply_by(by_four, &seed, lanes::hashes);
            prop_assert!(masks.iter().all(|mask| *mask == expected));
        }
    }
}
