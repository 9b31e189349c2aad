//! A configuration means what its JSON means, however that is written; no value of it is told to anybody, whether it is accepted or not.

use std::time::Duration;

use hub_auth_filter::facade::config::Config;
use hub_auth_filter::facade::gateway::GatewayKind;
use serde_json::Value;

use crate::cost::{Bound, bounded};
use crate::reference::json::Shape;

/// What seeds have in the place of secrets and of other values that nobody is to be told.
const SECRET: &str = "s3cret";

/// What no input has: it comes from the environment.
const UNSEEN: &str = "uns33n";

/// A configuration may have private keys, which are checked.
const BOUND: Bound = Bound { base: 1024 * 1024, per_byte: 512, time: Duration::from_secs(2) };

pub(crate) fn check(data: &[u8]) -> bool {
    let environment = |name: &str| name.ends_with("_TOKEN").then(|| format!("hvs.{UNSEEN}"));
    let read =
        |data: &[u8]| bounded(BOUND, data.len(), || Config::parse_with(data, &GatewayKind::known(), &environment));
    let ours = read(data);
    let text = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let theirs: Option<Value> = serde_json::from_slice(text).ok();
    let is_read = ours.is_ok();
    match ours {
        Ok(config) => {
            assert!(Shape::of(text).is_some_and(|shape| shape.is_acceptable()));
            let theirs = theirs.expect("serde_json reads it");
            assert!(!theirs["inbound"].is_null() ^ !theirs["outbound"].is_null(), "one direction");
            // serde_json writes it without white space and escapes, and the keys in another order.
            assert_eq!(read(theirs.to_string().as_bytes()).as_ref(), Ok(&config));
            assert!(!format!("{config:?}").contains(UNSEEN), "a secret can be printed");
            if may_tell(&theirs) {
                config.warnings().iter().for_each(|warning| assert!(!warning.contains(SECRET), "{warning}"));
            }
        }
        Err(errors) => {
            assert!((1..=50).contains(&errors.iter().count()), "{errors}");
            let text = errors.to_string();
            assert!(
                text.lines().count() <= 51
                    && !text.chars().any(|character| character.is_control() && character != '\n')
            );
            assert!(!text.contains(UNSEEN), "{text}");
            if theirs.as_ref().is_none_or(may_tell) {
                assert!(!text.contains(SECRET), "{text}");
            }
        }
    }
    is_read
}

/// Whether a secret can be in this value only where nothing is told from. Names of keys, and of variables, are told.
fn may_tell(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().all(|(name, value)| {
            !name.contains(SECRET) && may_tell(value) && (name != "env" || !value.to_string().contains(SECRET))
        }),
        Value::Array(items) => items.iter().all(may_tell),
        _ => true,
    }
}
