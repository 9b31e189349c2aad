//! Of what and how a release was built: a statement of [in-toto](https://github.com/in-toto/attestation) with the predicate of
//! [SLSA 1.0](https://slsa.dev/spec/v1.0/provenance). No time of the clock is in it, so that it is the same for each build.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use crate::arguments::Finish;
use crate::digest::sha256;
use crate::project;

#[derive(Serialize)]
struct Statement<'a> {
    #[serde(rename = "_type")]
    kind: &'a str,
    subject: Vec<Resource<'a>>,
    #[serde(rename = "predicateType")]
    predicate_type: &'a str,
    predicate: Predicate<'a>,
}

/// A file, or something else that was there.
#[derive(Serialize)]
struct Resource<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    digest: BTreeMap<&'a str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate<'a> {
    build_definition: Definition<'a>,
    run_details: Details<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Definition<'a> {
    build_type: &'a str,
    external_parameters: BTreeMap<&'a str, String>,
    internal_parameters: BTreeMap<&'a str, String>,
    resolved_dependencies: Vec<Resource<'a>>,
}

#[derive(Serialize)]
struct Details<'a> {
    builder: Builder<'a>,
}

#[derive(Serialize)]
struct Builder<'a> {
    id: &'a str,
}

/// The statement about these files.
pub(super) fn of(arguments: &Finish, files: &BTreeMap<String, String>) -> io::Result<Vec<u8>> {
    let Finish { source, project, builder, .. } = arguments;
    let file = |name| -> io::Result<Resource<'_>> {
        let digest = sha256(project::read(&project.join(name))?.as_bytes());
        Ok(Resource { name: Some(name), uri: None, digest: BTreeMap::from([("sha256", digest)]) })
    };
    let commit = Resource {
        name: Some("hub-auth-filter"),
        uri: Some(format!("git+hub-auth-filter@refs/tags/v{}", source.version)),
        digest: BTreeMap::from([("gitCommit", source.commit.clone())]),
    };
    let compiler = Resource {
        name: Some("rustc"),
        uri: Some(format!("pkg:generic/rust@{}", project::compiler(project)?)),
        digest: BTreeMap::new(),
    };
    let subject = files.iter().map(|(name, digest)| Resource {
        name: Some(name),
        uri: None,
        digest: BTreeMap::from([("sha256", digest.clone())]),
    });
    let parameters = [("command", "make release".to_owned()), ("version", source.version.clone())];
    let statement = Statement {
        kind: "https://in-toto.io/Statement/v1",
        subject: subject.collect(),
        predicate_type: "https://slsa.dev/provenance/v1",
        predicate: Predicate {
            build_definition: Definition {
                build_type: "urn:hub-auth-filter:make-release:v1",
                external_parameters: BTreeMap::from(parameters),
                internal_parameters: BTreeMap::from([("SOURCE_DATE_EPOCH", source.created.to_string())]),
                resolved_dependencies: vec![commit, file("Cargo.lock")?, file("rust-toolchain.toml")?, compiler],
            },
            run_details: Details { builder: Builder { id: builder } },
        },
    };
    let mut text = serde_json::to_vec_pretty(&statement)?;
    text.push(b'\n');
    Ok(text)
}
