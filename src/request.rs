//! What is known of one request, collected once and before anything is decided. Nothing else is read from the gateway, but
//! for the id under which it logs a request that is refused.

use std::rc::Rc;

use crate::ascii::is_named;
use crate::header_map;
use crate::header_value::{HeaderValue, HeaderValues};
use crate::identity_headers::{self, PROVIDER_HEADERS};
use crate::peer::PeerFacts;

/// The most values of one header that are kept. Every rule wants at most one; two prove that there were several.
const MAX_VALUES: usize = 2;

/// The gateway's number for a request that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u32);

/// The facts of one request. Byte strings are as the gateway gave them: nothing in here is trusted to be well-formed.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestFacts {
    /// The client certificate, as the gateway saw it.
    pub peer: PeerFacts,
    /// `:method`
    pub method: HeaderValue,
    /// `:path`, with the query.
    pub path: HeaderValue,
    /// The host that the caller asked for: `:authority` or `host`.
    pub host: Option<HeaderValue>,
    /// The values of `authorization`.
    pub authorization: HeaderValues,
    /// The values of the header that carries the API key, where one is configured and is not `authorization`.
    pub api_key: HeaderValues,
    /// The values of `o3-provider-id`.
    pub provider_id: HeaderValues,
    /// The values of `o3-aspsp-id`, its deprecated alias (spec §2.5).
    pub provider_id_alias: HeaderValues,
    /// Whether the client sent a header that only this filter may set.
    pub has_reserved_header: bool,
    /// Whether the client sent a header that a backend could take for one of those that name the provider.
    pub has_misspelt_provider: bool,
    /// What ties the request to the logs of others.
    pub correlation: Correlation,
    /// What makes a token for it unique. Only where one will be signed.
    pub nonce_input: NonceInput,
}

/// The facts of one response.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResponseFacts {
    /// The values of the header that carries its token, where one is expected.
    pub token: HeaderValues,
    /// What makes a token for it unique. Only where one will be signed.
    pub nonce_input: NonceInput,
}

/// What the gateway gives for one token. Nothing in it need be secret, and none of it has to be good: see `signing::nonce`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NonceInput {
    /// From the gateway's generator of random numbers, if it has one.
    pub random: Option<[u8; 32]>,
    /// The gateway's own id of the request.
    pub request_id: Option<Vec<u8>>,
    /// Address and port of the client.
    pub client: Option<Vec<u8>>,
}

/// Ids that others gave the request (spec §3). They are only ever logged and echoed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Correlation {
    /// The gateway's own id of the request. Inbound it is asked for only when there is something to tell of it.
    pub request_id: Option<Vec<u8>>,
    /// `x-fapi-interaction-id`
    pub fapi_interaction_id: Option<HeaderValue>,
    /// `o3-caller-interaction-id`
    pub caller_interaction_id: Option<HeaderValue>,
    /// `o3-ozone-interaction-id`
    pub ozone_interaction_id: Option<HeaderValue>,
}

/// The headers that mean something only by configuration, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ConfiguredHeaders {
    /// The one that carries the client certificate.
    pub forwarded_certificate: Option<String>,
    /// Those that say whether it was verified.
    pub forwarded_verifications: Vec<String>,
    /// The one that carries the API key, unless that is `authorization`.
    pub api_key: Option<String>,
}

impl RequestFacts {
    /// Notes the headers of a request, a header map as the host hands it over, but for those that are to be skipped. How
    /// many it has, without those with a colon; `None` if it is no header map.
    pub(crate) fn note_headers(
        &mut self,
        map: Vec<u8>,
        configured: &ConfiguredHeaders,
        is_skipped: impl Fn(&[u8]) -> bool,
    ) -> Option<usize> {
        let map = Rc::new(map);
        let mut count: usize = 0;
        for (name, value) in header_map::decode(&map)? {
            if !is_skipped(name) {
                self.note(name, || HeaderValue::of(&map, value.clone()), configured);
            }
            if name.first() != Some(&b':') {
                count = count.saturating_add(1);
            }
        }
        Some(count)
    }

    /// The same facts, in buffers of their own. While a request waits, the headers that decide nothing are not kept for it.
    #[must_use]
    pub(crate) fn detached(mut self) -> Self {
        let Self { method, path, host, authorization, api_key, provider_id, provider_id_alias, correlation, .. } =
            &mut self;
        let lists = [authorization, api_key, provider_id, provider_id_alias];
        lists.into_iter().for_each(|values| *values = values.detached());
        [method, path].into_iter().chain(host).for_each(|text| *text = text.detached());
        *correlation = correlation.detached();
        self
    }

    /// Notes one header of a request.
    #[cfg(test)]
    pub(crate) fn note_header(&mut self, name: &[u8], value: &[u8], configured: &ConfiguredHeaders) {
        self.note(name, || value.to_vec().into(), configured);
    }

    /// Notes one header of the request, if it means anything here.
    fn note(&mut self, name: &[u8], value: impl Fn() -> HeaderValue, configured: &ConfiguredHeaders) {
        let [provider_id, provider_id_alias] = PROVIDER_HEADERS;
        if identity_headers::is_reserved(name) {
            self.has_reserved_header = true;
        } else if is_named(name, "authorization") {
            self.authorization.keep(&value);
        } else if is_named(name, provider_id) {
            self.provider_id.keep(&value);
        } else if is_named(name, provider_id_alias) {
            self.provider_id_alias.keep(&value);
        } else if identity_headers::is_misspelt_provider(name) {
            self.has_misspelt_provider = true;
        } else if name == b":method" {
            self.method = value();
        } else if name == b":path" {
            self.path = value();
        } else if name == b":authority" || is_named(name, "host") {
            self.host.get_or_insert_with(&value);
        } else if is_named(name, "x-fapi-interaction-id") {
            self.correlation.fapi_interaction_id.get_or_insert_with(&value);
        } else if is_named(name, "o3-caller-interaction-id") {
            self.correlation.caller_interaction_id.get_or_insert_with(&value);
        } else if is_named(name, "o3-ozone-interaction-id") {
            self.correlation.ozone_interaction_id.get_or_insert_with(&value);
        }
        if let Some(header) = &configured.forwarded_certificate
            && is_named(name, header)
            && self.peer.forwarded.len() < MAX_VALUES
        {
            self.peer.forwarded.push(value().to_vec());
        }
        for (place, header) in configured.forwarded_verifications.iter().enumerate() {
            let known = || self.peer.verifications.iter().filter(|(of, _)| *of == place).count();
            if is_named(name, header) && known() < MAX_VALUES {
                self.peer.verifications.push((place, value().to_vec()));
            }
        }
        if let Some(header) = &configured.api_key
            && is_named(name, header)
        {
            self.api_key.keep(&value);
        }
    }
}

impl Correlation {
    /// The same ids, in buffers of their own.
    #[must_use]
    pub fn detached(&self) -> Self {
        let detached = |id: &Option<HeaderValue>| id.as_ref().map(HeaderValue::detached);
        Self {
            request_id: self.request_id.clone(),
            fapi_interaction_id: detached(&self.fapi_interaction_id),
            caller_interaction_id: detached(&self.caller_interaction_id),
            ozone_interaction_id: detached(&self.ozone_interaction_id),
        }
    }
}

impl ResponseFacts {
    /// Notes one value of the header that carries its token.
    pub(crate) fn note_token(&mut self, value: &[u8]) {
        self.token.keep(|| value.to_vec().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> HeaderValue {
        text.as_bytes().to_vec().into()
    }

    fn facts(headers: &[(&str, &str)]) -> RequestFacts {
        let configured = ConfiguredHeaders {
            forwarded_certificate: Some("x-forwarded-client-cert".into()),
            forwarded_verifications: vec!["x-present".into(), "x-verified".into()],
            api_key: Some("x-api-key".into()),
        };
        let mut facts = RequestFacts::default();
        for (name, value) in headers {
            facts.note_header(name.as_bytes(), value.as_bytes(), &configured);
        }
        facts
    }

    #[test]
    fn each_header_finds_its_place_whatever_its_case() {
        let facts = facts(&[
            (":method", "GET"),
            (":path", "/accounts?page=1"),
            (":authority", "bank.test"),
            ("Authorization", "Bearer a"),
            ("X-API-Key", "k"),
            ("O3-Provider-Id", "p"),
            ("o3-aspsp-id", "q"),
            ("X-FAPI-Interaction-ID", "1"),
            ("o3-caller-interaction-id", "2"),
            ("o3-ozone-interaction-id", "3"),
            ("X-Forwarded-Client-Cert", "Subject=\"\""),
            ("X-Verified", "true"),
            ("x-present", "yes"),
            ("accept", "*/*"),
        ]);
        assert_eq!((&*facts.method, &*facts.path), (&b"GET"[..], &b"/accounts?page=1"[..]));
        assert_eq!(facts.host.as_deref(), Some(&b"bank.test"[..]));
        assert_eq!(*facts.authorization, [value("Bearer a")]);
        assert_eq!(*facts.api_key, [value("k")]);
        assert_eq!(*facts.provider_id, [value("p")]);
        assert_eq!(*facts.provider_id_alias, [value("q")]);
        assert_eq!(facts.peer.forwarded, [b"Subject=\"\""]);
        assert_eq!(facts.peer.verifications, [(1, b"true".to_vec()), (0, b"yes".to_vec())]);
        assert_eq!(facts.correlation.fapi_interaction_id.as_deref(), Some(&b"1"[..]));
        assert_eq!(facts.correlation.caller_interaction_id.as_deref(), Some(&b"2"[..]));
        assert_eq!(facts.correlation.ozone_interaction_id.as_deref(), Some(&b"3"[..]));
        assert!(!facts.has_reserved_header);
    }

    #[test]
    fn a_header_map_is_noted_without_a_copy_but_for_what_is_skipped() {
        let pairs = [
            (":method", "GET"),
            (":path", "/"),
            ("Authorization", "Bearer a"),
            ("accept", "*/*"),
            ("o3-provider-id", "p"),
        ];
        let map = header_map::encode(&pairs).unwrap();
        let (start, length) = (map.as_ptr(), map.len());
        let mut noted = RequestFacts::default();
        let count = noted.note_headers(map.clone(), &ConfiguredHeaders::default(), |name| name == b":path");
        assert_eq!((count, &*noted.method, &*noted.path), (Some(3), &b"GET"[..], &b""[..]));
        assert_eq!((&*noted.authorization, &*noted.provider_id), (&[value("Bearer a")][..], &[value("p")][..]));
        let mut noted = RequestFacts::default();
        noted.note_headers(map, &ConfiguredHeaders::default(), |_| false);
        let is_inside = |facts: &RequestFacts| {
            let parts = [&facts.method, &facts.path, &facts.authorization[0], &facts.provider_id[0]];
            parts.map(|part| (start..start.wrapping_add(length)).contains(&part.as_ptr()))
        };
        assert_eq!(is_inside(&noted), [true; 4]);
        let detached = noted.clone().detached();
        assert_eq!(is_inside(&detached), [false; 4]);
        assert_eq!((&detached.path, &detached.authorization), (&noted.path, &noted.authorization));
        assert_eq!(RequestFacts::default().note_headers(vec![1], &ConfiguredHeaders::default(), |_| false), None);
    }

    #[test]
    fn repetition_is_noticed_and_bounded() {
        let headers = vec![("authorization", "Bearer a"); 1000];
        assert_eq!(facts(&headers).authorization.len(), MAX_VALUES);
        let headers = [vec![("x-verified", "1"); 1000], vec![("x-present", "2"); 1000]].concat();
        let values = facts(&headers).peer.verifications;
        assert_eq!(values, [(1, "1"), (1, "1"), (0, "2"), (0, "2")].map(|(place, text)| (place, text.into())));
    }

    #[test]
    fn a_reserved_header_is_noticed_in_any_spelling() {
        assert!(facts(&[("X_Hub_Client-Organisation", "")]).has_reserved_header);
    }

    #[test]
    fn a_provider_header_is_noticed_in_another_spelling_and_names_nobody() {
        for name in ["o3_provider_id", "O3.Provider-ID", "o3-aspsp_id"] {
            let facts = facts(&[(name, "p")]);
            assert!(facts.has_misspelt_provider, "{name}");
            assert!(facts.provider_id.is_empty() && facts.provider_id_alias.is_empty(), "{name}");
        }
        assert!(!facts(&[("O3-Provider-Id", "p"), ("o3-aspsp-id", "p")]).has_misspelt_provider);
    }

    #[test]
    fn a_forwarded_certificate_and_an_api_key_count_only_where_they_are_configured() {
        let mut facts = RequestFacts::default();
        for name in [&b"x-forwarded-client-cert"[..], b"x-verified", b"x-api-key"] {
            facts.note_header(name, b"a", &ConfiguredHeaders::default());
        }
        let PeerFacts { forwarded, verifications, .. } = &facts.peer;
        assert!(forwarded.is_empty() && verifications.is_empty() && facts.api_key.is_empty());
    }
}
