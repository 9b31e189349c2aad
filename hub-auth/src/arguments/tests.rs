//! What the documentation has people type is what the tool takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{CommandFactory as _, Parser as _};

use super::Arguments;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Stands in a shell for the tool, and writes down in one piece what it is called with: in a pipe two of it write at once.
const WITNESS: &str = r#"hub-auth() { local IFS=$'\x1f'; printf '%s\n' "hub-auth$IFS$*" >&3; }; "#;

/// The pages for users.
fn pages() -> Vec<PathBuf> {
    let folders =
        ["", "docs", "gateway-configs/envoy", "gateway-configs/kong", "gateway-configs/apisix", "operations/crl"];
    let mut pages = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The lines of a page's shell blocks that call the tool, continued lines joined.
fn calls(page: &str) -> Vec<String> {
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(|block| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter(|line| line.contains("hub-auth ") && !line.trim_start().starts_with('#')).collect()
}

/// The arguments of each call in a line, as a shell hands them on.
fn arguments(line: &str) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().expect("a directory");
    // A line before makes it.
    fs::create_dir_all(folder.path().join(".local/share/bash-completion/completions")).expect("a directory");
    let called = folder.path().join("called");
    let status = Command::new("bash")
        .args(["-c", &format!("exec 3>>called; cargo() {{ while [ \"$1\" != -- ]; do shift; done; shift; hub-auth \"$@\"; }}; {WITNESS}{line}")])
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .output()
        .expect("bash");
    let text = fs::read_to_string(called).unwrap_or_else(|error| panic!("{error}: {line}: {status:?}"));
    text.lines().map(|call| call.split_terminator('\u{1f}').map(str::to_owned).collect()).collect()
}

#[test]
fn every_call_in_the_documentation_is_one_that_the_tool_takes() {
    let mut seen = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        for line in calls(&text).iter().filter(|line| !line.contains("cargo build")) {
            let calls = arguments(line);
            assert!(!calls.is_empty(), "{}: {line}: the tool is not called", page.display());
            for call in calls {
                seen += 1;
                if let Err(error) = Arguments::try_parse_from(&call) {
                    assert!(!error.use_stderr(), "{}: {line}\n{error}", page.display());
                }
            }
        }
    }
    assert!(seen >= 12, "only {seen} calls of the tool were found");
}

#[test]
fn the_arguments_do_not_contradict_each_other() {
    Arguments::command().debug_assert();
}
