//! The encoding of a message for a signature as `PS256` makes it: EMSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of
//! 32 bytes (RFC 8017 §9.1).

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::mgf1;

/// The length of the salt in bytes: that of the hash (RFC 7518 §3.5).
pub(super) const SALT_LENGTH: usize = 32;

const HASH_LENGTH: usize = 32;

/// The last byte of an encoded message.
const TRAILER: u8 = 0xbc;

/// Encodes the digest of a message for a modulus of so many bits (RFC 8017 §9.1.1): one byte less than the modulus if its
/// bits are one more than a multiple of eight. `None` if there is no room; in every acceptable modulus there is.
pub(super) fn encode(digest: &[u8; 32], salt: &[u8; SALT_LENGTH], modulus_bits: usize) -> Option<Zeroizing<Vec<u8>>> {
    let bits = modulus_bits.checked_sub(1)?;
    let mut message = Zeroizing::new(vec![0; bits.div_ceil(8)]);
    let (trailer, rest) = message.split_last_mut()?;
    let (block, hash) = rest.split_at_mut_checked(rest.len().checked_sub(HASH_LENGTH)?)?;
    let (padding, end) = block.split_at_mut_checked(block.len().checked_sub(SALT_LENGTH)?)?;
    *padding.last_mut()? = 1;
    end.copy_from_slice(salt);
    let salted = salted(digest, salt);
    hash.copy_from_slice(&salted);
    mgf1::apply(block, &salted);
    *block.first_mut()? &= first_byte(bits);
    *trailer = TRAILER;
    Some(message)
}

/// Whether an encoded message is one of this digest (RFC 8017 §9.1.2). The message is not the same afterwards.
pub(super) fn is_encoding(message: &mut [u8], digest: &[u8; 32], modulus_bits: usize) -> bool {
    judge(message, digest, modulus_bits).unwrap_or(false)
}

/// The same; `None` if the message is too short to have all parts.
fn judge(message: &mut [u8], digest: &[u8; 32], modulus_bits: usize) -> Option<bool> {
    let used = first_byte(modulus_bits.checked_sub(1)?);
    let (trailer, rest) = message.split_last_mut()?;
    let (block, hash) = rest.split_last_chunk_mut::<HASH_LENGTH>()?;
    let has_form = *trailer == TRAILER && block.first()? & !used == 0;
    mgf1::apply(block, hash);
    *block.first_mut()? &= used;
    let (padding, salt) = block.split_at_checked(block.len().checked_sub(SALT_LENGTH)?)?;
    let (one, zeros) = padding.split_last()?;
    let is_padding = *one == 1 && zeros.iter().all(|byte| *byte == 0);
    Some(has_form && is_padding && salted(digest, salt) == *hash)
}

/// The hash of the digest with its salt: H of M′ (RFC 8017 §9.1.1, step 6).
fn salted(digest: &[u8; 32], salt: &[u8]) -> [u8; HASH_LENGTH] {
    Sha256::new().chain_update([0; 8]).chain_update(digest).chain_update(salt).finalize().into()
}

/// The bits of the first byte that a message of so many bits has.
fn first_byte(bits: usize) -> u8 {
    match bits % 8 {
        0 => 0xff,
        used => (1 << used) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: [u8; 32] = [1; 32];
    const SALT: [u8; 32] = [2; 32];

    /// The public operation in RFC 8017 is tested with Wycheproof's vectors, whose moduli have multiples of eight bits.
    #[test]
    fn what_is_encoded_is_an_encoding_at_every_size_and_no_changed_bit_is() {
        for bits in [2048, 2049, 2050, 2055, 4096] {
            let encoded = encode(&DIGEST, &SALT, bits).unwrap();
            assert_eq!(encoded.len(), (bits - 1).div_ceil(8));
            assert!(is_encoding(&mut encoded.clone(), &DIGEST, bits));
            assert!(!is_encoding(&mut encoded.clone(), &[3; 32], bits));
            for bit in 0..encoded.len() * 8 {
                let mut changed = encoded.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_encoding(&mut changed, &DIGEST, bits), "bit {bit} of {bits}");
            }
        }
    }

    #[test]
    fn another_form_is_no_encoding() {
        let encoded = encode(&DIGEST, &SALT, 2048).unwrap();
        // Correctly masked, but with something else in front of the salt.
        for (position, value) in [(0, 0x40), (100, 1), (190, 0), (190, 2)] {
            let mut changed = encoded.clone();
            let (block, rest) = changed.split_at_mut(223);
            mgf1::apply(block, rest[..32].try_into().unwrap());
            assert_eq!(block[190], 1);
            block[position] = value;
            mgf1::apply(block, rest[..32].try_into().unwrap());
            block[0] &= 0x7f;
            assert!(!is_encoding(&mut changed, &DIGEST, 2048), "{value} at {position}");
        }
        for length in [0, 1, 32, 33, 64, 65, 66] {
            assert!(!is_encoding(&mut vec![TRAILER; length], &DIGEST, 2048));
        }
        assert!(encode(&DIGEST, &SALT, 8 * 65).is_none());
        assert!(encode(&DIGEST, &SALT, 8 * 66).is_some());
    }
}
