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

#[test]
fn the_module_exports_an_abi_that_gateways_know() {
    let exports = Module::release().exports();
    for name in
        ["memory", "_initialize", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate", "proxy_on_request_headers"]
    {
        assert!(exports.iter().any(|export| export == name), "{name} is not in {exports:?}");
    }
}
