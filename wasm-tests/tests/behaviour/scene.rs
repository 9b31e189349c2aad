//! The scene that the tests start from: a gateway with the Hub pinned, and a keystore that publishes the Hub's key.

use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
pub use rstest_reuse::apply;
use serde_json::{Value, json};
use wasm_tests::host::{Answer, Exchange, Gateway, LocalReply, Outcome, Peer, Request, Upstream};
use wasm_tests::stage::pki::{Identity, Party, Pki};
use wasm_tests::stage::subject::Subject;
use wasm_tests::stage::tokens::{Signer, SigningKey, Token, jwks};

pub use super::host::Host;
pub(crate) use super::host::{every_engine, every_gateway};

/// The provider id of the bank.
pub const PROVIDER: &str = "retail";

/// The upstream where key sets are: an address, and the name that the configuration of an Envoy gives it.
pub const KEYSTORE: &str = "keystore.sandbox.directory.openfinance.ae:443";

/// What signed the transport certificates, as gateways print names.
pub const ISSUER: &str = "CN=Trust Framework Issuing CA,OU=CA,O=Trust Framework (test),C=AE";

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

/// A token of the Hub that is right now.
pub fn token(gateway: &Gateway) -> Token {
    Token::new(&hub().subject, &hub().signing.kid, PROVIDER, gateway.now().as_secs())
}

/// A request of the Hub without a credential.
pub fn request() -> Request {
    Request::get("/accounts").peer(peer_of(hub()))
}

/// This party with its transport certificate.
pub fn peer_of(party: &Party) -> Peer {
    presenting(printed(&party.subject), &party.transport)
}

/// Somebody with a certificate that has been verified, and this subject.
pub fn verified(subject: impl AsRef<[u8]>) -> Peer {
    presenting(subject, &Pki::shared().tpp.transport)
}

/// Somebody with this certificate, which has been verified, whose subject the gateway prints so.
pub fn presenting(subject: impl AsRef<[u8]>, identity: &Identity) -> Peer {
    Peer::verified(subject).issuer(ISSUER).pem(leaf_pem(identity)).fingerprint(fingerprint(identity))
}

/// The request over a connection with this certificate of the Hub, and with all that a gateway may tell of it: the header that Envoy
/// writes, too.
pub fn forwarding(request: Request, identity: &Identity) -> Request {
    let subject = printed(&hub().subject);
    let header = format!("Hash={};Cert=\"{}\";Subject=\"{subject}\";URI=", fingerprint(identity), encoded(identity));
    request.peer(presenting(subject, identity)).header("x-forwarded-client-cert", header)
}

/// The certificate as Envoy writes it: percent-encoded.
pub fn encoded(identity: &Identity) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    leaf_pem(identity)
        .bytes()
        .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The certificate itself, without those above it.
pub fn leaf_pem(identity: &Identity) -> &str {
    identity.chain_pem.split_inclusive("-----END CERTIFICATE-----\n").next().expect("a certificate")
}

/// The SHA-256 digest of a certificate in lower-case hex.
pub fn fingerprint(identity: &Identity) -> String {
    digest(&SHA256, &identity.chain[0]).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
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

/// What became of a request: `admitted`, an error code, `pending`, or the status with which the gateway itself answered.
pub fn outcome(exchange: &Exchange) -> String {
    match exchange.outcome() {
        Outcome::Upstream(_) => "admitted".into(),
        Outcome::Replied(reply) => match serde_json::from_slice::<Value>(&reply.body) {
            Ok(body) => body["errorCode"].as_str().expect("an error code").to_owned(),
            Err(_) => reply.status.to_string(),
        },
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

/// A subject as gateways print it: RFC 2253, most specific first, non-ASCII octets as hex pairs.
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
