//! The JSON documents of an image: <https://github.com/opencontainers/image-spec>, release 1.1.
//!
//! They are types and not maps, so that the order of their members does not depend on how a library was built.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::source::Source;

pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// What stands for a configuration where there is none.
pub(super) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// What runs a module, in the form *oci* of the Wasm image specification.
pub(super) const MODULE_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
/// The module itself, likewise.
pub(super) const MODULE_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
/// By which the specification knows the form *compat*.
pub(super) const COMPAT_VARIANT: (&str, &str) = ("module.wasm.image/variant", "compat");
/// The name of a layer's file.
pub(super) const TITLE: &str = "org.opencontainers.image.title";
/// The name of a manifest in a layout.
pub(super) const TAG: &str = "org.opencontainers.image.ref.name";

pub(super) type Annotations = BTreeMap<String, String>;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: &'static str,
    pub(super) digest: String,
    pub(super) size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotations: Option<Annotations>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    schema_version: u8,
    media_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'static str>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    annotations: Annotations,
}

impl Manifest {
    pub(super) fn new(
        artifact_type: Option<&'static str>,
        config: Descriptor,
        layers: Vec<Descriptor>,
        annotations: Annotations,
    ) -> Self {
        Self { schema_version: 2, media_type: MANIFEST, artifact_type, config, layers, annotations }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    pub(super) schema_version: u8,
    pub(super) media_type: &'static str,
    pub(super) manifests: Vec<Descriptor>,
}

/// What a container would need. Nobody runs it as one.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Config {
    created: String,
    architecture: &'static str,
    os: &'static str,
    config: BTreeMap<String, String>,
    rootfs: RootFs,
}

#[derive(Clone, Debug, Serialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<String>,
}

impl Config {
    /// That of an image with one layer, by the digest of its tar.
    pub(super) fn of_layer(source: &Source, digest: &str) -> Self {
        let rootfs = RootFs { kind: "layers", diff_ids: vec![format!("sha256:{digest}")] };
        Self { created: source.created(), architecture: "wasm", os: "wasip1", config: BTreeMap::new(), rootfs }
    }
}

/// What runs the module.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RuntimeConfig {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "abiVersions")]
    abi_versions: [&'static str; 1],
    config: BTreeMap<String, String>,
}

impl RuntimeConfig {
    /// Envoy, and the ABI whose version the module exports (`proxy_abi_version_0_2_1`). The filter has no root ids.
    pub(super) const PROXY_WASM: Self = Self { kind: "envoy_proxy", abi_versions: ["v0.2.1"], config: BTreeMap::new() };
}
