//! The real etcd, by itself: what the filter counts on.

use std::process::Command;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use wasm_tests::stage::client::Request;
use wasm_tests::stage::fleet::etcd::{ETCD_NAME, Etcd, EtcdSetup, MEMBERS};
use wasm_tests::stage::fleet::etcd_api::{PASSWORD, USER, base64, request};
use wasm_tests::stage::fleet::{PREFIX, program};

/// The transaction of the filter: creates the key unless it is there, and tells what is there otherwise.
fn create(key: &str, value: &str, lease: &str) -> Value {
    json!({
        "compare": [{"target": "CREATE", "result": "EQUAL", "key": base64(key), "create_revision": "0"}],
        "success": [{"request_put": {"key": base64(key), "value": base64(value), "lease": lease}}],
        "failure": [{"request_range": {"key": base64(key)}}],
    })
}

async fn lease(etcd: &Etcd) -> String {
    etcd.demand("/v3/lease/grant", &json!({"TTL": 60})).await["ID"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn of_transactions_that_all_members_get_at_once_one_creates_the_key_and_the_others_see_its_value() {
    let etcd = EtcdSetup::new().start().await;
    let lease = lease(&etcd).await;
    let etcd = std::sync::Arc::new(etcd);
    let mut sending = JoinSet::new();
    for number in 0..12 {
        let (etcd, body) = (std::sync::Arc::clone(&etcd), create("some/key", &format!("try-{number}"), &lease));
        sending.spawn(
            async move { etcd.send(number % MEMBERS, &request("/v3/kv/txn", &body, None)).await.reply().json() },
        );
    }
    let told = sending.join_all().await;
    assert_eq!(told.iter().filter(|told| told["succeeded"] == true).count(), 1, "{told:?}");
    let values: Vec<&Value> = told
        .iter()
        .filter(|told| told["succeeded"].is_null())
        .map(|told| &told["responses"][0]["response_range"]["kvs"][0]["value"])
        .collect();
    assert_eq!(values.len(), 11);
    assert!(values.iter().all(|value| value.is_string() && *value == values[0]), "{values:?}");
}

#[tokio::test]
async fn its_errors_are_told_with_these_statuses_and_codes() {
    let mut etcd = EtcdSetup::new().quota(4 * 1024 * 1024).start().await;
    let below = create("hub-auth/sandbox/some-key", "try", "12345");
    let elsewhere = create("elsewhere", "try", "0");
    let mut seen = Vec::new();
    seen.push(told(&etcd, "/v3/auth/authenticate", &sign_in(PASSWORD), None).await);
    seen.push(told(&etcd, "/v3/kv/txn", &below, None).await);
    seen.push(told(&etcd, "/v3/kv/txn", &below, Some("x.1")).await);

    etcd.secure(PREFIX).await;
    seen.push(told(&etcd, "/v3/auth/authenticate", &sign_in("wrong"), None).await);
    seen.push(told(&etcd, "/v3/kv/txn", &below, None).await);
    seen.push(told(&etcd, "/v3/kv/txn", &below, Some("x.1")).await);
    let token = signed_in(&etcd).await;
    seen.push(told(&etcd, "/v3/kv/txn", &elsewhere, Some(&token)).await);
    etcd.grant("hub-auth/production/").await;
    seen.push(told(&etcd, "/v3/kv/txn", &below, Some(&token)).await);
    etcd.fill().await;
    let token = signed_in(&etcd).await;
    seen.push(told(&etcd, "/v3/kv/txn", &create("hub-auth/sandbox/some-key", "try", "0"), Some(&token)).await);
    seen.push(told(&etcd, "/v3/lease/grant", &json!({"TTL": 60}), Some(&token)).await);
    assert!(!etcd.is_healthy(0).await, "Envoy sees it, too");
    assert_eq!(
        seen,
        [
            "412 9 etcdserver: authentication is not enabled",
            "404 5 etcdserver: requested lease not found",
            "401 16 etcdserver: invalid auth token",
            "400 3 etcdserver: authentication failed, invalid user ID or password",
            "400 3 etcdserver: user name is empty",
            "401 16 etcdserver: invalid auth token",
            "403 7 etcdserver: permission denied",
            // Its rights have changed, and its token is good.
            "404 5 etcdserver: requested lease not found",
            "429 8 etcdserver: mvcc: database space exceeded",
            "429 8 etcdserver: mvcc: database space exceeded",
        ]
    );
}

/// The JSON gateway speaks with its member under the member's own certificate. Of a request without `accept` etcd 3.4 takes the name in
/// that for the user's: docs/fleet.md says what not to call a user.
#[tokio::test]
async fn a_user_with_the_name_in_the_members_certificates_is_anybody() {
    let mut etcd = EtcdSetup::new().start().await;
    etcd.secure(PREFIX).await;
    let range = json!({"key": base64("some-key")});
    let anonymous = Request::new("POST", "/v3/kv/range").body(range.to_string().as_bytes());
    assert_eq!(etcd.send(0, &anonymous).await.reply().status, 403);
    assert_eq!(told(&etcd, "/v3/kv/range", &range, None).await, "400 3 etcdserver: user name is empty");
    etcd.demand("/v3/auth/user/add", &json!({"name": ETCD_NAME, "password": "long-and-secret"})).await;
    etcd.demand("/v3/auth/user/grant", &json!({"user": ETCD_NAME, "role": "root"})).await;
    assert_eq!(etcd.send(0, &anonymous).await.reply().status, 200);
    assert_eq!(told(&etcd, "/v3/kv/range", &range, None).await, "400 3 etcdserver: user name is empty");
}

/// The commands of docs/fleet.md, as they stand there.
#[tokio::test]
async fn the_commands_of_the_page_make_a_user_who_may_write_below_the_prefix_alone() {
    let etcd = EtcdSetup::new().start().await;
    let page = include_str!("../../../../docs/fleet.md");
    let (_, rest) = page.split_once("```sh\n# The gateways' user\n").expect("the commands");
    let (commands, _) = rest.split_once("```").expect("their end");
    let folder = program("etcdctl").parent().expect("a folder").display().to_string();
    let endpoints = etcd.addresses().map(|address| format!("https://{address}")).join(",");
    let run = Command::new("sh")
        .args(["-euc", commands])
        .env("PATH", format!("{folder}:/usr/bin:/bin"))
        .env("ETCDCTL_API", "3")
        .env("ETCDCTL_ENDPOINTS", endpoints)
        .env("ETCDCTL_CACERT", etcd.file("etcd-ca.pem"))
        .env("ETCDCTL_CERT", etcd.file("etcd-client-chain.pem"))
        .env("ETCDCTL_KEY", etcd.file("etcd-client-key.pem"))
        .env("ROOT_PASSWORD", "the-password-of-root")
        .env("GATEWAY_PASSWORD", PASSWORD)
        .output()
        .expect("a shell");
    let (told_out, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{told_out}\n{errors}");
    assert_eq!(
        told(&etcd, "/v3/kv/range", &json!({"key": base64("some-key")}), None).await,
        "400 3 etcdserver: user name is empty"
    );
    let token = signed_in(&etcd).await;
    let below = request("/v3/kv/txn", &create("hub-auth/sandbox/some-key", "try", "0"), Some(&token));
    assert_eq!(etcd.send(0, &below).await.reply().json()["succeeded"], true);
    for key in ["elsewhere", "hub-auth/sandbox", "hub-auth/sandbox0"] {
        let denied = told(&etcd, "/v3/kv/txn", &create(key, "try", "0"), Some(&token)).await;
        assert_eq!(denied, "403 7 etcdserver: permission denied", "{key}");
    }
}

fn sign_in(password: &str) -> Value {
    json!({"name": USER, "password": password})
}

async fn signed_in(etcd: &Etcd) -> String {
    let reply = etcd.send(0, &request("/v3/auth/authenticate", &sign_in(PASSWORD), None)).await.reply();
    let body = reply.json();
    body["token"]
        .as_str()
        .unwrap_or_else(|| panic!("no token: {} {:?} after", reply.status, String::from_utf8_lossy(&reply.body)))
        .to_owned()
}

/// Status, code and message of an answer.
async fn told(etcd: &Etcd, path: &str, body: &Value, token: Option<&str>) -> String {
    let reply = etcd.send(0, &request(path, body, token)).await.reply();
    let body = reply.json();
    format!("{} {} {}", reply.status, body["code"], body["message"].as_str().unwrap_or_default())
}
