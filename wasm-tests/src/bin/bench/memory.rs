//! Memory of Envoy with the filter: what a worker takes, and that it stays flat over many requests with many tokens.

use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::token_of;
use wasm_tests::stage::tokens::{Signer, now};

use super::contestants::{Contestant, Filter, with_and_without_cache};
use super::extent::Extent;
use super::load::{CONNECTIONS, Load, Until, request};
use super::machine::resident;
use super::table::Table;

/// How often memory is looked at after the start.
const STEPS: usize = 4;
/// Seconds for which these tokens are valid, because all are made before: the longest that the filter accepts by default.
const LIFETIME: u64 = 300;
/// Workers beside the first one, where the memory of one more is measured.
const MORE_WORKERS: u32 = 4;

/// Prints both tables.
pub(crate) async fn run(extent: Extent) {
    let mut filters = vec![Filter::Nothing, Filter::NoOp];
    filters.extend(extent.artifacts().into_iter().map(|artifact| Filter::JwtAuth { artifact, cached: false }));
    println!("Resident memory of Envoy after {} requests, in MiB:", extent.warm_up);
    let mut table = Table::new(&["", "1 worker", &format!("{} workers", 1 + MORE_WORKERS), "one more\nworker"]);
    for filter in &filters {
        let one = used(*filter, 1, extent.warm_up).await;
        let several = used(*filter, 1 + MORE_WORKERS, extent.warm_up).await;
        let more = several.saturating_sub(one) / u64::from(MORE_WORKERS);
        table.row([filter.name(), mebibytes(one), mebibytes(several), mebibytes(more)]);
    }
    table.print();

    let tokens = extent.memory_tokens;
    println!(
        "\nResident memory of Envoy with one worker, in MiB, over requests with {tokens} tokens in turns, and what Envoy itself"
    );
    println!("has allocated of it (its heap, without the module's memory):");
    let counts = (0..=STEPS).map(|step| format!("{}", step * extent.memory_step));
    let titles: Vec<String> = [String::new()]
        .into_iter()
        .chain(counts)
        .chain(["allocated\nat start".to_owned(), "\nat the end".to_owned(), "µs/request".to_owned()])
        .collect();
    let mut table = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    let cached = extent.artifacts().into_iter().flat_map(with_and_without_cache);
    for filter in [Filter::Nothing].into_iter().chain(cached) {
        table.row(over_requests(filter, extent).await);
    }
    table.print();
}

/// Resident memory after requests on connections that Envoy deals out to all workers.
async fn used(filter: Filter, workers: u32, count: usize) -> u64 {
    let stage = filter.setup().workers(workers).start().await;
    let mut load = Load::open(stage.envoy.address(), CONNECTIONS * (1 + MORE_WORKERS) as usize);
    load.run(&requests(1), Until::Sent(count));
    resident(stage.envoy.process())
}

async fn over_requests(filter: Filter, extent: Extent) -> Vec<String> {
    let mut contestant = Contestant::start(filter).await;
    let requests = requests(extent.memory_tokens);
    let process = contestant.stage.envoy.process();
    let allocated = contestant.stage.envoy.allocated().await;
    let mut row = vec![contestant.name.clone(), mebibytes(resident(process))];
    let mut last = 0.0;
    for _ in 0..STEPS {
        (last, _) = contestant.turn(&requests, Until::Sent(extent.memory_step));
        row.push(mebibytes(resident(process)));
    }
    row.push(mebibytes(allocated));
    row.push(mebibytes(contestant.stage.envoy.allocated().await));
    row.push(format!("{last:.1}"));
    row
}

fn requests(count: usize) -> Vec<Vec<u8>> {
    let hub = &Pki::shared().hub;
    let signed = || token_of(hub).valid(now(), now() + LIFETIME).sign(Signer::Ps256(&hub.signing));
    (0..count).map(|_| request(&signed())).collect()
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}
