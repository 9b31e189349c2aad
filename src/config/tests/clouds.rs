//! The rules of `remote_signer` where it is a service of a cloud.

use serde_json::{Value, json};

use super::{accepted, changed, faults, least_outbound};
use crate::config::{AwsKms, AzureKeyVault, GoogleKms, RemoteKey, Signer};

const NAME: &str = "projects/bank/locations/me-central2/keyRings/hub/cryptoKeys/sig4/cryptoKeyVersions/3";

fn with(signer: Value) -> Value {
    let mut config = least_outbound();
    config["outbound"].as_object_mut().unwrap().remove("keys");
    config["outbound"]["remote_signer"] = signer;
    config
}

fn aws() -> Value {
    with(json!({"aws_kms": {
        "region": "me-central-1", "key": "1234abcd-12ab", "kid": "sig4", "credentials": {"added_by": "gateway"},
    }}))
}

fn azure() -> Value {
    with(json!({"azure_key_vault": {
        "address": "https://bank.vault.azure.net", "key": "sig4", "key_version": "78de", "kid": "sig4",
        "token": {"added_by": "gateway"},
    }}))
}

fn google() -> Value {
    with(json!({"google_cloud_kms": {"key_version": NAME, "kid": "sig4", "token": {"added_by": "gateway"}}}))
}

fn signer(config: &Value) -> Signer {
    accepted(config).into_outbound().signing.signer
}

fn of_aws(config: &Value) -> AwsKms {
    let Signer::AwsKms(settings) = signer(config) else { panic!() };
    *settings
}

#[track_caller]
fn refused(config: &Value, setting: &str, value: Value, expected: &str) {
    let config = changed(config.clone(), &format!("/outbound/remote_signer/{setting}"), value);
    assert_eq!(faults(&config), format!("outbound.remote_signer.{}{expected}", setting.replace('/', ".")));
}

#[test]
fn the_address_of_aws_follows_from_the_region_unless_it_is_named() {
    let settings = of_aws(&aws());
    assert_eq!(settings.url.as_str(), "https://kms.me-central-1.amazonaws.com/");
    assert_eq!(settings.remote.upstream, "kms.me-central-1.amazonaws.com:443");
    assert_eq!((settings.credentials, settings.key.as_str()), (None, "1234abcd-12ab"));
    let named = changed(aws(), "/outbound/remote_signer/aws_kms/address", json!("https://kms.bank.example:8443"));
    let settings = of_aws(&named);
    assert_eq!((settings.url.as_str(), settings.region.as_str()), ("https://kms.bank.example:8443/", "me-central-1"));
    for region in ["", "-a", "a-", "ME", "a.b", "a/b", &"a".repeat(64)] {
        let expected = ": expected the name of a region such as \"me-central-1\": 1 to 63 lower-case letters, digits and - between \
                        them, got a string that is not one";
        refused(&aws(), "aws_kms/region", json!(region), expected);
    }
}

#[test]
fn an_alias_is_no_key() {
    let rule = "expected the id of a key (no alias, no ARN): 1 to 128 letters, digits and -";
    for key in ["alias/sig4", "arn:aws:kms:me-central-1:1:key/1234"] {
        refused(&aws(), "aws_kms/key", json!(key), &format!(": {rule}, got a string with other characters"));
    }
}

#[test]
fn who_signs_the_calls_to_aws_has_to_be_said() {
    let rule = "expected {\"access_key_id\": {…}, \"secret_access_key\": {…}}, or {\"added_by\": \"gateway\"} where the gateway signs \
                the calls";
    let mut missing = aws();
    missing["outbound"]["remote_signer"]["aws_kms"].as_object_mut().unwrap().remove("credentials");
    assert_eq!(faults(&missing), format!("outbound.remote_signer.aws_kms.credentials: {rule}, got nothing"));
    let secret = json!({"env": "BAO_TOKEN"});
    let both = json!({"added_by": "gateway", "secret_access_key": secret});
    refused(&aws(), "aws_kms/credentials", both, &format!(": {rule}, got both"));
    refused(
        &aws(),
        "aws_kms/credentials",
        json!({"added_by": "x"}),
        ".added_by: expected \"gateway\", got another string",
    );
    let half = json!({"access_key_id": {"value": "AKID"}});
    refused(&aws(), "aws_kms/credentials", half, ".secret_access_key: expected an object, got nothing");
    let whole = json!({"access_key_id": {"value": "AKID"}, "secret_access_key": {"value": "s/+"}, "session_token": {"value": "t"}});
    let config = changed(aws(), "/outbound/remote_signer/aws_kms/credentials", whole);
    let credentials = of_aws(&config).credentials.unwrap();
    assert_eq!((credentials.access_key_id.expose(), credentials.secret_access_key.expose()), ("AKID", "s/+"));
    assert_eq!(credentials.session_token.unwrap().expose(), "t");
}

#[test]
fn azure_signs_with_the_version_that_is_named() {
    let Signer::AzureKeyVault(settings) = signer(&azure()) else { panic!() };
    let AzureKeyVault { url, key_url, key_path, .. } = *settings;
    assert_eq!(url.as_str(), "https://bank.vault.azure.net/keys/sig4/78de/sign?api-version=7.4");
    assert_eq!(key_url.as_str(), "https://bank.vault.azure.net/keys/sig4/78de?api-version=7.4");
    assert_eq!(key_path, "/keys/sig4/78de");
    for (setting, bad) in
        [("key", "a/b"), ("key", "a.b"), ("key_version", "78DE"), ("key_version", "7/8"), ("key_version", "")]
    {
        let config = changed(azure(), &format!("/outbound/remote_signer/azure_key_vault/{setting}"), json!(bad));
        assert!(
            faults(&config).starts_with(&format!("outbound.remote_signer.azure_key_vault.{setting}: expected the"))
        );
    }
}

#[test]
fn google_signs_with_the_version_that_is_named() {
    let Signer::GoogleKms(settings) = signer(&google()) else { panic!() };
    let GoogleKms { url, key_url, name, remote: RemoteKey { upstream, .. }, .. } = *settings;
    assert_eq!(url.as_str(), format!("https://cloudkms.googleapis.com/v1/{NAME}:asymmetricSign"));
    assert_eq!(key_url.as_str(), format!("https://cloudkms.googleapis.com/v1/{NAME}/publicKey"));
    assert_eq!((name.as_str(), upstream.as_str()), (NAME, "cloudkms.googleapis.com:443"));
    for bad in [
        NAME.replace("/cryptoKeyVersions/3", ""),
        NAME.replace("Versions/3", "Versions/0"),
        NAME.replace("Versions/3", "Versions/03"),
        NAME.replace("bank", ".."),
        NAME.replace("bank", ""),
        NAME.replace("bank", "a?b"),
        format!("/{NAME}"),
        format!("{NAME}/"),
        format!("{NAME}\n"),
    ] {
        let config = changed(google(), "/outbound/remote_signer/google_cloud_kms/key_version", json!(bad));
        assert!(faults(&config).contains("key_version: expected projects/"), "{bad}");
    }
}

/// The same signer, with this as `token`.
fn with_token(config: Value, signer: &str, token: Value) -> Value {
    changed(config, &format!("/outbound/remote_signer/{signer}/token"), token)
}

fn metadata(config: &Value) -> (String, String) {
    let token = match signer(config) {
        Signer::AzureKeyVault(settings) => settings.token,
        Signer::GoogleKms(settings) => settings.token,
        other => panic!("{other:?}"),
    };
    let metadata = token.metadata().expect("a metadata address");
    (metadata.upstream.clone(), metadata.url.as_str().to_owned())
}

#[test]
fn the_filter_asks_the_metadata_address_for_a_token_for_the_right_service() {
    let token = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2F";
    let of_machine = |path: String| ("169.254.169.254:80".to_owned(), format!("http://169.254.169.254{path}"));
    let usual = with_token(azure(), "azure_key_vault", json!({"metadata": {}}));
    assert_eq!(metadata(&usual), of_machine(format!("{token}vault.azure.net")));
    assert!(accepted(&usual).warnings().is_empty(), "that address is of this machine");
    let hsm = changed(
        usual.clone(),
        "/outbound/remote_signer/azure_key_vault/address",
        json!("https://b.managedhsm.azure.net"),
    );
    assert_eq!(metadata(&hsm), of_machine(format!("{token}managedhsm.azure.net")));
    let own = json!({"metadata": {"resource": "https://vault.azure.cn", "client_id": "5f3d", "upstream": "imds"}});
    let (upstream, url) = metadata(&with_token(azure(), "azure_key_vault", own));
    assert_eq!((upstream.as_str(), url.ends_with("%2Fvault.azure.cn&client_id=5f3d")), ("imds", true), "{url}");

    let account = |account: &str| format!("/computeMetadata/v1/instance/service-accounts/{account}/token");
    let usual = with_token(google(), "google_cloud_kms", json!({"metadata": {}}));
    let host = "metadata.google.internal";
    assert_eq!(metadata(&usual), (format!("{host}:80"), format!("http://{host}{}", account("default"))));
    let own = json!({"metadata": {"service_account": "a@b.example", "address": "http://10.0.0.1:8080"}});
    let own = with_token(google(), "google_cloud_kms", own);
    assert_eq!(metadata(&own), ("10.0.0.1:8080".to_owned(), format!("http://10.0.0.1:8080{}", account("a@b.example"))));
    let warning = "outbound.remote_signer.google_cloud_kms.token.metadata.address: with http:// everybody on the way";
    assert!(accepted(&own).warnings()[0].starts_with(warning));
    for config in [usual, own] {
        let servers: Vec<_> = signer(&config).upstreams().map(|server| server.path).collect();
        let path = "remote_signer.google_cloud_kms";
        assert_eq!(servers, [format!("{path}.upstream"), format!("{path}.token.metadata.upstream")]);
    }
}

#[test]
fn what_goes_into_the_url_of_the_metadata_address_needs_no_encoding() {
    for (config, signer, setting, bad) in [
        (azure(), "azure_key_vault", "client_id", "a&b=c"),
        (azure(), "azure_key_vault", "resource", "https://vault.azure.net?x"),
        (google(), "google_cloud_kms", "service_account", "../x"),
        (google(), "google_cloud_kms", "service_account", "a/b"),
        (google(), "google_cloud_kms", "service_account", ""),
    ] {
        let faults = faults(&with_token(config, signer, json!({"metadata": {setting: bad}})));
        let path = format!("outbound.remote_signer.{signer}.token.metadata.{setting}: expected ");
        assert!(faults.starts_with(&path), "{bad}: {faults}");
    }
}

#[test]
fn an_access_token_of_a_cloud_stands_in_no_configuration() {
    for (config, signer) in [(azure(), "azure_key_vault"), (google(), "google_cloud_kms")] {
        let mut missing = config.clone();
        missing["outbound"]["remote_signer"][signer].as_object_mut().unwrap().remove("token");
        let expected = "expected {\"metadata\": {}}, or {\"added_by\": \"gateway\"} where the gateway adds the access token, got nothing";
        assert_eq!(faults(&missing), format!("outbound.remote_signer.{signer}.token: {expected}"));
        let env = ".env: expected \"added_by\" or \"metadata\", got an unknown key";
        let config = changed(config, &format!("/outbound/remote_signer/{signer}/token"), json!({"env": "BAO_TOKEN"}));
        assert!(faults(&config).contains(env), "{}", faults(&config));
    }
}

#[test]
fn each_is_asked_through_its_upstream_and_with_tls() {
    for (config, name) in [(aws(), "aws_kms"), (azure(), "azure_key_vault"), (google(), "google_cloud_kms")] {
        let signer = signer(&config);
        let server = signer.upstream().unwrap();
        assert_eq!(server.path, format!("remote_signer.{name}.upstream"));
        assert!(server.gateway_adds_credential && signer.remote_key().is_some_and(|key| key.key_id == "sig4"));
        let address = format!("/outbound/remote_signer/{name}/address");
        let plaintext = accepted(&changed(config, &address, json!("http://kms.example")));
        assert!(plaintext.warnings()[0].starts_with(&format!("outbound.remote_signer.{name}.address: with http://")));
    }
}
