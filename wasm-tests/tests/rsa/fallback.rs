//! The build for relaxed SIMD on a host that does not fuse multiplications: the fused kernel would calculate rubbish there.
//! It proves itself at start, fails, and the other one takes over.

use wasm_tests::probe::{Answer, Build, Engine, KernelInUse, Probe, Question};

use super::unfused::unfused;
use super::{powers, signing, verification};

async fn falls_back_and_is_right(mut probe: Probe) {
    assert_eq!(probe.ask(&Question::Kernel).await, Answer::Kernel(KernelInUse::Scalar));
    powers::are_right(&mut probe).await;
    verification::are_right(&mut probe).await;
    signing::are_right(&mut probe).await;
}

/// V8 rounds twice where the processor can not fuse: here because the module asks for it.
#[tokio::test]
async fn an_envoy_that_does_not_fuse_has_the_scalar_kernel() {
    falls_back_and_is_right(Probe::start(Engine::Envoy, &unfused(&Build::RelaxedSimd.probe())).await).await;
}

/// So does wasmtime, where it knows nothing of the processor but its family.
#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn a_wasmtime_that_does_not_fuse_has_the_scalar_kernel() {
    let probe = Probe::start(Engine::WasmtimeWithoutFusing, &Build::RelaxedSimd.probe()).await;
    falls_back_and_is_right(probe).await;
}
