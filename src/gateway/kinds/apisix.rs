//! APISIX 3: OpenResty with wasm-nginx-module.

use super::Description;
use crate::capabilities::{CalloutOwner, Capabilities, Support};
use crate::config::KnownGateway;

pub(super) const APISIX: Description = Description {
    known: KnownGateway { name: "apisix", hint: None },
    capabilities: |data, shares_data, has_timer| Capabilities {
        data,
        shares_data,
        // Nor could they share times: the steady clock of each begins with its VM.
        data_sharing: Support::Never { reason: "the workers of APISIX share nothing" },
        metrics: Support::Never { reason: "APISIX counts nothing for filters" },
        has_timer,
        callout_owner: CalloutOwner::Request,
        holds_responses: false,
        replaces_responses: false,
        hides_requests: false,
        repeats_unanswered_callouts: true,
        names_upstreams: false,
        no_tls_to_addresses: Some(
            "APISIX calls no IP address with https://: each call will fail; give the name of the host",
        ),
        logs_secrets: Some(
            "APISIX logs the route with this value, at level info and when it cannot load the plugin; give \
             {\"env\": \"NAME\"} instead",
        ),
    },
    #[cfg(all(target_family = "wasm", feature = "gateway"))]
    adapter: &adapter::Apisix,
};

#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod adapter {
    use crate::gateway::abi;
    use crate::gateway::adapter::Adapter;
    use crate::gateway::kinds::nginx;
    use crate::peer::PeerFacts;
    use crate::reply::RejectReason;
    use crate::request::{ConfiguredHeaders, RequestFacts};

    /// The host shows this many headers at most, and does not say that there are more.
    const SHOWN_HEADERS: usize = 100;

    /// See [`Adapter`].
    #[derive(Debug)]
    pub(in crate::gateway::kinds) struct Apisix;

    /// The value of an nginx variable.
    fn variable(name: &str) -> Option<Vec<u8>> {
        abi::property(name)
    }

    impl Adapter for Apisix {
        fn is_found_in_request(&self) -> bool {
            nginx::has_variables(variable)
        }

        fn peer_facts(&self, _with_fingerprint: bool) -> PeerFacts {
            nginx::peer_facts(variable)
        }

        /// Without a host (HTTP/1.0) the host process would crash when it is asked for all headers.
        fn note_request_headers(
            &self,
            _announced: usize,
            facts: &mut RequestFacts,
            configured: &ConfiguredHeaders,
        ) -> Result<(), RejectReason> {
            if abi::request_header("host").is_none() {
                return Err(RejectReason::NoHost);
            }
            if nginx::note_request_headers(facts, configured)? >= SHOWN_HEADERS {
                return Err(RejectReason::TooManyHeaders);
            }
            facts.path = variable("request_uri").ok_or(RejectReason::Internal)?.into();
            Ok(())
        }

        /// Of more than 20 headers the host writes down some, and not even those can be read. By its name it tells the
        /// first of several; nginx's variable has all of them, joined, and is empty where nginx itself answers.
        fn response_values(&self, name: &str, _announced: usize) -> Vec<Vec<u8>> {
            let first = abi::response_header(name);
            let all = variable(&["upstream_http_", &name.replace('-', "_")].concat());
            let others = all.filter(|all| !all.is_empty() && first.as_ref() != Some(all));
            first.into_iter().chain(others).collect()
        }

        fn leaves_answers_unread(&self) -> bool {
            true
        }

        /// A connection that the server closes after its answer would be taken for a second try in the same callback.
        fn callout_headers(&self) -> &'static [(&'static str, &'static str)] {
            &[("connection", "close")]
        }

        fn client(&self) -> Option<Vec<u8>> {
            nginx::client(variable)
        }

        fn request_id(&self) -> Option<Vec<u8>> {
            variable("request_id")
        }
    }
}
