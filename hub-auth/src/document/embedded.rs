//! JSON that stands as text in a file of a gateway: what is at a place of that JSON, in the file.

use std::ops::Range;

use super::tree::{self, Kind, Node, Style};

/// JSON in a scalar of a file, or a file that is all JSON.
#[derive(Debug)]
pub(crate) struct Embedded {
    /// The JSON.
    pub(crate) text: String,
    /// Its values, with places in [`Embedded::text`]; nothing if it is neither JSON nor YAML.
    root: Option<Node>,
    /// The place in the file of each byte of the text, and of its end.
    places: Places,
    /// All of it, in the file.
    whole: Range<usize>,
}

#[derive(Debug)]
enum Places {
    /// Each line of the text is a part of one line of the file: where it begins there, and here.
    Lines(Vec<(usize, usize)>),
    /// Each byte of the text, one after the other.
    Bytes(Vec<usize>),
    /// Only the whole has a place.
    Whole,
}

impl Embedded {
    /// What a scalar of this file holds.
    pub(crate) fn in_scalar(node: &Node, file: &str) -> Option<Self> {
        let Kind::Scalar { text, style } = &*node.kind else { return None };
        let places = match style {
            Style::Literal => lines(text, file, node.span.start),
            Style::Quoted => quoted(text, file, &node.span),
            Style::Plain | Style::Other => None,
        };
        Some(Self {
            text: text.clone(),
            root: tree::parse(text).ok().and_then(|roots| roots.into_iter().next()),
            places: places.unwrap_or(Places::Whole),
            whole: node.span.clone(),
        })
    }

    /// A file that holds nothing else.
    pub(crate) fn whole_file(root: &Node, file: &str) -> Self {
        Self {
            text: file.to_owned(),
            root: Some(root.clone()),
            places: Places::Lines(vec![(0, 0)]),
            whole: root.span.clone(),
        }
    }

    /// Its values, with places in its own text.
    pub(crate) fn root(&self) -> Option<&Node> {
        self.root.as_ref()
    }

    /// Where in the file these bytes of its text are.
    pub(crate) fn in_file(&self, range: &Range<usize>) -> Range<usize> {
        match (self.place(range.start), self.place(range.end)) {
            (Some(start), Some(end)) if start <= end => start..end,
            _ => self.whole.clone(),
        }
    }

    fn place(&self, offset: usize) -> Option<usize> {
        match &self.places {
            Places::Lines(lines) => {
                let (there, here) = lines.iter().rev().find(|(_, here)| *here <= offset)?;
                Some(there.saturating_add(offset.saturating_sub(*here)))
            }
            Places::Bytes(bytes) => bytes.get(offset).copied(),
            Places::Whole => None,
        }
    }
}

/// The lines of a block are those of the file behind its indicator, without the indentation.
fn lines(text: &str, file: &str, start: usize) -> Option<Places> {
    let mut at = start;
    let mut places = Vec::new();
    let mut here = 0_usize;
    let mut there = file.get(at..)?.split_inclusive('\n');
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches('\n');
        loop {
            let candidate = there.next()?;
            let begins = at;
            at = at.saturating_add(candidate.len());
            let candidate = candidate.trim_end_matches(['\n', '\r']);
            if let Some(before) = candidate.strip_suffix(content)
                && before.bytes().all(|byte| byte == b' ')
            {
                places.push((begins.saturating_add(before.len()), here));
                break;
            }
            // The indicator itself, and comments behind it, stand before the first line only.
            if !places.is_empty() {
                return None;
            }
        }
        here = here.saturating_add(line.len());
    }
    Some(Places::Lines(places))
}

/// What stands in double quotes on one line, escape by escape.
fn quoted(text: &str, file: &str, span: &Range<usize>) -> Option<Places> {
    let source = file.get(span.clone())?.strip_prefix('"')?.strip_suffix('"')?;
    let mut at = span.start.saturating_add(1);
    let mut places = Vec::with_capacity(text.len());
    let mut characters = source.chars();
    let mut meant = text.chars();
    while let Some(character) = characters.next() {
        let mut length = character.len_utf8();
        let means = if character == '\\' {
            let escape = characters.next()?;
            length = length.saturating_add(escape.len_utf8());
            match escape {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '"' | '\\' | '/' => escape,
                _ => return None,
            }
        } else {
            character
        };
        if meant.next() != Some(means) {
            return None;
        }
        places.extend(std::iter::repeat_n(at, means.len_utf8()));
        at = at.saturating_add(length);
    }
    places.push(at);
    meant.next().is_none().then_some(Places::Bytes(places))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in the file where the embedded JSON has the value of `key`.
    fn shown<'f>(file: &'f str, key: &str) -> &'f str {
        let root = tree::parse(file).expect("YAML").remove(0);
        let embedded = Embedded::in_scalar(root.get("config").expect("config"), file).expect("a scalar");
        let value = embedded.root().and_then(|root| root.get(key)).expect(key).span.clone();
        file.get(embedded.in_file(&value)).expect(key)
    }

    #[test]
    fn a_block_has_its_places_line_by_line() {
        let file = "before: 1\nconfig: |\n    {\n      \"a\": {\n        \"b\": 17\n      },\n\n      \"c\": \"x\"\n    }\nafter: 2\n";
        assert_eq!(shown(file, "c"), "\"x\"");
        assert_eq!(shown(file, "a"), "{\n        \"b\": 17\n      }");
        let with_comment = file.replace("|\n", "&anchor |-  # JSON\n");
        assert_eq!(shown(&with_comment, "c"), "\"x\"");
        let indented = file.replace("|\n", "|2\n").replace("\n    ", "\n  ");
        assert_eq!(shown(&indented, "c"), "\"x\"");
    }

    #[test]
    fn a_text_in_quotes_has_its_places_escape_by_escape() {
        let file = "config: \"{\\\"a\\\": 1,\\n \\\"bö\\\": \\\"x\\\"}\"\n";
        assert_eq!(shown(file, "a"), "1");
        assert_eq!(shown(file, "bö"), "\\\"x\\\"");
    }

    #[test]
    fn where_lines_are_not_what_they_seem_the_whole_is_the_place() {
        assert_eq!(shown("config: >\n  {\"a\":\n  1}\n", "a"), "{\"a\":\n  1}");
        let file = "config: '{\"a\": 1}'\n";
        assert_eq!(shown(file, "a"), "'{\"a\": 1}'");
    }
}
