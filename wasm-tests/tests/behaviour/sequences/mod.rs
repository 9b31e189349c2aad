//! Random sequences of requests, callouts, failures and hang-ups, played alike on every gateway. No door opens, no worker dies,
//! nothing hangs, each request is decided on once, and the gateways agree.
//!
//! The sequences are the same in each run. `PROPTEST_CASES` is how many are played of each configuration, and
//! `PROPTEST_RNG_SEED` makes other ones. A failure shows the shortest sequence that was found to fail, which is played again
//! by the same two variables.

mod play;
mod rules;
mod setup;
mod step;

use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use super::scene::Host;
use play::Play;
use setup::Setup;
use step::{Client, Credential, Sending, Step};

/// How many sequences are played of each configuration, unless `PROPTEST_CASES` says otherwise.
const SEQUENCES: u32 = 24;

/// How many steps a sequence has at most.
const STEPS: usize = 30;

const HOSTS: [Host; 3] = [Host::ENVOY, Host::KONG, Host::APISIX];

fn runner() -> TestRunner {
    let mut config = Config { failure_persistence: None, max_shrink_iters: 600, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = SEQUENCES;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    TestRunner::new(config)
}

/// Plays random sequences, and panics with the shortest one that breaks a rule.
#[track_caller]
fn every_sequence(steps: impl Strategy<Value = Step>, holds: impl Fn(&[Step]) -> Result<(), String>) {
    let mut runner = runner();
    let seed = runner.config().rng_seed;
    let outcome = runner.run(&vec(steps, 1..=STEPS), |steps| holds(&steps).map_err(TestCaseError::fail));
    if let Err(failure) = outcome {
        panic!("with seed {seed}: {failure}");
    }
}

/// The rules hold for this configuration on every gateway that can do it, whatever happens.
#[track_caller]
fn holds_whatever_happens(setup: Setup) {
    every_sequence(step::any_step(), |steps| {
        let mut hosts = HOSTS.into_iter().filter(|host| setup.is_for(*host));
        hosts.try_for_each(|host| Play::through(host, setup, steps, false).map(drop))
    });
}

/// While nothing fails, a request has the same verdict on every gateway.
#[track_caller]
fn all_agree(setup: Setup) {
    every_sequence(step::calm_step(), |steps| {
        let hosts: Vec<Host> = HOSTS.into_iter().filter(|host| setup.is_for(*host)).collect();
        let mut verdicts = Vec::new();
        for host in &hosts {
            verdicts.push((host, Play::through(*host, setup, steps, true)?));
        }
        let Some(((first, expected), others)) = verdicts.split_first() else { return Ok(()) };
        for (other, got) in others {
            for (number, ((sending, expected), (_, got))) in expected.iter().zip(got).enumerate() {
                if expected != got && !differ(sending, &[first, other]) {
                    let (first, other) = (first.name(), other.name());
                    return Err(format!(
                        "request {number} ({sending:?}) is {expected} on {first} and {got} on {other}"
                    ));
                }
            }
        }
        Ok(())
    });
}

/// Whether gateways are known to differ about such a request.
fn differ(sending: &Sending, hosts: &[&Host]) -> bool {
    // Host, credential, length and reserved header may be among them.
    let is_crowded = hosts.iter().any(|host| sending.crowd > host.most_headers.saturating_sub(4));
    let is_twice = sending.credential == Credential::Twice && hosts.iter().any(|host| !host.joins_authorizations);
    // One cannot even look at a request without a host.
    let is_turned_away = sending.client == Client::Pretender;
    is_crowded || is_twice || is_turned_away || !sending.host
}

/// Every request with a token that could be right traps, with others that wait at its side.
#[test]
fn no_trap_opens_a_door_whatever_happens() {
    holds_whatever_happens(Setup::Trapping);
}

macro_rules! sequences {
    ($($rule:ident $agreement:ident $setup:ident;)*) => {
        $(
            #[test]
            fn $rule() {
                holds_whatever_happens(Setup::$setup);
            }

            #[test]
            fn $agreement() {
                all_agree(Setup::$setup);
            }
        )*
    };
}

sequences! {
    jwt_auth_holds_whatever_happens gateways_agree_on_jwt_auth JwtAuth;
    replay_detection_by_a_worker_holds_whatever_happens gateways_agree_on_replays_to_a_worker OnceAWorker;
    replay_detection_by_a_gateway_holds_whatever_happens gateways_agree_on_replays_to_a_gateway Once;
    service_initiation_holds_whatever_happens gateways_agree_on_service_initiation Initiating;
    tokens_on_responses_hold_whatever_happens gateways_agree_with_tokens_on_responses ResponseToken;
    introspection_holds_whatever_happens gateways_agree_on_introspection Introspection;
    service_initiation_beside_introspection_holds_whatever_happens
        gateways_agree_on_service_initiation_beside_introspection IntrospectionInitiating;
    signing_holds_whatever_happens gateways_agree_on_signing LocalKeys;
    remote_signing_holds_whatever_happens gateways_agree_on_remote_signing Transit;
    required_verification_holds_whatever_happens gateways_agree_on_required_verification Require;
    reported_verification_holds_whatever_happens gateways_agree_on_reported_verification Report;
}
