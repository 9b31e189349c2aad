//! Which commit is a release.

use crate::project::Project;

#[test]
fn a_commit_is_a_release_with_its_tag_its_changelog_and_nothing_beside_it() {
    let project = Project::new();
    let ready = || {
        let output = project
            .try_bash(&format!("'{}' ready --version 0.1.0", env!("CARGO_BIN_EXE_release")), &project.path("project"));
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let refused = |why: &str| {
        let (is_ready, said) = ready();
        assert!(!is_ready && said.contains(why), "{why}: {said}");
    };
    refused("the commit needs the tag v0.1.0; it has no tag");
    project.git("git tag v0.2.0");
    refused("its tags: v0.2.0");
    project.git("git tag v0.1.0");
    refused("CHANGELOG.md has no section ## 0.1.0");
    project.git("sed -i 's/^## Unreleased$/## 0.1.0 - 2026-11-30/' CHANGELOG.md");
    refused("CHANGELOG.md");
    project.git("git commit --quiet --all --message Release");
    refused("it has no tag");
    project.git("git tag --force v0.1.0");
    assert_eq!(ready(), (true, String::new()));
    project.git("touch something-new");
    refused("something-new");
}
