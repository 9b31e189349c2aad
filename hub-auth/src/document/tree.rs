//! Values with their places, as a parser of YAML tells them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, options};

/// The most values in a file, those of an alias counted each time: a few lines of aliases can mean billions.
const MAX_NODES: usize = 1_000_000;

/// A value.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where it is, in bytes of the text.
    pub(crate) span: Range<usize>,
    /// What it is.
    pub(crate) kind: Rc<Kind>,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A text, a number, a word.
    Scalar {
        /// What it means.
        text: String,
        /// How it is written.
        style: Style,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the text. Keys may stand twice.
    Map(Vec<(Node, Node)>),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: it may be a number, a boolean or nothing.
    Plain,
    /// In double quotes, as all texts in JSON.
    Quoted,
    /// As a block, each line as it is.
    Literal,
    /// Any other: lines and quotes are not what they seem.
    Other,
}

/// Why a text is no YAML.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) at: Range<usize>,
    pub(super) message: String,
}

impl Node {
    /// The value under a key. Of several the last, as most readers take it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|(_, value)| value)
    }

    /// A key and its value.
    pub(crate) fn entry(&self, key: &str) -> Option<(&Self, &Self)> {
        let Kind::Map(members) = &*self.kind else { return None };
        members.iter().rev().find(|(name, _)| name.text() == Some(key)).map(|(name, value)| (name, value))
    }

    /// The value at the end of a path of keys.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The members of a mapping; of anything else none.
    pub(crate) fn members(&self) -> &[(Self, Self)] {
        match &*self.kind {
            Kind::Map(members) => members,
            _ => &[],
        }
    }

    /// The items of a sequence; of anything else none.
    pub(crate) fn items(&self) -> &[Self] {
        match &*self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &*self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Where to show that the value of a key is wrong or missing: its text, or the key of what is longer, or the first key.
    pub(crate) fn place(&self, key: &str) -> Range<usize> {
        match self.entry(key) {
            Some((_, value)) if value.text().is_some() => value.span.clone(),
            Some((name, _)) => name.span.clone(),
            None => self.first_place(),
        }
    }

    /// The first key of a mapping, and of anything else all of it.
    pub(crate) fn first_place(&self) -> Range<usize> {
        self.members().first().map_or_else(|| self.span.clone(), |(name, _)| name.span.clone())
    }

    /// Whether it is the plain word `true`.
    pub(crate) fn is_true(&self) -> bool {
        matches!(&*self.kind, Kind::Scalar { text, style: Style::Plain } if matches!(text.as_str(), "true" | "True" | "TRUE"))
    }

    /// Calls `visit` with this value and all in it, from the outside in.
    pub(crate) fn walk<'n>(&'n self, visit: &mut dyn FnMut(&'n Self)) {
        visit(self);
        match &*self.kind {
            Kind::Scalar { .. } => {}
            Kind::List(items) => items.iter().for_each(|item| item.walk(visit)),
            Kind::Map(members) => members.iter().for_each(|(_, value)| value.walk(visit)),
        }
    }

    fn count(&self) -> usize {
        let mut count = 0_usize;
        self.walk(&mut |_| count = count.saturating_add(1));
        count
    }
}

/// A collection that is not complete yet.
enum Open {
    List { start: usize, anchor: usize, items: Vec<Node> },
    Map { start: usize, anchor: usize, members: Vec<(Node, Node)>, key: Option<Node> },
}

/// What was read so far.
#[derive(Default)]
struct Builder {
    roots: Vec<Node>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
}

/// The documents of a text.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let mut builder = Builder::default();
    // YAML allows what one would call indentation anywhere; files of gateways are not nested like an attack.
    let settings = options! { flow_nesting_limit: 128, block_nesting_limit: 128 };
    for event in Parser::new_from_str_with_options(text, settings) {
        let (event, span) = event.map_err(|error| of_parser(&error, text))?;
        let range = range(&span, text);
        builder.take(event, range.clone());
        if builder.nodes > MAX_NODES {
            return Err(SyntaxError { at: range, message: "more than a million values".to_owned() });
        }
    }
    Ok(builder.roots)
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Range<usize>) {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let kind = Kind::Scalar { text: text.into_owned(), style: Style::of(style) };
                self.close(Node { span: at, kind: Rc::new(kind) }, anchor);
            }
            Event::Alias(anchor) => {
                if let Some((node, size)) = self.anchors.get(&anchor).cloned() {
                    self.nodes = self.nodes.saturating_add(size);
                    self.add(node);
                }
            }
            Event::SequenceStart(_, anchor, _) => self.open.push(Open::List { start: at.start, anchor, items: vec![] }),
            Event::MappingStart(_, anchor, _) => {
                self.open.push(Open::Map { start: at.start, anchor, members: vec![], key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { start, anchor, items }) => {
                    self.close(Node { span: start..at.end, kind: Rc::new(Kind::List(items)) }, anchor);
                }
                Some(Open::Map { start, anchor, members, .. }) => {
                    self.close(Node { span: start..at.end, kind: Rc::new(Kind::Map(members)) }, anchor);
                }
                None => {}
            },
            _ => {}
        }
    }

    /// Takes a value that is complete.
    fn close(&mut self, node: Node, anchor: usize) {
        self.nodes = self.nodes.saturating_add(1);
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), node.count()));
        }
        self.add(node);
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.roots.push(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { members, key, .. }) => match key.take() {
                None => *key = Some(node),
                Some(name) => members.push((name, node)),
            },
        }
    }
}

impl Style {
    fn of(style: ScalarStyle) -> Self {
        match style {
            ScalarStyle::Plain => Self::Plain,
            ScalarStyle::DoubleQuoted => Self::Quoted,
            ScalarStyle::Literal => Self::Literal,
            _ => Self::Other,
        }
    }
}

fn of_parser(error: &ScanError, text: &str) -> SyntaxError {
    let start = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    SyntaxError { at: start..start, message: error.info().to_string() }
}

/// The bytes of a span, without the white space at its end, which belongs to nothing.
fn range(span: &Span, text: &str) -> Range<usize> {
    let Range { start, end } = span.byte_range().unwrap_or(0..0);
    let end = text.get(start..end).map_or(end, |part| start.saturating_add(part.trim_end().len()));
    start..end.max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        parse(text).expect("YAML").remove(0)
    }

    #[test]
    fn a_value_has_its_place() {
        let text = "a:\n  - {b: 1, \"c\": x y}\n";
        let root = one(text);
        let item = &root.get("a").expect("a").items()[0];
        assert_eq!(text.get(item.get("b").expect("b").span.clone()), Some("1"));
        assert_eq!(text.get(item.get("c").expect("c").span.clone()), Some("x y"));
        assert_eq!(text.get(item.span.clone()), Some("{b: 1, \"c\": x y}"));
        let (key, _) = item.entry("c").expect("c");
        assert_eq!(text.get(key.span.clone()), Some("\"c\""));
    }

    #[test]
    fn json_is_read_too() {
        let root = one("{\"a\": [true, null, \"x\\n\"], \"a\": 2}");
        assert_eq!(root.members().len(), 2, "a key may stand twice");
        assert_eq!(root.get("a").and_then(Node::text), Some("2"), "the last one counts");
        assert!(root.members()[0].1.items()[0].is_true());
    }

    #[test]
    fn several_documents_are_kept_apart() {
        assert_eq!(parse("a: 1\n---\nb: 2\n").expect("YAML").len(), 2);
        assert_eq!(parse("").expect("YAML").len(), 0);
    }

    #[test]
    fn an_alias_is_what_it_stands_for() {
        let root = one("a: &x {b: 1}\nc: *x\n");
        assert_eq!(root.at(&["c", "b"]).and_then(Node::text), Some("1"));
    }

    #[test]
    fn aliases_of_aliases_are_refused_before_they_are_billions() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            let line = format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", "));
            text.push_str(&line);
        }
        assert!(parse(&text).expect_err("too many").message.contains("a million"));
    }

    #[test]
    fn what_is_no_yaml_is_named_with_its_place() {
        let error = parse("a: [1, 2\nb: 3\n").expect_err("no YAML");
        assert!(error.at.start > 0 && !error.message.is_empty(), "{error:?}");
    }
}
