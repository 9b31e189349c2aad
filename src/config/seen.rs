//! What has to differ from item to item of a list (RFC 7517 §4.5 says so of key ids): finds the second of two that are the
//! same, and names the first.

use super::errors::ConfigErrors;
use super::reader::Node;

/// The values of one member in the items of a list so far.
pub(super) struct Seen<T> {
    of: &'static str,
    values: Vec<Option<T>>,
}

impl<T: PartialEq> Seen<T> {
    /// No item yet. `of` is what the values are, in the plural, for the error.
    pub(super) fn new(of: &'static str) -> Self {
        Self { of, values: Vec::new() }
    }

    /// The position of the earlier item with the same value, if there is one. Call it for every item, also for a broken one:
    /// errors name positions.
    pub(super) fn note(&mut self, value: Option<T>) -> Option<usize> {
        let earlier = self.values.iter().position(|seen| value.is_some() && *seen == value);
        self.values.push(value);
        earlier
    }

    /// Notes a fault if there was an earlier item with the same value.
    pub(super) fn refuse(&self, earlier: Option<usize>, node: &Node<'_>, errors: &mut ConfigErrors) {
        if let Some(position) = earlier {
            let of = self.of;
            node.refuse(format!("expected {of} without duplicates, got the same as at [{position}]"), errors);
        }
    }
}
