//! The filter's RSA inside the engines of gateways: the module `rsa-probe`, in its two builds, in a real Envoy (V8) or in
//! wasmtime, as Kong has it, and questions to it.
#![allow(clippy::disallowed_methods, reason = "the probe measures with real clocks")]

mod envoy;
pub mod keys;
mod wasmtime;

use std::fs;
use std::path::{Path, PathBuf};

pub use rsa_probe::{
    Answer, By, Bytes, KernelInUse, Padding, PowerOf, PublicKey, Question, SignedMessage, Time, Verdict, Work, repeat,
};

use crate::host::newest;

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// One of the two builds, of the filter and of the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// The one that every gateway loads.
    Baseline,
    /// The one for engines with relaxed SIMD.
    RelaxedSimd,
}

/// Where a module runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// V8, in the Envoy that `make envoy` installs.
    Envoy,
    /// The wasmtime that this package is built with.
    Wasmtime,
    /// The same as it is on a processor of the x86-64 family that has no fused multiplication.
    WasmtimeWithoutFusing,
}

/// A running probe.
pub enum Probe {
    /// In Envoy.
    Envoy(Box<envoy::Probe>),
    /// In wasmtime.
    Wasmtime(Box<wasmtime::Probe>),
}

impl Build {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Baseline, Self::RelaxedSimd];

    /// The probe's module. Panics with one sentence if it is missing or older than what it is made of.
    #[must_use]
    pub fn probe(self) -> Vec<u8> {
        let file = match self {
            Self::Baseline => "target/probe/baseline.wasm",
            Self::RelaxedSimd => "target/probe/relaxed_simd.wasm",
        };
        let workspace = Path::new(WORKSPACE);
        read(&workspace.join(file), &[workspace.join("src"), workspace.join("wasm-tests/probe")])
            .unwrap_or_else(|why| panic!("{file} {why}: run `make probe`"))
    }
}

impl Probe {
    /// Starts a module.
    ///
    /// # Panics
    /// If the engine does not take it.
    pub async fn start(engine: Engine, module: &[u8]) -> Self {
        match engine {
            Engine::Envoy => Self::Envoy(envoy::Probe::start(module).await.into()),
            Engine::Wasmtime => Self::Wasmtime(wasmtime::Probe::start(module, true).into()),
            Engine::WasmtimeWithoutFusing => Self::Wasmtime(wasmtime::Probe::start(module, false).into()),
        }
    }

    /// Asks it.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn ask(&mut self, question: &Question) -> Answer {
        let question = serde_json::to_vec(question).expect("JSON");
        let answer = match self {
            Self::Envoy(probe) => probe.ask(&question).await,
            Self::Wasmtime(probe) => probe.ask(&question),
        };
        serde_json::from_slice(&answer).expect("an answer")
    }
}

/// A file, unless something in these folders is newer.
fn read(path: &Path, sources: &[PathBuf]) -> Result<Vec<u8>, String> {
    let unknown = |error: std::io::Error| format!("cannot be compared with its sources ({error})");
    let module = fs::read(path).map_err(|error| format!("cannot be read ({error})"))?;
    let built = fs::metadata(path).and_then(|file| file.modified()).map_err(unknown)?;
    for folder in sources {
        if let Some((changed, file)) = newest(folder).map_err(unknown)?
            && changed > built
        {
            return Err(format!("is older than {}", file.display()));
        }
    }
    Ok(module)
}
