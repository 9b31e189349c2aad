//! What is said of a token: for each check a wrong token, which fails it and no check before.

use serde_json::{Value, json};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{self, Signer, Token, now, with_broken_signature};

use super::{file, hub_auth, text};

/// The Hub's token, with changes.
fn token(change: impl FnOnce(Token) -> Token) -> String {
    let hub = &Pki::shared().hub;
    change(Token::new(&hub.subject, &hub.signing.kid, "retail", now())).sign(Signer::Ps256(&hub.signing))
}

/// What the tool says of a token, with the Hub's certificate and keys and these further arguments; and its exit status.
fn explained(token: &str, arguments: &[&str]) -> (Value, i32) {
    let (_keys, keys) = file("jwks.json", &tokens::jwks([&Pki::shared().hub.signing]).to_string());
    explained_with(keys.to_str().expect("UTF-8"), token, arguments)
}

/// The same with other keys.
fn explained_with(keys: &str, token: &str, arguments: &[&str]) -> (Value, i32) {
    let (_certificate, certificate) = file("c4.pem", &Pki::shared().hub.transport.chain_pem);
    let certificate = certificate.to_str().expect("UTF-8");
    let mut all = vec!["explain", token, "--format", "json", "--certificate", certificate, "--jwks", keys];
    all.extend(arguments);
    let output = hub_auth(&all);
    let said =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    (said, output.status.code().expect("a status"))
}

/// The check that failed. Those before it were passed or could not be made; those behind it were not reached.
fn failed(said: &Value) -> Option<&str> {
    let checks = said["checks"].as_array().expect("checks");
    let position = checks.iter().position(|check| check["result"] == "failed");
    for (index, check) in checks.iter().enumerate() {
        let result = check["result"].as_str().expect("a result");
        let expected: &[&str] = match position {
            Some(failed) if index == failed => &["failed"],
            Some(failed) if index > failed => &["not reached"],
            _ => &["passed", "not made"],
        };
        assert!(expected.contains(&result), "{check}");
    }
    position.map(|position| checks[position]["check"].as_str().expect("a name"))
}

const CONFIGURATION: &str = r#"{"inbound": {"provider_ids": ["retail"],
    "peer": {"organisational_units": ["OU"]}, "auth": {"jwt_auth": {"jwks": {"environment": "sandbox"}, "upstream": "keystore"}}}}"#;

#[test]
fn a_right_token_passes_every_check() {
    let (said, status) = explained(&token(|token| token), &[]);
    assert_eq!((failed(&said), said["status"].as_u64(), status), (None, Some(200), 0), "{said:#}");
    assert_eq!(said["keys"]["usable"][0]["kid"], Pki::shared().hub.signing.kid);
    let url = said["jwks_url"].as_str().expect("an address");
    assert!(
        url.starts_with("https://keystore.sandbox.directory.openfinance.ae/") && url.ends_with("/application.jwks"),
        "{url}"
    );
}

#[test]
fn each_wrong_token_fails_at_its_own_check() {
    let now = now();
    type Change = Box<dyn FnOnce(Token) -> Token>;
    let changes: [(&str, &str, Change); 14] = [
        ("alg", "JWS.InvalidHeader", Box::new(|token| token.header("alg", "RS256"))),
        ("typ", "JWS.InvalidHeader", Box::new(|token| token.header("typ", "JWT"))),
        ("cty", "JWS.InvalidHeader", Box::new(|token| token.header("cty", Value::Null))),
        ("crit, b64", "JWS.InvalidHeader", Box::new(|token| token.header("crit", json!(["exp"])))),
        ("kid", "JWS.InvalidHeader", Box::new(|token| token.header("kid", ""))),
        ("iss", "JWS.InvalidClaim", Box::new(|token| token.claim("iss", "Somebody"))),
        ("sub", "JWS.InvalidClaim", Box::new(|token| token.claim("sub", "other"))),
        ("aud", "JWS.InvalidClaim", Box::new(|token| token.claim("aud", 7))),
        ("exp", "JWS.InvalidClaim", Box::new(move |token| token.valid(now - 90, now - 60))),
        ("iat", "JWS.InvalidClaim", Box::new(move |token| token.valid(now + 60, now + 90))),
        ("exp - iat", "JWS.InvalidClaim", Box::new(move |token| token.valid(now, now + 3600))),
        ("nbf", "JWS.InvalidClaim", Box::new(move |token| token.claim("nbf", now + 60))),
        ("jti", "JWS.InvalidClaim", Box::new(|token| token.claim("jti", Value::Null))),
        ("key", "JWS.InvalidHeader", Box::new(|token| token.header("kid", "unknown"))),
    ];
    for (check, code, change) in changes {
        let (said, status) = explained(&token(change), &[]);
        assert_eq!((failed(&said), said["error_code"].as_str(), status), (Some(check), Some(code), 1), "{said:#}");
    }
    for (check, wrong) in [
        ("signature", with_broken_signature(&token(|token| token))),
        ("form", "a.b".to_owned()),
        ("credential", "بنك".to_owned()),
    ] {
        let (said, status) = explained(&wrong, &[]);
        assert_eq!((failed(&said), status), (Some(check), 1), "{said:#}");
    }
}

#[test]
fn with_a_configuration_its_pins_and_audiences_count() {
    let unit = &Pki::shared().hub.subject.organisational_unit;
    let right = CONFIGURATION.replace("OU", unit);
    let (_right, right) = file("config.json", &right);
    let arguments = ["--config", right.to_str().expect("UTF-8")];
    assert_eq!(failed(&explained(&token(|token| token), &arguments).0), None);
    assert_eq!(failed(&explained(&token(|token| token.claim("aud", "other")), &arguments).0), Some("aud"));
    let (_other, other) = file("config.json", &CONFIGURATION.replace("OU", "another"));
    let (said, status) = explained(&token(|token| token), &["--config", other.to_str().expect("UTF-8")]);
    assert_eq!((failed(&said), said["status"].as_u64(), status), (Some("pin"), Some(403), 1));
}

#[test]
fn another_time_and_other_clocks_are_told() {
    let issued = 1_795_253_400;
    let old = token(|token| token.valid(issued, issued + 30));
    let (said, _) = explained(&old, &["--at", "2026-11-21T09:30:10Z"]);
    assert_eq!(failed(&said), None, "{said:#}");
    let (said, _) = explained(&old, &["--at", "2026-11-21T09:29:00Z"]);
    assert_eq!(failed(&said), Some("iat"));
    assert!(
        said["clock"][0].as_str().is_some_and(|line| line.contains("in 60 s") && line.contains("clock")),
        "{said:#}"
    );
}

#[test]
fn a_token_comes_from_a_file_or_by_standard_input_too() {
    let token = token(|token| token);
    let (_token, path) = file("token", &format!("Bearer {token}\n"));
    assert_eq!(failed(&explained(path.to_str().expect("UTF-8"), &[]).0), None);
    let hub = &Pki::shared().hub;
    let (_certificate, certificate) = file("c4.pem", &hub.transport.chain_pem);
    let (_keys, keys) = file("jwks.json", &tokens::jwks([&hub.signing]).to_string());
    let command = format!(
        "printf %s \"$1\" | {} explain - --certificate {} --jwks {}",
        env!("CARGO_BIN_EXE_hub-auth"),
        certificate.display(),
        keys.display()
    );
    let output = std::process::Command::new("sh").args(["-c", &command, "sh", &token]).output().expect("a shell");
    let printed = text(&output.stdout);
    assert!(printed.contains("Accepted.") && printed.contains("signature"), "{printed} {}", text(&output.stderr));
}

#[test]
fn what_cannot_be_read_is_named() {
    let (_folder, nonsense) = file("nonsense", "nonsense");
    let nonsense = nonsense.to_str().expect("UTF-8");
    let (_certificate, certificate) = file("c4.pem", &Pki::shared().hub.transport.chain_pem);
    let certificate = certificate.to_str().expect("UTF-8");
    for (arguments, expected) in [
        (&["explain", "x", "--certificate", "/there/is/no/such"][..], "/there/is/no/such: No such file"),
        (&["explain", "x", "--certificate", nonsense], "the certificate is not the PEM"),
        (
            &["explain", "x", "--certificate", certificate, "--config", nonsense],
            "expected a configuration of the filter",
        ),
        (&["explain", "x", "--certificate", certificate, "--at", "noon"], "--at"),
        (&["explain", "x"], "--certificate"),
    ] {
        let output = hub_auth(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(expected), "{expected}: {}", text(&output.stderr));
    }
}

#[test]
fn a_keystore_that_cannot_be_reached_is_said_to_be() {
    let (said, status) = explained_with("https://127.0.0.1:1/application.jwks", &token(|token| token), &[]);
    assert_eq!((failed(&said), said["status"].as_u64(), status), (Some("key set"), Some(503), 1), "{said:#}");
    assert!(said["keys"]["error"].as_str().is_some_and(|error| error.contains("https://127.0.0.1:1/")), "{said:#}");
}
