//! Images of the modules, pushed to a registry and pulled.

use std::fs;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::registry::Registry;
use crate::{COMMIT, CREATED, PROJECT, fetchers, module, printed, release, sha256};

const FAST: &str = "hub_auth_filter_relaxed_simd.wasm";
const BASELINE: &str = "hub_auth_filter.wasm";
/// Each tag, and its module.
const IMAGES: [(&str, &str); 4] =
    [("1.2.3", FAST), ("1.2.3-artifact", FAST), ("1.2.3-baseline", BASELINE), ("1.2.3-baseline-artifact", BASELINE)];

/// Writes the layout, and says which digest was printed for each tag.
fn write(layout: &Path) -> Vec<(String, String)> {
    let modules = Path::new(PROJECT).join("dist");
    let [modules, layout] = [&modules, layout].map(|path| path.to_str().expect("UTF-8"));
    let source = ["image", "--version", "1.2.3", "--commit", COMMIT, "--created", CREATED];
    let output = release(&[&source[..], &["--modules", modules, "--out", layout]].concat());
    let lines = printed(&output);
    let lines = lines.lines().map(|line| line.split_once("  ").expect("digest and tag"));
    lines.map(|(digest, tag)| (tag.to_owned(), digest.to_owned())).collect()
}

#[test]
fn a_mesh_finds_the_very_module_in_each_image_under_the_digest_that_was_printed() {
    let folder = tempfile::tempdir().expect("a directory");
    let layout = folder.path().join("image");
    let printed = write(&layout);
    let registry = Registry::start();
    for ((tag, name), printed) in IMAGES.into_iter().zip(&printed) {
        registry.push(&layout, tag, &[]);
        let image = registry.pull(tag);
        assert_eq!(*printed, (tag.to_owned(), sha256(&image.bytes)));
        assert!(fetchers::module(&image) == Ok(module(name)), "{tag}");
        let form = image.manifest["annotations"]["module.wasm.image/variant"].as_str();
        assert_eq!(form, (!tag.ends_with("-artifact")).then_some("compat"), "{tag}");
        assert_eq!(image.manifest["annotations"]["org.opencontainers.image.revision"], COMMIT, "{tag}");
    }
    // For a registry that has Docker's images alone.
    registry.push(&layout, "1.2.3", &["--format", "v2s2"]);
    let image = registry.pull("1.2.3");
    assert_eq!(image.manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert!(fetchers::module(&image) == Ok(module(FAST)), "as Docker's image");
}

#[test]
fn two_builds_of_the_images_are_equal_and_nothing_of_the_machine_is_in_them() {
    let folder = tempfile::tempdir().expect("a directory");
    let layouts = ["one", "another/place"].map(|name| folder.path().join(name));
    let printed = layouts.each_ref().map(|layout| write(layout));
    assert_eq!(printed[0], printed[1]);
    let files = |layout: &Path| {
        let blobs =
            fs::read_dir(layout.join("blobs/sha256")).expect("blobs").map(|entry| entry.expect("a blob").path());
        let mut paths: Vec<_> = blobs.chain(["index.json", "oci-layout"].map(|name| layout.join(name))).collect();
        paths.sort();
        let relative = |path: &Path| path.strip_prefix(layout).expect("inside").to_owned();
        paths.iter().map(|path| (relative(path), fs::read(path).expect("a file"))).collect::<Vec<_>>()
    };
    let [one, another] = layouts.each_ref().map(|layout| files(layout));
    assert!(one == another);
    for (path, bytes) in &one {
        if let Some(digest) = path.strip_prefix("blobs/sha256").ok().and_then(Path::to_str) {
            assert_eq!(sha256(bytes), format!("sha256:{digest}"));
        }
    }
    let manifest = blob(&layouts[0], &printed[0][0].1);
    let layer = &serde_json::from_slice::<Value>(&manifest).expect("JSON")["layers"][0]["digest"];
    let layer = blob(&layouts[0], layer.as_str().expect("a digest"));
    let mut tar = tar::Archive::new(GzDecoder::new(&layer[..]));
    let headers = tar.entries().expect("a tar").map(|file| file.expect("a file").header().clone());
    let headers = headers.map(|header| {
        let owner = (header.uid().expect("a user"), header.gid().expect("a group"));
        (
            header.path().expect("a path").into_owned(),
            header.mode().expect("a mode"),
            owner,
            header.mtime().expect("a time"),
        )
    });
    let only = ("plugin.wasm".into(), 0o644, (0, 0), CREATED.parse().expect("a number"));
    assert_eq!(headers.collect::<Vec<_>>(), [only]);
}

fn blob(layout: &Path, digest: &str) -> Vec<u8> {
    fs::read(layout.join("blobs").join(digest.replace(':', "/"))).expect("a blob")
}

#[test]
fn another_commit_makes_another_image_and_what_is_no_commit_or_time_is_refused() {
    let folder = tempfile::tempdir().expect("a directory");
    let (modules, layout) = (Path::new(PROJECT).join("dist"), folder.path().join("image"));
    let ours = write(&layout);
    let [modules, layout] = [&modules, &layout].map(|path| path.to_str().expect("UTF-8"));
    let of = |commit: &str, created: &str| {
        let source = ["image", "--version", "1.2.3", "--commit", commit, "--created", created];
        release(&[&source[..], &["--modules", modules, "--out", layout]].concat())
    };
    let other = printed(&of(&COMMIT.replace('0', "f"), CREATED));
    assert!(!other.contains(&ours[0].1) && other.contains("  1.2.3\n"), "{other}");
    for (commit, created) in [("0123456", CREATED), (COMMIT, "253402300800"), (COMMIT, "yesterday")] {
        assert!(!of(commit, created).status.success(), "{commit} {created}");
    }
}
