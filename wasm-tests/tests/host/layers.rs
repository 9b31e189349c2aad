//! The orders of modules that are written in documentation.

use std::fs;
use std::path::Path;
use wasm_tests::layers;

/// Panics with a line for each place that is not in the order that the documentation of a root module says.
fn assert_in_order(root: &str, prefix: &str) {
    let root = Path::new(root);
    let order = layers::order_in(&fs::read_to_string(root).unwrap());
    let violations = layers::violations(root, prefix, &order).unwrap();
    let violations: Vec<_> = violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn modules_of_the_test_host_use_only_those_below_them() {
    assert_in_order("src/host/mod.rs", "crate::host");
}

#[test]
fn parts_of_this_package_use_only_those_below_them() {
    assert_in_order("src/lib.rs", "crate");
}

#[test]
fn modules_of_the_filter_use_only_those_below_them() {
    assert_in_order("../src/lib.rs", "crate");
}
