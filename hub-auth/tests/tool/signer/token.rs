//! A token that is taken out and put back, and one that is another.

use std::fs;
use std::time::{Duration, Instant};

use wasm_tests::stage::client::Request;
use wasm_tests::stage::module_signer::ModuleSigner;
use wasm_tests::stage::openbao::KEY_PATH;

use super::{LABEL, claims, input, module, request, sign, signed, started, tool};
use crate::openssl;

#[tokio::test]
async fn without_its_token_it_signs_nothing_and_with_it_again_by_itself() {
    let (signer, module) = started(&[]).await;
    let public_key = signer.public_key().await;
    for _ in 0..2 {
        module.take_out();
        assert_eq!(sign(&signer).await.status, 503);
        signer.until_health_is(503).await;
        assert_eq!(signer.ask(Request::new("GET", KEY_PATH)).await.status, 503);
        module.put_back();
        signer.until_health_is(200).await;
        let input = input(&claims());
        openssl::assert_signed(&signed(&input, &signer.ask(request(&super::body(&input))).await), &public_key);
    }
}

#[tokio::test]
async fn that_the_token_is_gone_is_seen_without_a_request() {
    let (signer, module) = started(&[]).await;
    module.take_out();
    signer.until_health_is(503).await;
    assert!(signer.events("signature").is_empty());
}

#[tokio::test]
async fn it_waits_for_a_token_that_is_not_there_at_its_start() {
    let module = module();
    module.take_out();
    let signer = ModuleSigner::on_port(tool(), &module, LABEL, &[]).await;
    signer.until_health_is(503).await;
    module.put_back();
    signer.until_health_is(200).await;
    assert_eq!(sign(&signer).await.status, 200);
}

/// Whoever publishes a key has published the one that was there.
#[tokio::test]
async fn another_key_under_the_name_of_the_first_does_not_sign() {
    let (signer, module) = started(&[]).await;
    module.take_out();
    signer.until_health_is(503).await;
    module.init("hub");
    module.make_key(tool(), LABEL);
    let started = Instant::now();
    while !signer.log().contains("the token has another key of this name than before") {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", signer.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(sign(&signer).await.status, 503);
    for token in fs::read_dir(module.tokens()).expect("a folder") {
        fs::remove_dir_all(token.expect("a token").path()).expect("a folder");
    }
    module.put_back();
    signer.until_health_is(200).await;
    assert_eq!(sign(&signer).await.status, 200);
}
