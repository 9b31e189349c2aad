//! Measures what the filter costs on a real Envoy with one worker, side by side with what else one could do there. Everything
//! runs on loopback and in turns, so that ratios mean something on any machine; docs/benchmarks.md says how to read it.
//!
//! `bench [--quick] [SECTION]…` runs these sections, or all of them.
#![allow(clippy::disallowed_methods, reason = "a benchmark runs on real clocks")]

mod contestants;
mod engines;
mod extent;
mod growth;
mod inbound;
mod jwt_authn;
mod keys;
mod load;
mod machine;
mod memory;
mod minter;
mod openssl;
mod outbound;
mod replay;
mod rounds;
mod rsa;
mod signer;
mod start;
mod table;

use std::process::ExitCode;
use std::time::Instant;

use extent::Extent;
use wasm_tests::artifact::Artifact;

/// The sections, in the order in which they run.
const SECTIONS: [&str; 10] =
    ["rsa", "inbound", "keys", "growth", "engines", "memory", "start", "outbound", "signer", "replay"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == [minter::COMMAND] {
        minter::serve();
    }
    run(arguments)
}

#[tokio::main]
async fn run(arguments: Vec<String>) -> ExitCode {
    let (options, names): (Vec<_>, Vec<_>) = arguments.into_iter().partition(|argument| argument.starts_with("--"));
    let unknown = names.iter().find(|name| !SECTIONS.contains(&name.as_str()));
    if let Some(argument) = options.iter().find(|option| *option != "--quick").or(unknown) {
        eprintln!("{argument} is unknown. Usage: bench [--quick] [{}]…", SECTIONS.join("|"));
        return ExitCode::FAILURE;
    }
    let extent = if options.is_empty() { Extent::FULL } else { Extent::QUICK };
    let started = Instant::now();
    println!("{}", machine::description());
    for artifact in Artifact::ALL {
        println!("hub_auth_filter, {}: {} bytes", artifact.name(), contestants::size(artifact));
    }
    for section in SECTIONS.iter().filter(|section| names.is_empty() || names.iter().any(|name| name == *section)) {
        println!();
        match *section {
            "rsa" => rsa::run(extent).await,
            "inbound" => inbound::run(extent).await,
            "keys" => keys::run(extent).await,
            "growth" => growth::run(extent),
            "engines" => engines::run(extent),
            "memory" => memory::run(extent).await,
            "start" => start::run(extent).await,
            "outbound" => outbound::run(extent).await,
            "signer" => signer::run(extent).await,
            "replay" => replay::run(extent).await,
            other => unreachable!("{other} is not among the sections"),
        }
    }
    println!("\nAll of this took {:.0} s.", started.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}
