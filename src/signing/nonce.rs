//! Nonces: what makes each token unique and its signature fresh, also where the gateway's generator of random numbers is
//! poor.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::request::NonceInput;
use crate::shared_data::SharedData;
use crate::shared_data::envelope::{Change, update};
use crate::time::UnixTime;

const WORKER_LABEL: &[u8] = b"hub-auth-filter 1 nonce: worker";
const STATE_LABEL: &[u8] = b"hub-auth-filter 1 nonce: state";
const NONCE_LABEL: &[u8] = b"hub-auth-filter 1 nonce: value";
const UUID_LABEL: &[u8] = b"hub-auth-filter 1 nonce: jti";

/// The shared value that counts the workers which have drawn a number.
const WORKERS: &str = "hub-auth-filter/signing/workers";

/// Makes nonces, and with them the `jti` of tokens, which must not repeat (spec §4).
///
/// Each nonce is a digest of everything that this worker was ever given: of the state that earlier calls have left, of a
/// counter, of the time, and of all of [`NonceInput`]. SHA-256 has no known collisions, so two nonces are equal only if *all*
/// of that is equal. With a good generator `random` alone makes it differ. A poor one is one input of several, and takes
/// nothing away from the others: be it `random()` of the C library, seeded alike in every forked worker, or one that always
/// gives the same bytes.
///
/// - **Within a worker**, no two calls hash the same: the counter differs, and each state contains the one before.
/// - **Between workers that share data**, each has drawn a number that no other has, and starts from it: see
///   [`Nonces::numbered`].
/// - **Between others** that started alike and whose generators run alike, a call would have to be the same in number, and
///   all calls up to it the same in millisecond, gateway's id of the request, and client's address and port. The last cannot be:
///   two connections to one listener that are open at a time do not share address and port, and one connection
///   belongs to one worker, whose counter tells its requests apart. Workers that differed once differ for ever.
/// - **Where that address is not the connection's** (taken from a header, without a port, or of a Unix socket), or where
///   gateways are replicas of one image with different listeners, the millisecond and the gateway's id of the request
///   remain. Gateways make that id from another generator, not from the one that they give to modules.
/// - **After a restart**, the state and the counter begin anew, but the time has gone on: only a clock that was set back to
///   the millisecond, with the same id of the request and the same client on the same port, could bring a nonce back. A
///   worker that starts anew in a gateway that has not draws a new number.
///
/// Nothing relies on nonces being secret; yet they do not lead back to the state, so what is seen of tokens does not tell
/// the next one.
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

    /// Of a worker that draws its number from what all workers share. Without a number, where they share nothing, as
    /// [`Nonces::new`].
    #[must_use]
    pub fn numbered(data: &dyn SharedData) -> Self {
        let number = update(data, WORKERS, |payload| {
            let last = payload.and_then(|payload| payload.try_into().ok()).map_or(0, u64::from_be_bytes);
            let number = last.wrapping_add(1);
            Change::Write(number.to_be_bytes().to_vec(), number)
        });
        let state = number.map(|number| Sha256::new_with_prefix(WORKER_LABEL).chain_update(number.to_be_bytes()));
        state.map_or_else(Self::new, |state| Self { state: state.finalize().into(), counter: 0 })
    }

    /// The next one.
    pub fn next(&mut self, now: UnixTime, nonce_input: &NonceInput) -> Nonce {
        let NonceInput { random, request_id, client } = nonce_input;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared_data::NoSharedData;
    use crate::testing::SharedMemory;
    use std::collections::BTreeSet;

    const NOW: UnixTime = UnixTime::from_millis(1_795_000_000_123);

    fn nonce_input() -> NonceInput {
        NonceInput {
            random: Some([9; 32]),
            request_id: Some(b"req-1".to_vec()),
            client: Some(b"192.0.2.1:50000".to_vec()),
        }
    }

    /// The first nonce of a worker that was given this.
    fn first(now: UnixTime, nonce_input: &NonceInput) -> Nonce {
        Nonces::new().next(now, nonce_input)
    }

    #[test]
    fn nonces_and_uuids_of_one_worker_are_unique_when_nothing_else_ever_changes() {
        let constant = NonceInput { random: Some([4; 32]), request_id: None, client: None };
        for nonce_input in [NonceInput::default(), constant] {
            let mut nonces = Nonces::new();
            let mut seen = BTreeSet::new();
            let mut uuids = BTreeSet::new();
            for _ in 0..100_000 {
                let nonce = nonces.next(NOW, &nonce_input);
                assert!(seen.insert(*nonce.as_bytes()) && uuids.insert(nonce.uuid()));
            }
        }
    }

    #[test]
    fn any_single_fact_tells_two_workers_apart() {
        let base = nonce_input();
        let nonces = [
            first(NOW, &base),
            first(NOW.after(std::time::Duration::from_millis(1)), &base),
            first(NOW, &NonceInput { random: Some([8; 32]), ..base.clone() }),
            first(NOW, &NonceInput { request_id: Some(b"req-2".to_vec()), ..base.clone() }),
            first(NOW, &NonceInput { client: Some(b"192.0.2.1:50001".to_vec()), ..base.clone() }),
        ];
        let different: BTreeSet<_> = nonces.iter().map(Nonce::uuid).collect();
        assert_eq!(different.len(), nonces.len());
        assert_eq!(first(NOW, &base), nonces[0], "the same for the same");
    }

    #[test]
    fn workers_that_differed_once_differ_for_ever() {
        let (mut one, mut other) = (Nonces::new(), Nonces::new());
        let base = nonce_input();
        assert_eq!(one.next(NOW, &base), other.next(NOW, &base), "forked, with equally seeded generators");
        one.next(NOW, &base);
        other.next(NOW, &NonceInput { client: Some(b"192.0.2.1:50001".to_vec()), ..base.clone() });
        for _ in 0..10 {
            assert_ne!(one.next(NOW, &base), other.next(NOW, &base));
        }
    }

    #[test]
    fn workers_that_share_data_differ_when_nothing_else_does() {
        let memory = SharedMemory::default();
        let mut seen = BTreeSet::new();
        for _ in 0..100 {
            let mut worker = Nonces::numbered(&memory);
            for _ in 0..3 {
                assert!(seen.insert(worker.next(NOW, &nonce_input()).uuid()));
            }
        }
    }

    #[test]
    fn where_nothing_can_be_shared_a_worker_starts_without_a_number() {
        let memory = SharedMemory::default();
        memory.fail(true);
        for data in [&memory as &dyn SharedData, &NoSharedData] {
            assert_eq!(Nonces::numbered(data).next(NOW, &nonce_input()), first(NOW, &nonce_input()));
        }
    }

    #[test]
    fn no_fact_can_be_taken_for_another() {
        let some = |text: &str| Some(text.as_bytes().to_vec());
        let of = |request_id: Option<Vec<u8>>, client: Option<Vec<u8>>| {
            first(NOW, &NonceInput { random: None, request_id, client })
        };
        let nonces = [
            of(some("ab"), some("c")),
            of(some("a"), some("bc")),
            of(some("abc"), some("")),
            of(some("abc"), None),
            of(some(""), some("abc")),
            of(None, some("abc")),
            of(None, None),
            of(some(""), None),
            of(None, some("")),
            of(some("\0"), None),
        ];
        let different: BTreeSet<_> = nonces.iter().map(Nonce::uuid).collect();
        assert_eq!(different.len(), nonces.len());
        let random = NonceInput { random: Some([b'a'; 32]), ..NonceInput::default() };
        assert_ne!(first(NOW, &random), of(Some(vec![b'a'; 32]), None));
    }

    #[test]
    fn a_uuid_is_one_of_version_4() {
        let mut nonces = Nonces::new();
        for _ in 0..1000 {
            let uuid = nonces.next(NOW, &NonceInput::default()).uuid();
            let groups: Vec<_> = uuid.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{uuid}");
            assert!(uuid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')), "{uuid}");
            assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
            assert!(matches!(uuid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{uuid}");
        }
    }

    #[test]
    fn every_other_bit_of_a_uuid_varies() {
        let mut nonces = Nonces::new();
        let (mut ones, mut zeros) = (0_u128, 0_u128);
        for _ in 0..200 {
            let uuid = nonces.next(NOW, &NonceInput::default()).uuid().replace('-', "");
            let bits = u128::from_str_radix(&uuid, 16).unwrap();
            ones |= bits;
            zeros |= !bits;
        }
        assert_eq!((ones & zeros).count_ones(), 122);
    }

    #[test]
    fn the_state_is_neither_printed_nor_given_away() {
        let mut nonces = Nonces::new();
        let nonce = nonces.next(NOW, &NonceInput::default());
        assert_eq!(format!("{nonces:?}"), "Nonces { counter: 1, .. }");
        assert_ne!(nonce.as_bytes(), &nonces.state);
    }

    /// Calculated with Python's hashlib: the construction does not change by accident.
    #[test]
    fn the_construction_is_as_recorded() {
        let mut nonces = Nonces::new();
        let cases = [
            (
                nonces.next(NOW, &NonceInput::default()),
                "21670cfa1222353e0d054aefc9d83394fe3492369c8acd403bd6858b9fa94afc",
                "48b89506-071b-436e-916d-d17fe69a28ff",
            ),
            (
                nonces.next(UnixTime::from_millis(1_795_000_000_124), &nonce_input()),
                "3ea2f9bf7edd1b89ac376c68e1af71f5bd4007ed306f3fc9f9e2ebe58e2872dd",
                "cad3387d-4015-4a13-b7e4-07a9e1b77353",
            ),
        ];
        for (nonce, hex, uuid) in cases {
            let bytes: String = nonce.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((bytes.as_str(), nonce.uuid().as_str()), (hex, uuid));
        }
    }
}
