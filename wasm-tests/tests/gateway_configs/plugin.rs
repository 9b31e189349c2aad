//! The plugin configurations in the shipped files, and the filter's own code for them: what it reads, and what it says that the
//! gateway can do. The environment has the secrets that the files name.

use std::rc::Rc;

use hub_auth_filter::facade::config::{Config, ConfigErrors, Direction};
use hub_auth_filter::facade::gateway::GatewayKind;
use hub_auth_filter::facade::shared_data::{NoSharedData, SharedData};
use serde_json::Value;
use wasm_tests::artifact::Artifact;
use wasm_tests::stage::pki::Pki;

use super::files::{by, yaml};

/// The gateways of which these tests read configurations.
pub(crate) const GATEWAYS: [GatewayKind; 2] = [GatewayKind::Kong, GatewayKind::Apisix];

/// Those of them that load the module under test.
pub(crate) fn loading() -> Vec<GatewayKind> {
    let loads = |kind: &GatewayKind| *kind != GatewayKind::Apisix || Artifact::under_test() == Artifact::Baseline;
    GATEWAYS.into_iter().filter(loads).collect()
}

/// The variables that the shipped files and guides name.
pub(crate) const SECRETS: [&str; 2] = ["SIG4_PRIVATE_KEY", "BAO_TOKEN"];

/// The value of such a variable.
pub(crate) fn secret(name: &str) -> Option<String> {
    match name {
        "SIG4_PRIVATE_KEY" => Some(Pki::shared().bank.signing.pkcs8_pem()),
        "BAO_TOKEN" => Some("a-token".to_owned()),
        _ => None,
    }
}

/// The name of a gateway's folder.
pub(crate) fn folder(kind: GatewayKind) -> &'static str {
    kind.name()
}

/// The filter's configuration, as text, on a service of Kong or on a route of APISIX.
pub(crate) fn shipped_on(kind: GatewayKind, name: &str) -> String {
    let configuration = match kind {
        GatewayKind::Kong => {
            let file = yaml("kong/kong.yml");
            by("name", &file["services"])[name]["filter_chains"][0]["filters"][0]["config"].clone()
        }
        GatewayKind::Apisix => {
            let file = yaml("apisix/apisix.yaml");
            by("id", &file["routes"])[name]["plugins"]["hub_auth_filter"]["conf"].clone()
        }
        GatewayKind::Envoy => panic!("a real Envoy runs on its files"),
    };
    configuration.as_str().expect("text").to_owned()
}

/// The filter's configuration in a shipped file, for one direction.
pub(crate) fn shipped(kind: GatewayKind, direction: &str) -> Value {
    let name = if direction == "inbound" { "ozone_connect" } else { "consent_manager" };
    serde_json::from_str(&shipped_on(kind, name)).expect("JSON")
}

/// Asserts that the filter accepts an inbound configuration in this gateway.
pub(crate) fn accepts_inbound(kind: GatewayKind, text: &str) {
    assert!(matches!(accepted(kind, text), Direction::Inbound(_)), "{text}");
    names_no_upstream(text);
}

/// Asserts that the filter accepts an outbound configuration in this gateway.
pub(crate) fn accepts_outbound(kind: GatewayKind, text: &str) {
    assert!(matches!(accepted(kind, text), Direction::Outbound(_)), "{text}");
    names_no_upstream(text);
}

/// The configuration, which the filter must accept without a warning, and this gateway can do.
fn accepted(kind: GatewayKind, text: &str) -> Direction {
    let config = parse(text).unwrap_or_else(|errors| panic!("{errors}: {text}"));
    if let Err(errors) = check(kind, &config) {
        panic!("{kind:?}: {errors}: {text}");
    }
    assert_eq!(config.warnings(), [""; 0], "{text}");
    assert_eq!(config.warnings_for(&kind.capabilities(None, false)), [""; 0], "{kind:?}: {text}");
    config.direction
}

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse_with(text.as_bytes(), &GatewayKind::known(), &secret)
}

/// Whether the gateway can do what the configuration asks of it.
fn check(kind: GatewayKind, config: &Config) -> Result<(), ConfigErrors> {
    let shared =
        config.gateway.uses_shared_data(kind.data_sharing()).then(|| Rc::new(NoSharedData) as Rc<dyn SharedData>);
    config.check(&kind.capabilities(shared, false))
}

/// An upstream is a cluster's name on Envoy. Elsewhere it would take the place of the URL's host and port.
fn names_no_upstream(text: &str) {
    assert!(!text.contains("\"upstream\""), "{text}");
}

#[test]
fn a_variable_that_is_not_set_is_an_error() {
    let named = r#"{"outbound": {"audience": "a", "certificate": {"organisation": "o", "organisational_unit": "u"},
        "keys": [{"kid": "k", "private_key": {"env": "SIG5"}}]}}"#;
    assert!(parse(named).is_err());
}

#[test]
fn what_a_gateway_can_not_do_is_an_error() {
    let mut replay = shipped(GatewayKind::Apisix, "inbound");
    replay["inbound"]["auth"]["jwt_auth"]["replay_detection"] = "gateway".into();
    let config = parse(&replay.to_string()).expect("a configuration that other gateways can do");
    assert!(check(GatewayKind::Apisix, &config).is_err());
    assert!(check(GatewayKind::Envoy, &config).is_ok());
}
