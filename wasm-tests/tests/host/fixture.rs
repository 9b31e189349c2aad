//! Small modules in the text format. `{"text"}` in a fixture stands for the pointer and length of that text, and
//! `{map:"name=value,name=value"}` for those of a serialized header map.

use wasm_tests::host::{Builder, Gateway, Module, Profile};

/// Where a fixture's strings begin.
const STRINGS: usize = 1024;

/// A module: the prelude, without the imports that are not used, and this. Not every gateway has all of them.
pub fn fixture(text: &str) -> Module {
    let whole = format!("{}\n{text}", include_str!("prelude.wat"));
    let words: Vec<&str> = whole.split(|c: char| c.is_whitespace() || "()".contains(c)).collect();
    let used = |line: &&str| {
        let name = line.split_once("(func ").map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
        !line.starts_with("(import") || name.is_none_or(|name| words.iter().filter(|word| **word == name).count() > 1)
    };
    let whole: Vec<&str> = whole.lines().filter(used).collect();
    let (text, data) = place_strings(&whole.join("\n"));
    Module::from_wat(&format!("(module {text}\n{data})"))
}

/// An Envoy with one worker that is about to start.
pub fn envoy() -> Builder {
    Gateway::new(Profile::envoy())
}

/// An Envoy with one worker that runs this fixture.
pub fn running(text: &str) -> Gateway {
    envoy().start(&fixture(text)).expect("a fixture that starts")
}

/// The texts that have been logged.
pub fn texts(gateway: &Gateway) -> Vec<String> {
    gateway.logs().into_iter().map(|log| log.text).collect()
}

fn place_strings(text: &str) -> (String, String) {
    let (mut out, mut data) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (kind, after) = after.split_once('"').expect("a quoted string after {");
        let (quoted, after) = after.split_once("\"}").expect("\"} after a string");
        let bytes = match kind {
            "" => quoted.replace("\\0", "\0").into_bytes(),
            "map:" => serialized(quoted),
            other => panic!("unknown kind of string {other}"),
        };
        out.push_str(before);
        out.push_str(&format!("(i32.const {}) (i32.const {})", STRINGS + data.len(), bytes.len()));
        data.extend(bytes);
        rest = after;
    }
    out.push_str(rest);
    let escaped: String = data.iter().map(|byte| format!("\\{byte:02x}")).collect();
    (out, format!("(data (i32.const {STRINGS}) \"{escaped}\")"))
}

/// Written apart from the host's own serializer, so that each checks the other.
fn serialized(pairs: &str) -> Vec<u8> {
    let pairs: Vec<_> = pairs.split(',').map(|pair| pair.split_once('=').expect("name=value")).collect();
    let mut lengths = (pairs.len() as u32).to_le_bytes().to_vec();
    let mut texts = Vec::new();
    for (name, value) in pairs {
        lengths.extend((name.len() as u32).to_le_bytes());
        lengths.extend((value.len() as u32).to_le_bytes());
        texts.extend(format!("{name}\0{value}\0").into_bytes());
    }
    [lengths, texts].concat()
}
