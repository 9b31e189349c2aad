//! The end of a callout, as those are told who asked.

use std::time::Duration;

use super::answer::{Answer, CalloutError};
use crate::time::UnixTime;

/// The end of a callout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended<'a> {
    /// The body of a complete answer with status 200, or why there is none.
    pub body: Result<&'a [u8], CalloutError>,
    /// How long the server wants to be left alone, if it said so.
    pub retry_after: Option<Duration>,
    /// What its clock says, if it said so.
    pub time: Option<UnixTime>,
}

impl<'a> Ended<'a> {
    /// With this answer, of which `body` is what counts.
    #[must_use]
    pub(crate) fn with(body: Result<&'a [u8], CalloutError>, answer: &Answer) -> Self {
        Self { body, retry_after: answer.retry_after(), time: answer.time() }
    }

    /// Without one.
    #[must_use]
    pub(crate) fn without(error: CalloutError) -> Self {
        Self { body: Err(error), retry_after: None, time: None }
    }
}
