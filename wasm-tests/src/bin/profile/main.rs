//! Says which functions of the module the fuel of a request goes to: of one that is admitted, one that is refused for a claim, one
//! with a cached token, and one that is signed. `docs/benchmarks.md` says how to read it.
//!
//! `profile [--tree] MODULE…`, each built with the names of its functions. Fuel is the same on every machine, and so is all of this.

mod names;
mod report;
mod scenes;
mod tally;
mod wrapped;

use std::fs;
use std::process::ExitCode;

use wasm_tests::host::Module;

use names::Names;
use tally::Tally;

fn main() -> ExitCode {
    let (options, paths): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    if paths.is_empty() || options.iter().any(|option| option != "--tree") {
        eprintln!("Usage: profile [--tree] MODULE…");
        return ExitCode::FAILURE;
    }
    for path in &paths {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("{path} cannot be read ({error}): run `make profile`");
                return ExitCode::FAILURE;
            }
        };
        println!("{path}");
        profile(&bytes, !options.is_empty());
    }
    ExitCode::SUCCESS
}

fn profile(bytes: &[u8], as_tree: bool) {
    let names = Names::of(bytes);
    let plain = Module::from_bytes(bytes).expect("a module");
    let wrapped = Module::from_bytes(&wrapped::module(bytes)).expect("a module");
    let arities = wrapped::Arities::of(bytes);
    for scene in scenes::ALL {
        let [of_plain, of_wrapped] = scene.play([&plain, &wrapped]);
        let fuel = of_plain.fuel();
        let tally = Tally::of(&of_wrapped.vm_calls(), &arities);
        assert_eq!(tally.fuel(), fuel, "the functions together use what the module uses that tells nothing");
        println!("\n{}: {fuel}", scene.name);
        report::calls("calls into the module", of_plain.vm_calls().iter().map(|call| call.export));
        report::calls("calls of the host", of_plain.host_calls().iter().map(|call| call.name));
        if as_tree { report::tree(&tally, &names) } else { report::table(&tally, &names) }
    }
    println!();
}
