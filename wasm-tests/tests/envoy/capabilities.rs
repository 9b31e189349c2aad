//! The capability lists of the shipped configurations are exactly what the release module calls and offers, but for callbacks
//! with nothing to do: with less, a call or an entry point would silently be missing; with more, the list would not restrict.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::envoy::{Configuration, module};
use wasm_tests::stage::keystore::Behaviour;
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::with_broken_signature;
use wasm_tests::stage::{OutboundSetup, Setup, Stage, signed_by};
use wasmtime::{Engine, ExternType, Module};

/// Callbacks with nothing to do, which Envoy need not call: the lists leave them out, and so they cost nothing there.
const IDLE: [&str; 17] = [
    "proxy_on_done",
    "proxy_on_downstream_connection_close",
    "proxy_on_downstream_data",
    "proxy_on_foreign_function",
    "proxy_on_grpc_close",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_log",
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

/// The list of a use without tokens on responses: the shipped one without this entry point.
const OF_RESPONSES: &str = "proxy_on_response_headers: {}\n";

fn without_responses(list: &str) -> String {
    let line = list.lines().find(|line| line.trim() == OF_RESPONSES.trim()).expect("the entry point");
    format!("{line}\n")
}

#[rstest::rstest]
#[case::whole(false)]
#[case::without_responses(true)]
#[tokio::test]
async fn by_either_list_requests_are_decided_on_and_forgotten_when_envoy_deletes_them(#[case] is_short: bool) {
    let method = json!({"jwt_auth": {"jwks": {"environment": "sandbox"}, "upstream": "keystore", "timeout": "30s"}});
    let slow = &Pki::shared().arabic_hub;
    let mut setup = Setup::new().auth(&method).pin(&slow.subject.organisational_unit);
    if is_short {
        setup = setup.edit(&without_responses(Configuration::inbound().text()), "");
    }
    let stage = setup.start().await;
    let right = signed_by(&stage.pki.hub);
    let mut statuses = Vec::new();
    for token in [&right, &with_broken_signature(&right)] {
        statuses.push(stage.send_as_hub(&Request::with_token(token)).await.reply().status);
    }
    assert_eq!((statuses, stage.bank.received().len()), (vec![200, 401], 1));
    until(&stage, "requests_released_total", 1).await;

    stage.keystore.behave(Behaviour::Slow(Duration::from_secs(20)));
    let mut waiting = JoinSet::new();
    for _ in 0..6 {
        let mut connection = stage.connect(Some(&slow.transport)).await.expect("a connection");
        waiting.spawn(async move { connection.send(&Request::with_token(&signed_by(slow))).await });
    }
    until(&stage, "requests_held_total", 7).await;
    // Their clients leave, and nothing but the end of each request tells the filter.
    drop(waiting);
    until(&stage, "requests_released_total", 7).await;
}

#[tokio::test]
async fn without_the_entry_point_of_responses_requests_to_the_hub_are_signed() {
    let list = without_responses(Configuration::outbound().text());
    let stage = OutboundSetup::new().edit(&list, "").start().await;
    let reply = stage.send_to_consent_manager(&Request::new("GET", "/hello-mtls")).await.reply();
    assert_eq!(reply.status, 200);
    stage.hub.take()[0].accepted();
}

/// Waits for this counter of the filter to count as many.
async fn until(stage: &Stage, counter: &str, expected: u64) {
    let started = Instant::now();
    loop {
        let counted: u64 = stage.envoy.stats(counter).await.values().sum();
        if counted == expected {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{counter}: {counted} after ten seconds");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
