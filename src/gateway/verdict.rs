//! Carries out verdicts on the request or the response of the effective context.

use crate::exchange::{Admission, Phase, Verdict};
use crate::reply::{Refusal, RefusalEvent, Rejection, Reply};
use crate::signing::SignatureRecord;

use super::abi::{self, Headers, HostError, Stream};
use super::adapter::Adapter;
use super::metrics::Metrics;

/// Whether something goes on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goes {
    On,
    Nowhere,
}

/// Changes what a verdict wants changed, or answers. Fails only where something was to go on, and then it must not.
pub(super) fn act(verdict: Verdict, phase: Phase, adapter: &dyn Adapter, metrics: &Metrics) -> Result<Goes, HostError> {
    match verdict {
        Verdict::Admit(admission) => {
            admit(&admission, phase, adapter, metrics)?;
            return Ok(Goes::On);
        }
        Verdict::Tolerate(refusal) => {
            metrics.count_tolerated();
            log_refusal(&refusal, RefusalEvent::Tolerated);
            return Ok(Goes::On);
        }
        Verdict::Refuse(refusal) => {
            metrics.count_refused(&refusal);
            send(&refusal);
        }
        Verdict::Answer(reply) => send_reply(&reply, "health_check"),
    }
    Ok(Goes::Nowhere)
}

/// Lets something go on that was held.
pub(super) fn resume(phase: Phase) -> Result<(), HostError> {
    abi::continue_stream(match phase {
        Phase::Request => Stream::Request,
        Phase::Response => Stream::Response,
    })
}

/// Answers with a refusal, and logs it.
pub(super) fn send(refusal: &Refusal) {
    send_reply(&refusal.reply(), refusal.code().as_str());
    log_refusal(refusal, RefusalEvent::Refused);
}

/// Refuses a request of which nothing is known, in a call that must not fail to decide on it.
pub(super) fn refuse_unknown() {
    send(&Refusal::bare(Rejection::Internal));
}

/// Tells the audit trail of a signature, whatever becomes of it.
pub(super) fn tell(record: &SignatureRecord, metrics: &Metrics) {
    metrics.count_signed();
    if let Some(now) = abi::now() {
        log::info!("{}", record.log_line(now));
    }
}

fn admit(admission: &Admission, phase: Phase, adapter: &dyn Adapter, metrics: &Metrics) -> Result<(), HostError> {
    let headers = match phase {
        Phase::Request => Headers::Request,
        Phase::Response => Headers::Response,
    };
    if let Some(record) = &admission.signed {
        tell(record, metrics);
    }
    for name in admission.removed() {
        adapter.take_away(name)?;
    }
    for (name, value) in admission.set() {
        abi::replace_header(headers, name, value)?;
    }
    if phase == Phase::Request {
        metrics.count_accepted();
    }
    Ok(())
}

/// `details` are for the gateway's own access log.
fn send_reply(reply: &Reply, details: &str) {
    let headers: Vec<_> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = abi::send_local_response(reply.status, details, &headers, &reply.body)
        // Not every gateway can hold a request that it has no answer to: one without headers may do.
        .or_else(|HostError| abi::send_local_response(reply.status, details, &[], &reply.body));
    if sent.is_err() {
        log::error!("hub-auth-filter: the gateway did not take a response; the request stays held");
    }
}

fn log_refusal(refusal: &Refusal, event: RefusalEvent) {
    if let Some(now) = abi::now() {
        log::warn!("{}", refusal.log_line(now, event));
    }
}
