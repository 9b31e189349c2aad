//! Rules of the house: what no code of the crate can write, wherever it stands.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Each attempt with the error of the compiler that it must meet.
const ATTEMPTS: [(&str, &str, &str); 9] = [
    ("an admission from its parts", "E0451", "fn f(a: A) -> Admission { Admission { remove: None, ..a.0 } }"),
    ("an empty admission", "E0277", "fn f() -> Admission { needs_default::<Admission>() }"),
    ("the word of a method", "E0624", "fn f() -> Authenticated { Authenticated::by_method(\"jwt_auth\", None) }"),
    ("the word of service initiation", "E0624", "fn f() -> Authenticated { Authenticated::by_service_initiation() }"),
    (
        "a token that nobody signed",
        "E0451",
        "fn f(t: SignedToken) -> SignedToken { SignedToken { token: String::new(), ..t } }",
    ),
    (
        "a header with such a token",
        "E0451",
        "fn f(t: AttachedToken) -> AttachedToken { AttachedToken { value: String::new(), ..t } }",
    ),
    (
        "one proof for two requests",
        "E0382",
        "fn f(p: Authenticated) -> [Parts; 2] { [p.into_parts(), p.into_parts()] }",
    ),
    (
        "a request that is tolerated",
        "E0599",
        "fn f(r: Box<Rejection>) -> RequestVerdict { RequestVerdict::Tolerate(r) }",
    ),
    (
        "a response that is a health check's",
        "E0599",
        "fn f(r: Box<Reply>) -> ResponseVerdict { ResponseVerdict::Answer(r) }",
    ),
];

/// What attempts need, and code of the same kind that compiles.
const INTRUDER: &str = "
//! Somebody who wants to let a request go on.
#![allow(unused, reason = \"a test\")]
use crate::auth::Authenticated;
use crate::reply::{Rejection, Reply};
use crate::signing::SignedToken;
use crate::verdict::{Admission, AttachedToken, RequestVerdict, ResponseVerdict};
struct A(Admission);
type Parts = (&'static str, Option<String>);
fn needs_default<T: Default>() -> T { T::default() }
fn admits(admission: Admission) -> RequestVerdict { RequestVerdict::Admit(Box::new(admission)) }
fn replaces(rejection: Box<Rejection>) -> ResponseVerdict { ResponseVerdict::Replace(rejection) }
";

#[test]
fn no_other_code_of_the_crate_can_let_a_request_go_on() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    copy(&Path::new(ROOT).join("src"), &folder.path().join("src"));
    for file in ["Cargo.lock", "build.rs", "clippy.toml"] {
        fs::copy(Path::new(ROOT).join(file), folder.path().join(file)).expect(file);
    }
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).expect("the manifest");
    let members = manifest.lines().find(|line| line.starts_with("members = ")).expect("members");
    fs::write(folder.path().join("Cargo.toml"), manifest.replace(members, "members = []")).expect("a manifest");
    let library = folder.path().join("src/lib.rs");
    let front = fs::read_to_string(&library).expect("the library");
    fs::write(&library, format!("{front}\nmod intruder;\n")).expect("a library");

    assert_eq!(errors_with(folder.path(), ""), [""; 0], "the same kind of code compiles");
    for (what, code, attempt) in ATTEMPTS {
        assert_eq!(errors_with(folder.path(), attempt), [code], "{what}");
    }
}

/// The codes of the errors that the compiler finds when somebody attempts this.
fn errors_with(folder: &Path, attempt: &str) -> Vec<String> {
    fs::write(folder.join("src/intruder.rs"), format!("{INTRUDER}{attempt}\n")).expect("an intruder");
    let output = Command::new(env!("CARGO"))
        .args(["check", "--lib", "--offline", "--quiet", "--message-format=json"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("intruder"))
        .output()
        .expect("cargo runs");
    let messages = String::from_utf8(output.stdout).expect("UTF-8");
    let errors: Vec<String> = messages
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["message"].take())
        .filter(|message| message["level"] == "error" && !message["code"].is_null())
        .map(|message| message["code"]["code"].as_str().expect("a code").to_owned())
        .collect();
    assert_eq!(output.status.success(), errors.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    errors
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a file");
        }
    }
}

/// What stands between back-ticks and is a path of this project's sources.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let folders = ["src/", "hub-auth/", "wasm-tests/", "release/"];
    text.split('`').skip(1).step_by(2).filter(move |word| folders.iter().any(|folder| word.starts_with(folder)))
}

#[test]
fn what_the_documents_name_exists() {
    for name in [
        "README.md",
        "CONTRIBUTING.md",
        "docs/configuration.md",
        "docs/limits.md",
        "docs/architecture.md",
        "docs/decisions.md",
        "docs/gateways.md",
        "docs/hsm.md",
        "docs/benchmarks.md",
        "docs/threat-model.md",
        "docs/upgrade.md",
        "docs/verification.md",
    ] {
        let text = fs::read_to_string(Path::new(ROOT).join(name)).expect(name);
        for path in paths(&text) {
            assert!(Path::new(ROOT).join(path).exists(), "{name}: {path}");
        }
    }
}

/// All tests of the suites, as `file::test`; a file `mod.rs` has the name of its directory.
fn tests(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            tests(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let of_a_directory = path.file_stem().is_some_and(|stem| stem == "mod");
            let room = if of_a_directory { folder.file_name() } else { path.file_stem() };
            let room = room.and_then(|room| room.to_str()).expect("a name");
            let text = fs::read_to_string(&path).expect("a source");
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                let function = line.trim_start_matches("async ").strip_prefix("fn ");
                if let (true, Some(name)) = (is_test, function.and_then(|rest| rest.split('(').next())) {
                    into.insert(format!("{room}::{name}"));
                }
                is_test = line.starts_with("#[") && (is_test || line.contains("test") || line.contains("apply"));
            }
        }
    }
}

#[test]
fn each_test_that_the_threat_model_names_exists() {
    let mut there = BTreeSet::new();
    for folder in ["hub-auth/tests", "wasm-tests/tests", "release/tests"] {
        tests(&Path::new(ROOT).join(folder), &mut there);
    }
    let text = fs::read_to_string(Path::new(ROOT).join("docs/threat-model.md")).expect("the document");
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(|word| word.contains("::")).collect();
    assert!(named.len() > 60, "{}", named.len());
    let missing: Vec<&&str> = named.iter().filter(|name| !there.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Who comes here first reads one screen, and is sent on.
#[test]
fn the_front_page_is_short_and_names_every_other_page() {
    let front = fs::read_to_string(Path::new(ROOT).join("README.md")).expect("the front page");
    assert!(front.len() <= 9_000, "{} bytes", front.len());
    for page in pages() {
        assert!(front.contains(&format!("(docs/{page})")), "{page}");
    }
}

/// The names of all pages in `docs/`.
fn pages() -> Vec<String> {
    let entries = fs::read_dir(Path::new(ROOT).join("docs")).expect("a directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    names.filter(|name| name.ends_with(".md")).collect()
}

#[test]
fn the_index_names_every_page_and_every_guide() {
    let index = fs::read_to_string(Path::new(ROOT).join("docs/README.md")).expect("the index");
    for page in pages() {
        assert!(index.contains(&format!("]({page})")), "{page}");
    }
    for folder in ["charts", "gateway-configs", "operations"] {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).expect("a directory") {
            let guides = fs::read_dir(entry.expect("an entry").path()).into_iter().flatten();
            for guide in guides
                .map(|guide| guide.expect("an entry").path())
                .filter(|path| path.extension() == Some("md".as_ref()))
            {
                let path = guide.strip_prefix(ROOT).expect("a path in the project").display().to_string();
                assert!(index.contains(&format!("](../{path})")), "{path}");
            }
        }
    }
}

#[test]
fn a_change_touches_three_rooms_at_most() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/architecture.md")).expect("the document");
    let (_, table) = text.split_once("| … | rooms |").expect("the table");
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 15, "{}", rows.len());
    for row in rows {
        let rooms = paths(row).count();
        assert!((1..=3).contains(&rooms), "{row}");
    }
}
