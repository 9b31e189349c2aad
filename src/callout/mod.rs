//! Callouts: HTTP requests that the gateway makes for the filter (spec §2.3, §2.4, §4), what comes back, and what those are
//! told who need it.
//!
//! Keys, introspection and remote signers ask in one way: they note the callout [in flight](CalloutsInFlight), make others
//! wait for it or let each make its own ([`crate::capabilities::CalloutOwner`]), leave a failing server alone for a while
//! ([`Backoff`]), and say what came of it in a [`CalloutReport`].

mod answer;
mod backoff;
mod ended;
mod in_flight;
mod readiness;
mod report;
mod request;
mod server_clock;

pub(crate) use answer::MAX_ANSWER_LENGTH;
pub use answer::{Answer, Body, CalloutError};
#[cfg(test)]
pub(crate) use backoff::LONGEST_RETRY_AFTER;
pub(crate) use backoff::{Backoff, FIRST_BACKOFF, LONGEST_BACKOFF};
pub(crate) use ended::Ended;
pub(crate) use in_flight::{CalloutsInFlight, InFlight, REPORT_GRACE, patience};
pub use readiness::Wait;
pub(crate) use readiness::{CalloutPermission, Readiness, Unavailable};
pub(crate) use report::{CalloutKind, CalloutReport, FetchedKeySet};
pub use request::{Callout, Request, USER_AGENT};
pub(crate) use request::{CalloutId, CalloutIds, CalloutSubject};
pub use server_clock::ClockDifference;
