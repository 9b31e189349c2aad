//! A real registry on this machine, and what it gives to whoever pulls.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::tool;

/// Where the images are in it.
const NAME: &str = "hub-auth-filter";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A registry. Dropping it stops it.
pub(crate) struct Registry {
    child: Child,
    address: String,
    _files: TempDir,
}

/// An image as a registry gives it.
pub(crate) struct Image {
    /// The bytes of the manifest, whose SHA-256 is the digest of the image.
    pub(crate) bytes: Vec<u8>,
    pub(crate) manifest: Value,
    /// What each layer is said to be, and its bytes.
    pub(crate) layers: Vec<(String, Vec<u8>)>,
}

impl Registry {
    /// Starts one, which has no images yet.
    pub(crate) fn start() -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let address = format!("127.0.0.1:{port}");
        let settings = files.path().join("registry.yaml");
        let storage = files.path().join("storage").display().to_string();
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {storage}}}}}\nhttp: {{addr: {address}}}\n"
        );
        fs::write(&settings, text).expect("settings");
        let child = Command::new(tool("docker-registry", "DOCKER_REGISTRY"))
            .arg("serve")
            .arg(&settings)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a registry");
        let registry = Self { child, address, _files: files };
        let is_up = (0..300).any(|_| {
            sleep(Duration::from_millis(20));
            ureq::get(format!("http://{}/v2/", registry.address)).call().is_ok()
        });
        assert!(is_up, "the registry does not answer");
        registry
    }

    /// Pushes an image of a layout under another tag, with what else skopeo is told.
    pub(crate) fn push(&self, layout: &Path, tag: &str, options: &[&str]) {
        let output = Command::new(tool("skopeo", "SKOPEO"))
            .args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"])
            .args(options)
            .arg(format!("oci:{}:{tag}", layout.display()))
            .arg(format!("docker://{}/{NAME}:{tag}", self.address))
            .output()
            .expect("skopeo");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Pulls an image.
    pub(crate) fn pull(&self, tag: &str) -> Image {
        let bytes = self.read(&format!("manifests/{tag}"));
        let manifest: Value = serde_json::from_slice(&bytes).expect("JSON");
        let layers = manifest["layers"].as_array().expect("layers").iter();
        let layers = layers.map(|layer| {
            let blob = self.read(&format!("blobs/{}", layer["digest"].as_str().expect("a digest")));
            (layer["mediaType"].as_str().expect("a type").to_owned(), blob)
        });
        Image { layers: layers.collect(), manifest, bytes }
    }

    fn read(&self, path: &str) -> Vec<u8> {
        let request = ureq::get(format!("http://{}/v2/{NAME}/{path}", self.address));
        let mut answer =
            request.header("accept", format!("{OCI_MANIFEST}, {DOCKER_MANIFEST}")).call().expect("an answer");
        answer.body_mut().read_to_vec().expect("a body")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
