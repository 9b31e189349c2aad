//! The shipped configurations at work, each in the test host as the gateway that it is for: the right request passes, the wrong one
//! does not, and what the guides say of mistakes and of other gateways' abilities is so.

use hub_auth_filter::facade::gateway::GatewayKind::{self, Apisix, Kong};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use wasm_tests::host::{
    Answer, Builder, Exchange, Gateway, Headers, Level, LocalReply, Module, Outcome, Peer, Profile, Request,
    SharedStore, Upstream,
};
use wasm_tests::stage::pki::{
    BANK_ORGANISATION, BANK_UNIT, CONSENT_MANAGER_NAME, KEYSTORE_NAME, LISTENER_NAME, OPENBAO_NAME, Party, Pki,
};
use wasm_tests::stage::tokens::{Signer, Token, jwks};

use super::files::text;
use super::guides::combined;
use super::plugin::{GATEWAYS, SECRETS, folder, loading, secret, shipped};

fn hub() -> &'static Party {
    &Pki::shared().hub
}

/// The gateway with this configuration, its keystore and its secrets, not started yet.
fn described(kind: GatewayKind, configuration: &Value) -> Builder {
    let profile = match kind {
        GatewayKind::Envoy => Profile::envoy(),
        Kong => Profile::kong(),
        Apisix => Profile::apisix(),
    };
    with_profile(profile, configuration)
}

fn with_profile(profile: Profile, configuration: &Value) -> Builder {
    let path = format!("/{}/{}/application.jwks", hub().subject.organisational_unit, hub().subject.common_name);
    let keystore = Upstream::new().route(path, Answer::ok(jwks([&hub().signing]).to_string()));
    let gateway = Gateway::new(profile)
        .configuration(configuration.to_string())
        .log_level(Level::Info)
        .upstream(format!("{KEYSTORE_NAME}:443"), keystore);
    SECRETS.iter().fold(gateway, |gateway, name| gateway.environment(*name, secret(name).expect("a secret")))
}

fn start(kind: GatewayKind, configuration: &Value) -> Gateway {
    described(kind, configuration).start(Module::release()).expect("the gateway starts")
}

/// A verified client certificate, with its subject as nginx prints it.
fn peer(party: &Party) -> Peer {
    let subject = &party.subject;
    let organisation = subject.organisation.replace(',', "\\,");
    Peer::verified(format!("CN={},OU={},O={organisation},C=AE", subject.common_name, subject.organisational_unit))
}

/// A request to the bank with a token of this party that is right for its certificate.
fn from(party: &Party, gateway: &Gateway) -> Request {
    let token = Token::new(&party.subject, &party.signing.kid, "retail", gateway.now().as_secs());
    let token = token.sign(Signer::Ps256(&party.signing));
    Request::get("/accounts")
        .authority(LISTENER_NAME)
        .peer(peer(party))
        .header("authorization", format!("Bearer {token}"))
}

/// A request to the Hub.
fn to_the_hub() -> Request {
    Request::post("/consents").authority(CONSENT_MANAGER_NAME).peer(Peer::plaintext()).body("{}")
}

fn send(gateway: &Gateway, request: Request) -> Exchange {
    let exchange = gateway.send(request);
    gateway.settle();
    exchange
}

fn code(body: &[u8]) -> Value {
    serde_json::from_slice::<Value>(body).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(body)))["errorCode"]
        .clone()
}

/// Status and error code of a refusal. Where a refusal cannot have a body, the reason phrase is the code.
#[track_caller]
fn refusal(exchange: &Exchange) -> (u16, Value) {
    match exchange.outcome() {
        Outcome::Replied(LocalReply { status, body, details, .. }) if body.is_empty() => (status, details.into()),
        Outcome::Replied(LocalReply { status, body, .. }) => (status, code(&body)),
        other => panic!("not refused: {other:?}"),
    }
}

/// The claims of the bank's token on a request to the Hub.
fn claims(exchange: &Exchange) -> Value {
    let headers = exchange.upstream().unwrap_or_else(|| panic!("not sent: {:?}", exchange.outcome()));
    let [value] = headers.all("authorization")[..] else { panic!("one header Authorization: {headers:?}") };
    let token = std::str::from_utf8(value).expect("text").strip_prefix("Bearer ").expect("a bearer token");
    let key = serde_json::from_value(Pki::shared().bank.signing.jwk()).expect("a JWK");
    let mut rules = Validation::new(Algorithm::PS256);
    rules.set_audience(&["retail"]);
    // The gateway's clock is not this machine's.
    rules.validate_exp = false;
    decode::<Value>(token, &DecodingKey::from_jwk(&key).expect("a key"), &rules).expect("a token of the bank").claims
}

#[test]
fn the_shipped_inbound_configuration_admits_the_hub_and_refuses_strangers() {
    for kind in loading() {
        let gateway = start(kind, &shipped(kind, "inbound"));
        let upstream = send(&gateway, from(hub(), &gateway)).upstream().expect("admitted");
        assert_eq!(upstream.text("x-hub-auth-method").as_deref(), Some("jwt_auth"), "{kind:?}");
        assert_eq!(
            upstream.text("x-hub-client-organisation").as_deref(),
            Some(hub().subject.organisation.as_str()),
            "{kind:?}"
        );
        let credential = if kind == Kong { Some("removed") } else { None };
        assert_eq!(upstream.text("authorization").as_deref(), credential, "{kind:?}");

        let asked = gateway.callouts();
        assert_eq!(asked.len(), 1, "{kind:?}");
        assert_eq!(asked[0].upstream, format!("{KEYSTORE_NAME}:443"), "{kind:?}");
        assert_eq!(asked[0].headers.text(":scheme").as_deref(), Some("https"), "{kind:?}");

        for party in [&Pki::shared().tpp, &Pki::shared().other_bank] {
            let stranger = send(&gateway, from(party, &gateway));
            assert_eq!(refusal(&stranger), (403, json!("Certificate.NotAllowed")), "{kind:?}");
        }
        let without = send(&gateway, from(hub(), &gateway).peer(Peer::none()));
        assert_eq!(refusal(&without), (401, json!("Certificate.Missing")), "{kind:?}");
    }
}

#[test]
fn the_canary_of_the_guides_is_answered_by_the_filter() {
    for kind in loading() {
        let gateway = start(kind, &shipped(kind, "inbound"));
        let own = Request::get("/accounts").authority(LISTENER_NAME).peer(peer(&Pki::shared().bank));
        assert_eq!(refusal(&send(&gateway, own)), (403, json!("Certificate.NotAllowed")), "{kind:?}");
    }
}

#[test]
fn the_shipped_outbound_configuration_signs_and_replaces_what_the_caller_sent() {
    for kind in loading() {
        let gateway = start(kind, &shipped(kind, "outbound"));
        for request in [to_the_hub(), to_the_hub().header("authorization", "Basic dTpw")] {
            let claims = claims(&send(&gateway, request));
            assert_eq!((&claims["iss"], &claims["sub"]), (&json!(BANK_ORGANISATION), &json!(BANK_UNIT)), "{kind:?}");
        }
        let signed = gateway.logs().iter().filter(|log| log.text.contains(r#""event":"signed""#)).count();
        assert_eq!(signed, 2, "{kind:?}: the audit trail is at info");
    }
}

#[test]
fn without_the_key_in_the_environment_nothing_leaves() {
    for kind in loading() {
        let configuration = shipped(kind, "outbound").to_string().replace("SIG4_PRIVATE_KEY", "SIG4_NOT_SET");
        let gateway = start(kind, &serde_json::from_str(&configuration).expect("JSON"));
        assert_eq!(refusal(&send(&gateway, to_the_hub())), (500, json!("GenericError")), "{kind:?}");
    }
}

#[test]
fn the_example_of_a_remote_signer_asks_it_over_tls_and_nothing_leaves_without_its_answer() {
    for kind in loading() {
        let examples = combined(kind, "outbound.md", "outbound");
        let signer = examples.iter().find(|whole| whole["outbound"]["remote_signer"].is_object()).expect("an example");
        let name = format!("{OPENBAO_NAME}:8200");
        let (keys, sign) = ("/v1/transit/keys/sig4", "/v1/transit/sign/sig4/sha2-256");
        let told = json!({"data": {"keys": {"1": {"public_key": Pki::shared().bank.signing.public_pem()}}}});
        let silent = Upstream::new().route(keys, Answer::ok(told.to_string())).otherwise(Answer::refused());
        for (server, paths, has_body) in [
            // As Kong's guide says: the reason phrase in place of a body, and no second try of a signature.
            (Upstream::down(), vec![keys, keys], kind != Kong),
            (silent, if kind == Kong { vec![keys, sign] } else { vec![keys, sign, sign] }, kind != Kong),
        ] {
            let gateway = start(kind, signer);
            gateway.upstream(&name, server);
            let Outcome::Replied(reply) = send(&gateway, to_the_hub()).outcome() else {
                panic!("{kind:?}: not refused")
            };
            assert_eq!((reply.status, reply.body.is_empty()), (503, !has_body), "{kind:?}");
            if has_body {
                assert_eq!(code(&reply.body), json!("GenericRecoverableError"));
            } else {
                assert_eq!(reply.details, "GenericRecoverableError");
                assert!(text("kong/README.md").contains("`HTTP/1.1 503 GenericRecoverableError`"));
            }
            let asked = gateway.callouts();
            let path = |headers: &Headers| headers.text(":path").unwrap_or_default().into_owned();
            assert_eq!(asked.iter().map(|callout| path(&callout.headers)).collect::<Vec<_>>(), paths, "{kind:?}");
            for callout in asked {
                assert_eq!(callout.upstream, name, "{kind:?}");
                assert_eq!(callout.headers.text(":scheme").as_deref(), Some("https"), "{kind:?}");
            }
        }
    }
}

#[test]
fn the_example_of_verified_responses_lets_through_what_it_reports() {
    for kind in loading() {
        let examples = combined(kind, "outbound.md", "outbound");
        let whole =
            examples.iter().find(|whole| whole["outbound"]["verify_responses"].is_object()).expect("an example");
        let gateway = start(kind, whole);
        let now = gateway.now().as_secs();
        let right = Token::new(&hub().subject, &hub().signing.kid, "retail", now).sign(Signer::Ps256(&hub().signing));
        for (answer, tolerated) in
            [(Answer::ok("{}").header("authorization", format!("Bearer {right}")), 0), (Answer::ok("{}"), 1)]
        {
            gateway.bank(answer);
            let exchange = send(&gateway, to_the_hub());
            claims(&exchange);
            assert_eq!(exchange.response().expect("a response").status(), 200, "{kind:?}");
            let told = gateway.logs().iter().filter(|log| log.text.contains(r#""event":"tolerated""#)).count();
            assert_eq!(told, tolerated, "{kind:?}");
        }
    }
}

#[test]
fn kongs_example_of_shared_data_lets_a_token_pass_once_and_fetches_the_keys_once() {
    let profile = Profile { shared_data: SharedStore::ByCrc32, ..Profile::kong() };
    let [example] = &combined(Kong, "README.md", "inbound")[..] else { panic!("one example") };
    let gateway = with_profile(profile, example).workers(2).start(Module::release()).expect("the gateway starts");
    let token = from(hub(), &gateway);
    assert!(send(&gateway, token.clone()).upstream().is_some());
    let again = gateway.worker(1).send(token);
    gateway.settle();
    assert_eq!(refusal(&again), (401, json!("JWS.InvalidClaim")));
    assert_eq!(gateway.callouts().len(), 1, "the other worker took the keys over");
}

/// A shipped configuration with one setting changed.
fn changed(kind: GatewayKind, direction: &str, pointer: &str, value: Value) -> Value {
    let mut whole = shipped(kind, direction);
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    whole.pointer_mut(parent).expect("a setting")[key] = value;
    whole
}

/// What is refused when the configuration is read, or for what the gateway cannot do.
fn mistakes() -> Vec<(Vec<GatewayKind>, &'static str, &'static str, Value, &'static str)> {
    let signer = |whole: Value| {
        let mut signing = whole["outbound"].clone();
        signing.as_object_mut().expect("an object").remove("keys");
        signing["remote_signer"] = json!({ "vault_transit": {
            "address": "https://bao.bank.internal:8200", "key": "sig4", "kid": "sig4", "token": {"env": "BAO_TOKEN"},
        } });
        signing
    };
    let verified = json!({
        "mode": "require", "provider_ids": ["retail"], "jwks": {"environment": "sandbox"},
        "hub": {"organisation": "o", "organisational_unit": "u", "common_name": "c"},
    });
    let signed_remotely = signer(shipped(Kong, "outbound"));
    vec![
        (
            GATEWAYS.into(),
            "inbound",
            "/inbound/auth/jwt_auth/jwks/environment",
            json!("sandbx"),
            "inbound.auth.jwt_auth.jwks.environment",
        ),
        (
            GATEWAYS.into(),
            "inbound",
            "/inbound/auth/jwt_auth/replay_detection",
            json!("gateway"),
            "inbound.auth.jwt_auth.replay_detection",
        ),
        (
            GATEWAYS.into(),
            "inbound",
            "/inbound/auth/jwt_auth/upstream",
            json!("key_store"),
            "inbound.auth.jwt_auth.upstream",
        ),
        (
            GATEWAYS.into(),
            "inbound",
            "/inbound/response_token",
            signed_remotely,
            "inbound.response_token.remote_signer",
        ),
        (vec![Apisix], "outbound", "/outbound/verify_responses", verified, "outbound.verify_responses.mode"),
        (vec![Apisix], "inbound", "/gateway", json!({"shared_data": true}), "gateway.shared_data"),
        (vec![Apisix], "outbound", "/gateway", json!({"metrics": true}), "gateway.metrics"),
    ]
}

#[test]
fn after_a_mistake_the_gateway_starts_and_every_request_is_500_with_its_path_in_the_log() {
    for (kinds, direction, pointer, value, path) in mistakes() {
        for kind in kinds.into_iter().filter(|kind| loading().contains(kind)) {
            let gateway = start(kind, &changed(kind, direction, pointer, value.clone()));
            for _ in 0..2 {
                let request = if direction == "inbound" { from(hub(), &gateway) } else { to_the_hub() };
                assert_eq!(refusal(&send(&gateway, request)), (500, json!("GenericError")), "{kind:?}: {path}");
            }
            let line = format!("configuration refused: {path}: ");
            assert!(
                gateway.logs().iter().any(|log| log.text.contains(&line)),
                "{kind:?}: {path}: {:?}",
                gateway.logs()
            );
            assert!(gateway.callouts().is_empty(), "{kind:?}: {path}");
        }
    }
}

#[test]
fn verified_responses_can_be_required_on_kong() {
    let (_, direction, pointer, value, _) = mistakes().swap_remove(4);
    let gateway = start(Kong, &changed(Kong, direction, pointer, value));
    gateway.upstream(
        format!("{KEYSTORE_NAME}:443"),
        Upstream::new().otherwise(Answer::ok(jwks([&hub().signing]).to_string())),
    );
    let exchange = send(&gateway, to_the_hub());
    claims(&exchange);
    let response = exchange.response().expect("a response");
    assert_eq!((response.status(), code(&response.body)), (502, json!("Response.NotVerified")));
}

#[test]
fn the_line_of_the_log_that_the_guides_quote_is_the_one_that_the_mistake_gives() {
    for kind in loading() {
        let gateway =
            start(kind, &changed(kind, "inbound", "/inbound/auth/jwt_auth/jwks/environment", json!("sandbx")));
        send(&gateway, from(hub(), &gateway));
        let logs = gateway.logs();
        let line = logs.iter().find(|log| log.text.contains("configuration refused")).expect("a line");
        assert_eq!(line.level, Level::Error, "{kind:?}");
        assert!(text(&format!("{}/README.md", folder(kind))).contains(&line.text), "{kind:?}: {}", line.text);
    }
}

/// A response to a request that the filter has not decided on.
fn response_to(kind: GatewayKind, direction: &str, request: Request) -> (u16, Vec<u8>) {
    let gateway = start(kind, &shipped(kind, direction));
    let response = send(&gateway, request).response().expect("a response");
    (response.status(), response.body)
}

#[test]
fn on_kong_a_response_without_a_decision_is_replaced_where_it_might_be_the_backends() {
    let request = || Request::get("/accounts").authority(LISTENER_NAME);
    let answer = || Answer::status(429).body("slow down");
    for unseen in [request().skips_the_request_phase(), request().answered_before_the_filter(answer())] {
        let (status, body) = response_to(Kong, "inbound", unseen);
        assert_eq!((status, code(&body)), (500, json!("GenericError")));
    }
    // Outbound, the backend is the Hub, and there is nothing to hide from the bank.
    assert_eq!(response_to(Kong, "outbound", to_the_hub().answered_before_the_filter(answer())).0, 429);
}

#[test]
fn on_apisix_the_answer_of_another_plugin_is_left_alone() {
    let request = Request::get("/accounts").authority(LISTENER_NAME);
    let answer = Answer::status(429).body("slow down");
    assert_eq!(response_to(Apisix, "inbound", request.answered_before_the_filter(answer)).0, 429);
}

#[test]
fn a_response_that_can_not_be_signed_is_replaced_on_kong_and_can_not_be_on_apisix() {
    for (kind, status, event) in [(Kong, 500, "refused"), (Apisix, 200, "tolerated")] {
        let mut token = shipped(kind, "outbound")["outbound"].clone();
        token["keys"][0]["active_from"] = json!("2999-01-01T00:00:00Z");
        let gateway = start(kind, &changed(kind, "inbound", "/inbound/response_token", token));
        gateway.bank(Answer::ok("{}"));
        let response = send(&gateway, from(hub(), &gateway)).response().expect("a response");
        assert_eq!(response.status(), status, "{kind:?}: {response:?}");
        assert!(!response.headers.has("authorization"), "{kind:?}");
        assert_eq!(response.headers.all("content-length").len(), 1, "{kind:?}: {response:?}");
        assert!(gateway.logs().iter().any(|log| log.text.contains(&format!(r#""event":"{event}""#))), "{kind:?}");
    }
}
