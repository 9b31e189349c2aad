//! The gateways' own settings around the filter: each shipped file is right, and each change of one line is found.

use super::{changed, findings, rules, shipped};

/// Asserts that the file is right, and that each of these changes is found by its rule, and by no other.
fn each_is_found(name: &str, expected: &[&str], changes: &[(&str, &str, &str)]) {
    let right = shipped(name);
    let (found, status) = findings(name.rsplit('/').next().expect("a name"), &right);
    assert_eq!((rules(&found), status), (expected.to_vec(), 0), "{name}: {found:#?}");
    for (from, to, rule) in changes {
        let (found, _) = findings("changed.yaml", &changed(&right, from, to));
        let new: Vec<&str> = rules(&found).into_iter().filter(|found| !expected.contains(found)).collect();
        assert_eq!(new, [*rule], "{from} -> {to}: {found:#?}");
        let finding = found.iter().find(|finding| finding["rule"] == *rule).expect("a finding");
        assert!(finding["line"].as_u64().is_some_and(|line| line > 1), "{finding}");
    }
}

#[test]
fn each_mistake_around_an_inbound_filter_of_envoy_is_found() {
    each_is_found(
        "envoy/inbound.yaml",
        &[],
        &[
            (r#""upstream": "keystore""#, r#""upstream": "keystone""#, "envoy-upstream"),
            ("          sni: keystore.sandbox", "          sni: other.sandbox", "envoy-upstream"),
            ("matcher: {exact: keystore.sandbox", "matcher: {exact: other.sandbox", "envoy-upstream"),
            (
                "trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}",
                "only_verify_leaf_cert_crl: false",
                "envoy-upstream",
            ),
            ("failure_policy: FAIL_RELOAD", "failure_policy: FAIL_OPEN", "envoy-fail-open"),
            ("failure_policy: FAIL_RELOAD", "fail_open: true", "envoy-fail-open"),
            ("failure_policy: FAIL_RELOAD", "failure_policy: FAIL_CLOSED", "envoy-fail-open"),
            ("                              proxy_on_request_headers: {}\n", "", "envoy-capabilities"),
            ("capability_restriction_config:", "not_capability_restriction_config:", "envoy-capabilities"),
            (
                "forward_client_cert_details: SANITIZE_SET",
                "forward_client_cert_details: APPEND_FORWARD",
                "envoy-forwarded-certificate",
            ),
            (
                r#""peer": {"#,
                r#""peer": {"source": {"forwarded_header": {"proxy": {"organisational_units": ["edge"]}}},"#,
                "envoy-forwarded-certificate",
            ),
            ("require_client_certificate: true", "require_client_certificate: false", "envoy-client-certificate"),
            (
                "                  validation_context_sds_secret_config:",
                "                  some_other_secret_config:",
                "envoy-crl",
            ),
            (
                "trust_chain_verification: VERIFY_TRUST_CHAIN",
                "trust_chain_verification: ACCEPT_UNTRUSTED",
                "envoy-trusted-ca",
            ),
            ("header: {name: x-hub-auth-method, present_match: true}", "any: true", "envoy-last-line"),
            ("- remove: x-hub-auth-method", "- remove: x-something-else", "envoy-early-removal"),
            (
                "                  - name: hub_auth_filter\n",
                "                  - name: hub_auth_filter\n                    disabled: true\n",
                "envoy-disabled",
            ),
            (
                "route: {cluster: bank, timeout: 15s}",
                "route: {cluster: bank, timeout: 15s}\n                          typed_per_filter_config: {hub_auth_filter: {\"@type\": x, disabled: true}}",
                "envoy-disabled",
            ),
            (
                "route: {cluster: bank, timeout: 15s}",
                "route: {cluster: bank, timeout: 15s}\n                        - match: {prefix: /later}\n                          route: {cluster: bank}",
                "envoy-route-order",
            ),
            ("normalize_path: true", "normalize_path: false", "envoy-paths"),
            ("merge_slashes: true", "merge_slashes: false", "envoy-paths"),
            (
                "headers_with_underscores_action: REJECT_REQUEST",
                "headers_with_underscores_action: ALLOW",
                "envoy-underscores",
            ),
            ("max_connection_duration: 3600s", "max_stream_duration: 3600s", "envoy-connection-duration"),
            ("google.protobuf.StringValue", "google.protobuf.Struct", "configuration-is-object"),
            (r#""provider_ids": ["retail"]"#, r#""provider_ids": []"#, "configuration"),
        ],
    );
}

#[test]
fn a_list_without_the_entry_point_of_responses_is_right_only_where_nothing_is_about_responses() {
    let of_rule = |text: &str| {
        let (found, _) = findings("changed.yaml", text);
        let of_rule = found.into_iter().filter(|finding| finding["rule"] == "envoy-capabilities");
        of_rule.map(|finding| finding["message"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let signed = r#""response_token": {"audience": "hub", "certificate": {"organisation": "Example Bank PJSC", "organisational_unit": "d0c1b2a3"}, "keys": [{"kid": "sig4", "private_key": {"env": "SIG4_PRIVATE_KEY"}}], "header": "authorization"},"#;
    let verified = r#""verify_responses": {"jwks": {"environment": "sandbox"}, "upstream": "keystore"},"#;
    for (file, before, setting) in [
        ("envoy/inbound.yaml", r#""provider_ids": ["retail"],"#, signed),
        ("envoy/outbound.yaml", r#""lifetime": "30s","#, verified),
    ] {
        let text = shipped(file);
        let line = text.lines().find(|line| line.trim() == "proxy_on_response_headers: {}").expect("the entry point");
        let short = changed(&text, &format!("{line}\n"), "");
        assert_eq!(of_rule(&short), [""; 0], "{file}");
        let with_setting = |text: &str| changed(text, before, &format!("{before} {setting}"));
        assert_eq!(of_rule(&with_setting(&text)), [""; 0], "{file}");
        let found = of_rule(&with_setting(&short));
        assert!(found[0].starts_with("expected proxy_on_response_headers"), "{file}: {found:?}");
    }
}

/// The comment that begins with this text made a part of the file.
fn uncommented(text: &str, first: &str) -> String {
    let mut inside = false;
    let line = |line: &str| {
        let comment = line.trim_start();
        inside = comment.starts_with('#') && (inside || comment.starts_with(&format!("# {first}")));
        if inside { line.replacen("# ", "", 1) } else { line.to_owned() }
    };
    text.split_inclusive('\n').map(line).collect()
}

#[test]
fn a_cluster_that_adds_no_credential_where_the_configuration_says_so_is_found() {
    let keys = r#""keys": [{"kid": "sig4-2026-05", "private_key": {"env": "SIG4_PRIVATE_KEY"}}]"#;
    let signer = r#""remote_signer": {"vault_transit": {"address": "https://bao.bank.internal:8200", "upstream": "bao", "key": "sig4", "kid": "sig4", "token": {"added_by": "gateway"}}}"#;
    let text = uncommented(&changed(&shipped("envoy/outbound.yaml"), keys, signer), "- name: bao");
    let of_cluster = |text: &str| {
        let (found, _) = findings("changed.yaml", text);
        let of_rule = found.into_iter().filter(|finding| finding["rule"] == "envoy-upstream");
        of_rule.map(|finding| finding["message"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let message = "expected \"credential_injector\" or \"aws_request_signing\"";
    let found = of_cluster(&text);
    assert!(found.len() == 1 && found[0].starts_with(message), "{found:?}");
    let right = uncommented(&text, "typed_extension_protocol_options:");
    assert_eq!(of_cluster(&right), [""; 0]);
    assert_eq!(of_cluster(&changed(&right, "filters.http.credential_injector.v3", "filters.http.buffer.v3")).len(), 1);
}

#[test]
fn who_may_write_the_header_of_a_forwarded_certificate_depends_on_which_one_the_filter_reads() {
    let proxy = r#""proxy": {"organisational_units": ["edge"]}"#;
    let found = |header: &str, details: &str| {
        let source = format!(r#""peer": {{"source": {{"forwarded_header": {{{header}}}}},"#);
        let text = changed(&shipped("envoy/inbound.yaml"), r#""peer": {"#, &source);
        let text = changed(&text, "details: SANITIZE_SET", &format!("details: {details}"));
        let (found, _) = findings("changed.yaml", &text);
        let found = found.iter().filter(|finding| finding["rule"] != "envoy-crl" && finding["rule"] != "warning");
        found.map(|finding| finding["rule"].as_str().expect("a rule").to_owned()).collect::<Vec<_>>()
    };
    let whole = format!(r#""format": "rfc9440", "verified": "always", {proxy}"#);
    let renamed = format!(r#""name": "x-client-cert", {proxy}"#);
    let plaintext = r#""trust_plaintext_hop": true"#;
    for (header, details, is_right) in [
        (proxy, "FORWARD_ONLY", true),
        (proxy, "SANITIZE_SET", false),
        (proxy, "SANITIZE", false),
        (proxy, "APPEND_FORWARD", false),
        (proxy, "ALWAYS_FORWARD_ONLY", false),
        (plaintext, "ALWAYS_FORWARD_ONLY", true),
        (&whole, "SANITIZE_SET", true),
        (&whole, "FORWARD_ONLY", false),
        (&renamed, "SANITIZE_SET", true),
        (&renamed, "APPEND_FORWARD", false),
    ] {
        let expected: &[&str] = if is_right { &[] } else { &["envoy-forwarded-certificate"] };
        assert_eq!(found(header, details), expected, "{header} {details}");
    }
}

#[test]
fn each_mistake_around_an_outbound_filter_of_envoy_is_found() {
    each_is_found(
        "envoy/outbound.yaml",
        &[],
        &[
            ("host_env_keys: [SIG4_PRIVATE_KEY", "host_env_keys: [OTHER", "envoy-environment"),
            ("failure_policy: FAIL_RELOAD", "failure_policy: FAIL_OPEN", "envoy-fail-open"),
            (r#""lifetime": "30s""#, r#""lifetime": "60s""#, "configuration"),
        ],
    );
}

#[test]
fn each_mistake_around_a_filter_of_kong_is_found() {
    each_is_found(
        "kong/kong.yml",
        &[],
        &[
            ("protocols: [https]", "protocols: [http, https]", "kong-protocols"),
            ("        protocols: [https]\n", "", "kong-protocols"),
            ("    retries: 0\n", "", "kong-retries"),
            ("      - name: inbound\n", "      - name: inbound\n        enabled: false\n", "kong-disabled"),
            ("    tls_verify: true\n", "", "kong-outbound-tls"),
            ("url: https://cm.", "url: http://cm.", "kong-outbound-tls"),
            ("      - name: ip-restriction\n", "      - name: rate-limiting\n", "kong-outbound-callers"),
            (
                "_format_version: \"3.0\"\n",
                "_format_version: \"3.0\"\nplugins: [{name: ai-response-transformer}]\n",
                "kong-buffering",
            ),
            (
                "_format_version: \"3.0\"\n",
                "_format_version: \"3.0\"\nplugins: [{name: pre-function, config: {access: [kong.service.request.enable_buffering()]}}]\n",
                "kong-buffering",
            ),
            (
                "            config: |\n              {\n                \"inbound\"",
                "            config:\n              {\n                \"inbound\"",
                "configuration-is-object",
            ),
            (
                r#""jwks": {"environment": "sandbox"}"#,
                r#""jwks": {"environment": "sandbox"}, "upstream": "https://x""#,
                "gateway-cannot",
            ),
        ],
    );
}

#[test]
fn each_mistake_around_a_filter_of_apisix_is_found() {
    each_is_found(
        "apisix/apisix.yaml",
        &[],
        &[
            ("hosts: [ozone-connect.bank.example]", "hosts: [\"*.bank.example\"]", "apisix-hosts"),
            ("hosts: [ozone-connect.bank.example]", "hosts: [other.bank.example]", "apisix-hosts"),
            ("    hosts: [ozone-connect.bank.example]\n", "", "apisix-hosts"),
            ("[\"scheme\", \"==\", \"https\"]", "[\"scheme\", \"~=\", \"ftp\"]", "apisix-scheme"),
            ("      depth: 2\n", "      depth: 1\n", "apisix-client-certificate"),
            (
                "      depth: 2\n",
                "      depth: 2\n      skip_mtls_uri_regex: [\"/health\"]\n",
                "apisix-client-certificate",
            ),
            ("\n#END", "", "apisix-end"),
            (
                "        conf: |\n          {\n            \"inbound\"",
                "        conf:\n          {\n            \"inbound\"",
                "configuration-is-object",
            ),
            (
                r#""jwks": {"environment": "sandbox"}"#,
                r#""jwks": {"environment": "sandbox"}, "replay_detection": "gateway""#,
                "gateway-cannot",
            ),
        ],
    );
}
