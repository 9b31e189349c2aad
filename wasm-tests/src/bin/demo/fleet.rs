//! A fleet: two gateways that remember used tokens in one etcd of three members, of which one is killed.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use wasm_tests::stage::client::{Outcome, Request};
use wasm_tests::stage::fleet::etcd::{EtcdSetup, MEMBERS};
use wasm_tests::stage::fleet::{Fleet, FleetSetup, PREFIX, is_installed};
use wasm_tests::stage::signed_by;

use crate::table::{Expected, Table};

const REPLAYED: Expected = Expected::Refused(401, "JWS.InvalidClaim");
const UNAVAILABLE: Expected = Expected::Refused(503, "GenericRecoverableError");

/// The whole section.
pub async fn play(table: &mut Table) {
    if !is_installed() {
        println!(
            "\nThere is no etcd here, which `make` takes from Debian's or Ubuntu's packages: no section about fleets."
        );
        return;
    }
    let headline = "A fleet: two gateways, and etcd of three members in which both remember used tokens";
    let mut section = table.section("jwt_auth", headline);
    let mut etcd = EtcdSetup::new().start().await;
    etcd.secure(PREFIX).await;
    let mut fleet = FleetSetup::etcd(&etcd).with_password().start().await;

    let first = fresh(&fleet);
    section.row("a token at gateway 1", Expected::Accepted, fleet.send(0, &first).await);
    section.row("the same at gateway 2", REPLAYED, fleet.send(1, &first).await);
    section.row("the same at gateway 1", REPLAYED, fleet.send(0, &first).await);
    fleet.restart(0, |same| same).await;
    section.row("the same, gateway 1 started anew", REPLAYED, fleet.send(0, &first).await);

    let leader = etcd.leader().await;
    etcd.kill(leader);
    // Whoever sends during the election is told to come back.
    let killed = Instant::now();
    etcd.leader().await;
    let election = killed.elapsed();
    let (second, outcome) = until_accepted(&fleet).await;
    section.row("leader killed: a token at gateway 2", Expected::Accepted, outcome);
    section.row("the same at gateway 1", REPLAYED, fleet.send(0, &second).await);
    section.row("the first once more at gateway 2", REPLAYED, fleet.send(1, &first).await);
    section.note(&format!("the election took {:.1} s", election.as_secs_f64()), true);

    let rest: Vec<usize> = etcd.live();
    rest.iter().for_each(|member| etcd.kill(*member));
    section.row("no etcd at all: a token at gateway 1", UNAVAILABLE, fleet.send(0, &fresh(&fleet)).await);
    (0..MEMBERS).for_each(|member| etcd.restart(member));
    etcd.until_healthy().await;
    let (_, outcome) = until_accepted(&fleet).await;
    section.row("etcd is back: a token at gateway 2", Expected::Accepted, outcome);
    section.row("the first once more at gateway 1", REPLAYED, fleet.send(0, &first).await);
    let keys = etcd.keys(PREFIX).await;
    let key = keys.first().map(|key| String::from_utf8_lossy(key).into_owned()).unwrap_or_default();
    section.note(
        &format!("etcd has {} keys, such as {}…", keys.len(), key.get(..32).unwrap_or_default()),
        keys.len() >= 3,
    );
    section.end(&[&fleet.stage]);
}

fn fresh(fleet: &Fleet) -> Request {
    Request::with_token(&signed_by(&fleet.stage.pki.hub))
}

/// The first token that passes at the second gateway, and its answer. Those before it were told to come back.
async fn until_accepted(fleet: &Fleet) -> (Request, Outcome) {
    let started = Instant::now();
    loop {
        let request = fresh(fleet);
        let outcome = fleet.send(1, &request).await;
        let passed = matches!(&outcome, Outcome::Reply(reply) if reply.status == 200);
        if passed || started.elapsed() > Duration::from_secs(10) {
            return (request, outcome);
        }
        sleep(Duration::from_millis(250)).await;
    }
}
