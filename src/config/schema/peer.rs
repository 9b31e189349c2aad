//! The settings of `inbound.peer`: who may call, and where the certificate of the caller is.

use serde_json::{Value, json};

use super::definition::{Kind, Object, Setting};
use super::texts::{fingerprint, proxy_header, text, word};
use crate::config::forwarded_header::{FORMATS, KEYS, PROXY_KEYS, VALUE, VERIFICATION_KEYS, VERIFICATIONS};
use crate::config::{peer, pins};
use crate::peer::ForwardedFormat;

pub(super) fn peer() -> Object {
    let [units, fingerprints] = pins(
        "The `OU`s of the client certificates that may call: the Hub's organisation ids. {range}. They survive certificate rotation.",
        "SHA-256 fingerprints of the certificates that may call, in hex. {range}. Stricter: they change with every certificate. Where \
         both lists are given, both must match.",
    );
    let unpinned = Setting::new(
        "allow_unpinned",
        "No pin",
        "Lets *every* participant of the Trust Framework call. Must be said aloud when nothing is pinned. With `mtls_only` or \
         `service_initiation` the log warns at the start: then nothing else says who calls.",
        Kind::Boolean,
    );
    let source = Setting::new(
        "source",
        "Where the certificate is",
        "`\"connection\"`: the certificate of this connection. `{\"forwarded_header\": {…}}`: the one that a proxy in front verified \
         and forwards, see *Behind a proxy that ends TLS*.",
        source(),
    );
    let settings = [
        units.example(json!(["233bcd1d-4216-4b3c-a362-9e4a9282bba7"])),
        fingerprints,
        unpinned.default(false),
        source.default("connection").one_line(),
    ];
    Object::new(&peer::KEYS, settings).with(pinned_or_said_aloud())
}

fn pins(units: &'static str, fingerprints: &'static str) -> [Setting; 2] {
    let example = "bf7cd2115ed39116f5e3792e102cc2205e47bbda6ebea7eb02d51b9aa326f28b";
    [
        Setting::new(
            "organisational_units",
            "Pinned OUs",
            units,
            Kind::list(pins::ORGANISATIONAL_UNITS, text(&pins::ORGANISATIONAL_UNIT).into()),
        ),
        Setting::new(
            "fingerprints",
            "Pinned certificates",
            fingerprints,
            Kind::list(pins::FINGERPRINTS, fingerprint().into()),
        )
        .example(json!([example])),
    ]
}

/// There is a pin, or it is said that there is none; never both.
fn pinned_or_said_aloud() -> Value {
    let pin = |list: &str| json!({"required": [list], "properties": {list: {"minItems": 1}}});
    let none = json!({"maxItems": 0});
    json!({
        "if": {"required": ["allow_unpinned"], "properties": {"allow_unpinned": {"const": true}}},
        "then": {"properties": {"organisational_units": none, "fingerprints": none}},
        "else": {"anyOf": [pin("organisational_units"), pin("fingerprints")]},
    })
}

fn source() -> Kind {
    let header = Setting::new(
        "forwarded_header",
        "A header of the proxy in front",
        "How a proxy that ends TLS forwards the certificate.",
        forwarded_header().kind(),
    );
    Kind::Either(vec![word("connection"), Object::new(&peer::SOURCE_KEYS, [header]).kind()])
}

pub(super) fn forwarded_header() -> Object {
    let [units, fingerprints] = pins(
        "The `OU`s of the proxy's own certificate. {range}.",
        "SHA-256 fingerprints of the proxy's own certificate. {range}.",
    );
    let unpinned = Setting::new("allow_unpinned", "No pin", "Believes everybody who has a certificate.", Kind::Boolean);
    let proxy =
        Object::new(&PROXY_KEYS, [units.example(json!(["edge-proxies"])), fingerprints, unpinned.default(false)]);
    let settings = [
        Setting::new(
            "proxy",
            "The proxy's own certificate",
            "Who may forward a certificate: `organisational_units` and `fingerprints` of the proxy's *own* client certificate, as the \
             gateway verified it, up to 64 of each; where both are given, both must match. Any other connection is refused with 401 \
             `Certificate.Missing`, and nothing that it forwards is looked at. `\"allow_unpinned\": true` believes everybody who has a \
             certificate that the gateway verifies; the log warns at the start.",
            proxy.with(pinned_or_said_aloud()).kind(),
        )
        .otherwise("required")
        .one_line()
        .example(json!({"organisational_units": ["edge-proxies"]})),
        Setting::new(
            "trust_plaintext_hop",
            "Believe whoever reaches the gateway",
            "In the place of `proxy`: the header is believed from whoever reaches this gateway, with a certificate or without TLS. Only \
             where a load balancer can show no certificate and the network lets nobody else in; the log warns at the start.",
            Kind::Boolean,
        )
        .default(false),
        Setting::new(
            "format",
            "How the certificate is written",
            "How the certificate is written. `\"xfcc\"`: Envoy's header, which describes it. `\"rfc9440\"`: `:` base64 of the DER `:`, \
             up to 16 KiB of DER. `\"url_encoded_pem\"`: the PEM, percent-encoded, up to 16 KiB of PEM.",
            Kind::choice(&FORMATS),
        )
        .default("xfcc"),
        Setting::new(
            "name",
            "The header",
            "The header. Exactly one value counts; two are refused, as is anything that is not one whole certificate.",
            Kind::from(proxy_header()).named("proxyHeader"),
        )
        .otherwise("`x-forwarded-client-cert` with `xfcc`, `client-cert` with `rfc9440`, else required")
        .example("x-client-cert"),
        Setting::new(
            "verified",
            "What says that it was verified",
            "What says that the proxy verified the certificate: 1 to 4 times `{\"header\": \"…\", \"value\": \"…\"}`, each of which \
             must be there once with exactly this value. Or `\"always\"`, of a proxy that forwards no certificate which it has not \
             verified.",
            Kind::Either(vec![word("always"), verifications()]),
        )
        .otherwise("required, but for `xfcc`")
        .one_line()
        .example(json!([{"header": "x-client-verify", "value": "SUCCESS"}])),
    ];
    let [xfcc, ..] = FORMATS.map(|(word, _)| word);
    let of = |formats: Vec<&str>| json!({"required": ["format"], "properties": {"format": {"enum": formats}}});
    let without_name = |(_, format): &(&str, ForwardedFormat)| *format == ForwardedFormat::UrlEncodedPem;
    let nameless = FORMATS.into_iter().filter(without_name).map(|(word, _)| word).collect();
    let others = FORMATS.into_iter().map(|(word, _)| word).filter(|word| *word != xfcc).collect();
    Object::new(&KEYS, settings).with(json!({
        "if": {"required": ["trust_plaintext_hop"], "properties": {"trust_plaintext_hop": {"const": true}}},
        "then": {"properties": {"proxy": false}},
        "else": {"required": ["proxy"]},
        "allOf": [
            {"if": of(nameless), "then": {"required": ["name"]}},
            {"if": of(others), "then": {"required": ["verified"]}},
        ],
    }))
}

fn verifications() -> Kind {
    let header = Kind::from(proxy_header()).named("proxyHeader");
    let settings = [
        Setting::new("header", "Header", "The header that the proxy writes.", header).example("x-client-verify"),
        Setting::new("value", "Value", "Its value when the certificate was verified.", text(&VALUE).into())
            .example("SUCCESS"),
    ];
    Kind::list(VERIFICATIONS, Object::new(&VERIFICATION_KEYS, settings).kind())
}
