//! The requests whose fuel is looked at, each on a new Envoy of the test host that has what it needs by then.

use std::time::Duration;

use serde_json::{Value, json};
use wasm_tests::host::{Answer, Exchange, Gateway, Module, Outcome, Peer, Profile, Request, Upstream};
use wasm_tests::stage::pki::{Party, Pki};
use wasm_tests::stage::tokens::{Signer, Token, jwks};

/// The upstream with key sets, by the name that an Envoy's configuration gives it.
const KEYSTORE: &str = "keystore";

/// The provider id of the bank.
const PROVIDER: &str = "retail";

/// When they are, since the Unix epoch: 2026-11-21T00:00:00Z.
const NOW: Duration = Duration::from_secs(1_795_219_200);

/// A request, and all that comes before it.
pub(crate) struct Scene {
    /// What becomes of it.
    pub(crate) name: &'static str,
    configuration: fn() -> Value,
    /// A request that is decided before, and then the one that is looked at.
    requests: fn() -> [Request; 2],
    is_admitted: bool,
}

/// All of them.
pub(crate) const ALL: [Scene; 4] = [
    Scene {
        name: "admitted, keys cached",
        configuration: || inbound(&json!({})),
        requests: || [(); 2].map(|()| with(&token().sign(signer()))),
        is_admitted: true,
    },
    Scene {
        name: "refused for a claim",
        configuration: || inbound(&json!({})),
        requests: || [request(), with(&token().claim("aud", "corporate").sign(Signer::Unsigned))],
        is_admitted: false,
    },
    Scene {
        name: "cached token",
        configuration: || inbound(&json!({ "token_cache_capacity": 10 })),
        requests: || {
            let token = token().sign(signer());
            [with(&token), with(&token)]
        },
        is_admitted: true,
    },
    Scene {
        name: "outbound signature",
        configuration: outbound,
        requests: || [(); 2].map(|()| Request::post("/consents").body("{}")),
        is_admitted: true,
    },
];

impl Scene {
    /// The same request, decided on by each of the modules.
    pub(crate) fn play<const N: usize>(&self, modules: [&Module; N]) -> [Exchange; N] {
        let requests = (self.requests)();
        modules.map(|module| self.play_on(module, requests.clone()))
    }

    fn play_on(&self, module: &Module, [before, request]: [Request; 2]) -> Exchange {
        let pki = Pki::shared();
        let keys = format!("/{}/{}/application.jwks", pki.hub.subject.organisational_unit, pki.hub.subject.common_name);
        let keystore = Upstream::new().route(keys, Answer::ok(jwks([&pki.hub.signing]).to_string()));
        let gateway = Gateway::new(Profile::envoy())
            .configuration((self.configuration)().to_string())
            .environment("SIGNING_KEY", pki.bank.signing.pkcs8_pem())
            .upstream(KEYSTORE, keystore)
            .start_at(NOW)
            .start(module)
            .expect("the gateway starts");
        send(&gateway, before);
        let exchange = send(&gateway, request);
        let is_admitted = matches!(exchange.outcome(), Outcome::Upstream(_));
        assert_eq!(is_admitted, self.is_admitted, "{}: {:?}", self.name, exchange.outcome());
        exchange
    }
}

fn send(gateway: &Gateway, request: Request) -> Exchange {
    let exchange = gateway.worker(0).send(request);
    gateway.settle();
    exchange
}

fn hub() -> &'static Party {
    &Pki::shared().hub
}

fn signer() -> Signer<'static> {
    Signer::Ps256(&hub().signing)
}

fn token() -> Token {
    Token::new(&hub().subject, &hub().signing.kid, PROVIDER, NOW.as_secs())
}

fn request() -> Request {
    let subject = &hub().subject;
    let organisation = subject.organisation.replace(',', "\\,");
    let printed = format!("CN={},OU={},O={organisation},C=AE", subject.common_name, subject.organisational_unit);
    Request::get("/accounts").peer(Peer::verified(printed).pem(leaf_pem(hub())))
}

fn with(token: &str) -> Request {
    request().header("authorization", format!("Bearer {token}"))
}

fn leaf_pem(party: &Party) -> &str {
    let end = "-----END CERTIFICATE-----\n";
    party.transport.chain_pem.split_inclusive(end).next().expect("a certificate")
}

/// JWT Auth for the pinned Hub, with these settings beside those that it needs.
fn inbound(settings: &Value) -> Value {
    let mut method = json!({ "jwks": { "environment": "sandbox" }, "upstream": KEYSTORE });
    let settings = settings.as_object().cloned().unwrap_or_default();
    method.as_object_mut().expect("an object").extend(settings);
    json!({ "inbound": {
        "provider_ids": [PROVIDER],
        "peer": { "organisational_units": [hub().subject.organisational_unit] },
        "auth": { "jwt_auth": method },
    } })
}

fn outbound() -> Value {
    let bank = &Pki::shared().bank;
    json!({ "outbound": {
        "audience": "hub-for-retail",
        "certificate": { "pem": leaf_pem(bank) },
        "keys": [{ "kid": bank.signing.kid, "private_key": { "env": "SIGNING_KEY" } }],
    } })
}
