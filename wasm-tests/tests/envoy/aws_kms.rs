//! Requests to the Hub, signed by AWS KMS, of which a stand-in is made from what AWS publishes: botocore, the signer of AWS's own SDK, verifies each
//! call, whether the filter has signed it or Envoy.

use serde_json::{Value, json};
use wasm_tests::stage::client::{Reply, Request};
use wasm_tests::stage::kms::{AWS_KEY, AWS_REGION, Aws, AwsAccount};
use wasm_tests::stage::pki::{OPENBAO_NAME, Pki};
use wasm_tests::stage::{OutboundSetup, OutboundStage, REMOTE_KEY_ID};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaDG1l+token==";

async fn service(token: Option<&str>) -> Aws {
    let account = AwsAccount { secret: SECRET.to_owned(), token: token.map(str::to_owned) };
    Aws::start(&Pki::shared().openbao, account, &Pki::shared().bank.signing).await
}

fn signer(credentials: &Value, region: &str) -> Value {
    json!({"aws_kms": {
        "address": format!("https://{OPENBAO_NAME}"), "upstream": "bao", "region": region, "key": AWS_KEY,
        "kid": REMOTE_KEY_ID, "credentials": credentials,
    }})
}

/// The filter signs its calls with what stands in Envoy's environment.
fn by_the_filter(service: &Aws, region: &str, secret: &str, token: Option<&str>) -> OutboundSetup {
    let mut credentials =
        json!({"access_key_id": {"env": "AWS_ACCESS_KEY_ID"}, "secret_access_key": {"env": "AWS_SECRET_ACCESS_KEY"}});
    let mut variables = vec![("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", secret)];
    if let Some(token) = token {
        credentials["session_token"] = json!({"env": "AWS_SESSION_TOKEN"});
        variables.push(("AWS_SESSION_TOKEN", token));
    }
    OutboundSetup::new().signer(service.address(), &signer(&credentials, region), &variables)
}

async fn started(setup: OutboundSetup) -> OutboundStage {
    let stage = setup.start().await;
    let mut jwk = Pki::shared().bank.signing.jwk();
    jwk["kid"] = json!(REMOTE_KEY_ID);
    stage.keystore.publish(&Pki::shared().bank.subject, json!({ "keys": [jwk] }));
    stage
}

async fn send(stage: &OutboundStage) -> Reply {
    stage.send_to_consent_manager(&Request::new("POST", "/consents").body(b"{}")).await.reply()
}

async fn all_is_signed(stage: &OutboundStage, service: &Aws) {
    for _ in 0..2 {
        assert_eq!(send(stage).await.status, 200, "{:?} {}", service.faults(), stage.envoy.log());
    }
    for call in stage.hub.calls() {
        call.accepted();
    }
    assert_eq!(service.faults(), [""; 0]);
    let calls = service.calls();
    // Envoy's main thread has a copy of the filter, too.
    let asked_for_keys = calls.iter().filter(|target| *target == "TrentService.GetPublicKey").count();
    assert!((1..=2).contains(&asked_for_keys), "{calls:?}");
    assert_eq!(calls.iter().filter(|target| *target == "TrentService.Sign").count(), 2, "{calls:?}");
    let log = stage.envoy.log();
    assert!(log.contains(r#""signer":"aws_kms""#) && !log.contains(SECRET) && !log.contains(TOKEN), "{log}");
}

#[tokio::test]
async fn botocore_finds_the_filters_own_signatures_right() {
    for token in [None, Some(TOKEN)] {
        let service = service(token).await;
        let stage = started(by_the_filter(&service, AWS_REGION, SECRET, token)).await;
        all_is_signed(&stage, &service).await;
    }
}

#[tokio::test]
async fn envoy_signs_the_calls_of_a_filter_that_has_no_credentials() {
    let service = service(Some(TOKEN)).await;
    let files = tempfile::tempdir().expect("a temporary directory");
    let file = files.path().join("credentials");
    let text =
        format!("[hub]\naws_access_key_id=AKIDEXAMPLE\naws_secret_access_key={SECRET}\naws_session_token={TOKEN}\n");
    std::fs::write(&file, text).expect("a file");
    let filter = format!(
        "{{name: envoy.filters.http.aws_request_signing, typed_config: {{\"@type\": \
         type.googleapis.com/envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning, service_name: kms, region: \
         {AWS_REGION}, credential_provider: {{custom_credential_provider_chain: true, credentials_file_provider: {{profile: hub, \
         credentials_data_source: {{filename: {}}}}}}}}}}}",
        file.display()
    );
    let signer = signer(&json!({"added_by": "gateway"}), AWS_REGION);
    let setup = OutboundSetup::new().signer(service.address(), &signer, &[]).upstream_filter(&filter);
    let stage = started(setup).await;
    all_is_signed(&stage, &service).await;
}

#[tokio::test]
async fn wrong_credentials_and_another_region_are_refused_and_told_apart_from_a_service_that_is_away() {
    for (what, region, secret) in
        [("another secret", AWS_REGION, "not-the-secret"), ("another region", "eu-west-1", SECRET)]
    {
        let service = service(None).await;
        let stage = started(by_the_filter(&service, region, secret, None)).await;
        let reply = send(&stage).await;
        assert_eq!((reply.status, reply.error_code().as_deref()), (500, Some("GenericError")), "{what}");
        assert!(stage.hub.calls().is_empty() && !service.faults().is_empty(), "{what}");
        let log = stage.envoy.log();
        assert!(log.contains("or secret, region or clock are wrong") && !log.contains(secret), "{what}: {log}");
    }
}
