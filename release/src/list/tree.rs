//! What a package depends on, as `cargo tree` says it: for one target and its features alone, where `cargo metadata` has those of the whole
//! workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use auditable_serde::{DependencyKind, Package, Source, VersionInfo};

use crate::arguments::Embed;
use crate::project;

/// A package as cargo prints it: `base64 v0.23.1`, or `rsa-arithmetic v0.1.0 (/its/folder)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    name: String,
    version: String,
    is_local: bool,
}

/// The list of a package.
pub(super) fn list(arguments: &Embed) -> io::Result<VersionInfo> {
    let all = graph(&tree(arguments, "normal,build")?)?;
    // Macros and what only a build needs are not in the program.
    let runtime: BTreeSet<Name> = graph(&tree(arguments, "normal,no-proc-macro")?)?.into_keys().collect();
    let names: Vec<&Name> = all.keys().collect();
    let package = |(name, dependencies): (&Name, &BTreeSet<Name>)| -> io::Result<Package> {
        Ok(Package {
            name: name.name.clone(),
            version: name.version.parse().map_err(io::Error::other)?,
            source: if name.is_local { Source::Local } else { Source::CratesIo },
            kind: if runtime.contains(name) { DependencyKind::Runtime } else { DependencyKind::Build },
            dependencies: dependencies.iter().filter_map(|one| names.binary_search(&one).ok()).collect(),
            root: name.name == arguments.package,
        })
    };
    Ok(VersionInfo { packages: all.iter().map(package).collect::<io::Result<_>>()?, format: 0 })
}

fn tree(arguments: &Embed, edges: &str) -> io::Result<String> {
    let mut command = project::cargo();
    command.args(["tree", "--locked", "--prefix", "depth", "--format", " {p}", "--edges", edges]);
    command.args(["--package", &arguments.package, "--target", &arguments.target]);
    if arguments.no_default_features {
        command.arg("--no-default-features");
    }
    project::said(&mut command, &arguments.project)
}

/// Which package depends on which. A line has the depth before the name; what is below a package is below it.
fn graph(tree: &str) -> io::Result<BTreeMap<Name, BTreeSet<Name>>> {
    let mut graph: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    let mut above: Vec<Name> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let read =
            line.split_once(' ').and_then(|(depth, package)| Some((depth.parse::<usize>().ok()?, name(package)?)));
        let (depth, name) = read.ok_or_else(|| io::Error::other(format!("cargo tree says {line}")))?;
        above.truncate(depth);
        if let Some(parent) = above.last() {
            graph.entry(parent.clone()).or_default().insert(name.clone());
        }
        graph.entry(name.clone()).or_default();
        above.push(name);
    }
    Ok(graph)
}

fn name(package: &str) -> Option<Name> {
    let (name, rest) = package.split_once(" v")?;
    let version = rest.split(' ').next()?;
    Some(Name { name: name.to_owned(), version: version.to_owned(), is_local: rest.contains(" (/") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_was_printed_before_keeps_what_is_below_it() {
        let tree = "0 one v1.0.0 (/a folder/one)\n1 two v2.0.0\n2 three v3.0.0+x\n1 macro v1.0.0 (proc-macro)\n2 two v2.0.0 (*)\n";
        let graph = graph(tree).expect("a tree");
        let named = |text: &str| name(text).expect("a name");
        let below = |text: &str| graph[&named(text)].iter().map(|name| name.name.as_str()).collect::<Vec<_>>();
        assert_eq!(below("one v1.0.0 (/a folder/one)"), ["macro", "two"]);
        assert_eq!(below("two v2.0.0"), ["three"]);
        assert_eq!(below("macro v1.0.0"), ["two"]);
        assert_eq!(graph.len(), 4);
        assert!(named("one v1.0.0 (/a folder/one)").is_local && !named("macro v1.0.0 (proc-macro)").is_local);
        assert_eq!(named("three v3.0.0+x").version, "3.0.0+x");
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        for line in ["one v1.0.0", "0 one", "x one v1.0.0"] {
            assert!(graph(line).is_err(), "{line}");
        }
    }
}
