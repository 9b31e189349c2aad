//! The settings of remote signers that are services of a cloud.

use serde_json::json;

use super::definition::{Object, Setting};
use super::key_sets::upstream;
use super::secrets::{added_by, secret as a_secret};
use super::signer_settings::{deadline, kid, public_key, timeout};
use super::texts::{key_vault_name, key_version_name, origin, region, text};
use crate::config::signers::{access_token, aws_kms, azure_key_vault, google_cloud_kms};

pub(super) fn aws_kms() -> Object {
    let settings = [
        Setting::new("region", "Region", "The region of the key.", region().into()).example("me-central-1"),
        Setting::new(
            "key",
            "Id of the key",
            "The id of the key: no alias, which could be moved to another key under the same `kid`, and no ARN. RSA of 2048 bits or more, for \
             `SIGN_VERIFY`.",
            text(&aws_kms::KEY).into(),
        )
        .example("1234abcd-12ab-34cd-56ef-1234567890ab"),
        kid("Its `kid` on your JWKS."),
        Setting::new(
            "address",
            "Address",
            "`https://host:port` and nothing more: that of an endpoint of yours in a VPC, if you have one.",
            origin().into(),
        )
        .otherwise("`https://kms.{region}.amazonaws.com`")
        .example("https://vpce-0a1b.kms.me-central-1.vpce.amazonaws.com"),
        upstream().text("As with `jwt_auth`.").otherwise("`host:port` of `address`").example("kms"),
        public_key(),
        Setting::new(
            "credentials",
            "Credentials",
            "With what the filter signs its calls (Signature Version 4): `access_key_id` and `secret_access_key`, and `session_token` with \
             temporary ones; each `{\"env\": \"NAME\"}` or `{\"value\": \"…\"}`, as above. They are read when the gateway starts. \
             `{\"added_by\": \"gateway\"}`: the gateway signs them, as Envoy can (`aws_request_signing`). They need `kms:Sign` on the key and, \
             unless there is a `public_key`, `kms:GetPublicKey`; nothing more.",
            credentials().kind(),
        )
        .one_line(),
        timeout(),
        deadline(),
    ];
    Object::new(&aws_kms::KEYS, settings)
}

fn credentials() -> Object {
    let part = |key, title, text, rule| Setting::new(key, title, text, a_secret(rule)).otherwise("");
    let settings = [
        part("access_key_id", "Access key id", "The id of the access key.", &aws_kms::ACCESS_KEY_ID),
        part("secret_access_key", "Secret access key", "Its secret.", &aws_kms::SECRET_ACCESS_KEY),
        part("session_token", "Session token", "What comes with temporary credentials.", &aws_kms::SESSION_TOKEN),
        added_by(),
    ];
    Object::new(&aws_kms::CREDENTIAL_KEYS, settings).with(json!({"oneOf": [
        {"required": ["added_by"], "maxProperties": 1},
        {"required": ["access_key_id", "secret_access_key"], "properties": {"added_by": false}},
    ]}))
}

pub(super) fn azure_key_vault() -> Object {
    let settings = [
        Setting::new(
            "address",
            "Address",
            "`https://host` of the vault or of the Managed HSM, and nothing more.",
            origin().into(),
        )
        .example("https://bank.vault.azure.net"),
        upstream().text("As with `jwt_auth`.").otherwise("`host:port` of `address`").example("key_vault"),
        Setting::new(
            "key",
            "Name of the key",
            "The name of the key there: RSA of 2048 bits or more, for `sign`.",
            key_vault_name().into(),
        )
        .example("sig4"),
        Setting::new(
            "key_version",
            "Version of the key",
            "Which version of it signs. Change it together with `kid`.",
            text(&azure_key_vault::KEY_VERSION).into(),
        )
        .example("78deebed173b48e48f55abf87ed4cf71"),
        kid("Its `kid` on your JWKS."),
        public_key(),
        access_token(
            "The access token. `{\"added_by\": \"gateway\"}`: the gateway adds `Authorization: Bearer …` on the way, as Envoy can. Else the filter asks \
             the metadata address for it. It needs the right to `sign` with the key and, unless there is a `public_key`, to `get` it; nothing \
             more.",
            Object::new(&azure_key_vault::METADATA_KEYS, azure_metadata()),
        ),
        timeout(),
        deadline(),
    ];
    Object::new(&azure_key_vault::KEYS, settings)
}

pub(super) fn google_cloud_kms() -> Object {
    let settings = [
        Setting::new(
            "key_version",
            "Version of the key",
            "The resource name of the version that signs, with the purpose `ASYMMETRIC_SIGN` and an algorithm `RSA_SIGN_PSS_…_SHA256`. Change it \
             together with `kid`.",
            key_version_name().into(),
        )
        .example("projects/bank/locations/me-central2/keyRings/hub/cryptoKeys/sig4/cryptoKeyVersions/1"),
        kid("Its `kid` on your JWKS."),
        Setting::new("address", "Address", "`https://host` and nothing more: that of a region, if you use one.", origin().into())
            .otherwise("`https://cloudkms.googleapis.com`")
            .example("https://cloudkms.me-central2.rep.googleapis.com"),
        upstream().text("As with `jwt_auth`.").otherwise("`host:port` of `address`").example("cloud_kms"),
        public_key(),
        access_token(
            "The access token. `{\"added_by\": \"gateway\"}`: the gateway adds `Authorization: Bearer …` on the way, as Envoy can. Else the filter asks \
             the metadata address for it. It needs `cloudkms.cryptoKeyVersions.useToSign` and, unless there is a `public_key`, \
             `cloudkms.cryptoKeyVersions.viewPublicKey`; nothing more.",
            Object::new(&google_cloud_kms::METADATA_KEYS, google_metadata()),
        ),
        timeout(),
        deadline(),
    ];
    Object::new(&google_cloud_kms::KEYS, settings)
}

fn azure_metadata() -> [Setting; 4] {
    let [address, upstream] = metadata_address("`http://169.254.169.254`");
    [
        address,
        upstream,
        Setting::new(
            "client_id",
            "Client id",
            "The client id of a managed identity, where the machine or pod has several.",
            text(&azure_key_vault::CLIENT_ID).into(),
        )
        .otherwise("its own")
        .example("5f3d7a52-0c1e-4a47-9c58-1f1f6f0f5d11"),
        Setting::new(
            "resource",
            "What the token is for",
            "What the token is for. Other clouds than Azure's public one have other names.",
            text(&azure_key_vault::RESOURCE).into(),
        )
        .otherwise("`https://vault.azure.net`, or `https://managedhsm.azure.net` for such an address")
        .example("https://vault.azure.cn"),
    ]
}

fn google_metadata() -> [Setting; 3] {
    let [address, upstream] = metadata_address("`http://metadata.google.internal`");
    [
        address,
        upstream,
        Setting::new(
            "service_account",
            "Service account",
            "The address of the service account, where the machine has several.",
            text(&google_cloud_kms::SERVICE_ACCOUNT).into(),
        )
        .default("default")
        .example("signer@bank.iam.gserviceaccount.com"),
    ]
}

fn metadata_address(usual: &'static str) -> [Setting; 2] {
    let address = Setting::new(
        "address",
        "Address",
        "The metadata address: `http://host` and nothing more, if it is another.",
        origin().into(),
    );
    [
        address.otherwise(usual).example("http://169.254.169.254"),
        upstream().text("As with `jwt_auth`.").otherwise("`host:port` of `address`").example("metadata"),
    ]
}

fn access_token(what: &'static str, metadata: Object) -> Setting {
    let metadata = Setting::new(
        "metadata",
        "Metadata address",
        "The cloud's metadata address, which gives the machine or pod of the gateway a token for its own identity. The filter asks for one \
         ahead of its end; `{}` if nothing differs from the defaults.",
        metadata.kind(),
    );
    let settings = [added_by(), metadata.otherwise("")];
    let kind = Object::new(&access_token::CLOUD_TOKEN_KEYS, settings).exactly_one().kind();
    Setting::new("token", "Access token", what, kind).example(json!({"metadata": {}}))
}
