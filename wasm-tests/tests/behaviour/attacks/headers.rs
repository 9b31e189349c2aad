//! Attacks with other members of the JOSE header: keys that a token brings along, extensions that it asks for, and a `kid`
//! that is more than a name (RFC 7515 §4.1, RFC 7797, RFC 8725 §3.10; spec §2.4).

use serde_json::json;
use wasm_tests::host::Upstream;
use wasm_tests::stage::tokens::compact;

use super::*;

/// A gateway that could reach the attacker's keys, under the attacker's `kid` and the Hub's: on a server of its own, and at
/// its own place in the keystore.
fn surrounded(host: Host) -> Gateway {
    let theirs = &attacker().signing;
    let keys = json!({ "keys": [theirs.jwk(), jwk(theirs, json!({ "kid": hub().signing.kid }))] });
    let answer = Answer::ok(keys.to_string());
    let keystore = keystore([&hub().signing]).route(jwks_path(&attacker().subject), answer.clone());
    host.with(&jwt_auth())
        .upstream(KEYSTORE, keystore)
        .upstream("evil.example", Upstream::new().otherwise(answer))
        .start(Module::release())
        .expect("the gateway starts")
}

/// A token that brings this header member along is believed only if the Hub's published key signed it.
fn never_chooses_the_key(host: Host, name: &str, values: &[Value]) {
    let gateway = surrounded(host);
    let theirs = Signer::Ps256(&attacker().signing);
    for value in values {
        let forged = token(&gateway).header(name, value.clone());
        refused(&gateway, "the Hub's kid", with(&forged.sign(theirs)), INVALID_SIGNATURE, "signature");
        let their_kid = forged.clone().header("kid", attacker().signing.kid.as_str());
        refused(&gateway, "their own kid", with(&their_kid.sign(theirs)), INVALID_HEADER, "kid of the token is not in");
        let no_kid = forged.clone().header("kid", json!(null));
        refused(&gateway, "no kid", with(&no_kid.sign(theirs)), INVALID_HEADER, "must have a kid");
        admitted(&gateway, "the member is ignored in the Hub's own token", signed(&forged));
    }
    only_the_hubs_keys_were_asked_for(&gateway);
}

/// Where the attacker's keys are: at its own server, and at its own place in the keystore.
fn addresses_of_the_attacker() -> Vec<Value> {
    let keystore = "https://keystore.sandbox.directory.openfinance.ae";
    vec![
        json!("https://evil.example/keys"),
        json!(format!("{keystore}{}", jwks_path(&attacker().subject))),
        json!("http://127.0.0.1:9901/keys"),
    ]
}

#[apply(every_gateway)]
fn an_embedded_jwk_never_verifies_a_token(host: Host) {
    never_chooses_the_key(host, "jwk", &[attacker().signing.jwk()]);
}

#[apply(every_gateway)]
fn a_jku_is_never_fetched_and_never_verifies_a_token(host: Host) {
    never_chooses_the_key(host, "jku", &addresses_of_the_attacker());
}

#[apply(every_gateway)]
fn an_x5u_is_never_fetched_and_never_verifies_a_token(host: Host) {
    never_chooses_the_key(host, "x5u", &addresses_of_the_attacker());
}

#[apply(every_gateway)]
fn an_x5c_never_verifies_a_token_even_if_the_trust_framework_issued_it(host: Host) {
    never_chooses_the_key(host, "x5c", &[attacker().signing.jwk()["x5c"].clone()]);
}

#[apply(every_gateway)]
fn a_crit_of_any_kind_is_refused(host: Host) {
    let gateway = host.start();
    for crit in [
        r#"["exp"]"#,
        r#"["b64"]"#,
        r#"["kid"]"#,
        r#"["urn:example:extension"]"#,
        r#"[""]"#,
        "[]",
        "null",
        r#""exp""#,
        "{}",
    ] {
        let right = token(&gateway);
        for extension in ["", r#","exp":1,"b64":true,"urn:example:extension":true"#] {
            let header = with_member(&right.header, &format!(r#""crit":{crit}{extension}"#));
            let critical = compact(&header, &right.claims.to_string(), sig3());
            refused(&gateway, crit, with(&critical), INVALID_HEADER, "extensions");
        }
        let known = with_member(&right.header, r#""exp":1,"urn:example:extension":true"#);
        admitted(&gateway, crit, with(&compact(&known, &right.claims.to_string(), sig3())));
    }
}

#[apply(every_gateway)]
fn an_unencoded_payload_is_refused(host: Host) {
    let gateway = host.start();
    for b64 in [json!(false), json!(true), json!("false"), json!(0)] {
        let case = b64.to_string();
        let unencoded = token(&gateway).header("b64", b64);
        refused(&gateway, &case, signed(&unencoded), INVALID_HEADER, "extensions");
        refused(&gateway, &case, signed(&unencoded.header("crit", json!(["b64"]))), INVALID_HEADER, "extensions");
    }
}

#[apply(every_gateway)]
fn a_kid_with_a_path_or_a_url_is_a_name_and_nothing_else(host: Host) {
    for kid in ["../../x", "..%2f..%2fx", "/etc/passwd", "https://evil.example/keys", "x?y#z", "' OR 1=1 --", "a|id;b"]
    {
        let gateway = surrounded(host);
        let forged = token(&gateway).header("kid", kid);
        refused(&gateway, kid, signed(&forged), INVALID_HEADER, "kid of the token is not in");
        only_the_hubs_keys_were_asked_for(&gateway);

        let gateway = publishing_jwks(host, &[jwk(&hub().signing, json!({ "kid": kid }))]);
        admitted(&gateway, "published under that name", signed(&token(&gateway).header("kid", kid)));
        only_the_hubs_keys_were_asked_for(&gateway);
    }
}

/// A gateway whose keystore publishes the Hub's next key under this `kid`, beside a harmless one.
fn with_next_key_named(host: Host, kid: impl Into<Value>) -> Gateway {
    publishing_jwks(host, &[hub().signing.jwk(), jwk(&Pki::shared().next_signing, json!({ "kid": kid.into() }))])
}

/// A token by the key of [`with_next_key_named`].
fn named(gateway: &Gateway, kid: impl Into<Value>) -> Request {
    with(&token(gateway).header("kid", kid).sign(Signer::Ps256(&Pki::shared().next_signing)))
}

#[apply(every_gateway)]
fn a_kid_with_control_characters_is_refused_even_if_it_is_published(host: Host) {
    for control in ["\0", "\n", "\r\nx-admin: 1", "\u{1b}[31m", "\u{7f}", "\u{85}"] {
        let kid = format!("next{control}");
        let gateway = with_next_key_named(host, kid.as_str());
        refused(&gateway, &kid, named(&gateway, kid.as_str()), INVALID_HEADER, "must have a kid");
        assert!(gateway.logs().iter().all(|log| !log.text.chars().any(char::is_control)), "{kid:?} is in the log");

        let gateway = with_next_key_named(host, "next");
        admitted(&gateway, "without them", named(&gateway, "next"));
    }
}

#[apply(every_gateway)]
fn a_kid_of_257_bytes_is_refused_even_if_it_is_published(host: Host) {
    let (longest, longer) = ("k".repeat(256), "k".repeat(257));
    let gateway = with_next_key_named(host, longer.as_str());
    refused(&gateway, "257 bytes", named(&gateway, longer.as_str()), INVALID_HEADER, "1 to 256 bytes");
    refused(&gateway, "none", named(&gateway, ""), INVALID_HEADER, "1 to 256 bytes");
    let gateway = with_next_key_named(host, longest.as_str());
    admitted(&gateway, "256 bytes", named(&gateway, longest.as_str()));
}

#[apply(every_gateway)]
fn a_kid_of_64_kib_is_refused_before_it_is_read(host: Host) {
    let gateway = host.start();
    let endless = signed(&token(&gateway).header("kid", "k".repeat(64 * 1024)));
    refused(&gateway, "64 KiB", endless, MALFORMED, "longer than 8192 bytes");
    assert!(gateway.logs().iter().all(|log| log.text.len() < 1024), "it is in the log");
}

#[apply(every_gateway)]
fn a_kid_that_is_no_text_is_refused_even_if_it_is_published(host: Host) {
    for kid in [json!(7), json!(true), json!(["next"]), json!({ "next": 1 })] {
        let gateway = with_next_key_named(host, kid.clone());
        refused(&gateway, &kid.to_string(), named(&gateway, kid.clone()), INVALID_HEADER, "must have a kid");
    }
    let gateway = with_next_key_named(host, "7");
    admitted(&gateway, "as text", named(&gateway, "7"));
}

#[apply(every_gateway)]
fn another_callers_published_key_verifies_only_that_callers_tokens(host: Host) {
    let gateway = surrounded(host);
    let theirs = Signer::Ps256(&attacker().signing);
    let forged = token(&gateway).header("kid", attacker().signing.kid.as_str());
    refused(&gateway, "their kid", with(&forged.sign(theirs)), INVALID_HEADER, "kid of the token is not in");
    only_the_hubs_keys_were_asked_for(&gateway);
}
