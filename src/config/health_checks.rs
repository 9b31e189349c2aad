//! Whether the filter answers the Hub's health checks itself, and under which path (spec §2.7).

use super::errors::ConfigErrors;
use super::path::{self, PathFault};
use super::reader::{Keys, Node};

pub(super) const KEYS: Keys = Keys { supported: &["base_path"], refused: &[] };

const BASE_PATH: &str = "a path such as \"/\" or \"/ozone-connect\" of letters, digits, - . _ ~ and /";

/// The settings of the health checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChecks {
    base_path: String,
}

impl HealthChecks {
    /// What stands before `/hello` in the path of a request: nothing, or a path without a slash at its end.
    #[must_use]
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    pub(super) fn read(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        let node = object.member("base_path");
        if node.is_absent() {
            return Some(Self { base_path: String::new() });
        }
        let base_path = node.string(BASE_PATH, errors)?;
        match path::check(base_path, path::is_unreserved) {
            Ok(()) | Err(PathFault::SlashAtEnd) => {
                let base_path = base_path.strip_suffix('/').unwrap_or(base_path);
                Some(Self { base_path: base_path.to_owned() })
            }
            Err(fault) => node.refuse_text(BASE_PATH, &fault.to_string(), errors),
        }
    }
}
