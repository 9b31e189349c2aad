//! What is signed, and what is not.

use serde_json::{Value, json};
use wasm_tests::stage::client::Request;
use wasm_tests::stage::module_signer::CLIENT_TOKEN;
use wasm_tests::stage::openbao::{KEY_PATH, SIGN_PATH};

use super::{body, claims, input, request, sign, signed, started};
use crate::openssl;

#[tokio::test]
async fn a_token_is_signed_so_that_openssl_verifies_it_with_the_key_that_is_told() {
    let (signer, _module) = started(&["--kid", "sig4-bao", "--issuer", "Acme Bank"]).await;
    let public_key = signer.public_key().await;
    let input = input(&claims());
    for path in [SIGN_PATH, SIGN_PATH.strip_suffix("/sha2-256").expect("a hash")] {
        for method in ["POST", "PUT"] {
            let request = Request::new(method, path).body(body(&input).to_string().as_bytes());
            openssl::assert_signed(&signed(&input, &signer.ask(request).await), &public_key);
        }
    }
}

#[tokio::test]
async fn a_token_that_hashes_nothing_itself_signs_as_well() {
    let module = super::module();
    module.set("slots.mechanisms = -CKM_SHA256_RSA_PKCS_PSS\n");
    let signer = super::ModuleSigner::on_port(super::tool(), &module, super::LABEL, &[]).await;
    let input = input(&claims());
    let reply = signer.ask(request(&body(&input))).await;
    openssl::assert_signed(&signed(&input, &reply), &signer.public_key().await);
}

#[tokio::test]
async fn nothing_else_is_signed() {
    let options = ["--kid", "sig4-bao", "--issuer", "Acme Bank", "--subject", "XYZ", "--audience", "retail"];
    let (signer, _module) = started(&options).await;
    let with = |member: &str, value: Value| {
        let mut claims = claims();
        claims[member] = value;
        body(&input(&claims))
    };
    let other = |member: &str, value: Value| {
        let mut body = body(&input(&claims()));
        body[member] = value;
        body
    };
    let cases = [
        ("another document", body("Pay 1,000,000 to the bearer.")),
        ("a token of another bank", with("iss", json!("Other Bank"))),
        ("a token for somebody else", with("aud", json!("insurance"))),
        ("a token for later", with("iat", json!(super::now() + 3600))),
        ("a token that lives long", with("exp", json!(super::now() + 3600))),
        ("a digest of something", other("prehashed", json!(true))),
        ("PKCS#1 v1.5", other("signature_algorithm", json!("pkcs1v15"))),
        ("another salt", other("salt_length", json!("auto"))),
        ("another hash", other("hash_algorithm", json!("sha2-512"))),
        ("several at once", other("batch_input", json!([]))),
        ("another version", other("key_version", json!(2))),
    ];
    for (what, body) in cases {
        let reply = signer.ask(request(&body)).await;
        assert_eq!(reply.status, 400, "{what}: {}", reply.json());
        let told = reply.json();
        assert!(
            told["errors"][0].as_str().is_some_and(|text| text.contains("expected") || text.contains("version")),
            "{told}"
        );
    }
    let signed = signer.events("signature").into_iter().filter(|line| line["outcome"] == "signed").count();
    assert_eq!(signed, 0);
    assert_eq!(sign(&signer).await.status, 200);
}

#[tokio::test]
async fn only_who_has_the_token_of_a_client_gets_a_signature_or_the_key() {
    let (signer, _module) = started(&[]).await;
    let asked = request(&body(&input(&claims())));
    let shorter = CLIENT_TOKEN.trim_end_matches('r');
    let wrong = ["", "a", shorter, &format!("{CLIENT_TOKEN}a"), &CLIENT_TOKEN.to_uppercase()];
    for request in [asked.clone(), Request::new("GET", KEY_PATH), Request::new("GET", "/v1/else")] {
        let mut refused = vec![signer.send(&request).await];
        for token in wrong {
            refused.push(signer.send(&request.clone().header("x-vault-token", token)).await);
        }
        let twice = request.clone().header("x-vault-token", CLIENT_TOKEN).header("x-vault-token", "another");
        refused.push(signer.send(&twice).await);
        refused.push(signer.ask(request.header("x-vault-namespace", "other")).await);
        for reply in refused {
            assert_eq!((reply.status, reply.json()), (403, json!({"errors": ["permission denied"]})));
        }
    }
    assert_eq!(signer.ask(asked).await.status, 200);
}

#[tokio::test]
async fn what_is_too_long_is_refused_and_others_are_served() {
    let (signer, _module) = started(&[]).await;
    let long = Request::new("POST", SIGN_PATH).body(&[b' '; 16 * 1024 + 1]);
    assert_eq!(signer.ask(long).await.status, 413);
    let head = Request::new("GET", KEY_PATH).header("x-filler", "x".repeat(32 * 1024));
    assert_eq!(signer.ask(head).await.status, 431);
    assert_eq!(sign(&signer).await.status, 200);
}
