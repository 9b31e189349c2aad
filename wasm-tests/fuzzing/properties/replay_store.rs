//! What a store of used tokens answers is what serde_json and base64 read in it: a token is new only if the answer says that its key was
//! written, or that the key has the very value of this use.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_auth_filter::facade::replay_store::{Finding, read_etcd, read_lease, read_token, read_webdis};
use serde_json::Value;

use crate::cost::{Bound, bounded};
use crate::reference::json::Shape;

/// What was written, if it was.
const VALUE: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn check(data: &[u8]) -> bool {
    let is_acceptable = Shape::of(data).is_some_and(|shape| shape.is_acceptable());
    let theirs: Option<Value> =
        serde_json::from_slice(data).ok().filter(|value: &Value| is_acceptable && value.is_object());
    let theirs = theirs.as_ref();
    let of_etcd = bounded(Bound::TEXT, data.len(), || read_etcd(VALUE, data)).ok();
    assert_eq!(of_etcd, theirs.and_then(etcd));
    let of_webdis = bounded(Bound::TEXT, data.len(), || read_webdis(VALUE, data)).ok();
    assert_eq!(of_webdis, theirs.and_then(webdis));
    let token = bounded(Bound::TEXT, data.len(), || read_token(data)).ok();
    assert_eq!(token.as_deref(), theirs.and_then(|answer| answer["token"].as_str()).filter(|token| is_token(token)));
    let lease = bounded(Bound::TEXT, data.len(), || read_lease(data)).ok();
    assert_eq!(lease.as_ref().map(|(id, lasts)| (id.as_str(), lasts.as_secs())), theirs.and_then(granted));
    of_etcd.is_some() || of_webdis.is_some() || token.is_some() || lease.is_some()
}

fn etcd(answer: &Value) -> Option<Finding> {
    if answer["succeeded"] == true {
        return Some(Finding::New);
    }
    let only = |list: &Value| list.as_array().filter(|items| items.len() == 1).map(|items| items[0].clone());
    let key = only(&only(&answer["responses"])?["response_range"]["kvs"])?;
    let found = STANDARD.decode(key["value"].as_str()?).ok()?;
    Some(if found == VALUE.as_bytes() { Finding::New } else { Finding::Used })
}

fn webdis(answer: &Value) -> Option<Finding> {
    match answer.get("SET")? {
        Value::Null => Some(Finding::New),
        Value::String(found) => Some(if found == VALUE { Finding::New } else { Finding::Used }),
        _ => None,
    }
}

fn is_token(token: &str) -> bool {
    !token.is_empty() && token.len() <= 4096 && token.chars().all(|character| ('!'..='~').contains(&character))
}

/// Whole numbers above 0, in at most 19 digits.
fn granted(answer: &Value) -> Option<(&str, u64)> {
    let number = |name: &str| {
        let digits = answer[name].as_str()?;
        let is_number = digits.len() <= 19 && digits.chars().all(|digit| digit.is_ascii_digit()) && digits != "0";
        digits.parse().ok().filter(|_| is_number).map(|number: u64| (digits, number))
    };
    let ((id, _), (_, seconds)) = (number("ID")?, number("TTL")?);
    Some((id, seconds))
}
