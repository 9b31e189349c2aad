//! What an authorisation server says of a token is what serde_json reads in its answer, and is judged as by the rules written down once
//! more.

use hub_auth_filter::facade::claims::Introspected;
use hub_auth_filter::facade::introspection::{IntrospectionError, read};
use serde_json::Value;

use super::compact_jws::check_facts;
use crate::cost::{Bound, bounded};
use crate::reference::json::Shape;

/// The longest answer that is read.
const MAX_LENGTH: usize = 16 * 1024;

pub(crate) fn check(data: &[u8]) -> bool {
    let ours = bounded(Bound::TEXT, data.len(), || read(data));
    let is_acceptable = Shape::of(data).is_some_and(|shape| shape.is_acceptable());
    let theirs: Option<Value> =
        serde_json::from_slice(data).ok().filter(|value: &Value| is_acceptable && value.is_object());
    let is_read = ours.is_ok();
    match (ours, theirs) {
        (Err(IntrospectionError::TooLong), _) => assert!(data.len() > MAX_LENGTH),
        (Err(IntrospectionError::NotAnObject), None) => {}
        (Err(IntrospectionError::NotAnAnswer), Some(theirs)) => assert!(!theirs["active"].is_boolean(), "{theirs}"),
        (Ok(Introspected::Inactive), Some(theirs)) => assert_eq!(theirs["active"], false),
        (Ok(Introspected::Active(facts)), Some(theirs)) => {
            assert_eq!(theirs["active"], true);
            assert!(is_bearer(&theirs), "{theirs}");
            check_facts(Ok(facts), &theirs);
        }
        (Ok(Introspected::Invalid(fault)), Some(theirs)) => {
            assert_eq!(theirs["active"], true);
            if is_bearer(&theirs) {
                check_facts(Err(fault), &theirs);
            }
        }
        (ours, theirs) => panic!("{ours:?} {theirs:?}"),
    }
    is_read
}

fn is_bearer(answer: &Value) -> bool {
    answer.get("token_type").is_none_or(|kind| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")))
}
