//! What is measured beside what is counted, where the gateway has metrics, and that nothing is asked of one that has none.

use std::collections::BTreeMap;
use std::time::Duration;

use hub_auth_filter::facade::callout::USER_AGENT;
use serde_json::json;
use wasm_tests::host::{Answer, Gateway, Metric, Module};
use wasm_tests::stage::tokens::{Signer, jwks};

use super::outbound::{bank, outbound};
use super::scene::*;

/// Sunday, 2026-11-22, 00:11:40 UTC.
const NOW: Duration = Duration::from_secs(1_795_306_300);
/// As a server writes it.
const DATE: &str = "Sun, 22 Nov 2026 00:11:40 GMT";

/// The metrics of the filter, without what each name begins with.
fn metrics(gateway: &Gateway) -> BTreeMap<String, Metric> {
    let named = |(name, metric): (String, Metric)| Some((name.strip_prefix("hub_auth_filter.")?.to_owned(), metric));
    gateway.metrics().into_iter().filter_map(named).collect()
}

/// What a gauge shows; `None` where there is none.
fn gauge(gateway: &Gateway, name: &str) -> Option<u64> {
    match metrics(gateway).get(name)? {
        Metric::Gauge(value) => Some(*value),
        other => panic!("{name}: {other:?}"),
    }
}

/// What a histogram was given; `None` where there is none.
fn recorded(gateway: &Gateway, name: &str) -> Option<Vec<u64>> {
    match metrics(gateway).get(name)? {
        Metric::Histogram(values) => Some(values.clone()),
        other => panic!("{name}: {other:?}"),
    }
}

/// This where the gateway has metrics, else nothing.
fn where_measured<T>(host: Host, value: T) -> Option<T> {
    host.has_metrics.then_some(value)
}

fn at(host: Host, now: Duration, keystore: Answer) -> Gateway {
    let gateway = host.with(&jwt_auth()).start_at(now).upstream(KEYSTORE, publishing(keystore));
    gateway.start(Module::release()).expect("the gateway starts")
}

/// The Hub's keys, as an answer that was written at [`NOW`].
fn dated() -> Answer {
    Answer::ok(jwks([&hub().signing]).to_string()).header("date", DATE)
}

#[apply(every_engine)]
fn decisions_and_callouts_are_timed_and_who_waits_is_counted(host: Host) {
    let gateway = at(host, NOW, dated().after(Duration::from_millis(250)));
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    assert_eq!(judge(&gateway, request()), "Credential.Missing");
    let expect = |name: &str, values: &[u64]| {
        assert_eq!(recorded(&gateway, name), where_measured(host, values.to_vec()), "{name}");
    };
    expect("decision_duration_milliseconds.direction.inbound", &[250, 0, 0]);
    expect("callout_duration_milliseconds.about.jwks", &[250]);
    expect("callout_duration_milliseconds.about.introspection", &[]);
    expect("signing_duration_milliseconds.direction.inbound", &[]);
    host.assert_counted(&gateway, "requests_held_total.direction.inbound", 1);
    host.assert_counted(&gateway, "requests_released_total.direction.inbound", 1);
}

#[apply(every_gateway)]
fn who_hangs_up_waits_no_more(host: Host) {
    let gateway = at(host, NOW, Answer::never());
    let exchange = gateway.send(right(&gateway));
    host.assert_counted(&gateway, "requests_held_total.direction.inbound", 1);
    host.assert_counted(&gateway, "requests_released_total.direction.inbound", 0);
    exchange.disconnect();
    gateway.settle();
    gateway.advance(seconds(60));
    host.assert_counted(&gateway, "requests_held_total.direction.inbound", 1);
    host.assert_counted(&gateway, "requests_released_total.direction.inbound", 1);
}

#[apply(every_gateway)]
fn signing_a_request_is_timed(host: Host) {
    let gateway = host.with(&outbound()).environment("SIG4_PRIVATE_KEY", bank().signing.pkcs8_pem());
    let gateway = gateway.start(Module::release()).expect("the gateway starts");
    send(&gateway, super::outbound::call());
    for name in ["decision_duration_milliseconds", "signing_duration_milliseconds"] {
        let times = recorded(&gateway, &format!("{name}.direction.outbound"));
        assert_eq!(times.map(|times| times.len()), where_measured(host, 1), "{name}");
    }
}

#[apply(every_engine)]
fn each_key_set_shows_when_it_was_fetched(host: Host) {
    let gateway = at(host, NOW, dated());
    let path: String =
        jwks_path(&hub().subject).chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let (keystore, _) = KEYSTORE.split_once(':').expect("host and port");
    let name = format!("key_set_fetched_timestamp_seconds.key_set.{}{path}", keystore.replace('.', "_"));
    assert_eq!(gauge(&gateway, &name), None, "{:?}", metrics(&gateway));
    send(&gateway, right(&gateway));
    assert_eq!(gauge(&gateway, &name), where_measured(host, NOW.as_secs()), "{:?}", metrics(&gateway));
    // It is fetched anew; what fails meanwhile changes nothing.
    gateway.upstream(KEYSTORE, publishing(Answer::refused()));
    gateway.advance(seconds(590));
    assert_eq!(gauge(&gateway, &name), where_measured(host, NOW.as_secs()));
    gateway.advance(seconds(120));
    gateway.upstream(KEYSTORE, publishing(dated()));
    send(&gateway, right(&gateway));
    gateway.settle();
    let fetched = gauge(&gateway, &name);
    assert_eq!(fetched.is_some_and(|at| at >= NOW.as_secs() + 600), host.has_metrics, "{fetched:?}");
}

#[apply(every_gateway)]
fn a_clock_that_differs_from_the_keystores_shows(host: Host) {
    for (now, ahead, behind) in [(NOW, 0, 0), (NOW + seconds(61), 60, 0), (NOW - seconds(90), 0, 90)] {
        let gateway = at(host, now, dated());
        send(&gateway, right(&gateway));
        let shown = [gauge(&gateway, "clock_ahead_seconds"), gauge(&gateway, "clock_behind_seconds")];
        assert_eq!(shown, [where_measured(host, ahead), where_measured(host, behind)], "{now:?}");
    }
    // A keystore that says nothing of the time.
    let gateway = at(host, NOW, Answer::ok(jwks([&hub().signing]).to_string()));
    send(&gateway, right(&gateway));
    assert_eq!(gauge(&gateway, "clock_ahead_seconds"), where_measured(host, 0));
}

#[apply(every_gateway)]
fn the_end_of_the_hubs_certificate_shows_where_the_gateway_shows_the_certificate(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["health_checks"] = json!({});
    let gateway = host.with(&configuration).start(Module::release()).expect("the gateway starts");
    let name = "peer_certificate_not_after_timestamp_seconds";
    assert_eq!(gauge(&gateway, name), None);
    send(&gateway, forwarding(right(&gateway), &hub().transport));
    // The next request tells what the one before has shown, at the latest.
    send(&gateway, forwarding(right(&gateway), &hub().transport));
    assert_eq!(gauge(&gateway, name), where_measured(host, 2_493_072_000), "{:?}", metrics(&gateway));
}

#[apply(every_gateway)]
fn certificates_of_strangers_do_not_show(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["health_checks"] = json!({});
    configuration["inbound"]["peer"] = json!({"allow_unpinned": true});
    let gateway = host.with(&configuration).start(Module::release()).expect("the gateway starts");
    for _ in 0..2 {
        assert_eq!(judge(&gateway, forwarding(right(&gateway), &hub().transport)), "admitted");
    }
    assert_eq!(gauge(&gateway, "peer_certificate_not_after_timestamp_seconds"), None);
}

#[apply(every_gateway)]
fn how_full_the_memory_of_used_tokens_is_shows(host: Host) {
    for scope in host.replay_scopes() {
        let mut configuration = jwt_auth();
        let method = &mut configuration["inbound"]["auth"]["jwt_auth"];
        method["replay_detection"] = json!(scope);
        method["replay_capacity"] = json!(5);
        let gateway = host.with_replay_scope(scope, &configuration).start(Module::release()).expect("it starts");
        let used = || gauge(&gateway, "replay_memory_used_tokens");
        let send_fresh = || judge(&gateway, with(&token(&gateway).sign(Signer::Ps256(&hub().signing))));
        for count in 1..=5 {
            assert_eq!(send_fresh(), "admitted");
            if count > 1 {
                let shown = used();
                let is_right = |shown: u64| shown == count || shown + 1 == count;
                assert_eq!(shown.is_some_and(is_right), host.has_metrics, "{scope}: {shown:?} after {count}");
            }
        }
        assert_eq!(send_fresh(), "GenericRecoverableError");
        assert_eq!(used(), where_measured(host, 5), "{scope}");
        assert_eq!(gauge(&gateway, "replay_memory_capacity_tokens"), where_measured(host, 5), "{scope}");
        host.assert_counted(&gateway, "replay_memory_full_total", 1);
    }
}

#[apply(every_engine)]
fn starts_are_counted_and_the_version_shows(host: Host) {
    let gateway = host.with(&jwt_auth()).workers(3).start(Module::release()).expect("the gateway starts");
    // Where it shows only in a request which gateway this is, a plugin begins to work with the first one.
    (0..3).for_each(|worker| drop(gateway.worker(worker).send(right(&gateway))));
    host.assert_counted(&gateway, "starts_total.direction.inbound", 3);
    let version = USER_AGENT.split_once('/').expect("a name and a version").1.replace('.', "_");
    assert_eq!(gauge(&gateway, &format!("build_info.version.{version}")), where_measured(host, 1));
}

#[apply(every_engine)]
fn nothing_is_asked_of_a_gateway_that_is_said_to_have_no_metrics(host: Host) {
    let mut configuration = jwt_auth();
    configuration["gateway"] = json!({"metrics": false});
    let gateway = host.with(&configuration).start(Module::release()).expect("the gateway starts");
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    assert_eq!(judge(&gateway, request()), "Credential.Missing");
    let asked: Vec<_> = gateway.trace().into_iter().filter(|call| call.name.ends_with("_metric")).collect();
    assert_eq!((asked.len(), metrics(&gateway)), (0, BTreeMap::new()));
}

/// Defining one traps there, and nothing tells the filter before: without a word it asks for none.
#[test]
fn before_kong_3_8_no_metric_is_asked_for_unless_the_configuration_says_so() {
    for host in [Host::KONG_3_6, Host::KONG_3_7] {
        let gateway = host.start();
        assert_eq!(judge(&gateway, right(&gateway)), "admitted", "{:?}", gateway.traps());
        let mut configuration = jwt_auth();
        configuration["gateway"] = json!({"metrics": true});
        let gateway = host.with(&configuration).expect_traps().start(Module::release()).expect("it starts");
        let exchange = gateway.send(right(&gateway));
        gateway.settle();
        assert_ne!(outcome(&exchange), "admitted");
        assert!(gateway.traps().iter().any(|trap| trap.contains("proxy_define_metric")), "{:?}", gateway.traps());
    }
}

/// Prometheus takes labels out of names, and what is left must be a name that it can read, whatever becomes of the labels.
#[apply(every_gateway)]
fn every_name_is_valid_once_its_dots_are_underscores(host: Host) {
    let gateway = at(host, NOW, dated());
    send(&gateway, right(&gateway));
    let names: Vec<String> = metrics(&gateway).into_keys().collect();
    assert_eq!(names.len() > 40, host.has_metrics, "{names:?}");
    for name in names {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
        assert!(name.bytes().all(is_valid), "{name}");
        let labels: Vec<&str> = name.split('.').skip(1).collect();
        let pairs: &[&str] = match labels.iter().position(|part| *part == "code") {
            Some(code) => &labels[..code],
            None => &labels,
        };
        assert_eq!(pairs.len() % 2, 0, "{name}");
        for pair in pairs.chunks(2) {
            assert!(["direction", "outcome", "about", "key_set", "version"].contains(&pair[0]), "{name}");
        }
    }
}
