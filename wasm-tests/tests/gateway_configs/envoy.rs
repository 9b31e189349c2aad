//! `gateway-configs/envoy/`: what an Envoy that runs on the files would not show.

use serde_json::Value;

use super::files::{by, text, yaml};

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
    for (path, clusters) in [("envoy/inbound.yaml", 2), ("envoy/outbound.yaml", 4), ("envoy/etcd-cluster.yaml", 1)] {
        let contexts = upstream_tls(path);
        assert_eq!(contexts.len(), clusters, "{path}");
        for context in contexts {
            assert!(context.contains("sni: ") && context.contains("\nmax_session_keys: 0"), "{path}: {context}");
        }
    }
}

#[test]
fn a_store_of_used_tokens_has_its_place_at_the_end_of_the_file() {
    for (file, cluster) in [("envoy/etcd-cluster.yaml", "etcd"), ("envoy/webdis-cluster.yaml", "webdis")] {
        let whole = text("envoy/inbound.yaml") + &text(file);
        let whole: Value = serde_saphyr::from_str(&whole).unwrap_or_else(|error| panic!("{file}: {error}"));
        let clusters = by("name", &whole["static_resources"]["clusters"]);
        assert_eq!(clusters.keys().copied().collect::<Vec<_>>(), {
            let mut names = vec!["bank", cluster, "keystore"];
            names.sort_unstable();
            names
        });
    }
}

/// One member that hangs must not cost a request its whole time, and an election must not leave Envoy without any.
#[test]
fn at_most_one_member_of_etcd_is_left_out_at_a_time() {
    let clusters = yaml("envoy/etcd-cluster.yaml");
    let cluster = by("name", &clusters)["etcd"];
    assert_eq!(cluster["load_assignment"]["endpoints"][0]["lb_endpoints"].as_array().expect("a list").len(), 3);
    assert_eq!(cluster["outlier_detection"]["max_ejection_percent"], 34);
    assert_eq!(cluster["outlier_detection"]["enforcing_consecutive_gateway_failure"], 100);
    assert_eq!(cluster["health_checks"][0]["http_health_check"]["path"], "/health");
    assert!(cluster.get("common_lb_config").is_none(), "Envoy's panic threshold is as always");
}

#[test]
fn a_certificate_that_ended_keeps_its_connection_for_an_hour_at_most() {
    let file = yaml("envoy/inbound.yaml");
    let connections = &file["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    assert_eq!(connections["common_http_protocol_options"]["max_connection_duration"], "3600s");
}

#[test]
fn the_crl_comes_from_the_file_that_the_script_replaces() {
    let listener = &yaml("envoy/inbound.yaml")["static_resources"]["listeners"][0];
    let tls = &listener["filter_chains"][0]["transport_socket"]["typed_config"]["common_tls_context"];
    let context = &tls["combined_validation_context"];
    assert_eq!(context["default_validation_context"]["only_verify_leaf_cert_crl"], true);
    assert_eq!(context["default_validation_context"]["trust_chain_verification"], "VERIFY_TRUST_CHAIN");
    let asked = &context["validation_context_sds_secret_config"];
    assert_eq!(asked["sds_config"]["path_config_source"]["path"], "/etc/envoy/trust-framework-crl.yaml");

    let secret = &yaml("envoy/trust-framework-crl.yaml")["resources"][0];
    assert_eq!(secret["name"], asked["name"]);
    let settings = text("../operations/crl/sandbox.conf");
    let file = secret["validation_context"]["crl"]["filename"].as_str().expect("a path");
    assert!(settings.lines().any(|line| line == format!("CRL_FILE={file}")), "{file}");
    let directory = secret["validation_context"]["watched_directory"]["path"].as_str().expect("a path");
    assert_eq!(file.rsplit_once('/').map(|(directory, _)| directory), Some(directory));
    // Nothing else is in the secret, which could replace the settings of the listener.
    assert_eq!(secret["validation_context"].as_object().expect("an object").len(), 2);
}
