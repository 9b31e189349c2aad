//! What shells and `man` get, and what the program says of itself.

use std::collections::BTreeSet;
use std::process::Command;

use super::{hub_auth, text};

/// What an interactive bash does at the tab key, after `hub-auth ` and the script that is its first argument.
const COMPLETE: &str = r#"
source "$0"
function=$(complete -p hub-auth | sed 's/.*-F \([^ ]*\).*/\1/')
COMP_WORDS=(hub-auth '')
COMP_CWORD=1
"$function" hub-auth '' hub-auth
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// The commands as `hub-auth help` lists them.
fn commands() -> BTreeSet<String> {
    let output = hub_auth(&["help"]);
    let help = text(&output.stdout);
    let list =
        help.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next()).expect("a list of commands");
    list.lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().expect("a name").to_owned())
        .collect()
}

#[test]
fn bash_completes_every_command() {
    let folder = tempfile::tempdir().expect("a directory");
    let script = folder.path().join("hub-auth.bash");
    std::fs::write(&script, hub_auth(&["completion", "bash"]).stdout).expect("a script");
    let output = Command::new("bash").args(["-c", COMPLETE]).arg(&script).output().expect("bash");
    let offered: BTreeSet<String> =
        text(&output.stdout).lines().filter(|word| !word.starts_with('-')).map(str::to_owned).collect();
    assert!(commands().len() > 5, "{:?}", commands());
    assert_eq!(offered, commands(), "{}", text(&output.stderr));
}

#[test]
fn other_shells_get_a_script() {
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let output = hub_auth(&["completion", shell]);
        assert!(output.status.success() && text(&output.stdout).contains("api-key"), "{shell}");
    }
    let output = hub_auth(&["completion", "tcsh"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("zsh"), "{}", text(&output.stderr));
}

#[test]
fn every_command_has_a_page_of_the_manual() {
    let folder = tempfile::tempdir().expect("a directory");
    let directory = folder.path().to_str().expect("UTF-8");
    assert!(hub_auth(&["man", directory]).status.success());
    for command in commands().iter().filter(|command| *command != "help") {
        let page = std::fs::read_to_string(folder.path().join(format!("hub-auth-{command}.1"))).expect(command);
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{command}: {page}");
    }
    let check = std::fs::read_to_string(folder.path().join("hub-auth-check.1")).expect("a page");
    assert!(check.contains("env\\-file") && check.contains("Exit status"), "{check}");
}

#[test]
fn a_manual_without_a_place_is_a_mistake() {
    let output = hub_auth(&["man", "/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("/nowhere/at/all"), "{}", text(&output.stderr));
}

#[test]
fn the_version_names_the_commit_and_the_modules() {
    let output = hub_auth(&["--version"]);
    let version = text(&output.stdout);
    let first = version.lines().next().expect("a line");
    assert!(first.starts_with(&format!("hub-auth {} (commit ", env!("CARGO_PKG_VERSION"))), "{version}");
    for name in ["hub_auth_filter.wasm", "hub_auth_filter_relaxed_simd.wasm"] {
        let line = version.lines().find(|line| line.ends_with(&format!("  {name}"))).expect(name);
        assert!(line.len() == 64 + 2 + name.len(), "{line}");
    }
    assert_eq!(text(&hub_auth(&["-V"]).stdout).trim(), format!("hub-auth {}", env!("CARGO_PKG_VERSION")));
}
