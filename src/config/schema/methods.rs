//! The settings of the methods of authentication by tokens.

use serde_json::{Map, Value, json};

use super::definition::{Kind, Object, Setting};
use super::key_sets::{key_set_and_claims, refetch_cooldown, timeout, token_cache, upstream};
use super::secrets::{credential, secret};
use super::texts::{origin, subject_value, text, url};
use crate::config::callouts::UPSTREAM;
use crate::config::{client_credentials, jwt_auth, replay, replay_store};
use crate::jose::Algorithm;

pub(super) fn jwt_auth() -> Object {
    let [jwks, upstream, max_age, timeout, refetch_cooldown, clock_skew, max_lifetime] = key_set_and_claims();
    let settings = [
        jwks,
        upstream,
        Setting::new(
            "warm",
            "Keys that are fetched at the start",
            "`[{\"organisational_unit\": \"…\", \"common_name\": \"…\"}]`, up to 16: whose keys are fetched at the start, so that their \
             first call waits for nothing, and a keystore that is down is seen at once. Keys at a fixed `url`, and those that responses \
             of the Hub are verified with, are fetched so anyway. Envoy only.",
            warm(),
        )
        .otherwise("none")
        .one_line()
        .example(json!([{"organisational_unit": "233bcd1d-4216-4b3c-a362-9e4a9282bba7", "common_name": "hub"}])),
        max_age,
        timeout,
        refetch_cooldown,
        clock_skew,
        max_lifetime,
        Setting::new(
            "replay_detection",
            "Who remembers used tokens",
            "`\"gateway\"`: a token is accepted once, by whichever worker; needs shared data. `\"worker\"`: once by each worker. \
             `\"off\"`: until it expires. An object: once by all gateways that share its `store`. On APISIX any write to `apisix.yaml` \
             forgets used tokens, unless there is a store. See *Limits*.",
            Kind::Either(vec![Kind::choice(&replay::SCOPES), shared_detection().kind()]),
        )
        .default("off")
        .one_line(),
        Setting::new(
            "replay_capacity",
            "How many used tokens are remembered",
            "How many tokens are remembered while they live. {range}. When all places are taken, further tokens are refused with 503. \
             A token takes about 50 bytes of the gateway's shared data at the most, or about 100 in each worker.",
            Kind::Integer(replay::CAPACITY),
        ),
        token_cache(),
    ];
    let [(off, _), ..] = replay::SCOPES;
    Object::new(&jwt_auth::KEYS, settings).with(json!({"dependentSchemas": {
        "replay_capacity": {
            "required": ["replay_detection"],
            "properties": {"replay_detection": {"not": {"const": off}}},
        },
        // No token is accepted twice then.
        "token_cache_capacity": {"properties": {"replay_detection": {"const": off}}},
        // Keys at one address are fetched at the start anyway.
        "warm": {"properties": {"jwks": {"properties": {"url": false}}}},
    }}))
}

pub(super) fn shared_detection() -> Object {
    let store = |key, title, text| Setting::new(key, title, text, replay_store().kind()).otherwise("this or the other");
    let stores = Object::new(
        &replay_store::KEYS,
        [
            store("etcd", "etcd", "etcd 3.4 or later, by its JSON gateway.").example(json!({
                "address": "https://etcd.bank.example:2379", "upstream": "etcd", "prefix": "hub-auth-filter/production/",
                "username": "gateway", "password": {"env": "ETCD_PASSWORD"},
            })),
            store("webdis", "Redis by Webdis", "Redis 7.0 or later, by Webdis. A failover of Redis loses what was written last.")
                .example(json!({"address": "http://127.0.0.1:7379"})),
        ],
    );
    let settings = [
        Setting::new(
            "store",
            "Where gateways remember together",
            "The store that all gateways share: `{\"etcd\": {…}}` or `{\"webdis\": {…}}`. A token costs one request to it. See \
             *Replay detection across gateways*.",
            stores.exactly_one().kind(),
        )
        .one_line(),
        Setting::new(
            "unavailable",
            "While the store cannot be asked",
            "What becomes of tokens while the store cannot be asked. `\"refuse\"`: 503. `\"local\"`: the memory of this gateway decides \
             alone, so a token may pass once at each gateway; counted, and logged once a minute. Needs shared data.",
            Kind::choice(&replay::UNAVAILABLE),
        )
        .default("refuse"),
    ];
    Object::new(&replay::KEYS, settings)
}

pub(super) fn replay_store() -> Object {
    let settings = [
        Setting::new(
            "address",
            "Address",
            "`https://host:port` and nothing more. With `http://` to another machine the log warns.",
            origin().into(),
        )
        .example("https://etcd.bank.example:2379"),
        upstream().text("As with `jwt_auth`.").otherwise("`host:port` of `address`").example("etcd"),
        Setting::new(
            "prefix",
            "Prefix of keys",
            "What each key begins with: one for each environment. What the user must be allowed to read and write.",
            text(&replay_store::PREFIX).into(),
        )
        .default("hub-auth-filter/"),
        Setting::new(
            "username",
            "User name",
            "As whom the store is asked. With `password` or not at all.",
            text(&replay_store::USERNAME).into(),
        )
        .otherwise("none")
        .example("gateway"),
        Setting::new(
            "password",
            "Password",
            "`{\"env\": \"NAME\"}` or `{\"value\": \"…\"}`.",
            secret(&replay_store::PASSWORD),
        )
        .otherwise("none")
        .one_line()
        .example(json!({"env": "ETCD_PASSWORD"})),
        Setting::new(
            "timeout",
            "How long one try may take",
            "How long one try may take. {range}.",
            Kind::Duration(replay_store::TIMEOUT),
        ),
        Setting::new(
            "deadline",
            "How long all tries may take",
            "How long all that is asked for one token may take. {range}, and not shorter than `timeout`.",
            Kind::Duration(replay_store::DEADLINE),
        ),
    ];
    Object::new(&replay_store::STORE_KEYS, settings)
        .with(json!({"dependentRequired": {"username": ["password"], "password": ["username"]}}))
}

fn warm() -> Kind {
    let value = |key, title, text| Setting::new(key, title, text, Kind::from(subject_value()).named("subjectValue"));
    let subject = Object::new(
        &jwt_auth::WARM_KEYS,
        [
            value("organisational_unit", "OU", "The `OU` of the caller's certificate.")
                .example("233bcd1d-4216-4b3c-a362-9e4a9282bba7"),
            value("common_name", "CN", "Its `CN`, if the address of the keys has it.").otherwise("").example("hub"),
        ],
    );
    Kind::list(jwt_auth::WARM, subject.kind())
}

pub(super) fn client_credentials() -> Object {
    let like_jwt_auth = |setting: Setting| setting.like("jwt_auth");
    let identifier = || Kind::from(text(&client_credentials::IDENTIFIER));
    let settings = [
        Setting::new("issuer", "Issuer", "What a token's `iss` must be.", identifier())
            .otherwise("required with `jwks`")
            .example("https://as.bank.example"),
        Setting::new("audience", "Audience", "What its `aud` must be, or contain.", identifier())
            .otherwise("required with `jwks`")
            .example("https://ozone-connect.bank.example"),
        Setting::new(
            "scopes",
            "Scopes",
            "The scopes that it must all have, in `scope` as words or as a list; without one of them the answer is 403. {range}.",
            Kind::list(client_credentials::SCOPES, text(&client_credentials::SCOPE).into()),
        )
        .example(json!(["accounts"])),
        Setting::new(
            "certificate_bound",
            "Bound to the certificate",
            "Whether a token must be bound: its `cnf.\"x5t#S256\"` (RFC 8705) is the SHA-256 of the client certificate. With `false` it \
             need not be, but one that has `cnf` must still match; one that is bound to a key in another way (DPoP's `jkt`) is refused \
             always. Of `false` the log warns at the start.",
            Kind::Boolean,
        )
        .default(true),
        Setting::new(
            "clock_skew",
            "How far clocks may differ",
            "How far the clocks of the server and yours may differ. {range}.",
            Kind::Duration(client_credentials::CLOCK_SKEW),
        ),
        Setting::new(
            "jwks",
            "Where the keys are",
            "`{\"url\": \"https://…\"}`: tokens are JWTs (RFC 9068), and these are the server's keys. A token without `kid` is accepted \
             where exactly one of them is for its `alg`.",
            fixed_key_set().kind(),
        )
        .otherwise("this or `introspection`")
        .one_line()
        .example(json!({"url": "https://as.bank.example/jwks"})),
        Setting::new(
            "algorithms",
            "Algorithms",
            "Which signatures are accepted: `PS256`, `ES256`, `RS256`.",
            Kind::list(client_credentials::ALGORITHMS, Kind::Choice(Algorithm::ALL.map(Algorithm::name).into())),
        )
        .default(json!([Algorithm::Ps256.name()])),
        like_jwt_auth(upstream()),
        like_jwt_auth(timeout()),
        like_jwt_auth(refetch_cooldown()),
        like_jwt_auth(token_cache()),
        Setting::new(
            "max_age",
            "How long keys are used",
            "How long fetched keys are used. {range}.",
            Kind::Duration(client_credentials::KEY_MAX_AGE),
        ),
        Setting::new(
            "introspection",
            "Introspection",
            "Tokens are opaque, and the server is asked about them (RFC 7662).",
            introspection().kind(),
        )
        .otherwise("this or `jwks`"),
    ];
    let of_jwks = ["jwks"].into_iter().chain(client_credentials::KEYS_OF_JWKS);
    let none: Map<String, Value> = of_jwks.map(|key| (key.to_owned(), Value::Bool(false))).collect();
    Object::new(&client_credentials::KEYS, settings).with(json!({
        "if": {"required": ["introspection"]},
        "then": {"properties": none},
        "else": {"required": ["jwks", "issuer", "audience"]},
    }))
}

fn fixed_key_set() -> Object {
    let url = Setting::new("url", "Address", "Where the server's keys are.", Kind::from(url()).named("url"));
    Object::new(&client_credentials::JWKS_KEYS, [url.example("https://as.bank.example/jwks")])
}

fn introspection() -> Object {
    let settings = [
        Setting::new(
            "url",
            "Introspection endpoint",
            "Where the server is asked about tokens.",
            Kind::from(url()).named("url"),
        )
        .example("https://as.bank.example/token/introspection"),
        Setting::new(
            "upstream",
            "What the gateway calls",
            "As with `jwt_auth`. On Envoy a question on a connection that the server has just ended is asked once more; the cluster's \
             `max_retries` must allow it (its default, 3, does).",
            text(&UPSTREAM).into(),
        )
        .otherwise("`host:port` of the URL")
        .example("authorisation_server"),
        timeout().like("jwt_auth"),
        Setting::new("client_id", "Client id", "As whom the filter asks.", text(&client_credentials::CLIENT_ID).into())
            .example("gateway"),
        Setting::new(
            "client_secret",
            "Client secret",
            "`{\"env\": \"NAME\"}`: the secret stands in this environment variable (upper-case letters, digits and `_`), which the \
             gateway must hand to the module. `{\"value\": \"…\"}`: here; the log warns, because gateways show their configuration, and \
             APISIX logs it. Sent as HTTP Basic. `{\"added_by\": \"gateway\"}`: the filter sends none, and the gateway adds the whole header \
             `Authorization` on the way, as Envoy can.",
            credential(&client_credentials::CLIENT_SECRET),
        )
        .one_line()
        .example(json!({"env": "INTROSPECTION_SECRET"})),
        Setting::new(
            "max_age",
            "How long an answer is used",
            "How long an answer is used, and never beyond the token's `exp`. A token that is revoked is refused after this at the \
             latest. {range}.",
            Kind::Duration(client_credentials::MAX_AGE),
        ),
        Setting::new(
            "negative_max_age",
            "How long a refusal is remembered",
            "How long it is remembered that a token is not active, or that the server did not say. {range}.",
            Kind::Duration(client_credentials::NEGATIVE_MAX_AGE),
        ),
        Setting::new(
            "capacity",
            "How many answers are kept",
            "How many answers are kept in each worker. {range}.",
            Kind::Integer(client_credentials::CAPACITY),
        ),
        Setting::new(
            "require_expiry",
            "Whether exp is required",
            "Whether an answer without `exp` is refused. Without it such a token is good for as long as the server calls it active.",
            Kind::Boolean,
        )
        .default(false),
    ];
    Object::new(&client_credentials::INTROSPECTION_KEYS, settings)
}
