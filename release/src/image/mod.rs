//! Images of the modules, from which Istio and Envoy Gateway take them.
//!
//! There are two forms, as the [Wasm image specification](https://github.com/solo-io/wasm/tree/master/spec) has them, and the fetchers
//! of both meshes read either (`pkg/wasm/imagefetcher.go` of Istio, `internal/wasm/imagefetcher.go` of Envoy Gateway):
//!
//! - *compat*: an ordinary image, whose last layer is a gzipped tar with `plugin.wasm`. Each registry takes it;
//! - *oci*: an artifact of exactly two layers, of which one is the module itself, and the other says what it is for.

mod documents;
mod layer;
mod layout;

use std::fs;
use std::io::{self, Write};

use crate::arguments::Image;
use crate::digest::sha256;
use crate::source::Source;
use documents::{
    Annotations, COMPAT_VARIANT, Config, Descriptor, EMPTY, MODULE_CONFIG, MODULE_LAYER, Manifest, RuntimeConfig, TITLE,
};
use layout::Layout;

/// The modules, and what the tag of each has behind the version. The meshes run Envoy, which takes the fast one.
const MODULES: [(&str, &str); 2] = [("hub_auth_filter_relaxed_simd.wasm", ""), ("hub_auth_filter.wasm", "-baseline")];

/// Writes the layout, and a line with tag and digest for each image.
pub(crate) fn write(arguments: &Image, out: &mut impl Write) -> io::Result<()> {
    let source = &arguments.source;
    let mut layout = Layout::new();
    for (name, suffix) in MODULES {
        let path = arguments.modules.join(name);
        let module = fs::read(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}; run `make build`", path.display())))?;
        let tag = format!("{}{suffix}", source.version);
        let compat = compat(&mut layout, source, name, &module)?;
        layout.tag(&tag, compat)?;
        let artifact = artifact(&mut layout, source, name, &module)?;
        layout.tag(&format!("{tag}-artifact"), artifact)?;
    }
    layout.write(&arguments.out)?;
    for (tag, digest) in layout.digests() {
        writeln!(out, "{digest}  {tag}")?;
    }
    Ok(())
}

fn compat(layout: &mut Layout, source: &Source, name: &str, module: &[u8]) -> io::Result<Manifest> {
    let archive = layer::archive(module, source.created)?;
    let config = layout.json(documents::CONFIG, &Config::of_layer(source, &sha256(&archive)))?;
    let layer = layout.blob(documents::LAYER, layer::compressed(&archive)?);
    let mut annotations = annotations(source, name);
    annotations.insert(COMPAT_VARIANT.0.to_owned(), COMPAT_VARIANT.1.to_owned());
    Ok(Manifest::new(None, config, vec![layer], annotations))
}

fn artifact(layout: &mut Layout, source: &Source, name: &str, module: &[u8]) -> io::Result<Manifest> {
    let empty = layout.blob(EMPTY, b"{}".to_vec());
    let titled = |mut layer: Descriptor, title: &str| {
        layer.annotations = Some(Annotations::from([(TITLE.to_owned(), title.to_owned())]));
        layer
    };
    let runtime = titled(layout.json(MODULE_CONFIG, &RuntimeConfig::PROXY_WASM)?, "runtime-config.json");
    let content = titled(layout.blob(MODULE_LAYER, module.to_vec()), "plugin.wasm");
    Ok(Manifest::new(Some(MODULE_CONFIG), empty, vec![runtime, content], annotations(source, name)))
}

fn annotations(source: &Source, name: &str) -> Annotations {
    [
        ("title", name),
        ("version", &source.version),
        ("revision", &source.commit),
        ("created", &source.created()),
        ("licenses", "Apache-2.0"),
    ]
    .map(|(key, value)| (format!("org.opencontainers.image.{key}"), value.to_owned()))
    .into()
}
