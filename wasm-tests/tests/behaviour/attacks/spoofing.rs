//! Attacks with headers that say who somebody is: `x-forwarded-client-cert`, the identity headers that only the filter may
//! set, and `Authorization` in every other form than the one that counts (RFC 6750 §2.1, RFC 9110 §5.3; spec §2.4, §3).

use serde_json::json;
use wasm_tests::host::Peer;

use super::*;

const XFCC: &str = "x-forwarded-client-cert";

/// The fingerprint that the front proxy forwards.
fn hash() -> String {
    "c4".repeat(32)
}

/// The Hub's certificate, as a proxy forwards it.
fn forwarded_hub() -> String {
    format!("Hash={};Subject=\"{}\";URI=", hash(), printed(&hub().subject))
}

/// Another participant's, likewise.
fn forwarded_attacker() -> String {
    format!("Hash={};Subject=\"{}\";URI=", hash(), printed(&attacker().subject))
}

#[apply(every_gateway)]
fn a_forwarded_certificate_is_ignored_where_the_connection_counts(host: Host) {
    let gateway = host.start();
    let by = |peer: Peer| right(&gateway).peer(peer).header(XFCC, forwarded_hub());
    let reason = "the OU of the client certificate";
    let somebody = peer_of(attacker());
    refused(&gateway, "another certificate", by(somebody), CERTIFICATE_NOT_ALLOWED, reason);
    let reason = "no verified client certificate";
    refused(&gateway, "no certificate", by(Peer::none()), CERTIFICATE_MISSING, reason);
    refused(&gateway, "no TLS", by(Peer::plaintext()), CERTIFICATE_MISSING, reason);

    let upstream = send(&gateway, right(&gateway).header(XFCC, forwarded_attacker())).upstream().expect("admitted");
    let (organisation, unit) =
        (upstream.text("x-hub-client-organisation"), upstream.text("x-hub-client-organisational-unit"));
    assert_eq!(organisation.as_deref(), Some(hub().subject.organisation.as_str()));
    assert_eq!(unit.as_deref(), Some(hub().subject.organisational_unit.as_str()));
}

/// An Envoy behind a proxy that forwards the client's certificate.
fn behind_a_proxy() -> Gateway {
    let mut configuration = jwt_auth();
    let proxy = json!({ "organisational_units": ["proxies"] });
    let header = json!({ "name": XFCC, "format": "xfcc", "proxy": proxy });
    configuration["inbound"]["peer"]["source"] = json!({ "forwarded_header": header });
    Host::ENVOY.with(&configuration).start(Module::release()).expect("the gateway starts")
}

/// The Hub's right token, from the proxy in front.
fn by_the_proxy(gateway: &Gateway) -> Request {
    right(gateway).peer(verified("CN=front,OU=proxies,O=Bank"))
}

/// A header that names somebody else, or several, or nobody beyond doubt, is refused; the Hub's alone is admitted.
fn no_forwarded_hub_is(headers: &[Vec<String>], code: Code, reason: &str) {
    let gateway = behind_a_proxy();
    for values in headers {
        let attack = values.iter().fold(by_the_proxy(&gateway), |request, value| request.header(XFCC, value));
        let honest = by_the_proxy(&gateway).header(XFCC, forwarded_hub());
        refused_unlike(&gateway, &values.join(" and "), attack, honest, code, reason);
    }
}

#[test]
fn several_forwarded_certificates_are_refused_in_any_order() {
    let (hub, other) = (forwarded_hub(), forwarded_attacker());
    // Appended by a proxy, or sent as two headers, which Envoy joins.
    let several = [
        vec![format!("{hub},{other}")],
        vec![format!("{other},{hub}")],
        vec![format!("{hub}, {other}")],
        vec![format!("{hub},{hub}")],
        vec![hub.clone(), other.clone()],
        vec![other, hub.clone()],
        vec![hub.clone(), hub.clone()],
        vec![format!("{hub},")],
        vec![format!(",{hub}")],
    ];
    let gateway = behind_a_proxy();
    for values in &several {
        let attack = values.iter().fold(by_the_proxy(&gateway), |request, value| request.header(XFCC, value));
        let honest = by_the_proxy(&gateway).header(XFCC, &hub);
        let reason = "the forwarded certificate header has";
        refused_unlike(&gateway, &values.join(" and "), attack, honest, CERTIFICATE_MALFORMED, reason);
    }
}

#[test]
fn a_subject_behind_text_of_the_peers_choice_is_refused() {
    let subject = printed(&hub().subject);
    let forged = [
        vec![format!("Hash={};URI=spiffe://evil;Subject=\"{subject}\"", hash())],
        vec![format!("Hash={};DNS=evil.example;Subject=\"{subject}\"", hash())],
        vec![format!("{}spiffe://evil;Subject=\"{subject}\"", forwarded_attacker())],
        vec![format!("URI=spiffe://evil;subject=\"{subject}\"")],
        vec![format!("Email=evil;SUBJECT=\"{subject}\"")],
    ];
    no_forwarded_hub_is(&forged, CERTIFICATE_MALFORMED, "a key after text that the peer chose");
}

#[test]
fn a_forwarded_subject_that_stands_twice_is_refused() {
    let (subject, other) = (printed(&hub().subject), printed(&attacker().subject));
    let twice = [
        vec![format!("Subject=\"{subject}\";Subject=\"{other}\"")],
        vec![format!("Subject=\"{other}\";Subject=\"{subject}\"")],
        vec![format!("Subject=\"{subject}\";subject=\"{subject}\"")],
        vec![format!("Hash={0};Subject=\"{subject}\";Hash={0}", hash())],
    ];
    no_forwarded_hub_is(&twice, CERTIFICATE_MALFORMED, "repeats a key");
}

#[test]
fn a_quote_in_a_forwarded_subject_does_not_end_it() {
    let (subject, other) = (printed(&hub().subject), printed(&attacker().subject));
    let invalid_pairs = [
        vec![format!("Subject={subject}")],
        vec![format!("Subject=\"{subject}")],
        vec![format!("Subject=\"{subject}\"x")],
        vec![format!("Subject=\"CN=x\\\";Subject=\"{subject}\"")],
        vec![format!("Subject=\"CN=x;Subject=\"{subject}\"")],
        vec![format!("Hash={};;Subject=\"{subject}\"", hash())],
    ];
    no_forwarded_hub_is(&invalid_pairs, CERTIFICATE_MALFORMED, "the forwarded certificate header has");
    let escaped = [vec![format!("Subject=\"{},L=\\\"\\;Subject=\\\"{subject}\"", other)]];
    no_forwarded_hub_is(&escaped, CERTIFICATE_MALFORMED, "does not have exactly one O");
    let named = [vec![format!("Subject=\"{other}\"")]];
    no_forwarded_hub_is(&named, CERTIFICATE_NOT_ALLOWED, "the OU of the client certificate");
}

#[test]
fn a_forwarded_certificate_from_whoever_did_not_prove_to_be_the_proxy_is_refused() {
    let gateway = behind_a_proxy();
    let honest = || by_the_proxy(&gateway).header(XFCC, forwarded_hub());
    for (case, peer) in [("no certificate", Peer::none()), ("no TLS", Peer::plaintext())] {
        let reason = "no verified client certificate";
        refused_unlike(&gateway, case, honest().peer(peer), honest(), CERTIFICATE_MISSING, reason);
    }
    // The connection's own certificate is the proxy's: the Hub's there means nothing.
    let reason = "the OU of the proxy that forwards it is not allowed";
    refused_unlike(&gateway, "no header", right(&gateway), honest(), CERTIFICATE_MISSING, reason);
    for (case, header) in [("the Hub itself", forwarded_hub()), ("the Hub for another", forwarded_attacker())] {
        refused_unlike(&gateway, case, right(&gateway).header(XFCC, header), honest(), CERTIFICATE_MISSING, reason);
    }
    // Any other certificate of the CA that the proxy has its own from.
    for subject in [
        "CN=front,OU=batch,O=Bank",
        "CN=proxies,O=proxies",
        "CN=front,OU=batch,OU=proxies,O=Bank",
        r"OU=proxies\ ,O=Bank",
    ] {
        let other = honest().peer(verified(subject));
        refused_unlike(&gateway, subject, other, honest(), CERTIFICATE_MISSING, reason);
    }
    let other = by_the_proxy(&gateway).header(XFCC, forwarded_attacker());
    let reason = "the OU of the client certificate";
    refused_unlike(&gateway, "another's header", other, honest(), CERTIFICATE_NOT_ALLOWED, reason);
    let named_otherwise = by_the_proxy(&gateway).header("x_forwarded_client_cert", forwarded_hub());
    let reason = "no verified client certificate";
    refused_unlike(&gateway, "another name", named_otherwise, honest(), CERTIFICATE_MISSING, reason);
}

const IDENTITY_HEADERS: [&str; 4] =
    ["x-hub-auth-method", "x-hub-client-organisation", "x-hub-client-organisational-unit", "x-hub-token-id"];

/// A request with an identity header written like this is refused, with any value; with a harmless header it is not.
fn no_identity_header_is_written(host: Host, spell: impl Fn(&str) -> String) {
    let gateway = host.start();
    for name in IDENTITY_HEADERS {
        let spelt = spell(name);
        for value in ["jwt_auth", "Another Bank PJSC", ""] {
            let attack = right(&gateway).header(&spelt, value);
            let honest = right(&gateway).header(spelt.to_lowercase().replacen("hub", "hubs", 1), value);
            refused_unlike(&gateway, &spelt, attack, honest, HEADER_NOT_ALLOWED, "only the gateway may set");
        }
    }
}

#[apply(every_gateway)]
fn an_identity_header_of_the_client_is_refused(host: Host) {
    no_identity_header_is_written(host, str::to_owned);
}

#[apply(every_gateway)]
fn an_identity_header_in_upper_case_is_refused(host: Host) {
    no_identity_header_is_written(host, str::to_uppercase);
    no_identity_header_is_written(host, |name| name.replace("-h", "-H").replace("-c", "-C").replacen('x', "X", 1));
}

#[apply(every_gateway)]
fn an_identity_header_with_underscores_is_refused(host: Host) {
    no_identity_header_is_written(host, |name| name.replace('-', "_"));
    no_identity_header_is_written(host, |name| name.replacen('-', "_", 1));
    no_identity_header_is_written(host, |name| name.replace('-', "_").to_uppercase());
    no_identity_header_is_written(host, |name| name.replace("-hub-", "_Hub_"));
}

#[apply(every_gateway)]
fn an_identity_header_with_dots_or_other_separators_is_refused(host: Host) {
    for separator in [".", "~", "!", "+", "|", "'", "^"] {
        no_identity_header_is_written(host, |name| name.replace('-', separator));
        no_identity_header_is_written(host, |name| name.replacen("hub-", &format!("hub{separator}"), 1));
    }
}

#[apply(every_gateway)]
fn an_identity_header_beside_many_others_is_refused(host: Host) {
    let gateway = host.start();
    let crowd = |name: &str| {
        let fillers = 1000.min(host.most_headers - 4);
        let many = (0..fillers).fold(right(&gateway), |request, n| request.header(format!("x-filler-{n}"), "1"));
        many.header(name, "Another Bank PJSC").header("x-filler", "1")
    };
    let reason = "only the gateway may set";
    let (attack, honest) = (crowd("X_Hub_Client_Organisation"), crowd("x-organisation"));
    refused_unlike(&gateway, "the last but one", attack, honest, HEADER_NOT_ALLOWED, reason);
}

/// A request of the Hub with this for the whole `Authorization`.
fn authorized(value: impl AsRef<[u8]>) -> Request {
    request().header("authorization", value)
}

/// Refused with each of these values in the place of `Bearer` and a right token.
fn no_credential_is(host: Host, value: impl Fn(&str) -> Vec<Vec<u8>>, reason: &str) {
    let gateway = host.start();
    let token = token(&gateway).sign(sig3());
    for value in value(&token) {
        let case = String::from_utf8_lossy(&value).replace(&token, "TOKEN");
        refused_unlike(&gateway, &case, authorized(value), with(&token), CREDENTIAL_MALFORMED, reason);
    }
}

fn values(texts: impl IntoIterator<Item = String>) -> Vec<Vec<u8>> {
    texts.into_iter().map(String::into_bytes).collect()
}

#[apply(every_gateway)]
fn credentials_joined_by_a_comma_are_refused(host: Host) {
    let joined = |token: &str| {
        values([
            format!("Bearer {token},Bearer {token}"),
            format!("Bearer {token}, Bearer {token}"),
            format!("Bearer {token},"),
            format!("Bearer ,{token}"),
            format!(",Bearer {token}"),
            format!("Basic dTpw, Bearer {token}"),
            format!("Bearer {token}, Basic dTpw"),
            format!("Bearer {token},x"),
            ",".into(),
        ])
    };
    no_credential_is(host, joined, "more than one value");
}

#[apply(every_gateway)]
fn two_authorization_headers_are_refused_whatever_they_hold(host: Host) {
    let gateway = host.start();
    let token = token(&gateway).sign(sig3());
    // An empty one is no second value: Envoy joins it to the other without a comma.
    for other in [format!("Bearer {token}"), "Bearer x".into(), "Basic dTpw".into()] {
        for name in ["authorization", "Authorization", "AUTHORIZATION"] {
            let second = with(&token).header(name, &other);
            let first = request().header(name, &other).header("authorization", format!("Bearer {token}"));
            for attack in [first, second] {
                assert_eq!(judge(&gateway, attack), host.two_credentials(), "{other}");
                admitted(&gateway, &other, with(&token));
            }
        }
    }
}

#[apply(every_gateway)]
fn a_tab_or_another_separator_after_bearer_is_refused(host: Host) {
    let separated = |token: &str| {
        let others = ["\t", "", "=", ":", "%20", "+", "\u{a0}", "\u{2003}", "\0", "\n", "\r\n ", "\u{b}"];
        values(others.map(|separator| format!("Bearer{separator}{token}")))
    };
    no_credential_is(host, separated, "does not start with Bearer and a space");
}

#[apply(every_gateway)]
fn another_scheme_is_refused_with_a_right_token(host: Host) {
    let schemes = |token: &str| {
        let schemes = [
            "Basic",
            "DPoP",
            "Token",
            "JWT",
            "Bearers",
            "xBearer",
            "\"Bearer\"",
            "B\u{435}arer",
            " Bearer",
            "\tBearer",
        ];
        let mut wrong = values(schemes.map(|scheme| format!("{scheme} {token}")));
        wrong.extend(values([token.to_owned(), String::new(), " ".into()]));
        wrong
    };
    no_credential_is(host, schemes, "does not start with Bearer and a space");
}

#[apply(every_gateway)]
fn bearer_is_accepted_in_any_case_and_with_more_than_one_space(host: Host) {
    let gateway = host.start();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "] {
        let token = token(&gateway).sign(sig3());
        admitted(&gateway, scheme, authorized(format!("{scheme} {token}")));
    }
}

#[apply(every_gateway)]
fn anything_but_one_token_after_bearer_is_refused(host: Host) {
    let several = |token: &str| {
        let mut wrong = values(["Bearer".into(), "Bearer ".into(), "Bearer  ".into(), "Bearer \t".into()]);
        for behind in [" ", "\t", " x", "\tx", "\0", "\n", "\r\nx-evil: 1", "\u{a0}", "\u{7f}", "\u{628}"] {
            wrong.push(format!("Bearer {token}{behind}").into_bytes());
        }
        wrong.push(format!("Bearer Bearer {token}").into_bytes());
        wrong.push(format!("Bearer \t{token}").into_bytes());
        wrong.push([b"Bearer ".as_slice(), token.as_bytes(), b"\xff\xfe"].concat());
        wrong
    };
    no_credential_is(host, several, "exactly one token after Bearer");
}

#[apply(every_gateway)]
fn a_token_wrapped_in_something_is_refused(host: Host) {
    let gateway = host.start();
    let token = token(&gateway).sign(sig3());
    for wrapped in [
        format!("\"{token}\""),
        format!("'{token}'"),
        format!("<{token}>"),
        format!("token={token}"),
        format!("{token};"),
    ] {
        refused_unlike(&gateway, &wrapped, with(&wrapped), with(&token), MALFORMED, "is not base64url");
    }
}

#[apply(every_gateway)]
fn a_token_in_another_place_than_authorization_is_no_credential(host: Host) {
    let gateway = host.start();
    let token = token(&gateway).sign(sig3());
    let bearer = format!("Bearer {token}");
    for name in
        ["proxy-authorization", "x-authorization", "authorization_", "authorisation", "cookie", "x-access-token"]
    {
        let elsewhere = request().header(name, &bearer);
        let reason = "The header Authorization is missing";
        refused_unlike(&gateway, name, elsewhere, with(&token), CREDENTIAL_MISSING, reason);
    }
    let path = format!("/accounts?access_token={token}");
    let in_query = Request::get(path).peer(peer_of(hub()));
    let reason = "The header Authorization is missing";
    refused_unlike(&gateway, "in the query", in_query, with(&token), CREDENTIAL_MISSING, reason);
}
