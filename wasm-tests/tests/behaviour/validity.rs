//! A client certificate counts in its time alone, also on a connection that began when it was valid (RFC 5280 §4.1.2.5), on every
//! gateway that shows it.

use std::time::Duration;

use serde_json::{Value, json};
use wasm_tests::host::{Gateway, Module, Request};
use wasm_tests::stage::pki::Pki;

use super::scene::*;

/// The last second of the Hub's certificate: the beginning of 2049.
const LAST: Duration = Duration::from_secs(2_493_072_000);

/// Ways of learning the certificate, with what is to be configured for them.
fn settings() -> [Value; 2] {
    let from_the_connection = jwt_auth();
    let mut with_health_checks = from_the_connection.clone();
    with_health_checks["inbound"]["health_checks"] = json!({});
    [from_the_connection, with_health_checks]
}

/// A gateway whose clock says so.
fn gateway_at(host: Host, configuration: &Value, now: Duration) -> Gateway {
    host.with(configuration).start_at(now).start(Module::release()).expect("the gateway starts")
}

/// A request that is right now, over a connection of the Hub.
fn right_now(gateway: &Gateway) -> Request {
    forwarding(right(gateway), &hub().transport)
}

#[apply(every_gateway)]
fn a_certificate_that_ends_on_an_open_connection_is_refused_from_then_on(host: Host) {
    for configuration in settings() {
        // With Envoy's own word on the connection alone the filter does not see the certificate.
        let sees_it = !host.tells_issuers_by_header || configuration["inbound"].get("health_checks").is_some();
        let gateway = gateway_at(host, &configuration, LAST - seconds(5));
        for _ in 0..2 {
            assert_eq!(judge(&gateway, right_now(&gateway)), "admitted");
        }
        gateway.advance(seconds(5));
        assert_eq!(judge(&gateway, right_now(&gateway)), "admitted", "its last second");
        gateway.advance(seconds(1));
        let expected = if sees_it { "Certificate.Invalid" } else { "admitted" };
        for _ in 0..2 {
            assert_eq!(judge(&gateway, right_now(&gateway)), expected);
        }
    }
}

#[apply(every_gateway)]
fn a_certificate_that_has_not_begun_is_refused(host: Host) {
    let [_, configuration] = settings();
    let gateway = gateway_at(host, &configuration, Duration::from_secs(1_577_836_800 - 3));
    assert_eq!(judge(&gateway, right_now(&gateway)), "Certificate.Invalid");
    gateway.advance(seconds(3));
    assert_eq!(judge(&gateway, right_now(&gateway)), "admitted");
}

#[apply(every_gateway)]
fn a_certificate_that_a_proxy_forwards_is_refused_when_it_has_ended(host: Host) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["peer"]["source"] =
        json!({ "forwarded_header": { "proxy": { "organisational_units": ["proxies"] } } });
    let gateway = host.with(&configuration).start(Module::release()).expect("the gateway starts");
    let over_the_proxy = |identity| forwarding(right(&gateway), identity).peer(verified("CN=front,OU=proxies,O=Bank"));
    assert_eq!(judge(&gateway, over_the_proxy(&hub().transport)), "admitted");
    assert_eq!(judge(&gateway, over_the_proxy(&Pki::shared().expired)), "Certificate.Invalid");
}

#[apply(every_gateway)]
fn a_certificate_that_has_ended_is_no_mutual_tls_to_health_checks(host: Host) {
    let [_, configuration] = settings();
    let gateway = host.with(&configuration).start(Module::release()).expect("the gateway starts");
    for (identity, status) in [(&hub().transport, 200), (&Pki::shared().expired, 401)] {
        for path in ["/hello-mtls", "/echo-cert"] {
            let exchange = send(&gateway, forwarding(Request::get(path), identity));
            assert_eq!(exchange.reply().expect("a reply").status, status, "{path}");
        }
    }
}
