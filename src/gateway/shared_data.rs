//! The data that the workers of a gateway share.

use crate::capabilities::GatewayKind;
use crate::shared_data::{SharedData, Stored, Unavailable, Version, Written};

use super::abi::{self, SharedDataError};

/// Shared data of the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostSharedData {
    /// A version with which a write creates a value and never replaces one.
    no_value: u32,
}

impl HostSharedData {
    /// As this kind of gateway has them.
    pub(super) fn of(kind: GatewayKind) -> Self {
        let no_value = match kind {
            // Envoy compares versions only where there is a value, and counts up from 1; its own word for no version, 0,
            // replaces any value.
            GatewayKind::Envoy => u32::MAX,
            GatewayKind::Kong | GatewayKind::Apisix => 0,
        };
        Self { no_value }
    }
}

impl SharedData for HostSharedData {
    fn read(&self, key: &str) -> Result<Option<Stored>, Unavailable> {
        match abi::shared_data(key) {
            Ok((value, version)) => Ok(Some(Stored { value, version: Version(version) })),
            Err(SharedDataError::NotFound) => Ok(None),
            Err(_) => Err(Unavailable),
        }
    }

    fn write(&self, key: &str, value: &[u8], seen: Option<Version>) -> Result<Written, Unavailable> {
        // A version 0 from the host would turn the comparison off, or mean that there is no value.
        let version = match seen {
            Some(Version(0)) => return Err(Unavailable),
            Some(Version(version)) => version,
            None => self.no_value,
        };
        match abi::set_shared_data(key, value, version) {
            Ok(()) => Ok(Written::Done),
            Err(SharedDataError::Changed) => Ok(Written::Conflict),
            Err(_) => Err(Unavailable),
        }
    }
}
