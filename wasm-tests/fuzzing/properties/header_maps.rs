//! A header map is read as the ABI describes it, by a second reading with wide numbers; and what is written is read back.

use std::time::Duration;

use hub_auth_filter::facade::header_map::{decode, encode};

use crate::cost::{Bound, bounded};

/// Nothing is copied.
const BOUND: Bound = Bound { base: 0, per_byte: 0, time: Duration::from_millis(100) };

type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

pub(crate) fn check(data: &[u8]) -> bool {
    let count = bounded(BOUND, data.len(), || decode(data).map(Iterator::count));
    let ours: Option<Pairs<'_>> = decode(data).map(|pairs| pairs.map(|(name, value)| (name, &data[value])).collect());
    assert_eq!(count, ours.as_ref().map(Vec::len));
    assert_eq!(ours, theirs(data));
    let is_read = ours.is_some();
    let texts: Option<Vec<(&str, &str)>> = ours.and_then(|pairs| {
        pairs
            .iter()
            .map(|(name, value)| Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?)))
            .collect()
    });
    if let Some(texts) = texts {
        let written = encode(&texts).expect("it is no longer than what was read");
        let again: Option<Pairs<'_>> =
            decode(&written).map(|pairs| pairs.map(|(name, value)| (name, &written[value])).collect());
        let bytes = texts.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        assert_eq!(again, Some(bytes));
        assert!(data.is_empty() || written.len() <= data.len(), "more was written than read");
    }
    is_read
}

/// A count, as many pairs of sizes, and the texts with a byte behind each.
fn theirs(data: &[u8]) -> Option<Pairs<'_>> {
    if data.is_empty() {
        return Some(Vec::new());
    }
    let number = |at: usize| Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?) as usize);
    let count = number(0)?;
    let mut place = 4_usize.checked_add(count.checked_mul(8)?)?;
    let mut pairs = Vec::new();
    for pair in 0..count {
        let mut text = |at: usize| {
            let text = data.get(place..place.checked_add(number(at)?)?)?;
            place += text.len();
            data.get(place)?;
            place += 1;
            Some(text)
        };
        pairs.push((text(4 + 8 * pair)?, text(8 + 8 * pair)?));
    }
    (place <= data.len()).then_some(pairs)
}
