//! For longer: faults in turns, at random times, for `FLEET_MINUTES`. `make fleet` runs it.

use std::time::Duration;

use tokio::time::sleep;
use wasm_tests::stage::fleet::etcd::EtcdSetup;
use wasm_tests::stage::fleet::{FleetSetup, PREFIX};

use super::alone;
use super::load::Load;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make fleet"]
async fn for_minutes_with_faults_in_turns_no_token_passes_twice() {
    let _alone = alone().await;
    let minutes = std::env::var("FLEET_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(5_u64);
    let mut etcd = EtcdSetup::new().token_life(20).start().await;
    etcd.secure(PREFIX).await;
    let fleet = FleetSetup::etcd(&etcd).with_password().gateways(3, 4).start().await;
    let load = Load::start(&fleet, 6, Duration::from_millis(25)).await;
    let mut phases = Vec::new();
    for round in 0_u32.. {
        if load.now() > Duration::from_secs(60 * minutes) {
            break;
        }
        etcd.until_healthy().await;
        let (leader, follower) = (etcd.leader().await, etcd.follower().await);
        let begun = load.now();
        let fault = match round % 6 {
            0 => {
                etcd.kill(leader);
                sleep(Duration::from_secs(8)).await;
                etcd.restart(leader);
                "the leader is killed and comes back"
            }
            1 => {
                etcd.suspend(follower);
                sleep(Duration::from_secs(8)).await;
                etcd.resume(follower);
                "a follower is silent for 8 s"
            }
            2 => {
                etcd.suspend(leader);
                sleep(Duration::from_secs(8)).await;
                etcd.resume(leader);
                "the leader is silent for 8 s"
            }
            3 => {
                etcd.kill(follower);
                sleep(Duration::from_secs(3)).await;
                etcd.restart(follower);
                "a follower is killed and comes back"
            }
            4 => {
                for member in [follower, leader] {
                    etcd.kill(member);
                    etcd.restart(member);
                    etcd.until_healthy().await;
                }
                "members are restarted one by one"
            }
            _ => {
                etcd.compact().await;
                etcd.defragment().await;
                "compaction and defragmentation"
            }
        };
        sleep(Duration::from_secs(6)).await;
        phases.push((fault, begun, load.now()));
    }
    let tally = load.end().await;
    for (fault, from, to) in phases {
        tally.between(from, to).print(fault, from);
    }
    tally.print("all of it", Duration::ZERO);
    tally.assert_once(&fleet);
}
