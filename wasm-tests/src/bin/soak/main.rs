//! Loads a real Envoy for as long as is wanted, with good and hostile requests in both directions, while keystore, authorisation
//! server and OpenBao fail in turns. It prints figures each minute and at the end, and fails if a door was open: if a hostile
//! request has reached the bank, or a request has left without a token that the Hub accepts.
//!
//! `soak MINUTES` or `soak --seconds SECONDS`.
#![allow(clippy::disallowed_methods, reason = "load runs on real clocks")]

mod attacks;
mod dice;
mod figures;
mod inbound;
mod outbound;
mod side;
mod trouble;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use figures::report;
use side::Side;

/// How often figures are printed, and the last ones at the end.
const PERIOD: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    // What goes wrong before the first request (no module, no Envoy) is told in one sentence.
    std::panic::set_hook(Box::new(|panic| eprintln!("{}", panic.payload_as_str().unwrap_or("the load broke off"))));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let seconds = match *arguments {
        [minutes] => minutes.parse::<u64>().ok().and_then(|minutes| minutes.checked_mul(60)),
        ["--seconds", seconds] => seconds.parse().ok(),
        _ => None,
    };
    match seconds {
        Some(seconds @ 1..) => play(Duration::from_secs(seconds)).await,
        _ => {
            eprintln!("usage: soak MINUTES, or soak --seconds SECONDS");
            ExitCode::from(2)
        }
    }
}

async fn play(time: Duration) -> ExitCode {
    let (keys, introspection, outbound) =
        tokio::join!(inbound::by_keys(), inbound::by_introspection(), outbound::start());
    let sides: [Arc<dyn Side>; 3] = [Arc::new(keys), Arc::new(introspection), Arc::new(outbound)];
    println!("For {} s, three Envoys with two workers each. Refused are good requests:", time.as_secs());
    println!("excused is who came when the server was away that it takes, or within the pause after that.");
    let started = Instant::now();
    // Short runs see trouble, too.
    let pace = time.min(PERIOD);
    let mut tasks: Vec<_> = sides.iter().flat_map(|side| side::load(side, pace)).collect();
    let mut reported = Duration::ZERO;
    while started.elapsed() < time {
        sleep(Duration::from_secs(1).min(time.saturating_sub(started.elapsed()))).await;
        for side in &sides {
            side.look().await;
        }
        if started.elapsed() >= reported + PERIOD && started.elapsed() < time {
            reported += PERIOD;
            println!("\n{}", report(&format!("after {} s", reported.as_secs()), &figures_of(&sides)));
        }
    }
    tasks.drain(..).for_each(|task| task.abort());
    // What is on its way to the bank or the Hub arrives.
    sleep(Duration::from_secs(1)).await;
    for side in &sides {
        side.look().await;
    }
    let figures = figures_of(&sides);
    println!("\n{}", report(&format!("in the end, after {} s", started.elapsed().as_secs()), &figures));
    for figures in &figures {
        figures.refusals().iter().for_each(|line| println!("{line}"));
    }
    let open: u64 = figures.iter().map(figures::Figures::open_doors).sum();
    println!("{}", if open == 0 { "No door was open." } else { "DOORS WERE OPEN." });
    if open == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn figures_of(sides: &[Arc<dyn Side>]) -> Vec<figures::Figures> {
    sides.iter().map(|side| side.desk().figures()).collect()
}
