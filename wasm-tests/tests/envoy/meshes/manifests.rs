//! The shipped manifests, and changes of them.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The manifests of a file, in its order.
#[derive(Clone)]
pub struct Manifests(Vec<Value>);

impl Manifests {
    /// Those of a file, from `gateway-configs/` on.
    pub fn shipped(path: &str) -> Self {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway-configs"));
        let text = fs::read_to_string(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self(serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    /// With those of another file.
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// All of a kind.
    pub fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |manifest| manifest["kind"] == kind)
    }

    /// The only one of a kind.
    pub fn only(&self, kind: &str) -> &Value {
        let all: Vec<&Value> = self.of(kind).collect();
        let [only] = all[..] else { panic!("{} of {kind}", all.len()) };
        only
    }

    /// Without a kind, of which there must be one.
    pub fn without(mut self, kind: &str) -> Self {
        self.only(kind);
        self.0.retain(|manifest| manifest["kind"] != kind);
        self
    }

    /// Only those of a kind.
    pub fn keeping(mut self, kind: &str) -> Self {
        self.0.retain(|manifest| manifest["kind"] == kind);
        self
    }

    /// With another value at this place, which must be there, in the only manifest of a kind.
    pub fn with(mut self, kind: &str, pointer: &str, value: Value) -> Self {
        self.only(kind);
        let manifest = self.0.iter_mut().find(|manifest| manifest["kind"] == kind).expect("one");
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let parent = manifest.pointer_mut(parent).unwrap_or_else(|| panic!("{kind}: {pointer}"));
        match key.parse::<usize>() {
            Ok(index) => parent[index] = value,
            Err(_) => parent[key] = value,
        }
        self
    }
}

/// A text of a manifest.
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} of {value}"))
}

/// A list of a manifest, empty if it is not there.
pub fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
