//! An `EnvoyFilter`: how Istio merges what it says into what Istio makes itself.

use serde_json::Value;

use super::bootstrap::MANAGER;
use super::manifests::{list, text};

/// Applies all patches of the filter to a bootstrap. Each must find something.
pub fn apply(filter: &Value, bootstrap: &mut Value) {
    for patch in list(filter, "/spec/configPatches") {
        let value = &patch["patch"]["value"];
        if text(patch, "/applyTo") == "BOOTSTRAP" {
            assert_eq!((text(patch, "/patch/operation"), patch.get("match")), ("MERGE", None), "{patch}");
            merge(bootstrap, value);
            continue;
        }
        assert_eq!(text(patch, "/match/context"), "GATEWAY", "{patch}");
        let applied = match (text(patch, "/applyTo"), text(patch, "/patch/operation")) {
            ("NETWORK_FILTER", "MERGE") => {
                assert_eq!(text(patch, "/match/listener/filterChain/filter/name"), MANAGER);
                for_each_chain(patch, bootstrap, |chain| merge(&mut chain["filters"][0], value))
            }
            ("FILTER_CHAIN", "MERGE") => for_each_chain(patch, bootstrap, |chain| merge(chain, value)),
            ("HTTP_FILTER", "INSERT_FIRST") => for_each_chain(patch, bootstrap, |chain| {
                http_filters(chain).insert(0, value.clone());
            }),
            ("HTTP_FILTER", "MERGE") => for_each_chain(patch, bootstrap, |chain| {
                let name = text(patch, "/match/listener/filterChain/filter/subFilter/name");
                let filter =
                    http_filters(chain).iter_mut().find(|filter| filter["name"] == name).expect("such a filter");
                merge(filter, value);
            }),
            ("CLUSTER", "MERGE") => {
                let (service, port) = (text(patch, "/match/cluster/service"), &patch["match"]["cluster"]["portNumber"]);
                let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().expect("clusters");
                let is_meant = |cluster: &&mut Value| {
                    let mut parts = text(cluster, "/name").split('|').skip(1);
                    let cluster_port = parts.next().expect("a port");
                    parts.last() == Some(service) && (port.is_null() || port.as_u64() == cluster_port.parse().ok())
                };
                clusters.iter_mut().filter(is_meant).map(|cluster| merge(cluster, value)).count()
            }
            other => panic!("{other:?}"),
        };
        assert!(applied > 0, "it matches nothing: {patch}");
    }
}

/// Calls this with each filter chain of the listener that a patch matches; how many there are.
fn for_each_chain(patch: &Value, bootstrap: &mut Value, change: impl FnMut(&mut Value)) -> usize {
    let port = &patch["match"]["listener"]["portNumber"];
    let listeners = bootstrap["static_resources"]["listeners"].as_array_mut().expect("listeners");
    let meant = listeners.iter_mut().filter(|listener| text(listener, "/name").ends_with(&format!("_{port}")));
    let chains = meant.flat_map(|listener| listener["filter_chains"].as_array_mut().expect("chains"));
    chains.map(change).count()
}

/// The HTTP filters of a chain.
pub fn http_filters(chain: &mut Value) -> &mut Vec<Value> {
    chain["filters"][0]["typed_config"]["http_filters"].as_array_mut().expect("filters")
}

/// As protocol buffers merge messages: what is set replaces, messages are merged, lists are appended. What is a field's default is not set,
/// so a patch with one would do nothing, and must not be there.
fn merge(into: &mut Value, patch: &Value) {
    let (Some(into), Some(patch)) = (into.as_object_mut(), patch.as_object()) else { panic!("no message: {patch}") };
    for (key, value) in patch {
        match (into.get_mut(key), value) {
            (Some(there @ Value::Object(_)), Value::Object(_)) => merge(there, value),
            (Some(Value::Array(there)), Value::Array(more)) => there.extend(more.iter().cloned()),
            // A wrapper's value, which can be set to its default.
            _ if key == "max_session_keys" => drop(into.insert(key.clone(), value.clone())),
            _ => {
                assert!(!is_default(value), "it changes nothing: {key}: {value}");
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Whether it is what a field is when nobody sets it. Of enumerations the first value is, and what ours set begins so.
fn is_default(value: &Value) -> bool {
    let first = ["SANITIZE", "FAIL_CLOSED", "AUTO", "KEEP_UNCHANGED", "ALLOW"];
    match value {
        Value::Bool(set) => !set,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::String(name) => first.contains(&name.as_str()),
        _ => false,
    }
}
