//! `gateway-configs/kong/`: what its README says of the files is in them.

use hub_auth_filter::facade::gateway::GatewayKind;
use serde_json::{Value, json};

use super::files::{by, compose, settings, text, volumes, yaml};
use super::plugin::{SECRETS, accepts_inbound, accepts_outbound};

const OUTBOUND: [&str; 2] = ["consent_manager", "headless_heimdall"];

/// The filter's configuration on a service: the one filter of its one chain.
fn configuration(service: &Value) -> &str {
    let chains = service["filter_chains"].as_array().expect("filter chains");
    let filters = chains[0]["filters"].as_array().expect("filters");
    assert_eq!((chains.len(), filters.len()), (1, 1), "{service}");
    assert_eq!((&chains[0]["enabled"], &filters[0]["enabled"]), (&Value::Null, &Value::Null), "on by default");
    assert_eq!(filters[0]["name"], "hub_auth_filter");
    filters[0]["config"].as_str().expect("the configuration is JSON as text")
}

#[test]
fn every_service_has_the_filter_with_a_configuration_that_it_accepts() {
    let file = yaml("kong/kong.yml");
    assert_eq!(file["_format_version"], "3.0");
    let services = by("name", &file["services"]);
    assert_eq!(services.keys().copied().collect::<Vec<_>>(), ["consent_manager", "headless_heimdall", "ozone_connect"]);
    accepts_inbound(GatewayKind::Kong, configuration(services["ozone_connect"]));
    for name in OUTBOUND {
        accepts_outbound(GatewayKind::Kong, configuration(services[name]));
    }
}

#[test]
fn nothing_is_sent_twice() {
    let file = yaml("kong/kong.yml");
    for (name, service) in by("name", &file["services"]) {
        assert_eq!(service["retries"], 0, "{name}");
    }
}

#[test]
fn requests_reach_the_hub_from_loopback_only_and_the_hub_is_verified() {
    let file = yaml("kong/kong.yml");
    let services = by("name", &file["services"]);
    for name in OUTBOUND {
        let service = services[name];
        let restriction = json!([{"name": "ip-restriction", "config": {"allow": ["127.0.0.1"]}}]);
        assert_eq!(service["plugins"], restriction, "{name}");
        assert_eq!((&service["tls_verify"], &service["tls_verify_depth"]), (&json!(true), &json!(2)), "{name}");
        let host = service["routes"][0]["hosts"][0].as_str().expect("a host");
        assert_eq!(service["url"], format!("https://{host}:443"), "{name}");
        assert_eq!(service["routes"][0]["preserve_host"], false, "{name}");
    }
}

#[test]
fn the_inbound_service_has_no_plugin_and_its_routes_are_https() {
    let file = yaml("kong/kong.yml");
    let service = by("name", &file["services"])["ozone_connect"];
    assert_eq!((&service["plugins"], &file["plugins"]), (&Value::Null, &Value::Null));
    for route in service["routes"].as_array().expect("routes") {
        assert_eq!((&route["protocols"], &route["plugins"]), (&json!(["https"]), &Value::Null));
    }
}

#[test]
fn the_settings_are_what_the_readme_relies_on() {
    let conf = text("kong/kong.conf");
    let settings = settings(&conf);
    for (key, value) in [
        ("admin_listen", "off"),
        ("database", "off"),
        ("log_level", "info"),
        ("lua_ssl_trusted_certificate", "system"),
        ("lua_ssl_verify_depth", "1"),
        ("nginx_http_proxy_wasm_isolation", "none"),
        ("nginx_proxy_keepalive_time", "1h"),
        ("nginx_proxy_proxy_ssl_protocols", "TLSv1.2 TLSv1.3"),
        ("nginx_proxy_proxy_ssl_session_reuse", "off"),
        ("nginx_proxy_proxy_ssl_trusted_certificate", "/etc/kong/tls/hub-server-ca.pem"),
        ("nginx_proxy_proxy_ssl_verify", "on"),
        ("nginx_proxy_proxy_ssl_verify_depth", "2"),
        ("nginx_proxy_ssl_client_certificate", "/etc/kong/tls/trust-framework-ca.pem"),
        ("nginx_proxy_ssl_verify_client", "on"),
        ("nginx_proxy_ssl_verify_depth", "2"),
        ("nginx_wasm_shm_kv", "32m eviction=none"),
        ("proxy_listen", "0.0.0.0:8443 http2 ssl reuseport backlog=16384, 127.0.0.1:8081"),
        ("wasm", "on"),
        ("wasm_filters", "hub_auth_filter"),
    ] {
        assert_eq!(settings.get(key), Some(&value), "{key}");
    }
    // Either would let callers choose their address; the other would take the token of outbound requests away.
    assert!(!settings.contains_key("trusted_ips") && !settings.contains_key("nginx_location_proxy_set_header"));
}

/// On as it is, Kong would not start before the file is there, and refuse everybody without a CRL of the root.
#[test]
fn the_crl_is_a_comment_that_can_be_uncommented() {
    let conf = text("kong/kong.conf");
    assert!(!settings(&conf).contains_key("nginx_proxy_ssl_crl"));
    let with_crl = conf.replacen("\n# nginx_proxy_ssl_crl = ", "\nnginx_proxy_ssl_crl = ", 1);
    let file = settings(&with_crl)["nginx_proxy_ssl_crl"];
    assert!(text("../operations/crl/sandbox.conf").lines().any(|line| line == format!("CRL_FILE={file}")), "{file}");
    let service = compose("kong/compose.yaml");
    assert_eq!(volumes(&service)["/var/lib/hub-auth-crl"], "/var/lib/hub-auth-crl", "the directory, not the file");
}

#[test]
fn the_module_sees_the_variables_that_the_configurations_name() {
    let conf = text("kong/kong.conf");
    let visible = settings(&conf)["nginx_main_env"].split("; env ").collect::<Vec<_>>();
    let services = text("kong/kong.yml");
    for name in SECRETS {
        assert_eq!(visible.contains(&name), services.contains(&format!(r#"{{"env": "{name}"}}"#)), "{name}");
    }
}

#[test]
fn kong_refuses_a_configuration_that_is_not_text() {
    let meta: Value = serde_json::from_str(&text("kong/hub_auth_filter.meta.json")).expect("JSON");
    let validator =
        jsonschema::draft4::new(&meta["config_schema"]).expect("a schema of draft 4, which Kong takes it for");
    let file = yaml("kong/kong.yml");
    for (name, service) in by("name", &file["services"]) {
        assert!(validator.is_valid(&json!(configuration(service))), "{name}");
    }
    for other in [json!({"inbound": {}}), json!([]), json!(""), Value::Null] {
        assert!(!validator.is_valid(&other), "{other}");
    }
}

#[test]
fn the_container_has_every_file_where_the_settings_look_for_it() {
    let service = compose("kong/compose.yaml");
    let volumes = volumes(&service);
    assert_eq!(service["image"], "kong:3.9");
    assert_eq!(service["network_mode"], "host", "loopback is the host's");
    assert_eq!(volumes["/etc/kong/kong.conf"], "./kong.conf");
    let conf = text("kong/kong.conf");
    let settings = settings(&conf);
    assert_eq!(volumes[settings["declarative_config"]], "./kong.yml");
    let filter = format!("{}/{}", settings["wasm_filters_path"], settings["wasm_filters"]);
    assert_eq!(volumes[format!("{filter}.wasm").as_str()], "../../dist/hub_auth_filter.wasm");
    assert_eq!(volumes[format!("{filter}.meta.json").as_str()], "./hub_auth_filter.meta.json");
    for (key, value) in settings.iter().filter(|(_, value)| value.ends_with(".pem")) {
        assert!(value.starts_with("/etc/kong/tls/") && volumes["/etc/kong/tls"] == "./tls", "{key}");
    }
    let environment = service["environment"].as_object().expect("variables");
    for variable in settings["nginx_main_env"].split("; env ") {
        assert!(environment.contains_key(variable), "{variable}");
    }
    // A variable KONG_… would take the place of a setting.
    assert!(environment.keys().all(|name| !name.starts_with("KONG_")), "{environment:?}");
}
