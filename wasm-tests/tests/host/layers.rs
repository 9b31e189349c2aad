//! The order of modules that the documentation of the test host says.

use std::fs;
use std::path::Path;
use wasm_tests::layers;

#[test]
fn modules_of_the_host_use_only_those_below_them() {
    let root = Path::new("src/host/mod.rs");
    let order = layers::order_in(&fs::read_to_string(root).unwrap());
    let violations = layers::violations(root, "crate::host", &order).unwrap();
    let violations: Vec<_> = violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}
