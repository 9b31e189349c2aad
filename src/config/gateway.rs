//! What the configuration says of the gateway itself. The filter finds out which one it runs in; here an operator says
//! what it cannot find out, or overrides it.

use super::errors::ConfigErrors;
use super::reader::{Keys, Node};
use crate::capabilities::GatewayKind;

const KEYS: Keys = Keys { supported: &["kind", "shared_data"], refused: &[] };

/// What the configuration says of the gateway itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gateway {
    /// Which gateway it is; found out if it is not said.
    pub kind: Option<GatewayKind>,
    /// As configured; [`Gateway::uses_shared_data`] decides.
    pub shared_data: Option<bool>,
}

impl Gateway {
    /// Whether to use shared data in a gateway of this kind: as configured, else in Envoy only. Kong traps when it has
    /// none, and cannot be asked.
    #[must_use]
    pub fn uses_shared_data(&self, kind: GatewayKind) -> bool {
        self.shared_data.unwrap_or(kind == GatewayKind::Envoy)
    }

    pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Gateway> {
        if node.is_absent() {
            return Some(Gateway::default());
        }
        let object = node.object(&KEYS, errors)?;
        let kinds = GatewayKind::ALL.map(|kind| (kind.name(), kind));
        let kind = object.member("kind").optional(|node| node.choice(&kinds, errors));
        let shared_data = object.member("shared_data").optional(|node| node.boolean(false, errors));
        Some(Gateway { kind: kind?, shared_data: shared_data? })
    }
}
