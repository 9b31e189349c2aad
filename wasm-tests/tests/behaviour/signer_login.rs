//! Remote signers whose access token the filter asks for itself, by a login to Vault or from the metadata address of a cloud: one token
//! serves many requests, is asked for anew before it ends and once when it is refused, and without one nothing leaves.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde_json::{Value, json};
use wasm_tests::host::{Answer, Exchange, Gateway, Headers, Level, Module, Upstream};
use wasm_tests::stage::kms::{AZURE_PATH, GOOGLE_NAME, Scheme, azure_answer, google_answer};

use super::outbound::{bank, call, claims_by, outbound, sent, trail};
use super::remote_signer::{ENGINE, right, with};
use super::scene::{Host, apply, every_engine, every_gateway, outcome, seconds, send};

const SECRET_ID: &str = "s3cret-id-of-the-gateway";
const CLOUD: &str = "kms.test:443";

/// An engine that gives one token after the other, each for so many seconds, and signs for who has one.
#[derive(Clone)]
struct Engine {
    lives: u64,
    given: Rc<Cell<u32>>,
    /// How many of them are not taken any more.
    revoked: Rc<Cell<u32>>,
    /// The last part of each path that was asked for.
    asked: Rc<RefCell<Vec<String>>>,
}

impl Engine {
    fn new(lives: u64) -> Self {
        Self { lives, given: Rc::default(), revoked: Rc::default(), asked: Rc::default() }
    }

    fn revoke(&self) {
        self.revoked.set(self.given.get());
    }

    fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    fn count(&self, what: &str) -> usize {
        self.asked.borrow().iter().filter(|asked| *asked == what).count()
    }

    fn upstream(&self) -> Upstream {
        let engine = self.clone();
        Upstream::scripted(move |headers, body| engine.answer(headers, body))
    }

    fn answer(&self, headers: &Headers, body: &[u8]) -> Answer {
        let text = |name: &str| headers.text(name).unwrap_or_default().into_owned();
        let what = text(":path").rsplit('/').next().unwrap_or_default().to_owned();
        self.asked.borrow_mut().push(what.clone());
        let granted = |token: String| {
            let auth = json!({"client_token": token, "lease_duration": self.lives, "renewable": true});
            Answer::ok(json!({"auth": auth}).to_string())
        };
        if what == "login" {
            let asked: Value = serde_json::from_slice(body).expect("JSON");
            assert_eq!(asked, json!({"role_id": "role-1", "secret_id": SECRET_ID}));
            assert_eq!(text("x-vault-token"), "", "a login needs no token");
            self.given.set(self.given.get() + 1);
            return granted(format!("hvs.{}", self.given.get()));
        }
        let token = text("x-vault-token");
        let number = token.strip_prefix("hvs.").and_then(|number| number.parse().ok());
        let is_valid = number.is_some_and(|number: u32| number > self.revoked.get() && number <= self.given.get());
        match what.as_str() {
            _ if !is_valid => Answer::status(403).body(r#"{"errors":["permission denied"]}"#),
            "renew-self" => granted(token),
            "sig4" => {
                let keys = json!({"1": {"public_key": bank().signing.public_pem()}});
                Answer::ok(json!({"data": {"keys": keys}}).to_string())
            }
            _ => right(body),
        }
    }
}

fn by_app_role() -> Value {
    with(json!({"token": {"app_role": {"role_id": "role-1", "secret_id": {"env": "BAO_SECRET_ID"}}}}))
}

fn start(host: Host, configuration: &Value, upstreams: Vec<(&str, Upstream)>) -> Gateway {
    let host = host.with(configuration).environment("BAO_SECRET_ID", SECRET_ID).log_level(Level::Trace);
    let host = upstreams.into_iter().fold(host, |host, (name, upstream)| host.upstream(name, upstream));
    host.start(Module::release()).expect("the gateway starts")
}

fn claims(exchange: &Exchange) -> Value {
    claims_by(&bank().signing, &sent(exchange))
}

fn nothing_secret_is_logged(gateway: &Gateway) {
    for log in gateway.logs() {
        let secret = [SECRET_ID, "hvs.", "eyJ", "<html>"].into_iter().find(|secret| log.text.contains(secret));
        assert_eq!(secret, None, "{log}");
    }
}

fn is_logged(gateway: &Gateway, part: &str) -> bool {
    gateway.logs().iter().any(|log| log.text.contains(part))
}

#[apply(every_engine)]
fn the_filter_logs_in_once_and_signs_with_the_token_that_it_got(host: Host) {
    let engine = Engine::new(3600);
    let gateway = start(host, &by_app_role(), vec![(ENGINE, engine.upstream())]);
    for _ in 0..3 {
        claims(&send(&gateway, call().header("authorization", "Bearer of-the-caller")));
    }
    assert_eq!(engine.asked(), ["login", "sha2-256", "sha2-256", "sha2-256"]);
    assert!(is_logged(&gateway, "fetched an access token for the remote signer"));
    assert_eq!(trail(&gateway).len(), 3);
    nothing_secret_is_logged(&gateway);
}

/// Three callouts, one after the other, for one request.
#[apply(every_engine)]
fn login_public_key_and_signature_come_one_after_the_other(host: Host) {
    let engine = Engine::new(3600);
    let mut configuration = by_app_role();
    let settings = configuration["outbound"]["remote_signer"]["vault_transit"].as_object_mut().unwrap();
    settings.remove("public_key");
    let gateway = start(host, &configuration, vec![(ENGINE, engine.upstream())]);
    claims(&send(&gateway, call()));
    claims(&send(&gateway, call()));
    assert_eq!(engine.asked(), ["login", "sig4", "sha2-256", "sha2-256"]);
}

#[test]
fn where_the_plugin_may_call_the_token_is_there_before_the_first_request_and_prolonged_before_its_end() {
    let engine = Engine::new(3600);
    let gateway = start(Host::ENVOY, &by_app_role(), vec![(ENGINE, engine.upstream())]);
    gateway.advance(seconds(1));
    assert_eq!(engine.asked(), ["login"]);
    claims(&send(&gateway, call()));
    gateway.advance(seconds(3539));
    assert_eq!(engine.asked(), ["login", "sha2-256"]);
    gateway.advance(seconds(2));
    assert_eq!(engine.asked(), ["login", "sha2-256", "renew-self"]);
    claims(&send(&gateway, call()));
    assert_eq!(engine.asked().len(), 4);
}

/// Elsewhere who comes in its last minute asks first.
#[apply(every_gateway)]
fn no_request_is_refused_at_the_end_of_a_token(host: Host) {
    let engine = Engine::new(120);
    let gateway = start(host, &by_app_role(), vec![(ENGINE, engine.upstream())]);
    for _ in 0..60 {
        claims(&send(&gateway, call()));
        gateway.advance(seconds(7));
    }
    let asked = engine.asked();
    assert_eq!(engine.count("sha2-256"), 60, "none was refused: {asked:?}");
    assert_eq!(engine.count("login"), 1, "{asked:?}");
    assert!((5..=8).contains(&engine.count("renew-self")), "{asked:?}");
}

/// A callout that follows on one whose answer had no body would have a worker of Kong send without end.
#[apply(every_gateway)]
fn a_renewal_that_is_refused_without_a_body_is_followed_only_where_that_may_be(host: Host) {
    let engine = Engine::new(3600);
    let answers = engine.clone();
    let upstream = Upstream::scripted(move |headers, body| {
        let answer = answers.answer(headers, body);
        let is_renewal = headers.text(":path").unwrap_or_default().ends_with("renew-self");
        if is_renewal { Answer::status(403) } else { answer }
    });
    let gateway = start(host, &by_app_role(), vec![(ENGINE, upstream)]);
    claims(&send(&gateway, call()));
    gateway.advance(seconds(3_545));
    let exchange = send(&gateway, call());
    if host.repeats_unanswered_callouts {
        claims(&exchange);
    } else {
        assert_eq!(exchange.reply().expect("a refusal").status, 503);
        assert_eq!(engine.asked(), ["login", "sha2-256", "renew-self"]);
    }
    claims(&send(&gateway, call()));
    nothing_secret_is_logged(&gateway);
}

#[apply(every_gateway)]
fn a_revoked_token_is_replaced_and_nobody_notices(host: Host) {
    let engine = Engine::new(3600);
    let gateway = start(host, &by_app_role(), vec![(ENGINE, engine.upstream())]);
    claims(&send(&gateway, call()));
    engine.revoke();
    claims(&send(&gateway, call()));
    claims(&send(&gateway, call()));
    assert_eq!(engine.asked(), ["login", "sha2-256", "sha2-256", "login", "sha2-256", "sha2-256"]);
    assert!(is_logged(&gateway, "asking for another access token"));
    nothing_secret_is_logged(&gateway);
}

/// A policy that does not allow to sign: each request would log in.
#[apply(every_gateway)]
fn a_signer_that_refuses_every_token_is_not_logged_in_to_with_each_request(host: Host) {
    let engine = Engine::new(3600);
    let answers = engine.clone();
    let upstream = Upstream::scripted(move |headers, body| {
        let answer = answers.answer(headers, body);
        let is_signature = headers.text(":path").unwrap_or_default().ends_with("sha2-256");
        if is_signature { Answer::status(403).body("{}") } else { answer }
    });
    let gateway = start(host, &by_app_role(), vec![(ENGINE, upstream)]);
    for _ in 0..20 {
        assert_eq!(outcome(&send(&gateway, call())), "GenericError");
        gateway.advance(seconds(1));
    }
    let logins = engine.count("login");
    assert!((2..=5).contains(&logins), "{logins} logins in 20 s");
}

#[apply(every_gateway)]
fn without_a_token_nothing_leaves_and_the_log_says_why(host: Host) {
    for (answer, status, told) in [
        (
            Answer::status(400).body(r#"{"errors":["invalid role or secret ID"]}"#),
            500,
            "status 400 instead of 200: the role",
        ),
        (Answer::status(403).body("{}"), 500, "status 403 instead of 200: the login is refused"),
        (Answer::status(404).body("{}"), 500, "there is no such login method"),
        (Answer::status(503).body("{}"), 503, "sealed or in maintenance"),
        (Answer::ok("<html>sign in</html>"), 500, "not a JSON object"),
        (Answer::ok(r#"{"auth":null}"#), 500, "no auth.client_token"),
        (Answer::ok(r#"{"auth":{"client_token":"hvs.x y","lease_duration":60}}"#), 500, "no auth.client_token"),
        (Answer::ok(r#"{"auth":{"client_token":"hvs.x","lease_duration":5}}"#), 500, "ends within 10 s"),
        (Answer::ok("x".repeat(300 * 1024)), 500, "longer than"),
        // Where no other callout may follow on one without an answer, this may have been none.
        (Answer::ok(""), if host.repeats_unanswered_callouts { 500 } else { 503 }, "no access token"),
        (Answer::half(), 503, "no access token"),
        (Answer::reset(), 503, "no access token"),
        (Answer::never(), 503, "no access token"),
    ] {
        let gateway = start(host, &by_app_role(), vec![(ENGINE, Upstream::new().otherwise(answer))]);
        let exchange = gateway.worker(0).send(call());
        gateway.advance(seconds(15));
        assert!(exchange.upstream().is_none(), "{told}");
        assert_eq!(exchange.reply().expect("a refusal").status, status, "{told}");
        assert!(is_logged(&gateway, told), "{told}: {:?}", gateway.logs());
        assert!(trail(&gateway).is_empty(), "{told}");
        nothing_secret_is_logged(&gateway);
    }
}

/// After a failure all are told to wait, and nobody logs in meanwhile.
#[apply(every_gateway)]
fn a_login_that_fails_is_left_alone_for_a_while(host: Host) {
    let gateway =
        start(host, &by_app_role(), vec![(ENGINE, Upstream::new().otherwise(Answer::status(403).body("{}")))]);
    assert_eq!(outcome(&send(&gateway, call())), "GenericError");
    for _ in 0..10 {
        let refused = send(&gateway, call());
        assert_eq!(outcome(&refused), "GenericRecoverableError");
        assert!(refused.reply().unwrap().headers.has("retry-after"));
    }
    assert_eq!(gateway.callouts().len(), 1, "servers lock out who logs in too often");
}

#[apply(every_gateway)]
fn a_client_that_goes_away_during_the_login_takes_nothing_with_it(host: Host) {
    let engine = Engine::new(3600);
    let answers = engine.clone();
    let slow = Upstream::scripted(move |headers, body| answers.answer(headers, body).after(seconds(1)));
    let gateway = start(host, &by_app_role(), vec![(ENGINE, slow)]);
    let gone = gateway.worker(0).send(call());
    let other = gateway.worker(0).send(call());
    gone.disconnect();
    gateway.advance(seconds(4));
    assert!(gone.upstream().is_none());
    claims(&other);
}

#[derive(Clone, Copy, Debug)]
enum Cloud {
    Azure,
    Google,
}

impl Cloud {
    fn configuration(self) -> Value {
        let own = match self {
            Self::Azure => json!({"azure_key_vault": {
                "address": "https://kms.test", "upstream": CLOUD, "kid": bank().signing.kid,
                "key": "sig4", "key_version": AZURE_PATH.rsplit('/').next(),
                "token": {"metadata": {"client_id": "5f3d"}},
            }}),
            Self::Google => json!({"google_cloud_kms": {
                "address": "https://kms.test", "upstream": CLOUD, "kid": bank().signing.kid, "key_version": GOOGLE_NAME,
                "token": {"metadata": {}},
            }}),
        };
        let mut configuration = outbound();
        let plugin = configuration["outbound"].as_object_mut().unwrap();
        plugin.remove("keys");
        plugin.insert("remote_signer".to_owned(), own);
        configuration
    }

    /// Where its metadata address is, for the gateway.
    fn metadata_upstream(self) -> &'static str {
        match self {
            Self::Azure => "169.254.169.254:80",
            Self::Google => "metadata.google.internal:80",
        }
    }

    /// How often that was asked.
    fn tokens_asked(self, gateway: &Gateway) -> usize {
        gateway.callouts().iter().filter(|callout| callout.upstream == self.metadata_upstream()).count()
    }

    /// The service, which takes this token alone.
    fn service(self, token: &Rc<RefCell<String>>) -> Upstream {
        let token = Rc::clone(token);
        Upstream::scripted(move |headers, body| {
            if headers.text("authorization").as_deref() != Some(&format!("Bearer {}", token.borrow())) {
                return Answer::status(401).body("{}");
            }
            let path = headers.text(":path").unwrap_or_default().into_owned();
            let (status, answer) = match self {
                Self::Azure => azure_answer(&path, body, &bank().signing, Scheme::Pss(32)),
                Self::Google => google_answer(&path, body, &bank().signing, Scheme::Pss(32)),
            };
            Answer::status(status).body(answer.to_string())
        })
    }

    /// The metadata address, as the cloud publishes it: it gives this token.
    fn metadata(self, token: &Rc<RefCell<String>>) -> Upstream {
        let token = Rc::clone(token);
        Upstream::scripted(move |headers, body| {
            let text = |name: &str| headers.text(name).unwrap_or_default().into_owned();
            let (path, header, host) = match self {
                Self::Azure => (
                    "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net&client_id=5f3d",
                    text("metadata") == "true",
                    "169.254.169.254",
                ),
                Self::Google => (
                    "/computeMetadata/v1/instance/service-accounts/default/token",
                    text("metadata-flavor") == "Google",
                    "metadata.google.internal",
                ),
            };
            let is_right = (text(":method"), text(":scheme"), text(":path"), text(":authority"))
                == ("GET".into(), "http".into(), path.into(), host.into());
            if !(is_right && header && body.is_empty() && text("authorization").is_empty()) {
                return Answer::status(403).body("{}");
            }
            let lives = match self {
                Self::Azure => json!("3600"),
                Self::Google => json!(3600),
            };
            Answer::ok(
                json!({"access_token": *token.borrow(), "expires_in": lives, "token_type": "Bearer"}).to_string(),
            )
        })
    }

    fn start(self, host: Host, token: &Rc<RefCell<String>>) -> Gateway {
        start(
            host,
            &self.configuration(),
            vec![(CLOUD, self.service(token)), (self.metadata_upstream(), self.metadata(token))],
        )
    }
}

#[apply(every_engine)]
fn the_metadata_address_of_a_cloud_gives_the_token_once(host: Host) {
    for cloud in [Cloud::Azure, Cloud::Google] {
        let token = Rc::new(RefCell::new("eyJ0.first".to_owned()));
        let gateway = cloud.start(host, &token);
        for _ in 0..3 {
            claims(&send(&gateway, call().header("authorization", "Bearer of-the-caller")));
        }
        assert_eq!(cloud.tokens_asked(&gateway), 1, "{cloud:?}");
        assert_eq!(gateway.callouts().len(), 5, "{cloud:?}: token, key, three signatures");
        nothing_secret_is_logged(&gateway);
    }
}

#[apply(every_gateway)]
fn a_token_of_a_cloud_is_asked_for_anew_in_its_last_minute_and_when_it_is_refused(host: Host) {
    for cloud in [Cloud::Azure, Cloud::Google] {
        let token = Rc::new(RefCell::new("eyJ0.first".to_owned()));
        let gateway = cloud.start(host, &token);
        claims(&send(&gateway, call()));
        gateway.advance(seconds(3530));
        claims(&send(&gateway, call()));
        assert_eq!(cloud.tokens_asked(&gateway), 1, "{cloud:?}");
        "eyJ0.second".clone_into(&mut token.borrow_mut());
        claims(&send(&gateway, call()));
        assert_eq!(cloud.tokens_asked(&gateway), 2, "{cloud:?}: it was refused");
        gateway.advance(seconds(3541));
        claims(&send(&gateway, call()));
        assert_eq!(cloud.tokens_asked(&gateway), 3, "{cloud:?}: it ends within a minute");
        nothing_secret_is_logged(&gateway);
    }
}

#[apply(every_gateway)]
fn without_a_token_of_a_cloud_nothing_leaves_and_the_log_says_why(host: Host) {
    let token = Rc::new(RefCell::new("eyJ0.first".to_owned()));
    for cloud in [Cloud::Azure, Cloud::Google] {
        for (answer, status, told) in [
            (Answer::status(400).body(r#"{"error":"invalid_request"}"#), 500, "has no such identity"),
            (Answer::status(404).body("{}"), 503, "no such identity or service account"),
            (Answer::status(429).body("{}"), 503, "asked too often"),
            (Answer::ok("<html>"), 500, "not a JSON object"),
            (Answer::ok(r#"{"access_token":"eyJ","token_type":"Bearer"}"#), 500, "no expires_in"),
            (Answer::reset(), 503, "no access token"),
        ] {
            let metadata = Upstream::new().otherwise(answer);
            let upstreams = vec![(CLOUD, cloud.service(&token)), (cloud.metadata_upstream(), metadata)];
            let gateway = start(host, &cloud.configuration(), upstreams);
            let exchange = gateway.worker(0).send(call());
            gateway.advance(seconds(15));
            assert!(exchange.upstream().is_none(), "{cloud:?}, {told}");
            assert_eq!(exchange.reply().expect("a refusal").status, status, "{cloud:?}, {told}");
            assert!(is_logged(&gateway, told), "{cloud:?}, {told}: {:?}", gateway.logs());
            assert!(
                gateway.callouts().iter().all(|callout| callout.upstream == cloud.metadata_upstream()),
                "{cloud:?}, {told}"
            );
            nothing_secret_is_logged(&gateway);
        }
    }
}
