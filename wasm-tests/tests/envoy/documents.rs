//! What the guides in `gateway-configs/envoy/` say of the configuration is true: the filter accepts their examples in the
//! place that they are for.

use hub_auth_filter::facade::config::Config;
use hub_auth_filter::facade::gateway::GatewayKind;
use serde_json::Value;
use wasm_tests::stage::envoy::Configuration;
use wasm_tests::stage::pki::{PROXY_UNIT, Pki};
use wasm_tests::stage::terminator::Kind;

const INBOUND: &str = include_str!("../../../gateway-configs/envoy/README.md");
const TERMINATORS: &str = include_str!("../../../gateway-configs/terminators/README.md");
const OUTBOUND: &str = include_str!("../../../gateway-configs/envoy/outbound.md");

/// The JSON examples of a guide.
fn examples(guide: &str) -> Vec<Value> {
    let blocks = guide.split("```json\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
    blocks.map(|block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"))).collect()
}

/// The filter's settings in a shipped file.
fn shipped(configuration: &Configuration) -> Value {
    let file: Value = serde_saphyr::from_str(configuration.text()).expect("YAML");
    let chain = &file["static_resources"]["listeners"][0]["filter_chains"][0];
    let filters = chain["filters"][0]["typed_config"]["http_filters"].as_array().expect("filters");
    let filter = filters.iter().find(|filter| filter["name"] == "hub_auth_filter").expect("the filter");
    let text = filter["typed_config"]["config"]["configuration"]["value"].as_str().expect("a StringValue");
    serde_json::from_str(text).expect("JSON")
}

/// Accepts a configuration with so many warnings.
fn accepts_with(configuration: &Value, warnings: usize) {
    let pki = Pki::shared();
    let secret = |name: &str| match name {
        "SIG4_PRIVATE_KEY" => Some(pki.bank.signing.pkcs8_pem()),
        "SIG4_NEXT_PRIVATE_KEY" => Some(pki.next_bank_signing.pkcs8_pem()),
        "BAO_TOKEN" => Some("a-token".to_owned()),
        _ => None,
    };
    match Config::parse_with(configuration.to_string().as_bytes(), &GatewayKind::known(), &secret) {
        Ok(config) => assert_eq!(config.warnings().len(), warnings, "{:?}: {configuration}", config.warnings()),
        Err(errors) => panic!("{errors}: {configuration}"),
    }
}

fn accepts(configuration: &Value) {
    accepts_with(configuration, 0);
}

#[test]
fn the_settings_for_each_terminator_fit_into_the_shipped_configuration() {
    let examples = examples(TERMINATORS);
    // nginx, HAProxy, Envoy, Google; and of AWS and Azure a plaintext hop is warned of.
    assert_eq!(examples.len(), 6);
    for (example, warnings) in examples.iter().zip([0, 0, 0, 0, 1, 1]) {
        let mut whole = shipped(&Configuration::inbound());
        whole["inbound"]["peer"] = example["peer"].clone();
        accepts_with(&whole, warnings);
    }
    let proxy = format!(r#"{{"organisational_units": ["{PROXY_UNIT}"]}}"#);
    for (kind, example) in Kind::ALL.into_iter().zip(&examples) {
        let tested: Value = serde_json::from_str(&kind.source(&proxy)).expect("JSON");
        assert_eq!(example["peer"]["source"], tested, "what the tests of {kind:?} run on");
    }
}

#[test]
fn their_examples_fit_into_the_shipped_configurations() {
    let guides =
        [(INBOUND, Configuration::inbound(), "inbound", 1), (OUTBOUND, Configuration::outbound(), "outbound", 3)];
    for (guide, configuration, direction, count) in guides {
        let examples = examples(guide);
        assert_eq!(examples.len(), count, "{direction}");
        for example in examples {
            let mut whole = shipped(&configuration);
            let settings = whole[direction].as_object_mut().expect("an object");
            if example.get("remote_signer").is_some() {
                settings.remove("keys");
            }
            settings.extend(example.as_object().expect("an object").clone());
            accepts(&whole);
        }
    }
}

#[test]
fn the_shipped_configurations_are_accepted_without_warning() {
    for configuration in [Configuration::inbound(), Configuration::outbound()] {
        accepts(&shipped(&configuration));
    }
}
