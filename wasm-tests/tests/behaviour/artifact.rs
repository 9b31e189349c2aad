//! What the release module asks of a gateway: gateways refuse modules that ask for more than they have.

use std::fs;

use wasm_tests::artifact::{self, Artifact};
use wasm_tests::host::Module;
use wasm_tests::shifted_addresses;

#[test]
fn the_module_imports_what_is_listed_and_nothing_else_and_its_gateways_know_its_instructions() {
    assert_eq!(artifact::faults(Artifact::under_test(), Module::release().bytes(), artifact::IMPORTS), [""; 0]);
}

#[test]
fn only_the_artifact_for_relaxed_simd_has_it() {
    let refused = !artifact::faults(Artifact::Baseline, Module::release().bytes(), artifact::IMPORTS).is_empty();
    assert_eq!(refused, Artifact::under_test() == Artifact::RelaxedSimd);
}

#[test]
fn no_access_to_memory_has_an_address_that_the_engine_of_apisix_gets_wrong() {
    let Some(path) = Artifact::under_test().map() else { return };
    let map = fs::read_to_string(path).expect("the map that `make build` leaves");
    assert_eq!(shifted_addresses::faults(Module::release().bytes(), &map, shifted_addresses::HARMLESS), [""; 0]);
}

#[test]
fn what_is_read_of_the_file_is_what_an_engine_links() {
    let read = artifact::imports(Module::release().bytes()).expect("a module");
    assert_eq!(read.into_iter().collect::<Vec<_>>(), Module::release().imports());
}

/// Kong's worker dies where a callback is missing that its host calls.
#[test]
fn the_module_exports_every_callback_that_a_gateway_may_call_and_nothing_else() {
    assert_eq!(artifact::export_faults(Module::release().bytes(), artifact::EXPORTS), [""; 0]);
    assert!(Module::release().exports().iter().any(|export| export == "memory"));
}

/// What an official SDK has in its filters is what hosts are tested with.
#[test]
fn the_module_exports_what_a_filter_on_the_official_sdk_exports() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/sdk-filter/sdk_filter.wasm");
    let sdk = std::fs::read(path).expect("the filter on the SDK: run `make sdk-filter`");
    assert_eq!(artifact::exports(Module::release().bytes()).unwrap(), artifact::exports(&sdk).unwrap());
}
