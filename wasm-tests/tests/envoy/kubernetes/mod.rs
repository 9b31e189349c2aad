//! What the chart makes for Envoy alone, run: the attacks that the shipped file is tested with, the probes that the kubelet would send, and the CRL as
//! the kubelet replaces it.

mod pod;
mod probes;
mod requests;

use wasm_tests::stage::client::Request;
use wasm_tests::stage::{Stage, signed_by};

fn right(stage: &Stage) -> Request {
    Request::with_token(&signed_by(&stage.pki.hub))
}
