//! `gateway-configs/kubernetes/`: bases for Kustomize, which are what the chart makes of its examples.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use wasm_tests::chart::{ask, question, rendered, tool};

use super::EXAMPLES;

const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway-configs");

/// What `kubectl kustomize` makes of a directory.
fn built(folder: &Path) -> Vec<Value> {
    let output = Command::new(tool("kubectl")).arg("kustomize").arg(folder).output().expect("kubectl runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{}: {told}", folder.display());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let read = ask(&[question("read", &json!({"text": text}))]).pop().expect("an answer").expect("YAML");
    serde_json::from_value(read).expect("manifests")
}

/// All files below a directory, by their paths in it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
        } else {
            found.insert(name, fs::read_to_string(&path).expect("text"));
        }
    }
    found
}

#[test]
fn the_bases_are_what_the_chart_makes_now() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kubernetes/bases.py");
    let output =
        Command::new(tool("python")).arg(script).arg("--into").arg(folder.path()).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut shipped = files(&Path::new(SHIPPED).join("kubernetes"));
    shipped.remove("README.md").expect("a guide");
    assert!(shipped == files(folder.path()), "run `make bases`");
}

/// The objects by kind and name, without what Kustomize puts behind the names of generated ones, and without the chart's own labels.
fn comparable(manifests: &[Value]) -> BTreeMap<String, Value> {
    let mut text = json!(manifests).to_string();
    for map in manifests.iter().filter(|one| one["kind"] == "ConfigMap") {
        let name = map["metadata"]["name"].as_str().expect("a name");
        if let Some((short, hash)) = name
            .rsplit_once('-')
            .filter(|(_, hash)| hash.len() == 10 && hash.bytes().all(|byte| b"bcdfghkmt2456789".contains(&byte)))
        {
            text = text.replace(&format!("\"{short}-{hash}\""), &format!("\"{short}\""));
        }
    }
    let manifests: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let keyed = manifests.into_iter().map(|mut one| {
        one["metadata"].as_object_mut().expect("metadata").remove("labels");
        if let Some(annotations) = one.pointer_mut("/spec/template/metadata/annotations") {
            annotations.as_object_mut().expect("annotations").remove("checksum/configuration");
        }
        // The comment at the head of a generated file.
        if let Some(files) = one.get_mut("data").and_then(Value::as_object_mut) {
            for (_, text) in files.iter_mut().filter(|(name, _)| name.ends_with(".yaml")) {
                let whole = text.as_str().expect("text");
                let rest = whole.strip_prefix("# Made by").and_then(|rest| rest.split_once("\n\n"));
                *text = rest.map_or(whole, |(_, rest)| rest).into();
            }
        }
        (format!("{} {}", one["kind"], one["metadata"]["name"]), one)
    });
    keyed.collect()
}

#[test]
fn kustomize_makes_of_them_what_helm_makes_of_the_chart() {
    for example in EXAMPLES {
        let built = comparable(&built(&Path::new(SHIPPED).join("kubernetes").join(example)));
        let mut expected = comparable(&rendered(example, &json!({})));
        assert_eq!(built.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{example}");
        for (name, one) in &built {
            assert_eq!(Some(one), expected.remove(name).as_ref(), "{example}: {name}");
        }
    }
}

#[test]
fn each_mesh_has_a_base_of_its_file_alone() {
    for mesh in ["istio", "envoy-gateway"] {
        let built = comparable(&built(&Path::new(SHIPPED).join(mesh)));
        let text = fs::read_to_string(Path::new(SHIPPED).join(mesh).join("inbound.yaml")).expect("a file");
        let read = ask(&[question("read", &json!({"text": text}))]).pop().expect("an answer").expect("YAML");
        let shipped: Vec<Value> = serde_json::from_value(read).expect("manifests");
        assert_eq!(built, comparable(&shipped), "{mesh}");
    }
}

/// The overlay of the guide: another configuration for Envoy, and the bank's own images.
#[test]
fn the_overlay_of_the_guide_changes_what_it_says_and_starts_new_pods() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let base = Path::new(SHIPPED).join("kubernetes/envoy");
    fs::create_dir_all(folder.path().join("base")).expect("a directory");
    for (name, text) in files(&base) {
        fs::write(folder.path().join("base").join(name), text).expect("a file");
    }
    let guide = fs::read_to_string(Path::new(SHIPPED).join("kubernetes/README.md")).expect("the guide");
    let overlay = guide.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an overlay");
    let ours = folder.path().join("overlay");
    fs::create_dir(&ours).expect("a directory");
    fs::write(ours.join("kustomization.yaml"), overlay).expect("a file");
    let inbound = fs::read_to_string(base.join("inbound.yaml")).expect("a file");
    fs::write(ours.join("inbound.yaml"), inbound.replace("keystore.sandbox.", "keystore.")).expect("a file");

    let (plain, changed) = (built(&base), built(&ours));
    let map =
        |all: &[Value]| all.iter().find(|one| one["data"]["inbound.yaml"].is_string()).expect("a ConfigMap").clone();
    let text = map(&changed)["data"]["inbound.yaml"].as_str().expect("text").to_owned();
    assert!(text.contains("keystore.directory.openfinance.ae") && !text.contains("keystore.sandbox."));
    assert!(map(&changed)["data"]["trust-framework-crl.yaml"].is_string());
    assert_ne!(map(&plain)["metadata"]["name"], map(&changed)["metadata"]["name"]);
    let pod = |all: &[Value]| {
        all.iter().find(|one| one["kind"] == "Deployment").expect("a Deployment")["spec"]["template"]["spec"].clone()
    };
    assert!(pod(&changed).to_string().contains(map(&changed)["metadata"]["name"].as_str().expect("a name")));
    let module = |all: &[Value]| {
        let volumes = pod(all)["volumes"].as_array().expect("volumes").clone();
        volumes.into_iter().find(|volume| volume["name"] == "module").expect("the module")["image"]["reference"].clone()
    };
    assert_ne!(module(&plain), module(&changed));
    assert_eq!(pod(&plain)["securityContext"], pod(&changed)["securityContext"]);
}
