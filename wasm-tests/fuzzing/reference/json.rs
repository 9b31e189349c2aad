//! JSON as serde_json reads it, and what there is to say of a text beyond its value.

use std::collections::BTreeSet;
use std::fmt;

use hub_auth_filter::facade::json::{Object, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Whether two readings of a text are the same.
pub(crate) fn is_same(ours: &Value<'_>, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(ours), serde_json::Value::Bool(theirs)) => ours == theirs,
        (Value::Integer(ours), serde_json::Value::Number(theirs)) => theirs.as_i128() == Some(*ours),
        (Value::Fraction(ours), serde_json::Value::Number(theirs)) => theirs.is_f64() && theirs.as_f64() == Some(*ours),
        (Value::Text(ours), serde_json::Value::String(theirs)) => *ours == *theirs,
        (Value::List(ours), serde_json::Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| is_same(ours, theirs))
        }
        (Value::Object(ours), theirs) => is_same_object(ours, theirs),
        _ => false,
    }
}

/// The same for what we know to be an object.
pub(crate) fn is_same_object(ours: &Object<'_>, theirs: &serde_json::Value) -> bool {
    let serde_json::Value::Object(theirs) = theirs else { return false };
    let found = |(name, ours): (&str, &Value<'_>)| theirs.get(name).is_some_and(|theirs| is_same(ours, theirs));
    ours.iter().count() == theirs.len() && ours.iter().all(found)
}

/// What a tree of serde_json does not show.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Shape {
    /// How many arrays and objects are around the innermost one, and that one.
    pub(crate) depth: usize,
    /// The most members of an object, repeated ones too.
    pub(crate) width: usize,
    /// Whether an object has a member twice.
    pub(crate) repeats: bool,
    /// The names of the outermost object, as often as they are there.
    pub(crate) names: Vec<String>,
}

impl Shape {
    /// That of a text, if it is JSON.
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    /// Whether it is within the filter's bounds, which are numbers of a protocol and stand here once more.
    pub(crate) fn is_acceptable(&self) -> bool {
        self.depth <= 16 && self.width <= 128 && !self.repeats
    }

    fn take(&mut self, inner: &Self) {
        self.depth = self.depth.max(inner.depth + 1);
        self.width = self.width.max(inner.width);
        self.repeats |= inner.repeats;
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut shape = Shape { depth: 1, ..Shape::default() };
        while let Some(inner) = items.next_element()? {
            shape.take(&inner);
        }
        Ok(shape)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
        let mut shape = Shape { depth: 1, ..Shape::default() };
        while let Some((name, inner)) = members.next_entry()? {
            shape.take(&inner);
            shape.names.push(name);
        }
        shape.width = shape.width.max(shape.names.len());
        shape.repeats |= shape.names.iter().collect::<BTreeSet<_>>().len() < shape.names.len();
        Ok(shape)
    }
}
