//! The gateways that the filter knows. What there is to know of one is in its own file; here is the list of them, and nothing
//! else names one in code. The rest of the filter asks what a gateway can do: see [`Capabilities`].

mod apisix;
mod envoy;
mod kong;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod nginx;

use std::rc::Rc;

use crate::capabilities::{Capabilities, Support};
use crate::config::KnownGateway;
#[cfg(all(target_family = "wasm", feature = "gateway"))]
use crate::gateway::adapter::Adapter;
use crate::shared_data::{NoSharedData, SharedData};

/// A gateway that the filter knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayKind {
    /// Envoy, and what is built on it.
    Envoy,
    /// Kong 3.4 to 3.9.
    Kong,
    /// APISIX 3.
    Apisix,
}

/// What there is to know of a gateway. Each has one, in its own file.
struct Description {
    /// What one has to know of it to read a configuration.
    known: KnownGateway,
    /// What it can do with this data, which its workers share or not, and with a timer or without.
    capabilities: fn(data: Rc<dyn SharedData>, shares_data: bool, has_timer: bool) -> Capabilities,
    /// What translates for it.
    #[cfg(all(target_family = "wasm", feature = "gateway"))]
    adapter: &'static dyn Adapter,
}

impl GatewayKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Envoy, Self::Kong, Self::Apisix];

    fn description(self) -> &'static Description {
        match self {
            Self::Envoy => &envoy::ENVOY,
            Self::Kong => &kong::KONG,
            Self::Apisix => &apisix::APISIX,
        }
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.description().known.name
    }

    /// The gateway of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What one has to know of all of them to read a configuration.
    #[must_use]
    pub fn known() -> [KnownGateway; Self::ALL.len()] {
        Self::ALL.map(|kind| kind.description().known)
    }

    /// Whether the workers of such a gateway can share data.
    #[must_use]
    pub fn data_sharing(self) -> Support {
        self.capabilities(None, false).data_sharing
    }

    /// Whether such a gateway counts and measures for the filter.
    #[must_use]
    pub fn metrics(self) -> Support {
        self.capabilities(None, false).metrics
    }

    /// What such a gateway can do, when its workers share `data`, if anything, and it took a request for a tick or not.
    #[must_use]
    pub fn capabilities(self, data: Option<Rc<dyn SharedData>>, has_timer: bool) -> Capabilities {
        let shares_data = data.is_some();
        (self.description().capabilities)(data.unwrap_or_else(|| Rc::new(NoSharedData)), shares_data, has_timer)
    }
}

#[cfg(all(target_family = "wasm", feature = "gateway"))]
impl GatewayKind {
    /// Which gateway the host is, if that shows outside of requests.
    pub(super) fn found_at_start() -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.adapter().is_found_at_start())
    }

    /// Which gateway the host is, if that shows only in a request. Outside of one this must not be asked.
    pub(super) fn found_in_request() -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.adapter().is_found_in_request())
    }

    /// What translates for it.
    pub(super) fn adapter(self) -> &'static dyn Adapter {
        self.description().adapter
    }
}

#[cfg(test)]
mod tests;
