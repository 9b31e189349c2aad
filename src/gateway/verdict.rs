//! Carries out verdicts on the request or the response of the effective context.

use crate::reply::{RejectReason, Rejection, RejectionEvent, Reply};
use crate::signing::SignatureRecord;
use crate::verdict::{Admission, Phase, Verdict};

use super::abi::{self, Headers, HostError, Stream};
use super::adapter::{self, Adapter, Occasion};
use super::metrics::Metrics;

/// Whether something goes on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Flow {
    Continue,
    Stop,
}

/// Changes what a verdict wants changed, or answers. Fails only where something was to go on, and then it must not.
pub(super) fn act(
    verdict: &Verdict,
    occasion: Occasion,
    adapter: &dyn Adapter,
    metrics: &Metrics,
) -> Result<Flow, HostError> {
    match verdict {
        Verdict::Admit(admission) => {
            admit(admission, occasion, adapter, metrics)?;
            return Ok(Flow::Continue);
        }
        Verdict::Tolerate(rejection) => {
            metrics.count_tolerated();
            log_rejection(rejection, RejectionEvent::Tolerated);
            return Ok(Flow::Continue);
        }
        Verdict::Refuse(rejection) => {
            metrics.count_refused(rejection);
            refuse(rejection, |reply, details| adapter.answer(reply, details, occasion));
        }
        Verdict::Answer(reply) => note_failure(adapter.answer(reply, "health_check", occasion)),
    }
    Ok(Flow::Stop)
}

/// Lets something go on that was held.
pub(super) fn resume(phase: Phase) -> Result<(), HostError> {
    abi::continue_stream(match phase {
        Phase::Request => Stream::Request,
        Phase::Response => Stream::Response,
    })
}

/// Answers a request with a rejection, and logs it, where nothing is known of the gateway.
pub(super) fn send(rejection: &Rejection) {
    refuse(rejection, adapter::send_whole);
}

/// Refuses a request of which nothing is known, in a call that must not fail to decide on it.
pub(super) fn refuse_unknown() {
    send(&Rejection::bare(RejectReason::Internal));
}

/// The same in the callback of a callout whose answer has this many bytes: see [`Occasion::Unanswered`], which every gateway
/// takes.
pub(super) fn refuse_unknown_after_callout(body_size: usize) {
    refuse(&Rejection::bare(RejectReason::Internal), |reply, details| {
        let body = if body_size == 0 { String::new() } else { reply.body.clone() };
        adapter::send_whole(&Reply { body, ..reply.clone() }, details)
    });
}

/// Answers with a rejection, and logs it.
pub(super) fn refuse(rejection: &Rejection, answer: impl FnOnce(&Reply, &str) -> Result<(), HostError>) {
    note_failure(answer(&rejection.reply(), rejection.code().as_str()));
    log_rejection(rejection, RejectionEvent::Refused);
}

/// Tells the audit trail of a signature, whatever becomes of it.
pub(super) fn tell(record: &SignatureRecord, metrics: &Metrics) {
    metrics.count_signed();
    if let Some(now) = abi::now() {
        log::info!("{}", record.log_line(now));
    }
}

fn admit(admission: &Admission, occasion: Occasion, adapter: &dyn Adapter, metrics: &Metrics) -> Result<(), HostError> {
    if let Some(record) = &admission.signed {
        tell(record, metrics);
    }
    for name in admission.removed() {
        adapter.take_away(name)?;
    }
    match occasion {
        Occasion::Request | Occasion::Unanswered => {
            for (name, value) in admission.set() {
                abi::replace_header(Headers::Request, name, value)?;
            }
            metrics.count_accepted();
        }
        Occasion::Response { .. } => {
            for (name, value) in admission.set() {
                adapter.replace_response_header(name, value)?;
            }
        }
    }
    Ok(())
}

fn note_failure(sent: Result<(), HostError>) {
    if sent.is_err() {
        log::error!("hub-auth-filter: the gateway did not take a response; the request stays held");
    }
}

fn log_rejection(rejection: &Rejection, event: RejectionEvent) {
    if let Some(now) = abi::now() {
        log::warn!("{}", rejection.log_line(now, event));
    }
}
