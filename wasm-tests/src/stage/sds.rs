//! A secret that Envoy reads from a file, and again whenever another file is moved to its name (SDS by file).

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

/// A secret in a directory of its own.
pub struct Secret {
    directory: TempDir,
    name: &'static str,
}

impl Secret {
    /// A secret of this name with this text.
    ///
    /// # Panics
    /// If there is no place for it.
    #[must_use]
    pub fn new(name: &'static str, text: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("hub-auth-sds-").tempdir().expect("a temporary directory");
        let secret = Self { directory, name };
        secret.replace(text);
        secret
    }

    /// Puts another text in its place, as one has to: the whole file at once.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn replace(&self, text: &str) {
        let resource = json!({"resources": [{
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": self.name,
            "generic_secret": {"secret": {"inline_string": text}},
        }]});
        let new = self.directory.path().join("new");
        fs::write(&new, resource.to_string()).and_then(|()| fs::rename(&new, self.path())).expect("a file");
    }

    /// Where Envoy finds it: what stands in `path_config_source`.
    #[must_use]
    pub fn source(&self) -> String {
        let directory = self.directory.path().display();
        format!("path: {}, watched_directory: {{path: {directory}}}", self.path().display())
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(format!("{}.yaml", self.name))
    }
}
