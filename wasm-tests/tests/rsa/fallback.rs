//! The build for relaxed SIMD on a host that does not fuse multiplications: the fused kernel would calculate rubbish there.
//! It fails its proof at the start, and the other one takes over.

use wasm_tests::probe::{Build, Engine, KernelInUse, Probe};

use super::calculates_right;
use super::unfused::unfused;

/// V8 rounds twice where the processor does not fuse; here because the module says so.
#[tokio::test]
async fn in_an_envoy_that_does_not_fuse_the_scalar_kernel_takes_over() {
    let module = unfused(&Build::RelaxedSimd.probe());
    calculates_right(Probe::start(Engine::Envoy, &module).await, KernelInUse::Scalar).await;
}

/// So does wasmtime, where it knows nothing of the processor but its family.
#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn in_a_wasmtime_that_does_not_fuse_the_scalar_kernel_takes_over() {
    let probe = Probe::start(Engine::WasmtimeWithoutFusing, &Build::RelaxedSimd.probe()).await;
    calculates_right(probe, KernelInUse::Scalar).await;
}
