//! What a gateway can do for the filter, held as a value: the rest of the filter degrades by it and never asks which
//! gateway it is.

use std::rc::Rc;

use crate::shared_data::{NoSharedData, SharedData};

/// The gateways that the filter knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayKind {
    /// Envoy, and what is built on it.
    Envoy,
    /// Kong 3.4 to 3.9.
    Kong,
    /// APISIX 3.
    Apisix,
}

/// Whom the gateway's callouts belong to, and with that who may wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalloutOwner {
    /// The plugin. Its callouts outlive the requests that made them, and the end of one decides on all that wait for it.
    Plugin,
    /// The request that makes it, one at a time. A request is decided only when it arrives and when its own callout ends:
    /// nobody can wait for another's.
    Request,
}

/// What a gateway can do.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// What its workers share.
    pub data: Rc<dyn SharedData>,
    /// Whether [`Capabilities::data`] is more than nothing.
    pub shares_data: bool,
    /// Whether time is told to the filter regularly.
    pub has_timer: bool,
    /// Whom callouts belong to.
    pub callout_owner: CalloutOwner,
    /// Whether a response can be held until a callout has ended.
    pub holds_responses: bool,
    /// Whether a response can be replaced by another, at least its status and body.
    pub replaces_responses: bool,
    /// Whether a response may come to a request that the gateway has not shown to the filter.
    pub hides_requests: bool,
    /// Whether a callout with a body may follow at once on another whose answer had none.
    pub repeats_unanswered_callouts: bool,
    /// Whether the upstream of a callout is a name that the gateway's configuration defines. Elsewhere it is an address:
    /// `host` or `host:port`.
    pub names_upstreams: bool,
}

impl GatewayKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Envoy, Self::Kong, Self::Apisix];

    /// Its name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::Kong => "kong",
            Self::Apisix => "apisix",
        }
    }
}

impl Capabilities {
    /// What a gateway of this kind can do, when its workers share `data`, if anything, and it took a request
    /// for a tick or not.
    #[must_use]
    pub fn of(kind: GatewayKind, data: Option<Rc<dyn SharedData>>, has_timer: bool) -> Self {
        let is_envoy = kind == GatewayKind::Envoy;
        Self {
            shares_data: data.is_some(),
            data: data.unwrap_or_else(|| Rc::new(NoSharedData)),
            has_timer,
            callout_owner: if is_envoy { CalloutOwner::Plugin } else { CalloutOwner::Request },
            holds_responses: is_envoy,
            replaces_responses: kind != GatewayKind::Apisix,
            hides_requests: kind == GatewayKind::Kong,
            // The buffers of the first one are about to be freed, and the next one would be sent from them.
            repeats_unanswered_callouts: kind != GatewayKind::Kong,
            names_upstreams: is_envoy,
        }
    }

    /// The data for those that wait for what another worker does: without a timer they would never notice its end, nor
    /// could they be woken where nobody can, and get none.
    #[must_use]
    pub fn data_for_waiting(&self) -> Rc<dyn SharedData> {
        if self.has_timer && self.callout_owner == CalloutOwner::Plugin {
            Rc::clone(&self.data)
        } else {
            Rc::new(NoSharedData)
        }
    }
}
