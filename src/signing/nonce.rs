//! Nonces: what makes each token unique and its signature fresh, also where the gateway's generator of random numbers is
//! poor.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::time::UnixTime;

const STATE_LABEL: &[u8] = b"hub-auth-filter 1 nonce: state";
const NONCE_LABEL: &[u8] = b"hub-auth-filter 1 nonce: value";
const UUID_LABEL: &[u8] = b"hub-auth-filter 1 nonce: jti";

/// What the gateway gives for one token. Nothing in it need be secret, and none of it has to be good: see [`Nonces`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Freshness {
    /// From the gateway's generator of random numbers, if it has one.
    pub random: Option<[u8; 32]>,
    /// The gateway's own id of the request.
    pub request_id: Option<Vec<u8>>,
    /// Address and port of the client.
    pub client: Option<Vec<u8>>,
}

/// Makes nonces, and with them the `jti` of tokens, which must not repeat (spec §4).
///
/// Each nonce is a digest of everything that this worker was ever given: of the state that earlier calls have left, a
/// counter, the time, and all of [`Freshness`]. SHA-256 has no known collisions, so two nonces are equal only if *all* of
/// that is equal. With a good generator, `random` alone makes it differ. A poor one (a host may answer `random_get` from
/// `random()`, seed it alike in every forked worker, or always give the same bytes) is one input of several, and can not
/// take away what the others add:
///
/// - **Within a worker** no two calls hash the same: the counter differs, and each state contains the one before.
/// - **Between workers** that started alike and whose generators run alike, two calls would have to agree in the number of
///   calls before them, in every input of each of these, in the millisecond, in the gateway's id of the request, and in the
///   client's address and port. The last can not be: at one time, one address and port has one connection to a listener,
///   and one worker serves it. Where a client sends several requests at a time over that connection (HTTP/2), the same
///   worker serves them, and its counter tells them apart.
/// - **Between gateways** (replicas that were cloned with the state of their generator) the same holds if they have
///   different clients; for one client, which has another port for each connection, the millisecond and the gateway's id of
///   the request differ as well.
/// - **After a restart** the state and the counter begin anew, and the time has gone on: a clock would have to be set back
///   to the millisecond, with the same client on the same port and the same id of the request.
///
/// Nonces need not be secret, and nothing here relies on that; yet they do not lead back to the state, so that nobody who
/// has seen tokens can tell the next.
pub struct Nonces {
    state: [u8; 32],
    counter: u64,
}

/// 32 bytes that nobody has used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 32]);

impl Nonces {
    /// Of a worker that has made none yet.
    #[must_use]
    pub fn new() -> Self {
        Self { state: [0; 32], counter: 0 }
    }

    /// The next one.
    pub fn next(&mut self, now: UnixTime, freshness: &Freshness) -> Nonce {
        let Freshness { random, request_id, client } = freshness;
        self.counter = self.counter.wrapping_add(1);
        // Everything up to the facts has a fixed length.
        let mut hash = Sha256::new_with_prefix(STATE_LABEL);
        hash.update(self.state);
        hash.update(self.counter.to_be_bytes());
        hash.update(now.as_millis().to_be_bytes());
        for fact in [random.as_ref().map(<[u8; 32]>::as_slice), request_id.as_deref(), client.as_deref()] {
            absorb(&mut hash, fact);
        }
        self.state = hash.finalize().into();
        Nonce(digest(NONCE_LABEL, &self.state))
    }
}

impl Default for Nonces {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("counter", &self.counter).finish_non_exhaustive()
    }
}

impl Nonce {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A UUID of version 4 (RFC 9562 §5.4) that follows from it: 122 bits of a digest.
    #[must_use]
    pub fn uuid(&self) -> String {
        let digest = digest(UUID_LABEL, &self.0);
        let bits = digest.iter().take(16).fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
        let bits = bits & !(0xf << 76) | (0b0100 << 76);
        let bits = bits & !(0b11 << 62) | (0b10 << 62);
        let [a, b, c, d, e] =
            [bits >> 96, bits >> 80 & 0xffff, bits >> 64 & 0xffff, bits >> 48 & 0xffff, bits & 0xffff_ffff_ffff];
        format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}

/// A fact with a byte for its presence and its length, so that none can be taken for another.
fn absorb(hash: &mut Sha256, fact: Option<&[u8]>) {
    match fact {
        None => hash.update([0]),
        Some(fact) => {
            hash.update([1]);
            hash.update((fact.len() as u64).to_be_bytes());
            hash.update(fact);
        }
    }
}

fn digest(label: &[u8], bytes: &[u8; 32]) -> [u8; 32] {
    Sha256::new_with_prefix(label).chain_update(bytes).finalize().into()
}
