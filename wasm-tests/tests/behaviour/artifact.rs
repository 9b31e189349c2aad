//! What the release module asks of a gateway: gateways refuse modules that ask for more than they have.

use wasm_tests::host::Module;

#[test]
fn the_module_imports_what_is_listed_and_nothing_else() {
    let mut imports = Module::release().imports();
    imports.sort();
    let expected = [
        "env.proxy_continue_stream",
        "env.proxy_define_metric",
        "env.proxy_get_buffer_bytes",
        "env.proxy_get_header_map_pairs",
        "env.proxy_get_header_map_value",
        "env.proxy_get_property",
        "env.proxy_get_shared_data",
        "env.proxy_http_call",
        "env.proxy_increment_metric",
        "env.proxy_log",
        "env.proxy_remove_header_map_value",
        "env.proxy_replace_header_map_value",
        "env.proxy_send_local_response",
        "env.proxy_set_effective_context",
        "env.proxy_set_shared_data",
        "env.proxy_set_tick_period_milliseconds",
        "wasi_snapshot_preview1.clock_time_get",
        "wasi_snapshot_preview1.environ_get",
        "wasi_snapshot_preview1.environ_sizes_get",
        "wasi_snapshot_preview1.fd_write",
        "wasi_snapshot_preview1.proc_exit",
        "wasi_snapshot_preview1.random_get",
    ];
    assert_eq!(imports, expected);
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
