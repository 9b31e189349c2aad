//! Patterns from the reader's rules, in the part of ECMA 262 that JSON Schema recommends (2020-12 core §6.4) and other engines
//! read alike: classes of characters, numbers in a range, words in any case.

use std::fmt::Write as _;

use crate::config::duration::{DurationRange, MILLISECONDS_PER_UNIT};

/// A class of the characters that a rule allows: of those that it refuses, if these are fewer.
pub(super) fn class(allows: impl Fn(char) -> bool) -> String {
    let (allowed, refused) = ranges(allows);
    let is_open = allowed.last().is_some_and(|(_, last)| *last == LAST_OF_PLANE);
    let (start, ranges) = if is_open { ("[^", refused) } else { ("[", allowed) };
    let mut class = start.to_owned();
    for (first, last) in ranges {
        class.push_str(&literal(first));
        if first != last {
            // Two neighbours need no hyphen.
            let neighbours = u32::from(first) + 1 == u32::from(last);
            class.push_str(if neighbours { "" } else { "-" });
            class.push_str(&literal(last));
        }
    }
    class + "]"
}

/// A character inside a class. Whatever some engine takes for syntax there is written by its number.
fn literal(character: char) -> String {
    match character {
        '0'..='9' | 'A'..='Z' | 'a'..='z' => character.to_string(),
        _ => format!("\\u{:04x}", u32::from(character)),
    }
}

/// Each from its first to its last character.
type Ranges = Vec<(char, char)>;

/// The last character of the Basic Multilingual Plane. What is beyond, rules treat as they treat this one; a test holds them to that,
/// because no pattern that all engines read alike could say otherwise.
const LAST_OF_PLANE: char = '\u{ffff}';

/// The ranges of characters that a rule allows, and those between them.
fn ranges(allows: impl Fn(char) -> bool) -> (Ranges, Ranges) {
    let (mut allowed, mut refused) = (Ranges::new(), Ranges::new());
    let mut open: Option<(bool, char, char)> = None;
    for character in '\0'..=LAST_OF_PLANE {
        let is_allowed = allows(character);
        open = match open {
            Some((kind, first, _)) if kind == is_allowed => Some((kind, first, character)),
            ended => {
                if let Some((kind, first, last)) = ended {
                    if kind { allowed.push((first, last)) } else { refused.push((first, last)) }
                }
                Some((is_allowed, character, character))
            }
        };
    }
    if let Some((kind, first, last)) = open {
        if kind { allowed.push((first, last)) } else { refused.push((first, last)) }
    }
    (allowed, refused)
}

/// A word in any case.
pub(super) fn in_any_case(word: &str) -> String {
    word.chars().map(any_case).collect()
}

/// A word in any case, with anything that is neither letter nor digit for its hyphens: what a backend could take for it.
pub(super) fn in_any_spelling(word: &str) -> String {
    word.chars()
        .map(|character| if character == '-' { "[^0-9A-Za-z]".to_owned() } else { any_case(character) })
        .collect()
}

fn any_case(character: char) -> String {
    if character.is_ascii_alphabetic() {
        format!("[{}{}]", character.to_ascii_uppercase(), character.to_ascii_lowercase())
    } else {
        character.to_string()
    }
}

/// One of several patterns, and nothing else.
pub(super) fn one_of(patterns: impl IntoIterator<Item = String>) -> String {
    let patterns: Vec<String> = patterns.into_iter().collect();
    format!("^(?:{})$", patterns.join("|"))
}

/// A duration within the range, whatever its unit, with zeros before it.
pub(super) fn duration(range: &DurationRange) -> String {
    let milliseconds = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (min, max) = (milliseconds(range.min), milliseconds(range.max));
    let units = MILLISECONDS_PER_UNIT.into_iter().rev().filter_map(|(unit, per_unit)| {
        let (min, max) = (min.div_ceil(per_unit), max.checked_div(per_unit)?);
        (min <= max).then(|| format!("{}{unit}", number(min, max)))
    });
    format!("^0*(?:{})$", units.collect::<Vec<_>>().join("|"))
}

/// A number of this range in decimal digits, without zeros before it.
pub(super) fn number(min: u64, max: u64) -> String {
    let mut alternatives = Vec::new();
    let mut from = min;
    loop {
        // The last number with as many digits.
        let digits = from.checked_ilog10().unwrap_or_default();
        let last = 10_u64.saturating_pow(digits.saturating_add(1)).saturating_sub(1).min(max);
        alternatives.extend(same_length(&from.to_string(), &last.to_string()));
        if last >= max {
            break;
        }
        from = last.saturating_add(1);
    }
    match alternatives.as_slice() {
        [one] => one.clone(),
        _ => format!("(?:{})", alternatives.join("|")),
    }
}

/// Alternatives for the numbers from `min` to `max`, which have the same number of digits.
fn same_length(min: &str, max: &str) -> Vec<String> {
    let (Some(low), Some(high)) = (min.chars().next(), max.chars().next()) else { return vec![String::new()] };
    let (low_rest, high_rest) = (min.get(1..).unwrap_or_default(), max.get(1..).unwrap_or_default());
    let behind = |digit: char, rest: Vec<String>| rest.into_iter().map(move |rest| format!("{digit}{rest}"));
    if low == high {
        return behind(low, same_length(low_rest, high_rest)).collect();
    }
    let is_all = |text: &str, digit| text.chars().all(|one| one == digit);
    let rest = |digit: &str| digit.repeat(low_rest.len());
    let (mut first, mut last) = (low, high);
    let mut alternatives = Vec::new();
    let mut after = Vec::new();
    if !is_all(low_rest, '0') {
        alternatives.extend(behind(low, same_length(low_rest, &rest("9"))));
        first = next(low);
    }
    if !is_all(high_rest, '9') {
        after.extend(behind(high, same_length(&rest("0"), high_rest)));
        last = previous(high);
    }
    if first <= last {
        let mut middle = if first == last { first.to_string() } else { format!("[{first}-{last}]") };
        match low_rest.len() {
            0 => {}
            1 => middle.push_str("[0-9]"),
            many => {
                // Writing to a string does not fail.
                let _ = write!(middle, "[0-9]{{{many}}}");
            }
        }
        alternatives.push(middle);
    }
    alternatives.extend(after);
    alternatives
}

fn next(digit: char) -> char {
    char::from_u32(u32::from(digit).saturating_add(1)).unwrap_or(digit)
}

fn previous(digit: char) -> char {
    char::from_u32(u32::from(digit).saturating_sub(1)).unwrap_or(digit)
}

#[cfg(test)]
mod tests {
    use jsonschema::{PatternOptions, Validator};
    use serde_json::json;

    use super::*;

    fn matching(pattern: &str) -> Validator {
        jsonschema::draft202012::options()
            .with_pattern_options(PatternOptions::fancy_regex())
            .build(&json!({"pattern": pattern}))
            .unwrap()
    }

    #[test]
    fn a_number_is_in_its_range_and_in_no_other() {
        for (min, max) in
            [(0, 0), (0, 9), (1, 10), (7, 13), (99, 101), (100, 60_000), (1, 86_400), (255, 255), (17, 1_234)]
        {
            let validator = matching(&format!("^{}$", number(min, max)));
            for candidate in (0..2_000).chain([9_999, 10_000, 59_999, 60_000, 60_001, 86_399, 86_400, 86_401, 100_000])
            {
                let within = (min..=max).contains(&candidate);
                assert_eq!(validator.is_valid(&json!(candidate.to_string())), within, "{candidate} of {min} to {max}");
            }
            assert!(!validator.is_valid(&json!("")) && !validator.is_valid(&json!("a")));
        }
    }

    #[test]
    fn a_class_has_the_characters_of_its_rule() {
        assert_eq!(class(|character| character.is_ascii_digit() || "ab".contains(character)), "[0-9ab]");
        assert_eq!(class(|character| !character.is_control()), "[^\\u0000-\\u001f\\u007f-\\u009f]");
        let validator = matching(&format!("^{}$", class(|character| character.is_ascii_graphic())));
        for character in '\0'..'\u{200}' {
            assert_eq!(validator.is_valid(&json!(character)), character.is_ascii_graphic(), "{character:?}");
        }
    }

    #[test]
    fn words_are_found_in_every_case_and_spelling() {
        let validator = matching(&one_of([in_any_case("x-a1"), in_any_spelling("b-c")]));
        for (word, found) in [
            ("x-a1", true),
            ("X-A1", true),
            ("x_a1", false),
            ("x-a", false),
            ("b-c", true),
            ("B.C", true),
            ("b-cd", false),
        ] {
            assert_eq!(validator.is_valid(&json!(word)), found, "{word}");
        }
    }
}
