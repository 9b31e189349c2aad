//! The whole inbound filter: what a request costs the worker of a real Envoy, and how many it answers in a second.

use std::iter::once;

use super::contestants::{Contestant, Filter, token, with_and_without_cache};
use super::extent::Extent;
use super::load::{CONNECTIONS, request};
use super::rounds::{self, Measured};
use super::table::Table;

/// Where `no filter`, `jwt_authn`, and it with Lua stand in the table.
const NO_FILTER: usize = 0;
const JWT_AUTHN: usize = 2;
const JWT_AUTHN_AND_LUA: usize = 4;

/// Prints the table.
pub(crate) async fn run(extent: Extent) {
    let uncached = Filter::JwtAuthn { cached: false };
    let mut filters =
        vec![Filter::Nothing, Filter::NoOp, uncached, Filter::JwtAuthn { cached: true }, Filter::JwtAuthnAndLua];
    for artifact in extent.artifacts() {
        filters.extend(with_and_without_cache(artifact));
    }
    filters.extend(extent.artifacts().first().copied().map(Filter::CertificateOnly));
    let mut contestants = Vec::new();
    for filter in &filters {
        contestants.push(Contestant::start(*filter).await);
    }
    let measured = rounds::run(&mut contestants, extent, || vec![request(&token())]);
    let hits = contestants[JWT_AUTHN + 1].stage.envoy.stats("jwt_cache_hit").await;
    assert!(hits.values().any(|hits| *hits > 0), "the token cache of jwt_authn was not used");

    println!("The whole inbound filter: JWT Auth, PS256 with RSA-2048, one worker.");
    println!(
        "Each row is an Envoy of its own with the shipped listener: mutual TLS, on {CONNECTIONS} connections that stay open."
    );
    println!(
        "So \"no filter\" has the cost of TLS and HTTP that all others have, too. Envoy itself answers, and keeps no access log."
    );
    println!(
        "{} rounds of {} ms each, in turns, with a new token for each round. Before,",
        extent.rounds,
        extent.turn.as_millis()
    );
    println!(
        "each that verifies was seen to refuse a broken, an expired and another party's token; all answers were 200 then."
    );
    println!(
        "Those that do all of JWT Auth (jwt_authn with Lua, and ours) also refused another typ, cty, iss or sub, a token without jti,"
    );
    println!("and the Hub's token from a TPP.");
    let mut table = Table::new(&[
        "",
        "µs/request\nminimum",
        "\nmedian",
        "beyond\nno filter",
        "/ that of\njwt_authn",
        "\n+ Lua",
        "requests\nper second",
        "/ jwt_authn\nminimum",
        "\nmedian",
    ]);
    let beyond = |figures: &Measured| figures.cost.less(&measured[NO_FILTER].cost).median();
    for (contestant, figures) in contestants.iter().zip(&measured) {
        let ratio = figures.cost.over(&measured[JWT_AUTHN].cost);
        table.row(
            once(contestant.name.clone())
                .chain(
                    [figures.cost.minimum(), figures.cost.median(), beyond(figures)].map(|cost| format!("{cost:.1}")),
                )
                .chain(
                    [JWT_AUTHN, JWT_AUTHN_AND_LUA]
                        .map(|other| format!("{:.2}", beyond(figures) / beyond(&measured[other]))),
                )
                .chain(once(format!("{:.0}", figures.rate.median())))
                .chain([ratio.minimum(), ratio.median()].map(|ratio| format!("{ratio:.2}"))),
        );
    }
    table.print();
}
