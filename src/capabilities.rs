//! What a gateway can do for the filter, held as a value: the rest of the filter degrades by it and never asks which
//! gateway it is.

use std::rc::Rc;

use crate::shared_data::{NoSharedData, SharedData};

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
    /// Whether it could be.
    pub data_sharing: Support,
    /// Whether it counts and measures for the filter.
    pub metrics: Support,
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
    /// What to say of a callout to an IP address over TLS, where none succeeds.
    pub no_tls_to_addresses: Option<&'static str>,
    /// What to say of a secret in the configuration itself, where configurations are logged as they are.
    pub logs_secrets: Option<&'static str>,
}

/// Whether a gateway has something that the filter can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It has, and the filter uses it unless the configuration says that it must not.
    ByDefault,
    /// It may have, and the filter uses it where the configuration says so: the gateway cannot be asked, and would trap.
    OnRequest {
        /// What the operator has to see to.
        setup: &'static str,
    },
    /// It never has.
    Never {
        /// Why not.
        reason: &'static str,
    },
}

impl Capabilities {
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
