//! Says why some gateway would not load a module, and fails if there is a reason: `artifact dist/hub_auth_filter.wasm`.

use std::env;
use std::fs;
use std::process::ExitCode;

use wasm_tests::artifact::{IMPORTS, faults};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [path] = arguments.as_slice() else {
        eprintln!("usage: artifact <module>");
        return ExitCode::from(2);
    };
    let faults = match fs::read(path) {
        Ok(module) => faults(&module, IMPORTS),
        Err(error) => vec![format!("it can not be read: {error}")],
    };
    for fault in &faults {
        eprintln!("{path}: {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
