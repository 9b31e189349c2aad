//! One plugin, from its configuration on: finds out which gateway it is in and whether the two go together. Until both are
//! clear every request is refused.

use std::rc::Rc;

use litemap::LiteMap;
use zeroize::Zeroizing;

use crate::config::{Config, ConfigErrors};
use crate::effects::TICK;
use crate::evidence::Evidence;
use crate::reply::{RejectReason, Rejection, Reply};
use crate::shared_data::SharedData;

use super::clock;
use super::direction::Direction;
use super::facts;
use super::gate;
use super::running::Running;
use super::shared_data::HostSharedData;
use crate::gateway::abi;
use crate::gateway::adapter::Occasion;
use crate::gateway::kinds::GatewayKind;

/// A plugin (root context).
pub(super) struct Plugin {
    context: u32,
    state: State,
    /// The kind of gateway that the configuration names, until the first request has told whether that is right.
    claimed_kind: Option<GatewayKind>,
    host: Host,
    /// Metrics are wanted, and wait until it is known that defining one is safe here.
    awaits_metrics: bool,
    /// The requests that were refused because nothing could decide on them, as long as they last.
    refused: LiteMap<u32, ()>,
}

/// Whether this host is one to rely on. Some show that in the phase of a request only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    /// It has not shown it yet.
    Unknown,
    /// It has seemed to be none. Each request asks again, because another filter's header can make it seem so once.
    Doubtful,
    /// It is.
    Good,
}

enum State {
    /// There is no valid configuration.
    NotConfigured,
    /// There is one, and the first request will tell which gateway this is: outside of requests it cannot be asked.
    InUnknownGateway(Box<Config>),
    Running(Box<Running>),
}

impl Plugin {
    pub(super) fn new(context: u32) -> Self {
        Self {
            context,
            state: State::NotConfigured,
            claimed_kind: None,
            host: Host::Unknown,
            awaits_metrics: false,
            refused: LiteMap::new_vec(),
        }
    }

    /// Takes the configuration, and logs every error in it. `false` if the gateway is to refuse it.
    pub(super) fn configure(&mut self, size: usize) -> bool {
        self.state = State::NotConfigured;
        let found = GatewayKind::found_at_start();
        self.host = if found.is_some() { Host::Good } else { Host::Unknown };
        if let Some(config) = read_configuration(size) {
            for warning in config.warnings() {
                log::warn!("{warning}");
            }
            self.claimed_kind = config.gateway.kind.and_then(GatewayKind::from_name);
            match (self.claimed_kind, found) {
                (Some(claimed), Some(kind)) if claimed != kind => self.refuse_kind(claimed, kind),
                (_, Some(kind)) => self.start(config, kind),
                (Some(claimed), None) if !claimed.adapter().has_ticks() => self.start(config, claimed),
                // Its ticks would begin before it is known to have any.
                (_, None) => self.state = State::InUnknownGateway(Box::new(config)),
            }
        }
        let stops = found.is_some_and(|kind| kind.adapter().stops_without_configuration());
        !(stops && matches!(self.state, State::NotConfigured))
    }

    /// Decides on a request, or holds it.
    pub(super) fn request_headers(&mut self, request: u32, announced: usize) -> i32 {
        match self.check_host().and_then(|()| self.running()) {
            Ok(running) => running.request_headers(request, announced),
            Err(reason) => {
                self.refused.insert(request, ());
                gate::send(Rejection::new(reason, Evidence::default(), facts::interaction_ids()));
                abi::PAUSE
            }
        }
    }

    /// Decides on a response, or holds it.
    pub(super) fn response_headers(&mut self, request: u32, announced: usize) -> i32 {
        if self.refused.remove(&request).is_some() {
            // This is the rejection.
            return abi::CONTINUE;
        }
        match self.running() {
            Ok(running) => running.response_headers(request, announced),
            Err(reason) => response_without_decision(reason, announced),
        }
    }

    /// Takes the answer to a callout and decides on everything that waited for it.
    pub(super) fn call_response(&mut self, token: u32, body_size: usize) {
        match &mut self.state {
            State::Running(running) => running.call_response(token, body_size),
            State::NotConfigured | State::InUnknownGateway(_) => gate::refuse_unknown_after_callout(body_size),
        }
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        if let State::Running(running) = &mut self.state {
            running.tick();
        }
    }

    /// Forgets a request that has ended.
    pub(super) fn request_end(&mut self, request: u32) {
        self.refused.remove(&request);
        if let State::Running(running) = &mut self.state {
            running.request_end(request);
        }
    }

    /// What decides on requests, from the first one on. To be asked in a request only.
    fn running(&mut self) -> Result<&mut Running, RejectReason> {
        let claimed = self.claimed_kind.take();
        if (claimed.is_some() || matches!(self.state, State::InUnknownGateway(_)))
            && let Some(kind) = GatewayKind::found_in_request().or(claimed)
        {
            if let Some(claimed) = claimed.filter(|claimed| *claimed != kind) {
                self.refuse_kind(claimed, kind);
            }
            match std::mem::replace(&mut self.state, State::NotConfigured) {
                State::InUnknownGateway(config) => self.start(*config, kind),
                state => self.state = state,
            }
        }
        match &mut self.state {
            State::Running(running) => Ok(running),
            State::NotConfigured => Err(RejectReason::NotConfigured),
            State::InUnknownGateway(_) => {
                log::error!("this is none of the gateways that the filter knows");
                Err(RejectReason::Internal)
            }
        }
    }

    /// Whether this host is one to rely on; what waited for that begins. To be asked in the phase of a request only.
    fn check_host(&mut self) -> Result<(), RejectReason> {
        if self.host == Host::Good {
            return Ok(());
        }
        let fault = |kind: GatewayKind| Some((kind, kind.adapter().fault_of_host()?));
        if let Some((kind, fault)) = GatewayKind::found_in_request().and_then(fault) {
            if self.host == Host::Unknown {
                log::error!("requests are refused, because this \"{}\" is not safe: {fault}", kind.name());
            }
            self.host = Host::Doubtful;
            return Err(RejectReason::NotConfigured);
        }
        self.host = Host::Good;
        self.measure_if_wanted();
        Ok(())
    }

    /// Defines the metrics, where they are wanted and it is known that this is safe.
    fn measure_if_wanted(&mut self) {
        if self.host == Host::Good
            && let State::Running(running) = &mut self.state
            && std::mem::take(&mut self.awaits_metrics)
        {
            running.measure();
        }
    }

    /// Refuses everything from now on, because the configuration is for another kind of gateway.
    fn refuse_kind(&mut self, claimed: GatewayKind, kind: GatewayKind) {
        self.state = State::NotConfigured;
        let (claimed, kind) = (claimed.name(), kind.name());
        log::error!(
            "configuration refused: gateway.kind: it says \"{claimed}\", but this is \"{kind}\"; \
             leave it out, and the filter finds out by itself"
        );
    }

    /// Begins to work in this kind of gateway, if that can do what the configuration asks of it.
    fn start(&mut self, config: Config, kind: GatewayKind) {
        let adapter = kind.adapter();
        let has_timer = adapter.has_ticks() && abi::set_tick_period(TICK).is_ok();
        let data: Option<Rc<dyn SharedData>> = if config.gateway.uses_shared_data(kind.data_sharing()) {
            Some(Rc::new(HostSharedData::of(adapter)))
        } else {
            None
        };
        self.awaits_metrics = config.gateway.uses_metrics(kind.metrics());
        let capabilities = kind.capabilities(data, has_timer);
        if let Err(errors) = config.check(&capabilities) {
            log_errors(&errors);
            return;
        }
        for warning in config.warnings_for(&capabilities) {
            log::warn!("{warning}");
        }
        let mut direction = Direction::new(config.direction, &capabilities);
        if adapter.has_ticks() && direction.tick_period().is_some() && !has_timer {
            log::warn!("the gateway has no timer: keys are fetched only when a request needs them");
        }
        let mut running = Running::new(self.context, adapter, &capabilities, direction, has_timer.then_some(TICK));
        if let Some(now) = clock::now() {
            running.start(now);
        }
        self.state = State::Running(Box::new(running));
        self.measure_if_wanted();
    }
}

/// What to return for a response where nothing has decided on its request, and nothing can. Only where requests may be hidden
/// it may be the backend's.
pub(super) fn response_without_decision(reason: RejectReason, announced: usize) -> i32 {
    let hides_requests = |kind: &GatewayKind| kind.capabilities(None, false).hides_requests;
    if let Some(kind) = GatewayKind::found_in_request().filter(hides_requests) {
        let occasion = Occasion::Response { headers: announced };
        let answer = |reply: &Reply, details: &str| kind.adapter().answer(reply, details, occasion);
        gate::reject(Rejection::bare(reason), answer);
    }
    abi::CONTINUE
}

fn read_configuration(size: usize) -> Option<Config> {
    let Some(configuration) = abi::plugin_configuration(size).map(Zeroizing::new) else {
        log::error!("the gateway did not hand over the configuration");
        return None;
    };
    let environment = abi::environment();
    let variable = |name: &str| {
        let value = |entry: &String| Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_owned());
        environment.iter().find_map(value)
    };
    Config::parse_with(&configuration, &GatewayKind::known(), &variable).map_err(|errors| log_errors(&errors)).ok()
}

fn log_errors(errors: &ConfigErrors) {
    // Line by line, because the text also says how many more errors it leaves out.
    for line in errors.to_string().lines() {
        log::error!("configuration refused: {line}");
    }
}
