//! A whole release, built from nothing, and the four commands of docs/verification.md on it. It takes many minutes: `make test-release`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::project::{Project, commands};
use crate::{PROJECT, sha256};

/// An advisory about a package, as RustSec's database has them.
fn advisory(package: &str, patched: &str) -> String {
    format!(
        "```toml\n[advisory]\nid = \"RUSTSEC-2026-9999\"\npackage = \"{package}\"\ndate = \"2026-11-30\"\nurl = \"https://example.com/\"\n\n[versions]\npatched = [\"{patched}\"]\n```\n\n# A fault\n\nIn a test.\n"
    )
}

#[test]
#[ignore = "builds everything twice: `make test-release`"]
fn a_bank_repeats_the_build_of_a_whole_release_and_finds_nothing_else_in_it() {
    let project = Project::new().tagged();
    let tools =
        |name: &str| symlink(Path::new(PROJECT).join(".tools"), project.path(name).join(".tools")).expect("a link");
    tools("project");
    project.git("make release");
    let folder = project.path("project/dist/release/hub-auth-filter-0.1.0");
    fs::copy(project.path("hub-auth-filter.pub"), folder.join("hub-auth-filter.pub")).expect("the public key");
    let source = folder.join("source");
    project.clone_to(source.to_str().expect("UTF-8"));
    symlink(Path::new(PROJECT).join(".tools"), source.join(".tools")).expect("a link");

    let [signature, checksums, rebuild, advisories] = commands();
    project.bash(&signature, &folder);
    project.bash(&checksums, &folder);
    let said = project.bash(&rebuild, &folder);
    for name in ["hub_auth_filter.wasm: OK", "hub_auth_filter_relaxed_simd.wasm: OK"] {
        assert!(said.contains(name), "{said}");
    }
    for tool in ["hub-auth-x86_64-unknown-linux-musl", "hub-auth-x86_64-unknown-linux-gnu"] {
        let version = project.bash(&format!("./{tool} --version"), &folder);
        let digest = sha256(&fs::read(folder.join("hub_auth_filter.wasm")).expect("the module"));
        assert!(version.contains(&digest[7..]), "{tool} names the modules of the release: {version}");
        assert!(folder.join(format!("{tool}.cdx.json")).is_file());
    }

    let database = folder.join("advisory-db");
    let with = |package: &str, patched: &str| {
        let folder = database.join("crates").join(package);
        fs::create_dir_all(&folder).expect("a directory");
        fs::write(folder.join("RUSTSEC-2026-9999.md"), advisory(package, patched)).expect("an advisory");
        project.bash("git init --quiet && git add . && git commit --quiet --message One", &database);
    };
    with("a-package-of-nobody", ">= 1.0.0");
    let output = project.try_bash(&advisories, &folder);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_dir_all(&database).expect("the database");
    with("sha2", ">= 99.0.0");
    let output = project.try_bash(&advisories, &folder);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("RUSTSEC-2026-9999"), "{said}");
}
