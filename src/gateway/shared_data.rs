//! The data that the workers of an Envoy share.

use crate::shared_data::{SharedData, Stored, Unavailable, Version, Written};

use super::abi::{self, SharedDataError};

/// A version that no value ever has: Envoy compares versions only where there is a value, and counts up from 1. So a
/// write that names it creates a value and never replaces one. (Its own word for no version, 0, replaces any.)
const NO_VALUE: u32 = u32::MAX;

/// Shared data of the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostSharedData;

impl SharedData for HostSharedData {
    fn read(&self, key: &str) -> Result<Option<Stored>, Unavailable> {
        match abi::shared_data(key) {
            Ok((value, version)) => Ok(Some(Stored { value, version: Version(version) })),
            Err(SharedDataError::NotFound) => Ok(None),
            Err(_) => Err(Unavailable),
        }
    }

    fn write(&self, key: &str, value: &[u8], seen: Option<Version>) -> Result<Written, Unavailable> {
        // A version 0 from the host would turn the comparison off.
        let version = match seen {
            Some(Version(0)) => return Err(Unavailable),
            Some(Version(version)) => version,
            None => NO_VALUE,
        };
        match abi::set_shared_data(key, value, version) {
            Ok(()) => Ok(Written::Done),
            Err(SharedDataError::Changed) => Ok(Written::Conflict),
            Err(_) => Err(Unavailable),
        }
    }
}
