//! The definitions themselves: they have the reader's keys, its defaults, and examples that it accepts. And configurations that
//! are made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::{SAMPLES, SCHEMA, VALIDATOR, agreed, read};
use crate::config::schema::{Kind, Object, Presence, Setting, configuration};
use crate::config::tests::totality::pointers;
use crate::gateway::kinds::GatewayKind;
use crate::peer::leaf::tests::LEAF;
use crate::testing::SigningKey;

static DEFINITION: LazyLock<Object> = LazyLock::new(|| configuration(&GatewayKind::known()));

/// Makes values of definitions, by a number that decides all that is open.
pub(super) struct Made(u64);

impl Made {
    pub(super) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A configuration with right values. Some break rules across members.
    pub(super) fn configuration(&mut self) -> Value {
        Value::Object(self.object(&DEFINITION))
    }

    /// One that the schema accepts.
    pub(super) fn accepted(&mut self) -> Value {
        for _ in 0..2_000 {
            let made = self.configuration();
            if VALIDATOR.is_valid(&made) {
                return made;
            }
        }
        panic!("no configuration that is accepted");
    }

    /// Knuth's MMIX generator; its upper bits are good enough here.
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.next().is_multiple_of(count)
    }

    /// Its members, if possible such that its rules across members hold.
    fn object(&mut self, object: &Object) -> Map<String, Value> {
        if object.has_exactly_one() {
            let setting = &object.settings[self.next() % object.settings.len()];
            return Map::from_iter([(setting.key.to_owned(), self.setting(setting))]);
        }
        let mut made = self.members(object);
        for _ in 0..200 {
            if obeys(object, &made) {
                break;
            }
            made = self.members(object);
        }
        made
    }

    fn members(&mut self, object: &Object) -> Map<String, Value> {
        let mut members = Map::new();
        let optional = 1 + self.next() % 5;
        for setting in &object.settings {
            if matches!(setting.presence, Presence::Required) || self.one_in(optional) {
                members.insert(setting.key.to_owned(), self.setting(setting));
            }
        }
        members
    }

    fn setting(&mut self, setting: &Setting) -> Value {
        match (setting.key, &setting.example) {
            ("pem", _) => LEAF.into(),
            ("public_key", _) => SigningKey::first().public_pem().into(),
            // The filter looks at what it stands for.
            ("private_key", _) => match self.next() % 3 {
                0 => json!({"value": SigningKey::first().pem()}),
                1 => json!({"env": "SIG4_NEXT_PRIVATE_KEY"}),
                _ => json!({"env": "SIG4_PRIVATE_KEY"}),
            },
            ("env", _) => "BAO_TOKEN".into(),
            ("value", None) => "a-secret".into(),
            // An example says which kind of value is usual, so others come as well.
            (_, Some(example)) if !self.one_in(3) || matches!(setting.kind.plain(), Kind::Text(_)) => example.clone(),
            _ => self.kind(&setting.kind),
        }
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Boolean => self.one_in(2).into(),
            Kind::Null => Value::Null,
            Kind::Text(_) => format!("made-{}", self.next() % 3).into(),
            Kind::Duration(range) => {
                let (min, max) = (range.min.as_millis(), range.max.as_millis());
                let within = min + u128::try_from(self.next()).unwrap() % (max - min + 1);
                match self.next() % 4 {
                    0 => format!("{min}ms"),
                    1 => format!("00{max}ms"),
                    2 => format!("{}s", max / 1_000),
                    _ => format!("{within}ms"),
                }
                .into()
            }
            Kind::Integer(range) => match self.next() % 3 {
                0 => range.min.into(),
                1 => range.max.into(),
                _ => (range.min + self.next() % (range.max - range.min)).into(),
            },
            Kind::Choice(words) => words[self.next() % words.len()].into(),
            Kind::List(rule, item) => {
                let count = rule.min + self.next() % 2;
                let mut items: Vec<Value> = Vec::new();
                for _ in 0..count {
                    let item = self.kind(item);
                    if !items.contains(&item) {
                        items.push(item);
                    }
                }
                items.into()
            }
            Kind::Object(object) => Value::Object(self.object(object)),
            Kind::Either(kinds) => {
                let kind = &kinds[self.next() % kinds.len()];
                self.kind(kind)
            }
            Kind::Named(_, kind) => self.kind(kind),
        }
    }
}

/// Whether the rules of an object across its members hold.
fn obeys(object: &Object, members: &Map<String, Value>) -> bool {
    static RULES: Mutex<BTreeMap<String, Validator>> = Mutex::new(BTreeMap::new());
    let rules = object.rules();
    let mut known = RULES.lock().unwrap();
    let validator = known.entry(rules.to_string()).or_insert_with(|| jsonschema::draft202012::new(&rules).unwrap());
    validator.is_valid(&Value::Object(members.clone()))
}

/// Calls `check` with every object of the definitions.
fn for_each_object(kind: &Kind, check: &mut impl FnMut(&Object)) {
    match kind {
        Kind::Object(object) => {
            check(object);
            object.settings.iter().for_each(|setting| for_each_object(&setting.kind, check));
        }
        Kind::List(_, item) => for_each_object(item, check),
        Kind::Either(kinds) => kinds.iter().for_each(|kind| for_each_object(kind, check)),
        Kind::Named(_, kind) => for_each_object(kind, check),
        _ => {}
    }
}

fn whole() -> Kind {
    Kind::Object(Box::new(DEFINITION.clone()))
}

#[test]
fn each_object_has_the_keys_that_its_reader_knows() {
    let mut objects = 0;
    for_each_object(&whole(), &mut |object| {
        let defined: Vec<&str> = object.settings.iter().map(|setting| setting.key).collect();
        let read: BTreeSet<&str> = object.keys.supported.iter().copied().collect();
        assert_eq!(defined.iter().copied().collect::<BTreeSet<_>>(), read);
        assert_eq!(defined.len(), read.len(), "{defined:?}");
        objects += 1;
    });
    assert!(objects > 30, "{objects}");
}

/// Those whose default is said aloud mean the same as those where it is left out.
#[test]
fn each_default_is_the_readers() {
    fn defaults(kind: &Kind, pointer: &str, found: &mut Vec<(String, Value)>) {
        match kind.plain() {
            Kind::Object(object) => {
                for setting in &object.settings {
                    let below = format!("{pointer}/{}", setting.key);
                    if let Presence::Default(value) = &setting.presence {
                        found.push((below.clone(), value.clone()));
                    }
                    defaults(&setting.kind, &below, found);
                }
            }
            Kind::List(_, item) => defaults(item, &format!("{pointer}/0"), found),
            Kind::Either(kinds) => kinds.iter().for_each(|kind| defaults(kind, pointer, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    defaults(&whole(), "", &mut found);
    assert!(found.len() > 40, "{}", found.len());
    let mut unseen: BTreeSet<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    for sample in &*SAMPLES {
        for (pointer, default) in &found {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let mut said = sample.clone();
            let Some(Value::Object(members)) = said.pointer_mut(parent) else { continue };
            members.remove(key);
            let mut left_out = sample.clone();
            left_out.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
            said.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), default.clone());
            if let (Ok(left_out), Ok(said)) = (read(&left_out.to_string()), read(&said.to_string())) {
                assert_eq!(left_out, said, "{pointer}");
                unseen.remove(pointer.as_str());
            }
        }
    }
    assert!(unseen.is_empty(), "{unseen:?}");
}

/// Where each setting stands, in the first of its kinds where there are several.
fn pointers_of_settings(kind: &Kind, pointer: &str, found: &mut Vec<(String, Kind)>) {
    found.push((pointer.to_owned(), kind.plain().clone()));
    match kind.plain() {
        Kind::Object(object) => object.settings.iter().for_each(|setting| {
            pointers_of_settings(&setting.kind, &format!("{pointer}/{}", setting.key), found);
        }),
        Kind::List(_, item) => pointers_of_settings(item, &format!("{pointer}/0"), found),
        Kind::Either(kinds) => kinds.iter().for_each(|kind| pointers_of_settings(kind, pointer, found)),
        _ => {}
    }
}

/// Those just within the bounds, and those just beyond.
fn around_the_bounds(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::Choice(words) => words.iter().map(|word| json!(word)).collect(),
        Kind::Integer(range) => {
            [range.min.wrapping_sub(1), range.min, range.max, range.max + 1].map(Value::from).into()
        }
        Kind::Duration(range) => {
            let bounds = [range.min.as_millis(), range.max.as_millis()];
            let mut texts = Vec::new();
            for bound in bounds {
                texts.extend([bound.saturating_sub(1), bound, bound + 1].map(|number| format!("{number}ms")));
                for (unit, milliseconds) in [("s", 1_000), ("m", 60_000), ("h", 3_600_000)] {
                    let number = bound / milliseconds;
                    texts
                        .extend([number.saturating_sub(1), number, number + 1].map(|number| format!("{number}{unit}")));
                }
            }
            texts.into_iter().map(Value::from).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn words_and_bounds_are_the_readers() {
    let mut found = Vec::new();
    pointers_of_settings(&whole(), "", &mut found);
    let mut unseen: BTreeSet<String> = BTreeSet::new();
    for (pointer, kind) in &found {
        let values = around_the_bounds(kind);
        let Some((parent, key)) = pointer.rsplit_once('/').filter(|_| !values.is_empty()) else { continue };
        unseen.insert(pointer.clone());
        for sample in &*SAMPLES {
            let mut accepted = 0;
            for value in &values {
                let mut changed = sample.clone();
                match changed.pointer_mut(parent) {
                    Some(Value::Object(members)) => drop(members.insert(key.to_owned(), value.clone())),
                    Some(Value::Array(items)) => items[0] = value.clone(),
                    _ => continue,
                }
                accepted += usize::from(agreed(&changed));
            }
            if accepted > 0 {
                unseen.remove(pointer);
                break;
            }
        }
    }
    assert!(unseen.is_empty(), "{unseen:?}");
}

#[test]
fn each_example_of_the_schema_is_one() {
    fn examples(schema: &Value, found: &mut Vec<(Value, Value)>) {
        match schema {
            Value::Object(members) => {
                if let Some(Value::Array(examples)) = members.get("examples") {
                    found.extend(examples.iter().map(|example| (schema.clone(), example.clone())));
                }
                members.values().for_each(|member| examples(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| examples(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    examples(&SCHEMA, &mut found);
    assert!(found.len() > 40, "{}", found.len());
    for (mut schema, example) in found {
        schema["$defs"] = SCHEMA["$defs"].clone();
        assert!(jsonschema::draft202012::is_valid(&schema, &example), "{example}");
    }
    for example in SCHEMA["examples"].as_array().unwrap() {
        assert!(agreed(example), "{example}");
    }
}

#[test]
fn everything_has_a_title_and_a_description() {
    for_each_object(&whole(), &mut |object| {
        for setting in &object.settings {
            let description = setting.description();
            assert!(!setting.title.is_empty() && !description.is_empty(), "{}", setting.key);
            assert!(!description.contains("{range}") && !description.contains("  "), "{}: {description}", setting.key);
        }
    });
}

/// Of what is made, a fair part is accepted, and it has most of what there is.
#[test]
fn what_is_made_reaches_most_of_the_schema() {
    let mut names = BTreeSet::new();
    let mut accepted = 0;
    for seed in 0..800_u64 {
        let made = Made::of(seed).accepted();
        accepted += usize::from(read(&made.to_string()).is_ok());
        let mut found = Vec::new();
        pointers(&made, "", &mut found);
        names.extend(found.into_iter().filter_map(|pointer| pointer.rsplit('/').next().map(str::to_owned)));
    }
    assert!(accepted > 200, "{accepted}");
    let mut missing = BTreeSet::new();
    for_each_object(&whole(), &mut |object| {
        missing.extend(object.settings.iter().map(|setting| setting.key).filter(|key| !names.contains(*key)));
    });
    assert!(missing.is_empty(), "{missing:?}");
}
