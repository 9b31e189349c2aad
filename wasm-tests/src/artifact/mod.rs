//! The files that `make build` makes.

#[cfg(feature = "module-file")]
mod faults;

use std::env;
use std::path::{Path, PathBuf};

#[cfg(feature = "module-file")]
pub use faults::{EXPORTS, IMPORTS, export_faults, exports, faults, imports};

/// One of the modules of the same source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// The one that every gateway loads.
    Baseline,
    /// The one with the fast RSA kernel: for Envoy, and for Kong from 3.7 on, whose engines have relaxed SIMD.
    RelaxedSimd,
}

impl Artifact {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Baseline, Self::RelaxedSimd];

    /// The one that tests run: `HUB_AUTH_FILTER_ARTIFACT` names it, and without that it is the baseline.
    ///
    /// # Panics
    /// If there is no artifact of that name.
    #[must_use]
    pub fn under_test() -> Self {
        let Some(chosen) = env::var_os("HUB_AUTH_FILTER_ARTIFACT") else { return Self::Baseline };
        let names = Self::ALL.map(Self::name);
        Self::ALL.into_iter().find(|artifact| *artifact.name() == *chosen).unwrap_or_else(|| {
            panic!("HUB_AUTH_FILTER_ARTIFACT is none of {}", names.join(", "));
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::RelaxedSimd => "relaxed-simd",
        }
    }

    /// Its file.
    #[must_use]
    pub fn path(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist").join(match self {
            Self::Baseline => "hub_auth_filter.wasm",
            Self::RelaxedSimd => "hub_auth_filter_relaxed_simd.wasm",
        })
    }

    /// Where the linker wrote the names of its functions, if one of its engines has the fault that `shifted_addresses` is
    /// about: wasmtime has it up to 6.0.0, and the fast module is for later ones.
    #[must_use]
    pub fn map(self) -> Option<PathBuf> {
        match self {
            Self::Baseline => Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/hub_auth_filter.map")),
            Self::RelaxedSimd => None,
        }
    }
}
