//! That each gateway has a name of its own, and that nothing else in the code has it.

use std::fs;
use std::path::{Path, PathBuf};

use super::GatewayKind;
use crate::config::Config;

#[test]
fn every_gateway_is_found_by_its_own_name() {
    for kind in GatewayKind::ALL {
        assert_eq!(GatewayKind::from_name(kind.name()), Some(kind));
    }
    for name in ["", "Envoy", "kong ", "nginx"] {
        assert_eq!(GatewayKind::from_name(name), None, "{name:?}");
    }
}

#[test]
fn an_empty_configuration_is_told_how_gateways_take_one() {
    let fault = |known: &[_]| Config::parse_with(b"", known, &|_| None).unwrap_err().to_string();
    assert_eq!(
        fault(&GatewayKind::known()),
        "configuration: no configuration: expected JSON text (in Envoy a google.protobuf.StringValue), got nothing"
    );
    assert_eq!(fault(&[]), "configuration: no configuration: expected JSON text, got nothing");
}

/// The Rust files below a directory, but for tests and what is here.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            // The model is a test of the whole, and the schema says to people what settings do where: no module has it.
            if !["kinds", "model", "schema", "tests", "benches"].contains(&name.as_str()) {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") && !["tests.rs", "testing.rs"].contains(&name.as_str()) {
            found.push(path);
        }
    }
}

/// The first line of code in a file that has the name of a gateway in it.
fn naming(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).expect("text");
    let (code, _tests) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((&text, ""));
    let names: Vec<_> = GatewayKind::ALL.map(GatewayKind::name).into_iter().chain(["nginx"]).collect();
    let names_one = |line: &&str| {
        let line = line.split("//").next().unwrap_or_default().to_lowercase();
        names.iter().any(|name| line.contains(name))
    };
    code.lines().find(names_one).map(str::to_owned)
}

#[test]
fn no_code_outside_of_this_directory_names_a_gateway() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    assert!(found.len() > 100, "{} files", found.len());
    for path in found {
        assert_eq!(naming(&path), None, "{}", path.display());
    }
    for kind in GatewayKind::ALL {
        assert!(naming(&root.join(format!("gateway/kinds/{}.rs", kind.name()))).is_some(), "{kind:?}");
    }
}
