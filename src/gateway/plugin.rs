//! One plugin: translates what the host calls into events of [`Inbound`], and its verdicts and fetches into host calls.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::Config;
use crate::header_map;
use crate::inbound::{Admission, Inbound, RequestId, Settled, Verdict};
use crate::jose::jwks::MAX_SET_LENGTH;
use crate::keys::{Answer, Body, Fetch, FetchReport};
use crate::reply::{Refusal, Rejection};
use crate::request::RequestFacts;

use super::abi::{self, HostError};
use super::envoy;
use super::metrics::Metrics;

/// How often the key cache is asked what is due.
const TICK_PERIOD: Duration = Duration::from_secs(1);

/// A plugin (root context) and the callouts that it made.
#[derive(Debug)]
pub(super) struct Plugin {
    context: u32,
    /// Absent until a valid configuration came; every request is refused then.
    inbound: Option<Inbound>,
    callouts: BTreeMap<u32, Fetch>,
    metrics: Metrics,
}

impl Plugin {
    pub(super) fn new(context: u32) -> Self {
        Self { context, inbound: None, callouts: BTreeMap::new(), metrics: Metrics::default() }
    }

    /// Takes the configuration. `false`, with every error in the log, if it is not valid.
    pub(super) fn configure(&mut self, size: usize) -> bool {
        self.inbound = None;
        self.callouts.clear();
        let Some(configuration) = abi::plugin_configuration(size) else {
            log::error!("hub-auth-filter: the gateway did not hand over the configuration");
            return false;
        };
        match Config::parse(&configuration) {
            Ok(config) => self.start(Inbound::new(config.inbound)),
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
            Err(rejection) => self.refuse(&Refusal::bare(rejection)),
        }
    }

    /// Takes the answer to a callout and decides on every request that waited for it.
    pub(super) fn call_response(&mut self, token: u32, body_size: usize) {
        let Some(fetch) = self.callouts.remove(&token) else { return };
        let answer = Answer {
            status: abi::call_response_header(":status"),
            content_length: abi::call_response_header("content-length"),
            body: read_body(body_size),
        };
        let (Some(inbound), Some(now)) = (&mut self.inbound, abi::now()) else { return };
        let settled = inbound.on_answer(now, fetch.id, &fetch.url, &answer);
        self.resume(settled);
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        let (Some(inbound), Some(now)) = (&mut self.inbound, abi::now()) else { return };
        let tick = inbound.on_tick(now);
        for settled in tick.lost {
            self.resume(settled);
        }
        for fetch in tick.fetches {
            let settled = self.dispatch(fetch).unwrap_or_default();
            self.resume(settled);
        }
    }

    /// Forgets a request that has ended.
    pub(super) fn request_gone(&mut self, request: u32) {
        if let Some(inbound) = &mut self.inbound {
            inbound.on_gone(RequestId(request));
        }
    }

    fn start(&mut self, inbound: Inbound) {
        self.metrics = Metrics::define();
        if inbound.upstream().is_some() && abi::set_tick_period(TICK_PERIOD).is_err() {
            log::warn!("hub-auth-filter: the gateway has no timer: keys are fetched only when a request needs them");
        }
        self.inbound = Some(inbound);
    }

    /// The verdict on a new request, or `None` to hold it.
    fn decide(&mut self, request: u32) -> Result<Option<Verdict>, Rejection> {
        let inbound = self.inbound.as_mut().ok_or(Rejection::NotConfigured)?;
        let now = abi::now().ok_or(Rejection::Internal)?;
        let facts = collect_facts(inbound).ok_or(Rejection::Internal)?;
        let step = inbound.on_request(now, RequestId(request), facts);
        let Some(fetch) = step.fetch else { return Ok(step.verdict) };
        let settled = self.fetch_for(request, fetch);
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
    fn fetch_for(&mut self, request: u32, fetch: Fetch) -> Option<Verdict> {
        let settled = self.dispatch(fetch)?;
        self.note(settled.report.as_ref());
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
    fn dispatch(&mut self, fetch: Fetch) -> Option<Settled> {
        let upstream = self.inbound.as_ref().and_then(Inbound::upstream)?;
        let headers = [
            (":method", "GET"),
            (":scheme", fetch.url.scheme().as_str()),
            (":authority", fetch.url.authority()),
            (":path", fetch.url.path()),
            ("accept", "application/jwk-set+json, application/json"),
        ];
        let call =
            abi::set_effective_context(self.context).and_then(|()| abi::http_call(upstream, &headers, fetch.timeout));
        match call {
            Ok(token) => {
                // Of several callouts for one address only the last counts: one that the host never reports on is
                // forgotten here, or such a host could make this map grow.
                self.callouts.retain(|_, earlier| earlier.url != fetch.url);
                self.callouts.insert(token, fetch);
                None
            }
            Err(HostError) => {
                log::error!(
                    "hub-auth-filter: the gateway refused a callout to the upstream \"{upstream}\"; is it defined?"
                );
                self.not_dispatched(&fetch)
            }
        }
    }

    fn not_dispatched(&mut self, fetch: &Fetch) -> Option<Settled> {
        let now = abi::now()?;
        Some(self.inbound.as_mut()?.on_not_dispatched(now, fetch.id, &fetch.url))
    }

    /// Carries out the verdicts on requests that were held.
    fn resume(&mut self, settled: Settled) {
        self.note(settled.report.as_ref());
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
            Verdict::Admit(admission) => {
                if self.admit(&admission).and_then(|()| abi::continue_request()).is_err() {
                    self.refuse(&Refusal::bare(Rejection::Internal));
                }
            }
        }
    }

    fn admit(&self, admission: &Admission) -> Result<(), HostError> {
        for name in admission.remove {
            abi::remove_request_header(name)?;
        }
        for (name, value) in &admission.set {
            abi::replace_request_header(name, value)?;
        }
        self.metrics.count_accepted();
        Ok(())
    }

    fn refuse(&self, refusal: &Refusal) -> i32 {
        self.metrics.count_refused(refusal.code());
        send(refusal);
        abi::PAUSE
    }

    fn note(&mut self, report: Option<&FetchReport>) {
        let Some(report) = report else { return };
        self.callouts.retain(|_, fetch| fetch.id != report.fetch);
        self.metrics.count_fetch(report.result.is_ok());
        if report.result.is_ok() {
            log::info!("{report}");
        } else {
            log::warn!("{report}");
        }
    }
}

/// Answers the request of the effective context with a refusal, and logs it.
pub(super) fn send(refusal: &Refusal) {
    let reply = refusal.reply();
    let headers: Vec<_> = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = abi::send_local_response(reply.status, refusal.code().as_str(), &headers, &reply.body);
    if let Some(now) = abi::now() {
        log::warn!("{}", refusal.log_line(now));
    }
    if sent.is_err() {
        log::error!("hub-auth-filter: the gateway did not take a response; the request stays held");
    }
}

fn collect_facts(inbound: &Inbound) -> Option<RequestFacts> {
    let mut facts = RequestFacts { peer: envoy::peer_facts(inbound.needs_fingerprint()), ..RequestFacts::default() };
    let headers = abi::request_headers()?;
    for (name, value) in header_map::decode(&headers)? {
        facts.note_header(name, value, inbound.forwarded_header());
    }
    facts.correlation.request_id = envoy::request_id();
    Some(facts)
}

fn read_body(size: usize) -> Body {
    if size > MAX_SET_LENGTH {
        return Body::TooLong;
    }
    abi::call_response_body(size).map_or(Body::Unreadable, Body::Read)
}
