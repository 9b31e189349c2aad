//! Carries out verdicts on the request or the response of the effective context.

use crate::exchange::{Admission, Phase, Verdict};
use crate::reply::{Refusal, RefusalEvent, Rejection, Reply};
use crate::signing::SignatureRecord;

use super::abi::{self, Headers, HostError, Stream};
use super::metrics::Metrics;

/// Carries out a verdict in the callback that it was asked for in. What that callback returns.
pub(super) fn carry_out(verdict: Verdict, phase: Phase, metrics: &Metrics) -> i32 {
    match act(verdict, phase, metrics) {
        Ok(Goes::On) => abi::CONTINUE,
        Ok(Goes::Nowhere) => abi::PAUSE,
        Err(HostError) => refuse(&Refusal::bare(Rejection::Internal), metrics),
    }
}

/// Carries out a verdict on what was held.
pub(super) fn release(verdict: Verdict, phase: Phase, metrics: &Metrics) {
    let stream = match phase {
        Phase::Request => Stream::Request,
        Phase::Response => Stream::Response,
    };
    let released = act(verdict, phase, metrics).and_then(|goes| match goes {
        Goes::On => abi::continue_stream(stream),
        Goes::Nowhere => Ok(()),
    });
    if released.is_err() {
        refuse(&Refusal::bare(Rejection::Internal), metrics);
    }
}

/// Answers with a refusal, and logs it.
pub(super) fn send(refusal: &Refusal) {
    send_reply(&refusal.reply(), refusal.code().as_str());
    log_refusal(refusal, RefusalEvent::Refused);
}

/// Tells the audit trail of a signature, whatever becomes of it.
pub(super) fn tell(record: &SignatureRecord, metrics: &Metrics) {
    metrics.count_signed();
    if let Some(now) = abi::now() {
        log::info!("{}", record.log_line(now));
    }
}

/// Whether something goes on.
enum Goes {
    On,
    Nowhere,
}

fn act(verdict: Verdict, phase: Phase, metrics: &Metrics) -> Result<Goes, HostError> {
    match verdict {
        Verdict::Admit(admission) => {
            admit(*admission, phase, metrics)?;
            return Ok(Goes::On);
        }
        Verdict::Tolerate(refusal) => {
            metrics.count_tolerated();
            log_refusal(&refusal, RefusalEvent::Tolerated);
            return Ok(Goes::On);
        }
        Verdict::Refuse(refusal) => {
            refuse(&refusal, metrics);
        }
        Verdict::Answer(reply) => send_reply(&reply, "health_check"),
    }
    Ok(Goes::Nowhere)
}

fn admit(admission: Admission, phase: Phase, metrics: &Metrics) -> Result<(), HostError> {
    let headers = match phase {
        Phase::Request => Headers::Request,
        Phase::Response => Headers::Response,
    };
    let Admission { remove, set, signed } = admission;
    if let Some(record) = &signed {
        tell(record, metrics);
    }
    for name in &remove {
        abi::remove_header(headers, name)?;
    }
    for (name, value) in &set {
        abi::replace_header(headers, name, value)?;
    }
    if phase == Phase::Request {
        metrics.count_accepted();
    }
    Ok(())
}

fn refuse(refusal: &Refusal, metrics: &Metrics) -> i32 {
    metrics.count_refused(refusal);
    send(refusal);
    abi::PAUSE
}

/// `details` are for the gateway's own access log.
fn send_reply(reply: &Reply, details: &str) {
    let headers: Vec<_> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    if abi::send_local_response(reply.status, details, &headers, &reply.body).is_err() {
        log::error!("hub-auth-filter: the gateway did not take a response; the request stays held");
    }
}

fn log_refusal(refusal: &Refusal, event: RefusalEvent) {
    if let Some(now) = abi::now() {
        log::warn!("{}", refusal.log_line(now, event));
    }
}
