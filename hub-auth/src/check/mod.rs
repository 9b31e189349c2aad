//! `hub-auth check`: what the filter's own reader says of a configuration, and what the filter cannot see: the settings of the
//! gateway around it.

mod apisix;
pub(crate) mod core;
mod environments;
mod envoy;
mod kong;
mod kubernetes;
mod mesh;
mod numbers;

use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use hub_auth_filter::facade::config::Config;
use hub_auth_filter::facade::gateway::GatewayKind;

use crate::arguments::Side;
use crate::configurations::{Configuration, FileKind};
use crate::document::{Document, DocumentError};
use crate::environment::Environment;
use crate::findings::{Finding, Place, Severity};

/// What a check goes by.
pub(crate) struct Settings<'s> {
    /// The gateway, where the file does not say.
    pub(crate) gateway: Option<GatewayKind>,
    /// The variables that configurations may name.
    pub(crate) environment: &'s Environment,
    /// What all must belong to, if that was said.
    pub(crate) side: Option<Side>,
    /// The time, in seconds since 1970.
    pub(crate) now: u64,
}

/// A file that is being checked.
pub(crate) struct Subject<'s> {
    pub(crate) document: Rc<Document>,
    pub(crate) settings: &'s Settings<'s>,
    pub(crate) findings: Vec<Finding>,
}

/// A configuration that was found in a file, and what the filter's reader makes of it: nothing if it refuses it.
pub(crate) struct Checked {
    pub(crate) configuration: Configuration,
    pub(crate) config: Option<Config>,
}

/// All that is to be said of a file, in the order of the file.
pub(crate) fn check(path: &Path, settings: &Settings<'_>) -> Vec<Finding> {
    let document = match Document::read(path) {
        Ok(document) => Rc::new(document),
        Err(error) => return vec![unreadable(path, error)],
    };
    let mut subject = Subject { document, settings, findings: Vec::new() };
    subject.check();
    let mut findings = subject.findings;
    findings.sort_by_key(|finding| finding.place.text().map(|(_, range)| range.start));
    // What an alias of YAML repeats is said once.
    findings.dedup_by(|one, other| one.is_same_as(other));
    findings
}

impl Subject<'_> {
    fn check(&mut self) {
        let document = Rc::clone(&self.document);
        let Some(kind) = FileKind::of(&document) else {
            self.add_for_file(
                "no-configuration",
                "expected the filter's JSON with \"inbound\" or \"outbound\", or a file of Envoy, Kong, APISIX or Kubernetes \
                 that has it, got neither",
            );
            return;
        };
        let configurations = kind.find(&document);
        if configurations.is_empty() {
            self.add_for_file("no-configuration", "expected a configuration of this filter, got a file without one");
        }
        let checked: Vec<Checked> =
            configurations.into_iter().map(|configuration| core::check(self, configuration)).collect();
        for one in &checked {
            numbers::check(self, one);
        }
        match kind {
            FileKind::Envoy => envoy::check(self, &checked),
            FileKind::Kong => kong::check(self, &checked),
            FileKind::Apisix => apisix::check(self, &checked),
            FileKind::Kubernetes => kubernetes::check(self, &checked),
            FileKind::Plain => {}
        }
        environments::check(self, &checked);
    }

    /// Notes something about these bytes of the file.
    pub(crate) fn add(
        &mut self,
        severity: Severity,
        rule: &'static str,
        at: Range<usize>,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        let place = Place::In(Rc::clone(&self.document), at);
        self.findings.push(Finding::new(severity, rule, place, path, message));
    }

    /// Says what to do about what was noted last.
    pub(crate) fn advise(&mut self, help: impl Into<String>) {
        if let Some(finding) = self.findings.last_mut() {
            finding.help = Some(help.into());
        }
    }

    fn add_for_file(&mut self, rule: &'static str, message: &str) {
        let place = Place::Of(self.document.path.clone(), None);
        self.findings.push(Finding::new(Severity::Error, rule, place, "", message));
    }
}

fn unreadable(path: &Path, error: DocumentError) -> Finding {
    let (rule, message, at) = match error {
        DocumentError::Unreadable(error) => ("unreadable", format!("the file cannot be read: {error}"), None),
        DocumentError::TooLong => ("unreadable", "expected at most 16 MiB, got a longer file".to_owned(), None),
        DocumentError::NotText => ("unreadable", "expected text in UTF-8, got other bytes".to_owned(), None),
        DocumentError::Syntax { text, at, message } => {
            ("syntax", format!("expected YAML or JSON: {message}"), Some((text.into(), at)))
        }
    };
    Finding::new(Severity::Error, rule, Place::Of(path.to_owned(), at), "", message)
}
