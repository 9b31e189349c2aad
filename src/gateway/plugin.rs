//! One plugin: translates what the host calls into events of its [`Direction`], and makes the callouts that follow.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::auth::Notice;
use crate::callout::{Callout, CalloutId, Topic};
use crate::capabilities::{Capabilities, GatewayKind};
use crate::config::{self, Config};
use crate::exchange::{Phase, Released, Settled, Step, TICK, Verdict};
use crate::reply::{Refusal, Rejection};
use crate::report::CalloutReport;
use crate::request::RequestId;
use crate::time::UnixTime;

use super::abi::{self, HostError};
use super::direction::Direction;
use super::metrics::Metrics;
use super::shared_data::HostSharedData;
use super::{facts, verdict};

/// A plugin (root context) and the callouts that it made.
#[derive(Debug)]
pub(super) struct Plugin {
    context: u32,
    /// Absent until a valid configuration came; every request is refused then.
    direction: Option<Direction>,
    callouts: BTreeMap<u32, (CalloutId, Topic)>,
    /// The tick period that the host was given last.
    tick_period: Option<Duration>,
    metrics: Metrics,
}

impl Plugin {
    pub(super) fn new(context: u32) -> Self {
        Self { context, direction: None, callouts: BTreeMap::new(), tick_period: None, metrics: Metrics::default() }
    }

    /// Takes the configuration. `false`, with every error in the log, if it is not valid.
    pub(super) fn configure(&mut self, size: usize) -> bool {
        self.direction = None;
        self.callouts.clear();
        let Some(configuration) = abi::plugin_configuration(size).map(Zeroizing::new) else {
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
                self.start(config.direction);
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
        let decided = self.decide_request(request);
        self.conclude(decided, Phase::Request)
    }

    /// Decides on a response, or holds it.
    pub(super) fn response_headers(&mut self, request: u32) -> i32 {
        // Without a configuration the request was refused, and this is the refusal.
        if !self.direction.as_ref().is_some_and(Direction::wants_responses) {
            return abi::CONTINUE;
        }
        let decided = self.decide_response(request);
        self.conclude(decided, Phase::Response)
    }

    /// Takes the answer to a callout and decides on everything that waited for it.
    pub(super) fn call_response(&mut self, token: u32, body_size: usize) {
        let Some((id, topic)) = self.callouts.remove(&token) else { return };
        let answer = facts::of_answer(body_size);
        let (Some(direction), Some(now)) = (&mut self.direction, abi::now()) else { return };
        let settled = direction.on_answer(now, id, &topic, &answer);
        self.resume(settled);
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        let (Some(direction), Some(now)) = (&mut self.direction, abi::now()) else { return };
        let tick = direction.on_tick(now);
        for settled in tick.settled {
            self.resume(settled);
        }
        self.call_out(tick.callouts, None);
        self.adjust_ticks();
        self.log_notices(now);
    }

    /// Forgets a request that has ended.
    pub(super) fn request_gone(&mut self, request: u32) {
        if let Some(direction) = &mut self.direction {
            direction.on_gone(RequestId(request));
        }
    }

    fn start(&mut self, config: config::Direction) {
        let has_timer = abi::set_tick_period(TICK).is_ok();
        let capabilities = Capabilities::of(GatewayKind::Envoy, Some(Rc::new(HostSharedData)), has_timer);
        let mut direction = Direction::new(config, &capabilities);
        if direction.tick_period().is_some() && !has_timer {
            log::warn!("hub-auth-filter: the gateway has no timer: keys are fetched only when a request needs them");
        }
        self.metrics = Metrics::define(direction.name(), direction.error_codes());
        self.tick_period = has_timer.then_some(TICK);
        self.direction = Some(direction);
        if let Some(now) = abi::now() {
            self.log_notices(now);
        }
    }

    /// Tells the log what the core wants it to know.
    fn log_notices(&mut self, now: UnixTime) {
        let Some(direction) = &mut self.direction else { return };
        for notice in direction.notices(now) {
            match notice {
                Notice::Information(text) => log::info!("hub-auth-filter: {text}"),
                Notice::Warning(text) => log::warn!("hub-auth-filter: {text}"),
            }
        }
    }

    /// Has the host call as often as is wanted now. Leaves any context in effect.
    fn adjust_ticks(&mut self) {
        let Some(wanted) = self.direction.as_mut().and_then(Direction::tick_period) else { return };
        if self.tick_period.is_none_or(|period| period == wanted) {
            return;
        }
        let set = abi::set_effective_context(self.context).and_then(|()| abi::set_tick_period(wanted));
        if set.is_ok() {
            self.tick_period = Some(wanted);
        }
    }

    /// The verdict on a new request, or `None` to hold it.
    fn decide_request(&mut self, request: u32) -> Result<Option<Verdict>, Rejection> {
        let direction = self.direction.as_mut().ok_or(Rejection::NotConfigured)?;
        let now = abi::now().ok_or(Rejection::Internal)?;
        let facts = facts::of_request(direction).ok_or(Rejection::Internal)?;
        let step = direction.on_request(now, RequestId(request), facts);
        self.log_notices(now);
        self.follow(step, request)
    }

    /// The verdict on a response, or `None` to hold it.
    fn decide_response(&mut self, request: u32) -> Result<Option<Verdict>, Rejection> {
        let direction = self.direction.as_mut().ok_or(Rejection::NotConfigured)?;
        let now = abi::now().ok_or(Rejection::Internal)?;
        let facts = facts::of_response(direction).ok_or(Rejection::Internal)?;
        let step = direction.on_response(now, RequestId(request), facts);
        self.follow(step, request)
    }

    /// Makes the callouts of a step. Its verdict, or the one that a callout brought about which the host did not take.
    fn follow(&mut self, step: Step, request: u32) -> Result<Option<Verdict>, Rejection> {
        let Step { callouts, verdict } = step;
        if verdict.is_some() && callouts.is_empty() {
            return Ok(verdict);
        }
        self.adjust_ticks();
        let settled = self.call_out(callouts, Some(RequestId(request)));
        if abi::set_effective_context(request).is_err() {
            // It can not be answered any more, and must not be let through later either.
            self.request_gone(request);
            return Err(Rejection::Internal);
        }
        Ok(verdict.or(settled))
    }

    /// Carries out what was decided in the callback that asks for it.
    fn conclude(&mut self, decided: Result<Option<Verdict>, Rejection>, phase: Phase) -> i32 {
        let verdict = match decided {
            Ok(None) => return abi::PAUSE,
            Ok(Some(verdict)) => verdict,
            Err(rejection) => Verdict::Refuse(Box::new(Refusal::bare(rejection))),
        };
        verdict::carry_out(verdict, phase, &self.metrics)
    }

    /// Makes callouts, and those that follow if the host does not take them. The verdict on the request `own` that this
    /// brought about; those on others are carried out.
    ///
    /// Leaves any context in effect.
    fn call_out(&mut self, mut callouts: Vec<Callout>, own: Option<RequestId>) -> Option<Verdict> {
        let mut verdict = None;
        while let Some(callout) = callouts.pop() {
            let Some(settled) = self.dispatch(callout) else { continue };
            self.note(&settled);
            callouts.extend(settled.callouts);
            for released in settled.released {
                if Some(released.id) == own {
                    verdict = Some(released.verdict);
                } else {
                    self.release(released);
                }
            }
        }
        verdict
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
                Some(self.direction.as_mut()?.on_not_dispatched(now, id, &topic))
            }
        }
    }

    /// Carries out what the end of a callout brought about.
    fn resume(&mut self, settled: Settled) {
        self.note(&settled);
        for released in settled.released {
            self.release(released);
        }
        self.call_out(settled.callouts, None);
    }

    fn release(&mut self, released: Released) {
        let Released { id, phase, verdict } = released;
        if abi::set_effective_context(id.0).is_err() {
            // It can be neither answered nor let through: it stays held until the gateway gives it up.
            log::error!("hub-auth-filter: the gateway does not let what waits be answered");
            return;
        }
        verdict::release(verdict, phase, &self.metrics);
    }

    fn note(&mut self, settled: &Settled) {
        // A callout that was given up may never be reported on: such a host could make this map grow.
        self.callouts.retain(|_, callout| Some(&*callout) != settled.ended.as_ref());
        if let Some(record) = &settled.unused {
            verdict::tell(record, &self.metrics);
        }
        let Some(report) = &settled.report else { return };
        self.metrics.count_callout(report);
        match (report, report.is_success()) {
            (_, false) => log::warn!("{report}"),
            (CalloutReport::Keys(_), true) => log::info!("{report}"),
            // Once for each token.
            (CalloutReport::Introspection(_) | CalloutReport::Signer(_), true) => log::debug!("{report}"),
        }
    }
}
