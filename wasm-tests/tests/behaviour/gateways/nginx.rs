//! What Kong and APISIX have from nginx: the client certificate in variables, callouts that belong to the request that makes
//! them, and requests that go to the bank by themselves when the callback of a callout returns.

use hub_auth_filter::facade::callout::USER_AGENT;
use serde_json::json;
use wasm_tests::host::{
    Answer, CalloutOutcome, Exchange, Fault, Gateway, Level, Module, Outcome, Peer, Request, Upstream,
};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, jwks};

use super::super::host::{MOST_FETCHES, every_gateway_of_lone_requests};
use super::super::outbound;
use super::super::scene::*;
use super::{all_calls, calls};

/// A gateway whose keystore takes two seconds.
fn with_a_slow_keystore(host: Host) -> Gateway {
    let slow = publishing(Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(2)));
    host.with(&jwt_auth()).upstream(KEYSTORE, slow).start(Module::release()).expect("the gateway starts")
}

#[apply(every_gateway_of_lone_requests)]
fn a_certificate_counts_only_with_nginxs_word_that_it_was_verified(host: Host) {
    let gateway = host.start();
    let path = host.variable("ssl_client_verify");
    for word in
        ["", "NONE", "FAILED", "FAILED:certificate has expired", "success", "SUCCESS ", "SUCCESS\0", "SUCCESSFUL", "1"]
    {
        let peer = peer_of(hub()).property(&path, word);
        assert_eq!(judge(&gateway, right(&gateway).peer(peer)), "Certificate.Missing", "{word:?}");
    }
    let peer = peer_of(hub()).without_property(&path);
    assert_eq!(judge(&gateway, right(&gateway).peer(peer)), "Certificate.Missing");
    for envoys in [&["connection", "mtls"][..], &["connection.mtls"]] {
        for word in [&b"true"[..], b"\x01"] {
            let peer = peer_of(hub()).without_property(&path).property(envoys, word);
            assert_eq!(judge(&gateway, right(&gateway).peer(peer)), "Certificate.Missing", "{envoys:?}");
        }
    }
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
}

#[apply(every_gateway_of_lone_requests)]
fn a_certificate_without_a_subject_is_none(host: Host) {
    let gateway = host.start();
    let peer = peer_of(hub()).without_property(&host.variable("ssl_client_s_dn"));
    assert_eq!(judge(&gateway, right(&gateway).peer(peer)), "Certificate.Missing");
    let peer = peer_of(hub()).property(&host.variable("ssl_client_s_dn"), "");
    assert_eq!(judge(&gateway, right(&gateway).peer(peer)), "Certificate.Malformed");
}

#[apply(every_gateway_of_lone_requests)]
fn a_pinned_certificate_that_can_not_be_read_is_not_the_pinned_one(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["peer"] = json!({ "fingerprints": [fingerprint(&hub().transport)] });
    let gateway = host.with(&configuration).start(Module::release()).unwrap();
    let path = host.variable("ssl_client_raw_cert");
    let pem = leaf_pem(&hub().transport);
    let cut = &pem[..pem.len() / 2];
    for wrong in ["", "x", cut, leaf_pem(&Pki::shared().tpp.transport), &format!("{cut}{cut}")] {
        let peer = peer_of(hub()).property(&path, wrong);
        assert_ne!(judge(&gateway, right(&gateway).peer(peer)), "admitted", "{wrong}");
    }
    let without = peer_of(hub()).without_property(&path);
    assert_ne!(judge(&gateway, right(&gateway).peer(without)), "admitted");
    let sha1 = peer_of(hub()).without_property(&path).sha1(fingerprint(&hub().transport));
    assert_ne!(judge(&gateway, right(&gateway).peer(sha1)), "admitted", "another digest");
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
}

#[apply(every_gateway_of_lone_requests)]
fn a_token_is_bound_to_the_certificate_itself(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"] = json!({ "client_credentials": {
        "scopes": ["accounts"],
        "introspection": {
            "url": "https://as.test/introspect", "client_id": "filter", "client_secret": { "value": "s" },
        },
    } });
    let answer = json!({ "active": true, "scope": "accounts", "cnf": { "x5t#S256": hub().transport.thumbprint() } });
    let server = Upstream::new().route("/introspect", Answer::ok(answer.to_string()));
    let gateway = host.with(&configuration).upstream("as.test:443", server).start(Module::release()).unwrap();
    assert_eq!(judge(&gateway, with("opaque")), "admitted");
    let another = presenting(printed(&hub().subject), &Pki::shared().client(&hub().subject));
    assert_eq!(judge(&gateway, with("opaque").peer(another)), "AccessToken.Invalid");
    let unknown = peer_of(hub()).without_property(&host.variable("ssl_client_raw_cert"));
    assert_ne!(judge(&gateway, with("opaque").peer(unknown)), "admitted");
}

#[apply(every_gateway_of_lone_requests)]
fn nothing_is_asked_of_the_host_outside_requests_but_the_configuration(host: Host) {
    let gateway = host.start();
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    gateway.advance(seconds(3600));
    for name in ["proxy_set_tick_period_milliseconds", "proxy_get_shared_data", "proxy_set_shared_data"] {
        assert_eq!(all_calls(&gateway, name), 0, "{name}");
    }
    let outside: Vec<_> = gateway.trace().into_iter().filter(|call| call.name == "proxy_get_property").collect();
    let of_requests: Vec<_> = gateway.vm_calls().iter().map(|call| call.context).collect();
    assert!(outside.iter().all(|call| call.context != 1 && of_requests.contains(&call.context)), "{outside:?}");
}

#[apply(every_gateway_of_lone_requests)]
fn nothing_depends_on_another_effective_context_or_on_continuing_a_request(host: Host) {
    let gateway = with_a_slow_keystore(host);
    let start = all_calls(&gateway, "proxy_set_effective_context");
    let exchange = gateway.worker(0).send(right(&gateway));
    gateway.settle();
    assert_eq!(outcome(&exchange), "admitted");
    assert_eq!(all_calls(&gateway, "proxy_continue_stream"), 0);
    let asked = all_calls(&gateway, "proxy_set_effective_context") - start;
    assert!(asked <= 1, "only to find out that it has no effect: {asked}");
}

/// A request that is refused while a callout of it is in flight would go to the bank when that ends.
#[apply(every_gateway_of_lone_requests)]
fn a_refused_request_has_no_callout_beside_its_refusal(host: Host) {
    let gateway = host.start();
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    let slow = publishing(Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(2)));
    gateway.upstream(KEYSTORE, slow);
    let sig3 = Signer::Ps256(&hub().signing);
    // Old enough to be fetched anew, and then to be fetched before anybody is let in.
    for age in [485, 590] {
        gateway.advance(seconds(age - 480));
        let callouts = gateway.callouts().len();
        let refused = [
            request(),
            request().peer(Peer::none()),
            request().header("authorization", "Basic dTpw"),
            with("a.b.c"),
            with(&token(&gateway).claim("aud", "other").sign(sig3)),
            with(&token(&gateway).claim("iss", "other").sign(sig3)),
            with(&token(&gateway).claim("exp", 1).sign(sig3)),
            with(&token(&gateway).header("alg", "none").sign(Signer::Unsigned)),
            right(&gateway).header("x-hub-token-id", "1"),
            right(&gateway).header("o3-provider-id", "other"),
        ];
        for request in refused {
            let exchange = gateway.worker(0).send(request);
            assert!(exchange.reply().is_some(), "{exchange:?}");
            assert_eq!(calls(&exchange, "proxy_http_call"), 0);
        }
        assert_eq!(gateway.callouts().len(), callouts);
    }
    let flood: Vec<Exchange> = (0..3 * MOST_FETCHES)
        .map(|n| {
            gateway.worker(0).send(with(&token(&gateway).header("kid", format!("kid-{n}")).sign(Signer::Unsigned)))
        })
        .collect();
    for exchange in flood {
        let waits = exchange.outcome() == Outcome::Pending;
        assert_eq!(calls(&exchange, "proxy_http_call"), usize::from(waits), "{exchange:?}");
    }
}

/// It would go upstream by itself when the callback returns.
#[apply(every_gateway_of_lone_requests)]
fn a_request_that_its_callback_can_not_decide_on_is_refused(host: Host) {
    let gateway = with_a_slow_keystore(host);
    let first = gateway.worker(0).send(right(&gateway));
    let second = gateway.worker(0).send(with("a.b.c"));
    gateway.fault(Fault::host_call("clock_time_get").returns(58_u32));
    gateway.settle();
    assert_eq!(outcome(&first), "GenericError");
    assert_eq!(outcome(&second), "JWS.Malformed");
}

#[apply(every_gateway_of_lone_requests)]
fn each_callout_names_method_scheme_authority_and_path(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"] = json!({ "client_credentials": {
        "scopes": ["accounts"], "certificate_bound": false,
        "introspection": {
            "url": "https://as.test:8443/introspect", "client_id": "filter", "client_secret": { "value": "s" },
        },
    } });
    let path = jwks_path(&hub().subject);
    for (configuration, expected) in [
        (configuration, ["POST", "https", "as.test:8443", "/introspect"]),
        (jwt_auth(), ["GET", "https", "keystore.sandbox.directory.openfinance.ae", path.as_str()]),
    ] {
        let gateway = host.with(&configuration).start(Module::release()).unwrap();
        send(&gateway, right(&gateway));
        let headers = &gateway.callouts()[0].headers;
        let pseudo = [":method", ":scheme", ":authority", ":path"].map(|name| headers.text(name).unwrap_or_default());
        assert_eq!(pseudo, expected);
        assert_eq!(headers.text("user-agent").as_deref(), Some(USER_AGENT));
    }
}

/// The callout's own timeout begins anew with each byte: only the filter's deadline ends it.
#[apply(every_gateway_of_lone_requests)]
fn an_answer_that_drips_in_after_the_deadline_does_not_count_although_the_host_says_ok(host: Host) {
    let dripping = |time| publishing(Answer::ok(jwks([&hub().signing]).to_string()).body_after(seconds(time)));
    let gateway = host.with(&jwt_auth()).upstream(KEYSTORE, dripping(60)).start(Module::release()).unwrap();
    let now = gateway.now().as_secs();
    let long_lived = token(&gateway).valid(now, now + 300).sign(Signer::Ps256(&hub().signing));
    let exchange = gateway.worker(0).send(with(&long_lived));
    gateway.advance(seconds(60));
    assert!(matches!(gateway.callouts()[0].outcome, CalloutOutcome::Answered(_)), "it looks like a success");
    assert_eq!(outcome(&exchange), "GenericRecoverableError");
    gateway.upstream(KEYSTORE, dripping(4));
    gateway.advance(seconds(10));
    assert_eq!(judge(&gateway, right(&gateway)), "admitted", "in time");
}

#[apply(every_gateway_of_lone_requests)]
fn a_token_that_expires_while_its_request_waits_is_refused(host: Host) {
    let gateway = with_a_slow_keystore(host);
    let now = gateway.now().as_secs();
    let ends = |skewed: u64| with(&token(&gateway).valid(now - 30, skewed - 10).sign(Signer::Ps256(&hub().signing)));
    let (expired, valid) = (gateway.worker(0).send(ends(now + 1)), gateway.worker(0).send(ends(now + 2)));
    gateway.settle();
    assert_eq!([outcome(&expired), outcome(&valid)], ["JWS.InvalidClaim", "admitted"]);
}

#[apply(every_gateway_of_lone_requests)]
fn an_upstream_that_is_no_address_is_a_configuration_error_before_it_can_do_harm(host: Host) {
    for upstream in
        ["", "keystore:0", "keystore:65536", "keystore:x", "https://keystore.test", "keystore.test/x", ":443", "a b"]
    {
        let mut configuration = jwt_auth();
        configuration["inbound"]["auth"]["jwt_auth"]["upstream"] = json!(upstream);
        let logs = host.refuses(host.with(&jwt_auth()).configuration(configuration.to_string()));
        let named = logs.iter().any(|log| log.text.contains("inbound.auth.jwt_auth.upstream"));
        assert!(named, "{upstream:?}: {logs:?}");
    }
}

#[apply(every_gateway_of_lone_requests)]
fn an_upstream_that_is_an_address_is_where_the_callout_goes(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"]["jwt_auth"]["upstream"] = json!("proxy.bank.internal:8443");
    let gateway = host
        .with(&jwt_auth())
        .configuration(configuration.to_string())
        .upstream("proxy.bank.internal:8443", keystore([&hub().signing]))
        .start(Module::release())
        .unwrap();
    assert_eq!(judge(&gateway, right(&gateway)), "admitted");
    assert_eq!(gateway.callouts()[0].upstream, "proxy.bank.internal:8443");
}

#[apply(every_gateway_of_lone_requests)]
fn what_the_gateway_can_not_do_is_a_configuration_error_by_name(host: Host) {
    let mut shared = jwt_auth();
    shared["inbound"]["auth"]["jwt_auth"]["replay_detection"] = json!("gateway");
    let mut cases = vec![(shared, "replay_detection")];
    if !host.replaces_responses {
        let mut verified = outbound::outbound();
        verified["outbound"]["verify_responses"] = json!({
            "mode": "require",
            "hub": { "organisation": "o", "organisational_unit": "ou", "common_name": "cn" },
            "provider_ids": [PROVIDER],
            "jwks": { "environment": "sandbox" },
        });
        cases.push((verified, "verify_responses"));
    }
    for (configuration, name) in cases {
        let builder = host.with(&configuration).environment("SIG4_PRIVATE_KEY", outbound::bank().signing.pkcs8_pem());
        let logs = host.refuses(builder);
        assert!(logs.iter().any(|log| log.text.contains(name)), "{name}: {logs:?}");
    }
}

#[apply(every_gateway_of_lone_requests)]
fn a_wrong_configuration_answers_each_request_with_500_in_either_phase_and_asks_nobody(host: Host) {
    let gateway = host.with(&jwt_auth()).configuration("{").workers(2).start(Module::release()).unwrap();
    gateway.bank(Answer::ok("secret of the bank"));
    for worker in [0, 1, 0] {
        for request in [right(&gateway), request(), request().peer(Peer::none()), Request::get("/hello")] {
            let exchange = gateway.worker(worker).send(request);
            assert_eq!(exchange.reply().expect("a refusal").status, 500);
        }
    }
    assert!(gateway.callouts().is_empty());
    let skipping = gateway.worker(0).send(right(&gateway).skips_the_request_phase());
    if host.replaces_responses {
        let response = skipping.response().expect("a response");
        assert_eq!(response.status(), 500);
        assert!(!String::from_utf8_lossy(&response.body).contains("secret of the bank"));
    }
}

#[apply(every_gateway_of_lone_requests)]
fn at_nginxs_own_log_level_refusals_are_told(host: Host) {
    let gateway = host.with(&jwt_auth()).log_level(Level::Warn).start(Module::release()).unwrap();
    send(&gateway, right(&gateway));
    assert!(gateway.logs().is_empty(), "{:?}", gateway.logs());
    send(&gateway, with("a.b.c"));
    let logs = gateway.logs();
    assert!(logs.len() == 1 && logs[0].text.contains("JWS.Malformed"), "{logs:?}");
}
