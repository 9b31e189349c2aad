//! Whatever a host returns, hands over or leaves out: no trap, and no request that passes by accident.

use serde_json::{Value, json};
use wasm_tests::host::{Answer, Builder, Fault, Garbage, Gateway, Module, Outcome, Peer, Request, Upstream};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::Signer;

use super::scene::*;

/// Every status of ABI 0.2.1, and some that it does not list.
const STATUSES: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 99, u32::MAX];

/// Where tokens are asked about.
const AUTHORISATION_SERVER: &str = "as.test:443";

/// A configuration with requests that are right and wrong for it.
struct Case {
    configuration: Value,
    right: fn(&Gateway) -> Request,
    wrong: fn(&Gateway) -> Vec<(&'static str, Request)>,
}

impl Case {
    fn gateway(&self, host: Host) -> Builder {
        host.with_replay_scope(host.replay_scopes().last().expect("a scope"), &self.configuration)
            .upstream(AUTHORISATION_SERVER, authorisation_server())
            .environment("SECRET", "s")
    }
}

/// Between them, they make the module do everything that it can do with a host.
fn cases(host: Host) -> [Case; 2] {
    let mut all_of_jwt_auth = jwt_auth();
    all_of_jwt_auth["inbound"]["auth"]["jwt_auth"]["replay_detection"] = json!(host.replay_scopes().last());
    all_of_jwt_auth["inbound"]["health_checks"] = json!({});
    all_of_jwt_auth["inbound"]["service_initiation"] = json!({ "allow": [{ "method": "POST", "path": "/payments" }] });
    let mut introspection = jwt_auth();
    introspection["inbound"]["auth"] = json!({ "client_credentials": {
        "scopes": ["accounts"],
        "introspection": {
            "url": "https://as.test/introspect", "upstream": AUTHORISATION_SERVER, "max_age": "0s",
            "client_id": "filter", "client_secret": { "env": "SECRET" },
        },
    } });
    [
        Case {
            configuration: all_of_jwt_auth,
            right,
            wrong: |gateway| {
                let forged = token(gateway).sign(Signer::Unsigned);
                vec![
                    ("no certificate", right(gateway).peer(Peer::none())),
                    ("no credential", request()),
                    ("a forged token", with(&forged)),
                    ("an identity header", right(gateway).header("x-hub-token-id", "1")),
                    ("an opaque token", with("opaque")),
                ]
            },
        },
        Case {
            configuration: introspection,
            right: |_| with("good"),
            wrong: |_| {
                vec![
                    ("no certificate", with("good").peer(Peer::none())),
                    ("no credential", request()),
                    (
                        "another certificate",
                        with("good").peer(presenting(printed(&hub().subject), &Pki::shared().tpp.transport)),
                    ),
                    ("an identity header", with("good").header("x-hub-token-id", "1")),
                ]
            },
        },
    ]
}

/// An authorisation server to which every token is active and bound to that certificate.
fn authorisation_server() -> Upstream {
    let answer = json!({ "active": true, "scope": "accounts", "cnf": { "x5t#S256": hub().transport.thumbprint() } });
    Upstream::new().route("/introspect", Answer::ok(answer.to_string()))
}

/// Everything a plugin goes through in each case. What was admitted although it is wrong.
fn live(host: Host, call: &str, fault: &Fault, at_start: bool) -> Vec<String> {
    cases(host).iter().flat_map(|case| live_through(host, case, call, fault, at_start)).collect()
}

/// A start, requests that are admitted, refused and held, ticks, clients that leave, servers that fail. Any trap in it
/// fails the test. The fault is in this call.
fn live_through(host: Host, case: &Case, call: &str, fault: &Fault, at_start: bool) -> Vec<String> {
    let mut builder = host.expecting_what_holding_in_vain_does(case.gateway(host)).workers(2);
    if at_start {
        builder = builder.fault(fault.clone());
    }
    let Ok(gateway) = builder.start(Module::release()) else { return Vec::new() };
    if !at_start {
        gateway.fault(fault.clone());
    }
    let mut passed = Vec::new();
    for round in 0..3 {
        gateway.worker(0).send((case.right)(&gateway)).disconnect();
        gateway.worker(1).send((case.right)(&gateway));
        send(&gateway, (case.right)(&gateway));
        for (name, wrong) in (case.wrong)(&gateway) {
            if let Outcome::Upstream(_) = send(&gateway, wrong).outcome() {
                passed.push(format!("{name} in round {round}"));
            }
        }
        if round == 1 {
            gateway.upstream(KEYSTORE, Upstream::down());
            gateway.upstream(AUTHORISATION_SERVER, Upstream::down());
        }
        gateway.advance(seconds(500));
    }
    gateway.heal();
    gateway.upstream(KEYSTORE, keystore([&hub().signing]));
    gateway.advance(seconds(20));
    gateway.stop();
    host.assert_died_only_of_holding_in_vain(&gateway, call);
    passed
}

#[apply(every_engine)]
fn without_a_fault_what_is_right_in_each_case_is_admitted(host: Host) {
    for case in cases(host) {
        let gateway = case.gateway(host).start(Module::release()).unwrap();
        assert_eq!(judge(&gateway, (case.right)(&gateway)), "admitted", "{}", case.configuration);
    }
}

/// What was admitted although it is wrong, but for requests that were held where nothing but this call could keep them.
fn without_excuse(host: Host, call: &str, passed: Vec<String>) -> Vec<String> {
    let was_held = |passed: &String| passed.starts_with("a forged token") || passed.starts_with("another certificate");
    passed.into_iter().filter(|passed| host.keeps_what_it_held_without(call) || !was_held(passed)).collect()
}

/// The imports that the release module has, without the module's name.
fn imports() -> Vec<String> {
    let short = |import: &String| import.rsplit(['.', ' ', ':']).next().unwrap_or_default().to_owned();
    Module::release().imports().iter().map(short).collect()
}

#[apply(every_gateway)]
fn no_status_of_any_host_call_traps_or_lets_a_wrong_request_pass(host: Host) {
    let imports = imports();
    assert!(imports.iter().any(|import| import == "proxy_http_call"), "{imports:?}");
    for import in &imports {
        // Where a process ends there is nothing to go on with.
        if import == "proc_exit" {
            continue;
        }
        for status in STATUSES {
            for at_start in [true, false] {
                let passed = live(host, import, &Fault::host_call(import).returns(status), at_start);
                let passed = without_excuse(host, import, passed);
                assert!(passed.is_empty(), "{import} = {status}: {passed:?}");
            }
        }
    }
}

#[apply(every_gateway)]
fn a_call_that_fails_only_once_does_no_harm_either(host: Host) {
    for import in imports().iter().filter(|import| *import != "proc_exit") {
        for nth in 1..=12 {
            let passed = live(host, import, &Fault::host_call(import).returns(10_u32).only_nth(nth), false);
            assert!(passed.is_empty(), "{import}, call {nth}: {passed:?}");
        }
    }
}

#[apply(every_gateway)]
fn ok_without_a_value_and_values_that_are_garbage_do_no_harm(host: Host) {
    let readers = [
        "proxy_get_property",
        "proxy_get_header_map_pairs",
        "proxy_get_header_map_value",
        "proxy_get_buffer_bytes",
        "proxy_get_shared_data",
    ];
    for reader in readers {
        let garbage = [
            Garbage::Null,
            Garbage::Truncated,
            Garbage::OverlongCount,
            Garbage::OverlongName,
            Garbage::Bytes(vec![0xff; 70_000]),
            // A count whose eightfold, the length of the sizes, is 0 in 32 bits.
            Garbage::Bytes(vec![0, 0, 0, 0x20, 0, 0, 0, 0]),
        ];
        for garbage in garbage {
            for at_start in [true, false] {
                let passed = live(host, reader, &Fault::host_call(reader).hands_out(garbage.clone()), at_start);
                assert!(passed.is_empty(), "{reader} {garbage:?}: {passed:?}");
            }
        }
    }
    for import in &imports() {
        let passed =
            without_excuse(host, import, live(host, import, &Fault::host_call(import).writes_nothing(), false));
        assert!(passed.is_empty(), "{import}: {passed:?}");
    }
}

#[test]
fn a_missing_property_is_a_missing_certificate() {
    let gateway = Host::ENVOY.start();
    for path in [["connection", "mtls"], ["connection", "subject_peer_certificate"]] {
        let peer = peer_of(hub()).without_property(&path);
        assert_eq!(judge(&gateway, right(&gateway).peer(peer)), "Certificate.Missing");
    }
    for mtls in [&b""[..], b"\x00", b"\x02", b"true", b"1", b"\x01\x01"] {
        let peer = peer_of(hub()).property(&["connection", "mtls"], mtls);
        assert_eq!(judge(&gateway, right(&gateway).peer(peer)), "Certificate.Missing", "{mtls:?}");
    }
    let peer = peer_of(hub()).without_property(&["request", "id"]);
    assert_eq!(judge(&gateway, right(&gateway).peer(peer)), "admitted", "an id only serves the log");
}

#[apply(every_gateway)]
fn headers_of_any_bytes_number_and_size_do_no_harm(host: Host) {
    let gateway = host.start();
    let bytes: Vec<u8> = (0x80..=0xff).chain(0..0x20).collect();
    let huge = vec![b'a'; 64 * 1024];
    for name in [
        "authorization",
        "x-fapi-interaction-id",
        "o3-caller-interaction-id",
        "o3-provider-id",
        "x-request-id",
        "cookie",
    ] {
        for value in [&bytes[..], &huge, b"", b"\0", b"Bearer \xff.\xff.\xff"] {
            let outcome = judge(&gateway, request().header(name, value));
            assert_ne!(outcome, "admitted", "{name}");
            assert_ne!(outcome, "pending", "{name}");
        }
    }
    let mut odd = right(&gateway);
    odd = odd.header(b"\xff\xfe\x00", b"\xff").header(b"", b"");
    assert_eq!(judge(&gateway, odd), "admitted");
}

#[apply(every_gateway)]
fn an_unknown_host_or_none_does_no_harm(host: Host) {
    let gateway = host.start();
    for authority in ["", "*", "[::1]:8443", "a b", "bank.example:0", "\u{628}"] {
        let outcome = judge(&gateway, right(&gateway).authority(authority));
        assert!(["admitted", "Header.NotAllowed"].contains(&outcome.as_str()), "{authority:?}: {outcome}");
    }
}

#[apply(every_gateway)]
fn as_many_headers_as_the_filter_can_see_are_let_in_and_no_more(host: Host) {
    let gateway = host.start();
    for headers in [96, 97, 99, 100, 101, 200] {
        let mut crowded = right(&gateway);
        // `Host` and `Authorization` are there already.
        for n in 2..headers {
            crowded = crowded.header(format!("x-{n}"), [b'a'; 1000]);
        }
        let outcome = judge(&gateway, crowded);
        assert_eq!(outcome == "admitted", headers <= host.most_headers, "{headers} headers: {outcome}");
    }
}

#[apply(every_gateway)]
fn without_a_clock_nothing_is_decided(host: Host) {
    let gateway = host.start();
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    gateway.fault(Fault::host_call("clock_time_get").returns(58_u32));
    assert_eq!(judge(&gateway, right(&gateway)), "GenericError");
}

#[apply(every_gateway)]
fn a_request_whose_credential_can_not_be_removed_is_not_let_through(host: Host) {
    // Where nothing is removed, nothing can fail to be.
    let calls = ["proxy_replace_header_map_value", "proxy_remove_header_map_value"];
    let calls = &calls[..if host.instead_of_a_credential.is_none() { 2 } else { 1 }];
    for call in calls {
        let gateway = host.start();
        gateway.fault(Fault::host_call(call).returns(10_u32));
        assert_eq!(judge(&gateway, right(&gateway)), "GenericError", "held, then resumed");
        assert_eq!(judge(&gateway, right(&gateway)), "GenericError", "at once");
    }
}
