//! The client certificate in a header of a proxy in front, where that is configured: who is believed, on which gateway, and in
//! which format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wasm_tests::host::{Gateway, Module, Peer, Request};
use wasm_tests::stage::pki::{Identity, Pki};

use super::scene::*;

fn gateway(host: Host, source: &Value) -> Gateway {
    let mut configuration = jwt_auth();
    configuration["inbound"]["peer"]["source"] = source.clone();
    configuration["inbound"]["auth"] = json!({ "mtls_only": {} });
    host.with(&configuration).start(Module::release()).unwrap()
}

fn xfcc() -> Value {
    json!({ "forwarded_header": {
        "name": "x-forwarded-client-cert", "format": "xfcc", "proxy": { "organisational_units": ["proxies"] },
    } })
}

/// The front proxy, with its own certificate.
fn proxy() -> Peer {
    presenting("CN=front,OU=proxies,O=Bank", &Pki::shared().proxy)
}

/// A request over the front proxy's own mutual TLS, with the Hub's certificate in the header.
fn forwarded() -> Request {
    let subject = printed(&hub().subject);
    Request::get("/accounts")
        .peer(proxy())
        .header("x-forwarded-client-cert", format!("Hash={};Subject=\"{subject}\"", "ab".repeat(32)))
}

#[apply(every_gateway)]
fn the_header_names_the_caller_where_it_is_configured(host: Host) {
    let upstream = send(&gateway(host, &xfcc()), forwarded()).upstream().expect("admitted");
    assert_eq!(upstream.text("x-hub-client-organisation").as_deref(), Some(hub().subject.organisation.as_str()));
}

#[apply(every_gateway)]
fn the_header_means_nothing_where_it_is_not_configured(host: Host) {
    assert_eq!(judge(&gateway(host, &json!("connection")), forwarded()), "Certificate.NotAllowed");
}

#[apply(every_gateway)]
fn without_mutual_tls_on_the_connection_the_header_is_anybodys(host: Host) {
    assert_eq!(judge(&gateway(host, &xfcc()), forwarded().peer(Peer::none())), "Certificate.Missing");
    assert_eq!(judge(&gateway(host, &xfcc()), forwarded().peer(Peer::plaintext())), "Certificate.Missing");
    let trusting = json!({ "forwarded_header": { "trust_plaintext_hop": true } });
    assert_eq!(judge(&gateway(host, &trusting), forwarded().peer(Peer::plaintext())), "admitted", "said aloud");
}

#[apply(every_gateway)]
fn whoever_is_not_the_pinned_proxy_is_not_believed(host: Host) {
    let source = |proxy: Value| json!({ "forwarded_header": { "proxy": proxy } });
    let pki = Pki::shared();
    let batch = || presenting("CN=reports,OU=batch,O=Bank", &pki.batch);
    let (by_unit, by_fingerprint) =
        (json!({ "organisational_units": ["proxies"] }), json!({ "fingerprints": [fingerprint(&pki.proxy)] }));
    for pins in [by_unit, by_fingerprint] {
        let gateway = gateway(host, &source(pins));
        for (what, peer) in [("another program", batch()), ("the Hub itself", peer_of(hub()))] {
            let exchange = send(&gateway, forwarded().peer(peer));
            let reply = exchange.reply().unwrap_or_else(|| panic!("{what} is admitted"));
            assert_eq!(
                (reply.status, error(&reply)["errorCode"].as_str()),
                (401, Some("Certificate.Missing")),
                "{what}"
            );
        }
        assert_eq!(judge(&gateway, forwarded()), "admitted");
    }
    let anybody = gateway(host, &source(json!({ "allow_unpinned": true })));
    assert_eq!(judge(&anybody, forwarded().peer(batch())), "admitted", "said aloud");
}

/// What a proxy sends with a certificate that it verified.
type Sends = fn(&Identity) -> Vec<(&'static str, String)>;

/// A proxy of each kind: how it is configured, and what it sends.
fn proxies() -> [(&'static str, Value, Sends); 5] {
    fn escaped(identity: &Identity, plain: &[u8]) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || plain.contains(&byte);
        let octet = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        leaf_pem(identity).bytes().map(octet).collect()
    }
    fn sequence(identity: &Identity) -> String {
        format!(":{}:", STANDARD.encode(&identity.chain[0]))
    }
    let pem = |name: &str, verified: Value| json!({ "format": "url_encoded_pem", "name": name, "verified": verified });
    let verify = json!([{ "header": "x-client-verify", "value": "SUCCESS" }]);
    let google = json!([
        { "header": "x-client-cert-present", "value": "true" },
        { "header": "x-client-cert-chain-verified", "value": "true" },
    ]);
    [
        ("RFC 9440", json!({ "format": "rfc9440", "verified": "always" }), |identity| {
            vec![("Client-Cert", sequence(identity)), ("Client-Cert-Chain", "not read".into())]
        }),
        ("nginx", pem("x-client-cert", verify.clone()), |identity| {
            vec![("X-Client-Cert", escaped(identity, b"-._~")), ("X-Client-Verify", "SUCCESS".into())]
        }),
        ("AWS", pem("x-amzn-mtls-clientcert-leaf", json!("always")), |identity| {
            vec![("X-Amzn-Mtls-Clientcert-Leaf", escaped(identity, b"-._~+=/"))]
        }),
        ("Azure", pem("x-client-cert", verify), |identity| {
            vec![("x-client-cert", escaped(identity, b"-._~")), ("x-client-verify", "SUCCESS".into())]
        }),
        ("Google", json!({ "format": "rfc9440", "name": "x-client-cert-leaf", "verified": google }), |identity| {
            vec![
                ("X-Client-Cert-Present", "true".into()),
                ("X-Client-Cert-Chain-Verified", "true".into()),
                ("X-Client-Cert-Leaf", sequence(identity)),
            ]
        }),
    ]
}

#[apply(every_gateway)]
fn the_certificate_of_each_kind_of_proxy_is_read(host: Host) {
    let (hub, arabic) = (hub(), &Pki::shared().arabic_hub);
    for (what, mut header, write) in proxies() {
        header["proxy"] = json!({ "organisational_units": ["proxies"] });
        let gateway = gateway(host, &json!({ "forwarded_header": header }));
        let with = |headers: Vec<(&str, String)>| {
            headers
                .into_iter()
                .fold(Request::get("/accounts").peer(proxy()), |request, (name, value)| request.header(name, value))
        };
        let upstream = send(&gateway, with(write(&hub.transport))).upstream().unwrap_or_else(|| panic!("{what}"));
        let organisation = upstream.text("x-hub-client-organisation");
        assert_eq!(organisation.as_deref(), Some(hub.subject.organisation.as_str()), "{what}");
        assert_eq!(judge(&gateway, with(write(&arabic.transport))), "Certificate.NotAllowed", "{what}");

        // Each header but for the chain: gone, empty, there twice, and with something else in it.
        let right = write(&hub.transport);
        for at in (0..right.len()).filter(|at| right[*at].0 != "Client-Cert-Chain") {
            let without =
                || right.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, header)| header.clone());
            let (name, value) = right[at].clone();
            let is_certificate = value.len() > 100;
            let cases = [
                ("gone", vec![], "Certificate.Missing"),
                ("empty", vec![String::new()], "Certificate.Missing"),
                ("twice", vec![value.clone(), value.clone()], "Certificate.Malformed"),
                (
                    "odd",
                    vec![format!("{value}x")],
                    if is_certificate { "Certificate.Malformed" } else { "Certificate.Missing" },
                ),
                (
                    "long",
                    vec!["A".repeat(7000)],
                    if is_certificate { "Certificate.Malformed" } else { "Certificate.Missing" },
                ),
            ];
            for (case, values, code) in cases {
                let headers = without().chain(values.into_iter().map(|value| (name, value))).collect();
                assert_eq!(judge(&gateway, with(headers)), code, "{what}: {name} {case}");
            }
        }
        // And everything together, from whoever is not the proxy.
        let stranger = with(write(&hub.transport)).peer(verified("CN=front,OU=batch,O=Bank"));
        assert_eq!(judge(&gateway, stranger), "Certificate.Missing", "{what}");
    }
}

#[apply(every_gateway)]
fn a_header_of_several_certificates_is_ambiguous(host: Host) {
    let twice = forwarded().header("x-forwarded-client-cert", "Subject=\"CN=a,OU=b,O=c\"");
    assert_eq!(judge(&gateway(host, &xfcc()), twice), "Certificate.Malformed");
}

#[apply(every_gateway)]
fn a_missing_header_is_a_missing_certificate(host: Host) {
    let without = Request::get("/accounts").peer(proxy());
    assert_eq!(judge(&gateway(host, &xfcc()), without), "Certificate.Missing");
}
