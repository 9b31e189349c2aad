//! The variables of the gateway's environment that configurations name, where the tool runs: often not all are there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs, io};

use crate::rsa_key;

/// Stands for a variable that is not set here.
const STAND_IN: &str = "a-stand-in-for-a-variable-that-is-not-set";

/// Variables, and which of those that were asked for are not there.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// Those of a file, which come first.
    given: BTreeMap<String, String>,
    missing: RefCell<BTreeSet<String>>,
}

impl Environment {
    /// The process's own variables.
    pub(crate) fn of_process() -> Self {
        Self::default()
    }

    /// The process's own variables, and before them those of this file, if any.
    ///
    /// # Errors
    /// As [`Environment::with_file`], with the name of the file.
    pub(crate) fn of(file: Option<&Path>) -> io::Result<Self> {
        let Some(path) = file else { return Ok(Self::of_process()) };
        Self::with_file(path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// The process's own, and before them those of a file with a line `NAME=value` for each, as Docker and systemd read it.
    ///
    /// # Errors
    /// The file cannot be read, or a line is neither empty, nor a comment, nor of that form: its number.
    fn with_file(path: &Path) -> io::Result<Self> {
        let mut given = BTreeMap::new();
        for (index, line) in fs::read_to_string(path)?.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = line.split_once('=').ok_or_else(|| {
                let line = index.saturating_add(1);
                io::Error::new(io::ErrorKind::InvalidData, format!("line {line}: expected NAME=value"))
            })?;
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            given.insert(name.trim().to_owned(), value.to_owned());
        }
        Ok(Self { given, missing: RefCell::default() })
    }

    /// The value of a variable. That it is not there is remembered.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = self.given.get(name).cloned().or_else(|| env::var(name).ok()).filter(|value| !value.is_empty());
        if value.is_none() {
            self.missing.borrow_mut().insert(name.to_owned());
        }
        value
    }

    /// The variables that were asked for since the last call, and are not there.
    pub(crate) fn take_missing(&self) -> BTreeSet<String> {
        self.missing.take()
    }
}

/// Something in the place of a variable that is not set: a private key of its own, or any text.
pub(crate) fn stand_in(is_private_key: bool) -> String {
    if !is_private_key {
        return STAND_IN.to_owned();
    }
    rsa_key::generate().map(|(_, pem)| pem.expose().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_has_a_line_for_each_variable() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        writeln!(file, "# a comment\n\nA=1\nB = x=y\nC=\"quoted\"").expect("written");
        let environment = Environment::with_file(file.path()).expect("variables");
        assert_eq!(environment.get("A").as_deref(), Some("1"));
        assert_eq!(environment.get("C").as_deref(), Some("quoted"));
        assert_eq!(environment.get("HUB_AUTH_TEST_NOT_SET"), None);
        assert_eq!(environment.take_missing().into_iter().collect::<Vec<_>>(), ["HUB_AUTH_TEST_NOT_SET"]);
        assert!(environment.take_missing().is_empty());
    }

    #[test]
    fn a_line_of_another_form_is_named_by_its_number() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        writeln!(file, "A=1\nsecret words").expect("written");
        let error = Environment::with_file(file.path()).expect_err("refused").to_string();
        assert!(error.contains("line 2") && !error.contains("secret"), "{error}");
    }
}
