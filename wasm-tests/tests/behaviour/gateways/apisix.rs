//! APISIX: distrusted certificates whose subject can be read, plain HTTP on the same route, requests without a host, plugins that
//! are configured on first use and numbers of contexts that are used again.

use serde_json::json;
use wasm_tests::host::{AfterTrap, Answer, Cut, Gateway, Module, Outcome, Peer, Profile, Request, Upstream};
use wasm_tests::stage::tokens::{Signer, jwks};

use super::super::scene::*;
use super::all_calls;

const APISIX: Host = Host::APISIX;

/// A gateway whose keys come after two seconds.
fn with_a_slow_keystore() -> Gateway {
    let slow = publishing(Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(2)));
    APISIX.with(&jwt_auth()).upstream(KEYSTORE, slow).start(Module::release()).unwrap()
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_none_although_its_subject_can_be_read() {
    let gateway = APISIX.start();
    for reason in ["self-signed certificate", "certificate has expired", ""] {
        let peer = Peer::untrusted(printed(&hub().subject), reason).pem(leaf_pem(&hub().transport));
        assert_eq!(judge(&gateway, right(&gateway).peer(peer)), "Certificate.Missing", "{reason}");
    }
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"] = json!({ "mtls_only": {} });
    configuration["inbound"]["health_checks"] = json!({});
    let gateway = APISIX.with(&configuration).start(Module::release()).unwrap();
    let peer = || Peer::untrusted(printed(&hub().subject), "self-signed certificate");
    assert_eq!(judge(&gateway, request().peer(peer())), "Certificate.Missing");
    let reply = send(&gateway, Request::get("/echo-cert").peer(peer())).reply().expect("an answer");
    assert_eq!(reply.status, 401);
    assert!(!String::from_utf8_lossy(&reply.body).contains(&hub().subject.organisational_unit));
}

#[test]
fn plain_http_on_the_same_route_is_refused() {
    let gateway = APISIX.start();
    assert_eq!(judge(&gateway, right(&gateway).peer(Peer::plaintext())), "Certificate.Missing");
}

#[test]
fn a_request_without_a_host_is_refused_before_anything_can_crash() {
    let gateway = APISIX.start();
    let exchange = gateway.worker(0).send(right(&gateway).authority(""));
    assert_eq!(outcome(&exchange), "Header.NotAllowed");
    let mut wrong = jwt_auth();
    wrong["inbound"]["auth"] = json!({});
    let gateway = APISIX.with(&wrong).start(Module::release()).unwrap();
    assert_eq!(judge(&gateway, request().authority("")), "GenericError");
}

/// Any write makes new plugins: what the old ones knew is not theirs, and nobody gets by because of it.
#[test]
fn after_a_write_to_the_configuration_keys_are_fetched_anew_and_used_tokens_are_forgotten() {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"]["jwt_auth"]["replay_detection"] = json!("worker");
    let gateway = APISIX.with(&configuration).start(Module::release()).unwrap();
    let token = token(&gateway).sign(Signer::Ps256(&hub().signing));
    assert_eq!(judge(&gateway, with(&token)), "admitted");
    assert_eq!(judge(&gateway, with(&token)), "JWS.InvalidClaim");
    let waiting = gateway.worker(0).send(with(&token));
    gateway.rewrite_configuration();
    gateway.settle();
    assert_eq!(outcome(&waiting), "JWS.InvalidClaim");
    assert_eq!((judge(&gateway, with(&token)).as_str(), gateway.callouts().len()), ("admitted", 2));
    gateway.rewrite_configuration();
    assert_eq!(judge(&gateway, with("a.b.c")), "JWS.Malformed");
}

/// Its gateway would hand the answer about one token over as the answer about the next one.
#[test]
fn after_an_informational_answer_nobody_gets_the_answer_to_somebody_elses_question() {
    let configuration = |scope: &str| {
        let mut configuration = jwt_auth();
        configuration["inbound"]["auth"] = json!({ "client_credentials": {
            "scopes": [scope],
            "introspection": {
                "url": "https://as.test/introspect", "client_id": "filter", "client_secret": { "value": "s" },
            },
        } });
        configuration
    };
    let thumbprint = hub().transport.thumbprint();
    let server = |announce: bool| {
        let thumbprint = thumbprint.clone();
        Upstream::scripted(move |_, body| {
            let is_good = String::from_utf8_lossy(body).contains("good");
            let confirmation = json!({ "x5t#S256": thumbprint });
            let answer = json!({ "active": is_good, "scope": "accounts payments", "cnf": confirmation }).to_string();
            if announce { Answer::ok(answer).after_informational(103).after(seconds(1)) } else { Answer::ok(answer) }
        })
    };
    let gateway =
        APISIX.with(&configuration("accounts")).upstream("as.test:443", server(true)).start(Module::release()).unwrap();
    let on_other_route = |request: Request| request.configuration(configuration("payments").to_string());
    let first = gateway.worker(0).send(with("good"));
    gateway.advance(seconds(0));
    assert_eq!(outcome(&first), "GenericRecoverableError");
    gateway.upstream("as.test:443", server(false));
    // The answer to the first one is on its way.
    assert_eq!(judge(&gateway, on_other_route(with("bad"))), "AccessToken.Invalid");
    assert_eq!(judge(&gateway, on_other_route(with("good"))), "admitted");
    let asked: Vec<_> = gateway.callouts().into_iter().map(|callout| callout.upstream).collect();
    assert_eq!(asked, ["as.test:443", "As.test:443", "As.test:443"]);
}

/// There is one spelling of an address.
#[test]
fn after_an_informational_answer_of_an_address_it_is_not_asked_for_a_minute() {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"]["jwt_auth"]["jwks"] = json!({ "url": "http://127.0.0.1:8080/jwks" });
    let keys = Answer::ok(jwks([&hub().signing]).to_string());
    let gateway = APISIX
        .with(&configuration)
        .upstream("127.0.0.1:8080", Upstream::new().otherwise(keys.clone().after_informational(100)))
        .start(Module::release())
        .unwrap();
    assert_eq!(judge(&gateway, right(&gateway)), "GenericRecoverableError");
    gateway.upstream("127.0.0.1:8080", Upstream::new().otherwise(keys));
    for _ in 0..2 {
        gateway.advance(seconds(30));
        assert_eq!(judge(&gateway, right(&gateway)), "GenericRecoverableError");
        assert_eq!(gateway.callouts().len(), 1);
    }
    gateway.advance(seconds(31));
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
}

/// A request that waits belongs to the plugin that it came to.
#[test]
fn a_request_that_waits_while_the_configuration_is_written_gets_its_verdict() {
    let gateway = with_a_slow_keystore();
    let waiting = [right(&gateway), with(&token(&gateway).header("kid", "unknown").sign(Signer::Unsigned))]
        .map(|request| gateway.worker(0).send(request));
    gateway.rewrite_configuration();
    let later = gateway.worker(0).send(right(&gateway));
    gateway.settle();
    assert_eq!(waiting.each_ref().map(outcome), ["admitted", "JWS.InvalidHeader"]);
    assert_eq!(outcome(&later), "admitted");
}

#[test]
fn more_than_96_headers_of_the_caller_are_refused_with_its_id() {
    let gateway = APISIX.start();
    for (count, expected) in [(96, "admitted"), (97, "Header.NotAllowed"), (150, "Header.NotAllowed")] {
        // `Host`, the credential and the id are among them.
        let crowded = (3..count).fold(right(&gateway), |request, n| request.header(format!("x-{n}"), "1"));
        let exchange = send(&gateway, crowded.header("x-fapi-interaction-id", "f-1"));
        assert_eq!(outcome(&exchange), expected, "{count}");
        if let Some(reply) = exchange.reply() {
            assert_eq!(reply.headers.text("x-fapi-interaction-id").as_deref(), Some("f-1"), "{count}");
        }
    }
}

#[test]
fn each_configuration_has_a_plugin_of_its_own() {
    let gateway = APISIX.start();
    let mut other = jwt_auth();
    other["inbound"]["provider_ids"] = json!(["corporate"]);
    other["inbound"]["auth"]["jwt_auth"].as_object_mut().unwrap().remove("upstream");
    let on_other_route = |request: Request| request.configuration(other.to_string());
    let for_corporate = || with(&token(&gateway).claim("aud", "corporate").sign(Signer::Ps256(&hub().signing)));
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    assert_eq!(judge(&gateway, on_other_route(right(&gateway))), "JWS.InvalidClaim");
    assert_eq!(judge(&gateway, on_other_route(for_corporate())), "admitted");
    assert_eq!(judge(&gateway, for_corporate()), "JWS.InvalidClaim");
    assert_eq!(judge(&gateway, right(&gateway).configuration("{}")), "GenericError", "a wrong one is nobody else's");
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
}

#[test]
fn a_number_that_is_used_again_brings_nothing_of_its_last_bearer() {
    let gateway = with_a_slow_keystore();
    let gone = gateway.worker(0).send(right(&gateway));
    gone.disconnect();
    assert_eq!(gone.outcome(), Outcome::Failed(Cut::ClientGone));
    let refused = gateway.worker(0).send(with("a.b.c"));
    assert_eq!(outcome(&refused), "JWS.Malformed");
    let waiting = gateway
        .worker(0)
        .send(with(&token(&gateway).claim("jti", "x").header("kid", "unknown").sign(Signer::Unsigned)));
    gateway.settle();
    assert_eq!(outcome(&waiting), "JWS.InvalidHeader");
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
}

#[test]
fn a_trap_of_another_request_refuses_the_one_that_waits() {
    for profile in [Profile::apisix(), Profile { after_trap: AfterTrap::Crash, ..Profile::apisix() }] {
        let slow = publishing(Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(2)));
        let gateway = APISIX
            .metered()
            .on(profile, &jwt_auth())
            // Less than it takes to verify a signature.
            .fuel_limit(800_000)
            .expect_traps()
            .expect_crashes()
            .upstream(KEYSTORE, slow)
            .start(Module::release())
            .unwrap();
        let (trapping, waiting) = (gateway.worker(0).send(right(&gateway)), gateway.worker(0).send(right(&gateway)));
        assert_eq!([outcome(&trapping), outcome(&waiting)], ["pending", "pending"]);
        gateway.settle();
        assert!(!gateway.traps().is_empty());
        for exchange in [trapping, waiting] {
            assert!(exchange.upstream().is_none(), "{exchange:?}");
        }
    }
}

#[test]
fn a_response_to_a_request_that_was_answered_before_the_filter_is_left_alone() {
    let gateway = APISIX.start();
    let answered = Answer::status(429).body("slow down").header("authorization", "Bearer of-a-plugin");
    for peer in [peer_of(hub()), Peer::none(), Peer::plaintext()] {
        let exchange = gateway.worker(0).send(request().peer(peer).answered_before_the_filter(answered.clone()));
        let response = exchange.response().expect("a response");
        assert_eq!((response.status(), response.body.as_slice()), (429, &b"slow down"[..]));
        assert_eq!(response.headers.text("authorization").as_deref(), Some("Bearer of-a-plugin"));
    }
    assert_eq!(all_calls(&gateway, "proxy_send_local_response"), 0);
}

#[test]
fn keys_from_an_ip_address_over_tls_can_not_be_had() {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"]["jwt_auth"]["jwks"] = json!({ "url": "https://192.0.2.1/jwks" });
    let gateway = APISIX
        .with(&configuration)
        .upstream("192.0.2.1:443", Upstream::new().otherwise(Answer::ok(jwks([&hub().signing]).to_string())))
        .start(Module::release())
        .unwrap();
    assert_eq!(judge(&gateway, right(&gateway)), "GenericRecoverableError");
}
