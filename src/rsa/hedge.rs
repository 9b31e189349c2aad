//! The random numbers of a signature, made from what is there: the key, the message and a nonce.
//!
//! RSASSA-PSS takes a salt (RFC 8017 §9.1.1), and blinding a factor that nobody may guess. Hosts have generators that are
//! no good for either: in one of them WASI's `random_get` is the C library's `random()`. So both come from HMAC-SHA256
//! (RFC 2104) under a secret that only the key's holder knows, in the way of RFC 6979 §3.2.

use std::convert::Infallible;

use ::rsa::rand_core::{TryCryptoRng, TryRng};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

const SECRET_LABEL: &[u8] = b"hub-auth-filter 1 signing secret";
const SEED_LABEL: &[u8] = b"hub-auth-filter 1 signing seed";

/// What only the holder of one private key knows, apart from the key itself: it does not lead back to the key.
pub(super) struct HedgeSecret(Zeroizing<[u8; 32]>);

/// The generator for one signature.
///
/// Without the secret its output can not be told from random bytes, whatever nonce and message are: HMAC-SHA256 is a
/// pseudorandom function, twice. Therefore
///
/// - a nonce that is constant, or known to an attacker, or chosen by one, gives away nothing. Different messages still have
///   independent salts and blinding factors; the same message has the same signature once more, which is RSASSA-PSS with
///   a salt that follows from the message and the key. Its proof of security does not need the salt to be random or secret.
/// - the nonce adds to the salt where it does change: no two signatures then share one.
///
/// A bad generator in the host can thus make salts repeat for equal messages, and no more. It can not reveal the blinding
/// factor, and with it the timing of the exponentiation, and it can not reveal the key: no number that a signature needs
/// to be secret is the generator's.
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
    fn fill(&mut self, output: &mut [u8]) {
        for part in output.chunks_mut(32) {
            let block = mac(self.seed.as_slice(), [&self.blocks.to_be_bytes()]);
            self.blocks = self.blocks.wrapping_add(1);
            part.iter_mut().zip(block.iter()).for_each(|(byte, random)| *byte = *random);
        }
    }
}

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
