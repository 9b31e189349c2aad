//! The data that the workers of a gateway share.

use crate::shared_data::{SharedData, Stored, Unavailable, Version, Written};

use crate::gateway::abi::{self, SharedDataError};
use crate::gateway::adapter::Adapter;

/// Shared data of the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostSharedData {
    /// See [`Adapter::version_of_no_value`].
    no_value: u32,
}

impl HostSharedData {
    /// As this kind of gateway has them.
    pub(super) fn of(adapter: &dyn Adapter) -> Self {
        Self { no_value: adapter.version_of_no_value() }
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
