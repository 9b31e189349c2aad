//! The random numbers of a signature, made from what is there: the key, the message and a nonce.
//!
//! RSASSA-PSS takes a salt (RFC 8017 §9.1.1), and blinding a factor that nobody may guess. Hosts have generators that are
//! no good for either: in one of them WASI's `random_get` is the C library's `random()`. So both come from HMAC-SHA256
//! (RFC 2104) under a secret that only the key's holder knows, in the way of RFC 6979 §3.2.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

const SECRET_LABEL: &[u8] = b"hub-auth-filter 1 signing secret";
const SEED_LABEL: &[u8] = b"hub-auth-filter 1 signing seed";

/// What only the holder of one private key knows, apart from the key itself: it does not lead back to the key.
pub(super) struct HedgeSecret(Zeroizing<[u8; 32]>);

/// The generator for one signature.
///
/// Whoever does not have the secret cannot tell its output from random bytes, whatever nonce and message are: HMAC-SHA256
/// is a pseudorandom function, and is used as one twice. Therefore
///
/// - a nonce that is constant, or known to an attacker, or chosen by one, gives nothing away. Different messages still have
///   independent salts and blinding factors. The same message has the same signature once more, which is what a signer with
///   a good generator and a memory would answer: forging is no easier. The same factor then blinds the same calculation,
///   and so tells nothing new.
/// - a nonce that changes makes the signatures of equal messages differ.
///
/// A bad generator in the host can thus make signatures of equal messages equal, and nothing else. It cannot reveal a
/// blinding factor, and with it the timing of the exponentiation; nor the key, which no single signature and no relation
/// between salts leads to.
pub(super) struct Hedge {
    seed: Zeroizing<[u8; 32]>,
    blocks: u64,
}

impl HedgeSecret {
    /// The secret of the key with these prime factors.
    pub(super) fn of(factors: [&[u8]; 2]) -> Self {
        let [p, q] = factors;
        // The product of both is public, so the end of one and the start of the other need no mark.
        Self(mac(SECRET_LABEL, [p, q]))
    }

    /// The generator for one signature over the message with this digest.
    pub(super) fn generator(&self, nonce: &[u8; 32], digest: &[u8; 32]) -> Hedge {
        Hedge { seed: mac(self.0.as_slice(), [SEED_LABEL, nonce, digest]), blocks: 0 }
    }
}

impl Hedge {
    /// How many blocks of 32 bytes were drawn.
    #[cfg(test)]
    pub(super) fn drawn(&self) -> u64 {
        self.blocks
    }

    /// Fills bytes with the next random ones. Whole blocks are drawn.
    pub(super) fn fill(&mut self, output: &mut [u8]) {
        for part in output.chunks_mut(32) {
            let block = mac(self.seed.as_slice(), [&self.blocks.to_be_bytes()]);
            self.blocks = self.blocks.wrapping_add(1);
            part.iter_mut().zip(block.iter()).for_each(|(byte, random)| *byte = *random);
        }
    }
}

/// HMAC-SHA256 over parts in a row.
fn mac<const PARTS: usize>(key: &[u8], parts: [&[u8]; PARTS]) -> Zeroizing<[u8; 32]> {
    let mut code = Zeroizing::new([0; 32]);
    // HMAC takes keys of any length.
    if let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key) {
        parts.iter().for_each(|part| hmac.update(part));
        code.copy_from_slice(&hmac.finalize().into_bytes());
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::rsa::rand_core::{Rng as _, TryCryptoRng, TryRng};
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    // For the crate `rsa`, which makes keys for tests.
    impl TryRng for Hedge {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            let mut bytes = [0; 4];
            self.fill(&mut bytes);
            Ok(u32::from_le_bytes(bytes))
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            let mut bytes = [0; 8];
            self.fill(&mut bytes);
            Ok(u64::from_le_bytes(bytes))
        }

        fn try_fill_bytes(&mut self, output: &mut [u8]) -> Result<(), Infallible> {
            self.fill(output);
            Ok(())
        }
    }

    impl TryCryptoRng for Hedge {}

    fn salt(factors: [&[u8]; 2], nonce: u8, digest: u8) -> [u8; 32] {
        let mut salt = [0; 32];
        HedgeSecret::of(factors).generator(&[nonce; 32], &[digest; 32]).fill_bytes(&mut salt);
        salt
    }

    #[test]
    fn the_salt_changes_with_the_key_the_nonce_and_the_message_and_with_nothing_else() {
        let key: [&[u8]; 2] = [b"p", b"q"];
        let salts = [
            salt(key, 1, 2),
            salt(key, 3, 2),
            salt(key, 1, 3),
            // Each of them in the place of the other.
            salt(key, 2, 1),
            salt([b"P", b"q"], 1, 2),
            salt([b"p", b"Q"], 1, 2),
        ];
        assert_eq!(BTreeSet::from(salts).len(), salts.len());
        assert_eq!(salt(key, 1, 2), salts[0]);
    }

    #[test]
    fn no_two_blocks_are_equal_however_they_are_drawn() {
        let mut generator = HedgeSecret::of([b"p", b"q"]).generator(&[1; 32], &[2; 32]);
        let mut output = vec![0; 3200];
        generator.fill_bytes(&mut output);
        let mut blocks: BTreeSet<_> = output.chunks(32).map(<[u8]>::to_vec).collect();
        generator.fill_bytes(&mut output[..33]);
        blocks.insert(output[..32].to_vec());
        assert_eq!(blocks.len(), 101);
        let mut numbers: BTreeSet<_> = (0..100).map(|_| generator.next_u64()).collect();
        numbers.extend((0..100).map(|_| u64::from(generator.next_u32())));
        assert_eq!((numbers.len(), generator.drawn()), (200, 302));
    }

    /// Recorded from this code and checked with Python's hmac: the construction does not change by accident.
    #[test]
    fn the_construction_is_as_recorded() {
        let hex: String = salt([b"p", b"q"], 1, 2).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "099300a4ae278cace5502816755fe9d076c655bd14698419ab8a3253c476a243");
    }
}
