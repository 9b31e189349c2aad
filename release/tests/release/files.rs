//! The files of a release, made of the modules that `make build` has made, and what a bank does with them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::project::{Project, commands};
use crate::{CREATED, module, printed, sha256};

const BASELINE: &str = "hub_auth_filter.wasm";
const FAST: &str = "hub_auth_filter_relaxed_simd.wasm";

/// A folder with what was built.
fn built(project: &Project, name: &str) -> std::path::PathBuf {
    let folder = project.path(name);
    fs::create_dir(&folder).expect("a directory");
    for name in [BASELINE, FAST] {
        fs::write(folder.join(name), module(name)).expect("a file");
    }
    fs::write(folder.join("log-line.schema.json"), "{}").expect("a file");
    folder
}

/// Completes it, as `make release` does.
fn finish(project: &Project, folder: &Path) -> std::process::Output {
    let commit = project.git("git rev-parse HEAD");
    let command = format!(
        "'{}' finish --version 0.1.0 --commit {} --created {CREATED} --folder '{}'",
        env!("CARGO_BIN_EXE_release"),
        commit.trim(),
        folder.display()
    );
    project.try_bash(&command, &project.path("project"))
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| (entry.file_name().into_string().expect("a name"), fs::read(entry.path()).expect("a file")))
        .collect()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

#[test]
fn a_bank_finds_the_files_signed_whole_and_not_changed() {
    let project = Project::new().tagged();
    let folder = built(&project, "release");
    printed(&finish(&project, &folder));
    fs::copy(project.path("hub-auth-filter.pub"), folder.join("hub-auth-filter.pub")).expect("the public key");
    let [signature, checksums, ..] = commands();
    let said = project.bash(&signature, &folder);
    assert!(said.contains("Signature and comment signature verified"), "{said}");
    let commit = project.git("git rev-parse HEAD");
    assert!(said.contains(&format!("hub-auth-filter 0.1.0 of commit {commit}")), "{said}");
    project.bash(&checksums, &folder);

    let listed = fs::read_to_string(folder.join("SHA256SUMS")).expect("the list");
    let listed: Vec<&str> = listed.lines().map(|line| &line[66..]).collect();
    let there = files(&folder);
    let others = ["SHA256SUMS", "SHA256SUMS.minisig", "hub-auth-filter.pub"];
    let there: Vec<&str> = there.keys().map(String::as_str).filter(|name| !others.contains(name)).collect();
    assert_eq!(listed, there, "nothing is left out");

    for name in there {
        let path = folder.join(name);
        let bytes = fs::read(&path).expect("a file");
        fs::write(&path, [&bytes[..], b"\n"].concat()).expect("a file");
        assert!(!project.try_bash(&checksums, &folder).status.success(), "{name}");
        fs::write(&path, bytes).expect("a file");
    }
    let list = fs::read(folder.join("SHA256SUMS")).expect("the list");
    fs::write(folder.join("SHA256SUMS"), [&list[..], b"\n"].concat()).expect("the list");
    assert!(!project.try_bash(&signature, &folder).status.success(), "a changed list");
    fs::write(folder.join("SHA256SUMS"), list).expect("the list");
    project.bash(&signature, &folder);
    project.bash("minisign -G -W -f -p hub-auth-filter.pub -s ../other.key", &folder);
    assert!(!project.try_bash(&signature, &folder).status.success(), "another's key");
}

#[test]
fn the_files_say_what_is_inside_and_of_what_it_was_built() {
    let project = Project::new().tagged();
    let folder = built(&project, "release");
    printed(&finish(&project, &folder));
    let files = files(&folder);

    let lock = fs::read_to_string(project.path("project/Cargo.lock")).expect("Cargo.lock");
    for name in [BASELINE, FAST] {
        let sbom = json(&files[&format!("{name}.cdx.json")]);
        assert_eq!((&sbom["bomFormat"], &sbom["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
        assert_eq!(sbom["metadata"]["component"]["hashes"][0]["content"], sha256(&files[name])[7..]);
        let components = sbom["components"].as_array().expect("components");
        let named =
            |wanted: &str| components.iter().filter(|component| component["name"] == wanted).collect::<Vec<_>>();
        let [rsa] = named("rsa")[..] else { panic!("the filter checks keys with it") };
        assert_eq!(rsa["scope"], "required");
        assert_eq!(rsa["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(named("serde_derive")[0]["scope"], "excluded");
        for absent in ["wasmtime", "proptest", "clap", "proxy-wasm", "jwt-compact"] {
            assert!(named(absent).is_empty(), "{absent} is for tests and tools");
        }
        for component in components.iter().filter(|component| !component["purl"].is_null()) {
            let [name, version] = ["name", "version"].map(|key| component[key].as_str().expect("text"));
            let checksum = component["hashes"][0]["content"].as_str().expect("a checksum");
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            let at = lock.find(&entry).unwrap_or_else(|| panic!("{name} {version} is not in Cargo.lock"));
            assert!(lock[at..].split("[[package]]").next().is_some_and(|entry| entry.contains(checksum)), "{name}");
            assert_eq!(component["purl"], format!("pkg:cargo/{name}@{version}"));
            assert!(component["licenses"][0]["expression"].is_string(), "{name}");
        }
        let graph = sbom["dependencies"].as_array().expect("a graph");
        let below = |of: &str| {
            let entry = graph.iter().find(|entry| entry["ref"] == of).expect("an entry");
            entry["dependsOn"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|name| name.as_str().expect("text"))
                .collect::<Vec<_>>()
        };
        assert_eq!(below(name), ["pkg:cargo/hub-auth-filter@0.1.0"]);
        assert!(below("pkg:cargo/hub-auth-filter@0.1.0").iter().any(|name| name.starts_with("pkg:cargo/rsa@")));
    }

    let statement = json(&files["provenance.json"]);
    let subjects = statement["subject"].as_array().expect("subjects").iter();
    let subjects =
        subjects.map(|one| (one["name"].as_str().expect("text"), one["digest"]["sha256"].as_str().expect("text")));
    let unsaid = ["provenance.json", "SHA256SUMS", "SHA256SUMS.minisig"];
    let digests: Vec<(&str, String)> = files
        .iter()
        .filter(|(name, _)| !unsaid.contains(&name.as_str()))
        .map(|(name, bytes)| (name.as_str(), sha256(bytes)[7..].to_owned()))
        .collect();
    assert!(subjects.eq(digests.iter().map(|(name, digest)| (*name, digest.as_str()))));
    let definition = &statement["predicate"]["buildDefinition"];
    let materials = definition["resolvedDependencies"].as_array().expect("materials");
    assert_eq!(materials[0]["digest"]["gitCommit"], project.git("git rev-parse HEAD").trim());
    assert_eq!(materials[1]["digest"]["sha256"], sha256(lock.as_bytes())[7..]);
    assert_eq!(definition["internalParameters"]["SOURCE_DATE_EPOCH"], CREATED);

    let notes = String::from_utf8(files["NOTES.md"].clone()).expect("UTF-8");
    assert!(notes.starts_with("# hub-auth-filter 0.1.0 - 2026-11-30\n") && notes.contains("`make image`"), "{notes}");
    assert!(!notes.contains("\n## "), "another version's");
}

#[test]
fn the_same_commit_has_the_same_files_and_a_folder_is_completed_once() {
    let project = Project::new().tagged();
    let folders = ["one", "another"].map(|name| built(&project, name));
    for folder in &folders {
        printed(&finish(&project, folder));
    }
    let [one, another] = folders.each_ref().map(|folder| files(folder));
    assert!(one == another);
    let again = finish(&project, &folders[0]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("is complete already"));
}

#[test]
fn without_a_key_or_a_list_nothing_is_finished() {
    let project = Project::new().tagged();
    let folder = built(&project, "release");
    fs::rename(project.path("release.key"), project.path("elsewhere.key")).expect("the key");
    let output = finish(&project, &folder);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("RELEASE_KEY names no file"), "{error}");
    assert_eq!(files(&folder).len(), 3, "nothing was written");
    fs::rename(project.path("elsewhere.key"), project.path("release.key")).expect("the key");
    fs::write(folder.join(BASELINE), b"\0asm\x01\0\0\0").expect("a module");
    let output = finish(&project, &folder);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("has no list of its dependencies"), "{error}");
    assert!(!folder.join("SHA256SUMS").exists());
}
