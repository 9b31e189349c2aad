//! A copy of the project to make releases of, with a key that is thrown away.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::{PROJECT, printed, tool};

/// The guide whose commands are run.
const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verification.md");

/// A clone of the project, at the commit that is checked out, and what else there is beside it.
pub(crate) struct Project {
    files: TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        let project = Self { files: tempfile::tempdir().expect("a directory") };
        let programs = project.path("programs");
        fs::create_dir(&programs).expect("a directory");
        let minisign = programs.join("minisign");
        let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", tool("minisign", "MINISIGN").display());
        fs::write(&minisign, script).expect("a file");
        fs::set_permissions(&minisign, fs::Permissions::from_mode(0o755)).expect("a program");
        project.clone_to("project");
        project.bash("minisign -G -W -p hub-auth-filter.pub -s release.key", &project.path(""));
        project
    }

    /// A file or folder beside the clone, or the clone, which is `project`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Another clone of the first, or of the project.
    pub(crate) fn clone_to(&self, name: &str) {
        let from = if name == "project" { PathBuf::from(PROJECT) } else { self.path("project") };
        self.bash(&format!("git clone --quiet --no-hardlinks '{}' '{name}'", from.display()), &self.path(""));
    }

    /// With the changelog of a release, in a commit that has its tag.
    pub(crate) fn tagged(self) -> Self {
        self.git("sed -i 's/^## Unreleased$/## 0.1.0 - 2026-11-30/' CHANGELOG.md && git commit --quiet --all --message Release && git tag v0.1.0");
        self
    }

    /// Runs this in the clone, as somebody who may commit.
    pub(crate) fn git(&self, command: &str) -> String {
        self.bash(command, &self.path("project"))
    }

    /// Runs this in a folder, where it must succeed.
    pub(crate) fn bash(&self, command: &str, folder: &Path) -> String {
        printed(&self.try_bash(command, folder))
    }

    /// The same, whether it succeeds or not.
    pub(crate) fn try_bash(&self, command: &str, folder: &Path) -> Output {
        let path = std::env::var("PATH").expect("PATH");
        let mut bash = Command::new("bash");
        bash.args(["-euc", command])
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", self.path("programs").display()));
        for (name, value) in [("NAME", "A test"), ("EMAIL", "test@example.com")] {
            bash.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
        }
        // Those of `make`, which may have called the tests.
        for name in ["MAKEFLAGS", "MAKELEVEL", "SOURCE_DATE_EPOCH", "GIT_DIR"] {
            bash.env_remove(name);
        }
        bash.env("RELEASE_KEY", self.path("release.key")).output().expect("bash")
    }
}

/// The commands of the guide, in their order.
pub(crate) fn commands() -> [String; 4] {
    let guide = fs::read_to_string(GUIDE).expect("the guide");
    let blocks = guide.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("its end").to_owned());
    blocks.collect::<Vec<_>>().try_into().expect("four commands")
}
