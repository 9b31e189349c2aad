//! Wrong values: each is refused, with one sentence that says where and what would be right.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use wasm_tests::chart::{ask, document, question, tool};

use super::super::files::text;

/// Changes of the example for Envoy, or of another, with the line of Helm's answer that is about it.
fn mistakes() -> Vec<(&'static str, Value, &'static str)> {
    let jwks = |environment: &str| json!({"filter": {"inbound": {"auth": {"jwt_auth": {"jwks": {"environment": environment}}}}}});
    let token = json!({"audience": "retail", "certificate": {"organisation": "o", "organisational_unit": "u"},
        "keys": [{"kid": "k", "private_key": {"env": "SIG4_PRIVATE_KEY"}}]});
    let twice = json!({"name": "A", "secret": "s", "key": "k"});
    vec![
        ("envoy", json!({"gateway": "kong"}), "at '/gateway': value must be one of 'envoy', 'istio', 'envoy-gateway'"),
        ("envoy", json!({"environment": "prod"}), "at '/environment': value must be one of 'sandbox', 'production'"),
        ("envoy", json!({"replica": 2}), "at '': additional properties 'replica' not allowed"),
        ("envoy", json!({"envoy": {"log": "info"}}), "at '/envoy': additional properties 'log' not allowed"),
        ("envoy", json!({"backend": {"port": "8080"}}), "at '/backend/port': got string, want integer"),
        ("envoy", json!({"user": 0}), "at '/user': minimum: got 0, want 1"),
        (
            "envoy",
            json!({"module": {"digest": "88bb1878"}}),
            "at '/module/digest': '88bb1878' does not match pattern '^(sha256:[0-9a-f]{64})?$'",
        ),
        ("envoy", json!({"certificates": {"crl": null}}), "at '/certificates': missing property 'crl'"),
        ("envoy", json!({"resources": {"limits": null}}), "at '/resources': missing property 'limits'"),
        (
            "envoy",
            json!({"envoy": {"logLevel": "debug"}}),
            "at '/envoy/logLevel': value must be one of 'info', 'warning', 'error'",
        ),
        // The filter's own configuration.
        (
            "envoy",
            json!({"filter": {"inbound": {"provider_id": "retail"}}}),
            "at '/filter/inbound': additional properties 'provider_id' not allowed",
        ),
        (
            "envoy",
            jwks("prod"),
            "at '/filter/inbound/auth/jwt_auth/jwks/environment': value must be one of 'sandbox', 'production'",
        ),
        // What no schema can say.
        (
            "envoy",
            jwks("production"),
            "filter.inbound.auth.jwt_auth.jwks.environment: expected sandbox, as in environment, got production",
        ),
        ("envoy", json!({"host": ""}), "host: expected the name by which the Hub calls you, got nothing"),
        (
            "istio",
            json!({"module": {"digest": ""}}),
            "module.digest: expected sha256: and the 64 hexadecimal digits of that image, got nothing",
        ),
        (
            "envoy",
            json!({"module": {"repository": ""}}),
            "module.repository: expected your registry's image of the module, got nothing",
        ),
        (
            "envoy",
            json!({"module": {"tag": "latest"}}),
            "module.tag: expected the tag of one release, got latest: what runs would change by itself",
        ),
        (
            "envoy",
            json!({"envoy": {"tag": "distroless-dev"}}),
            "envoy.tag: expected the tag of one release, got distroless-dev: what runs would change by itself",
        ),
        ("envoy", json!({"backend": {"service": ""}}), "backend: expected either service or host, got neither"),
        ("envoy", json!({"backend": {"host": "a.example"}}), "backend: expected either service or host, got both"),
        (
            "envoy-gateway",
            json!({"backend": {"service": "", "host": "a.example"}}),
            "backend.host: expected a Service of this namespace in backend.service, got another name: an HTTPRoute knows Services only",
        ),
        ("envoy", json!({"filter": {"inbound": null}}), "at '/filter/inbound': got null, want object"),
        (
            "envoy",
            json!({"tools": {"image": ""}}),
            "tools.image: expected an image with sh, openssl, curl and awk for the CronJobs, got nothing",
        ),
        (
            "envoy",
            json!({"tools": {"image": "registry.bank.example:5000/tools"}}),
            "tools.image: expected a tag or a digest, got latest or none: what runs would change by itself",
        ),
        (
            "istio",
            json!({"canary": {"service": ""}}),
            "canary.service: expected the gateway's Service, such as ozone-connect-gateway.ozone-connect.svc, got nothing",
        ),
        (
            "envoy",
            json!({"filter": {"inbound": {"response_token": token}}}),
            "variables: expected SIG4_PRIVATE_KEY, which the filter's configuration names, got nothing: the filter would not see it",
        ),
        (
            "envoy",
            json!({"filter": {"inbound": {"peer": {"source": {"forwarded_header": {
                "name": "x-client-cert", "format": "url_encoded_pem", "verified": "always", "proxy": {"organisational_units": ["x"]},
            }}}}}}),
            "canary.enabled: expected false beside forwarded_header of the filter's peer, got true: the filter then believes the proxy in front, \
             and whoever connects directly has no certificate",
        ),
        (
            "istio",
            json!({"filter": {"inbound": {"peer": {"organisational_units": [], "allow_unpinned": true}}}}),
            "canary.enabled: expected false beside allow_unpinned of the filter's peer, got true: the canary's certificate is then as good as the \
             Hub's",
        ),
        ("envoy", json!({"variables": [twice, twice]}), "variables: expected each name once, got A twice"),
    ]
}

#[test]
fn each_wrong_value_is_refused_with_one_sentence() {
    let asked = mistakes()
        .into_iter()
        .map(|(example, changes, _)| question("render", &json!({"example": example, "changes": changes})));
    for (answer, (_, changes, sentence)) in ask(&asked.collect::<Vec<_>>()).into_iter().zip(mistakes()) {
        let told = answer.expect_err(sentence);
        let lines: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("- ")).collect();
        assert_eq!(lines, [sentence], "{changes}: {told}");
    }
}

#[test]
fn without_values_helm_says_all_that_has_to_be_given() {
    let told = ask(&[question("render", &json!({}))]).pop().expect("an answer").expect_err("nothing is given");
    let places: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("- ")?.split(": ").next()).collect();
    assert_eq!(
        places,
        ["host", "module.repository", "module.digest", "backend", "filter.inbound", "tools.image"],
        "{told}"
    );
}

/// `make schema` puts it there.
#[test]
fn the_values_have_the_schema_of_the_filters_configuration() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/kubernetes");
    let print = "import values_schema; print(values_schema.made(), end='')";
    let output = Command::new(tool("python")).args(["-c", print]).current_dir(script).output().expect("Python runs");
    let made = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(made, text("../charts/hub-auth-filter/values.schema.json"), "run `make schema`");
    let schema: Value = serde_json::from_str(&made).expect("JSON");
    assert!(schema["$defs"]["filter"]["properties"]["inbound"].is_object());
}

/// A key that the schema does not know could not be given, one that the file does not have would not be found.
#[test]
fn the_schema_and_the_values_have_the_same_keys() {
    let schema: Value = serde_json::from_str(&text("../charts/hub-auth-filter/values.schema.json")).expect("JSON");
    let values = document(&text("../charts/hub-auth-filter/values.yaml"));
    let keys = |object: &Value| object.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let known = keys(&schema["properties"]).into_iter().filter(|key| key != "global");
    assert_eq!(known.collect::<Vec<_>>(), keys(&values));
    for (key, value) in values.as_object().expect("an object") {
        let section = &schema["properties"][key];
        if section["additionalProperties"] == false {
            let known = keys(&section["properties"]).into_iter().filter(|key| key != "minAvailable");
            assert_eq!(known.collect::<Vec<_>>(), keys(value), "{key}");
        }
    }
}

/// Some tools that fetch a repository leave links out, or write where they lead to in their place.
#[test]
fn a_chart_without_its_files_says_so() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (shipped, copy) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/hub-auth-filter"), folder.path());
    for name in ["Chart.yaml", "values.yaml", "values.schema.json"] {
        fs::copy(shipped.join(name), copy.join(name)).expect(name);
    }
    for below in ["templates", "templates/envoy"] {
        fs::create_dir(copy.join(below)).expect("a directory");
        for entry in fs::read_dir(shipped.join(below)).expect("a directory").map(|entry| entry.expect("an entry")) {
            if entry.path().is_file() {
                fs::copy(entry.path(), copy.join(below).join(entry.file_name())).expect("a file");
            }
        }
    }
    for content in [None, Some("../../../gateway-configs/envoy/inbound.yaml")] {
        if let Some(content) = content {
            fs::create_dir(copy.join("files")).expect("a directory");
            fs::write(copy.join("files/envoy.yaml"), content).expect("a file");
        }
        let asked = question("render", &json!({"example": "envoy", "chart": copy.display().to_string()}));
        let told = ask(&[asked]).pop().expect("an answer").expect_err("it has no files");
        let sentence = "The chart's files/ are not what its links lead to: take the packed chart (make chart), or a checkout that has links.";
        assert!(told.lines().any(|line| line == sentence), "{told}");
    }
}

/// What is packed has the files themselves, and twice the same bytes.
#[test]
fn a_packed_chart_is_whole_and_the_same_each_time() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kubernetes/package.py");
    let pack = |into: &str| {
        let into = folder.path().join(into);
        fs::create_dir(&into).expect("a directory");
        let output = Command::new(tool("python"))
            .arg(&script)
            .arg(&into)
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .output()
            .expect("Python runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut files = fs::read_dir(&into).expect("a directory").map(|entry| entry.expect("an entry").path());
        let (Some(only), None) = (files.next(), files.next()) else { panic!("one file") };
        only
    };
    let (first, second) = (pack("first"), pack("second"));
    assert!(first.ends_with("hub-auth-filter-0.1.0.tgz"), "{}", first.display());
    assert_eq!(fs::read(&first).expect("a file"), fs::read(&second).expect("a file"));
    let asked = ["envoy", "istio", "envoy-gateway"].into_iter().flat_map(|example| {
        [json!({"example": example}), json!({"example": example, "chart": first.display().to_string()})]
            .map(|rest| question("render", &rest))
    });
    for pair in ask(&asked.collect::<Vec<_>>()).chunks(2) {
        assert!(pair[0].is_ok() && pair[0] == pair[1], "{pair:?}");
    }
}
