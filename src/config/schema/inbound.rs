//! The settings of `inbound`.

use serde_json::json;

use super::api_key::api_key;
use super::definition::{Kind, Object, Setting};
use super::methods::{client_credentials, jwt_auth};
use super::outbound::response_token;
use super::peer::peer;
use super::provider_ids::provider_ids;
use super::texts::{base_path, request_path, text};
use crate::config::inbound::{AUTH_KEYS, KEYS, MTLS_ONLY_KEYS};
use crate::config::{forward, health_checks, service_initiation};

pub(super) fn inbound() -> Object {
    let settings = [
        provider_ids(
            "Your `PROVIDER_ID`s from onboarding: what a token's `aud` must name. {range}. With more than one, `o3-provider-id` is \
             mandatory and names the one that `aud` must be. Where the two differ, an entry says both: `{\"id\": \"fabretail\", \
             \"audience\": \"…\"}`; `id` is what `o3-provider-id` says, `audience` what `aud` must name. Each id once.",
        ),
        Setting::new(
            "require_provider_header",
            "Whether o3-provider-id is mandatory",
            "Makes `o3-provider-id` (or its alias `o3-aspsp-id`) mandatory with one id, too.",
            Kind::Boolean,
        )
        .default(false),
        Setting::new("peer", "Who may call", "Which client certificates may call.", peer().kind()),
        Setting::new(
            "auth",
            "How callers are authenticated",
            "Exactly one method: `jwt_auth`, `client_credentials` or `api_key`, see below, or `\"mtls_only\": {}`, which asks for \
             nothing beyond the certificate and its pin.",
            auth().kind(),
        )
        .one_line(),
        Setting::new(
            "service_initiation",
            "Requests with a token for the backend",
            "On exactly the listed methods and paths (any query), a Bearer value that is not meant for the configured method passes on \
             mutual TLS and pinning alone. Your backend gets it in `Authorization`, whatever `forward` says, with `x-hub-auth-method: \
             unverified_service_initiation`, and must check it. Needs `forward.identity_headers`.",
            service_initiation().kind(),
        )
        .otherwise("off"),
        Setting::new(
            "health_checks",
            "Answers to the Hub's health checks",
            "`{\"base_path\": \"/\"}`: answers the Hub's `GET /hello`, `/hello-mtls` and `/echo-cert` below that path here, before the \
             bank and without a credential. The latter two need a client certificate that was verified; it need not be pinned, because \
             they tell what arrives. `issuer` is empty where the gateway does not hand the certificate on: on Envoy it comes with \
             `set_current_client_cert_details: {cert: true}`.",
            health_checks().kind(),
        )
        .otherwise("off"),
        Setting::new("forward", "What goes on to the backend", "What an accepted request carries on to your backend.", forward().kind())
            .default(json!({})),
        Setting::new(
            "response_token",
            "A token on responses",
            "Puts a token of yours on responses, see *Tokens on your responses to the Hub*.",
            response_token().kind(),
        )
        .otherwise("off")
        .one_line(),
    ];
    // Without the identity headers the backend cannot tell that such a request is not verified.
    let needs_identity = json!({"properties": {"forward": {"properties": {"identity_headers": {"const": true}}}}});
    Object::new(&KEYS, settings).with(json!({"dependentSchemas": {"service_initiation": needs_identity}}))
}

fn auth() -> Object {
    let settings = [
        Setting::new("jwt_auth", "JWT Auth", "A signed token on each request.", jwt_auth().kind()).otherwise(""),
        Setting::new(
            "client_credentials",
            "Client credentials",
            "An access token of your own authorisation server.",
            client_credentials().kind(),
        )
        .otherwise(""),
        Setting::new("api_key", "API key", "A secret that you gave the Hub.", api_key().kind()).otherwise(""),
        Setting::new(
            "mtls_only",
            "Mutual TLS only",
            "Nothing beyond the certificate and its pin.",
            Object::new(&MTLS_ONLY_KEYS, []).kind(),
        )
        .otherwise("")
        .example(json!({})),
    ];
    Object::new(&AUTH_KEYS, settings).exactly_one()
}

fn service_initiation() -> Object {
    let request = Object::new(
        &service_initiation::REQUEST_KEYS,
        [
            Setting::new(
                "method",
                "Method",
                "The HTTP method, in upper case.",
                text(&service_initiation::METHOD).into(),
            )
            .example("POST"),
            Setting::new(
                "path",
                "Path",
                "The path, without query, without encoded characters and without `/` at its end. {range} characters.",
                request_path().into(),
            )
            .example("/payments"),
        ],
    );
    let requests = Kind::list(service_initiation::ALLOW, request.kind());
    let allow = Setting::new(
        "allow",
        "Requests",
        "`[{\"method\": \"POST\", \"path\": \"/payments\"}]`, {range} requests.",
        requests,
    );
    Object::new(&service_initiation::KEYS, [allow.example(json!([{"method": "POST", "path": "/payments"}]))])
}

fn health_checks() -> Object {
    let path = Setting::new(
        "base_path",
        "Path before /hello",
        "What stands before `/hello` in the path: letters, digits, `-`, `.`, `_`, `~` and `/`. {range} characters.",
        base_path().into(),
    );
    Object::new(&health_checks::KEYS, [path.default("/").example("/ozone-connect")])
}

fn forward() -> Object {
    let settings = [
        Setting::new(
            "authorization",
            "The credential",
            "`\"remove\"` or `\"keep\"`: whether your backend gets the credential.",
            Kind::choice(&forward::AUTHORIZATION),
        )
        .default("remove"),
        Setting::new(
            "identity_headers",
            "The identity headers",
            "Whether your backend gets the identity headers.",
            Kind::Boolean,
        )
        .default(true),
    ];
    Object::new(&forward::KEYS, settings)
}
