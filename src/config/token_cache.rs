//! How many verified tokens a worker remembers, so that the signature of one that comes again need not be calculated again.

use super::errors::ConfigErrors;
use super::reader::{IntegerRange, Node};

/// Each takes its length and three quarters of it again in each worker; see [`VerifiedTokens`](crate::claims::verified::VerifiedTokens).
pub(super) const CAPACITY: IntegerRange = IntegerRange { of: None, min: 1, max: 100_000, default: 1_000 };

/// Reads `token_cache_capacity`; none are remembered if it is left out.
pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Option<usize>> {
    node.optional(|node| node.integer(&CAPACITY, errors))
}
