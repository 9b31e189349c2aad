//! The envelope of a shared value: says whose it is and proves that it is whole.
//!
//! Hosts may find a value by a hash of its name only, and may show half of a write. So the full name stands in the value,
//! under a SHA-256 of everything. That guards against accidents; whoever can write shared data on purpose is inside the
//! gateway already.

use sha2::{Digest, Sha256};

use super::{SharedData, Written};

/// Marks a value of this filter, and its layout.
const MAGIC: &[u8; 8] = b"haf-v1\r\n";

const DIGEST_LENGTH: usize = 32;

/// How often a change is tried. Each conflict means that another worker has written.
const ATTEMPTS: usize = 32;

/// Why a value cannot be used under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It is not a whole value of this filter.
    Damaged,
    /// It is whole, and belongs to another name.
    Foreign,
}

/// What to do with a value.
#[derive(Debug)]
pub(crate) enum Change<T> {
    /// Store this payload in its place.
    Write(Vec<u8>, T),
    /// Leave it as it is.
    Leave(T),
}

/// The value to store under `key`.
#[must_use]
pub(crate) fn seal(key: &str, payload: &[u8]) -> Vec<u8> {
    [MAGIC, digest(key, payload).as_slice(), &key_length(key), key.as_bytes(), payload].concat()
}

/// The payload of a value that was found under `key`.
///
/// # Errors
/// See [`Unusable`].
pub(crate) fn open<'v>(key: &str, value: &'v [u8]) -> Result<&'v [u8], Unusable> {
    let (owner, payload) = parts(value).ok_or(Unusable::Damaged)?;
    if owner == key { Ok(payload) } else { Err(Unusable::Foreign) }
}

/// Changes the value under `key`: `change` is given the payload, if there is a whole one, and is asked again when another
/// worker has written meanwhile. A damaged value counts as none. `None` when the gateway does not answer or takes no value,
/// the value belongs to another name, or other workers were faster every time.
pub(crate) fn update<T>(
    data: &dyn SharedData,
    key: &str,
    mut change: impl FnMut(Option<&[u8]>) -> Change<T>,
) -> Option<T> {
    for _ in 0..ATTEMPTS {
        let stored = data.read(key).ok()?;
        let payload = match stored.as_ref().map(|stored| open(key, &stored.value)) {
            None | Some(Err(Unusable::Damaged)) => None,
            Some(Err(Unusable::Foreign)) => return None,
            Some(Ok(payload)) => Some(payload),
        };
        let (payload, outcome) = match change(payload) {
            Change::Leave(outcome) => return Some(outcome),
            Change::Write(payload, outcome) => (payload, outcome),
        };
        let version = stored.as_ref().map(|stored| stored.version);
        if data.write(key, &seal(key, &payload), version).ok()? == Written::Done {
            return Some(outcome);
        }
    }
    None
}

/// The name and the payload of a whole value.
fn parts(value: &[u8]) -> Option<(&str, &[u8])> {
    let rest = value.strip_prefix(MAGIC)?;
    let (stored_digest, rest) = rest.split_at_checked(DIGEST_LENGTH)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (owner, payload) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let owner = std::str::from_utf8(owner).ok()?;
    (stored_digest == digest(owner, payload)).then_some((owner, payload))
}

fn digest(key: &str, payload: &[u8]) -> [u8; DIGEST_LENGTH] {
    let mut hash = Sha256::new();
    hash.update(key_length(key));
    hash.update(key);
    hash.update(payload);
    hash.finalize().into()
}

fn key_length(key: &str) -> [u8; 4] {
    // Our keys have a few dozen bytes.
    u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SharedMemory;
    use proptest::prelude::*;

    #[test]
    fn what_was_sealed_opens_under_its_name_alone() {
        let value = seal("a", b"payload");
        assert_eq!(open("a", &value), Ok(&b"payload"[..]));
        assert_eq!(open("b", &value), Err(Unusable::Foreign));
        assert_eq!(open("a", &seal("a", b"")), Ok(&b""[..]));
    }

    #[test]
    fn the_border_between_name_and_payload_is_part_of_the_proof() {
        assert_ne!(seal("ab", b"c"), seal("a", b"bc"));
        assert_eq!(open("a", &seal("ab", b"c")), Err(Unusable::Foreign));
    }

    #[test]
    fn half_a_value_and_a_value_with_one_bit_changed_are_damaged() {
        let value = seal("a", b"payload");
        for length in 0..value.len() {
            assert_eq!(open("a", &value[..length]), Err(Unusable::Damaged), "{length} bytes");
        }
        for byte in 0..value.len() {
            let mut changed = value.clone();
            changed[byte] ^= 1;
            assert_eq!(open("a", &changed), Err(Unusable::Damaged), "byte {byte}");
        }
        assert_eq!(open("a", b"somebody else's"), Err(Unusable::Damaged));
    }

    #[test]
    fn a_value_of_another_name_is_never_overwritten_and_a_damaged_one_is() {
        let memory = SharedMemory::default();
        let write =
            |payload: &[u8]| update(&memory, "a", |seen| Change::Write(payload.to_vec(), seen.map(<[u8]>::to_vec)));
        assert_eq!(write(b"1"), Some(None));
        assert_eq!(write(b"2"), Some(Some(b"1".to_vec())));
        memory.change_all(|value| value.truncate(20));
        assert_eq!(write(b"3"), Some(None), "what is damaged counts as nothing");
        memory.change_all(|value| *value = seal("b", b"theirs"));
        assert_eq!(write(b"4"), None);
        assert_eq!(open("b", &memory.read("a").unwrap().unwrap().value), Ok(&b"theirs"[..]));
    }

    #[test]
    fn a_change_starts_again_when_another_worker_was_faster() {
        let memory = SharedMemory::default();
        let mut asked = 0;
        let outcome = update(&memory, "a", |seen| {
            asked += 1;
            if asked == 1 {
                assert_eq!(memory.write("a", &seal("a", b"theirs"), None), Ok(Written::Done));
            }
            Change::Write(b"ours".to_vec(), seen.map(<[u8]>::to_vec))
        });
        assert_eq!(outcome, Some(Some(b"theirs".to_vec())));
        memory.fail(true);
        assert_eq!(update(&memory, "a", |_| Change::Write(Vec::new(), ())), None);
    }

    proptest! {
        #[test]
        fn arbitrary_values_never_open(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(open("a", &value).is_err());
        }
    }
}
