//! Rust source as words and marks, without what says nothing about modules: comments, strings, and code for tests.

use std::iter;

/// A word, `::`, or any other single character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// Counted from 1.
    pub(super) line: usize,
}

/// The tokens of a source file that are compiled without tests.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    without_tests(&all(source))
}

fn all(source: &str) -> Vec<Token<'_>> {
    let (mut rest, mut line) = (source, 1);
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (length, counts) = next(rest, first);
        let (text, after) = rest.split_at(length);
        if counts {
            tokens.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

/// The length of what comes next, and whether it is a token.
fn next(rest: &str, first: char) -> (usize, bool) {
    let run = |is_part: fn(char) -> bool| rest.find(|char| !is_part(char)).unwrap_or(rest.len());
    if first.is_whitespace() {
        (run(char::is_whitespace), false)
    } else if rest.starts_with("//") {
        (run(|char| char != '\n'), false)
    } else if rest.starts_with("/*") {
        (block_comment(rest), false)
    } else if let Some(length) = string(rest) {
        (length, false)
    } else if first == '\'' {
        (quoted(rest), false)
    } else if is_word(first) {
        (run(is_word), true)
    } else if rest.starts_with("::") {
        (2, true)
    } else {
        (first.len_utf8(), true)
    }
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The length of a block comment, in which there may be others.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(mark) = rest[at..].find(['/', '*']) {
        at += mark;
        let (step, open) = match rest[at..].get(..2) {
            Some("/*") => (2, depth + 1),
            Some("*/") => (2, depth - 1),
            _ => (1, depth),
        };
        at += step;
        depth = open;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a string of any kind, if one begins here.
fn string(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let opening = rest.strip_prefix(prefix).map(|rest| rest.trim_start_matches('#'));
        opening.is_some_and(|rest| rest.starts_with('"'))
    })?;
    let hashes = rest[prefix.len()..].find('"')?;
    let opening = prefix.len() + hashes + 1;
    if prefix.ends_with('r') {
        let closing = format!("\"{}", "#".repeat(hashes));
        return Some(rest[opening..].find(&closing).map_or(rest.len(), |end| opening + end + closing.len()));
    }
    (hashes == 0).then(|| opening + escaped(&rest[opening..], '"'))
}

/// The length of a character, or of the name of a lifetime.
fn quoted(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => 1 + escaped(&rest[1..], '\''),
        _ => 1 + rest[1..].find(|char| !is_word(char)).unwrap_or(rest.len() - 1),
    }
}

/// The length until after a delimiter that has no backslash before it.
fn escaped(rest: &str, delimiter: char) -> usize {
    let mut chars = rest.char_indices();
    while let Some((at, char)) = chars.next() {
        if char == '\\' {
            chars.next();
        } else if char == delimiter {
            return at + 1;
        }
    }
    rest.len()
}

fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        let is_inner = text(after) == "!";
        match attribute(rest) {
            Some(length) if is_for_tests(&rest[..length]) => {
                if is_inner {
                    return Vec::new();
                }
                rest = &rest[length..];
                rest = &rest[item(rest)..];
            }
            _ => {
                kept.push(*first);
                rest = after;
            }
        }
    }
    kept
}

fn text<'a>(tokens: &[Token<'a>]) -> &'a str {
    tokens.first().map_or("", |token| token.text)
}

/// The length of an attribute, if one begins here.
fn attribute(tokens: &[Token<'_>]) -> Option<usize> {
    let opening = match tokens {
        [first, second, ..] if (first.text, second.text) == ("#", "[") => 1,
        [first, second, third, ..] if (first.text, second.text, third.text) == ("#", "!", "[") => 2,
        _ => return None,
    };
    Some(opening + group(&tokens[opening..]))
}

/// The length of a group in brackets of any kind, which begins here.
fn group(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return place + 1;
        }
    }
    tokens.len()
}

/// Whether an attribute is `#[cfg(test)]`, or `#[cfg(all(…))]` with `test` among the rest.
fn is_for_tests(attribute: &[Token<'_>]) -> bool {
    let texts: Vec<&str> = attribute.iter().map(|token| token.text).skip_while(|text| *text != "[").collect();
    matches!(&texts[..], ["[", "cfg", "(", condition @ .., ")", "]"] if demands_test(condition))
}

fn demands_test(condition: &[&str]) -> bool {
    match condition {
        ["test"] => true,
        ["all", "(", conditions @ .., ")"] => {
            let mut depth = 0_usize;
            let is_comma = |text: &&str| {
                match *text {
                    "(" => depth += 1,
                    ")" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                depth == 0 && *text == ","
            };
            conditions.split(is_comma).any(demands_test)
        }
        _ => false,
    }
}

/// The length of the item, statement, field or arm that begins here, with its other attributes.
fn item(tokens: &[Token<'_>]) -> usize {
    let attributes: usize = iter::successors(Some(0), |at| Some(at + attribute(&tokens[*at..])?)).last().unwrap_or(0);
    let mut at = attributes;
    if text(&tokens[at..]) == "pub" {
        at += 1;
        if text(&tokens[at..]) == "(" {
            at += group(&tokens[at..]);
        }
    }
    let (keyword, then) = (text(&tokens[at..]), text(tokens.get(at + 1..).unwrap_or_default()));
    let is_definition = matches!(
        keyword,
        "async" | "const" | "enum" | "extern" | "fn" | "impl" | "macro_rules" | "mod" | "struct" | "trait" | "unsafe"
    );
    let is_value = matches!(keyword, "let" | "static" | "type" | "use")
        || (keyword == "const" && !matches!(then, "async" | "extern" | "fn" | "unsafe"));
    while at < tokens.len() {
        match tokens[at].text {
            ";" => return at + 1,
            "," if !is_definition && !is_value => return at + 1,
            // What contains the item ends.
            ")" | "]" | "}" => return at,
            "{" => {
                at += group(&tokens[at..]);
                if !is_value {
                    return at;
                }
            }
            "(" | "[" => at += group(&tokens[at..]),
            _ => at += 1,
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> String {
        tokens(source).iter().map(|token| token.text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_literals_are_left_out() {
        for nothing in [
            "// x",
            "//! x",
            "/// x",
            "/* x */",
            "/* /* x */ x */",
            "/** x */",
            r#""x""#,
            r#""\" x""#,
            r##"r"x""##,
            r###"r#"" x"#"###,
            r###"br##"" "# x"##"###,
            r#"b"x""#,
            r#"c"x""#,
            "'x'",
            r"'\''",
            r"'\u{78}'",
            r"'\\'",
            "'\"'",
            "'x",
            "\"\n x \n\"",
        ] {
            assert_eq!(texts(&format!("a {nothing}\n b")), "a b", "{nothing}");
        }
    }

    #[test]
    fn lines_are_counted_through_what_is_left_out() {
        let source = "a /* \n */ \"\n\n\" b\n// \n c";
        let lines: Vec<_> = tokens(source).iter().map(|token| (token.text, token.line)).collect();
        assert_eq!(lines, [("a", 1), ("b", 4), ("c", 6)]);
    }

    #[test]
    fn a_path_is_words_and_double_colons() {
        assert_eq!(texts("crate::x::Y::<u8>(&'a z,1..2)"), "crate :: x :: Y :: < u8 > ( & z , 1 . . 2 )");
    }

    #[test]
    fn code_for_tests_is_left_out() {
        for item in [
            "mod tests;",
            "mod tests { use x; fn f() {} }",
            "#[path = \"x\"] mod tests;",
            "pub(crate) fn f<A, B>(a: A) -> [B; 2] { x }",
            "use x::{y, z};",
            "const X: Y = Y { z };",
            "const fn f() { x }",
            "static X: &[u8] = &[1];",
            "struct X;",
            "struct X { y: Z }",
            "impl<A> X for Y<A> where A: B { }",
            "x.y();",
            "let x = { y };",
        ] {
            for condition in ["test", "all(test, feature = \"f\")", "all(not(x), all(unix, test))"] {
                let source = format!("a #[cfg({condition})] #[x] {item} b");
                assert_eq!(texts(&source), "a b", "{source}");
            }
        }
        assert_eq!(texts("struct X { #[cfg(test)] pub y: Z, w: V }"), "struct X { w : V }");
        assert_eq!(texts("struct X { #[cfg(test)] y: Z<A> }"), "struct X { }");
        assert_eq!(texts("#![cfg(test)] use x;"), "");
    }

    #[test]
    fn code_that_is_compiled_without_tests_as_well_stays() {
        for condition in ["not(test)", "any(test, unix)", "all(unix, not(test))", "feature = \"test\""] {
            assert!(texts(&format!("#[cfg({condition})] mod m;")).ends_with("mod m ;"), "{condition}");
        }
        assert!(texts("#[test] fn f() {}").ends_with("fn f ( ) { }"));
    }
}
