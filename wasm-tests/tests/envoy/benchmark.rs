//! The benchmark still runs: every section, in its shortest form, with the module under test.

use std::process::Command;

#[test]
fn every_section_of_the_benchmark_has_a_row_for_each_contestant() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench")).arg("--quick").output().expect("the benchmark");
    let (figures, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{figures}\n{errors}");
    let rows = |start: &str| figures.lines().filter(|line| line.starts_with(start)).count();
    // Inbound, memory of workers, memory over requests, start.
    assert_eq!(rows("no filter  "), 4, "{figures}");
    // The same, two with the token cache, two more for two sizes of a key set and the certificate alone, and both sizes.
    assert!(rows("hub_auth_filter, ") >= 11, "{figures}");
    // Verification and signature with three sizes, and the preparation of a key.
    assert_eq!((rows("  Envoy, "), rows("  wasmtime, ")), (14, 14), "{figures}");
    for name in ["no replay detection", "the gateway's memory", "etcd, three members"] {
        // On one, four and sixteen connections.
        assert_eq!(rows(name), 3, "{name}: {figures}");
    }
    for start in [
        "wasm that does nothing ",
        "jwt_authn ",
        "jwt_authn, token cache ",
        "jwt_authn + Lua ",
        "pinned organisations ",
        "bytes of the token ",
        "ext_authz, AWS-LC ",
        "APISIX 3.18, ",
        "Kong 3.9, ",
        "local key, ",
        "OpenBao ",
        "signer, ",
        "Envoy, filter and signer",
    ] {
        assert_ne!(rows(start), 0, "{start}: {figures}");
    }
}
