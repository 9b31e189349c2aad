//! The whole core against a model of it: random histories of four workers that share data, in either direction and on each
//! gateway, with a steady clock or without, wall clocks that are set forward and back, machines that sleep, shared data that fail in all ways, and servers that answer anything.
//! Whatever happens:
//!
//! - nothing is let in that the [reference] would not let in, which is some rules of the standard and a list of what was said;
//! - no key is used for more than ten minutes after the keystore has said so, and none that was replaced since;
//! - a token is let in once by all workers together, or by all that ask one store, where that is configured, and exactly once where nothing fails;
//! - nothing leaves with a token that an independent verifier refuses, that is stale, or whose id has left before;
//! - each request and each response is decided on once, at most 128 at a time, and none waits for ever.
//!
//! Steps have no preconditions: each means something whatever came before. So a history is a list, and shrinks as one. That is
//! why there is no crate for state machines here: it would generate steps from the state of the reference, which does not
//! know of callouts.
//!
//! The histories are the same in each run. `PROPTEST_CASES` is how many are played of each configuration on each gateway, and
//! `PROPTEST_RNG_SEED` makes other ones; `--nocapture` shows how many of what there were:
//!
//! ```text
//! PROPTEST_CASES=5000 PROPTEST_RNG_SEED=2 cargo test --package hub-auth-filter --lib model -- --nocapture
//! ```

mod cast;
mod play;
mod reference;
mod rules;
mod servers;
mod setup;
mod shared;
mod step;
mod store;
mod tally;

use std::cell::RefCell;

use proptest::arbitrary::any;
use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use crate::capabilities::{CalloutOwner, Support};
use crate::gateway::kinds::GatewayKind;

use play::Play;
use setup::Setup;
use step::Step;
use tally::Tally;

/// How many histories are played of most configurations on each gateway, unless `PROPTEST_CASES` says otherwise.
const HISTORIES: u32 = 60;

/// How many steps a history has at most.
const STEPS: usize = 50;

fn runner(setup: Setup) -> TestRunner {
    let mut config = Config { failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        // A signature by a key in memory takes longer than everything else.
        config.cases = if setup == Setup::Local { HISTORIES / 6 } else { HISTORIES };
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    TestRunner::new(config)
}

/// Plays random histories, and panics with the shortest one that breaks a rule.
#[track_caller]
fn every_history(setup: Setup, steps: impl Strategy<Value = Step>, is_calm: bool) {
    let kinds = GatewayKind::ALL.into_iter().filter(|kind| setup.is_for(*kind));
    let history = (any::<bool>(), vec(steps, 1..=STEPS));
    for kind in kinds {
        let mut runner = runner(setup);
        let seed = runner.config().rng_seed;
        let tally = RefCell::new(Tally::default());
        let outcome = runner.run(&history, |(has_steady, steps)| {
            let played = Play::through(kind, setup, (has_steady, &steps), is_calm).map_err(TestCaseError::fail)?;
            tally.borrow_mut().add(&played);
            Ok(())
        });
        if let Err(failure) = outcome {
            panic!("with seed {seed}: {failure}");
        }
        let tally = tally.into_inner();
        println!("{} {setup:?}{}: {tally}", kind.name(), if is_calm { ", calm" } else { "" });
        // A filter that refuses everything would hold to every rule.
        assert!(tally.admitted() > tally.histories, "{tally}");
    }
}

impl Setup {
    /// Whether this gateway can do it.
    fn is_for(self, kind: GatewayKind) -> bool {
        let capabilities = kind.capabilities(None, false);
        let shares = !matches!(capabilities.data_sharing, Support::Never { .. });
        match self {
            Self::Once | Self::OnceCrowded => shares,
            Self::ResponseToken => capabilities.holds_responses,
            // What is signed at once takes its time, and differs by shared data alone.
            Self::Local => !shares || capabilities.callout_owner == CalloutOwner::Plugin,
            _ => true,
        }
    }
}

macro_rules! histories {
    ($($whatever:ident $calm:ident $setup:ident;)*) => {
        $(
            #[test]
            fn $whatever() {
                every_history(Setup::$setup, step::any_step(Setup::$setup), false);
            }

            #[test]
            fn $calm() {
                every_history(Setup::$setup, step::calm_step(Setup::$setup), true);
            }
        )*
    };
}

histories! {
    jwt_auth_lets_in_only_what_is_right jwt_auth_lets_in_all_that_is_right JwtAuth;
    a_worker_lets_a_token_in_at_most_once a_worker_lets_a_token_in_exactly_once OnceAWorker;
    workers_let_a_token_in_at_most_once workers_let_a_token_in_exactly_once Once;
    a_fleet_lets_a_token_in_at_most_once a_fleet_lets_a_token_in_exactly_once OnceInTheFleet;
    responses_leave_only_with_a_fresh_token all_responses_leave_with_a_token ResponseToken;
    introspection_lets_in_only_what_is_right introspection_lets_in_all_that_is_right Introspection;
    requests_leave_only_with_a_fresh_token all_requests_leave_with_a_token Local;
    requests_leave_only_with_a_signature_that_is_right all_requests_leave_with_a_remote_signature Remote;
    only_responses_of_the_hub_pass all_responses_of_the_hub_pass Require;
    all_other_responses_are_reported no_response_of_the_hub_is_reported Report;
}

#[test]
fn workers_without_room_let_a_token_in_at_most_once() {
    every_history(Setup::OnceCrowded, step::any_step(Setup::OnceCrowded), false);
}
