//! Requests to the Hub, signed by Azure Key Vault and Google Cloud KMS, of which stand-ins are made from what is published of their APIs. Envoy adds
//! the access token, and takes over a new one while the old one ends; or the filter asks a metadata address for it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::kms::{AZURE_PATH, Api, Bearers, GOOGLE_NAME, MetadataAddress, azure_answer, google_answer};
use wasm_tests::stage::pki::{OPENBAO_NAME, Pki};
use wasm_tests::stage::sds::Secret;
use wasm_tests::stage::{OutboundSetup, OutboundStage, REMOTE_KEY_ID};

use super::gateway_credentials::has_taken_over;

fn signer(name: &str, own: &Value) -> Value {
    let mut settings = json!({
        "address": format!("https://{OPENBAO_NAME}"), "upstream": "bao", "kid": REMOTE_KEY_ID,
        "token": {"added_by": "gateway"},
    });
    for (name, value) in own.as_object().expect("an object") {
        settings[name] = value.clone();
    }
    json!({ name: settings })
}

async fn send(stage: &OutboundStage) -> Reply {
    stage.send_to_consent_manager(&Request::new("POST", "/consents").body(b"{}")).await.reply()
}

#[tokio::test]
async fn an_access_token_of_a_cloud_that_envoy_adds_is_replaced_before_it_ends() {
    let version = AZURE_PATH.rsplit('/').next();
    let clouds: [(&str, Value, Api); 2] = [
        ("azure_key_vault", json!({"key": "sig4", "key_version": version}), azure_answer),
        ("google_cloud_kms", json!({"key_version": GOOGLE_NAME}), google_answer),
    ];
    for (name, own, api) in clouds {
        let pki = Pki::shared();
        let service = Bearers::start(&pki.openbao, api, "first", &pki.bank.signing).await;
        let secret = Secret::new("cloud_token", "Bearer first");
        let filter = format!(
            "{{name: envoy.filters.http.credential_injector, typed_config: {{\"@type\": \
             type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector, overwrite: true, credential: \
             {{name: envoy.http.injected_credentials.generic, typed_config: {{\"@type\": \
             type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic, header: authorization, credential: \
             {{name: cloud_token, sds_config: {{path_config_source: {{{}}}}}}}}}}}}}}}",
            secret.source()
        );
        let setup = OutboundSetup::new().signer(service.address(), &signer(name, &own), &[]).upstream_filter(&filter);
        let stage = setup.start().await;
        let mut jwk = pki.bank.signing.jwk();
        jwk["kid"] = json!(REMOTE_KEY_ID);
        stage.keystore.publish(&pki.bank.subject, json!({ "keys": [jwk] }));
        assert_eq!(send(&stage).await.status, 200, "{name}: {}", stage.envoy.log());

        secret.replace("Bearer second");
        has_taken_over(&stage.envoy, "cloud_token", 2).await;
        service.expect("second");
        // What was under way with the first has ended.
        sleep(Duration::from_millis(100)).await;
        assert_eq!(send(&stage).await.status, 200, "{name}: {}", stage.envoy.log());

        service.expect("third");
        let refused = send(&stage).await;
        assert_eq!((refused.status, refused.error_code().as_deref()), (500, Some("GenericError")), "{name}");
        let log = stage.envoy.log();
        assert!(log.contains("status 401 instead of 200: the access token that the gateway adds is missing"), "{log}");
        assert!(log.contains(&format!("\"signer\":\"{name}\"")), "{log}");
        assert_eq!(stage.hub.calls().len(), 2, "{name}");
    }
}

/// Each of the four workers of Envoy has a token of its own. They live for 20 s here, and are replaced after ten.
#[tokio::test]
async fn the_metadata_address_gives_tokens_before_the_first_request_and_before_each_end() {
    let version = AZURE_PATH.rsplit('/').next();
    let metadata = json!({"metadata": {"upstream": "metadata"}});
    let azure = json!({"key": "sig4", "key_version": version, "token": metadata});
    let google = json!({"key_version": GOOGLE_NAME, "token": metadata});
    let azure_path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";
    let google_path = "/computeMetadata/v1/instance/service-accounts/default/token";
    for (name, own, api, path, header, lives) in [
        ("azure_key_vault", azure, azure_answer as Api, azure_path, ("metadata", "true"), json!("20")),
        ("google_cloud_kms", google, google_answer, google_path, ("metadata-flavor", "Google"), json!(20)),
    ] {
        let pki = Pki::shared();
        let service = Bearers::start(&pki.openbao, api, "", &pki.bank.signing).await;
        let given = MetadataAddress::start(path, header, lives).await;
        service.expect_any_of(&given);
        let setup = OutboundSetup::new().signer(service.address(), &signer(name, &own), &[]).metadata(given.address());
        let stage = setup.start().await;
        let mut jwk = pki.bank.signing.jwk();
        jwk["kid"] = json!(REMOTE_KEY_ID);
        stage.keystore.publish(&pki.bank.subject, json!({ "keys": [jwk] }));
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(13) {
            assert_eq!(send(&stage).await.status, 200, "{name}: {}", stage.envoy.log());
            sleep(Duration::from_millis(50)).await;
        }
        assert!(given.given().len() >= 2, "{name}: {:?}", given.given());

        // A token that is refused is replaced once; and nothing leaves where none is taken.
        service.expect("another");
        let refused = send(&stage).await;
        assert_eq!((refused.status, refused.error_code().as_deref()), (500, Some("GenericError")), "{name}");
        let log = stage.envoy.log();
        assert!(log.contains("status 401 instead of 200") && log.contains("asking for another access token"), "{log}");
        assert!(!log.contains("eyJ0"), "{log}");
    }
}
