//! WebAssembly modules, compiled once: the release artifact of this workspace, or any bytes or text.
//! A release artifact that is older than its sources is refused, so that no test passes on yesterday's code.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;
use std::{fs, io};

use crate::artifact::Artifact;

/// A compiled module. Clones share the compiled code.
#[derive(Clone)]
pub struct Module {
    compiled: wasmtime::Module,
    bytes: Arc<[u8]>,
}

impl Module {
    /// The release artifact that is [under test](Artifact::under_test), compiled once per process. Panics with one
    /// sentence when it is missing or older than the newest file in `src/`.
    pub fn release() -> &'static Module {
        static RELEASE: OnceLock<Result<Module, String>> = OnceLock::new();
        let release = RELEASE.get_or_init(|| {
            let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src");
            Module::artifact(&Artifact::under_test().path(), Some(&sources))
        });
        release.as_ref().unwrap_or_else(|why| panic!("{why}"))
    }

    /// Loads an artifact, unless it is missing or older than the newest file under `sources`.
    pub fn artifact(path: &Path, sources: Option<&Path>) -> Result<Module, String> {
        let shown = path.display();
        let bytes = fs::read(path).map_err(|error| format!("{shown} cannot be read ({error}): run `make build`"))?;
        if let Some(sources) = sources {
            let built = modified(path).map_err(|error| format!("{shown} has no time ({error})"))?;
            let newest = newest(sources).map_err(|error| format!("{} cannot be read ({error})", sources.display()))?;
            if let Some((changed, file)) = newest
                && changed > built
            {
                return Err(format!("{shown} is older than {}: run `make build`", file.display()));
            }
        }
        Module::from_bytes(&bytes).map_err(|error| format!("{shown} is not a WebAssembly module: {error:#}"))
    }

    /// Compiles a module in the binary format.
    pub fn from_bytes(bytes: &[u8]) -> wasmtime::Result<Module> {
        Ok(Module { compiled: wasmtime::Module::from_binary(engine(), bytes)?, bytes: bytes.into() })
    }

    /// Compiles a module in the text format. Panics on an error, because only tests write such modules.
    pub fn from_wat(text: &str) -> Module {
        let compiled = wasmtime::Module::new(engine(), text).unwrap_or_else(|error| panic!("{error:?}"));
        Module { compiled, bytes: text.as_bytes().into() }
    }

    /// What the module imports, as `module.name`, sorted.
    pub fn imports(&self) -> Vec<String> {
        let mut imports: Vec<_> =
            self.compiled.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect();
        imports.sort();
        imports
    }

    /// The names of what the module exports, sorted.
    pub fn exports(&self) -> Vec<String> {
        let mut exports: Vec<_> = self.compiled.exports().map(|export| export.name().to_owned()).collect();
        exports.sort();
        exports
    }

    /// What the module was compiled from.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The length of the file in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn compiled(&self) -> &wasmtime::Module {
        &self.compiled
    }
}

/// One engine for all modules: it counts fuel, which bounds and measures every call.
pub(crate) fn engine() -> &'static wasmtime::Engine {
    static ENGINE: OnceLock<wasmtime::Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = wasmtime::Config::new();
        config.consume_fuel(true);
        wasmtime::Engine::new(&config).expect("an engine with these settings")
    })
}

fn modified(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

/// The file in a folder that was changed last, and when.
pub(crate) fn newest(folder: &Path) -> io::Result<Option<(SystemTime, PathBuf)>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let candidate = if path.is_dir() { self::newest(&path)? } else { Some((modified(&path)?, path)) };
        newest = newest.max(candidate);
    }
    Ok(newest)
}
