//! What is wrong with a configuration: each fault with its path, what was found in kind, and what is allowed.
//! Values never appear here, because any of them may be a secret that an operator put in the wrong place.

use std::fmt;

/// Enough to mend a configuration in one go; a log line per fault of a hostile one would flood the gateway's log.
const MAX_ERRORS: usize = 50;

/// The most that an error shows of a key that it does not know: longer than every key that exists.
const MAX_KEY_CHARACTERS: usize = 40;

/// One fault of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    problem: String,
}

/// All faults of a configuration, in the order of the rules. Prints as one line a fault.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
    omitted: usize,
}

impl ConfigError {
    /// Where the fault is, such as `inbound.peer.fingerprints[2]`; `configuration` is the whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What was expected there, and what was found in kind.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigErrors {
    /// The faults, at most 50 of them.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.errors.iter()
    }

    /// How many more faults there are than [`ConfigErrors::iter`] gives.
    #[must_use]
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    pub(super) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Notes a fault; the empty path is the whole configuration.
    pub(super) fn add(&mut self, path: &str, problem: String) {
        if self.errors.len() < MAX_ERRORS {
            let path = if path.is_empty() { "configuration" } else { path };
            self.errors.push(ConfigError { path: path.to_owned(), problem });
        } else {
            self.omitted = self.omitted.saturating_add(1);
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        if self.omitted > 0 {
            write!(f, "\nconfiguration: {} more errors are not shown", self.omitted)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// An unknown key, cut and without characters that could forge a log line.
pub(super) fn shown_key(key: &str) -> String {
    let harmless = |character: char| match character {
        '"' | '\\' => '?',
        ' '..='~' => character,
        _ => '?',
    };
    let shown: String = key.chars().take(MAX_KEY_CHARACTERS).map(harmless).collect();
    let cut = if key.chars().nth(MAX_KEY_CHARACTERS).is_some() { "..." } else { "" };
    format!("{shown}{cut}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_prints_its_path_and_its_problem() {
        let mut errors = ConfigErrors::default();
        errors.add("inbound.peer", "expected an object, got null".to_owned());
        errors.add("inbound.auth", "expected an object, got nothing".to_owned());
        assert_eq!(
            errors.to_string(),
            "inbound.peer: expected an object, got null\ninbound.auth: expected an object, got nothing"
        );
    }

    #[test]
    fn errors_beyond_the_bound_are_only_counted() {
        let mut errors = ConfigErrors::default();
        for _ in 0..MAX_ERRORS + 7 {
            errors.add("x", "y".to_owned());
        }
        assert_eq!((errors.iter().count(), errors.omitted()), (MAX_ERRORS, 7));
        let text = errors.to_string();
        assert_eq!(text.lines().count(), MAX_ERRORS + 1);
        assert!(text.ends_with("\nconfiguration: 7 more errors are not shown"), "{text}");
    }

    #[test]
    fn an_unknown_key_is_shown_without_characters_that_could_forge_a_log_line() {
        let long = "k".repeat(MAX_KEY_CHARACTERS);
        for (key, shown) in [
            ("", String::new()),
            ("fine_key", "fine_key".to_owned()),
            ("two words", "two words".to_owned()),
            ("a\r\nb\0\u{1b}[0m\u{7f}", "a??b??[0m?".to_owned()),
            ("q\"\\", "q??".to_owned()),
            ("بنك\u{202e}", "????".to_owned()),
            (&long, long.clone()),
            (&format!("{long}k"), format!("{long}...")),
            (&"ب".repeat(MAX_KEY_CHARACTERS + 1), format!("{}...", "?".repeat(MAX_KEY_CHARACTERS))),
        ] {
            assert_eq!(shown_key(key), shown);
        }
    }
}
