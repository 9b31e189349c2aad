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

#[test]
fn an_access_token_can_only_be_added_by_the_gateway() {
    for (config, signer) in [(azure(), "azure_key_vault"), (google(), "google_cloud_kms")] {
        let mut missing = config.clone();
        missing["outbound"]["remote_signer"][signer].as_object_mut().unwrap().remove("token");
        let expected = "expected {\"added_by\": \"gateway\"}, as the gateway has to add the access token, got nothing";
        assert_eq!(faults(&missing), format!("outbound.remote_signer.{signer}.token: {expected}"));
        let env = ".env: expected \"added_by\", got an unknown key";
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
