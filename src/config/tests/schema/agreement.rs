//! Schema and reader give the same verdict: of every configuration that is right, with one thing changed anywhere in it, and of
//! configurations that are made of the schema's own definitions.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::definitions::Made;
use super::{SAMPLES, agreed, verdict};
use crate::config::tests::totality::pointers;

/// The bounds of lengths, and one beyond each.
const LENGTHS: [usize; 10] = [32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 32 * 1_024, 64 * 1_024];

/// What is put in the place of every value.
static REPLACEMENTS: LazyLock<Vec<Value>> = LazyLock::new(replacements);

/// All members of samples, by their name.
static MEMBERS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| members(&SAMPLES));

fn replacements() -> Vec<Value> {
    let values = json!([
        null, true, false, 0, 1, -1, 1.0, 1.5, 100_000, 100_001, 1_000_000, 1_000_001, 18_446_744_073_709_551_615_u64,
        "", " ", "x", "always", "connection", "off", "worker", "gateway", "keep", "report", "xfcc", "rfc9440",
        "authorization", "0s", "1ms", "99ms", "100ms", "9s", "10s", "11s", "30s", "31s", "1m", "61s", "10m", "601s",
        "24h", "86401s", "1d", "/", "/a/", "a/b", "https://a.example", "http://a.example", "http://localhost",
        "2026-11-21T00:00:00Z", "2026-11-21T00:00:00+04:00", "SIG4_PRIVATE_KEY", "é", "a\u{202e}", "a\nb", "\u{200b}",
        [], [[]], ["x"], ["x", "x"], [1], [{}], {}, {"env": "BAO_TOKEN"}, {"value": "x"}, {"url": "https://a.example"},
        {"environment": "sandbox"}, {"url_template": "https://a.example/{OU}"}, {"extra": 1}, {"allow_unpinned": true},
    ]);
    let mut values = values.as_array().unwrap().clone();
    for length in LENGTHS {
        values.extend([length, length + 1].map(|length| json!("a".repeat(length))));
        values.extend([length, length + 1].map(|length| json!(format!("/{}", "a".repeat(length - 1)))));
    }
    values
}

fn members(samples: &[Value]) -> Vec<(String, Value)> {
    fn collect(value: &Value, found: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if !found.iter().any(|(known, known_value)| known == name && known_value == value) {
                        found.push((name.clone(), value.clone()));
                    }
                    collect(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    samples.iter().for_each(|sample| collect(sample, &mut found));
    found
}

fn pointers_of(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    pointers(value, "", &mut found);
    found
}

/// Every place of every sample, but for those that have the same value in an earlier one.
fn places() -> impl Iterator<Item = (&'static Value, String)> {
    let mut seen = BTreeSet::new();
    let all = SAMPLES.iter().flat_map(|sample| pointers_of(sample).into_iter().map(move |pointer| (sample, pointer)));
    all.filter(move |(sample, pointer)| seen.insert(format!("{pointer} {}", sample.pointer(pointer).unwrap())))
}

#[test]
fn every_value_of_every_sample_may_be_replaced_alike() {
    let (mut accepted, mut refused) = (0, 0);
    for (sample, pointer) in places() {
        assert!(agreed(sample), "{sample}");
        for replacement in &*REPLACEMENTS {
            let mut changed = sample.clone();
            *changed.pointer_mut(&pointer).unwrap() = replacement.clone();
            if agreed(&changed) { accepted += 1 } else { refused += 1 }
        }
    }
    assert!(accepted > 500 && refused > 5_000, "{accepted} accepted, {refused} refused");
}

#[test]
fn every_member_may_be_left_out_alike_and_none_may_be_added() {
    let (mut accepted, mut refused) = (0, 0);
    for (sample, pointer) in places() {
        let Some(Value::Object(members)) = sample.pointer(&pointer) else { continue };
        let mut judge = |members: Map<String, Value>| {
            let mut changed = sample.clone();
            *changed.pointer_mut(&pointer).unwrap() = Value::Object(members);
            if agreed(&changed) { accepted += 1 } else { refused += 1 }
        };
        for name in members.keys() {
            let mut fewer = members.clone();
            fewer.remove(name);
            judge(fewer);
        }
        let unknown = [("extra".to_owned(), json!(1)), ("Peer".to_owned(), json!({}))];
        for (name, value) in MEMBERS.iter().chain(&unknown).filter(|(name, _)| !members.contains_key(name)) {
            let mut more = members.clone();
            more.insert(name.clone(), value.clone());
            judge(more);
        }
    }
    assert!(accepted > 150 && refused > 5_000, "{accepted} accepted, {refused} refused");
}

#[test]
fn every_text_may_have_another_character_alike() {
    let (mut accepted, mut refused) = (0, 0);
    for (sample, pointer) in places() {
        let Some(Value::String(text)) = sample.pointer(&pointer) else { continue };
        // What a private key stands between takes long to read, and is no rule of a schema.
        let Some((first, rest)) = text.split_at_checked(1).filter(|_| !text.contains("-----BEGIN")) else { continue };
        for character in "\0\u{1f} !\"#$%&'()*+,-./09:;=?@AZ[\\]^_`az{|}~\u{7f}\u{80}\u{9f}\u{a0}é\u{2028}".chars() {
            let mut changed = sample.clone();
            *changed.pointer_mut(&pointer).unwrap() = json!(format!("{first}{character}{rest}"));
            if agreed(&changed) { accepted += 1 } else { refused += 1 }
        }
    }
    assert!(accepted > 500 && refused > 500, "{accepted} accepted, {refused} refused");
}

#[test]
fn lists_have_as_many_items_as_the_reader_lets_them_have() {
    let mut refused = 0;
    for (sample, pointer) in places() {
        let Some(Value::Array(items)) = sample.pointer(&pointer) else { continue };
        let numbered = |number: usize| match items.first() {
            Some(Value::String(text)) if text.len() == 64 => json!(format!("{number:064x}")),
            Some(Value::String(text)) if ["PS256", "ES256"].contains(&text.as_str()) => json!(text),
            Some(Value::Object(item)) if item.contains_key("sha256") => {
                json!({"id": number.to_string(), "sha256": format!("{number:064x}")})
            }
            Some(Value::Object(item)) if item.contains_key("path") => {
                json!({"method": "GET", "path": format!("/{number}")})
            }
            Some(Value::Object(item)) if item.contains_key("header") => {
                json!({"header": format!("x-{number}"), "value": "1"})
            }
            Some(Value::Object(item)) => Value::Object(item.clone()),
            _ => json!(number.to_string()),
        };
        for count in [0, 1, 2, 3, 4, 5, 16, 17, 32, 33, 64, 65] {
            let mut changed = sample.clone();
            *changed.pointer_mut(&pointer).unwrap() = (1..=count).map(numbered).collect();
            refused += usize::from(!agreed(&changed));
        }
    }
    assert!(refused > 50, "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_the_definitions_make_is_judged_alike(seed in any::<u64>()) {
        let made = Made::of(seed).configuration();
        verdict(&made.to_string()).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn what_is_accepted_with_changes_is_judged_alike(
        seed in any::<u64>(),
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
    ) {
        // Half of them are made, half are samples.
        let mut changed = if seed % 2 == 0 {
            Made::of(seed).accepted()
        } else {
            SAMPLES[which.index(SAMPLES.len())].clone()
        };
        for (place, what) in changes {
            let pointers = pointers_of(&changed);
            let value = changed.pointer_mut(&pointers[place.index(pointers.len())]).unwrap();
            let (name, member) = MEMBERS[what.index(MEMBERS.len())].clone();
            match value {
                Value::Object(members) if what.index(3) == 0 => {
                    members.insert(name, member);
                }
                Value::Object(members) if what.index(3) == 1 && !members.is_empty() => {
                    let name = members.keys().nth(what.index(members.len())).unwrap().clone();
                    members.remove(&name);
                }
                Value::Array(items) if what.index(2) == 0 => {
                    let item = items.first().cloned().unwrap_or(member);
                    items.push(item);
                }
                Value::String(text) if what.index(2) == 0 && !text.is_empty() => {
                    let at = text.char_indices().map(|(at, _)| at).nth(what.index(text.chars().count())).unwrap();
                    text.insert(at, ['a', 'Z', '0', '/', '.', ':', '%', ' ', '-', '_', '\u{7f}', 'é'][what.index(12)]);
                }
                value => *value = REPLACEMENTS[what.index(REPLACEMENTS.len())].clone(),
            }
        }
        verdict(&changed.to_string()).map_err(TestCaseError::fail)?;
    }
}
