//! What fails while two of three members live: no token passes twice, and good requests are refused for the time of an election at most.

use std::time::Duration;

use tokio::time::sleep;
use wasm_tests::stage::fleet::FleetSetup;
use wasm_tests::stage::fleet::etcd::{EtcdSetup, MEMBERS};

use super::alone;
use super::load::Load;

/// How long good requests may be refused after a member failed: an election (etcd waits for one to two seconds before it begins one),
/// the filter's first pause of a second, and what a loaded machine adds.
const ELECTION: Duration = Duration::from_secs(6);
/// For how long each fault is looked at.
const FAULT: Duration = Duration::from_secs(9);

#[tokio::test(flavor = "multi_thread")]
async fn while_a_quorum_lives_no_token_passes_twice_and_good_ones_are_refused_during_an_election_alone() {
    let _alone = alone().await;
    let mut etcd = EtcdSetup::new().start().await;
    etcd.secure(wasm_tests::stage::fleet::PREFIX).await;
    let fleet = FleetSetup::etcd(&etcd).with_password().gateways(3, 4).start().await;
    let load = Load::start(&fleet, 6, Duration::from_millis(25)).await;
    // Each worker signs in first, all of them at once.
    sleep(Duration::from_secs(5)).await;
    let mut phases = vec![("nothing", load.now())];
    sleep(Duration::from_secs(3)).await;

    let leader = etcd.leader().await;
    phases.push(("the leader is killed", load.now()));
    etcd.kill(leader);
    sleep(FAULT).await;
    phases.push(("it comes back", load.now()));
    etcd.restart(leader);
    sleep(Duration::from_secs(3)).await;

    etcd.until_healthy().await;
    let follower = etcd.follower().await;
    phases.push(("a follower falls silent", load.now()));
    etcd.suspend(follower);
    sleep(FAULT).await;
    phases.push(("it goes on", load.now()));
    etcd.resume(follower);
    sleep(Duration::from_secs(3)).await;

    let leader = etcd.leader().await;
    phases.push(("the leader falls silent", load.now()));
    etcd.suspend(leader);
    sleep(FAULT).await;
    phases.push(("it goes on and follows", load.now()));
    etcd.resume(leader);
    sleep(Duration::from_secs(3)).await;

    phases.push(("compaction and defragmentation", load.now()));
    etcd.compact().await;
    etcd.defragment().await;
    sleep(Duration::from_secs(3)).await;
    phases.push(("the end", load.now()));
    let tally = load.end().await;
    for pair in phases.windows(2) {
        let [(fault, from), (_, to)] = pair else { unreachable!("pairs") };
        let phase = tally.between(*from, *to);
        phase.print(fault, *from);
        let window =
            if fault.contains("leader") || fault.contains("follower") { ELECTION } else { Duration::from_secs(2) };
        assert!(phase.last_refused_after(*from) <= window, "{fault}");
    }
    tally.assert_once(&fleet);
    assert_eq!(tally.between(phases[0].1, phases[1].1).refused(), 0, "while all is well");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_of_etcd_ends_and_comes_back_tokens_that_were_used_are_remembered() {
    let _alone = alone().await;
    let mut etcd = EtcdSetup::new().start().await;
    etcd.secure(wasm_tests::stage::fleet::PREFIX).await;
    let fleet = FleetSetup::etcd(&etcd).with_password().gateways(2, 2).start().await;
    let load = Load::start(&fleet, 4, Duration::from_millis(25)).await;
    sleep(Duration::from_secs(1)).await;
    let request = wasm_tests::stage::client::Request::with_token(&wasm_tests::stage::signed_by(&fleet.stage.pki.hub));
    assert_eq!(fleet.send(0, &request).await.reply().status, 200);
    let down = load.now();
    (0..MEMBERS).for_each(|member| etcd.kill(member));
    sleep(Duration::from_secs(3)).await;
    (0..MEMBERS).for_each(|member| etcd.restart(member));
    etcd.until_healthy().await;
    let up = load.now();
    // The gateways ask again after their pause, and Envoy after its own.
    sleep(Duration::from_secs(8)).await;
    let end = load.now();
    for (gateway, outcome) in [(0, fleet.send(0, &request).await), (1, fleet.send(1, &request).await)] {
        assert_eq!(super::load::Presentation::of(&outcome), super::load::Presentation::Replayed, "gateway {gateway}");
    }
    let tally = load.end().await;
    tally.between(down, up).print("all members are down", down);
    let after = tally.between(up, end);
    after.print("they are back", up);
    assert!(tally.between(down, up).refused() > 0, "nothing passes without etcd");
    assert!(after.last_refused_after(up) <= Duration::from_secs(6));
    assert_eq!(tally.admitted_replays(), 0);
    assert_eq!(fleet.stage.bank.received().len(), tally.admitted() + 1);
}
