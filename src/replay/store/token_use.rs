//! A use of a token: what the store is asked about it, and what came of it.

use crate::time::{SteadyTime, UnixTime};
use crate::token_digest::TokenDigest;

use super::super::error::ReplayError;
use super::super::token::TokenIdentity;
use super::engine::{Preparation, UsedToken};

/// A token that is right, and that somebody wants to use.
#[derive(Debug)]
pub(crate) struct Usage<'a> {
    /// Which it is.
    pub token: TokenDigest,
    /// What makes it the same as another.
    pub identity: TokenIdentity,
    /// The last moment at which it is acceptable.
    pub valid_until: UnixTime,
    /// Its `jti`.
    pub token_id: &'a str,
}

/// A use that the store has been asked about.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) token: TokenDigest,
    pub(super) used: UsedToken,
    pub(super) valid_until: UnixTime,
    pub(super) token_id: String,
    pub(super) deadline: SteadyTime,
    /// How many tries have failed.
    pub(super) failures: usize,
    /// How often something had to be asked before it.
    pub(super) preparations: usize,
    /// Whether what had to be asked before was void, and was asked anew for its sake.
    pub(super) is_renewed: bool,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// Something has to be asked before.
    Prepares(Preparation),
    /// The store is asked.
    Asks,
    /// This came of it.
    Decided(Result<(), ReplayError>),
}

/// A use that was decided on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DecidedUse {
    /// What makes it the same as another.
    pub identity: TokenIdentity,
    /// The last moment at which it is acceptable.
    pub valid_until: UnixTime,
    /// Its `jti`.
    pub token_id: String,
    /// Whether it is the first, by the word of the store.
    pub result: Result<(), ReplayError>,
}
