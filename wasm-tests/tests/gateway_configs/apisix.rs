//! `gateway-configs/apisix/`: what its README says of the files is in them.

use std::collections::BTreeMap;

use hub_auth_filter::facade::gateway::GatewayKind;
use serde_json::{Value, json};

use super::files::{by, compose, text, volumes, yaml};
use super::plugin::{SECRETS, accepts_inbound, accepts_outbound};

const OUTBOUND: [&str; 2] = ["consent_manager", "headless_heimdall"];

/// The filter's configuration on a route, which has no other plugin.
fn configuration(route: &Value) -> &str {
    let plugins = route["plugins"].as_object().expect("plugins");
    assert_eq!(plugins.keys().collect::<Vec<_>>(), ["hub_auth_filter"]);
    let settings = plugins["hub_auth_filter"].as_object().expect("settings");
    assert_eq!(settings.keys().collect::<Vec<_>>(), ["conf"], "nothing that could disable it");
    settings["conf"].as_str().expect("the configuration is JSON as text")
}

#[test]
fn every_route_has_the_filter_with_a_configuration_that_it_accepts() {
    let file = yaml("apisix/apisix.yaml");
    let routes = by("id", &file["routes"]);
    assert_eq!(routes.keys().copied().collect::<Vec<_>>(), ["consent_manager", "headless_heimdall", "ozone_connect"]);
    accepts_inbound(GatewayKind::Apisix, configuration(routes["ozone_connect"]));
    for id in OUTBOUND {
        accepts_outbound(GatewayKind::Apisix, configuration(routes[id]));
    }
    assert_eq!(configuration(routes[OUTBOUND[0]]), configuration(routes[OUTBOUND[1]]));
}

#[test]
fn the_filter_is_on_routes_alone_and_no_route_overlaps_another() {
    let file = yaml("apisix/apisix.yaml");
    assert_eq!(file.as_object().expect("an object").keys().collect::<Vec<_>>(), ["routes", "ssls"]);
    let routes = by("id", &file["routes"]);
    let mut hosts: BTreeMap<&str, &str> = BTreeMap::new();
    for (id, route) in routes {
        for host in route["hosts"].as_array().expect("hosts") {
            let host = host.as_str().expect("text");
            assert!(!host.contains('*'), "{id}");
            assert_eq!(hosts.insert(host, id), None, "{host}");
        }
    }
}

#[test]
fn apisix_believes_the_file_because_of_its_last_line() {
    assert!(text("apisix/apisix.yaml").ends_with("\n#END\n"));
}

#[test]
fn nothing_is_sent_twice() {
    let file = yaml("apisix/apisix.yaml");
    for (id, route) in by("id", &file["routes"]) {
        assert_eq!(route["upstream"]["retries"], 0, "{id}");
    }
}

#[test]
fn inbound_needs_a_client_certificate_and_tls() {
    let file = yaml("apisix/apisix.yaml");
    let (routes, ssls) = (by("id", &file["routes"]), by("id", &file["ssls"]));
    let (route, ssl) = (routes["ozone_connect"], ssls["ozone_connect"]);
    assert_eq!(route["hosts"], ssl["snis"]);
    assert_eq!(route["vars"], json!([["scheme", "==", "https"]]));
    assert_eq!(ssl["client"]["depth"], 2);
    assert_eq!(ssl["client"]["skip_mtls_uri_regex"], Value::Null);
    assert_eq!(ssl["client"]["ca"].as_str().expect("text").matches("BEGIN CERTIFICATE").count(), 2);
    for ssl in ssls.values() {
        assert!(ssl["client"].is_object() || ssl["type"] == "client", "every server name demands a certificate: {ssl}");
    }
}

/// What is wrong with who may reach the routes with the filter. APISIX compares SNI and host only where the host has an `ssls` object of its
/// own, with `client`: any other host is open to the CA of any such object, and to connections without a certificate.
fn open_doors(file: &Value) -> Vec<String> {
    let demanding: Vec<&Value> =
        file["ssls"].as_array().expect("ssls").iter().filter(|ssl| ssl["client"].is_object()).collect();
    let mut doors = Vec::new();
    if demanding.iter().any(|ssl| ssl["client"]["ca"] != demanding[0]["client"]["ca"]) {
        doors.push("another CA".to_owned());
    }
    let covered: Vec<&Value> = demanding.iter().flat_map(|ssl| ssl["snis"].as_array().expect("snis")).collect();
    let plain_only = |route: &Value| {
        let vars = route["vars"].as_array().map_or(&[][..], Vec::as_slice);
        vars.contains(&json!(["scheme", "==", "http"]))
    };
    for (id, route) in by("id", &file["routes"]) {
        let is_outbound = configuration(route).contains(r#""outbound""#);
        if is_outbound && plain_only(route) {
            // No certificate is asked for there: see `requests_reach_the_hub_by_the_loopback_port_only_and_with_c3`.
            continue;
        }
        let hosts = route["hosts"].as_array().filter(|hosts| !hosts.is_empty());
        if hosts.is_none() || route["host"] != Value::Null {
            doors.push(format!("{id}: not by hosts"));
        }
        for host in hosts.into_iter().flatten() {
            let name = host.as_str().expect("text");
            if name.contains('*') || !covered.contains(&host) {
                doors.push(format!("{id}: {name}"));
            }
        }
    }
    doors
}

#[test]
fn inbound_routes_are_reached_over_connections_that_their_own_ca_has_verified() {
    let shipped = yaml("apisix/apisix.yaml");
    assert_eq!(open_doors(&shipped), [""; 0]);

    let other_ca = json!({"id": "other", "snis": ["other.example"], "client": {"ca": "another", "depth": 2}});
    let without_client = json!({"id": "plain", "snis": ["plain.example"]});
    let ids: Vec<&str> = shipped["routes"]
        .as_array()
        .expect("routes")
        .iter()
        .map(|route| route["id"].as_str().expect("an id"))
        .collect();
    let inbound = ids.iter().position(|id| *id == "ozone_connect").expect("the inbound route");
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut file = shipped.clone();
        change(&mut file);
        open_doors(&file)
    };
    let add = |file: &mut Value, ssl: &Value| file["ssls"].as_array_mut().expect("ssls").push(ssl.clone());
    assert_eq!(changed(&|file| add(file, &other_ca)), ["another CA"]);
    assert_eq!(changed(&|file| add(file, &without_client)), [""; 0]);
    for (hosts, door) in [
        (json!(["*.bank.example"]), "ozone_connect: *.bank.example"),
        (json!(["ozone-connect.bank.example", "plain.example"]), "ozone_connect: plain.example"),
        (json!([]), "ozone_connect: not by hosts"),
        (Value::Null, "ozone_connect: not by hosts"),
    ] {
        let doors = changed(&|file| {
            add(file, &without_client);
            file["routes"][inbound]["hosts"] = hosts.clone();
        });
        assert_eq!(doors, [door]);
    }
    let plain = json!([["scheme", "==", "http"]]);
    let doors = changed(&|file| {
        file["routes"][inbound]["vars"] = plain.clone();
        file["routes"][inbound]["hosts"] = Value::Null;
    });
    assert_eq!(doors, ["ozone_connect: not by hosts"], "an inbound route is excused by nothing");
}

#[test]
fn requests_reach_the_hub_by_the_loopback_port_only_and_with_c3() {
    let file = yaml("apisix/apisix.yaml");
    let routes = by("id", &file["routes"]);
    let listeners = yaml("apisix/config.yaml")["apisix"]["node_listen"].clone();
    assert_eq!(listeners, json!([{"ip": "127.0.0.1", "port": 8081}]));
    for id in OUTBOUND {
        let route = routes[id];
        assert_eq!(route["remote_addrs"], json!(["127.0.0.1"]), "{id}");
        assert_eq!(route["vars"], json!([["server_port", "==", "8081"], ["scheme", "==", "http"]]), "{id}");
        let upstream = &route["upstream"];
        let host = route["hosts"][0].as_str().expect("a host");
        assert_eq!(upstream["nodes"], json!({format!("{host}:443"): 1}), "{id}");
        assert_eq!((&upstream["scheme"], &upstream["pass_host"]), (&json!("https"), &json!("node")), "{id}");
        assert_eq!(
            by("id", &file["ssls"])[upstream["tls"]["client_cert_id"].as_str().expect("an id")]["type"],
            "client"
        );
    }
}

#[test]
fn the_settings_are_what_the_readme_relies_on() {
    let file = yaml("apisix/config.yaml");
    let deployment = json!({"role": "data_plane", "role_data_plane": {"config_provider": "yaml"}});
    assert_eq!(file["deployment"], deployment);
    let ssl = &file["apisix"]["ssl"];
    assert_eq!(ssl["ssl_trusted_certificate"], "/etc/ssl/certs/ca-certificates.crt");
    assert_eq!(ssl["ssl_session_tickets"], false);
    let nginx = &file["nginx_config"];
    assert_eq!(nginx["error_log_level"], "info");
    assert_eq!(nginx["worker_processes"], 2);
    assert_eq!(file["plugin_attr"]["prometheus"]["enable_export_server"], false, "nothing listens on 9091");
    assert_eq!((&file["apisix"]["enable_control"], &file["apisix"]["status"]), (&json!(false), &Value::Null));
    let snippet = nginx["http_server_configuration_snippet"].as_str().expect("a snippet");
    assert!(snippet.lines().any(|line| line == "keepalive_time 1h;"), "a certificate that ended keeps no connection");
    let snippet = nginx["http_server_location_configuration_snippet"].as_str().expect("a snippet");
    for directive in [
        "proxy_ssl_verify on;",
        "proxy_ssl_verify_depth 2;",
        "proxy_ssl_session_reuse off;",
        "proxy_ssl_protocols TLSv1.2 TLSv1.3;",
    ] {
        assert!(snippet.lines().any(|line| line == directive), "{directive}");
    }
    let plugin = json!([{
        "name": "hub_auth_filter", "file": "/usr/local/apisix/wasm/hub_auth_filter.wasm", "priority": 30000,
        "http_request_phase": "access"
    }]);
    assert_eq!(file["wasm"]["plugins"], plugin);
}

#[test]
fn the_module_sees_the_variables_that_the_configurations_name() {
    let file = yaml("apisix/config.yaml");
    let visible = file["nginx_config"]["envs"].as_array().expect("names");
    let routes = text("apisix/apisix.yaml");
    for name in SECRETS {
        assert_eq!(visible.contains(&json!(name)), routes.contains(&format!(r#"{{"env": "{name}"}}"#)), "{name}");
    }
}

#[test]
fn the_container_has_every_file_where_the_settings_look_for_it() {
    let service = compose("apisix/compose.yaml");
    let volumes = volumes(&service);
    assert_eq!(service["image"], "apache/apisix:3.18.0-debian");
    assert_eq!(service["network_mode"], "host", "loopback is the host's");
    assert_eq!(service["environment"]["APISIX_STAND_ALONE"], "true");
    assert_eq!(volumes["/usr/local/apisix/conf/config.yaml"], "./config.yaml");
    assert_eq!(volumes["/usr/local/apisix/conf/apisix.yaml"], "./apisix.yaml");
    let file = yaml("apisix/config.yaml");
    let module = file["wasm"]["plugins"][0]["file"].as_str().expect("a path");
    assert_eq!(volumes[module], "../../dist/hub_auth_filter.wasm");
    assert_eq!(volumes["/usr/local/apisix/conf/tls"], "./tls");
    assert!(text("apisix/config.yaml").contains(" /usr/local/apisix/conf/tls/hub-server-ca.pem;"));
    for name in file["nginx_config"]["envs"].as_array().expect("names") {
        assert!(service["environment"][name.as_str().expect("text")].is_string(), "{name}");
    }
}
