//! Findings for programs: one object, with a list.

use serde_json::{Value, json};

use super::{Finding, Severity};

/// `{"errors": n, "warnings": n, "findings": […]}`. Members are only ever added.
pub(crate) fn to_json(findings: &[Finding]) -> Value {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let list: Vec<Value> = findings.iter().map(of_one).collect();
    json!({ "errors": count(Severity::Error), "warnings": count(Severity::Warning), "findings": list })
}

fn of_one(finding: &Finding) -> Value {
    let (line, column) = finding.place.line_and_column().unzip();
    json!({
        "severity": finding.severity.name(),
        "rule": finding.rule,
        "file": finding.place.path().display().to_string(),
        "line": line,
        "column": column,
        "path": finding.path,
        "message": finding.message,
        "help": finding.help,
    })
}
