//! The configuration described once, for editors as a JSON Schema (2020-12), and for people as the reference
//! `docs/configuration.md`. Not part of the module that gateways load.
//!
//! [`definition`] is what a setting is; the files named after parts of the configuration say it of each setting, with the rules
//! and bounds that the reader itself has. That schema and reader agree is tested both ways, but for what [`EXCEPTIONS`] names.

mod api_key;
mod clouds;
mod definition;
mod exceptions;
mod inbound;
mod json;
mod key_sets;
mod methods;
mod outbound;
mod page;
mod pattern;
mod peer;
mod provider_ids;
mod secrets;
mod signer_settings;
mod texts;
mod vault;

use serde_json::{Value, json};

#[cfg(test)]
pub(in crate::config) use definition::Presence;
pub(in crate::config) use definition::{Kind, Object, Setting};
pub use exceptions::{EXCEPTIONS, Exception};

use super::gateway::{self, KnownGateway};
use super::{DIRECTIONS, TOP};

/// The JSON Schema of the configuration, for gateways of these kinds.
#[must_use]
pub fn json_schema(known: &[KnownGateway]) -> Value {
    let mut schema = json::schema(&configuration(known));
    // Whatever order a build's features of serde_json keep.
    schema.sort_all_objects();
    schema
}

/// The reference of the configuration in Markdown: `docs/configuration.md`.
#[must_use]
pub fn reference(known: &[KnownGateway]) -> String {
    page::page(known)
}

/// All of it.
pub(in crate::config) fn configuration(known: &[KnownGateway]) -> Object {
    let settings = [
        Setting::new(
            "$schema",
            "The schema of this file",
            "The address of this schema, for editors. The filter does not look at it.",
            texts::any().into(),
        )
        .otherwise("none")
        .example("https://example.com/hub-auth-filter.schema.json"),
        Setting::new(
            "inbound",
            "Requests from the Hub to you",
            "What the filter demands of requests from the API Hub to the bank.",
            inbound::inbound().kind(),
        )
        .otherwise("this or `outbound`"),
        Setting::new(
            "outbound",
            "Your requests to the Hub",
            "What the filter adds to requests from the bank to the API Hub.",
            outbound::outbound().kind(),
        )
        .otherwise("this or `inbound`"),
        Setting::new(
            "gateway",
            "The gateway itself",
            "What the filter cannot find out about the gateway it runs in.",
            of_gateway(known).kind(),
        )
        .default(json!({})),
    ];
    let one_direction: Vec<Value> = DIRECTIONS.iter().map(|direction| json!({"required": [direction]})).collect();
    Object::new(&TOP, settings).with(json!({"oneOf": one_direction}))
}

fn of_gateway(known: &[KnownGateway]) -> Object {
    let settings = [
        Setting::new(
            "kind",
            "Which gateway it is",
            "`\"envoy\"`, `\"kong\"` or `\"apisix\"`: which gateway it is. A wrong one is refused: every request gets 500, and the log \
             says why; Envoy does not start.",
            Kind::Choice(known.iter().map(|gateway| gateway.name).collect()),
        )
        .otherwise("found out"),
        Setting::new(
            "shared_data",
            "Whether workers share data",
            "Whether the workers share key sets and used tokens through the gateway's memory. On Kong it needs `nginx_wasm_shm_kv`: with \
             `true` and without that memory the filter **traps**. APISIX has none.",
            Kind::Boolean,
        )
        .otherwise("`true` on Envoy, else `false`"),
        Setting::new(
            "metrics",
            "Whether to count and measure",
            "Whether the gateway counts and measures for the filter: see [operations](operations.md#metrics). APISIX counts nothing.",
            Kind::Boolean,
        )
        .otherwise("`true` on Envoy, else `false`"),
    ];
    Object::new(&gateway::KEYS, settings)
}
