//! Where keys are fetched from and how: the same wherever tokens are verified.

use serde_json::json;

use super::definition::{Kind, Object, Setting};
use super::texts::{text, url, url_template};
use crate::config::callouts::{REFETCH_COOLDOWN, TIMEOUT, UPSTREAM};
use crate::config::{jwt_auth, token_cache};

/// Where keys are and what tokens may claim, wherever tokens of JWT Auth are verified.
pub(super) fn key_set_and_claims() -> [Setting; 7] {
    [
        Setting::new(
            "jwks",
            "Where the keys are",
            "Where callers' keys are. `{\"environment\": \"sandbox\"}` or `\"production\"`: the Trust Framework's keystore. \
             `{\"url_template\": \"https://…/{OU}/{CN}/…\"}`: another one; the certificate's `OU` and `CN` are filled in, \
             percent-encoded. `{\"url\": \"https://…\"}`: a fixed one. `http://` only for loopback.",
            jwks().kind().named("keySet"),
        )
        .one_line()
        .example(json!({"environment": "sandbox"})),
        upstream(),
        Setting::new(
            "max_age",
            "How long keys are used",
            "How long fetched keys are used. {range}, which is the standard's limit.",
            Kind::Duration(jwt_auth::MAX_AGE),
        ),
        timeout(),
        refetch_cooldown(),
        Setting::new(
            "clock_skew",
            "How far clocks may differ",
            "How far the Hub's clock and yours may differ. {range}, which is the standard's limit.",
            Kind::Duration(jwt_auth::CLOCK_SKEW),
        ),
        Setting::new(
            "max_lifetime",
            "The longest lifetime",
            "The longest `exp` − `iat` that is accepted. {range}.",
            Kind::Duration(jwt_auth::MAX_LIFETIME),
        ),
    ]
}

fn jwks() -> Object {
    let settings = [
        Setting::new(
            "environment",
            "Environment",
            "The Trust Framework's keystore of this environment.",
            Kind::choice(&jwt_auth::ENVIRONMENTS),
        )
        .otherwise("")
        .example("sandbox"),
        Setting::new(
            "url_template",
            "Template of addresses",
            "Another keystore: the certificate's `OU` and `CN` are filled in for `{OU}` and `{CN}`, percent-encoded.",
            url_template().into(),
        )
        .otherwise("")
        .example("https://keystore.example/{OU}/{CN}/application.jwks"),
        Setting::new("url", "Address", "One key set for all callers.", Kind::from(url()).named("url"))
            .otherwise("")
            .example("https://keystore.example/jwks"),
    ];
    Object::new(&jwt_auth::JWKS_KEYS, settings).exactly_one()
}

/// What the gateway calls to reach a server.
pub(super) fn upstream() -> Setting {
    Setting::new(
        "upstream",
        "What the gateway calls",
        "What the gateway calls to reach that server: on Envoy the name of a cluster, on Kong and APISIX `host` or `host:port`.",
        text(&UPSTREAM).into(),
    )
    .otherwise("`host:port` of the URL")
    .example("keystore")
}

pub(super) fn timeout() -> Setting {
    Setting::new("timeout", "How long a fetch may take", "How long a fetch may take. {range}.", Kind::Duration(TIMEOUT))
}

pub(super) fn refetch_cooldown() -> Setting {
    Setting::new(
        "refetch_cooldown",
        "Pause between fetches",
        "The least time between two fetches that unknown `kid`s cause. {range}.",
        Kind::Duration(REFETCH_COOLDOWN),
    )
}

pub(super) fn token_cache() -> Setting {
    Setting::new(
        "token_cache_capacity",
        "How many verified tokens are remembered",
        "How many tokens each worker remembers whose signature is right. When such a token comes again, its signature is not \
         calculated again; every other check is made as ever. {range}; each takes about 1.7 KB while it is remembered, and all of them \
         never more than 2.2 KB each. Only for callers that send a token more than once, and not beside `replay_detection`.",
        Kind::Integer(token_cache::CAPACITY),
    )
    .otherwise("off")
}
