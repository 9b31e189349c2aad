//! The names. Each bears its labels: `.label.value` pairs behind it, which gateways and
//! Prometheus take out again (`docs/operations.md`). Where they do not, it is still a valid name once each dot is `_`.

use crate::reply::ErrorCode;
use crate::url::HttpUrl;

/// What all of them begin with.
const PREFIX: &str = "hub_auth_filter";

/// The longest value of a label, in bytes. With it no name is longer than 200 bytes: some gateways trap where a name, with that of
/// the filter before it, is longer than 256.
const LONGEST_VALUE: usize = 140;

/// The name of a metric, with its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricName(String);

impl MetricName {
    /// Without labels.
    #[must_use]
    pub(crate) fn new(name: &str) -> Self {
        Self(format!("{PREFIX}.{name}"))
    }

    /// With one more label. Whatever in its value is no letter, digit or `_` becomes `_`, and of a long one the end counts.
    #[must_use]
    pub(crate) fn with(self, label: &str, value: &str) -> Self {
        let value: String = value.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let value = value.get(value.len().saturating_sub(LONGEST_VALUE)..).unwrap_or_default();
        Self(format!("{}.{label}.{value}", self.0))
    }

    /// With an error code, as it stands in answers and in the log. It comes last, because it has dots of its own.
    #[must_use]
    pub(crate) fn with_code(self, code: ErrorCode) -> Self {
        Self(format!("{}.code.{}", self.0, code.as_str()))
    }

    /// With the address of a key set.
    #[must_use]
    pub(crate) fn with_key_set(self, url: &HttpUrl) -> Self {
        self.with("key_set", &format!("{}{}", url.authority(), url.path()))
    }

    /// As gateways are told.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `max_metric_name_length` of ngx_wasm_module, less `pw:`, `:` and the longest name of a filter that there is room for.
    const LONGEST_NAME: usize = 256 - 4 - 52;

    #[test]
    fn labels_follow_the_name_and_a_code_comes_last() {
        let requests = MetricName::new("requests_total").with("direction", "inbound");
        let refused = requests.clone().with("outcome", "refused").with_code(ErrorCode::JwsInvalidClaim);
        assert_eq!(requests.as_str(), "hub_auth_filter.requests_total.direction.inbound");
        assert_eq!(
            refused.as_str(),
            "hub_auth_filter.requests_total.direction.inbound.outcome.refused.code.JWS.InvalidClaim"
        );
    }

    #[test]
    fn a_value_can_be_part_of_a_name_whatever_it_is() {
        for (value, expected) in [
            ("0.1.0", "0_1_0"),
            ("a_B-9", "a_B_9"),
            ("", ""),
            ("\"} 1\nevil", "___1_evil"),
            ("b\u{e9}\u{4e2d}\u{1f600}", "b___"),
        ] {
            assert_eq!(MetricName::new("m").with("l", value).as_str(), format!("hub_auth_filter.m.l.{expected}"));
        }
    }

    #[test]
    fn a_key_set_has_the_name_of_its_address() {
        let name = |url: &str| MetricName::new("m").with_key_set(&HttpUrl::parse(url).unwrap());
        assert_eq!(
            name("https://keys.example:8443/a-b/application.jwks").as_str(),
            "hub_auth_filter.m.key_set.keys_example_8443_a_b_application_jwks"
        );
    }

    #[test]
    fn no_name_is_too_long_for_a_gateway() {
        let host = format!("https://{}.example", "h".repeat(63));
        let longest = HttpUrl::parse(&format!("{host}/{}/application.jwks", "p".repeat(500))).unwrap();
        let name = MetricName::new("key_set_fetched_timestamp_seconds").with_key_set(&longest);
        assert!(name.as_str().ends_with("pp_application_jwks"), "{name:?}");
        assert!(name.as_str().len() <= LONGEST_NAME, "{}", name.as_str().len());
        for code in ErrorCode::INBOUND.into_iter().chain(ErrorCode::OUTBOUND) {
            let name = MetricName::new("responses_total").with("direction", "outbound").with("outcome", "tolerated");
            assert!(name.with_code(code).as_str().len() <= LONGEST_NAME, "{code:?}");
        }
    }
}
