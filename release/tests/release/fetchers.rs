//! By which rules Istio and Envoy Gateway take a module out of an image. Both were read, and are the same: `pkg/wasm/imagefetcher.go` of
//! Istio and `internal/wasm/imagefetcher.go` of Envoy Gateway, which came from it.
//!
//! 1. The manifest's own `mediaType` is Docker's: the last layer must be Docker's `…rootfs.diff.tar.gzip`.
//! 2. Otherwise, if the last layer is `application/vnd.oci.image.layer.v1.tar+gzip`, it is that. In either, the first file of the tar whose
//!    last name is `plugin.wasm` is the module.
//! 3. Otherwise, there must be exactly two layers, and the first that is `application/vnd.module.wasm.content.layer.v1+wasm` is the module
//!    itself, without a tar. The artifact of one layer, `application/wasm`, that other runtimes read is refused.
//!
//! The `sha256` of `WasmPlugin` and `EnvoyExtensionPolicy` is compared with the digest of the manifest, not of the module
//! (`pkg/wasm/cache.go`, `internal/wasm/cache.go`).

use std::io::Read as _;

use flate2::read::GzDecoder;

use crate::registry::Image;

/// The module of an image.
pub(crate) fn module(image: &Image) -> Result<Vec<u8>, String> {
    let last = image.layers.last().ok_or("no layers")?;
    if image.manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json" {
        return match last {
            (kind, bytes) if kind == "application/vnd.docker.image.rootfs.diff.tar.gzip" => from_tar(bytes),
            (kind, _) => Err(format!("the last layer is {kind}")),
        };
    }
    if last.0 == "application/vnd.oci.image.layer.v1.tar+gzip" {
        return from_tar(&last.1);
    }
    let [first, second] = &image.layers[..] else { return Err(format!("{} layers", image.layers.len())) };
    let content =
        [first, second].into_iter().find(|(kind, _)| kind == "application/vnd.module.wasm.content.layer.v1+wasm");
    content.map(|(_, bytes)| bytes.clone()).ok_or_else(|| "no layer is a module".to_owned())
}

fn from_tar(layer: &[u8]) -> Result<Vec<u8>, String> {
    let mut tar = tar::Archive::new(GzDecoder::new(layer));
    for file in tar.entries().map_err(|error| error.to_string())? {
        let mut file = file.map_err(|error| error.to_string())?;
        let is_module = file.path().is_ok_and(|path| path.file_name().is_some_and(|name| name == "plugin.wasm"));
        if is_module {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
            return Ok(bytes);
        }
    }
    Err("no plugin.wasm".to_owned())
}
