//! What the configuration says of the gateway itself. The filter finds out which one it runs in; here an operator says
//! what it cannot find out, or overrides it.

use super::errors::ConfigErrors;
use super::reader::{Keys, Node};
use crate::capabilities::Support;

pub(super) const KEYS: Keys = Keys { supported: &["kind", "shared_data", "metrics"], refused: &[] };

/// A gateway, as far as one must be known to read a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownGateway {
    /// What the configuration calls it.
    pub name: &'static str,
    /// How it is to be given JSON text, where that is easily missed, as words to put between brackets.
    pub hint: Option<&'static str>,
}

/// What the configuration says of the gateway itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gateway {
    /// Which gateway it is, by its name; found out if it is not said.
    pub kind: Option<&'static str>,
    /// As configured; [`Gateway::uses_shared_data`] decides.
    pub shared_data: Option<bool>,
    /// As configured; [`Gateway::uses_metrics`] decides.
    pub metrics: Option<bool>,
}

impl Gateway {
    /// Whether to use shared data: as configured, else where the gateway has them by default.
    #[must_use]
    pub fn uses_shared_data(&self, sharing: Support) -> bool {
        self.shared_data.unwrap_or(sharing == Support::ByDefault)
    }

    /// Whether to count and measure: likewise.
    #[must_use]
    pub fn uses_metrics(&self, metrics: Support) -> bool {
        self.metrics.unwrap_or(metrics == Support::ByDefault)
    }

    pub(super) fn read(node: &Node<'_>, known: &[KnownGateway], errors: &mut ConfigErrors) -> Option<Gateway> {
        if node.is_absent() {
            return Some(Gateway::default());
        }
        let object = node.object(&KEYS, errors)?;
        let kinds: Vec<_> = known.iter().map(|gateway| (gateway.name, gateway.name)).collect();
        let kind = object.member("kind").optional(|node| node.choice(&kinds, errors));
        let shared_data = object.member("shared_data").optional(|node| node.boolean(false, errors));
        let metrics = object.member("metrics").optional(|node| node.boolean(false, errors));
        Some(Gateway { kind: kind?, shared_data: shared_data?, metrics: metrics? })
    }
}
