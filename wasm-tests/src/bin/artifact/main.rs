//! Says why some gateway would not load a module that `make build` has made, and fails if there is a reason.

use std::fs;
use std::process::ExitCode;

use wasm_tests::artifact::{Artifact, EXPORTS, IMPORTS, export_faults, faults};

fn main() -> ExitCode {
    let mut is_well = true;
    for artifact in Artifact::ALL {
        let path = artifact.path();
        let faults = match fs::read(&path) {
            Ok(module) => [faults(artifact, &module, IMPORTS), export_faults(&module, EXPORTS)].concat(),
            Err(error) => vec![format!("it can not be read: {error}")],
        };
        for fault in &faults {
            eprintln!("{}: {fault}", path.display());
        }
        is_well &= faults.is_empty();
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
