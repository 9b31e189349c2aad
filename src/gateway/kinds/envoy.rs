//! Envoy.

use super::Description;
use crate::capabilities::{CalloutOwner, Capabilities, Support};
use crate::config::KnownGateway;

pub(super) const ENVOY: Description = Description {
    known: KnownGateway { name: "envoy", hint: Some("in Envoy a google.protobuf.StringValue") },
    capabilities: |data, shares_data, has_timer| Capabilities {
        data,
        shares_data,
        data_sharing: Support::ByDefault,
        metrics: Support::ByDefault,
        has_timer,
        callout_owner: CalloutOwner::Plugin,
        holds_responses: true,
        replaces_responses: true,
        hides_requests: false,
        repeats_unanswered_callouts: true,
        names_upstreams: true,
        no_tls_to_addresses: None,
        logs_secrets: None,
    },
    #[cfg(all(target_family = "wasm", feature = "gateway"))]
    adapter: &adapter::Envoy,
};

#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod adapter {
    use crate::gateway::abi::{self, Headers};
    use crate::gateway::adapter::{Adapter, values};
    use crate::peer::PeerFacts;
    use crate::reply::RejectReason;
    use crate::request::{ConfiguredHeaders, RequestFacts};

    /// See [`Adapter`].
    #[derive(Debug)]
    pub(in crate::gateway::kinds) struct Envoy;

    impl Adapter for Envoy {
        fn is_found_at_start(&self) -> bool {
            abi::knows_contexts()
        }

        /// The listener does not start.
        fn stops_without_configuration(&self) -> bool {
            true
        }

        fn has_ticks(&self) -> bool {
            true
        }

        /// Versions are compared only where there is a value, and count up from 1; the host's own word for no version, 0,
        /// replaces any value.
        fn version_of_no_value(&self) -> u32 {
            u32::MAX
        }

        /// `connection.mtls` is one byte here; anything else means that this is not Envoy, and that nothing is known.
        fn peer_facts(&self, with_fingerprint: bool) -> PeerFacts {
            let verified = abi::property("connection\0mtls").is_some_and(|mtls| mtls == [1]);
            if !verified {
                return PeerFacts::default();
            }
            let fingerprint = || abi::property("connection\0sha256_peer_certificate_digest").map(Into::into);
            PeerFacts {
                verified,
                subject: abi::property("connection\0subject_peer_certificate").map(Into::into),
                fingerprint: with_fingerprint.then(fingerprint).flatten(),
                ..PeerFacts::default()
            }
        }

        fn note_request_headers(
            &self,
            _announced: usize,
            facts: &mut RequestFacts,
            configured: &ConfiguredHeaders,
        ) -> Result<(), RejectReason> {
            let headers = abi::headers(Headers::Request).ok_or(RejectReason::Internal)?;
            facts.note_headers(headers, configured, |_| false).ok_or(RejectReason::Internal)?;
            Ok(())
        }

        fn response_values(&self, name: &str, _announced: usize) -> Vec<Vec<u8>> {
            values(&abi::headers(Headers::Response).unwrap_or_default(), name)
        }

        /// Its router heeds and removes them also on callouts. The second try has what is left of the timeout; a server that answers, with
        /// whatever status, is not asked again.
        fn headers_for_repetition(&self) -> &'static [(&'static str, &'static str)] {
            &[("x-envoy-retry-on", "reset"), ("x-envoy-max-retries", "1")]
        }

        fn client(&self) -> Option<Vec<u8>> {
            abi::property("source\0address")
        }

        fn request_id(&self) -> Option<Vec<u8>> {
            abi::property("request\0id")
        }
    }
}
