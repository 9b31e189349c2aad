//! The scene that the tests start from: a gateway with the Hub pinned, and a keystore that publishes the Hub's key.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use wasm_tests::host::{
    Answer, Builder, Exchange, Gateway, LocalReply, Module, Outcome, Peer, Profile, Request, Upstream,
};
use wasm_tests::stage::pki::{Party, Pki, Subject};
use wasm_tests::stage::tokens::{Signer, SigningKey, Token, jwks};

/// The provider id of the bank.
pub const PROVIDER: &str = "retail";

/// The name of the upstream where key sets are.
pub const KEYSTORE: &str = "keystore";

/// The Hub.
pub fn hub() -> &'static Party {
    &Pki::shared().hub
}

/// A plugin configuration that pins the Hub and wants JWT Auth.
pub fn jwt_auth() -> Value {
    json!({ "inbound": {
        "provider_ids": [PROVIDER],
        "peer": { "organisational_units": [hub().subject.organisational_unit] },
        "auth": { "jwt_auth": { "jwks": { "environment": "sandbox" }, "upstream": KEYSTORE } },
    } })
}

/// Where the keystore publishes the keys of `subject`.
pub fn jwks_path(subject: &Subject) -> String {
    format!("/{}/{}/application.jwks", subject.organisational_unit, subject.common_name)
}

/// A keystore that publishes these keys as the Hub's.
pub fn keystore<'k>(keys: impl IntoIterator<Item = &'k SigningKey>) -> Upstream {
    publishing(Answer::ok(jwks(keys).to_string()))
}

/// A keystore that answers so for the Hub's keys.
pub fn publishing(answer: Answer) -> Upstream {
    Upstream::new().route(jwks_path(&hub().subject), answer)
}

/// An Envoy with `configuration`, not started yet.
pub fn envoy(configuration: &Value) -> Builder {
    Gateway::new(Profile::envoy())
        .configuration(configuration.to_string())
        .upstream(KEYSTORE, keystore([&hub().signing]))
}

/// An Envoy with JWT Auth, started.
pub fn start() -> Gateway {
    envoy(&jwt_auth()).start(Module::release()).expect("the gateway starts")
}

/// A token of the Hub that is right now.
pub fn token(gateway: &Gateway) -> Token {
    Token::new(&hub().subject, &hub().signing.kid, PROVIDER, gateway.now().as_secs())
}

/// A request of the Hub without a credential.
pub fn request() -> Request {
    Request::get("/accounts").peer(Peer::verified(printed(&hub().subject)))
}

/// A request of the Hub with this token.
pub fn with(token: &str) -> Request {
    request().header("authorization", format!("Bearer {token}"))
}

/// A request of the Hub that is right in everything.
pub fn right(gateway: &Gateway) -> Request {
    with(&token(gateway).sign(Signer::Ps256(&hub().signing)))
}

/// Sends a request to the first worker and lets every callout that takes no time end.
pub fn send(gateway: &Gateway, request: Request) -> Exchange {
    let exchange = gateway.worker(0).send(request);
    gateway.settle();
    exchange
}

/// What became of a request: `admitted`, an error code, or `pending`.
pub fn outcome(exchange: &Exchange) -> String {
    match exchange.outcome() {
        Outcome::Upstream(_) => "admitted".into(),
        Outcome::Replied(reply) => error(&reply)["errorCode"].as_str().expect("an error code").to_owned(),
        Outcome::Pending => "pending".into(),
        Outcome::Failed(cut) => format!("{cut:?}"),
    }
}

/// Sends a request and says what became of it.
pub fn judge(gateway: &Gateway, request: Request) -> String {
    outcome(&send(gateway, request))
}

/// The body of a refusal.
pub fn error(reply: &LocalReply) -> Value {
    serde_json::from_slice(&reply.body).expect("a JSON body")
}

/// Whole seconds.
pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A subject as Envoy prints it: RFC 2253, most specific first, non-ASCII octets as hex pairs.
pub fn printed(subject: &Subject) -> String {
    let (cn, ou, o) = (&subject.common_name, &subject.organisational_unit, &subject.organisation);
    format!("CN={},OU={},O={},C=AE", escaped(cn), escaped(ou), escaped(o))
}

fn escaped(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' '..=b'~' => text.push(char::from(byte)),
            _ => write!(text, "\\{byte:02X}").expect("writing to a string"),
        }
    }
    text
}
