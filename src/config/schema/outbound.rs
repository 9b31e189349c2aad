//! The settings of `outbound`, and of the bank's tokens on responses, which are signed alike.

use serde_json::{Value, json};

use super::clouds::{aws_kms, azure_key_vault, google_cloud_kms};
use super::definition::{Kind, Object, Setting};
use super::key_sets::{key_set_and_claims, upstream};
use super::provider_ids::provider_ids;
use super::secrets::secret;
use super::signer_settings::kid;
use super::texts::{self, response_header, subject_value, text, time};
use super::vault::vault_transit;
use crate::config::signers::{KEYS as SIGNERS, local};
use crate::config::{outbound, response_token, signing, subject, text_rules, verify_responses};

pub(super) fn outbound() -> Object {
    let verify = Setting::new(
        "verify_responses",
        "Tokens on responses",
        "How the Hub's tokens on its responses are verified.",
        verify_responses().kind(),
    );
    let settings = signing().into_iter().chain([verify.otherwise("off").one_line()]);
    Object::new(&outbound::KEYS, settings).with(one_signer())
}

pub(super) fn response_token() -> Object {
    let header = header()
        .text("The header of the response that carries the token. A header that means something else is refused.");
    let settings = signing().into_iter().map(|setting| setting.like("outbound")).chain([header]);
    Object::new(&response_token::KEYS, settings).with(one_signer())
}

fn header() -> Setting {
    Setting::new(
        "header",
        "The header",
        "The header that carries the token.",
        Kind::from(response_header()).named("responseHeader"),
    )
    .default("authorization")
    .example("x-response-token")
}

fn one_signer() -> Value {
    json!({"oneOf": [{"required": ["keys"]}, {"required": ["remote_signer"]}]})
}

fn signing() -> [Setting; 5] {
    [
        Setting::new(
            "audience",
            "Audience",
            "What `aud` says: the provider id from onboarding.",
            text(&text_rules::PROVIDER_ID).into(),
        )
        .example("retail"),
        Setting::new(
            "certificate",
            "Your client certificate C3",
            "Your client certificate C3: it says who signs.",
            certificate().kind().named("ownCertificate"),
        ),
        Setting::new(
            "lifetime",
            "Lifetime of tokens",
            "`exp` − `iat`. {range}.",
            Kind::Duration(signing::LIFETIME),
        ),
        Setting::new(
            "keys",
            "Private keys",
            "{range} private keys. The one that became active last signs. Before the first is active, requests are refused.",
            Kind::list(local::LOCAL_KEYS, signing_key().kind()).named("signingKeys"),
        )
        .otherwise("this or `remote_signer`"),
        Setting::new(
            "remote_signer",
            "Remote signer",
            "Who signs instead.",
            remote_signer().kind().named("remoteSigner"),
        )
        .otherwise("this or `keys`")
        .one_line(),
    ]
}

fn certificate() -> Object {
    let value = |key, title, text| {
        Setting::new(key, title, text, Kind::from(subject_value()).named("subjectValue")).otherwise("")
    };
    let settings = [
        Setting::new(
            "pem",
            "The certificate",
            "Your client certificate C3 in PEM. Of a chain the first certificate counts. Its `O` becomes `iss`, its `OU` becomes `sub`; \
             it must have one of each.",
            texts::certificate().into(),
        )
        .otherwise("this, or the next two"),
        value("organisation", "O", "Its `O` in words. Beside `pem` it must agree with it.").example("Acme Bank"),
        value("organisational_unit", "OU", "Its `OU` in words. Beside `pem` it must agree with it.")
            .example("7c6ba1d4-9c3b-4f0a-8f5e-2f8d1c3b6a90"),
    ];
    Object::new(&subject::CERTIFICATE_KEYS, settings)
        .with(json!({"anyOf": [{"required": ["pem"]}, {"required": ["organisation", "organisational_unit"]}]}))
}

fn signing_key() -> Object {
    let settings = [
        kid("The key's `kid` on your JWKS. {range} bytes."),
        Setting::new(
            "private_key",
            "The private key",
            "The key in PEM, PKCS#8 or PKCS#1, not encrypted: RSA of 2048 to 4096 bits. Text before it (`Bag Attributes`, what \
             `openssl -text` writes) is ignored. `{\"env\": \"NAME\"}`: it stands in this environment variable, with its line ends, or \
             with `\\n` for each of them. `{\"value\": \"…\"}`: here; the log warns, because gateways show their configuration, and APISIX \
             logs it.",
            secret(&local::PRIVATE_KEY),
        )
        .one_line()
        .example(json!({"env": "SIG4_PRIVATE_KEY"})),
        Setting::new(
            "active_from",
            "Active from",
            "From when on it signs, such as `\"2026-11-21T00:00:00Z\"`; always in UTC. No two keys have the same.",
            Kind::from(time()).named("time"),
        )
        .otherwise("always")
        .example("2026-11-21T00:00:00Z"),
    ];
    Object::new(&local::KEY_KEYS, settings)
}

fn remote_signer() -> Object {
    let vault = Setting::new(
        "vault_transit",
        "Vault Transit",
        "A key in the Transit engine of HashiCorp Vault or OpenBao.",
        vault_transit().kind(),
    );
    let aws = Setting::new("aws_kms", "AWS KMS", "A key in AWS KMS.", aws_kms().kind());
    let azure = Setting::new(
        "azure_key_vault",
        "Azure Key Vault",
        "A key in Azure Key Vault or Managed HSM.",
        azure_key_vault().kind(),
    );
    let google =
        Setting::new("google_cloud_kms", "Google Cloud KMS", "A key in Google Cloud KMS.", google_cloud_kms().kind());
    Object::new(&SIGNERS, [vault, aws, azure, google].map(|one| one.otherwise(""))).exactly_one()
}

pub(super) fn verify_responses() -> Object {
    let mode = Setting::new(
        "mode",
        "What happens to others",
        "`\"require\"`: a response without a right token is replaced by a 502; not on APISIX. `\"report\"`: it is let through, logged \
         and counted.",
        Kind::choice(&verify_responses::MODES),
    );
    let value = |key, title, text| Setting::new(key, title, text, Kind::from(subject_value()).named("subjectValue"));
    let hub = Object::new(
        &subject::HUB_KEYS,
        [
            value("organisation", "O", "What `iss` must be: `O` of the Hub's certificate C4.").example("Hub Operator"),
            value("organisational_unit", "OU", "What `sub` must be: `OU` of the Hub's certificate C4.")
                .example("233bcd1d-4216-4b3c-a362-9e4a9282bba7"),
            value("common_name", "CN", "Its `CN`, for the address of the keys.")
                .otherwise("required where that has `{CN}`, as the Trust Framework's keystores do")
                .example("hub"),
        ],
    );
    let own = [
        mode.default("require"),
        header().example("x-hub-token"),
        Setting::new("hub", "The Hub's certificate C4", "Whose tokens they are: the Hub's certificate C4.", hub.kind()),
        provider_ids("What `aud` may be: your ids, or their audiences, as with `inbound`. {range}."),
    ];
    let settings = own.into_iter().chain(key_set_and_claims().map(|setting| setting.like("jwt_auth")));
    Object::new(&verify_responses::KEYS, settings)
}
