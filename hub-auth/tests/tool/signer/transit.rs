//! The same questions to a real OpenBao and to the daemon: status and form of the answers. And other clients of Vault's API.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::module_signer::{CLIENT_TOKEN, HEALTH_PATH};
use wasm_tests::stage::openbao::{self, KEY_PATH, OpenBao, SIGN_PATH};
use wasm_tests::stage::pki::Pki;

use super::{body, claims, input, request, started};
use crate::{openssl, text};

/// A value with texts, numbers and so on replaced by what they are, and all members in their places.
fn form(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), form(value))).collect(),
        // How many there are, and what they say, is not a matter of form.
        Value::Array(items) => json!([items.first().map(form)]),
        Value::String(text) if text.starts_with("vault:v1:") => json!(format!("vault:v1:, {} characters", text.len())),
        Value::String(text) => json!(text.lines().next().filter(|line| line.starts_with("-----")).unwrap_or("text")),
        Value::Number(_) => json!(0),
        // A key of Transit does more than this one.
        Value::Bool(_) => json!(true),
        other => other.clone(),
    }
}

#[tokio::test]
async fn its_answers_have_the_status_and_the_form_of_openbaos() {
    let files = tempfile::tempdir().expect("a folder");
    let bao = OpenBao::start(Pki::shared(), files.path()).await;
    let (signer, _module) = started(&[]).await;
    let right = request(&body(&input(&claims())));
    let with = |member: &str, value: Value| {
        let mut body = body(&input(&claims()));
        body[member] = value;
        request(&body)
    };
    let cases: [(&str, Request); 12] = [
        ("a signature", right.clone()),
        ("a signature with a version", with("key_version", json!(1))),
        ("a signature, by PUT", Request::new("PUT", SIGN_PATH).body(body(&input(&claims())).to_string().as_bytes())),
        ("the key", Request::new("GET", KEY_PATH)),
        ("another key", Request::new("GET", "/v1/transit/keys/other")),
        (
            "a signature by another key",
            Request::new("POST", "/v1/transit/sign/other/sha2-256").body(body("x").to_string().as_bytes()),
        ),
        ("another mount", Request::new("GET", "/v1/other/keys/sig4")),
        ("no base64", with("input", json!("***"))),
        ("no JSON", Request::new("POST", SIGN_PATH).body(b"{")),
        (
            "an unknown hash",
            Request::new("POST", "/v1/transit/sign/sig4/sha9-256").body(body("x").to_string().as_bytes()),
        ),
        ("an unknown form", with("marshaling_algorithm", json!("der"))),
        ("a signature, by GET", Request::new("GET", SIGN_PATH)),
    ];
    let same = |what: &str, ours: &Reply, theirs: &Reply| {
        assert_eq!(ours.status, theirs.status, "{what}: {} {}", ours.json(), theirs.json());
        assert_eq!(form(&ours.json()), form(&theirs.json()), "{what}");
        assert_eq!(ours.header("content-type"), theirs.header("content-type"), "{what}");
    };
    for (what, request) in cases {
        let theirs = bao.send(&request.clone().header("x-vault-token", bao.root_token())).await;
        same(what, &signer.ask(request).await, &theirs);
    }
    for (what, request) in [("no token", right.clone()), ("a wrong token", right.header("x-vault-token", "s.wrong"))] {
        same(what, &signer.send(&request).await, &bao.send(&request).await);
    }
    // Health has members of the cluster, too.
    let (ours, theirs) =
        (signer.send(&Request::new("GET", HEALTH_PATH)).await, bao.send(&Request::new("GET", HEALTH_PATH)).await);
    assert_eq!((ours.status, theirs.status), (200, 200));
    for (name, value) in theirs.json().as_object().expect("an object") {
        if !name.starts_with("cluster_") {
            assert_eq!(form(&ours.json()[name]), form(value), "{name}");
        }
    }
    bao.seal().await;
    let sealed = bao.send(&Request::new("GET", HEALTH_PATH)).await;
    assert_eq!((sealed.status, sealed.json()["sealed"].clone()), (503, json!(true)));
}

/// As Vault's documentation of its API has it.
#[tokio::test]
async fn curl_gets_a_signature() {
    let (signer, module) = started(&[]).await;
    let input = input(&claims());
    let payload = module.folder().join("payload.json");
    std::fs::write(&payload, body(&input).to_string()).expect("a file");
    let output = tokio::process::Command::new("curl")
        .args(["--silent", "--show-error", "--header", &format!("X-Vault-Token: {CLIENT_TOKEN}"), "--request", "POST"])
        .args(["--data", &format!("@{}", payload.display()), &format!("http://{}{SIGN_PATH}", signer.address())])
        .output()
        .await
        .expect("curl");
    let told: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    let signature = told["data"]["signature"].as_str().and_then(|text| text.strip_prefix("vault:v1:"));
    openssl::assert_signed(&format!("{input}.{}", signature.expect("a signature")), &signer.public_key().await);
}

/// OpenBao's own client takes it for an OpenBao.
#[tokio::test]
async fn the_client_of_openbao_reads_the_key_and_gets_a_signature() {
    let (signer, module) = started(&[]).await;
    let input = input(&claims());
    let address = format!("http://{}", signer.address());
    let call = |arguments: &[String]| {
        let mut command = Command::new(openbao::binary());
        command.args(arguments).env_clear().env("HOME", module.folder());
        command.env("BAO_ADDR", &address).env("BAO_TOKEN", CLIENT_TOKEN);
        let output = command.output().expect("bao");
        assert!(output.status.success(), "{} {}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout).trim_end_matches('\n').to_owned()
    };
    let arguments = |all: &[&str]| all.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>();
    let public_key: Value =
        serde_json::from_str(&call(&arguments(&["read", "-format=json", "transit/keys/sig4"]))).expect("JSON");
    let public_key = public_key["data"]["keys"]["1"]["public_key"].as_str().expect("a public key").to_owned();
    let mut all = arguments(&["write", "-field=signature", "transit/sign/sig4/sha2-256", "key_version=1"]);
    all.extend(arguments(&["signature_algorithm=pss", "salt_length=hash", "marshaling_algorithm=jws"]));
    all.push(format!("input={}", STANDARD.encode(&input)));
    let signature = call(&all);
    let reply = signature.strip_prefix("vault:v1:").expect("a signature");
    openssl::assert_signed(&format!("{input}.{reply}"), &public_key);
    assert_eq!(public_key, signer.public_key().await);
}
