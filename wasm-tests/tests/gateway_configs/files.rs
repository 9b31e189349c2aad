//! The files of `gateway-configs/`, and readers for their formats.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where a shipped file is, from `gateway-configs/` on.
pub(crate) fn path_of(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway-configs")).join(path)
}

/// A shipped file, from `gateway-configs/` on.
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(path_of(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A shipped file in YAML, or in JSON, which is YAML.
pub(crate) fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands in a list, by the name that each entry has under `key`.
pub(crate) fn by<'a>(key: &str, list: &'a Value) -> BTreeMap<&'a str, &'a Value> {
    let list = list.as_array().expect("a list");
    let named: BTreeMap<_, _> = list.iter().map(|entry| (entry[key].as_str().expect("a name"), entry)).collect();
    assert_eq!(named.len(), list.len(), "a name is there twice: {named:?}");
    named
}

/// The settings of a `kong.conf`: `key = value` on each line that is neither empty nor a comment, no key twice. Kong takes a `#`
/// within a value for the beginning of a comment.
pub(crate) fn settings(conf: &str) -> BTreeMap<&str, &str> {
    read_settings(conf).unwrap_or_else(|line| panic!("Kong would misread: {line}"))
}

fn read_settings(conf: &str) -> Result<BTreeMap<&str, &str>, &str> {
    let mut settings = BTreeMap::new();
    for line in conf.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim())).ok_or(line)?;
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let is_value = !value.is_empty() && !value.contains('#');
        if !is_key || !is_value || settings.insert(key, value).is_some() {
            return Err(line);
        }
    }
    Ok(settings)
}

/// The one service of a compose file.
pub(crate) fn compose(path: &str) -> Value {
    let services = yaml(path)["services"].as_object().expect("services").clone();
    assert_eq!(services.len(), 1, "{path}");
    services.into_values().next().expect("a service")
}

/// Where a service's container has which file: the path inside, and the path that stands in the compose file. All read-only.
pub(crate) fn volumes(service: &Value) -> BTreeMap<&str, &str> {
    let volumes = service["volumes"].as_array().expect("volumes").iter().map(|volume| volume.as_str().expect("text"));
    let parts = volumes.map(|volume| volume.split(':').collect::<Vec<_>>());
    parts
        .map(|parts| match parts.as_slice() {
            [outside, inside, "ro"] => (*inside, *outside),
            other => panic!("not outside:inside:ro: {other:?}"),
        })
        .collect()
}

#[test]
fn comments_and_settings_of_a_kong_conf_are_told_apart() {
    let read = read_settings("# a = b\n\n a_b = c; env d\nx=y = z\n");
    assert_eq!(read, Ok(BTreeMap::from([("a_b", "c; env d"), ("x", "y = z")])));
}

#[test]
fn what_kong_would_misread_is_found() {
    for conf in ["a", "a =", "= b", "A = b", "a = b # c", "a = b\na = c"] {
        assert!(read_settings(conf).is_err(), "{conf}");
    }
}
