//! The modules of `wasm-tests/sdk-filter`, and gateways that run them.

use std::path::Path;
use std::time::Duration;
use wasm_tests::host::{Answer, Builder, Gateway, Module, Profile, Request, Upstream};

/// How long the judge takes for an answer.
pub(super) const A_MOMENT: Duration = Duration::from_millis(10);

/// What of `make sdk-filter` has this name.
pub(super) fn module(name: &str) -> Module {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = package.join("../target/sdk-filter").join(name).with_extension("wasm");
    Module::artifact(&path, Some(&package.join("sdk-filter")))
        .unwrap_or_else(|why| panic!("{why} and `make sdk-filter`"))
}

/// Every gateway.
pub(super) fn profiles() -> [Profile; 3] {
    [Profile::envoy(), Profile::kong(), Profile::apisix()]
}

/// A gateway that is about to start, and whose judge says 200 for `good` and 403 for all else.
pub(super) fn described(profile: Profile) -> Builder {
    let judge = Upstream::scripted(|headers, _| {
        let good = headers.get("x-credential") == Some(b"good");
        Answer::status(if good { 200 } else { 403 }).after(A_MOMENT)
    });
    Gateway::new(profile).upstream("judge", judge)
}

/// A gateway that runs the filter.
pub(super) fn gateway(profile: Profile) -> Gateway {
    described(profile).start(&module("sdk_filter")).expect("the gateway starts")
}

/// A request with this credential.
pub(super) fn with(credential: &str) -> Request {
    Request::get("/accounts").header("x-credential", credential)
}
