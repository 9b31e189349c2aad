//! The capability lists of the shipped configurations are exactly what the release module calls and offers, but for callbacks
//! with nothing to do: with less, a call or an entry point would silently be missing; with more, the list would not restrict.

use std::collections::BTreeSet;

use serde_json::Value;
use wasm_tests::stage::envoy::{Configuration, module};
use wasmtime::{Engine, ExternType, Module};

/// Callbacks with nothing to do, which Envoy need not call: the lists leave them out, and so they cost nothing there.
const IDLE: [&str; 15] = [
    "proxy_on_downstream_connection_close",
    "proxy_on_downstream_data",
    "proxy_on_foreign_function",
    "proxy_on_grpc_close",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_new_connection",
    "proxy_on_queue_ready",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_upstream_connection_close",
    "proxy_on_upstream_data",
];

/// Envoy finds these without asking the list.
const NEVER_RESTRICTED: [&str; 3] = ["_initialize", "proxy_on_memory_allocate", "proxy_abi_version_0_2_1"];

/// What an `import` or `export` section may name in the list.
fn of_the_module() -> BTreeSet<String> {
    let module = Module::from_file(&Engine::default(), module()).expect("the release module: run `make build`");
    let imports = module.imports().map(|import| import.name().to_owned());
    let functions = module.exports().filter(|export| matches!(export.ty(), ExternType::Func(_)));
    let exports = functions.map(|export| export.name().to_owned());
    let left_out = |name: &str| [&NEVER_RESTRICTED[..], &IDLE].iter().any(|names| names.contains(&name));
    imports.chain(exports).filter(|name| !left_out(name)).collect()
}

fn of_the_configuration(configuration: &Configuration) -> BTreeSet<String> {
    let configuration: Value = serde_saphyr::from_str(configuration.text()).expect("YAML");
    let chain = &configuration["static_resources"]["listeners"][0]["filter_chains"][0];
    let filters = chain["filters"][0]["typed_config"]["http_filters"].as_array().expect("filters");
    let filter = filters.iter().find(|filter| filter["name"] == "hub_auth_filter").expect("the filter");
    let vm = &filter["typed_config"]["config"]["vm_config"];
    let list = &vm["capability_restriction_config"]["allowed_capabilities"];
    list.as_object().expect("the list").keys().cloned().collect()
}

#[test]
fn the_shipped_lists_are_exactly_what_the_module_calls_and_offers() {
    let module = of_the_module();
    for configuration in [Configuration::inbound(), Configuration::outbound()] {
        let listed = of_the_configuration(&configuration);
        let missing: Vec<&String> = module.difference(&listed).collect();
        let superfluous: Vec<&String> = listed.difference(&module).collect();
        assert!(missing.is_empty() && superfluous.is_empty(), "missing: {missing:?}, superfluous: {superfluous:?}");
    }
}
