//! How much is measured: enough for figures, or just enough to see that everything still runs.

use std::time::Duration;

use wasm_tests::artifact::Artifact;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    /// Whether all modules are measured, or only the one under test.
    all_modules: bool,
    /// RSA alone: how often the contenders take turns.
    pub(crate) rsa_rounds: usize,
    /// How often the contestants take turns.
    pub(crate) rounds: usize,
    /// How long a turn takes.
    pub(crate) turn: Duration,
    /// Requests before the first round, in which Envoy's engine gets to its fastest code.
    pub(crate) warm_up: usize,
    /// Requests after which memory is looked at, four times.
    pub(crate) memory_step: usize,
    /// Tokens that these requests carry in turns.
    pub(crate) memory_tokens: usize,
    /// How often each contestant is started.
    pub(crate) starts: usize,
    /// Outbound: requests one after another.
    pub(crate) singles: usize,
    /// Outbound: how often the stages take turns.
    pub(crate) single_rounds: usize,
    /// Outbound: how long the worker is kept busy.
    pub(crate) busy: Duration,
}

impl Extent {
    /// For figures.
    pub(crate) const FULL: Self = Self {
        all_modules: true,
        rsa_rounds: 25,
        rounds: 12,
        turn: Duration::from_millis(400),
        warm_up: 3_000,
        memory_step: 50_000,
        memory_tokens: 2_000,
        starts: 5,
        singles: 100,
        single_rounds: 3,
        busy: Duration::from_secs(4),
    };
    /// For a test that the benchmark still runs. Its figures mean nothing.
    pub(crate) const QUICK: Self = Self {
        all_modules: false,
        rsa_rounds: 1,
        rounds: 2,
        turn: Duration::from_millis(20),
        warm_up: 20,
        memory_step: 50,
        memory_tokens: 20,
        starts: 1,
        singles: 2,
        single_rounds: 1,
        busy: Duration::from_millis(50),
    };

    /// The modules that are measured.
    pub(crate) fn artifacts(self) -> Vec<Artifact> {
        if self.all_modules { Artifact::ALL.to_vec() } else { vec![Artifact::under_test()] }
    }
}
