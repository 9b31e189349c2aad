//! What a kind of store has to say of itself; everything else is the same for all of them.

use std::fmt;
use std::time::Duration;

use crate::callout::Request;
use crate::hex;
use crate::time::Moment;

use super::super::token::TokenIdentity;

/// How long a key outlives its token. The clocks of gateways may differ: a token has not ended everywhere when one of them says
/// so, nor is each as long as the one that wrote it believes.
pub(crate) const MARGIN: Duration = Duration::from_secs(30);

/// The longest answer that is read, in bytes. Those of the stores have some hundreds.
pub(crate) const MAX_ANSWER_LENGTH: usize = 16 * 1024;

/// One kind of store: makes the requests, and reads the answers.
pub(crate) trait Engine: fmt::Debug {
    /// Its name in the log.
    fn name(&self) -> &'static str;

    /// What has to be asked before a token can be written that lives for so long, if anything.
    fn preparation(&mut self, now: Moment, life: Duration) -> Option<Preparation>;

    /// The same before any token needs it.
    fn preparation_ahead(&mut self, now: Moment) -> Option<Preparation>;

    /// The request for it.
    fn prepare(&self, preparation: Preparation, timeout: Duration) -> Request;

    /// Takes a complete answer to it. `asked` is when it was asked.
    ///
    /// # Errors
    /// What is wrong with the answer, for the log.
    fn prepared(&mut self, asked: Moment, preparation: Preparation, body: &[u8]) -> Result<(), &'static str>;

    /// The request that writes a token which lives for so long, unless it is there. It may be sent twice: the value tells who wrote
    /// it. What has to be asked before was asked.
    fn request(&self, now: Moment, token: &UsedToken, life: Duration, timeout: Duration) -> Request;

    /// What a complete answer to it says.
    ///
    /// # Errors
    /// What is wrong with the answer, for the log.
    fn read(&self, token: &UsedToken, body: &[u8]) -> Result<Finding, &'static str>;

    /// Takes an answer of this status to a request that writes a token. Whether what was prepared is void, so that it is to be
    /// prepared anew.
    fn is_void(&mut self, status: u16) -> bool;

    /// What an answer with this status may mean, for the operator.
    fn hint(&self, status: u16) -> Option<&'static str>;
}

/// What is asked before tokens are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preparation {
    /// Who asks proves who it is.
    Login,
    /// Something that lets keys end, after so many seconds.
    Lease(u64),
}

/// A token that is used, as the store knows it: no claim in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UsedToken {
    /// Which token.
    pub identity: TokenIdentity,
    /// Which use of it. No other has the same: an answer lost, the next finds out by it whether its own was written.
    pub value: [u8; 16],
}

impl UsedToken {
    /// How the use is written.
    pub(super) fn value(&self) -> String {
        self.value.iter().flat_map(|octet| hex::lower(*octet)).collect()
    }
}

/// What a store says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It was not there. This use is written now, or was by an earlier try.
    New,
    /// Another use of it is there.
    Used,
}
