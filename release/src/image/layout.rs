//! A folder with images, each under a tag: the OCI image layout, from which skopeo, crane and ORAS push.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::documents::{Annotations, Descriptor, INDEX, Index, MANIFEST, Manifest, TAG};
use crate::digest::sha256;

/// What becomes the folder.
pub(super) struct Layout {
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: Vec<Descriptor>,
}

impl Layout {
    pub(super) fn new() -> Self {
        Self { blobs: BTreeMap::new(), manifests: Vec::new() }
    }

    /// Adds some bytes, and describes them.
    pub(super) fn blob(&mut self, media_type: &'static str, bytes: Vec<u8>) -> Descriptor {
        let digest = sha256(&bytes);
        let size = bytes.len();
        self.blobs.insert(digest.clone(), bytes);
        Descriptor { media_type, digest: format!("sha256:{digest}"), size, annotations: None }
    }

    /// The same of a document.
    pub(super) fn json(&mut self, media_type: &'static str, document: &impl Serialize) -> io::Result<Descriptor> {
        Ok(self.blob(media_type, serde_json::to_vec(document)?))
    }

    /// Adds an image under this tag.
    pub(super) fn tag(&mut self, tag: &str, manifest: Manifest) -> io::Result<()> {
        let mut descriptor = self.json(MANIFEST, &manifest)?;
        descriptor.annotations = Some(Annotations::from([(TAG.to_owned(), tag.to_owned())]));
        self.manifests.push(descriptor);
        Ok(())
    }

    /// The tag and the digest of each image.
    pub(super) fn digests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.manifests.iter().filter_map(|manifest| {
            let tag = manifest.annotations.as_ref()?.get(TAG)?;
            Some((tag.as_str(), manifest.digest.as_str()))
        })
    }

    /// Writes the folder. What was there before goes.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        if folder.join("oci-layout").is_file() {
            fs::remove_dir_all(folder)?;
        }
        let blobs = folder.join("blobs").join("sha256");
        fs::create_dir_all(&blobs)?;
        for (digest, bytes) in &self.blobs {
            fs::write(blobs.join(digest), bytes)?;
        }
        let index = Index { schema_version: 2, media_type: INDEX, manifests: self.manifests.clone() };
        fs::write(folder.join("index.json"), serde_json::to_vec(&index)?)?;
        fs::write(folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)
    }
}
