//! Tokens that the tool mints: by keys of the configuration, and by a real OpenBao.

use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tempfile::TempDir;
use wasm_tests::stage::openbao::{self, OpenBao};
use wasm_tests::stage::openbao_logins::Life;
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{self, SigningKey, now};

use super::openssl::{assert_signed, public_half};
use super::{file, hub_auth, shipped, text};

/// A folder with a configuration, the variables that it names, and what else is needed.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn with(self, name: &str, content: &str) -> Self {
        std::fs::write(self.0.path().join(name), content).expect("a file");
        self
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    /// What the tool says with the configuration and the variables here.
    fn minted(&self, arguments: &[&str]) -> Output {
        let (config, variables) = (self.path("config"), self.path("variables"));
        let mut all = vec!["token", "--config", &config, "--env-file", &variables];
        all.extend(arguments);
        hub_auth(&all)
    }

    fn token(&self, arguments: &[&str]) -> String {
        let output = self.minted(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let token = text(&output.stdout).strip_suffix('\n').expect("a line").to_owned();
        assert!(token.split('.').count() == 3 && !token.contains(char::is_whitespace), "not the token alone: {token}");
        token
    }

    /// Why there is no token. Nothing of it may be printed where the token would be.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.minted(arguments);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{}", text(&output.stderr));
        text(&output.stderr).to_owned()
    }
}

/// A line of a file of variables, in which a file with several lines stands in one.
fn variable(name: &str, key: &SigningKey) -> String {
    format!("{name}={}\n", key.pkcs8_pem().replace('\n', "\\n"))
}

/// The shipped configuration of Envoy with the bank's key.
fn shipped_outbound() -> Files {
    let variables = variable("SIG4_PRIVATE_KEY", &Pki::shared().bank.signing);
    Files::new().with("config", &shipped("envoy/outbound.yaml")).with("variables", &variables)
}

fn plain(change: impl FnOnce(&mut Value)) -> String {
    let mut config = json!({ "outbound": {
        "audience": "retail",
        "certificate": { "organisation": "Example Bank PJSC", "organisational_unit": "d0c1b2a3-9485-4766-9574-839201abcdef" },
        "lifetime": "20s",
        "keys": [{ "kid": "sig4", "private_key": { "env": "SIG4_PRIVATE_KEY" } }],
    } });
    change(&mut config["outbound"]);
    config.to_string()
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("a part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

/// The public half of a key of the stage, PEM.
fn public_pem(key: &SigningKey) -> String {
    let (_folder, path) = file("key.pem", &key.pkcs8_pem());
    public_half(&path)
}

/// Demands that the tool's own `explain`, in a pipe, would let the Hub accept the token.
fn assert_explained(files: &Files, arguments: &str, keys: &Value) {
    let tool = env!("CARGO_BIN_EXE_hub-auth");
    let files_of_hub =
        Files::new().with("c3.pem", &Pki::shared().bank.transport.chain_pem).with("jwks", &keys.to_string());
    let (certificate, keys) = (files_of_hub.path("c3.pem"), files_of_hub.path("jwks"));
    let (config, variables) = (files.path("config"), files.path("variables"));
    let command = format!(
        "{tool} token --config {config} --env-file {variables} {arguments} \
         | {tool} explain - --certificate {certificate} --jwks {keys}"
    );
    let output = Command::new("sh").args(["-c", &command]).output().expect("a shell");
    let said = text(&output.stdout);
    assert!(output.status.success() && said.contains("Accepted."), "{said}{}", text(&output.stderr));
}

#[test]
fn a_local_key_signs_what_the_hub_accepts() {
    let (files, signing) = (shipped_outbound(), &Pki::shared().bank.signing);
    let token = files.token(&[]);
    assert_signed(&token, &public_pem(signing));
    assert_eq!(part(&token, 0), json!({"alg": "PS256", "typ": "JOSE", "cty": "json", "kid": "sig4-2026-05"}));
    let (claims, subject) = (part(&token, 1), &Pki::shared().bank.subject);
    assert_eq!(
        (claims["iss"].as_str(), claims["sub"].as_str()),
        (Some(&*subject.organisation), Some(&*subject.organisational_unit))
    );
    assert_eq!(claims["aud"], "retail");
    let (issued, expiry) = (claims["iat"].as_u64().expect("iat"), claims["exp"].as_u64().expect("exp"));
    assert!(expiry == issued + 30 && now().abs_diff(issued) < 10, "{claims}");
    assert_ne!(claims["jti"], part(&files.token(&[]), 1)["jti"]);
    assert_explained(&files, "", &tokens::jwks([signing]));
}

#[test]
fn what_there_is_to_know_of_a_token_is_said_beside_it() {
    let output = shipped_outbound().minted(&[]);
    let said = text(&output.stderr);
    assert!(
        said.starts_with(
            "Signed with \"sig4-2026-05\", the key of the configuration, for \"retail\". Valid for 30 s, until 2"
        ),
        "{said}"
    );
    let output = shipped_outbound().minted(&["--format", "json"]);
    let object: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let token = object["token"].as_str().expect("a token");
    assert_eq!((&object["header"], &object["claims"]), (&part(token, 0), &part(token, 1)));
    assert_eq!((&object["signer"], &object["curl"]), (&json!("local"), &Value::Null));
}

#[test]
fn the_newest_active_key_signs_and_is_named() {
    let (old, new) = (&Pki::shared().bank.signing, &Pki::shared().next_bank_signing);
    let variables = variable("OLD", old) + &variable("NEW", new);
    let files = |times: [&str; 2]| {
        let config = plain(|outbound| {
            outbound["keys"] = json!([
                { "kid": "old", "private_key": { "env": "OLD" }, "active_from": times[0] },
                { "kid": "new", "private_key": { "env": "NEW" }, "active_from": times[1] },
            ]);
        });
        Files::new().with("config", &config).with("variables", &variables)
    };
    for (times, kid, key) in [
        (["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"], "new", new),
        (["2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z"], "old", old),
    ] {
        let output = files(times).minted(&[]);
        let token = text(&output.stdout).trim();
        assert_signed(token, &public_pem(key));
        assert_eq!(part(token, 0)["kid"], kid);
        let said = format!("Signed with \"{kid}\", the newest active one of 2 keys");
        assert!(text(&output.stderr).contains(&said), "{}", text(&output.stderr));
    }
    let said = files(["2998-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]).refused(&[]);
    assert!(said.contains("No key to sign tokens with is active yet."), "{said}");
}

/// What a shell makes of the command that is printed.
fn words_of_curl(arguments: &[&str]) -> Vec<String> {
    let output = shipped_outbound().minted(arguments);
    let command = text(&output.stdout);
    assert_eq!(command.lines().count(), 1, "{command} {}", text(&output.stderr));
    let script = format!("curl() {{ printf '%s\\n' \"$@\"; }}\n{command}");
    let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn the_command_for_curl_is_whole() {
    for (arguments, url) in [
        (&["--curl"][..], "https://cm.examplebank.preprod.apihub.openfinance.ae/hello-mtls"),
        (&["--curl", "https://hh.bank.example/auth?a=b&c=$HOME"], "https://hh.bank.example/auth?a=b&c=$HOME"),
    ] {
        let words = words_of_curl(arguments);
        let [cert, chain, key, key_file, header_flag, header, to] = &*words else { panic!("{words:?}") };
        assert_eq!([cert, chain, key, key_file], ["--cert", "c3-chain.pem", "--key", "c3-key.pem"]);
        let token = header.strip_prefix("Authorization: Bearer ").expect("a token");
        assert_eq!((header_flag.as_str(), to.as_str()), ("-H", url));
        assert_signed(token, &public_pem(&Pki::shared().bank.signing));
    }
    // A file that names no Hub.
    let files = Files::new()
        .with("config", &plain(|_| ()))
        .with("variables", &variable("SIG4_PRIVATE_KEY", &Pki::shared().bank.signing));
    let output = files.minted(&["--curl"]);
    assert!(text(&output.stdout).contains("'https://cm.LFI_CODE.preprod.apihub.openfinance.ae/hello-mtls'"));
    for url in
        ["http://hub.example/", "hub.example", "https://a'b.example/", "https:///", "https://user:word@hub.example/"]
    {
        let said = files.refused(&["--curl", url]);
        assert!(said.contains("--curl: expected an https:// address") && !said.contains("word"), "{url}: {said}");
    }
}

#[test]
fn one_of_several_configurations_is_chosen_by_its_number() {
    let manifest = |name: &str, config: &str| {
        format!(
            "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: {name}}}\n\
             spec:\n  pluginName: hub-auth-filter\n  pluginConfig: {config}\n---\n"
        )
    };
    let retail = plain(|_| ());
    let corporate = plain(|outbound| outbound["audience"] = json!("corporate"));
    let variables = variable("SIG4_PRIVATE_KEY", &Pki::shared().bank.signing);
    let files = |configs: [&str; 2]| {
        let text: String =
            configs.iter().enumerate().map(|(index, config)| manifest(&format!("p{index}"), config)).collect();
        Files::new().with("config", &text).with("variables", &variables)
    };
    let both = files([&retail, &corporate]);
    for (number, audience) in [("1", "retail"), ("2", "corporate")] {
        assert_eq!(part(&both.token(&["--number", number]), 1)["aud"], audience);
    }
    for arguments in [&[][..], &["--number", "3"]] {
        let said = both.refused(arguments);
        assert!(said.contains("expected --number with one of these"), "{said}");
        assert!(
            said.contains("1: line 6, audience \"retail\"") && said.contains("2: line 13, audience \"corporate\""),
            "{said}"
        );
    }
    assert!(both.refused(&["--number", "0"]).contains("--number"));
    // Where it makes no difference nobody has to choose.
    assert_eq!(part(&files([&retail, &retail]).token(&[]), 1)["aud"], "retail");
}

#[test]
fn what_is_wrong_with_files_and_options_is_said() {
    let key = variable("SIG4_PRIVATE_KEY", &Pki::shared().bank.signing);
    let with = |config: &str, variables: &str| Files::new().with("config", config).with("variables", variables);
    let two_keys = plain(|outbound| {
        outbound["keys"] = json!([
            { "kid": "old", "private_key": { "env": "OLD" } },
            { "kid": "new", "private_key": { "env": "NEW" }, "active_from": "2026-01-01T00:00:00Z" },
        ]);
    });
    let unreadable = "SIG4_PRIVATE_KEY=-----BEGIN PRIVATE KEY-----\\nTUlJs3cret\\n-----END PRIVATE KEY-----\n";
    for (files, expected) in [
        (with(&shipped("envoy/inbound.yaml"), &key), "expected a configuration with \"outbound\", got none"),
        (with(&plain(|_| ()), ""), "SIG4_PRIVATE_KEY is not set here: set it, or name a file with --env-file"),
        (with(&two_keys, ""), "NEW, OLD are not set here: set them, or name a file with --env-file"),
        (with(&plain(|_| ()), unreadable), "outbound.keys[0].private_key.env: expected an RSA private key"),
        (with(&plain(|_| ()), "s3cret"), "variables: line 1: expected NAME=value"),
        (with(&plain(|outbound| outbound["lifetime"] = json!("5m")), &key), "outbound.lifetime: expected"),
        (with("a: [b", &key), "expected YAML or JSON"),
        (with("a: b", &key), "expected a configuration of the filter, got another file"),
    ] {
        let said = files.refused(&[]);
        assert!(said.contains(expected) && !said.contains("s3cret"), "{expected}: {said}");
    }
    for (arguments, expected) in [
        (&["token"][..], "--config"),
        (&["token", "--config", "/there/is/no/such"], "/there/is/no/such: No such file"),
        (&["token", "--config", "x", "--env-file", "/there/is/no/such"], "/there/is/no/such: No such file"),
        (&["token", "--config", "x", "--format", "xml"], "--format"),
        (&["token", "--config", "x", "--key", "y"], "--key"),
    ] {
        let output = hub_auth(arguments);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{arguments:?}");
        assert!(text(&output.stderr).contains(expected), "{expected}: {}", text(&output.stderr));
    }
}

/// The configuration with a remote signer at this address.
fn remote(address: &str, key: &str) -> String {
    plain(|outbound| {
        outbound.as_object_mut().expect("an object").remove("keys");
        outbound["remote_signer"] = json!({ "vault_transit": {
            "address": address, "key": key, "kid": "sig4-in-bao", "token": { "env": "BAO_TOKEN" },
        } });
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_signer_signs_what_the_hub_accepts_and_why_it_does_not_is_said() {
    let pki = Pki::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let mut bao = OpenBao::start(pki, folder.path()).await;
    let transit = bao.transit();
    let (token, revoked) = (transit.token(3600).await, transit.token(3600).await);
    bao.revoke(&revoked).await;
    let signing_alone = transit.signing_token(3600).await;
    let (public_key, jwk) = (transit.public_key(1).await, transit.jwk(1, "sig4-in-bao").await);
    let address = format!("https://{}", bao.address());
    let files = |key: &str, token: &str| {
        Files::new()
            .with("config", &remote(&address, key))
            .with("variables", &format!("BAO_TOKEN={token}\n"))
            .with("ca.pem", &pki.public_roots())
            .with("other.pem", &pki.issuing_ca())
    };
    let right = files(openbao::KEY, &token);
    let ca = right.path("ca.pem");
    let minted = right.token(&["--ca", &ca]);
    assert_signed(&minted, &public_key);
    assert_eq!(part(&minted, 0)["kid"], "sig4-in-bao");
    assert_explained(&right, &format!("--ca {ca}"), &json!({ "keys": [jwk] }));
    let said = text(&right.minted(&["--ca", &ca]).stderr).to_owned();
    assert!(said.contains(&format!("by the remote signer at {}", bao.address())), "{said}");

    let refused = |files: &Files, ca: &str, expected: &[&str]| {
        let said = files.refused(&["--ca", ca]);
        for expected in expected {
            assert!(said.contains(expected), "{expected}: {said}");
        }
        let secrets = [&token, &revoked, &signing_alone];
        assert!(!secrets.iter().any(|secret| said.contains(secret.as_str())), "a token is printed: {said}");
    };
    let keys = format!("GET {address}/v1/transit/keys/sig4: ");
    refused(&files(openbao::KEY, &revoked), &ca, &[&keys, "403: permission denied", "the token is invalid, expired"]);
    refused(&files(openbao::KEY, &signing_alone), &ca, &["403: ", "grant it \"read\""]);
    let root = bao.root_token().to_owned();
    refused(&files("other", &root), &ca, &["/v1/transit/keys/other: 404", "there is no such key, mount or namespace"]);
    refused(
        &right,
        &right.path("other.pem"),
        &[&keys, "certificate", "there is no token. The remote signer cannot be reached"],
    );
    refused(&right, "/there/is/no/such", &["/there/is/no/such: No such file"]);
    refused(&right, &right.path("variables"), &["expected certificates in PEM, got none"]);
    bao.seal().await;
    refused(&right, &ca, &["503: Vault is sealed", "it is sealed or in maintenance"]);
    bao.stop();
    refused(&right, &ca, &[&keys, "refused", "there is no token. The remote signer cannot be reached"]);
}

/// The tool logs in as the filter does, and says why it cannot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_to_openbao_gives_a_token_or_says_why_not() {
    let pki = Pki::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let bao = OpenBao::start(pki, folder.path()).await;
    let role = bao.app_role(Life { ttl: 600, max_ttl: 600 }).await;
    let public_key = bao.transit().public_key(1).await;
    let address = format!("https://{}", bao.address());
    let mut config: Value = serde_json::from_str(&remote(&address, openbao::KEY)).expect("JSON");
    config["outbound"]["remote_signer"]["vault_transit"]["token"] =
        json!({"app_role": {"role_id": role.role_id, "secret_id": {"env": "BAO_SECRET_ID"}}});
    let files = |secret_id: &str| {
        Files::new()
            .with("config", &config.to_string())
            .with("variables", &format!("BAO_SECRET_ID={secret_id}\n"))
            .with("ca.pem", &pki.public_roots())
    };
    let right = files(&role.secret_id);
    assert_signed(&right.token(&["--ca", &right.path("ca.pem")]), &public_key);
    bao.destroy_secret_id(&role.secret_id).await;
    let said = right.refused(&["--ca", &right.path("ca.pem")]);
    for expected in [&format!("POST {address}/v1/auth/approle/login: 400"), "no access token for the remote signer"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains(&role.secret_id), "{said}");
}

/// A name that nobody has (RFC 6761 §6.4).
#[test]
fn a_host_that_does_not_exist_is_named() {
    let files =
        Files::new().with("config", &remote("https://bao.invalid", "sig4")).with("variables", "BAO_TOKEN=s3cret\n");
    let said = files.refused(&[]);
    assert!(said.contains("https://bao.invalid/v1/transit/keys/sig4: ") && !said.contains("s3cret"), "{said}");
}

/// In both, two services share one configuration.
#[test]
fn the_files_of_the_other_gateways_will_do_too() {
    for name in ["kong/kong.yml", "apisix/apisix.yaml"] {
        let variables = variable("SIG4_PRIVATE_KEY", &Pki::shared().bank.signing);
        let files = Files::new().with("config", &shipped(name)).with("variables", &variables);
        assert_signed(&files.token(&[]), &public_pem(&Pki::shared().bank.signing));
        let said = text(&files.minted(&["--curl"]).stdout).to_owned();
        assert!(said.contains("'https://cm.examplebank.preprod.apihub.openfinance.ae/hello-mtls'"), "{name}: {said}");
    }
}
