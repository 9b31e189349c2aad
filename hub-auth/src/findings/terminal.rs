//! Findings for people: the line of the file, and under it what is wrong there.

use std::fmt::Write as _;
use std::io::{self, Write};

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::{Finding, Place, Severity, masked};

/// Prints findings, with colours where `output` shows them.
///
/// # Errors
/// What writing says.
pub(crate) fn print(findings: &[Finding], output: &mut dyn Write) -> io::Result<()> {
    let renderer = Renderer::styled();
    for finding in findings {
        let text = match &finding.place {
            Place::In(document, _) => Some(masked::text(document)),
            // Nobody knows what in it is a secret.
            Place::Of(..) => None,
        };
        writeln!(output, "{}\n", renderer.render(&[group(finding, text.as_deref())]))?;
    }
    Ok(())
}

fn group<'a>(finding: &'a Finding, text: Option<&'a str>) -> annotate_snippets::Group<'a> {
    let level = match finding.severity {
        Severity::Note => Level::NOTE,
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let mut title = String::new();
    if !finding.path.is_empty() {
        let _ = write!(title, "{}: ", finding.path);
    }
    title.push_str(&finding.message);
    let path = finding.place.path().display().to_string();
    let group = level.primary_title(title).id(finding.rule);
    let group = match (text, finding.place.text()) {
        (Some(text), Some((_, range))) => {
            // Of a long object its first line is enough.
            let end = text
                .get(range.clone())
                .and_then(|part| part.find('\n'))
                .map(|length| range.start.saturating_add(length));
            let span = range.start..end.unwrap_or(range.end);
            group.element(Snippet::source(text).path(path).annotation(AnnotationKind::Primary.span(span)))
        }
        _ => {
            let mut origin = Origin::path(path);
            if let Some((line, column)) = finding.place.line_and_column() {
                origin = origin.line(line).char_column(column);
            }
            group.element(origin)
        }
    };
    match &finding.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}
