//! The filter's RSA inside the engines of gateways, in both builds: one file a topic. `make probe` makes the modules.
//!
//! The kernels are compared with references over far more inputs natively, where they are. Here it is the compilers of the
//! engines that are under test, and what the processor does with a fused multiplication.

mod fallback;
mod keys;
mod powers;
mod signing;
mod unfused;
mod verification;
mod wycheproof;

use rstest::rstest;
use wasm_tests::probe::{Answer, Build, Engine, KernelInUse, Probe, Question, SignedMessage, Verdict};

/// Questions of this many cases are well within what Envoy holds of a request.
const BATCH: usize = 200;

/// What the builds calculate with, in engines that fuse: the kernel is a fact about the engine that nothing else shows.
#[rstest]
#[tokio::test]
async fn every_engine_takes_the_kernel_that_the_build_is_for(
    #[values(Engine::Envoy, Engine::Wasmtime)] engine: Engine,
    #[values((Build::Baseline, KernelInUse::Scalar), (Build::RelaxedSimd, KernelInUse::Fused))] expected: (
        Build,
        KernelInUse,
    ),
) {
    let (build, kernel) = expected;
    assert_eq!(Probe::start(engine, &build.probe()).await.ask(&Question::Kernel).await, Answer::Kernel(kernel));
}

/// What the probe says of these signatures.
async fn verdicts(probe: &mut Probe, signed: &[SignedMessage]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for batch in signed.chunks(BATCH) {
        match probe.ask(&Question::Verify(batch.to_vec())).await {
            Answer::Verdicts(answered) => verdicts.extend(answered),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(verdicts.len(), signed.len());
    verdicts
}
