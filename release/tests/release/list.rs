//! The list of packages inside of modules and programs.

use std::fs;
use std::process::Command;

use crate::{PROJECT, module, printed, release};

/// A module with nothing in it.
const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

fn packages(program: &[u8]) -> Vec<String> {
    let list = auditable_info::audit_info_from_slice(program, 1 << 20).expect("a list");
    let named = |package: &auditable_serde::Package| format!("{} {} {:?}", package.name, package.version, package.kind);
    list.packages.iter().map(named).collect()
}

#[test]
fn a_list_stands_behind_all_that_was_there_and_stands_there_once() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("module.wasm");
    fs::write(&file, EMPTY).expect("a module");
    let path = file.to_str().expect("UTF-8");
    let arguments = ["embed", "--project", PROJECT, "--package", "hub-auth-filter", "--target", "wasm32-wasip1", path];
    printed(&release(&arguments));
    let listed = fs::read(&file).expect("a module");
    assert!(listed.starts_with(EMPTY));
    for built in ["hub_auth_filter.wasm", "hub_auth_filter_relaxed_simd.wasm"].map(module) {
        assert_eq!(packages(&built), packages(&listed));
        assert!(built.ends_with(&listed[EMPTY.len()..]), "the same section, at the end");
    }
    let again = release(&arguments);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("has such a list already"));
}

#[test]
fn a_program_of_linux_gets_one_too_and_runs_as_before() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("release");
    fs::copy(env!("CARGO_BIN_EXE_release"), &file).expect("a program");
    let path = file.to_str().expect("UTF-8");
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let linux = "x86_64-unknown-linux-gnu";
    printed(&release(&["embed", "--project", target, "--package", "release", "--target", linux, path]));
    let packages = packages(&fs::read(&file).expect("a program"));
    assert!(
        packages.iter().any(|package| package.starts_with("clap ") && package.ends_with("Runtime")),
        "{packages:?}"
    );
    assert!(packages.iter().any(|package| package.starts_with("clap_derive ") && package.ends_with("Build")));
    assert!(!packages.iter().any(|package| package.starts_with("tempfile ")), "that is for tests");
    let help = |program: &str| Command::new(program).arg("--help").output().expect("the program").stdout;
    assert_eq!(help(path), help(env!("CARGO_BIN_EXE_release")));
}
