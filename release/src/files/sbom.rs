//! What is inside a program: the list that it carries itself, in the form of [CycloneDX 1.6](https://cyclonedx.org/docs/1.6/json/), with what
//! Cargo.lock and cargo know of each package beside it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use auditable_serde::{DependencyKind, Package, Source as From, VersionInfo};
use serde::Serialize;

use crate::digest::sha256;
use crate::project;
use crate::source::Source;

/// More than any list has.
const LONGEST_LIST: usize = 8 << 20;

/// What is known of packages, by name and version.
pub(super) struct Facts {
    checksums: BTreeMap<(String, String), String>,
    licences: BTreeMap<(String, String), String>,
}

impl Facts {
    pub(super) fn of(project: &Path) -> io::Result<Self> {
        Ok(Self { checksums: project::checksums(project)?, licences: project::licences(project)? })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u8,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Metadata {
    timestamp: String,
    component: Component,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    reference: String,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Licence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
struct Licence {
    expression: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    of: String,
    depends_on: Vec<String>,
}

/// The SBOM of a program or module of this name.
pub(super) fn of(source: &Source, name: &str, bytes: &[u8], facts: &Facts) -> io::Result<Vec<u8>> {
    let list = auditable_info::audit_info_from_slice(bytes, LONGEST_LIST).map_err(|error| {
        io::Error::other(format!("{name} has no list of its dependencies ({error}): `make` builds it with one"))
    })?;
    let digest = sha256(bytes);
    let program = Component {
        kind: "application",
        reference: name.to_owned(),
        name: name.to_owned(),
        version: source.version.clone(),
        scope: None,
        hashes: vec![Hash { alg: "SHA-256", content: digest.clone() }],
        licenses: vec![Licence { expression: "Apache-2.0".to_owned() }],
        purl: None,
    };
    let bom = Bom {
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: serial_number(&digest),
        version: 1,
        metadata: Metadata { timestamp: source.created(), component: program },
        components: list.packages.iter().map(|package| component(package, facts)).collect(),
        dependencies: dependencies(name, &list),
    };
    let mut text = serde_json::to_vec_pretty(&bom)?;
    text.push(b'\n');
    Ok(text)
}

fn component(package: &Package, facts: &Facts) -> Component {
    let key = (package.name.clone(), package.version.to_string());
    // What is only needed to build is not in the program: macros, and scripts of packages.
    let scope = if package.kind == DependencyKind::Build { "excluded" } else { "required" };
    let (hash, licence) = (facts.checksums.get(&key), facts.licences.get(&key));
    Component {
        kind: "library",
        reference: reference(package),
        name: key.0.clone(),
        version: key.1.clone(),
        scope: Some(scope),
        hashes: hash.map(|content| Hash { alg: "SHA-256", content: content.clone() }).into_iter().collect(),
        licenses: licence.map(|expression| Licence { expression: expression.clone() }).into_iter().collect(),
        purl: (package.source == From::CratesIo).then(|| reference(package)),
    }
}

fn dependencies(name: &str, list: &VersionInfo) -> Vec<Dependency> {
    let root = list.packages.iter().filter(|package| package.root);
    let first = Dependency { of: name.to_owned(), depends_on: root.map(reference).collect() };
    let rest = list.packages.iter().map(|package| {
        let all = package.dependencies.iter().filter_map(|index| list.packages.get(*index));
        Dependency { of: reference(package), depends_on: all.map(reference).collect() }
    });
    std::iter::once(first).chain(rest).collect()
}

/// The package URL.
fn reference(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version.to_string().replace('+', "%2B"))
}

/// A UUID that follows from the digest of the program, of version 8: the same program has the same.
fn serial_number(digest: &str) -> String {
    let part = |from: usize, length: usize| digest.chars().skip(from).take(length).collect::<String>();
    format!("urn:uuid:{}-{}-8{}-8{}-{}", part(0, 8), part(8, 4), part(13, 3), part(17, 3), part(20, 12))
}
