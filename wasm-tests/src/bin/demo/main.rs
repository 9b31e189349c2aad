//! The demo: plays the Hub, the bank and others against a real Envoy, method by method, and prints a table of what came of it. It
//! fails if anything is not as expected. `demo jwt_auth` plays one section; `demo run` leaves everything running and prints curl commands instead.
#![allow(clippy::disallowed_methods, reason = "the demo runs on real clocks")]

use std::process::ExitCode;

mod api_key;
mod client_credentials;
mod fleet;
mod health_checks;
mod hsm;
mod jwt_auth;
mod mtls_only;
mod outbound;
mod providers;
mod run;
mod service_initiation;
mod table;
mod workers;

use table::Table;

#[tokio::main]
async fn main() -> ExitCode {
    // What goes wrong before the first request (no module, no Envoy) is told in one sentence.
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("the demo broke off");
        eprintln!("{text}");
    }));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => play(&SECTIONS).await,
        ["run"] => run::run().await,
        [section] if SECTIONS.contains(section) => play(&[section]).await,
        _ => {
            eprintln!("usage: demo [run|SECTION], of which the sections are {}", SECTIONS.join(", "));
            ExitCode::from(2)
        }
    }
}

/// In the order in which they are played.
const SECTIONS: [&str; 11] = [
    "jwt_auth",
    "api_key",
    "client_credentials",
    "mtls_only",
    "providers",
    "service_initiation",
    "health_checks",
    "workers",
    "fleet",
    "outbound",
    "hsm",
];

/// Every section has an Envoy of its own with the shipped configuration, changed in what the section is about.
async fn play(sections: &[&str]) -> ExitCode {
    println!("Each section starts Envoy with the filter, the keystore and the bank's backend ...\n");
    let mut table = Table::new();
    for section in sections {
        match *section {
            "jwt_auth" => jwt_auth::play(&mut table).await,
            "api_key" => api_key::play(&mut table).await,
            "client_credentials" => client_credentials::play(&mut table).await,
            "mtls_only" => mtls_only::play(&mut table).await,
            "providers" => providers::play(&mut table).await,
            "service_initiation" => service_initiation::play(&mut table).await,
            "health_checks" => health_checks::play(&mut table).await,
            "workers" => workers::play(&mut table).await,
            "fleet" => fleet::play(&mut table).await,
            "outbound" => outbound::play(&mut table).await,
            "hsm" => hsm::play(&mut table).await,
            unknown => panic!("the demo has no section {unknown}"),
        }
    }
    table.end()
}
