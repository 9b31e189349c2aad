//! Says why some gateway would not load a module that `make build` has made, or not run it as it is meant, and fails if there is a
//! reason.

use std::fs;
use std::process::ExitCode;

use wasm_tests::artifact::{self, Artifact};
use wasm_tests::shifted_addresses;

fn main() -> ExitCode {
    let mut is_well = true;
    for artifact in Artifact::ALL {
        let path = artifact.path();
        let faults = match fs::read(&path) {
            Ok(module) => faults(artifact, &module),
            Err(error) => vec![format!("it cannot be read: {error}")],
        };
        for fault in &faults {
            eprintln!("{}: {fault}", path.display());
        }
        is_well &= faults.is_empty();
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn faults(artifact: Artifact, module: &[u8]) -> Vec<String> {
    let mut faults = artifact::faults(artifact, module, artifact::IMPORTS);
    faults.extend(artifact::export_faults(module, artifact::EXPORTS));
    if let Some(path) = artifact.map() {
        match fs::read_to_string(&path) {
            Ok(map) => faults.extend(shifted_addresses::faults(module, &map, shifted_addresses::HARMLESS)),
            Err(error) => faults.push(format!("the linker's map, {}, cannot be read: {error}", path.display())),
        }
    }
    faults
}
