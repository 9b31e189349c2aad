//! The settings of the method API key.

use serde_json::Value;

use super::definition::{Kind, Object, Setting};
use super::texts::{digest, key_id, request_header, text, time};
use crate::config::api_key;

pub(super) fn api_key() -> Object {
    let point = |key, title, text| {
        Setting::new(key, title, text, Kind::from(time()).named("time"))
            .otherwise("always")
            .example("2026-11-21T00:00:00Z")
    };
    let key = Object::new(
        &api_key::KEY_KEYS,
        [
            Setting::new(
                "id",
                "Name of the key",
                "The key's name in the log and in `x-hub-token-id`. {range} visible ASCII characters.",
                key_id().into(),
            )
            .example("2026"),
            Setting::new(
                "sha256",
                "Digest of the key",
                "The SHA-256 digest of the key in hex: `printf %s \"$KEY\" | sha256sum`. Make keys of 256 random bits: `openssl rand \
                 -hex 32`.",
                digest().into(),
            )
            .example("70e3d6156bc81d2cbbca2bd61dbbc4ae3df44c4c3ab35b8b0e3c2a5c54a3d8a1"),
            point("not_before", "Valid from", "From when on it is valid, such as `\"2026-11-21T00:00:00Z\"`; always in UTC."),
            point("expires", "Valid until", "From when on it is no longer valid; always in UTC.")
                .example("2027-12-31T00:00:00Z"),
        ],
    );
    let settings = [
        Setting::new(
            "keys",
            "Keys",
            "{range} keys that you gave the Hub; several are valid at once while one takes over from another. When the last one ends \
             within 30 days, the log says so once a day.",
            Kind::list(api_key::KNOWN_KEYS, key.kind()),
        ),
        Setting::new(
            "header",
            "The header",
            "The header that carries the key. It is removed with `Authorization`.",
            request_header().into(),
        )
        .default("authorization")
        .example("x-api-key"),
        Setting::new(
            "scheme",
            "The scheme",
            "What stands before the key, such as `\"ApiKey\"`. Without it the whole value is the key.",
            Kind::Either(vec![text(&api_key::SCHEME).into(), Kind::Null]),
        )
        .default(Value::Null)
        .example("ApiKey"),
    ];
    Object::new(&api_key::KEYS, settings)
}
