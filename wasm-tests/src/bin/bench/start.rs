//! How long Envoy takes to start with the filter, and to answer its first request, for which the filter fetches its keys.

use std::time::{Duration, Instant};

use super::contestants::{Filter, token};
use super::extent::Extent;
use super::load::{Load, request};
use super::machine::process_time;
use super::rounds::Figures;
use super::table::Table;

/// Prints the table.
pub(crate) async fn run(extent: Extent) {
    let mut filters = vec![Filter::Nothing, Filter::NoOp];
    filters.extend(extent.artifacts().into_iter().map(|artifact| Filter::JwtAuth { artifact, cached: false }));
    let mut measured: Vec<[Figures; 3]> = filters.iter().map(|_| Default::default()).collect();
    for round in 0..extent.starts {
        for place in (0..filters.len()).map(|turn| (round + turn) % filters.len()) {
            for (figures, time) in measured[place].iter_mut().zip(start(filters[place]).await) {
                figures.0.push(time.as_secs_f64() * 1000.0);
            }
        }
    }
    println!(
        "Start of Envoy with one worker, in ms ({} starts each, in turns): from its first instruction until the listener",
        extent.starts
    );
    println!(
        "answers; the processor time of all its threads until then; and its first request that is accepted, with a TLS handshake"
    );
    println!("and, with the filter, the fetch of the keys:");
    let mut table = Table::new(&[
        "",
        "start\nminimum",
        "\nmedian",
        "CPU\nminimum",
        "\nmedian",
        "first request\nminimum",
        "\nmedian",
    ]);
    for (filter, figures) in filters.iter().zip(&measured) {
        let cells = figures.iter().flat_map(|figures| [figures.minimum(), figures.median()]);
        table.row([filter.name()].into_iter().chain(cells.map(|time| format!("{time:.0}"))));
    }
    table.print();
}

/// One start: until the listener answers, the processor time, and the first request that is accepted.
async fn start(filter: Filter) -> [Duration; 3] {
    let stage = filter.setup().start().await;
    let address = stage.envoy.address();
    let connecting = Instant::now();
    // Any answer will do, also a refusal.
    Load::open(address, 1).status(&request("none"));
    let ready = stage.envoy.ready_after() + connecting.elapsed();
    let spent = process_time(stage.envoy.process());
    let (right, asking) = (request(&token()), Instant::now());
    let status = Load::open(address, 1).status(&right);
    assert_eq!(status, 200, "the first request was refused by {}", filter.name());
    [ready, spent, asking.elapsed()]
}
