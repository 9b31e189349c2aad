//! Paths as the filter's errors have them, such as `inbound.peer.fingerprints[2]`, in a tree of values.

use std::ops::Range;

use crate::document::Node;

enum Step<'p> {
    Key(&'p str),
    Item(usize),
}

/// Where a path is: the value; of a key that is not known there, the key; of what is missing, the object that should have it.
pub(super) fn find(root: &Node, path: &str) -> Range<usize> {
    let mut node = root;
    let steps = steps(path);
    let last = steps.len().saturating_sub(1);
    for (index, step) in steps.iter().enumerate() {
        let next = match step {
            Step::Key(key) => match node.entry(key) {
                // The name says more than an object of many lines.
                Some((name, value)) if index == last && !(value.members().is_empty() && value.items().is_empty()) => {
                    return name.span.clone();
                }
                entry => entry.map(|(_, value)| value),
            },
            Step::Item(position) => node.items().get(*position),
        };
        match next {
            Some(value) => node = value,
            None => {
                // The first byte of the object that lacks it.
                return node.span.start..node.span.start.saturating_add(1);
            }
        }
    }
    if steps.is_empty() { node.span.start..node.span.start.saturating_add(1) } else { node.span.clone() }
}

/// The value at the end of a path.
pub(super) fn value<'n>(root: &'n Node, path: &str) -> Option<&'n Node> {
    steps(path).iter().try_fold(root, |node, step| match step {
        Step::Key(key) => node.get(key),
        Step::Item(position) => node.items().get(*position),
    })
}

fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    if path == "configuration" {
        return steps;
    }
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (key, positions) = part.split_once('[').unwrap_or((part, ""));
        if !key.is_empty() {
            steps.push(Step::Key(key));
        }
        for position in positions.split('[') {
            if let Some(position) = position.strip_suffix(']').and_then(|digits| digits.parse().ok()) {
                steps.push(Step::Item(position));
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::document::Document;

    #[test]
    fn each_path_has_its_place() {
        let text = r#"{"a": {"b": [1, {"c": "x"}], "d": {}, "e": {"f": 1}}}"#;
        let document = Document::parse(Path::new("x"), text.to_owned()).expect("JSON");
        for (path, expected) in [
            ("a.b[1].c", "\"x\""),
            ("a.b[0]", "1"),
            ("a.b", "\"b\""),
            ("a.d", "{}"),
            ("a.e", "\"e\""),
            ("a.e.missing", "{"),
            ("a.b[7]", "["),
            ("configuration", "{"),
            ("", "{"),
        ] {
            assert_eq!(text.get(find(&document.roots[0], path)), Some(expected), "{path}");
        }
        assert!(value(&document.roots[0], "a.b[1].c").is_some());
        assert!(value(&document.roots[0], "a.b[1].d").is_none());
    }
}
