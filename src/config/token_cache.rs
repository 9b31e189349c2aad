//! How many verified tokens a worker remembers, so that the signature of one that comes again need not be calculated again.

use super::errors::ConfigErrors;
use super::reader::{IntegerRange, Node};

/// Each takes 80 bytes in each worker, from the start on.
pub(super) const CAPACITY: IntegerRange = IntegerRange { of: None, min: 1, max: 100_000, default: 1_000 };

/// Reads `token_cache_capacity`; none are remembered if it is left out.
pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Option<usize>> {
    node.optional(|node| node.integer(&CAPACITY, errors))
}
