//! The settings of a store in which several gateways remember used tokens.

use std::time::Duration;

use super::{accepted, faults, with};
use crate::config::{Auth, Patience, Replay, ReplayScope, ReplayStore, SharedStore, StoreKind, WithoutStore};
use serde_json::{Value, json};

fn with_store(detection: Value) -> Value {
    let method = json!({"jwks": {"environment": "sandbox"}, "replay_detection": detection});
    with("/inbound/auth", json!({"jwt_auth": method}))
}

fn etcd(changes: Value) -> Value {
    let mut settings = json!({"address": "https://etcd.bank.example:2379"});
    for (key, value) in changes.as_object().unwrap() {
        settings[key] = value.clone();
    }
    with_store(json!({"store": {"etcd": settings}}))
}

fn read(configuration: &Value) -> (Replay, ReplayStore, WithoutStore) {
    let Auth::JwtAuth(method) = accepted(configuration).into_inbound().auth else { panic!() };
    let replay = method.replay.unwrap();
    let SharedStore { store, unavailable } = replay.store.clone().unwrap();
    (replay, *store, unavailable)
}

#[test]
fn a_store_has_an_address_and_defaults_for_all_else() {
    let (replay, store, unavailable) = read(&etcd(json!({})));
    assert_eq!((replay.scope, replay.capacity, unavailable), (ReplayScope::Worker, 100_000, WithoutStore::Refuse));
    assert_eq!((store.kind, &*store.upstream), (StoreKind::Etcd, "etcd.bank.example:2379"));
    assert_eq!(store.address.url("/v3/kv/txn".into()).as_str(), "https://etcd.bank.example:2379/v3/kv/txn");
    assert_eq!((&*store.prefix, store.user), ("hub-auth-filter/", None));
    assert_eq!(store.patience, Patience { timeout: Duration::from_secs(1), deadline: Duration::from_secs(3) });
}

#[test]
fn each_setting_of_a_store_is_read() {
    let settings = json!({
        "address": "http://127.0.0.1:7379", "upstream": "webdis", "prefix": "bank:sandbox/", "timeout": "200ms",
        "deadline": "200ms", "username": "gateway", "password": {"env": "BAO_TOKEN"},
    });
    let (replay, store, unavailable) =
        read(&with_store(json!({"store": {"webdis": settings}, "unavailable": "local"})));
    assert_eq!((replay.scope, unavailable), (ReplayScope::Gateway, WithoutStore::Local), "it may have to decide alone");
    assert_eq!((store.kind, &*store.upstream, &*store.prefix), (StoreKind::Webdis, "webdis", "bank:sandbox/"));
    let millis = Duration::from_millis(200);
    assert_eq!(store.patience, Patience { timeout: millis, deadline: millis });
    assert_eq!(store.user.unwrap().name, "gateway");
}

#[test]
fn what_is_wrong_with_a_store_is_said_where_it_stands() {
    let path = "inbound.auth.jwt_auth.replay_detection";
    for (configuration, expected) in [
        (with_store(json!({})), format!("{path}.store: expected")),
        (with_store(json!({"store": {}})), format!("{path}.store: expected \"etcd\" or \"webdis\", got")),
        (
            with_store(json!({"store": {"etcd": {"address": "http://a"}, "webdis": {"address": "http://a"}}})),
            format!("{path}.store: expected exactly one key, got"),
        ),
        (with_store(json!({"store": {"redis": {}}})), format!("{path}.store.redis")),
        (
            with_store(json!({"store": {"etcd": {"address": "http://127.0.0.1"}}, "unavailable": "admit"})),
            format!("{path}.unavailable: expected \"refuse\" or \"local\""),
        ),
        (
            etcd(json!({"address": "https://etcd:2379/v3"})),
            format!("{path}.store.etcd.address: expected http:// or https://"),
        ),
        (etcd(json!({"address": null})), format!("{path}.store.etcd.address: expected")),
        (etcd(json!({"prefix": ""})), format!("{path}.store.etcd.prefix: expected a prefix of 1 to 128")),
        (etcd(json!({"prefix": "a b"})), format!("{path}.store.etcd.prefix: expected a prefix of 1 to 128")),
        (etcd(json!({"prefix": "a%2f"})), format!("{path}.store.etcd.prefix: expected a prefix of 1 to 128")),
        (etcd(json!({"username": "gateway"})), format!("{path}.store.etcd.password: expected a password beside")),
        (
            etcd(json!({"password": {"env": "BAO_TOKEN"}})),
            format!("{path}.store.etcd.username: expected a user name beside"),
        ),
        (
            etcd(json!({"username": "a:b", "password": {"env": "BAO_TOKEN"}})),
            format!("{path}.store.etcd.username: expected a user name of 1 to 128"),
        ),
        (
            etcd(json!({"username": "a", "password": {"env": "NOT_SET"}})),
            format!("{path}.store.etcd.password.env: expected an environment variable that is set"),
        ),
        (etcd(json!({"timeout": "99ms"})), format!("{path}.store.etcd.timeout: expected")),
        (
            etcd(json!({"timeout": "5s"})),
            format!("{path}.store.etcd.deadline: expected a duration that is not shorter"),
        ),
        (
            etcd(json!({"timeout": "2s", "deadline": "1s"})),
            format!(
                "{path}.store.etcd.deadline: expected a duration that is not shorter than \"timeout\", got a shorter one"
            ),
        ),
    ] {
        let errors = faults(&configuration);
        assert!(errors.contains(&expected), "{configuration}: {errors}");
    }
}

#[test]
fn plaintext_to_another_machine_is_warned_of_and_what_others_could_do_with_it() {
    let user = json!({"username": "a", "password": {"env": "BAO_TOKEN"}});
    for (address, user, expected) in [
        ("https://etcd.bank.example:2379", json!({}), None),
        ("http://127.0.0.1:2379", user.clone(), None),
        ("http://etcd.bank.example:2379", json!({}), Some("can say of a used token that it is new")),
        ("http://etcd.bank.example:2379", user, Some("can read the password, and say of a used token that it is new")),
    ] {
        let mut settings = user;
        settings["address"] = address.into();
        let warnings = accepted(&etcd(settings)).warnings().join("\n");
        match expected {
            Some(text) => assert!(warnings.contains(text), "{address}: {warnings}"),
            None => assert_eq!(warnings, "", "{address}"),
        }
    }
}
