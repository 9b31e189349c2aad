//! One plugin: translates what the host calls into events of [`Inbound`], and its verdicts and fetches into host calls.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::auth::{CalloutReport, Notice};
use crate::callout::{Answer, Body, Callout, CalloutId, MAX_ANSWER_LENGTH, Topic};
use crate::config::{self, Config};
use crate::header_map;
use crate::inbound::{Admission, Inbound, RequestId, Settled, TICK, Verdict};
use crate::reply::{Refusal, Rejection, Reply};
use crate::request::RequestFacts;
use crate::shared_data::Sharing;
use crate::time::UnixTime;

use super::abi::{self, HostError};
use super::envoy;
use super::metrics::Metrics;
use super::shared_data::HostSharedData;

/// A plugin (root context) and the callouts that it made.
#[derive(Debug)]
pub(super) struct Plugin {
    context: u32,
    /// Absent until a valid configuration came; every request is refused then.
    inbound: Option<Inbound>,
    callouts: BTreeMap<u32, (CalloutId, Topic)>,
    /// The tick period that the host was given last.
    tick_period: Option<Duration>,
    metrics: Metrics,
}

impl Plugin {
    pub(super) fn new(context: u32) -> Self {
        Self { context, inbound: None, callouts: BTreeMap::new(), tick_period: None, metrics: Metrics::default() }
    }

    /// Takes the configuration. `false`, with every error in the log, if it is not valid.
    pub(super) fn configure(&mut self, size: usize) -> bool {
        self.inbound = None;
        self.callouts.clear();
        let Some(configuration) = abi::plugin_configuration(size) else {
            log::error!("hub-auth-filter: the gateway did not hand over the configuration");
            return false;
        };
        let environment = abi::environment();
        let variable = |name: &str| {
            let value = |entry: &String| Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_owned());
            environment.iter().find_map(value)
        };
        match Config::parse_with(&configuration, &variable) {
            Ok(config) => {
                for warning in config.warnings() {
                    log::warn!("hub-auth-filter: {warning}");
                }
                self.start(config.inbound);
            }
            Err(errors) => {
                // Line by line, because the text also says how many more errors it leaves out.
                for line in errors.to_string().lines() {
                    log::error!("hub-auth-filter: configuration refused: {line}");
                }
                return false;
            }
        }
        true
    }

    /// Decides on a request, or holds it.
    pub(super) fn request_headers(&mut self, request: u32) -> i32 {
        match self.decide(request) {
            Ok(None) => abi::PAUSE,
            Ok(Some(Verdict::Admit(admission))) => match self.admit(&admission) {
                Ok(()) => abi::CONTINUE,
                Err(HostError) => self.refuse(&Refusal::bare(Rejection::Internal)),
            },
            Ok(Some(Verdict::Refuse(refusal))) => self.refuse(&refusal),
            Ok(Some(Verdict::Answer(reply))) => {
                send_reply(&reply, "health_check");
                abi::PAUSE
            }
            Err(rejection) => self.refuse(&Refusal::bare(rejection)),
        }
    }

    /// Takes the answer to a callout and decides on every request that waited for it.
    pub(super) fn call_response(&mut self, token: u32, body_size: usize) {
        let Some((id, topic)) = self.callouts.remove(&token) else { return };
        let answer = Answer {
            status: abi::call_response_header(":status"),
            content_length: abi::call_response_header("content-length"),
            body: read_body(body_size),
        };
        let (Some(inbound), Some(now)) = (&mut self.inbound, abi::now()) else { return };
        let settled = inbound.on_answer(now, id, &topic, &answer);
        self.resume(settled);
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        let (Some(inbound), Some(now)) = (&mut self.inbound, abi::now()) else { return };
        let tick = inbound.on_tick(now);
        for settled in tick.settled {
            self.resume(settled);
        }
        for callout in tick.callouts {
            let settled = self.dispatch(callout).unwrap_or_default();
            self.resume(settled);
        }
        self.adjust_ticks();
        self.log_notices(now);
    }

    /// Forgets a request that has ended.
    pub(super) fn request_gone(&mut self, request: u32) {
        if let Some(inbound) = &mut self.inbound {
            inbound.on_gone(RequestId(request));
        }
    }

    fn start(&mut self, config: config::Inbound) {
        self.metrics = Metrics::define();
        let has_timer = abi::set_tick_period(TICK).is_ok();
        let mut inbound = Inbound::new(config, &Sharing { data: Rc::new(HostSharedData), has_timer });
        if inbound.tick_period().is_some() && !has_timer {
            log::warn!("hub-auth-filter: the gateway has no timer: keys are fetched only when a request needs them");
        }
        self.tick_period = has_timer.then_some(TICK);
        self.inbound = Some(inbound);
        if let Some(now) = abi::now() {
            self.log_notices(now);
        }
    }

    /// Tells the log what the core wants it to know.
    fn log_notices(&mut self, now: UnixTime) {
        let Some(inbound) = &mut self.inbound else { return };
        for notice in inbound.notices(now) {
            match notice {
                Notice::Information(text) => log::info!("hub-auth-filter: {text}"),
                Notice::Warning(text) => log::warn!("hub-auth-filter: {text}"),
            }
        }
    }

    /// Has the host call as often as is wanted now. Leaves any context in effect.
    fn adjust_ticks(&mut self) {
        let Some(wanted) = self.inbound.as_mut().and_then(Inbound::tick_period) else { return };
        if self.tick_period.is_none_or(|period| period == wanted) {
            return;
        }
        let set = abi::set_effective_context(self.context).and_then(|()| abi::set_tick_period(wanted));
        if set.is_ok() {
            self.tick_period = Some(wanted);
        }
    }

    /// The verdict on a new request, or `None` to hold it.
    fn decide(&mut self, request: u32) -> Result<Option<Verdict>, Rejection> {
        let inbound = self.inbound.as_mut().ok_or(Rejection::NotConfigured)?;
        let now = abi::now().ok_or(Rejection::Internal)?;
        let facts = collect_facts(inbound).ok_or(Rejection::Internal)?;
        let step = inbound.on_request(now, RequestId(request), facts);
        self.log_notices(now);
        if step.verdict.is_some() && step.callout.is_none() {
            return Ok(step.verdict);
        }
        self.adjust_ticks();
        let settled = step.callout.and_then(|callout| self.call_out_for(request, callout));
        if abi::set_effective_context(request).is_err() {
            // It can not be answered any more, and must not be let through later either.
            self.request_gone(request);
            return Err(Rejection::Internal);
        }
        Ok(step.verdict.or(settled))
    }

    /// Makes a callout on behalf of a request. The verdict on that request, if the host did not take the callout.
    ///
    /// Leaves any context in effect.
    fn call_out_for(&mut self, request: u32, callout: Callout) -> Option<Verdict> {
        let settled = self.dispatch(callout)?;
        self.note(&settled);
        let mut own = None;
        for (id, verdict) in settled.verdicts {
            if id == RequestId(request) {
                own = Some(verdict);
            } else {
                self.resume_one(id, verdict);
            }
        }
        own
    }

    /// Makes a callout, in the plugin's own context: it must outlive a client that goes away, because others wait for it
    /// too. What it settled, if the host did not take it.
    fn dispatch(&mut self, callout: Callout) -> Option<Settled> {
        let Callout { id, topic, request } = callout;
        let url = &request.url;
        let mut headers = vec![
            (":method", request.method),
            (":scheme", url.scheme().as_str()),
            (":authority", url.authority()),
            (":path", url.path()),
        ];
        headers.extend(request.headers.iter().map(|(name, value)| (*name, value.as_str())));
        let call = abi::set_effective_context(self.context)
            .and_then(|()| abi::http_call(&request.upstream, &headers, &request.body, request.timeout));
        match call {
            Ok(token) => {
                // Of several callouts on one topic only the last counts: one that the host never reports on is
                // forgotten here, or such a host could make this map grow.
                self.callouts.retain(|_, (_, earlier)| *earlier != topic);
                self.callouts.insert(token, (id, topic));
                None
            }
            Err(HostError) => {
                let upstream = &request.upstream;
                log::error!(
                    "hub-auth-filter: the gateway refused a callout to the upstream \"{upstream}\"; is it defined?"
                );
                let now = abi::now()?;
                Some(self.inbound.as_mut()?.on_not_dispatched(now, id, &topic))
            }
        }
    }

    /// Carries out the verdicts on requests that were held.
    fn resume(&mut self, settled: Settled) {
        self.note(&settled);
        for (id, verdict) in settled.verdicts {
            self.resume_one(id, verdict);
        }
    }

    fn resume_one(&mut self, id: RequestId, verdict: Verdict) {
        if abi::set_effective_context(id.0).is_err() {
            // It can be neither answered nor let through: it stays held until the gateway gives it up.
            log::error!("hub-auth-filter: the gateway does not let a waiting request be answered");
            return;
        }
        match verdict {
            Verdict::Refuse(refusal) => {
                self.refuse(&refusal);
            }
            Verdict::Answer(reply) => send_reply(&reply, "health_check"),
            Verdict::Admit(admission) => {
                if self.admit(&admission).and_then(|()| abi::continue_request()).is_err() {
                    self.refuse(&Refusal::bare(Rejection::Internal));
                }
            }
        }
    }

    fn admit(&self, admission: &Admission) -> Result<(), HostError> {
        for name in &admission.remove {
            abi::remove_request_header(name)?;
        }
        for (name, value) in &admission.set {
            abi::replace_request_header(name, value)?;
        }
        self.metrics.count_accepted();
        Ok(())
    }

    fn refuse(&self, refusal: &Refusal) -> i32 {
        self.metrics.count_refused(refusal);
        send(refusal);
        abi::PAUSE
    }

    fn note(&mut self, settled: &Settled) {
        // A callout that was given up may never be reported on: such a host could make this map grow.
        self.callouts.retain(|_, callout| Some(&*callout) != settled.ended.as_ref());
        let Some(report) = &settled.report else { return };
        self.metrics.count_callout(report);
        match (report, report.is_success()) {
            (_, false) => log::warn!("{report}"),
            (CalloutReport::Keys(_), true) => log::info!("{report}"),
            // Once for each token.
            (CalloutReport::Introspection(_), true) => log::debug!("{report}"),
        }
    }
}

/// Answers the request of the effective context with a refusal, and logs it.
pub(super) fn send(refusal: &Refusal) {
    send_reply(&refusal.reply(), refusal.code().as_str());
    if let Some(now) = abi::now() {
        log::warn!("{}", refusal.log_line(now));
    }
}

/// Answers the request of the effective context. `details` are for the gateway's own access log.
fn send_reply(reply: &Reply, details: &str) {
    let headers: Vec<_> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    if abi::send_local_response(reply.status, details, &headers, &reply.body).is_err() {
        log::error!("hub-auth-filter: the gateway did not take a response; the request stays held");
    }
}

fn collect_facts(inbound: &Inbound) -> Option<RequestFacts> {
    let mut facts = RequestFacts { peer: envoy::peer_facts(inbound.needs_fingerprint()), ..RequestFacts::default() };
    let headers = abi::request_headers()?;
    for (name, value) in header_map::decode(&headers)? {
        facts.note_header(name, value, inbound.configured_headers());
    }
    facts.correlation.request_id = envoy::request_id();
    Some(facts)
}

fn read_body(size: usize) -> Body {
    if size > MAX_ANSWER_LENGTH {
        return Body::TooLong;
    }
    abi::call_response_body(size).map_or(Body::Unreadable, Body::Read)
}
