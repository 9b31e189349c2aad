//! What users of Envoy have without this filter: Envoy's own `jwt_authn`, alone and with a Lua filter that does the rest.

use serde_json::{Value, json};
use wasm_tests::stage::client::Request;
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::jwks;
use wasm_tests::stage::{PROVIDER_ID, Stage, signed_by};

use super::contestants::TOKEN_CACHE;

/// The rest, in Lua.
const SCRIPT: &str = include_str!("identity.lua");

/// `jwt_authn` with the same key, and the same rules as far as it has them: it does not look at `typ`, `cty`, `jti` and the client
/// certificate.
pub(super) fn alone(cached: bool) -> String {
    let mut provider = provider();
    if cached {
        provider["jwt_cache_config"] = json!({"jwt_cache_size": TOKEN_CACHE});
    }
    listed(&filter(&provider))
}

/// The same without a cache, and behind it the Lua filter, to which it hands over what it has read.
pub(super) fn with_lua() -> String {
    let mut provider = provider();
    provider["header_in_metadata"] = json!("header");
    provider["payload_in_metadata"] = json!("payload");
    let lua = json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": SCRIPT},
        },
    });
    listed(&filter(&provider)) + &listed(&lua)
}

/// That the bank behind it gets the identity headers that ours would set, and none that the caller made up.
pub(super) async fn check_identity_headers(stage: &Stage) {
    let hub = &Pki::shared().hub;
    let names = ["auth-method", "client-organisation", "client-organisational-unit", "token-id"];
    let names = names.map(|name| format!("x-hub-{name}"));
    let request = Request::with_token(&signed_by(hub));
    let forged = names.iter().fold(request, |request, name| request.header(name, "forged").header(name, "twice"));
    assert_eq!(stage.send_as_hub(&forged).await.reply().status, 200);
    let received = stage.bank.take();
    let told = names.each_ref().map(|name| received[0].value(name));
    let subject = &hub.subject;
    let expected = [Some("jwt_auth"), Some(&*subject.organisation), Some(&*subject.organisational_unit)];
    assert_eq!(told[..3], expected, "jwt_authn + Lua on forged identity headers");
    assert_eq!(told[3].map(str::len), Some(36), "jwt_authn + Lua: {told:?}");
    assert_eq!(received[0].value("authorization"), None, "jwt_authn + Lua hands the token on");
}

fn provider() -> Value {
    let hub = &Pki::shared().hub;
    json!({
        "issuer": hub.subject.organisation,
        "subjects": {"exact": hub.subject.organisational_unit},
        "audiences": [PROVIDER_ID],
        "require_expiration": true,
        "max_lifetime": "300s",
        "clock_skew_seconds": 10,
        "local_jwks": {"inline_string": jwks([&hub.signing]).to_string()},
    })
}

fn filter(provider: &Value) -> Value {
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"hub": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "hub"}}],
        },
    })
}

/// As an item of the shipped file's filters.
fn listed(filter: &Value) -> String {
    format!("                  - {filter}\n")
}
