//! JSON is read as serde_json reads it, unless it breaks a rule of ours; and all ways to read it agree.

use hub_auth_filter::facade::json::{JsonError, Value, members, raw_items};

use crate::cost::{Bound, bounded};
use crate::reference::json::{Shape, is_same};

/// A short and a long name, one that serde_json treats in its own way, and the one of key sets.
const NAMES: [&str; 4] = ["a", "alg", "$serde_json::private::Number", "keys"];

pub(crate) fn check(data: &[u8]) -> bool {
    let ours = bounded(Bound::TEXT, data.len(), || Value::parse(data));
    let theirs: Option<serde_json::Value> = serde_json::from_slice(data).ok();
    let shape = Shape::of(data);
    match (&ours, &theirs, &shape) {
        (Ok(ours), Some(theirs), Some(shape)) => {
            assert!(is_same(ours, theirs), "{ours:?} {theirs:?}");
            assert!(shape.is_acceptable(), "{shape:?}");
        }
        (Err(JsonError::Syntax { .. }), None, None) => {}
        (Err(_), None, None) => {}
        (Err(error), Some(_), Some(shape)) => {
            assert!(!shape.is_acceptable() && !matches!(error, JsonError::Syntax { .. }), "{error:?} {shape:?}");
        }
        _ => panic!("{ours:?} {theirs:?} {shape:?}"),
    }
    check_repetition(data, &ours, shape.as_ref());
    check_members(data, &ours);
    if let (Some(theirs), Some(shape)) = (&theirs, &shape) {
        check_items(data, theirs, shape);
    }
    ours.is_ok()
}

fn check_repetition(data: &[u8], strict: &Result<Value<'_>, JsonError>, shape: Option<&Shape>) {
    let lenient = bounded(Bound::TEXT, data.len(), || Value::parse_noting_repetition(data));
    let acceptable =
        shape.is_some_and(|shape| Shape { repeats: false, ..Shape { names: vec![], ..*shape } }.is_acceptable());
    assert_eq!(lenient.is_ok(), acceptable, "{lenient:?} {shape:?}");
    if strict.is_ok() {
        assert_eq!(*strict, lenient);
    }
}

fn check_members(data: &[u8], whole: &Result<Value<'_>, JsonError>) {
    let some = bounded(Bound::TEXT, data.len(), || members(data, &NAMES));
    match (some, whole) {
        (Err(some), Err(whole)) => assert_eq!(some, *whole),
        (Ok(None), Ok(whole)) => assert!(!matches!(whole, Value::Object(_)), "{whole:?}"),
        (Ok(Some(some)), Ok(Value::Object(whole))) => {
            for (name, some) in NAMES.iter().zip(&some) {
                let whole = whole.iter().find(|(member, _)| member == name).map(|(_, value)| value);
                assert_eq!(some.as_ref(), whole, "{name}");
            }
        }
        (some, whole) => panic!("{some:?} {whole:?}"),
    }
}

fn check_items(data: &[u8], theirs: &serde_json::Value, shape: &Shape) {
    let ours = bounded(Bound::TEXT, data.len(), || raw_items(data, "keys"));
    let is_once = shape.names.iter().filter(|name| *name == "keys").count() == 1;
    let theirs = theirs.get("keys").and_then(serde_json::Value::as_array).filter(|_| is_once);
    assert_eq!(ours.as_ref().map(Vec::len), theirs.map(Vec::len));
    for (ours, theirs) in ours.iter().flatten().zip(theirs.into_iter().flatten()) {
        assert_eq!(serde_json::from_slice::<serde_json::Value>(ours).ok().as_ref(), Some(theirs));
    }
}
