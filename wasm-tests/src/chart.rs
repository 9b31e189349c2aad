//! The chart `charts/hub-auth-filter/`, as Helm's own code renders it, and what Kubernetes says of manifests.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/kubernetes");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kubernetes/ask.py");

/// A question to `kubernetes/ask.py`, which says what there is to ask.
#[must_use]
pub fn question(ask: &str, rest: &Value) -> Value {
    let mut question = rest.clone();
    question["ask"] = ask.into();
    question
}

/// The answers to all questions, by one process: Helm takes a while to load.
///
/// # Panics
/// If the tools are not installed, or do not answer.
#[must_use]
pub fn ask(questions: &[Value]) -> Vec<Result<Value, String>> {
    let python = tool("python");
    let mut child = Command::new(&python)
        .arg(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{python} does not start: {error}"));
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(json!(questions).to_string().as_bytes()).expect("Python reads");
    drop(input);
    let output = child.wait_with_output().expect("Python ends");
    let answers: Vec<Value> =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{SCRIPT} gives no answers: {error}"));
    assert_eq!(answers.len(), questions.len());
    let answer = |mut answer: Value| match answer.get_mut("ok") {
        Some(made) => Ok(made.take()),
        None => Err(answer["error"].as_str().expect("an error").to_owned()),
    };
    answers.into_iter().map(answer).collect()
}

/// The path of an installed tool.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn tool(name: &str) -> String {
    let path = Path::new(TOOLS).join("bin").join(name);
    assert!(path.is_file(), "There is no {name}: run `make kubernetes-tools`.");
    path.display().to_string()
}

/// The manifests that the chart makes of the values of an example, with these changes. Helm is asked once for the same.
///
/// # Panics
/// If Helm refuses the values.
#[must_use]
pub fn rendered(example: &str, changes: &Value) -> Vec<Value> {
    static RENDERED: Mutex<BTreeMap<String, Vec<Value>>> = Mutex::new(BTreeMap::new());
    let asked = question("render", &json!({"example": example, "changes": changes}));
    let mut rendered = RENDERED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = rendered.get(&asked.to_string()) {
        return made.clone();
    }
    let answer = ask(std::slice::from_ref(&asked)).pop().expect("an answer");
    let made: Value = answer.unwrap_or_else(|error| panic!("{example}: {error}"));
    let made: Vec<Value> = serde_json::from_value(made).expect("manifests");
    rendered.insert(asked.to_string(), made.clone());
    made
}

/// The manifest of this kind and name.
///
/// # Panics
/// If there is none, or more than one.
#[must_use]
pub fn named<'m>(manifests: &'m [Value], kind: &str, name: &str) -> &'m Value {
    let found = manifests.iter().filter(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    let found: Vec<&Value> = found.collect();
    let [only] = found[..] else { panic!("{} of {kind} {name}", found.len()) };
    only
}

/// The texts of a `ConfigMap`.
///
/// # Panics
/// If there is no such text.
#[must_use]
pub fn file<'m>(manifests: &'m [Value], map: &str, name: &str) -> &'m str {
    let data = &named(manifests, "ConfigMap", map)["data"];
    data[name].as_str().unwrap_or_else(|| panic!("{map} has no {name}"))
}

/// A text in YAML, as Kubernetes reads it: its only document.
///
/// # Panics
/// If it is not one.
#[must_use]
pub fn document(text: &str) -> Value {
    let read = ask(&[question("read", &json!({"text": text}))]).pop().expect("an answer").expect("YAML");
    match read.as_array().map(Vec::as_slice) {
        Some([only]) => only.clone(),
        other => panic!("not one document: {other:?}"),
    }
}
