//! Key sets, from files and from a keystore with TLS.

use serde_json::{Value, json};
use wasm_tests::stage::keystore::{Behaviour, Keystore};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens;

use super::{file, hub_auth, text};

#[test]
fn used_and_skipped_keys_are_told_apart() {
    let signing = &Pki::shared().hub.signing;
    let mut set = tokens::jwks([signing, &Pki::shared().next_signing]);
    set["keys"][1]["use"] = json!("enc");
    let (_folder, path) = file("jwks.json", &set.to_string());
    let output = hub_auth(&["jwks", path.to_str().expect("UTF-8")]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(printed.contains(&format!("used     {}  (PS256)", signing.kid)), "{printed}");
    assert!(printed.contains(&format!("skipped  {}  its use is not sig", Pki::shared().next_signing.kid)), "{printed}");
}

#[test]
fn a_set_that_the_filter_refuses_is_refused() {
    for content in ["<html>", "{}", "{\"keys\": []}"] {
        let (_folder, path) = file("jwks.json", content);
        let output = hub_auth(&["jwks", "--format", "json", path.to_str().expect("UTF-8")]);
        let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(said["refused"].is_string(), "{said}");
        assert_eq!(output.status.code(), Some(1), "{content}");
    }
    for source in ["/there/is/no/such", "http://127.0.0.1:1/application.jwks"] {
        let output = hub_auth(&["jwks", source]);
        assert_eq!(output.status.code(), Some(2), "{source}");
        assert!(text(&output.stderr).contains(source), "{}", text(&output.stderr));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keystore_is_asked_over_tls_and_only_believed_with_its_name() {
    let pki = Pki::shared();
    let keystore = Keystore::start(&pki.public_server(&["localhost"])).await;
    keystore.publish(&pki.hub.subject, tokens::jwks([&pki.hub.signing]));
    let (_roots, roots) = file("roots.pem", &pki.public_roots());
    let ca = roots.to_str().expect("UTF-8").to_owned();
    let subject = &pki.hub.subject;
    let port = keystore.address().port();
    let path = format!("{}/{}/application.jwks", subject.organisational_unit, subject.common_name);
    let ask = |host: &str, ca: Option<String>| {
        let url = format!("https://{host}:{port}/{path}");
        tokio::task::spawn_blocking(move || {
            let mut arguments = vec!["jwks".to_owned(), url];
            arguments.extend(ca.into_iter().flat_map(|ca| ["--ca".to_owned(), ca]));
            hub_auth(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
        })
    };
    let output = ask("localhost", Some(ca.clone())).await.expect("an answer");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains(&pki.hub.signing.kid));
    for (host, ca) in [("127.0.0.1", Some(ca.clone())), ("localhost", None)] {
        let output = ask(host, ca).await.expect("an answer");
        assert_eq!(output.status.code(), Some(2), "{host}");
        assert!(text(&output.stderr).contains("certificate"), "{}", text(&output.stderr));
    }
    keystore.behave(Behaviour::status(404));
    let output = ask("localhost", Some(ca)).await.expect("an answer");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("404"), "{}", text(&output.stderr));
}
