//! Whatever a host returns, hands over or leaves out: no trap, and no request that passes by accident.

use serde_json::{Value, json};
use wasm_tests::host::{Answer, Fault, Garbage, Gateway, Module, Outcome, Peer, Request, Upstream};
use wasm_tests::stage::tokens::Signer;

use super::scene::*;

/// Every status of ABI 0.2.1, and some that it does not list.
const STATUSES: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 99, u32::MAX];

/// A configuration with requests that are right and wrong for it.
struct Case {
    configuration: Value,
    right: fn(&Gateway) -> Request,
    wrong: fn(&Gateway) -> Vec<(&'static str, Request)>,
}

/// Between them, they make the module do everything that it can do with a host.
fn cases() -> [Case; 2] {
    let mut all_of_jwt_auth = jwt_auth();
    all_of_jwt_auth["inbound"]["auth"]["jwt_auth"]["replay_detection"] = json!("gateway");
    all_of_jwt_auth["inbound"]["health_checks"] = json!({});
    all_of_jwt_auth["inbound"]["service_initiation"] = json!({ "allow": [{ "method": "POST", "path": "/payments" }] });
    let mut introspection = jwt_auth();
    introspection["inbound"]["auth"] = json!({ "client_credentials": {
        "scopes": ["accounts"],
        "introspection": {
            "url": "https://as.test/introspect", "upstream": "as", "max_age": "0s",
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
            right: |_| with("good").peer(bound()),
            wrong: |_| {
                vec![
                    ("no certificate", with("good").peer(Peer::none())),
                    ("no credential", request().peer(bound())),
                    ("another certificate", with("good").peer(bound().fingerprint("00".repeat(32)))),
                    ("an identity header", with("good").peer(bound()).header("x-hub-token-id", "1")),
                ]
            },
        },
    ]
}

/// The Hub with the certificate that the token is bound to: its SHA-256 is all ones.
fn bound() -> Peer {
    Peer::verified(printed(&hub().subject)).fingerprint("ff".repeat(32))
}

/// An authorisation server to which every token is active and bound to that certificate.
fn authorisation_server() -> Upstream {
    let thumbprint = format!("{}8", "_".repeat(42));
    let answer = json!({ "active": true, "scope": "accounts", "cnf": { "x5t#S256": thumbprint } });
    Upstream::new().route("/introspect", Answer::ok(answer.to_string()))
}

/// Everything a plugin goes through in each case. What was admitted although it is wrong.
fn live(faults: &[Fault], at_start: bool) -> Vec<String> {
    cases().iter().flat_map(|case| live_through(case, faults, at_start)).collect()
}

/// A start, requests that are admitted, refused and held, ticks, clients that leave, servers that fail. Any trap in it
/// fails the test.
fn live_through(case: &Case, faults: &[Fault], at_start: bool) -> Vec<String> {
    let mut builder =
        envoy(&case.configuration).upstream("as", authorisation_server()).environment("SECRET", "s").workers(2);
    for fault in faults.iter().filter(|_| at_start) {
        builder = builder.fault(fault.clone());
    }
    let Ok(gateway) = builder.start(Module::release()) else { return Vec::new() };
    for fault in faults.iter().filter(|_| !at_start) {
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
            gateway.upstream("as", Upstream::down());
        }
        gateway.advance(seconds(500));
    }
    gateway.heal();
    gateway.upstream(KEYSTORE, keystore([&hub().signing]));
    gateway.advance(seconds(20));
    gateway.stop();
    passed
}

#[test]
fn without_a_fault_what_is_right_in_each_case_is_admitted() {
    for case in cases() {
        let gateway = envoy(&case.configuration)
            .upstream("as", authorisation_server())
            .environment("SECRET", "s")
            .start(Module::release())
            .unwrap();
        assert_eq!(judge(&gateway, (case.right)(&gateway)), "admitted", "{}", case.configuration);
    }
}

/// The imports that the release module has, without the module's name.
fn imports() -> Vec<String> {
    let short = |import: &String| import.rsplit(['.', ' ', ':']).next().unwrap_or_default().to_owned();
    Module::release().imports().iter().map(short).collect()
}

#[test]
fn no_status_of_any_host_call_traps_or_lets_a_wrong_request_pass() {
    let imports = imports();
    assert!(imports.iter().any(|import| import == "proxy_http_call"), "{imports:?}");
    for import in &imports {
        // Where a process ends there is nothing to go on with.
        if import == "proc_exit" {
            continue;
        }
        for status in STATUSES {
            for at_start in [true, false] {
                let passed = live(&[Fault::host_call(import).returns(status)], at_start);
                assert!(passed.is_empty(), "{import} = {status}: {passed:?}");
            }
        }
    }
}

#[test]
fn a_call_that_fails_only_once_does_no_harm_either() {
    for import in imports().iter().filter(|import| *import != "proc_exit") {
        for nth in 1..=12 {
            let passed = live(&[Fault::host_call(import).returns(10_u32).only_nth(nth)], false);
            assert!(passed.is_empty(), "{import}, call {nth}: {passed:?}");
        }
    }
}

#[test]
fn ok_without_a_value_and_values_that_are_garbage_do_no_harm() {
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
                let passed = live(&[Fault::host_call(reader).hands_out(garbage.clone())], at_start);
                assert!(passed.is_empty(), "{reader} {garbage:?}: {passed:?}");
            }
        }
    }
    for import in imports() {
        let passed = live(&[Fault::host_call(&import).writes_nothing()], false);
        assert!(passed.is_empty(), "{import}: {passed:?}");
    }
}

#[test]
fn a_missing_property_is_a_missing_certificate() {
    let gateway = start();
    for path in [["connection", "mtls"], ["connection", "subject_peer_certificate"]] {
        let peer = Peer::verified(printed(&hub().subject)).without_property(&path);
        assert_eq!(judge(&gateway, right(&gateway).peer(peer)), "Certificate.Missing");
    }
    for mtls in [&b""[..], b"\x00", b"\x02", b"true", b"1", b"\x01\x01"] {
        let peer = Peer::verified(printed(&hub().subject)).property(&["connection", "mtls"], mtls);
        assert_eq!(judge(&gateway, right(&gateway).peer(peer)), "Certificate.Missing", "{mtls:?}");
    }
    let peer = Peer::verified(printed(&hub().subject)).without_property(&["request", "id"]);
    assert_eq!(judge(&gateway, right(&gateway).peer(peer)), "admitted", "an id only serves the log");
}

#[test]
fn headers_of_any_bytes_number_and_size_do_no_harm() {
    let gateway = start();
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
    let mut crowded = right(&gateway);
    for n in 0..200 {
        crowded = crowded.header(format!("x-{n}"), &huge[..1000]);
    }
    assert_eq!(judge(&gateway, crowded), "admitted");
    let mut odd = right(&gateway);
    odd = odd.header(b"\xff\xfe\x00", b"\xff").header(b"", b"");
    assert_eq!(judge(&gateway, odd), "admitted");
}

#[test]
fn without_a_clock_nothing_is_decided() {
    let gateway = start();
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    gateway.fault(Fault::host_call("clock_time_get").returns(58_u32));
    assert_eq!(judge(&gateway, right(&gateway)), "GenericError");
}

#[test]
fn a_request_whose_credential_can_not_be_removed_is_not_let_through() {
    for call in ["proxy_remove_header_map_value", "proxy_replace_header_map_value"] {
        let gateway = start();
        gateway.fault(Fault::host_call(call).returns(10_u32));
        assert_eq!(judge(&gateway, right(&gateway)), "GenericError", "held, then resumed");
        assert_eq!(judge(&gateway, right(&gateway)), "GenericError", "at once");
    }
}
