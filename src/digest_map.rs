//! A map by digests, for up to a million of them. It takes less memory and time to insert than a `BTreeMap`, each type of
//! which is 8 KB of code as well.
//!
//! Digests spread by themselves, so a thousand small sorted vectors share them evenly. Whoever could choose tokens until their
//! digests fall into one vector would make an insertion as slow as copying that vector: under a millisecond at the bounds
//! that configurations may set, after trying thousands of tokens for each.

use litemap::LiteMap;

/// How many vectors there are.
const SHARDS: usize = 1024;

/// Values by digest.
#[derive(Debug)]
pub(crate) struct DigestMap<K, V> {
    shards: Vec<LiteMap<K, V>>,
    len: usize,
}

impl<K: Ord + AsRef<[u8]>, V> DigestMap<K, V> {
    /// An empty map.
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| LiteMap::new_vec()).collect(), len: 0 }
    }

    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, digest: &K) -> Option<&V> {
        self.shards.get(shard_of(digest.as_ref()))?.get(digest)
    }

    /// Puts a value in the place of the one that was there.
    pub(crate) fn insert(&mut self, digest: K, value: V) {
        if let Some(shard) = self.shards.get_mut(shard_of(digest.as_ref()))
            && shard.insert(digest, value).is_none()
        {
            self.len = self.len.saturating_add(1);
        }
    }

    pub(crate) fn remove(&mut self, digest: &K) -> Option<V> {
        let removed = self.shards.get_mut(shard_of(digest.as_ref()))?.remove(digest)?;
        self.len = self.len.saturating_sub(1);
        Some(removed)
    }
}

/// What its first two bytes say.
fn shard_of(digest: &[u8]) -> usize {
    digest.iter().take(2).fold(0, |number, byte| (number << 8) | usize::from(*byte)) % SHARDS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digests_spread_over_all_shards() {
        let shards: std::collections::BTreeSet<_> = (0..=u16::MAX).map(|n| shard_of(&n.to_be_bytes())).collect();
        assert_eq!(shards, (0..SHARDS).collect());
    }

    proptest! {
        /// Few digests, so that they meet again: some in one shard, some in others.
        #[test]
        fn it_keeps_what_a_tree_keeps(steps in prop::collection::vec((0_u8..4, 0_u8..3, any::<Option<u8>>()), 0..100)) {
            let (mut map, mut tree) = (DigestMap::<[u8; 3], u8>::new(), BTreeMap::new());
            for (first, last, value) in steps {
                let digest = [0, first, last];
                match value {
                    Some(value) => {
                        map.insert(digest, value);
                        tree.insert(digest, value);
                    }
                    None => prop_assert_eq!(map.remove(&digest), tree.remove(&digest)),
                }
                prop_assert_eq!(map.get(&digest), tree.get(&digest));
                prop_assert_eq!(map.len(), tree.len());
            }
        }
    }
}
