//! The schema for editors, as validators see it that are not ours: check-jsonschema in Python, ajv in JavaScript. `make validators`
//! installs them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{GATEWAY_CONFIGS, hub_auth, text};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What is put on a configuration to break it: at this JSON pointer this value, or nothing in its place.
type Fault = (&'static str, Option<Value>);

fn schema() -> PathBuf {
    Path::new(ROOT).join("schema/hub-auth-filter.schema.json")
}

/// Runs a validator, which may say that a file is wrong.
fn run(program: &Path, arguments: &[&str], files: &[PathBuf]) -> (String, bool) {
    let mut command = Command::new(program);
    command.args(arguments).args(files);
    let output =
        command.output().unwrap_or_else(|error| panic!("{}: {error}: run `make validators`", program.display()));
    let errors = text(&output.stderr);
    assert!(errors.is_empty(), "{errors}");
    (text(&output.stdout).to_owned(), output.status.success())
}

/// A file for each of these configurations.
fn written(configurations: &[Value]) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a directory");
    let numbers = 0..configurations.len();
    let files: Vec<PathBuf> = numbers.map(|number| folder.path().join(format!("{number}.json"))).collect();
    for (file, configuration) in files.iter().zip(configurations) {
        std::fs::write(file, configuration.to_string()).expect("a file");
    }
    (folder, files)
}

/// Which of these configurations each validator accepts.
fn accepted(configurations: &[Value]) -> BTreeMap<&'static str, Vec<bool>> {
    let (_folder, files) = written(configurations);
    let (schema, names): (_, Vec<&str>) = (schema(), files.iter().map(|file| file.to_str().expect("UTF-8")).collect());
    let schema = schema.to_str().expect("UTF-8");

    let python = Path::new(ROOT).join(".tools/check-jsonschema/bin/check-jsonschema");
    let (report, _) = run(&python, &["--schemafile", schema, "--output-format", "json"], &files);
    let report: Value = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}"));
    // Without a fault it has no lists of faults.
    let is_of_faults = report["status"] == "fail" && report["parse_errors"] == json!([]);
    assert!(is_of_faults || report["status"] == "ok", "{report}");
    let errors = report["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let by_python = names.iter().map(|name| !errors.iter().any(|error| error["filename"] == *name)).collect();

    let script = Path::new(ROOT).join("hub-auth/tests/validators/validate.mjs");
    let packages = Path::new(ROOT).join(".tools/ajv");
    let arguments = [&script, &packages].map(|path| path.to_str().expect("UTF-8"));
    let (report, is_done) = run(Path::new("node"), &[&arguments[..], &[schema]].concat(), &files);
    assert!(is_done, "{report}");
    let report: Value = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}"));
    let by_node = names.iter().map(|name| report[*name].as_bool().expect("a verdict")).collect();
    BTreeMap::from([("check-jsonschema", by_python), ("ajv", by_node)])
}

/// Which of these the filter's own reader accepts. Variables that they name are not set here, which is no error.
fn read(configurations: &[Value]) -> Vec<bool> {
    let (_folder, files) = written(configurations);
    let names: Vec<&str> = files.iter().map(|file| file.to_str().expect("UTF-8")).collect();
    let output = hub_auth(&[&["check", "--gateway", "envoy", "--format", "json"], &names[..]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let errors = report["findings"].as_array().expect("findings").iter();
    let wrong: Vec<&Value> = errors.filter(|one| one["severity"] == "error").map(|one| &one["file"]).collect();
    names.iter().map(|name| !wrong.iter().any(|file| *file == name)).collect()
}

fn inbound() -> Value {
    json!({"inbound": {
        "provider_ids": ["retail"],
        "peer": {"organisational_units": ["233bcd1d-4216-4b3c-a362-9e4a9282bba7"]},
        "auth": {"jwt_auth": {"jwks": {"environment": "sandbox"}, "upstream": "keystore"}},
    }})
}

fn outbound() -> Value {
    json!({"outbound": {
        "audience": "retail",
        "certificate": {"organisation": "Acme Bank", "organisational_unit": "7c6ba1d4-9c3b-4f0a-8f5e-2f8d1c3b6a90"},
        "keys": [{"kid": "sig4-2026", "private_key": {"env": "SIG4_PRIVATE_KEY"}}],
    }})
}

/// The configuration with something else at the pointer.
fn with(mut configuration: Value, (pointer, value): Fault) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    match (configuration.pointer_mut(parent).expect(pointer), value) {
        (Value::Object(members), Some(value)) => drop(members.insert(name.to_owned(), value)),
        (Value::Object(members), None) => drop(members.remove(name).expect(pointer)),
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().expect(pointer)] = value,
        _ => panic!("{pointer}"),
    }
    configuration
}

/// An example of a guide, put into what it is a part of.
fn whole(example: &Value) -> Value {
    let name = example.as_object().and_then(|members| members.keys().next()).expect("a key").as_str();
    let of_inbound = |pointer| with(inbound(), (pointer, Some(example[name].clone())));
    let of_outbound = |pointer| with(outbound(), (pointer, Some(example[name].clone())));
    if let Some(replay) = example.pointer("/inbound/auth/jwt_auth/replay_detection")
        && example.get("gateway").is_some()
    {
        return with(inbound(), ("/inbound/auth/jwt_auth/replay_detection", Some(replay.clone())));
    }
    if ["inbound", "outbound"].iter().any(|direction| example.get(direction).is_some()) {
        return example.clone();
    }
    match name {
        "gateway" => of_inbound("/gateway"),
        "peer" => of_inbound("/inbound/peer"),
        "response_token" => of_inbound("/inbound/response_token"),
        "keys" => of_outbound("/outbound/keys"),
        "verify_responses" => of_outbound("/outbound/verify_responses"),
        "store" => {
            let method = json!({"jwks": {"environment": "sandbox"}, "replay_detection": example});
            with(inbound(), ("/inbound/auth", Some(json!({"jwt_auth": method}))))
        }
        "remote_signer" => with(of_outbound("/outbound/remote_signer"), ("/outbound/keys", None)),
        _method => with(inbound(), ("/inbound/auth", Some(example.clone()))),
    }
}

/// Every configuration in a file of a gateway: as text, or as an object.
fn within(value: &Value, found: &mut Vec<Value>) {
    let is_one = |value: &Value| ["inbound", "outbound"].iter().any(|key| value.get(key).is_some_and(Value::is_object));
    match value {
        Value::String(text) => found.extend(serde_json::from_str::<Value>(text).ok().filter(is_one)),
        // As in manifests, of which the control plane makes the text.
        object if is_one(object) => found.push(object.clone()),
        Value::Array(items) => items.iter().for_each(|item| within(item, found)),
        Value::Object(members) => members.values().for_each(|member| within(member, found)),
        _ => {}
    }
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

/// All configurations that are shipped or shown, each with the file where it stands.
fn shipped() -> Vec<(String, Value)> {
    let mut files = vec![Path::new(ROOT).join("README.md")];
    files_below(Path::new(GATEWAY_CONFIGS), &mut files);
    files_below(&Path::new(ROOT).join("docs"), &mut files);
    let mut shipped = Vec::new();
    for file in files {
        let extension = file.extension().and_then(|extension| extension.to_str());
        // Pictures have none.
        let Some(extension @ ("md" | "yaml" | "yml")) = extension else { continue };
        let content = std::fs::read_to_string(&file).expect("a text");
        let mut found = Vec::new();
        match extension {
            "md" => {
                let blocks = content.split("```json\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
                let parsed =
                    blocks.map(|block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}")));
                found.extend(parsed.map(|example: Value| whole(&example)));
            }
            _ => {
                let documents: Vec<Value> =
                    serde_saphyr::from_multiple(&content).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                documents.iter().for_each(|document| within(document, &mut found));
            }
        }
        shipped.extend(found.into_iter().map(|configuration| (file.display().to_string(), configuration)));
    }
    shipped
}

#[test]
fn it_is_printed_as_it_is_committed() {
    let printed = hub_auth(&["schema"]);
    assert_eq!(printed.status.code(), Some(0));
    assert!(text(&printed.stdout) == std::fs::read_to_string(schema()).expect("the schema"), "run `make schema`");
    let printed = hub_auth(&["schema", "--reference"]);
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/configuration.md")).expect("the reference");
    assert!(text(&printed.stdout) == page, "run `make schema`");
    let refused = hub_auth(&["schema", "--yaml"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--yaml"), "{}", text(&refused.stderr));
}

#[test]
fn it_is_a_schema_for_others() {
    let python = Path::new(ROOT).join(".tools/check-jsonschema/bin/check-jsonschema");
    let (report, is_right) = run(&python, &["--check-metaschema"], &[schema()]);
    assert!(is_right, "{report}");
    // ajv looks at the schema before it looks at anything else: no file is needed.
    assert_eq!(accepted(&[inbound()]), BTreeMap::from([("ajv", vec![true]), ("check-jsonschema", vec![true])]));
}

#[test]
fn all_that_is_shipped_or_shown_is_accepted() {
    let shipped = shipped();
    assert!(shipped.len() >= 30, "{}", shipped.len());
    let configurations: Vec<Value> = shipped.iter().map(|(_, configuration)| configuration.clone()).collect();
    for (validator, verdicts) in accepted(&configurations) {
        for ((file, configuration), is_accepted) in shipped.iter().zip(verdicts) {
            assert!(is_accepted, "{validator}: {file}: {configuration}");
        }
    }
}

#[test]
fn every_broken_one_is_refused() {
    let at = |base: fn() -> Value, faults: Vec<Fault>| faults.into_iter().map(move |fault| with(base(), fault));
    let api_key = || {
        let key = json!({"id": "a", "sha256": "70e3d6156bc81d2cbbca2bd61dbbc4ae3df44c4c3ab35b8b0e3c2a5c54a3d8a1"});
        with(inbound(), ("/inbound/auth", Some(json!({"api_key": {"keys": [key]}}))))
    };
    let introspecting = || {
        let server = json!({"url": "https://as.example/i", "client_id": "g", "client_secret": {"env": "SECRET"}});
        with(inbound(), ("/inbound/auth", Some(json!({"client_credentials": {"introspection": server}}))))
    };
    let forwarded = || {
        let header = json!({"format": "rfc9440", "verified": "always", "proxy": {"organisational_units": ["edge"]}});
        with(inbound(), ("/inbound/peer/source", Some(json!({"forwarded_header": header}))))
    };
    let remote = || {
        let vault = json!({"address": "https://bao", "key": "k", "kid": "k", "token": {"env": "BAO_TOKEN"}});
        let signed = with(outbound(), ("/outbound/remote_signer", Some(json!({"vault_transit": vault}))));
        with(signed, ("/outbound/keys", None))
    };
    let right = [inbound(), outbound(), api_key(), introspecting(), forwarded(), remote()];
    assert_eq!(read(&right), right.each_ref().map(|_| true));
    assert!(accepted(&right).values().flatten().all(|is_accepted| *is_accepted));
    let mut broken = vec![json!({}), json!([]), json!("inbound"), json!({"gateway": {}})];
    broken.push(with(inbound(), ("/outbound", Some(outbound()["outbound"].clone()))));
    broken.extend(at(
        inbound,
        vec![
            ("/inbound/peer", None),
            ("/inbound/pear", Some(json!({}))),
            ("/inbound/provider_ids", Some(json!("retail"))),
            ("/inbound/provider_ids", Some(json!([]))),
            ("/inbound/provider_ids/0", Some(json!("two words"))),
            ("/inbound/provider_ids", Some(json!(["retail", "retail"]))),
            ("/inbound/require_provider_header", Some(json!("yes"))),
            ("/inbound/peer/organisational_units", Some(json!([]))),
            ("/inbound/peer/allow_unpinned", Some(json!(true))),
            ("/inbound/peer/fingerprints", Some(json!(["bf:7c"]))),
            ("/inbound/peer/source", Some(json!("proxy"))),
            ("/inbound/auth/mtls_only", Some(json!({}))),
            ("/inbound/auth/jwt_auth/jwks/environment", Some(json!("sandbx"))),
            ("/inbound/auth/jwt_auth/jwks", Some(json!({"url": "http://keystore.example/jwks"}))),
            ("/inbound/auth/jwt_auth/jwks", Some(json!({"url_template": "https://keystore.example/jwks"}))),
            ("/inbound/auth/jwt_auth/max_age", Some(json!("11m"))),
            ("/inbound/auth/jwt_auth/max_age", Some(json!(600))),
            ("/inbound/auth/jwt_auth/clock_skew", Some(json!("10"))),
            ("/inbound/auth/jwt_auth/upstream", Some(json!(7))),
            ("/inbound/auth/jwt_auth/replay_capacity", Some(json!(1_000))),
            ("/inbound/auth/jwt_auth/replay_detection", Some(json!("on"))),
            ("/inbound/health_checks", Some(json!({"base_path": "hub"}))),
            ("/inbound/service_initiation", Some(json!({"allow": [{"method": "post", "path": "/a"}]}))),
            ("/inbound/service_initiation", Some(json!({"allow": [{"method": "POST", "path": "/a/../b"}]}))),
            ("/inbound/forward", Some(json!({"authorization": "drop"}))),
            ("/gateway", Some(json!({"kind": "nginx"}))),
            ("/$schema", Some(json!(1))),
        ],
    ));
    broken.push(with(
        with(inbound(), ("/inbound/forward", Some(json!({"identity_headers": false})))),
        ("/inbound/service_initiation", Some(json!({"allow": [{"method": "POST", "path": "/a"}]}))),
    ));
    broken.extend(at(
        outbound,
        vec![
            ("/outbound/lifetime", Some(json!("5m"))),
            ("/outbound/auth", Some(json!({"mtls_only": {}}))),
            ("/outbound/keys", None),
            ("/outbound/keys", Some(json!([]))),
            ("/outbound/keys/0/active_from", Some(json!("2026-11-21T00:00:00+04:00"))),
            ("/outbound/keys/0/private_key/env", Some(json!("sig4"))),
            ("/outbound/certificate/organisational_unit", None),
            ("/outbound/certificate/organisation", Some(json!(" "))),
        ],
    ));
    broken.extend(at(
        api_key,
        vec![
            ("/inbound/auth/api_key/keys/0/sha256", Some(json!("hunter2"))),
            ("/inbound/auth/api_key/keys/0/expires", Some(json!("2027-12-31"))),
            ("/inbound/auth/api_key/header", Some(json!("Host"))),
            ("/inbound/auth/api_key/header", Some(json!("X_Hub_Auth_Method"))),
        ],
    ));
    broken.extend(at(
        introspecting,
        vec![
            ("/inbound/auth/client_credentials/introspection/client_secret", Some(json!("hunter2"))),
            ("/inbound/auth/client_credentials/introspection/capacity", Some(json!(0))),
            ("/inbound/auth/client_credentials/algorithms", Some(json!(["PS256"]))),
            ("/inbound/auth/client_credentials/jwks", Some(json!({"url": "https://as.example/jwks"}))),
        ],
    ));
    broken.extend(at(
        forwarded,
        vec![
            ("/inbound/peer/source/forwarded_header/proxy", None),
            ("/inbound/peer/source/forwarded_header/verified", None),
            ("/inbound/peer/source/forwarded_header/format", Some(json!("url_encoded_pem"))),
            ("/inbound/peer/source/forwarded_header/trust_plaintext_hop", Some(json!(true))),
        ],
    ));
    broken.extend(at(
        remote,
        vec![
            ("/outbound/remote_signer/vault_transit/address", Some(json!("https://bao/v1"))),
            ("/outbound/remote_signer/vault_transit/mount", Some(json!("/transit"))),
            ("/outbound/remote_signer/vault_transit/key_version", Some(json!(0))),
            ("/outbound/remote_signer/vault_transit/public_key", Some(json!("-----BEGIN PRIVATE KEY-----"))),
        ],
    ));
    assert!(broken.len() >= 50, "{}", broken.len());
    for (validator, verdicts) in accepted(&broken) {
        for (configuration, is_accepted) in broken.iter().zip(verdicts) {
            assert!(!is_accepted, "{validator}: {configuration}");
        }
    }
    for (configuration, is_read) in broken.iter().zip(read(&broken)) {
        assert!(!is_read, "{configuration}");
    }
}
