//! The configurations that sequences are played on, and the servers that the filter calls in them.

use std::cell::Cell;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wasm_tests::host::{Answer, Builder, Gateway, Module, Upstream};
use wasm_tests::stage::pki::{BANK_ORGANISATION, BANK_UNIT, Pki};
use wasm_tests::stage::tokens::{Signer, SigningKey, jwks, sign_input};

use super::super::outbound::{AUDIENCE, bank, outbound};
use super::super::scene::{Host, KEYSTORE, PROVIDER, hub, jwks_path, jwt_auth};
use super::step::{Contents, Key, Manner, Opaque};

/// Where access tokens are asked about.
const AUTHORISATION_SERVER: &str = "as.test:443";

/// Where the signer is.
const SIGNER: &str = "bao.test:8200";

/// The workers of each gateway.
pub const WORKERS: usize = 2;

/// A configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// JWT Auth.
    JwtAuth,
    /// JWT Auth, and each worker lets a token in once.
    OnceAWorker,
    /// JWT Auth, and all workers together let a token in once.
    Once,
    /// JWT Auth, and POST /payments may bring a token of the bank.
    Initiating,
    /// JWT Auth, and responses get a token of the bank.
    ResponseToken,
    /// Access tokens that the authorisation server is asked about.
    Introspection,
    /// The same, and POST /payments may bring a token of the bank.
    IntrospectionInitiating,
    /// The bank's requests, signed here.
    LocalKeys,
    /// The bank's requests, signed by a Transit engine.
    Transit,
    /// The bank's requests, and only the Hub's responses pass.
    Require,
    /// The bank's requests, and it is told which responses are not the Hub's.
    Report,
    /// JWT Auth in a gateway where each signature that is looked at ends in a trap.
    Trapping,
}

/// What one call may use there: more than all the rest, and less than to verify a signature with either kernel.
const TOO_LITTLE_FOR_A_SIGNATURE: u64 = 800_000;

impl Setup {
    /// Whether requests come from the Hub.
    pub fn is_inbound(self) -> bool {
        !matches!(self, Setup::LocalKeys | Setup::Transit | Setup::Require | Setup::Report)
    }

    /// Whether the authorisation server is asked about tokens.
    pub fn introspects(self) -> bool {
        matches!(self, Setup::Introspection | Setup::IntrospectionInitiating)
    }

    /// Whether POST /payments may bring a token of the bank.
    pub fn initiates(self) -> bool {
        matches!(self, Setup::Initiating | Setup::IntrospectionInitiating)
    }

    /// Whether the filter may replace the response to a request that it has let go.
    pub fn replaces_responses(self) -> bool {
        matches!(self, Setup::ResponseToken | Setup::Require)
    }

    /// Whether this gateway can do it.
    pub fn is_for(self, host: Host) -> bool {
        match self {
            Setup::Once => host.replay_scopes().contains(&"gateway"),
            Setup::Require => host.replaces_responses,
            _ => true,
        }
    }

    /// A gateway with this configuration, and the server that it calls.
    pub fn start(self, host: Host, server: &Rc<Server>) -> Gateway {
        // It takes fuel to trap at will.
        let host = if self == Setup::Trapping { host.metered() } else { host };
        let configuration = self.configuration();
        let builder: Builder = match self {
            Setup::Once => host.with_replay_scope("gateway", &configuration),
            _ => host.with(&configuration),
        };
        let builder = match self {
            Setup::Trapping => builder.fuel_limit(TOO_LITTLE_FOR_A_SIGNATURE).expect_traps(),
            _ => builder,
        };
        builder
            .workers(WORKERS)
            .environment("SIG4_PRIVATE_KEY", bank().signing.pkcs8_pem())
            .environment("SECRET", "s3cret")
            .upstream(self.upstream(), server.clone().upstream())
            .start(Module::release())
            .expect("the gateway starts")
    }

    fn upstream(self) -> &'static str {
        match self {
            Setup::Introspection | Setup::IntrospectionInitiating => AUTHORISATION_SERVER,
            Setup::Transit => SIGNER,
            _ => KEYSTORE,
        }
    }

    fn configuration(self) -> Value {
        let mut inbound = jwt_auth();
        let mut signing = outbound();
        let token_keys = json!([{ "kid": bank().signing.kid, "private_key": { "env": "SIG4_PRIVATE_KEY" } }]);
        if self.initiates() {
            inbound["inbound"]["service_initiation"] = json!({ "allow": [{ "method": "POST", "path": "/payments" }] });
        }
        if self.introspects() {
            inbound["inbound"]["auth"] = json!({ "client_credentials": {
                "scopes": ["accounts"],
                "introspection": {
                    "url": "https://as.test/introspect", "upstream": AUTHORISATION_SERVER,
                    "client_id": "filter", "client_secret": { "env": "SECRET" },
                },
            } });
        }
        match self {
            Setup::JwtAuth
            | Setup::Trapping
            | Setup::Initiating
            | Setup::Introspection
            | Setup::IntrospectionInitiating => inbound,
            Setup::OnceAWorker | Setup::Once => {
                let scope = if self == Setup::Once { "gateway" } else { "worker" };
                inbound["inbound"]["auth"]["jwt_auth"]["replay_detection"] = json!(scope);
                inbound
            }
            Setup::ResponseToken => {
                inbound["inbound"]["response_token"] = json!({
                    "audience": AUDIENCE,
                    "certificate": { "organisation": BANK_ORGANISATION, "organisational_unit": BANK_UNIT },
                    "keys": token_keys,
                });
                inbound
            }
            Setup::LocalKeys => signing,
            Setup::Transit => {
                let plugin = signing["outbound"].as_object_mut().expect("an object");
                plugin.remove("keys");
                let signer = json!({ "vault_transit": {
                    "address": "https://bao.test:8200", "upstream": SIGNER, "mount": "transit", "key": "sig4",
                    "kid": bank().signing.kid, "token": { "env": "SECRET" },
                    "public_key": bank().signing.public_pem(),
                } });
                plugin.insert("remote_signer".to_owned(), signer);
                signing
            }
            Setup::Require | Setup::Report => {
                let subject = &hub().subject;
                signing["outbound"]["verify_responses"] = json!({
                    "mode": if self == Setup::Require { "require" } else { "report" },
                    "hub": {
                        "organisation": subject.organisation,
                        "organisational_unit": subject.organisational_unit,
                        "common_name": subject.common_name,
                    },
                    "provider_ids": [PROVIDER],
                    "jwks": { "environment": "sandbox" },
                    "upstream": KEYSTORE,
                });
                signing
            }
        }
    }
}

/// The Hub's key.
pub fn key(key: Key) -> &'static SigningKey {
    match key {
        Key::First => &hub().signing,
        Key::Next => &Pki::shared().next_signing,
    }
}

/// A server that the filter calls: keystore, authorisation server or signer, whichever a setup has.
#[derive(Debug)]
pub struct Server {
    /// How it answers.
    pub manner: Cell<Manner>,
    /// What it has to say.
    pub contents: Cell<Contents>,
    /// When a token ends that ends, in seconds since 1970.
    pub ending: Cell<u64>,
}

impl Server {
    /// One that does as it should.
    pub fn new() -> Rc<Self> {
        Rc::new(Server { manner: Cell::new(Manner::Good), contents: Cell::new(Contents::First), ending: Cell::new(0) })
    }

    fn upstream(self: Rc<Self>) -> Upstream {
        Upstream::scripted(move |headers, body| {
            let path = headers.text(":path").unwrap_or_default();
            let (status, right) = if path == jwks_path(&hub().subject) {
                (200, published(self.contents.get()))
            } else if path == "/introspect" {
                (200, known(self.contents.get(), &asked_about(body), self.ending.get()).to_string())
            } else if path == "/v1/transit/sign/sig4/sha2-256" {
                signed(self.contents.get(), body)
            } else {
                (404, String::new())
            };
            answer(self.manner.get(), status, &right)
        })
    }
}

/// The key set of the Hub, word for word.
pub fn published(contents: Contents) -> String {
    match contents {
        Contents::First => jwks([key(Key::First)]),
        Contents::Second => jwks([key(Key::First), key(Key::Next)]),
        Contents::Third => jwks([key(Key::Next)]),
    }
    .to_string()
}

/// The text of a token of which only the authorisation server knows what it is.
pub fn opaque(kind: Opaque, which: u8) -> String {
    let name = match kind {
        Opaque::Active => "active",
        Opaque::Ending => "ending",
        Opaque::Inactive => "inactive",
        Opaque::Elsewhere => "elsewhere",
        Opaque::Scopeless => "scopeless",
    };
    format!("{name}-{which}")
}

/// The token in the body of an introspection request.
pub fn asked_about(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let token = body.split('&').find_map(|pair| pair.strip_prefix("token="));
    token.unwrap_or_default().to_owned()
}

/// What the authorisation server says of a token.
pub fn known(contents: Contents, token: &str, ending: u64) -> Value {
    let kind = token.split('-').next().unwrap_or_default();
    if contents == Contents::Second || !["active", "ending", "elsewhere", "scopeless"].contains(&kind) {
        return json!({ "active": false });
    }
    let elsewhere = kind == "elsewhere" || contents == Contents::Third;
    let certificate = if elsewhere { &Pki::shared().tpp.transport } else { &hub().transport };
    let mut answer = json!({
        "active": true,
        "scope": if kind == "scopeless" { "payments" } else { "accounts" },
        "cnf": { "x5t#S256": certificate.thumbprint() },
    });
    if kind == "ending" {
        answer["exp"] = json!(ending);
    }
    answer
}

fn signed(contents: Contents, body: &[u8]) -> (u16, String) {
    let key = match contents {
        Contents::First => &bank().signing,
        Contents::Second => &Pki::shared().next_bank_signing,
        Contents::Third => return (403, r#"{"errors":["permission denied"]}"#.to_owned()),
    };
    let asked: Value = serde_json::from_slice(body).expect("JSON");
    let input = STANDARD.decode(asked["input"].as_str().expect("an input")).expect("base64");
    let token = sign_input(&String::from_utf8(input).expect("text"), Signer::Ps256(key));
    let (_, signature) = token.rsplit_once('.').expect("a compact JWS");
    (200, json!({ "data": { "key_version": 1, "signature": format!("vault:v1:{signature}") } }).to_string())
}

fn answer(manner: Manner, status: u16, right: &str) -> Answer {
    let good = Answer::status(status).body(right);
    let after = std::time::Duration::from_millis;
    match manner {
        Manner::Good => good,
        Manner::Slow(millis) => good.after(after(millis)),
        Manner::Refused => Answer::refused(),
        Manner::Unresolved => Answer::unresolved(),
        Manner::TlsFailure => Answer::tls_failure(),
        Manner::Reset => Answer::reset(),
        Manner::Never => Answer::never(),
        Manner::Half => Answer::half(),
        Manner::Dripping(millis) => good.body_after(after(millis)),
        Manner::Unavailable => Answer::unavailable(),
        Manner::Unreadable => Answer::unreadable(),
        Manner::Status(status, true) => Answer::status(status).body(right),
        Manner::Status(status, false) => Answer::status(status),
        Manner::Html => Answer::ok("<html>Sign in</html>"),
        Manner::Empty => Answer::ok(""),
        Manner::TooLong => Answer::status(status).body(format!("{right}{}", " ".repeat(600_000))),
        Manner::LyingLength => good.header("content-length", "9999"),
        Manner::Announced(status) => good.after_informational(status),
        Manner::Old => good.http_1_0(),
        Manner::Unframed => good.until_the_end(),
        Manner::Closing => good.then_closes(),
    }
}
