//! What was found: a row for each check, printed for people or for programs.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::checks::Check;
use crate::jwks::printable;

/// The longest that a found text is shown, in characters. It may be somebody else's.
const MAX_FOUND: usize = 200;

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Passed,
    /// It was passed, and something is to be done soon.
    Warning,
    /// It could not be made.
    NotChecked,
    Failed,
}

/// What became of a check, and what was found.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) outcome: Outcome,
    pub(super) found: String,
}

/// A check, of what it was made if there are several, and what became of it.
#[derive(Debug)]
pub(super) struct Row {
    check: Check,
    of: Option<String>,
    finding: Finding,
}

/// All rows of a direction.
#[derive(Debug)]
pub(super) struct Report {
    direction: &'static str,
    target: String,
    rows: Vec<Row>,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warning => "warning",
            Self::NotChecked => "not checked",
            Self::Failed => "failed",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Passed => AnsiColor::Green.on_default(),
            Self::Warning | Self::NotChecked => AnsiColor::Yellow.on_default(),
            Self::Failed => AnsiColor::Red.on_default().bold(),
        }
    }
}

impl Finding {
    pub(super) fn passed(found: impl Into<String>) -> Self {
        Self { outcome: Outcome::Passed, found: found.into() }
    }

    pub(super) fn warning(found: impl Into<String>) -> Self {
        Self { outcome: Outcome::Warning, found: found.into() }
    }

    pub(super) fn failed(found: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, found: found.into() }
    }

    pub(super) fn not_checked(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::NotChecked, found: why.into() }
    }

    /// The worse of the two; of equal ones the first.
    pub(super) fn or_worse(self, other: Self) -> Self {
        if other.outcome > self.outcome { other } else { self }
    }
}

impl Report {
    pub(super) fn new(direction: &'static str, target: String) -> Self {
        Self { direction, target, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, check: Check, finding: Finding) {
        self.rows.push(Row { check, of: None, finding });
    }

    pub(super) fn add_of(&mut self, check: Check, of: &str, finding: Finding) {
        self.rows.push(Row { check, of: Some(of.to_owned()), finding });
    }

    /// Notes for all these checks that none could be made.
    pub(super) fn add_not_checked(&mut self, checks: &[Check], why: &str) {
        for check in checks {
            self.add(*check, Finding::not_checked(why));
        }
    }

    /// Whether something failed, with `strict` also what is only warned of.
    pub(super) fn has_failed(&self, strict: bool) -> bool {
        self.count(Outcome::Failed) > 0 || (strict && self.count(Outcome::Warning) > 0)
    }

    /// Whether a check that has to be passed was not made.
    pub(super) fn is_incomplete(&self) -> bool {
        self.rows.iter().any(|row| row.check.is_required() && row.finding.outcome == Outcome::NotChecked)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "direction": self.direction,
            "target": self.target,
            "passed": self.count(Outcome::Passed),
            "warnings": self.count(Outcome::Warning),
            "failed": self.count(Outcome::Failed),
            "not_checked": self.count(Outcome::NotChecked),
            "checks": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
        })
    }

    /// Prints a table, with colours where `output` shows them.
    pub(super) fn print(&self, output: &mut dyn Write) -> io::Result<()> {
        writeln!(output, "{}: {}\n", self.direction, printable(&self.target))?;
        let widest = self.rows.iter().map(|row| row.title().chars().count()).max().unwrap_or_default();
        let line = |output: &mut dyn Write, what: &str, result: &str, found: &str| {
            writeln!(output, "{}", format!("{what:<widest$}  {result:<11}  {found}").trim_end())
        };
        line(output, "check", "result", "found")?;
        line(output, &"-".repeat(widest), &"-".repeat(11), &"-".repeat(48))?;
        for row in &self.rows {
            let Row { check, finding: Finding { outcome, found }, .. } = row;
            let about = check.about();
            let style = outcome.style();
            let title = row.title();
            let result = if *outcome == Outcome::Failed { "FAILED" } else { outcome.name() };
            writeln!(output, "{title:<widest$}  {style}{result:<11}{style:#}  {}", shown(found))?;
            if matches!(outcome, Outcome::Failed | Outcome::Warning) {
                let indent = " ".repeat(widest.saturating_add(2));
                writeln!(output, "{indent}{:<11}  {}", "expected:", about.expected)?;
                writeln!(output, "{indent}{:<11}  {}", "next step:", about.next_step)?;
            }
        }
        let count = |outcome| format!("{} {}", self.count(outcome), outcome.name());
        writeln!(
            output,
            "\n{} checks: {}, {}, {}, {}",
            self.rows.len(),
            count(Outcome::Passed),
            count(Outcome::Warning),
            count(Outcome::Failed),
            count(Outcome::NotChecked)
        )
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.rows.iter().filter(|row| row.finding.outcome == outcome).count()
    }
}

impl Row {
    fn title(&self) -> String {
        let name = self.check.about().name;
        self.of.as_ref().map_or_else(|| name.to_owned(), |of| format!("{name} {}", printable(of)))
    }

    fn to_json(&self) -> Value {
        let about = self.check.about();
        let is_wrong = matches!(self.finding.outcome, Outcome::Failed | Outcome::Warning);
        json!({
            "check": about.name,
            "of": self.of,
            "result": self.finding.outcome.name(),
            "required": self.check.is_required(),
            "expected": about.expected,
            "found": self.finding.found,
            "next_step": is_wrong.then_some(about.next_step),
        })
    }
}

/// A text in one line that does nothing to a terminal.
fn shown(text: &str) -> String {
    let text = printable(text);
    if text.chars().count() <= MAX_FOUND {
        return text;
    }
    text.chars().take(MAX_FOUND).chain(std::iter::once('…')).collect()
}
