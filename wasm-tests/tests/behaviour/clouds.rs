//! Requests to the Hub, signed by services of clouds: the digest goes there and nothing else, nothing leaves that does not verify, and each
//! failure is told apart. The services are stand-ins, made from what is published of their APIs; they sign with OpenSSL.

use serde_json::{Value, json};
use wasm_tests::host::{Answer, Exchange, Gateway, Level, Module, Upstream};
use wasm_tests::stage::kms::{
    AWS_KEY, AWS_REGION, AZURE_PATH, GOOGLE_NAME, Scheme, aws_answer, azure_answer, google_answer,
};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::SigningKey;

use super::outbound::{bank, call, claims_by, outbound, sent, trail};
use super::scene::{Host, apply, every_engine, every_gateway, outcome, seconds, send};

const SERVICE: &str = "kms.test:443";

const CLOUDS: [Cloud; 3] = [Cloud::Aws, Cloud::Azure, Cloud::Google];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cloud {
    Aws,
    Azure,
    Google,
}

impl Cloud {
    fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws_kms",
            Self::Azure => "azure_key_vault",
            Self::Google => "google_cloud_kms",
        }
    }

    /// A plugin configuration that has it sign, with these settings, too.
    fn signs(self, settings: &Value) -> Value {
        let own = match self {
            Self::Aws => json!({
                "region": AWS_REGION, "key": AWS_KEY,
                "credentials": {
                    "access_key_id": {"env": "AWS_ACCESS_KEY_ID"}, "secret_access_key": {"env": "AWS_SECRET_ACCESS_KEY"},
                },
            }),
            Self::Azure => json!({
                "key": "sig4", "key_version": AZURE_PATH.rsplit('/').next(), "token": {"added_by": "gateway"},
            }),
            Self::Google => json!({"key_version": GOOGLE_NAME, "token": {"added_by": "gateway"}}),
        };
        let mut all = json!({"address": "https://kms.test", "upstream": SERVICE, "kid": bank().signing.kid});
        for more in [&own, settings] {
            for (name, value) in more.as_object().unwrap() {
                all[name] = value.clone();
            }
        }
        let mut configuration = outbound();
        let plugin = configuration["outbound"].as_object_mut().unwrap();
        plugin.remove("keys");
        plugin.insert("remote_signer".to_owned(), json!({ self.name(): all }));
        configuration
    }

    /// What it answers that has this key and signs so.
    fn answer(self, target: &str, path: &str, body: &[u8], key: &SigningKey, scheme: Scheme) -> (u16, Value) {
        match self {
            Self::Aws => aws_answer(target, body, key, scheme),
            Self::Azure => azure_answer(path, body, key, scheme),
            Self::Google => google_answer(path, body, key, scheme),
        }
    }

    /// The service, of which each answer is changed so: `is_signature` says whether it is one.
    fn service(
        self,
        key: &'static SigningKey,
        scheme: Scheme,
        change: impl Fn(bool, u16, Value) -> Answer + 'static,
    ) -> Upstream {
        Upstream::scripted(move |headers, body| {
            let text = |name: &str| headers.text(name).unwrap_or_default().into_owned();
            let (target, path) = (text("x-amz-target"), text(":path"));
            let is_signature =
                target == "TrentService.Sign" || path.contains("/sign?") || path.ends_with(":asymmetricSign");
            let (status, answer) = self.answer(&target, &path, body, key, scheme);
            change(is_signature, status, answer)
        })
    }

    /// The member of an answer with the signature, and that which names the key.
    fn members(self) -> (&'static str, &'static str) {
        match self {
            Self::Aws => ("Signature", "KeyId"),
            Self::Azure => ("value", "kid"),
            Self::Google => ("signature", "name"),
        }
    }
}

fn as_it_is(_is_signature: bool, status: u16, answer: Value) -> Answer {
    Answer::status(status).body(answer.to_string())
}

fn start(host: Host, configuration: &Value, service: Upstream) -> Gateway {
    host.with(configuration)
        .environment("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .environment("AWS_SECRET_ACCESS_KEY", "s3cret-access-key")
        .log_level(Level::Trace)
        .upstream(SERVICE, service)
        .start(Module::release())
        .expect("the gateway starts")
}

fn claims(exchange: &Exchange) -> Value {
    claims_by(&bank().signing, &sent(exchange))
}

fn nothing_secret_is_logged(gateway: &Gateway) {
    for log in gateway.logs() {
        assert!(!log.text.contains("s3cret") && !log.text.contains("eyJ") && !log.text.contains("<html>"), "{log}");
    }
}

#[apply(every_engine)]
fn each_cloud_tells_its_key_once_and_signs(host: Host) {
    for cloud in CLOUDS {
        let gateway = start(host, &cloud.signs(&json!({})), cloud.service(&bank().signing, Scheme::Pss(32), as_it_is));
        for _ in 0..2 {
            claims(&send(&gateway, call().header("authorization", "Bearer of-the-caller")));
        }
        assert_eq!(gateway.callouts().len(), 3, "{cloud:?}: the key, and two signatures");
        let trail = trail(&gateway);
        assert!(trail.len() == 2 && trail.iter().all(|line| line["signer"] == cloud.name()), "{trail:?}");
        nothing_secret_is_logged(&gateway);
    }
}

#[apply(every_gateway)]
fn a_call_to_aws_is_signed_for_its_region_and_time(host: Host) {
    let cloud = Cloud::Aws;
    let gateway = start(host, &cloud.signs(&json!({})), cloud.service(&bank().signing, Scheme::Pss(32), as_it_is));
    claims(&send(&gateway, call()));
    for callout in gateway.callouts() {
        let text = |name: &str| callout.headers.text(name).unwrap_or_default().into_owned();
        assert_eq!(
            (text(":method"), text(":path"), text(":authority")),
            ("POST".into(), "/".into(), "kms.test".into())
        );
        let (date, authorization) = (text("x-amz-date"), text("authorization"));
        let start = format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{}/me-central-1/kms/aws4_request, ", &date[..8]);
        assert!(
            authorization.starts_with(&start) && date.ends_with('Z') && date.len() == 16,
            "{authorization} at {date}"
        );
    }
}

/// What a service may answer that is not what it was asked for; none of it must leave. Each with what the log says.
fn wrong(cloud: Cloud) -> Vec<(&'static str, Upstream, &'static str)> {
    let own = &bank().signing;
    let (signature, name) = cloud.members();
    let changed = move |member: &'static str, to: fn(&str) -> String| {
        cloud.service(own, Scheme::Pss(32), move |is_signature, status, mut answer| {
            if is_signature {
                answer[member] = to(answer[member].as_str().expect("text")).into();
            }
            as_it_is(is_signature, status, answer)
        })
    };
    vec![
        ("another salt", cloud.service(own, Scheme::Pss(222), as_it_is), "does not verify"),
        ("no salt", cloud.service(own, Scheme::Pss(0), as_it_is), "does not verify"),
        ("PKCS #1 v1.5", cloud.service(own, Scheme::Pkcs1, as_it_is), "does not verify"),
        ("another version of the key", changed(name, |name| format!("{name}4")), "configured"),
        ("a truncated signature", changed(signature, |text| text[..text.len() - 1].to_owned()), "in base64"),
        ("a shorter one", changed(signature, |text| text[..100].to_owned()), "not as long"),
        (
            "HTML",
            cloud.service(own, Scheme::Pss(32), |is_signature, status, answer| {
                if is_signature { Answer::ok("<html>sign in</html>") } else { as_it_is(is_signature, status, answer) }
            }),
            "not a JSON object",
        ),
    ]
}

#[apply(every_gateway)]
fn nothing_leaves_that_is_not_the_signature_that_was_asked_for(host: Host) {
    for cloud in CLOUDS {
        for (what, service, log) in wrong(cloud) {
            let gateway = start(host, &cloud.signs(&json!({})), service);
            let exchange = gateway.worker(0).send(call());
            gateway.advance(seconds(7));
            assert!(exchange.upstream().is_none(), "{cloud:?}, {what}");
            assert_eq!(exchange.reply().expect("a refusal").status, 500, "{cloud:?}, {what}");
            assert!(
                gateway.logs().iter().any(|line| line.text.contains(log)),
                "{cloud:?}, {what}: {:?}",
                gateway.logs()
            );
            assert!(trail(&gateway).is_empty(), "{cloud:?}, {what}");
            nothing_secret_is_logged(&gateway);
        }
    }
    // Where the public key is configured, another key does not sign either.
    for cloud in CLOUDS {
        let pinned = json!({"public_key": Pki::shared().next_bank_signing.public_pem()});
        let gateway = start(host, &cloud.signs(&pinned), cloud.service(&bank().signing, Scheme::Pss(32), as_it_is));
        assert_eq!(outcome(&send(&gateway, call())), "GenericError");
    }
}

/// An error of a service with its body: what the caller is told, how often the service is asked for the signature, and a part of the log.
fn errors(cloud: Cloud) -> Vec<(Answer, u16, usize, &'static str)> {
    let aws = |name: &str| Answer::status(400).body(json!({"__type": name, "message": "m"}).to_string());
    match cloud {
        Cloud::Aws => vec![
            (aws("ThrottlingException"), 503, 1, "status 429 instead of 200: a quota is exhausted"),
            (aws("ExpiredTokenException"), 500, 1, "the credentials are unknown or expired"),
            (aws("InvalidSignatureException"), 500, 1, "secret, region or clock are wrong"),
            (aws("AccessDeniedException"), 500, 1, "may not do this with the key"),
            (aws("NotFoundException"), 500, 1, "there is no such key in this region"),
            (aws("KMSInvalidStateException"), 500, 1, "the key is disabled"),
            (Answer::status(500).body(r#"{"__type":"KMSInternalException"}"#), 503, 2, "status 500"),
        ],
        Cloud::Azure | Cloud::Google => vec![
            (Answer::status(429).header("retry-after", "7").body("{}"), 503, 1, "status 429 instead of 200: a quota"),
            (Answer::status(401).body("{}"), 500, 1, "that the gateway adds is missing"),
            (Answer::status(403).body("{}"), 500, 1, "may not do this with the key"),
            (Answer::status(404).body("{}"), 500, 1, "there is no such key or version"),
            (Answer::status(503).body("{}"), 503, 2, "it cannot be reached"),
        ],
    }
}

#[apply(every_gateway)]
fn each_error_of_a_cloud_refuses_and_says_why(host: Host) {
    for cloud in CLOUDS {
        for (error, status, asked, log) in errors(cloud) {
            let what = format!("{cloud:?}, {log}");
            let service = cloud.service(&bank().signing, Scheme::Pss(32), move |is_signature, status, answer| {
                if is_signature { error.clone() } else { as_it_is(is_signature, status, answer) }
            });
            let gateway = start(host, &cloud.signs(&json!({})), service);
            let exchange = gateway.worker(0).send(call());
            gateway.advance(seconds(7));
            assert!(exchange.upstream().is_none(), "{what}");
            assert_eq!(exchange.reply().expect("a refusal").status, status, "{what}");
            assert_eq!(gateway.callouts().len(), 1 + asked, "{what}");
            assert!(gateway.logs().iter().any(|line| line.text.contains(log)), "{what}: {:?}", gateway.logs());
            nothing_secret_is_logged(&gateway);
        }
    }
}

/// AWS is asked for its key by a call with a body. Where no call may follow on such a one that brought nothing, none does.
#[apply(every_gateway)]
fn a_key_that_does_not_come_is_asked_for_again_only_where_that_may_be(host: Host) {
    for cloud in CLOUDS {
        for silent in [Answer::reset(), Answer::never(), Answer::status(500)] {
            let gateway = start(host, &cloud.signs(&json!({})), Upstream::new().otherwise(silent));
            let exchange = gateway.worker(0).send(call());
            gateway.advance(seconds(15));
            assert!(exchange.upstream().is_none());
            assert_eq!(exchange.reply().expect("a refusal").status, 503, "{cloud:?}");
            let is_alone = cloud == Cloud::Aws && !host.repeats_unanswered_callouts;
            // On Envoy the key is also asked for ahead of requests.
            let calls = gateway.callouts().len();
            assert!(if is_alone { calls == 1 } else { calls >= 2 }, "{cloud:?}: {calls} calls");
        }
    }
}
