//! What a source file says about modules: those that it declares, and the paths to others, which begin with `crate`, `self` or
//! `super`.

use super::tokens::{Token, tokens};

/// What one file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    /// The modules that have files of their own.
    pub(super) declared: Vec<String>,
    /// The modules that are written out in this file, each as the path to it from the file's own module.
    pub(super) inline: Vec<Vec<String>>,
    pub(super) references: Vec<Reference>,
}

/// A path to something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The inline modules around it.
    pub(super) within: Vec<String>,
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

impl Source {
    pub(super) fn read(source: &str) -> Self {
        let tokens = tokens(source);
        let mut found = Source::default();
        // The braces that are open: those of modules have a name.
        let mut open: Vec<Option<&str>> = Vec::new();
        let mut rest = &tokens[..];
        while !rest.is_empty() {
            let within = || open.iter().flatten().map(|name| (*name).to_owned()).collect();
            let length = match [text(rest, 0), text(rest, 1), text(rest, 2)] {
                ["mod", name, ";"] => {
                    if open.is_empty() {
                        found.declared.push(name.to_owned());
                    }
                    3
                }
                ["mod", name, "{"] => {
                    found.inline.push([within(), vec![name.to_owned()]].concat());
                    open.push(Some(name));
                    3
                }
                // Not the captures of an `impl Trait + use<'a>`.
                ["use", next, _] if next != "<" => {
                    let mut paths = Vec::new();
                    let length = 1 + tree(&rest[1..], &[], &mut paths);
                    let paths = paths.into_iter().filter(|(path, _)| begins(&path[0]));
                    found.references.extend(paths.map(|(path, line)| Reference { within: within(), path, line }));
                    length
                }
                // How far something is public: no use of what is named there.
                ["pub", "(", "in"] => rest.iter().position(|token| token.text == ")").unwrap_or(rest.len()),
                [head, "::", _] if begins(head) => {
                    let path = path(rest);
                    let length = path.len() * 2 - 1;
                    found.references.push(Reference { within: within(), path, line: rest[0].line });
                    length
                }
                ["{", ..] => {
                    open.push(None);
                    1
                }
                ["}", ..] => {
                    open.pop();
                    1
                }
                _ => 1,
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        found
    }
}

fn text<'a>(tokens: &[Token<'a>], place: usize) -> &'a str {
    tokens.get(place).map_or("", |token| token.text)
}

/// Whether a path with this first word leads to a module of the same crate, whatever is in scope.
fn begins(head: &str) -> bool {
    matches!(head, "crate" | "self" | "super")
}

/// The words of the path that begins here, up to the first thing that is no word.
fn path(tokens: &[Token<'_>]) -> Vec<String> {
    let mut words = vec![tokens[0].text.to_owned()];
    while text(tokens, words.len() * 2 - 1) == "::" && is_word(text(tokens, words.len() * 2)) {
        words.push(text(tokens, words.len() * 2).to_owned());
    }
    words
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Reads a tree of `use` that begins here, with the path that leads to it; gives its length.
fn tree(tokens: &[Token<'_>], prefix: &[String], paths: &mut Vec<(Vec<String>, usize)>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = 0;
    loop {
        match text(tokens, at) {
            "::" => at += 1,
            "{" => {
                at += 1;
                while !matches!(text(tokens, at), "}" | "") {
                    at += tree(&tokens[at..], &path, paths);
                    at += usize::from(text(tokens, at) == ",");
                }
                return at + 1;
            }
            word if text(tokens, at + 1) == "::" => {
                path.push(word.to_owned());
                at += 1;
            }
            last => {
                path.push(last.to_owned());
                paths.push((path, tokens.get(at).map_or(0, |token| token.line)));
                // A new name for it.
                let end = tokens[at..].iter().position(|token| matches!(token.text, "," | "}" | ";"));
                return end.map_or(tokens.len(), |end| at + end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(source: &str) -> Vec<String> {
        Source::read(source).references.iter().map(|reference| reference.path.join("::")).collect()
    }

    #[test]
    fn a_tree_of_use_is_all_its_paths() {
        assert_eq!(paths("use crate::a::B;"), ["crate::a::B"]);
        assert_eq!(
            paths("pub(crate) use super::a::{self, B as C, d::{E, F}, g::*,};"),
            ["super::a::self", "super::a::B", "super::a::d::E", "super::a::d::F", "super::a::g::*"]
        );
        assert_eq!(paths("use {self::a, super::{b, super::c}, std::fmt};"), ["self::a", "super::b", "super::super::c"]);
        assert_eq!(paths("use std::fmt; use a::B; use ::c::D; fn f() -> impl E + use<'a, F> {}"), [""; 0]);
    }

    #[test]
    fn a_path_in_code_counts_like_one_of_use() {
        assert_eq!(
            paths("fn f(a: crate::a::B<super::c::D>) { self::e::f::<u8>(g) }"),
            ["crate::a::B", "super::c::D", "self::e::f"]
        );
        assert_eq!(paths("macro_rules! m { () => { $crate::a::b!() } }"), ["crate::a::b"]);
        assert_eq!(paths("#[derive(crate::a::B)] struct C(<D as super::E>::F);"), ["crate::a::B", "super::E"]);
        assert_eq!(paths("fn f(&self) { self.a(); std::b(); Self::c() }"), [""; 0]);
        assert_eq!(paths("pub(in crate::a) fn f() {} pub(super) fn g() {}"), [""; 0]);
    }

    #[test]
    fn comments_strings_and_tests_refer_to_nothing() {
        let source = "//! [`crate::a`]\n/* use crate::a; */ const B: &str = \"use crate::a;\";
            #[cfg(test)] mod tests { use crate::a; }
            #[cfg(test)] use super::a;";
        assert_eq!(Source::read(source), Source::default());
    }

    #[test]
    fn lines_are_those_of_the_last_word_of_use_and_of_the_first_of_a_path() {
        let found = Source::read("use super::{\n  a,\n  b\n};\nfn f() { crate::c\n  ::d() }");
        assert_eq!(found.references.iter().map(|reference| reference.line).collect::<Vec<_>>(), [2, 3, 5]);
    }

    #[test]
    fn modules_are_declared_or_written_out() {
        let source = "mod a; #[cfg(unix)] pub(crate) mod b; #[cfg(test)] mod tests;
            mod c { use super::d; mod e { fn f() { super::super::g() } } } use self::h;";
        let found = Source::read(source);
        assert_eq!(found.declared, ["a", "b"]);
        assert_eq!(found.inline, [vec!["c"], vec!["c", "e"]]);
        let within: Vec<_> = found.references.iter().map(|reference| reference.within.join("::")).collect();
        assert_eq!(within, ["c", "c::e", ""]);
    }
}
