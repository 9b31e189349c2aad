//! Kong: requests that a trap would let go upstream unauthenticated and the guard against it, headers that cannot be removed,
//! a request phase that is skipped, and shared data behind a switch.

use serde_json::{Value, json};
use wasm_tests::host::{
    Answer, Builder, Exchange, Fault, Garbage, Gateway, Isolation, Module, Outcome, Peer, Profile, Request, Upstream,
};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, Token, jwks};

use super::super::outbound::{bank, outbound};
use super::super::scene::*;
use super::{all_calls, calls};

const KONG: Host = Host::KONG;

/// What one call may use in a gateway that traps: more than all the rest, and less than to verify a signature with either
/// kernel.
const TOO_LITTLE_FOR_A_SIGNATURE: u64 = 800_000;

/// The property without which a request goes nowhere.
const UPSTREAM_SCHEME: [&str; 2] = ["ngx", "upstream_scheme"];

/// Keys that come after two seconds.
fn slow() -> Upstream {
    publishing(Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(2)))
}

/// A Kong in which the module traps when it verifies a signature.
fn trapping() -> Builder {
    KONG.metered().with(&jwt_auth()).fuel_limit(TOO_LITTLE_FOR_A_SIGNATURE).expect_traps()
}

/// A token whose signature is not looked at, because nobody published its key.
fn with_unknown_kid(gateway: &Gateway) -> Request {
    with(&token(gateway).header("kid", "unknown").sign(Signer::Unsigned))
}

/// It ended with 500 and has not reached the bank.
#[track_caller]
fn assert_lost(exchange: &Exchange) {
    match exchange.outcome() {
        Outcome::Replied(reply) => assert_eq!(reply.status, 500),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_trap_in_its_own_callback_lets_no_request_go_upstream() {
    let gateway = trapping().upstream(KEYSTORE, slow()).start(Module::release()).unwrap();
    let exchange = gateway.worker(0).send(right(&gateway));
    assert_eq!(outcome(&exchange), "pending");
    gateway.settle();
    assert_eq!(gateway.traps().len(), 1);
    assert_lost(&exchange);
}

/// A request waits for other keys than those that are there, and another one traps meanwhile.
fn another_traps_while_one_waits(peer: impl Fn(Peer) -> Peer) -> (Gateway, Exchange) {
    let arabic = &Pki::shared().arabic_hub;
    let mut configuration = jwt_auth();
    configuration["inbound"]["peer"] = json!({ "allow_unpinned": true });
    let slow = Answer::ok(jwks([&arabic.signing]).to_string()).after(seconds(2));
    let keystore = keystore([&hub().signing]).route(jwks_path(&arabic.subject), slow);
    let gateway = KONG
        .metered()
        .with(&configuration)
        .fuel_limit(TOO_LITTLE_FOR_A_SIGNATURE)
        .expect_traps()
        .upstream(KEYSTORE, keystore)
        .start(Module::release())
        .unwrap();
    assert_eq!(judge(&gateway, with_unknown_kid(&gateway)), "JWS.InvalidHeader", "the Hub's keys are there");
    let token = Token::new(&arabic.subject, &arabic.signing.kid, PROVIDER, gateway.now().as_secs());
    let waiting = with(&token.sign(Signer::Ps256(&arabic.signing))).peer(peer(peer_of(arabic)));
    let waiting = gateway.worker(0).send(waiting);
    assert_eq!(outcome(&waiting), "pending");
    let other = gateway.worker(0).send(right(&gateway));
    assert_eq!((gateway.traps().len(), outcome(&other).as_str()), (1, "500"));
    (gateway, waiting)
}

#[test]
fn a_trap_of_another_request_lets_the_one_that_waits_not_go_upstream() {
    let (gateway, waiting) = another_traps_while_one_waits(|peer| peer);
    gateway.settle();
    assert_lost(&waiting);
    assert_eq!(judge(&gateway, with_unknown_kid(&gateway)), "JWS.InvalidHeader", "the next one finds a new module");
}

/// The new module knows nothing of the request that its callback is for.
#[test]
fn where_there_is_no_guard_the_callback_refuses_what_it_does_not_know() {
    let (gateway, waiting) = another_traps_while_one_waits(|peer| peer.without_property(&UPSTREAM_SCHEME));
    gateway.settle();
    assert_eq!(outcome(&waiting), "GenericError");
}

#[test]
fn where_nothing_can_be_refused_the_guard_alone_keeps_a_lost_request_from_the_bank() {
    let (gateway, waiting) = another_traps_while_one_waits(|peer| peer);
    gateway.fault(Fault::host_call("proxy_send_local_response").returns(10_u32));
    gateway.settle();
    assert_lost(&waiting);
}

#[test]
fn the_guard_is_there_before_the_callout_and_goes_only_when_the_request_is_admitted() {
    let gateway = KONG.with(&jwt_auth()).upstream(KEYSTORE, slow()).start(Module::release()).unwrap();
    let order = |exchange: &Exchange| {
        let calls = exchange.host_calls();
        let relevant = calls.into_iter().filter(|call| ["proxy_set_property", "proxy_http_call"].contains(&call.name));
        relevant.map(|call| call.name).collect::<Vec<_>>()
    };
    let (guarded, admitted, refused) = (
        ["proxy_set_property", "proxy_http_call"],
        gateway.worker(0).send(right(&gateway)),
        gateway.worker(0).send(with_unknown_kid(&gateway)),
    );
    assert_eq!((order(&admitted), order(&refused)), (guarded.to_vec(), guarded.to_vec()));
    gateway.settle();
    assert_eq!([outcome(&admitted), outcome(&refused)], ["admitted", "JWS.InvalidHeader"]);
    assert_eq!(order(&admitted), ["proxy_set_property", "proxy_http_call", "proxy_set_property"]);
    assert_eq!(order(&refused), guarded);
    let at_once = gateway.worker(0).send(right(&gateway));
    assert_eq!((outcome(&at_once).as_str(), order(&at_once).len()), ("admitted", 0), "without a callout there is none");
}

#[test]
fn a_request_that_can_not_be_guarded_does_not_wait() {
    for status in [1_u32, 2, 10, 12] {
        let gateway = KONG.start();
        gateway.fault(Fault::host_call("proxy_set_property").returns(status));
        let exchange = gateway.worker(0).send(right(&gateway));
        assert_eq!(exchange.reply().expect("a refusal").status / 100, 5);
        assert!(gateway.callouts().is_empty());
    }
}

#[test]
fn a_request_whose_guard_can_not_be_lifted_does_not_go_upstream() {
    let gateway = KONG.start();
    gateway.fault(Fault::host_call("proxy_set_property").returns(10_u32).only_nth(2));
    assert_eq!(judge(&gateway, right(&gateway)), "GenericError");
}

#[test]
fn outbound_requests_are_guarded_too() {
    let mut configuration = outbound();
    let plugin = configuration["outbound"].as_object_mut().unwrap();
    plugin.remove("keys");
    plugin.insert(
        "remote_signer".to_owned(),
        json!({ "vault_transit": {
            "address": "https://bao.test:8200", "mount": "transit", "key": "sig4", "kid": bank().signing.kid,
            "token": { "value": "s.x" },
        } }),
    );
    let gateway = KONG
        .with(&configuration)
        .upstream("bao.test:8200", Upstream::new().otherwise(Answer::never()))
        .start(Module::release())
        .unwrap();
    let exchange = gateway.worker(0).send(Request::post("/consents"));
    assert_eq!((outcome(&exchange).as_str(), calls(&exchange, "proxy_set_property")), ("pending", 1));
}

#[test]
fn with_an_instance_for_each_request_everybody_is_judged_and_a_trap_reaches_nobody_else() {
    let profile = Profile { isolation: Isolation::Stream, ..Profile::kong() };
    let gateway = KONG.on(profile, &jwt_auth()).workers(1).upstream(KEYSTORE, slow()).start(Module::release()).unwrap();
    let requests = [right(&gateway), with_unknown_kid(&gateway), right(&gateway)];
    let exchanges = requests.map(|request| gateway.worker(0).send(request));
    gateway.settle();
    assert_eq!(exchanges.each_ref().map(outcome), ["admitted", "JWS.InvalidHeader", "admitted"]);
    assert_eq!(judge(&gateway, with("a.b.c")), "JWS.Malformed");
}

/// The bank has done what it was asked; its answer at least goes nowhere.
#[test]
fn the_answer_to_a_request_that_was_not_shown_to_the_filter_is_replaced() {
    let mut mtls_only = jwt_auth();
    mtls_only["inbound"]["auth"] = json!({ "mtls_only": {} });
    for configuration in [jwt_auth(), mtls_only] {
        let gateway = KONG.with(&configuration).start(Module::release()).unwrap();
        gateway.bank(Answer::ok("secret of the bank"));
        for peer in [peer_of(hub()), Peer::none()] {
            let exchange = gateway.worker(0).send(right(&gateway).peer(peer).skips_the_request_phase());
            let response = exchange.response().expect("a response");
            assert_eq!(response.status(), 500);
            assert!(!String::from_utf8_lossy(&response.body).contains("secret of the bank"));
        }
        assert!(gateway.callouts().is_empty());
    }
}

#[test]
fn a_response_with_too_many_headers_to_look_at_is_replaced_all_the_same() {
    let gateway = KONG.start();
    let crowded = (0..120).fold(Answer::ok("secret"), |answer, n| answer.header(format!("x-{n}"), "1"));
    gateway.bank(crowded.header("content-encoding", "gzip").header("set-cookie", "secret=1"));
    let exchange = gateway.worker(0).send(right(&gateway).skips_the_request_phase());
    let response = exchange.response().expect("a response");
    assert_eq!(response.status(), 500);
    assert!(!response.headers.has("content-encoding") && !response.headers.has("set-cookie"));
    serde_json::from_slice::<Value>(&response.body).expect("JSON");
}

/// What is said there would be lost with the connection.
#[test]
fn a_refusal_after_an_unanswered_introspection_has_no_body() {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"] = json!({ "client_credentials": {
        "scopes": ["accounts"],
        "introspection": {
            "url": "https://as.test/introspect", "client_id": "filter", "client_secret": { "value": "s" },
        },
    } });
    for (answer, status, is_alone) in [
        (Answer::reset(), 503, true),
        (Answer::refused(), 503, true),
        (Answer::never(), 503, true),
        (Answer::half(), 503, true),
        (Answer::status(307), 401, true),
        (Answer::status(204), 401, true),
        (Answer::status(500), 503, true),
        (Answer::ok(""), 401, true),
        (Answer::status(500).body("{}"), 503, false),
        (Answer::ok("<html>"), 401, false),
    ] {
        let server = Upstream::new().otherwise(answer.clone());
        let gateway = KONG.with(&configuration).upstream("as.test:443", server).start(Module::release()).unwrap();
        let exchange = gateway.worker(0).send(with("opaque").header("x-fapi-interaction-id", "f-1"));
        gateway.settle();
        let reply = exchange.reply().unwrap_or_else(|| panic!("{answer:?}: {:?}", exchange.outcome()));
        assert_eq!((reply.status, reply.body.is_empty()), (status, is_alone), "{answer:?}");
        assert_eq!(reply.headers.has("retry-after"), status == 503, "{answer:?}");
        assert!(reply.headers.has("content-type"), "{answer:?}");
        assert_eq!(reply.headers.text("x-fapi-interaction-id").as_deref(), Some("f-1"), "{answer:?}");
    }
}

/// What the client still sends of a body would be read as its next requests.
#[test]
fn a_refusal_after_a_callout_ends_the_connection_and_one_at_once_does_not() {
    let post = |request: Request| request.header("content-length", "40000");
    for (keystore, status) in [(Upstream::down(), 503), (slow(), 401)] {
        let gateway = KONG.with(&jwt_auth()).upstream(KEYSTORE, keystore).start(Module::release()).unwrap();
        let unknown = if status == 503 { right(&gateway) } else { with_unknown_kid(&gateway) };
        let exchange = gateway.worker(0).send(post(unknown));
        gateway.settle();
        let reply = exchange.reply().unwrap_or_else(|| panic!("{:?}", exchange.outcome()));
        assert_eq!((reply.status, reply.headers.text("connection").as_deref()), (status, Some("close")));
        let exchange = gateway.worker(0).send(post(with("no token at all")));
        gateway.settle();
        let reply = exchange.reply().unwrap_or_else(|| panic!("{:?}", exchange.outcome()));
        assert_eq!((reply.status, reply.headers.has("connection")), (401, false));
    }
}

#[test]
fn the_answer_to_an_admitted_request_is_left_alone() {
    let gateway = KONG.with(&jwt_auth()).upstream(KEYSTORE, slow()).start(Module::release()).unwrap();
    gateway.bank(Answer::ok("accounts"));
    for _ in 0..2 {
        let exchange = send(&gateway, right(&gateway));
        let response = exchange.response().expect("a response");
        assert_eq!((response.status(), response.body.as_slice()), (200, &b"accounts"[..]));
    }
}

#[test]
fn more_than_96_headers_are_refused_without_a_look_at_them() {
    let gateway = KONG.start();
    // The first request shows which host this is.
    gateway.worker(0).send(request());
    for headers in [97, 100, 101, 1000] {
        let mut crowded = right(&gateway);
        for n in 2..headers {
            crowded = crowded.header(format!("x-{n}"), "1");
        }
        let exchange = gateway.worker(0).send(crowded.header("x-fapi-interaction-id", "f-1"));
        assert_eq!(outcome(&exchange), "Header.NotAllowed");
        let reply = exchange.reply().expect("a refusal");
        assert_eq!(reply.headers.text("x-fapi-interaction-id").as_deref(), Some("f-1"));
        assert_eq!(calls(&exchange, "proxy_get_header_map_pairs"), 0);
    }
}

#[test]
fn the_number_of_headers_stops_no_request_to_the_hub() {
    let gateway = KONG
        .with(&outbound())
        .environment("SIG4_PRIVATE_KEY", bank().signing.pkcs8_pem())
        .start(Module::release())
        .unwrap();
    let crowded = (0..200).fold(Request::post("/consents"), |request, n| request.header(format!("x-{n}"), "1"));
    let exchange = send(&gateway, crowded);
    assert_eq!(outcome(&exchange), "admitted");
    assert!(exchange.upstream().unwrap().text("authorization").is_some_and(|value| value.starts_with("Bearer ")));
}

#[test]
fn a_credential_under_any_spelling_is_overwritten() {
    let gateway = KONG.start();
    let token = token(&gateway).sign(Signer::Ps256(&hub().signing));
    for name in ["authorization", "Authorization", "AUTHORIZATION"] {
        let upstream = send(&gateway, request().header(name, format!("Bearer {token}"))).upstream().expect("admitted");
        KONG.assert_withheld(&upstream, "authorization");
        assert!(!format!("{upstream:?}").contains(token.split('.').next_back().unwrap()), "{upstream:?}");
    }
}

#[test]
fn the_path_that_counts_is_the_one_that_was_sent() {
    let mut configuration = jwt_auth();
    configuration["inbound"]["health_checks"] = json!({});
    configuration["inbound"]["service_initiation"] = json!({ "allow": [{ "method": "POST", "path": "/payments" }] });
    let gateway = KONG.with(&configuration).start(Module::release()).unwrap();
    for path in ["/hell%6f", "/%68ello", "/hello-mtl%73", "/hello%3Fx"] {
        assert_eq!(judge(&gateway, Request::get(path).peer(peer_of(hub()))), "Credential.Missing", "{path}");
    }
    for path in ["/payment%73", "/payments%3f", "/%70ayments"] {
        let payment = Request::post(path).peer(peer_of(hub())).header("authorization", "Bearer opaque");
        assert_eq!(judge(&gateway, payment), "JWS.Malformed", "{path}");
    }
    let without = peer_of(hub()).without_property(&["request", "path"]);
    assert_eq!(judge(&gateway, right(&gateway).peer(without)), "GenericError", "and there must be one");
}

#[test]
fn no_property_of_envoys_is_asked_for() {
    let gateway = KONG.start();
    send(&gateway, right(&gateway));
    let asked = gateway.trace().into_iter().filter(|call| call.name == "proxy_get_property");
    let subjects: Vec<String> = asked.filter_map(|call| call.subject).collect();
    assert!(
        !subjects.iter().any(|subject| subject.starts_with("connection")),
        "each is an alert in the log: {subjects:?}"
    );
}

fn with_replay_detection(builder: impl Fn(Host, &Value) -> Builder) -> Builder {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"]["jwt_auth"]["replay_detection"] = json!("gateway");
    builder(KONG, &configuration)
}

#[test]
fn shared_data_are_used_only_with_the_switch() {
    KONG.refuses(with_replay_detection(Host::with));
    let gateway = KONG.start();
    send(&gateway, right(&gateway));
    for call in ["proxy_get_shared_data", "proxy_set_shared_data"] {
        assert_eq!(all_calls(&gateway, call), 0);
    }
    let gateway = with_replay_detection(Host::with_shared_data).start(Module::release()).unwrap();
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    assert!(all_calls(&gateway, "proxy_set_shared_data") > 0);
}

#[test]
fn with_the_switch_eight_workers_fetch_once() {
    let gateway = KONG.with_shared_data(&jwt_auth()).workers(8).start(Module::release()).unwrap();
    for worker in 0..8 {
        let exchange = gateway.worker(worker).send(right(&gateway));
        gateway.settle();
        assert_eq!(outcome(&exchange), "admitted");
    }
    assert_eq!(gateway.callouts().len(), 1);
}

/// Keys of shared data are told apart by their CRC32 alone.
#[test]
fn a_shared_value_of_another_key_is_not_believed() {
    let gateway = KONG.with_shared_data(&jwt_auth()).workers(2).start(Module::release()).unwrap();
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    let keys = gateway.trace().into_iter().filter(|call| call.name == "proxy_set_shared_data");
    let key = keys.filter_map(|call| call.subject).next().expect("a key");
    let foreign = gateway.shared_data(&key).expect("a value");
    let arabic = &Pki::shared().arabic_hub;
    let mut configuration = jwt_auth();
    configuration["inbound"]["peer"] = json!({ "allow_unpinned": true });
    let gateway = KONG
        .with_shared_data(&configuration)
        .upstream(
            KEYSTORE,
            Upstream::new().route(jwks_path(&arabic.subject), Answer::ok(jwks([&arabic.signing]).to_string())),
        )
        .start(Module::release())
        .unwrap();
    gateway.fault(Fault::host_call("proxy_get_shared_data").hands_out(Garbage::Bytes(foreign)));
    // It must not be the Hub's keys that verify another's token.
    let subject = &arabic.subject;
    let now = gateway.now().as_secs();
    let forged = Token::new(subject, &hub().signing.kid, PROVIDER, now);
    let forged = with(&forged.sign(Signer::Ps256(&hub().signing))).peer(peer_of(arabic));
    assert_ne!(judge(&gateway, forged), "admitted");
    assert!(!gateway.callouts().is_empty(), "it has fetched for itself");
}

/// Before Kong 3.8 a trap lets a request go upstream, and defining a metric is one.
#[test]
fn on_a_kong_before_3_8_every_request_is_refused_and_nothing_traps() {
    for (gateway, configuration) in [
        (None, jwt_auth()),
        (Some(json!({"kind": "kong"})), jwt_auth()),
        (Some(json!({"metrics": true})), jwt_auth()),
        (Some(json!({"kind": "kong", "metrics": true})), jwt_auth()),
        (
            None,
            json!({"inbound": {"provider_ids": [PROVIDER], "peer": {"allow_unpinned": true}, "auth": {"mtls_only": {}}}}),
        ),
        (None, outbound()),
    ] {
        let mut configuration = configuration;
        if let Some(gateway) = gateway {
            configuration["gateway"] = gateway;
        }
        let kong =
            Gateway::new(Profile::kong_before_3_8()).configuration(KONG.configuration(&configuration).to_string());
        let kong = kong.environment("SIG4_PRIVATE_KEY", bank().signing.pkcs8_pem());
        let gateway = kong.start(Module::release()).expect("it starts");
        for _ in 0..3 {
            let reply = send(&gateway, right(&gateway)).reply().expect("a refusal");
            assert_eq!((reply.status, &error(&reply)["errorCode"]), (500, &json!("GenericError")));
        }
        let logs: Vec<String> = gateway.logs().into_iter().map(|log| log.text).collect();
        let reasons = logs.iter().filter(|text| text.contains("this \"kong\" is not safe: it is older than 3.8"));
        assert_eq!((reasons.count(), gateway.callouts().len()), (1, 0), "{logs:?}");
    }
}

/// On Kong 3.8 nobody is told of a callout without an answer, and its request goes on: the guard keeps it from the bank.
#[test]
fn on_kong_3_8_a_request_whose_callout_fails_does_not_reach_the_bank_and_the_next_ones_are_served() {
    for failing in [Answer::refused(), Answer::reset(), Answer::tls_failure(), Answer::never()] {
        let gateway = KONG.on(Profile::kong_3_8(), &jwt_auth()).upstream(KEYSTORE, publishing(failing));
        let gateway = gateway.start(Module::release()).expect("it starts");
        for _ in 0..6 {
            assert_lost(&send(&gateway, right(&gateway)));
        }
        gateway.advance(seconds(60));
        gateway.upstream(KEYSTORE, keystore([&hub().signing]));
        for _ in 0..2 {
            assert_eq!(judge(&gateway, right(&gateway)), "admitted", "{:?}", gateway.logs());
        }
    }
}

/// A header that another plugin has set for the response is no reason to refuse more than the request with which it did.
#[test]
fn a_good_host_that_seems_to_be_an_old_one_is_known_with_the_next_request() {
    let connection = b"\x01\0\0\0\x0a\0\0\0\x05\0\0\0connection\0close\0".to_vec();
    for kind in [json!({"metrics": true}), json!({"metrics": true, "kind": "kong"})] {
        let mut configuration = jwt_auth();
        configuration["gateway"] = kind;
        let gateway = KONG.with(&configuration).start(Module::release()).expect("it starts");
        let looks_old = Fault::host_call("proxy_get_header_map_pairs").hands_out(Garbage::Bytes(connection.clone()));
        gateway.fault(looks_old.only_nth(1));
        for expected in ["GenericError", "admitted", "admitted"] {
            assert_eq!(judge(&gateway, right(&gateway)), expected);
        }
        KONG.assert_counted(&gateway, "requests_total.direction.inbound.outcome.accepted", 2);
        KONG.assert_counted(&gateway, "starts_total.direction.inbound", 1);
    }
}
