//! What a check found: each with the rule, the place and what would be right.

mod json;
mod masked;
mod terminal;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub(crate) use json::to_json;
pub(crate) use terminal::print;

use crate::document::Document;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// It works, and something is weaker than it should be.
    Warning,
    /// It does not work, or lets in whom it should not.
    Error,
}

/// One thing that a check found.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// The rule, such as `envoy-crl`: stable, for those who filter by it.
    pub(crate) rule: &'static str,
    /// Where it is.
    pub(crate) place: Place,
    /// The path of the setting, such as `inbound.peer`; of a gateway's setting, its own name.
    pub(crate) path: String,
    /// What was found, and what is expected. Never a value that may be a secret.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
}

/// A place in a file.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// These bytes of its text.
    In(Rc<Document>, Range<usize>),
    /// A file that could not be read whole: its text, if it is text, and where reading ended.
    Of(PathBuf, Option<(Rc<str>, Range<usize>)>),
}

impl Severity {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Finding {
    /// A finding without advice.
    pub(crate) fn new(
        severity: Severity,
        rule: &'static str,
        place: Place,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { severity, rule, place, path: path.into(), message: message.into(), help: None }
    }

    /// Whether it says the same of the same place.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let place = |finding: &Self| finding.place.text().map(|(_, range)| range);
        (self.rule, &self.path, &self.message) == (other.rule, &other.path, &other.message)
            && place(self) == place(other)
    }
}

impl Place {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::In(document, _) => &document.path,
            Self::Of(path, _) => path,
        }
    }

    /// The text, and the bytes of it that are meant.
    pub(crate) fn text(&self) -> Option<(&str, Range<usize>)> {
        match self {
            Self::In(document, range) => Some((&document.text, range.clone())),
            Self::Of(_, at) => at.as_ref().map(|(text, range)| (&**text, range.clone())),
        }
    }

    /// Line and column, both from 1, the column in characters.
    pub(crate) fn line_and_column(&self) -> Option<(usize, usize)> {
        let (text, range) = self.text()?;
        let before = text.get(..range.start)?;
        let line = before.matches('\n').count().saturating_add(1);
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()).saturating_add(1);
        Some((line, column))
    }
}
