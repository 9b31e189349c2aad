//! Who takes part: Envoys of their own, each with one worker and the shipped listener, which differ in nothing but the first
//! HTTP filter. Left out for all of them: access log, error bodies, the RBAC filter behind ours, and the bank, in whose place
//! Envoy itself answers. What remains is the same work in each, so the filters make up as much of the whole as they can.

use std::path::Path;

use serde_json::{Value, json};
use wasm_tests::artifact::Artifact;
use wasm_tests::stage::envoy;
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, now, with_broken_signature};
use wasm_tests::stage::{Setup, Stage, signed_by, token_of};

use super::jwt_authn;
use super::load::{BODY, CONNECTIONS, Load, Until, request};
use super::machine::ThreadClock;

/// How many tokens our cache of verified tokens and that of `jwt_authn` hold: fewer than the memory section sends.
pub(super) const TOKEN_CACHE: u32 = 1000;

/// A module that answers Continue: what any wasm filter costs on Envoy before it does anything. It has the entry points that
/// ours has for a request (proxy-wasm ABI 0.2.1).
const NO_OP: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
    (func (export "proxy_on_log") (param i32))
    (func (export "proxy_on_delete") (param i32)))"#;

/// The filter of the shipped configuration.
const FILTER: &str = "                  - name: hub_auth_filter";

/// The size of a module in bytes.
pub(crate) fn size(artifact: Artifact) -> u64 {
    std::fs::metadata(path(artifact)).expect("a readable file").len()
}

/// The first filter of a contestant.
#[derive(Clone, Copy)]
pub(crate) enum Filter {
    /// None.
    Nothing,
    /// A module that does nothing.
    NoOp,
    /// Envoy's own `jwt_authn`, asked for as much of what ours does as it can do, with or without its token cache.
    JwtAuthn {
        /// With its cache.
        cached: bool,
    },
    /// The same without the cache, and Envoy's Lua filter for the rest of what ours does.
    JwtAuthnAndLua,
    /// Ours, with nothing asked for but the certificate.
    CertificateOnly(Artifact),
    /// Ours with JWT Auth as shipped, with or without its cache of verified tokens.
    JwtAuth {
        /// Which module.
        artifact: Artifact,
        /// With its cache.
        cached: bool,
    },
}

impl Filter {
    /// Its name in the tables.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Nothing => "no filter".to_owned(),
            Self::NoOp => "wasm that does nothing".to_owned(),
            Self::JwtAuthn { cached: false } => "jwt_authn".to_owned(),
            Self::JwtAuthn { cached: true } => "jwt_authn, token cache".to_owned(),
            Self::JwtAuthnAndLua => "jwt_authn + Lua".to_owned(),
            Self::CertificateOnly(artifact) => format!("hub_auth_filter, {}, certificate only", artifact.name()),
            Self::JwtAuth { artifact, cached: false } => format!("hub_auth_filter, {}", artifact.name()),
            Self::JwtAuth { artifact, cached: true } => format!("hub_auth_filter, {}, token cache", artifact.name()),
        }
    }

    /// The shipped configuration with this filter and one worker, and an answer of Envoy itself in the bank's place.
    pub(crate) fn setup(self) -> Setup {
        let answer = format!("direct_response: {{status: 200, body: {{inline_string: {BODY}}}}}");
        self.before_the_bank().edit("route: {cluster: bank, timeout: 15s}", &answer)
    }

    /// The same before the bank.
    pub(super) fn before_the_bank(self) -> Setup {
        let setup = Setup::new()
            .block("                local_reply_config:", "")
            .block("                access_log:", "")
            .block("                  - name: envoy.filters.http.rbac", "");
        match self {
            Self::Nothing => setup.block(FILTER, ""),
            Self::NoOp => setup.edit(&envoy::module(), &no_op().display().to_string()),
            Self::JwtAuthn { cached } => setup.block(FILTER, &jwt_authn::alone(cached)),
            Self::JwtAuthnAndLua => setup.block(FILTER, &jwt_authn::with_lua()),
            Self::CertificateOnly(artifact) => with_module(setup, artifact).auth(&json!({"mtls_only": {}})),
            Self::JwtAuth { artifact, cached } => {
                let mut settings = json!({"jwks": {"environment": "sandbox"}, "upstream": "keystore"});
                if cached {
                    settings["token_cache_capacity"] = json!(TOKEN_CACHE);
                }
                with_module(setup, artifact).auth(&json!({"jwt_auth": settings}))
            }
        }
    }

    /// Whether it looks at tokens.
    fn verifies(self) -> bool {
        matches!(self, Self::JwtAuthn { .. }) || self.is_whole()
    }

    /// Whether it does all of JWT Auth, so that whoever wants that could use it.
    fn is_whole(self) -> bool {
        matches!(self, Self::JwtAuthnAndLua | Self::JwtAuth { .. })
    }
}

/// Ours with JWT Auth, first without its cache of verified tokens and then with it.
pub(crate) fn with_and_without_cache(artifact: Artifact) -> [Filter; 2] {
    [false, true].map(|cached| Filter::JwtAuth { artifact, cached })
}

/// A contestant that is running, with open connections.
pub(crate) struct Contestant {
    /// Its name in the tables.
    pub(crate) name: String,
    /// Its Envoy and whom it needs.
    pub(crate) stage: Stage,
    load: Load,
    worker: ThreadClock,
}

impl Contestant {
    /// Starts Envoy with this filter, and sees that it lets the Hub in and, if it should, nobody else.
    pub(crate) async fn start(filter: Filter) -> Self {
        Self::start_with(filter, None).await
    }

    /// The same with this set of keys of the Hub in the keystore.
    pub(crate) async fn start_with(filter: Filter, keys: Option<Value>) -> Self {
        let stage = filter.setup().start().await;
        if let Some(keys) = keys {
            stage.keystore.publish(&stage.pki.hub.subject, keys);
        }
        let worker = ThreadClock::of_worker(stage.envoy.process());
        let load = Load::open(stage.envoy.address(), CONNECTIONS);
        let mut contestant = Self { name: filter.name(), stage, load, worker };
        contestant.check(filter.verifies());
        if filter.is_whole() {
            contestant.check_the_whole();
        }
        if let Filter::JwtAuthnAndLua = filter {
            jwt_authn::check_identity_headers(&filter.before_the_bank().start().await).await;
        }
        contestant
    }

    /// Its turn: microseconds of the worker for a request, and requests per second. Every request must be accepted.
    pub(crate) fn turn(&mut self, requests: &[Vec<u8>], until: Until) -> (f64, f64) {
        let before = self.worker.now();
        let (count, took) = self.load.run(requests, until);
        let cost = self.worker.now() - before;
        let count = count as f64;
        (cost.as_secs_f64() * 1e6 / count, count / took.as_secs_f64())
    }

    /// Who verifies accepts the right token, twice for the sake of a cache, and refuses others even then.
    fn check(&mut self, verifies: bool) {
        let token = token();
        let broken = with_broken_signature(&token);
        let expired = token_of(&Pki::shared().hub).valid(now() - 60, now() - 30);
        let expired = expired.sign(Signer::Ps256(&Pki::shared().hub.signing));
        let other = signed_by(&Pki::shared().tpp);
        let refused = if verifies { 401 } else { 200 };
        let cases = [("right", &token, 200), ("right", &token, 200), ("broken", &broken, refused)];
        for (name, token, expected) in
            cases.into_iter().chain([("expired", &expired, refused), ("TPP's", &other, refused)])
        {
            let status = self.load.status(&request(token));
            assert_eq!(status, expected, "{} on the {name} token", self.name);
        }
    }

    /// Who does all of JWT Auth refuses what the signature does not tell: another type, other names, no id, and the Hub's token from
    /// somebody else.
    fn check_the_whole(&mut self) {
        let pki = Pki::shared();
        let right = || token_of(&pki.hub);
        for (name, token) in [
            ("typ", right().header("typ", "JWT")),
            ("cty", right().header("cty", "text")),
            ("iss", right().claim("iss", "Another Hub")),
            ("sub", right().claim("sub", "5d8f7a0e-0000-4000-8000-000000000000")),
            ("jti", right().claim("jti", Value::Null)),
        ] {
            let status = self.load.status(&request(&token.sign(Signer::Ps256(&pki.hub.signing))));
            assert_eq!(status, 401, "{} on a token with another {name}, or none", self.name);
        }
        let status = Load::open_as(&pki.tpp.transport, self.stage.envoy.address(), 1).status(&request(&token()));
        assert!([401, 403].contains(&status), "{} on the Hub's token from a TPP: {status}", self.name);
    }
}

/// A right token of the Hub, as it is sent: valid for 30 seconds.
pub(crate) fn token() -> String {
    signed_by(&Pki::shared().hub)
}

/// Where a module is.
pub(crate) fn path(artifact: Artifact) -> String {
    let path = artifact.path();
    assert!(path.is_file(), "{} is missing: run `make build`.", path.display());
    path.display().to_string()
}

fn with_module(setup: Setup, artifact: Artifact) -> Setup {
    setup.edit(&envoy::module(), &path(artifact))
}

/// The module that does nothing, in a file that stays for as long as this process.
fn no_op() -> &'static Path {
    static FILE: std::sync::OnceLock<tempfile::NamedTempFile> = std::sync::OnceLock::new();
    let file = FILE.get_or_init(|| {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), wat::parse_str(NO_OP).expect("a module")).expect("a writable file");
        file
    });
    file.path()
}
