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

/// Questions of this many cases are short enough for a header in Envoy.
const BATCH: usize = 200;

/// One test a module and engine, because every Envoy takes time to start. The kernel that is in use shows nowhere else.
#[rstest]
#[case(Build::Baseline, KernelInUse::Scalar)]
#[case(Build::RelaxedSimd, KernelInUse::Fused)]
#[tokio::test]
async fn each_build_takes_its_kernel_and_calculates_right(
    #[values(Engine::Envoy, Engine::Wasmtime)] engine: Engine,
    #[case] build: Build,
    #[case] kernel: KernelInUse,
) {
    calculates_right(Probe::start(engine, &build.probe()).await, kernel).await;
}

/// Asserts that the probe has this kernel, and that nothing is wrong with it.
async fn calculates_right(mut probe: Probe, kernel: KernelInUse) {
    assert_eq!(probe.ask(&Question::Kernel).await, Answer::Kernel(kernel));
    powers::are_right(&mut probe).await;
    verification::verdicts_are_right(&mut probe).await;
    wycheproof::verdicts_are_as_published(&mut probe).await;
    signing::signatures_verify(&mut probe).await;
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
