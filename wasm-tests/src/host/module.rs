//! WebAssembly modules, compiled once for each engine: the release artifact of this workspace, or any bytes or text.
//! A release artifact that is older than its sources is refused, so that no test passes with code from before the last change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;
use std::{fs, io};

use super::engine::Code;
use super::profile::Engine;
use crate::artifact::Artifact;
use wasmparser::{Parser, Payload};

/// A module. An engine compiles it when the first gateway with that engine starts; clones share the compiled code.
#[derive(Clone)]
pub struct Module(Arc<Shared>);

struct Shared {
    /// What the module was made from.
    source: Box<[u8]>,
    /// Its binary form.
    wasm: Box<[u8]>,
    exports: Vec<String>,
    /// By engine.
    codes: [OnceLock<Result<Box<dyn Code>, String>>; Engine::COUNT],
}

impl Module {
    /// The release artifact that is [under test](Artifact::under_test), read once per process. Panics with one
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
        Module::from_bytes(&bytes).map_err(|error| format!("{shown} is not a WebAssembly module: {error}"))
    }

    /// A module in the binary format. The error says why it is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Module, String> {
        Module::new(bytes, bytes).map_err(|error| error.to_string())
    }

    /// A module in the text format. Panics on an error, because only tests write such modules.
    pub fn from_wat(text: &str) -> Module {
        let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
        Module::new(text.as_bytes(), &wasm).unwrap_or_else(|error| panic!("{error}"))
    }

    fn new(source: &[u8], wasm: &[u8]) -> wasmparser::Result<Module> {
        wasmparser::validate(wasm)?;
        let mut exports = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            if let Payload::ExportSection(section) = payload? {
                for export in section {
                    exports.push(export?.name.to_owned());
                }
            }
        }
        exports.sort();
        let codes = [const { OnceLock::new() }; Engine::COUNT];
        Ok(Module(Arc::new(Shared { source: source.into(), wasm: wasm.into(), exports, codes })))
    }

    /// What an engine links the module with, as `module.name`, sorted. Panics when it does not take the module.
    pub fn imports(&self) -> Vec<String> {
        let code = self.code(Engine::Metered).unwrap_or_else(|why| panic!("{why}"));
        let mut imports: Vec<_> = code.imports().into_iter().map(|(module, name)| format!("{module}.{name}")).collect();
        imports.sort();
        imports
    }

    /// The names of what the module exports, sorted.
    pub fn exports(&self) -> Vec<String> {
        self.0.exports.clone()
    }

    /// What the module was made from.
    pub fn bytes(&self) -> &[u8] {
        &self.0.source
    }

    /// The length of the file in bytes.
    pub fn size(&self) -> usize {
        self.0.source.len()
    }

    /// The module as this engine has compiled it, once per process; the error is why the engine rejects it.
    pub(crate) fn code(&self, engine: Engine) -> Result<&dyn Code, String> {
        let Shared { wasm, codes, .. } = &*self.0;
        let code = codes[engine as usize].get_or_init(|| engine.compile(wasm));
        code.as_deref().map_err(Clone::clone)
    }
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
