use super::*;
use tempfile::TempDir;

/// What is wrong in a crate with these files, in the order that its `lib.rs` says: sentences without the directory.
fn said(files: &[(&str, &str)]) -> Vec<String> {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, text).expect("a file");
    }
    check(&folder.path().join("lib.rs"), "crate")
}

fn check(root: &Path, prefix: &str) -> Vec<String> {
    let order = order_in(&fs::read_to_string(root).expect("a root"));
    let folder = format!("{}/", root.parent().expect("a folder").display());
    let violations = violations(root, prefix, &order).expect("readable files");
    violations.iter().map(|violation| violation.to_string().replace(&folder, "")).collect()
}

/// A root with these modules in this order.
fn root(modules: &[&str]) -> String {
    let rows: String = modules.iter().map(|module| format!("//! | a layer | `{module}` | what it is |\n")).collect();
    let declared: String = modules.iter().map(|module| format!("mod {module};\n")).collect();
    format!("//! A crate.\n//!\n//! | layer | modules | what they are |\n//! |---|---|---|\n{rows}\n{declared}")
}

const NOTHING: [&str; 0] = [];

#[test]
fn what_uses_only_what_is_below_it_is_in_order() {
    let said = said(&[
        ("lib.rs", &format!("{} pub use top::Top; fn f() {{ bottom::f() }}", root(&["top", "middle", "bottom"]))),
        ("top.rs", "use crate::{bottom::A, middle}; fn f() { super::middle::f() }"),
        ("middle/mod.rs", "mod inner; use super::bottom::*; use self::inner::B;"),
        ("middle/inner.rs", "use super::C; use crate::bottom;"),
        ("bottom.rs", "use std::fmt; use serde::top;"),
    ]);
    assert_eq!(said, NOTHING);
}

#[test]
fn a_use_of_something_above_is_found() {
    let top = "use crate::bottom::A;";
    let sentence = |line, from: &str, to: &str| {
        vec![format!("{line}: `crate::{from}` uses `crate::{to}`, which the order has before it")]
    };
    for bottom in [
        "use crate::top::{B, C};",
        "use super::top::B;",
        "use super::{top, std::fmt};",
        "use crate::{self, top::{self as t, B}} ;",
        "fn f() { crate::top::g() }",
        "struct A(Vec<super::top::B>);",
        "mod inline { use super::super::top; }",
        "mod inline { fn f() { crate::top::g() } }",
    ] {
        let root = root(&["top", "bottom"]);
        let found = said(&[("lib.rs", &root), ("top.rs", top), ("bottom.rs", bottom)]);
        let found: Vec<_> = found.into_iter().filter(|line| !line.contains("the root")).collect();
        let from = if bottom.starts_with("mod") { "bottom::inline" } else { "bottom" };
        assert!(found.starts_with(&sentence("bottom.rs:1", from, "top")), "{bottom}: {found:?}");
    }
    let root = root(&["top", "bottom"]);
    let inner = [("bottom/mod.rs", "mod inner;"), ("bottom/inner.rs", "\nuse crate::top::deep::B;")];
    let top = [("top/mod.rs", "mod deep;"), ("top/deep.rs", "")];
    let found = said(&[&[("lib.rs", &*root)], &inner[..], &top].concat());
    assert_eq!(found, sentence("bottom/inner.rs:2", "bottom::inner", "top::deep"));
}

#[test]
fn in_a_circle_one_use_is_always_upward() {
    for order in [["a", "b", "c"], ["b", "c", "a"], ["c", "b", "a"]] {
        let root = root(&order);
        let circle = [("a.rs", "use crate::b::B;"), ("b.rs", "use super::c;"), ("c.rs", "fn f() { crate::a::f() }")];
        assert!(!said(&[&[("lib.rs", &*root)], &circle[..]].concat()).is_empty(), "{order:?}");
    }
}

#[test]
fn comments_strings_and_tests_do_not_count() {
    let bottom = r##"
        //! See [`crate::top`].
        /* use crate::top; */
        const A: &str = "use crate::top;"; // crate::top
        const B: &str = r#"" crate::top::B "#;
        #[cfg(test)]
        mod tests { use crate::top::B; fn f() { super::super::top::f() } }
        #[cfg(test)]
        use super::top;
        #[cfg(test)]
        mod more;
    "##;
    let root = root(&["top", "bottom"]);
    let files = [("lib.rs", &*root), ("top.rs", ""), ("bottom/mod.rs", bottom), ("bottom/more.rs", "use crate::top;")];
    assert_eq!(said(&files), NOTHING);
}

#[test]
fn the_root_is_above_all() {
    let root = root(&["only"]);
    let file = [("only/mod.rs", "mod inner; fn f() { crate::f() }"), ("only/inner.rs", "use super::super::{f, g};")];
    let found = said(&[&[("lib.rs", &*root)], &file[..]].concat());
    let ending = "uses `crate`, the root: name the module in which the thing is";
    let from = ["only/mod.rs:1: `crate::only`", "only/inner.rs:1: `crate::only::inner`"];
    assert_eq!(found.len(), 2, "one for each line");
    for from in from {
        assert!(found.contains(&format!("{from} {ending}")), "{found:?}");
    }
}

#[test]
fn every_module_is_in_the_order_once() {
    let text = root(&["a", "b", "a", "c"]).replace("mod a;\nmod c;\n", "mod d;\n#[cfg(test)] mod tests;");
    let found = said(&[("lib.rs", &text), ("a.rs", ""), ("b.rs", "use crate::d;"), ("d.rs", "")]);
    assert_eq!(
        found,
        [
            "the module `d` is not in the order",
            "the order names `c`, and there is no such module",
            "the order names `a` twice"
        ]
    );
}

#[test]
fn siblings_may_use_each_other_but_not_in_a_circle() {
    let root = root(&["parent"]);
    let files = |last| {
        [
            ("lib.rs", &*root),
            ("parent/mod.rs", "mod a; mod b; mod c; use c::C; struct P;"),
            ("parent/a.rs", "use super::{P, b::B};"),
            ("parent/b.rs", "use crate::parent::c;"),
            ("parent/c.rs", last),
        ]
    };
    assert_eq!(said(&files("use super::P;")), NOTHING);
    let found = said(&files("\n\nfn f() { super::a::f() }"));
    let circle = |place, from, to| {
        format!(
            "parent/{place}: `crate::parent::{from}` uses `crate::parent::{to}`, which uses it too, at once or by others"
        )
    };
    assert_eq!(found, [circle("a.rs:1", "a", "b"), circle("b.rs:1", "b", "c"), circle("c.rs:3", "c", "a")]);
}

#[test]
fn a_part_of_a_crate_can_be_held_to_an_order_of_its_own() {
    let folder = TempDir::new().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    fs::write(file("mod.rs"), root(&["top", "bottom"])).expect("a file");
    fs::write(file("top.rs"), "use crate::outside::A; use super::super::outside::B;").expect("a file");
    fs::write(file("bottom.rs"), "use crate::part::top::C; use crate::top::D;").expect("a file");
    let found = check(&file("mod.rs"), "crate::part");
    let upward = "bottom.rs:1: `crate::part::bottom` uses `crate::part::top`, which the order has before it";
    assert_eq!(found, [upward]);
}

#[test]
fn the_order_is_the_second_column_of_the_table_of_modules() {
    let documentation = "//! What `this` is.
        //!
        //! | difference | its seat |
        //! |---|---|
        //! | one | `other` |
        //!
        //! | layer | modules | what they are |
        //! |---|---|---|
        //! | `upper` | `a`, [`b`] | uses `c` |
        //! | lower | `c` | |
        //!
        //! | more | `d` |
        mod e; // | x | `f` |";
    assert_eq!(order_in(documentation), ["a", "b", "c"]);
    assert_eq!(order_in("| layer | modules |\n|---|---|\n| x | `a` |"), ["a"], "without the marks of a comment");
    assert_eq!(order_in("//! | layer | `a` |"), NOTHING);
}

#[test]
fn a_module_without_a_file_is_an_error() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("lib.rs"), root(&["a"])).expect("a file");
    let error = violations(&folder.path().join("lib.rs"), "crate", &[]).expect_err("no file");
    assert!(error.to_string().contains("mod.rs"), "{error}");
}
