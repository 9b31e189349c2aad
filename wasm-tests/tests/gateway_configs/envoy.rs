//! `gateway-configs/envoy/`: what an Envoy that runs on the files would not show.

use super::files::{text, yaml};

/// The TLS contexts of the clusters in a file, those in comments too, each up to its certificates and CAs.
fn upstream_tls(path: &str) -> Vec<String> {
    let file = text(path);
    let lines = file.lines().map(|line| line.trim_start().trim_start_matches("# ").trim_start());
    let lines: Vec<&str> = lines.collect();
    let begins = |line: &str| line.contains("tls.v3.UpstreamTlsContext");
    let contexts = lines.split_inclusive(|line| begins(line)).skip(1);
    contexts
        .map(|lines| lines.split(|line| *line == "common_tls_context:").next().unwrap_or_default().join("\n"))
        .collect()
}

#[test]
fn no_connection_to_a_server_resumes_a_session_whose_certificate_was_checked_long_ago() {
    for (path, clusters) in [("envoy/inbound.yaml", 2), ("envoy/outbound.yaml", 4)] {
        let contexts = upstream_tls(path);
        assert_eq!(contexts.len(), clusters, "{path}");
        for context in contexts {
            assert!(context.contains("sni: ") && context.contains("\nmax_session_keys: 0"), "{path}: {context}");
        }
    }
}

#[test]
fn a_certificate_that_ended_keeps_its_connection_for_an_hour_at_most() {
    let file = yaml("envoy/inbound.yaml");
    let connections = &file["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    assert_eq!(connections["common_http_protocol_options"]["max_connection_duration"], "3600s");
}
