//! Configurations for the commands that need one that works, in any file that `check` reads.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use hub_auth_filter::facade::config::Config;

use crate::check::core;
use crate::configurations::FileKind;
use crate::document::{Document, DocumentError, Node};
use crate::environment::Environment;

/// A configuration that the filter would take.
pub(crate) struct Configured {
    pub(crate) config: Config,
    /// The variables that it names and that are not set here: others stand in for them.
    pub(crate) unset: BTreeSet<String>,
    /// The line of the file where it begins, from 1.
    pub(crate) line: usize,
}

/// The configurations of a file that are for this direction, in the order of the file.
///
/// # Errors
/// The file cannot be read, is none that `check` reads, or the filter refuses one of them: a sentence with the name of the file.
pub(crate) fn in_file(path: &Path, direction: &str, environment: &Environment) -> io::Result<Vec<Configured>> {
    let failed = |what: &str| io::Error::other(format!("{}: {what}", path.display()));
    let document = document(path)?;
    let kind =
        FileKind::of(&document).ok_or_else(|| failed("expected a configuration of the filter, got another file"))?;
    let mut found = Vec::new();
    for configuration in kind.find(&document) {
        // What cannot be read may be for either.
        if configuration.value("").is_some() && configuration.value(direction).is_none() {
            continue;
        }
        let (config, unset) = core::parse(&configuration, environment);
        let config = config.map_err(|errors| failed(&format!("hub-auth check has more: {errors}")))?;
        let before = document.text.get(..configuration.place_of("").start).unwrap_or_default();
        found.push(Configured { config, unset, line: before.matches('\n').count().saturating_add(1) });
    }
    Ok(found)
}

/// The first text in a file, outside of comments, that `is_wanted`.
///
/// # Errors
/// The file cannot be read, or is neither YAML nor JSON.
pub(crate) fn first_text(path: &Path, is_wanted: impl Fn(&str) -> bool) -> io::Result<Option<String>> {
    let document = document(path)?;
    let mut found = None;
    for root in &document.roots {
        root.walk(&mut |node: &Node| {
            if found.is_none() {
                found = node.text().filter(|text| is_wanted(text)).map(str::to_owned);
            }
        });
    }
    Ok(found)
}

fn document(path: &Path) -> io::Result<Document> {
    let failed = |what: &str| io::Error::other(format!("{}: {what}", path.display()));
    Document::read(path).map_err(|error| match error {
        DocumentError::Unreadable(error) => failed(&error.to_string()),
        DocumentError::TooLong => failed("expected at most 16 MiB"),
        DocumentError::NotText => failed("expected text in UTF-8"),
        DocumentError::Syntax { message, .. } => failed(&format!("expected YAML or JSON: {message}")),
    })
}
