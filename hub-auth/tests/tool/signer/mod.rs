//! `hub-auth signer` with a real SoftHSM: as its clients see it, and what becomes of it when the token, a client or the system is in
//! trouble.

mod answers;
mod clients;
mod gateway;
mod journal;
mod key;
mod module;
mod token;
mod transit;
mod unit;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::module_signer::ModuleSigner;
use wasm_tests::stage::openbao::SIGN_PATH;
use wasm_tests::stage::softhsm::Softhsm;

/// The label of the key.
const LABEL: &str = "sig4";

/// The tool.
fn tool() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_hub-auth"))
}

/// A token with a key that was made in it.
fn module() -> Softhsm {
    let module = Softhsm::new();
    module.make_key(tool(), LABEL);
    module
}

/// A daemon on a port, with a key, and these arguments.
async fn started(arguments: &[&str]) -> (ModuleSigner, Softhsm) {
    let module = module();
    (ModuleSigner::on_port(tool(), &module, LABEL, arguments).await, module)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs()
}

/// Claims as the filter makes them.
fn claims() -> Value {
    json!({"iss": "Acme Bank", "sub": "XYZ", "aud": "retail", "exp": now() + 30, "iat": now(), "jti": "a-token"})
}

/// What the filter has signed for these claims.
fn input(claims: &Value) -> String {
    let header = json!({"alg": "PS256", "typ": "JOSE", "cty": "json", "kid": "sig4-bao"});
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", part(&header), part(claims))
}

/// What the filter sends to have it signed.
fn body(input: &str) -> Value {
    json!({
        "input": STANDARD.encode(input), "signature_algorithm": "pss", "salt_length": "hash", "marshaling_algorithm": "jws",
    })
}

/// A request for a signature.
fn request(body: &Value) -> Request {
    Request::new("POST", SIGN_PATH).body(body.to_string().as_bytes())
}

/// Has a token signed.
async fn sign(signer: &ModuleSigner) -> Reply {
    signer.ask(request(&body(&input(&claims())))).await
}

/// The token, of an answer that must have its signature.
#[track_caller]
fn signed(input: &str, reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.json());
    let told = reply.json();
    let signature = told["data"]["signature"].as_str().expect("a signature");
    format!("{input}.{}", signature.strip_prefix("vault:v1:").expect("vault:v1:"))
}
