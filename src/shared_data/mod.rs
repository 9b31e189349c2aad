//! The data that all workers of a gateway share, as far as the filter uses it: small values under names, changed by
//! compare-and-swap.
//!
//! The gateway hands in an implementation of [`SharedData`]; nothing here knows which gateway it is. What is read back is
//! never trusted: [`envelope`] tells a damaged value (a torn write) and a foreign one (a host that hashes names) from our
//! own.

pub(crate) mod envelope;

use std::fmt::Debug;

/// Values that every worker sees.
pub trait SharedData: Debug {
    /// The value under `key`, if there is one.
    ///
    /// # Errors
    /// [`Unavailable`] when the gateway does not answer.
    fn read(&self, key: &str) -> Result<Option<Stored>, Unavailable>;

    /// Writes `value` under `key`, provided that nobody has written there since `seen` was read; with `None`, provided
    /// that there is still no value.
    ///
    /// # Errors
    /// [`Unavailable`] when the gateway does not take it; nothing has changed then, as far as the filter can know.
    fn write(&self, key: &str, value: &[u8], seen: Option<Version>) -> Result<Written, Unavailable>;
}

/// A value with the version that a later write must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What is stored.
    pub value: Vec<u8>,
    /// Which write it came with.
    pub version: Version,
}

/// Tells one write of a key from another. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub u32);

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// The value is there.
    Done,
    /// Somebody else has written meanwhile, and nothing has changed.
    Conflict,
}

/// The gateway shares no data, or failed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

/// A gateway that shares nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoSharedData;

impl SharedData for NoSharedData {
    fn read(&self, _key: &str) -> Result<Option<Stored>, Unavailable> {
        Err(Unavailable)
    }

    fn write(&self, _key: &str, _value: &[u8], _seen: Option<Version>) -> Result<Written, Unavailable> {
        Err(Unavailable)
    }
}
