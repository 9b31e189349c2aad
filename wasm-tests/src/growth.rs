//! What a request costs by how much is configured, known and sent, in wasmtime's fuel, which is the same on every machine: whether it
//! grows where it should not.
//!
//! Each request is measured twice: once with a token that was never seen, and once with one whose signature is remembered, because next
//! to RSA nothing shows. Before each comes somebody else, so that the certificate is looked at anew.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::host::{Answer, Engine, Exchange, Gateway, Module, Outcome, Peer, Profile, Request, Upstream};
use crate::stage::pki::Pki;
use crate::stage::subject::Subject;
use crate::stage::tokens::{Signer, SigningKey, Token, jwks};

const KEYSTORE: &str = "keystore";
/// As long as a header of a gateway or a tracer is.
const HEADER_VALUE: &str = "6f1c0e58-2b1d-4c55-9a3e-0d4f5b6a7c81";
/// The configuration takes no more.
const MOST_API_KEYS: usize = 16;
/// What a request has beside its padding: credential and provider.
const HEADERS: usize = 2;

/// How the cost grows with one thing.
pub struct Growth {
    /// With what.
    pub what: &'static str,
    /// Whether there are more bytes to read.
    pub reads_bytes: bool,
    /// From the smallest on.
    pub sizes: Vec<Size>,
}

/// What an admitted request costs at one size.
pub struct Size {
    /// How many.
    pub count: usize,
    /// Bytes of all headers of the request.
    pub bytes: usize,
    /// Fuel with a token, or key, that was never seen.
    pub admitted: u64,
    /// Fuel with a token whose signature is remembered.
    pub remembered: Option<u64>,
}

/// What is configured, known and sent.
struct Scene {
    pinned: usize,
    known: usize,
    provider_ids: usize,
    headers: usize,
    token_bytes: usize,
}

impl Growth {
    /// Measures all that could grow, with this module.
    ///
    /// # Panics
    /// If a request is not admitted.
    #[must_use]
    pub fn measure(module: &Module) -> Vec<Self> {
        let scene = || Scene { pinned: 1, known: 1, provider_ids: 1, headers: HEADERS, token_bytes: 0 };
        let sizes = |counts: &[usize], scene: &dyn Fn(usize) -> Scene| -> Vec<Size> {
            counts.iter().map(|count| scene(*count).measure(module, *count)).collect()
        };
        vec![
            Self {
                what: "pinned organisations",
                reads_bytes: false,
                sizes: sizes(&[1, 8, 64], &|pinned| Scene { pinned, ..scene() }),
            },
            Self {
                what: "key sets",
                reads_bytes: false,
                sizes: sizes(&[1, 64], &|known| Scene { pinned: 64, known, ..scene() }),
            },
            Self {
                what: "API keys",
                reads_bytes: false,
                sizes: [1, MOST_API_KEYS].into_iter().map(|keys| with_api_keys(module, keys)).collect(),
            },
            Self {
                what: "provider ids",
                reads_bytes: false,
                sizes: sizes(&[1, 64], &|provider_ids| Scene { provider_ids, ..scene() }),
            },
            Self {
                what: "headers",
                reads_bytes: true,
                sizes: sizes(&[10, 96], &|headers| Scene { headers, ..scene() }),
            },
            Self {
                what: "bytes of the token",
                reads_bytes: true,
                sizes: sizes(&[1024, 8192], &|token_bytes| Scene { token_bytes, ..scene() }),
            },
        ]
    }

    /// The most that it costs at any size, as a multiple of what the smallest costs.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.sizes.iter().flat_map(|size| self.ratios(size)).fold(0.0, f64::max)
    }

    /// What it costs at this size as a multiple of what the smallest costs, with a new token and with a remembered one.
    pub fn ratios(&self, size: &Size) -> impl Iterator<Item = f64> {
        let [these, smallest] = [size, &self.sizes[0]].map(|size| [Some(size.admitted), size.remembered]);
        these.into_iter().zip(smallest).filter_map(|(one, smallest)| Some(one? as f64 / smallest? as f64))
    }

    /// The fuel for each byte by which the largest is larger than the smallest, with a new token.
    #[must_use]
    pub fn fuel_per_byte(&self) -> f64 {
        let (smallest, largest) = (&self.sizes[0], &self.sizes[self.sizes.len() - 1]);
        (largest.admitted as f64 - smallest.admitted as f64) / (largest.bytes - smallest.bytes) as f64
    }
}

impl Scene {
    fn measure(&self, module: &Module, count: usize) -> Size {
        let gateway = self.start(module);
        for number in 1..=self.known {
            // The first request fetches the keys, the second prepares the key.
            for _ in 0..2 {
                admitted(&gateway, self.request(&subject(number), &self.token(&gateway, &subject(number))));
            }
        }
        // The one that a search from the front finds last.
        let caller = subject(self.known);
        let token = self.token(&gateway, &caller);
        let cost = || {
            come_between(&gateway);
            let request = self.request(&caller, &token);
            admitted(&gateway, request).fuel()
        };
        let (first, again) = (cost(), cost());
        let bytes = self.headers().map(|(name, value)| name.len() + value.len()).sum::<usize>() + token.len();
        Size { count, bytes, admitted: first, remembered: Some(again) }
    }

    fn start(&self, module: &Module) -> Gateway {
        // Those that call stand behind all others.
        let units: Vec<String> = (1..=self.pinned).map(|number| subject(number).organisational_unit).rev().collect();
        let ids: Vec<String> = (1..=self.provider_ids).map(provider_id).collect();
        let jwt_auth = json!({"jwks": {"environment": "sandbox"}, "upstream": KEYSTORE, "token_cache_capacity": 1000});
        let keys = jwks([signing_key()]).to_string();
        let keystore = (1..=self.known).map(subject).fold(Upstream::new(), |keystore, subject| {
            let path = format!("/{}/{}/application.jwks", subject.organisational_unit, subject.common_name);
            keystore.route(path, Answer::ok(keys.clone()))
        });
        start(module, &units, &ids, &json!({"jwt_auth": jwt_auth}), keystore)
    }

    fn token(&self, gateway: &Gateway, subject: &Subject) -> String {
        let key = signing_key();
        let token = Token::new(subject, &key.kid, &provider_id(self.provider_ids), gateway.now().as_secs());
        let sign = |token: Token| token.sign(Signer::Ps256(key));
        let bare = sign(token.clone().claim("note", ""));
        match self.token_bytes.checked_sub(bare.len()) {
            None | Some(0) => sign(token),
            // Four characters of base64 are three bytes.
            Some(missing) => sign(token.claim("note", "x".repeat(missing / 4 * 3))),
        }
    }

    fn request(&self, subject: &Subject, token: &str) -> Request {
        let request = self.headers().fold(calls(subject), |request, (name, value)| request.header(name, value));
        request.header("authorization", format!("Bearer {token}"))
    }

    /// All headers but the one with the token.
    fn headers(&self) -> impl Iterator<Item = (String, String)> {
        let padding =
            (0..self.headers - HEADERS).map(|number| (format!("x-note-{number:02}"), HEADER_VALUE.to_owned()));
        std::iter::once(("o3-provider-id".to_owned(), provider_id(self.provider_ids))).chain(padding)
    }
}

fn with_api_keys(module: &Module, keys: usize) -> Size {
    let key = |number: usize| format!("k-2026-{number:032}");
    let known: Vec<Value> = (1..=keys)
        .map(|number| {
            let digest = digest(&SHA256, key(number).as_bytes());
            let sha256: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            json!({"id": format!("key-{number}"), "sha256": sha256})
        })
        .collect();
    let caller = subject(1);
    let unit = std::slice::from_ref(&caller.organisational_unit);
    let gateway = start(module, unit, &[provider_id(1)], &json!({"api_key": {"keys": known}}), Upstream::new());
    let value = key(keys);
    let cost = || {
        come_between(&gateway);
        admitted(&gateway, calls(&caller).header("authorization", &value)).fuel()
    };
    cost();
    Size { count: keys, bytes: value.len(), admitted: cost(), remembered: None }
}

fn start(module: &Module, units: &[String], ids: &[String], method: &Value, keystore: Upstream) -> Gateway {
    let configuration = json!({"inbound": {
        "provider_ids": ids, "peer": {"organisational_units": units}, "auth": method,
    }});
    let profile = Profile { engine: Engine::Metered, ..Profile::envoy() };
    let gateway = Gateway::new(profile).configuration(configuration.to_string()).upstream(KEYSTORE, keystore);
    gateway.start(module).expect("the gateway starts")
}

/// Sends it, with its response and its end.
fn admitted(gateway: &Gateway, request: Request) -> Exchange {
    let exchange = gateway.send(request);
    gateway.settle();
    assert!(matches!(exchange.outcome(), Outcome::Upstream(_)), "{:?}", exchange.outcome());
    exchange
}

/// A request of somebody else, who is refused.
fn come_between(gateway: &Gateway) {
    let stranger = Subject { organisational_unit: "somebody-else".to_owned(), ..subject(1) };
    let exchange = gateway.send(calls(&stranger));
    gateway.settle();
    assert!(matches!(exchange.outcome(), Outcome::Replied(_)), "{:?}", exchange.outcome());
}

fn calls(subject: &Subject) -> Request {
    let Subject { organisation, organisational_unit, common_name } = subject;
    Request::get("/accounts")
        .peer(Peer::verified(format!("CN={common_name},OU={organisational_unit},O={organisation},C=AE")))
}

/// One of many Hubs.
fn subject(number: usize) -> Subject {
    let unit = format!("{number:08}-4216-4b3c-a362-9e4a9282bba7");
    Subject::new("Example Hub Operations", &unit, &format!("{number:08}-0a24-4f58-9b0c-1c7b2f6e8d5b"))
}

fn provider_id(number: usize) -> String {
    format!("provider-{number:02}")
}

/// All of them sign with this.
fn signing_key() -> &'static SigningKey {
    &Pki::shared().hub.signing
}
