//! Attacks with the subject of a certificate (RFC 4514 §2.3, §2.4; spec §2.1, §2.4, §6). Any participant of the Trust
//! Framework has a certificate, and with luck a subject of its choice: it must not pass for the Hub, whose stolen token it
//! may hold, nor have keys fetched from anywhere but its own place in the keystore.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use wasm_tests::stage::subject::Subject;
use wasm_tests::stage::tokens::jwks;

use super::*;

/// The parts of the Hub's subject, as a gateway prints them.
struct Printed {
    cn: &'static str,
    ou: &'static str,
    o: &'static str,
}

const HUB: Printed = Printed {
    cn: "1f2a7bd1-6c0f-4b52-9a34-5a2f4b1d7c11",
    ou: "233bcd1d-4216-4b3c-a362-9e4a9282bba7",
    o: r"Ozone Financial Technology\, Limited",
};

/// A request with the Hub's own right token over a connection with this certificate.
fn stolen(gateway: &Gateway, subject: &str) -> Request {
    right(gateway).peer(verified(subject))
}

/// The Hub's own token is refused under this subject, and admitted under this other one.
fn no_hub_is(host: Host, subjects: &[String], honest: &str, code: Code, reason: &str) {
    let gateway = host.start();
    for subject in subjects {
        let honest = stolen(&gateway, honest);
        refused_unlike(&gateway, subject, stolen(&gateway, subject), honest, code, reason);
    }
}

fn the_hub() -> String {
    let subject = format!("CN={},OU={},O={},C=AE", HUB.cn, HUB.ou, HUB.o);
    assert_eq!(subject, printed(&hub().subject));
    subject
}

/// A value as `#` and the hexadecimal of its BER (RFC 4514 §2.4), with this tag.
fn hex(tag: u8, value: &[u8]) -> String {
    let mut text = format!("#{tag:02X}{:02X}", value.len());
    assert!(value.len() < 128, "a short length");
    value.iter().for_each(|byte| write!(text, "{byte:02X}").expect("writing to a string"));
    text
}

const UTF8_STRING: u8 = 0x0c;

#[apply(every_gateway)]
fn an_attribute_type_inside_a_value_is_text(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let subjects = [
        format!("CN={cn},OU=CN=victim,O={o},C=AE"),
        format!("CN={cn},OU=OU={ou},O={o},C=AE"),
        format!(r"CN={cn},OU=OU\={ou},O={o},C=AE"),
        format!("CN={cn},OU=evil OU={ou},O={o},C=AE"),
        format!("CN=OU={ou},OU=evil,O={o},C=AE"),
    ];
    no_hub_is(host, &subjects, &the_hub(), CERTIFICATE_NOT_ALLOWED, "the OU of the client certificate");
}

#[apply(every_gateway)]
fn an_escaped_comma_begins_no_attribute(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let mut subjects = Vec::new();
    for comma in [r"\,", r"\2C", r"\2c"] {
        subjects.extend([
            format!(r"CN={cn},OU=evil{comma}OU={ou},O={o},C=AE"),
            format!(r"CN={cn},OU={ou}{comma}O=evil,O={o},C=AE"),
            format!(r"CN={cn}{comma}OU={ou},OU=evil,O={o},C=AE"),
            format!(r"CN={cn},OU=evil,O=x{comma}OU={ou}{comma}O={o},C=AE"),
        ]);
    }
    no_hub_is(host, &subjects, &the_hub(), CERTIFICATE_NOT_ALLOWED, "the OU of the client certificate");
}

#[apply(every_gateway)]
fn an_escaped_backslash_does_not_escape_the_comma_behind_it(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let subjects =
        [format!(r"CN={cn},OU=evil\\,OU={ou},O={o},C=AE"), format!(r"CN={cn},OU=evil\5C,OU={ou},O={o},C=AE")];
    no_hub_is(host, &subjects, &the_hub(), CERTIFICATE_MALFORMED, "does not have exactly one OU");
    let subjects = [format!(r"CN={cn},OU=evil\\\,OU={ou},O={o},C=AE")];
    no_hub_is(host, &subjects, &the_hub(), CERTIFICATE_NOT_ALLOWED, "the OU of the client certificate");
}

#[apply(every_gateway)]
fn an_escape_or_a_quote_that_is_none_is_refused(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let bad_escape = [
        format!(r"CN={cn},OU={ou},O={o},C=A\"),
        format!(r"CN={cn}\,OU={ou},O={o},C=AE").replace(r"\,O", r"\xO"),
        format!(r"CN={cn}\G0,OU={ou},O={o},C=AE"),
        format!(r"CN={cn}\2,OU={ou},O={o},C=AE"),
    ];
    no_hub_is(host, &bad_escape, &the_hub(), CERTIFICATE_MALFORMED, "invalid escape");
    let bare = [
        format!(r#"CN="{cn},OU=evil",OU={ou},O={o},C=AE"#),
        format!("CN={cn};OU=evil,OU={ou},O={o},C=AE"),
        format!("CN=<{cn}>,OU={ou},O={o},C=AE"),
    ];
    no_hub_is(host, &bare, &the_hub(), CERTIFICATE_MALFORMED, "special character without an escape");
}

#[apply(every_gateway)]
fn a_subject_with_two_ous_is_refused(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let subjects = [
        format!("CN={cn},OU={ou},OU=evil,O={o},C=AE"),
        format!("CN={cn},OU=evil,OU={ou},O={o},C=AE"),
        format!("OU=evil,CN={cn},O={o},OU={ou},C=AE"),
        format!("CN={cn},OU={ou},OU={ou},O={o},C=AE"),
        format!("CN={cn},ou={ou},Ou=evil,O={o},C=AE"),
        format!("CN={cn}, OU = {ou} , OU = evil, O={o},C=AE"),
        format!("CN={cn},OU={ou},organizationalUnitName=evil,O={o},C=AE"),
    ];
    no_hub_is(host, &subjects, &the_hub(), CERTIFICATE_MALFORMED, "does not have exactly one OU");
}

#[apply(every_gateway)]
fn a_subject_with_two_os_is_refused(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let subjects = [
        format!("CN={cn},OU={ou},O={o},O=Evil,C=AE"),
        format!("CN={cn},OU={ou},O=Evil,O={o},C=AE"),
        format!("O=Evil,CN={cn},OU={ou},O={o},C=AE"),
        format!("CN={cn},OU={ou},O={o},organizationName=Evil,C=AE"),
    ];
    no_hub_is(host, &subjects, &the_hub(), CERTIFICATE_MALFORMED, "does not have exactly one O");
}

#[apply(every_gateway)]
fn a_subject_with_two_cns_is_refused(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let subjects = [
        format!("CN={cn},CN=evil,OU={ou},O={o},C=AE"),
        format!("CN=evil,OU={ou},O={o},C=AE,CN={cn}"),
        format!("CN={cn}+commonName=evil,OU={ou},O={o},C=AE"),
    ];
    no_hub_is(host, &subjects, &the_hub(), CERTIFICATE_MALFORMED, "more than one CN");
}

#[apply(every_gateway)]
fn an_attribute_in_a_multi_valued_rdn_counts_as_any_other(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let two_ous = [
        format!("CN={cn}+OU={ou},OU=evil,O={o},C=AE"),
        format!("CN={cn},OU=evil+OU={ou},O={o},C=AE"),
        format!("CN={cn},OU={ou}+OU=evil,O={o},C=AE"),
        format!("CN={cn},OU=evil,O={o}+OU={ou},C=AE"),
        format!("CN={cn},OU={ou},O={o},C=AE+OU=evil"),
    ];
    let one_of_each = format!("CN={cn}+OU={ou}+O={o},C=AE");
    no_hub_is(host, &two_ous, &one_of_each, CERTIFICATE_MALFORMED, "does not have exactly one OU");
    let escaped = [format!(r"CN={cn},OU=evil\+OU={ou},O={o},C=AE"), format!(r"CN={cn},OU=evil\2BOU={ou},O={o},C=AE")];
    no_hub_is(host, &escaped, &one_of_each, CERTIFICATE_NOT_ALLOWED, "the OU of the client certificate");
}

#[apply(every_gateway)]
fn a_nul_in_a_subject_does_not_end_it(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let escaped = [
        format!(r"CN={cn},OU={ou}\00evil,O={o},C=AE"),
        format!(r"CN={cn},OU={ou}\00,O={o},C=AE"),
        format!(r"CN={cn}\00evil,OU={ou},O={o},C=AE"),
        format!(r"CN={cn},OU={ou},O={o}\00,C=AE"),
        format!("CN={cn},OU={},O={o},C=AE", hex(UTF8_STRING, format!("{ou}\0x").as_bytes())),
    ];
    no_hub_is(host, &escaped, &the_hub(), CERTIFICATE_MALFORMED, "control character");
    let raw = [format!("CN={cn},OU={ou}\0evil,O={o},C=AE"), format!("CN={cn},OU={ou},O={o}\0,OU=evil,C=AE")];
    no_hub_is(host, &raw, &the_hub(), CERTIFICATE_MALFORMED, "special character without an escape");
}

#[apply(every_gateway)]
fn a_hexadecimal_value_is_read_as_what_it_stands_for(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let honest = format!("CN={cn},OU={},O={o},C=AE", hex(UTF8_STRING, ou.as_bytes()));
    let evil = hex(UTF8_STRING, b"evil");
    let two_ous = [
        format!("CN={cn},OU={ou},OU={evil},O={o},C=AE"),
        format!("CN={cn},OU={evil},OU={},O={o},C=AE", hex(UTF8_STRING, ou.as_bytes())),
        format!("CN={cn},OU=evil,2.5.4.11={},O={o},C=AE", hex(UTF8_STRING, ou.as_bytes())),
    ];
    no_hub_is(host, &two_ous, &honest, CERTIFICATE_MALFORMED, "does not have exactly one OU");
    let separators_inside = hex(UTF8_STRING, format!("evil,OU={ou}").as_bytes());
    let another = [format!("CN={cn},OU={separators_inside},O={o},C=AE"), format!("CN={cn},OU={evil},O={o},C=AE")];
    no_hub_is(host, &another, &honest, CERTIFICATE_NOT_ALLOWED, "the OU of the client certificate");
    let no_text = [
        format!("CN={cn},OU={},O={o},C=AE", hex(0x04, ou.as_bytes())),
        format!("CN={cn},OU={}00,O={o},C=AE", hex(UTF8_STRING, ou.as_bytes())),
        format!("CN={cn},OU={},O={o},C=AE", hex(UTF8_STRING, b"\xff\xfe")),
    ];
    no_hub_is(host, &no_text, &honest, CERTIFICATE_MALFORMED, "is not text");
    let no_hex = [format!("CN={cn},OU={}{ou},O={o},C=AE", hex(UTF8_STRING, ou.as_bytes())), "CN=#,OU=a,O=b".into()];
    no_hub_is(host, &no_hex, &honest, CERTIFICATE_MALFORMED, "invalid hexadecimal value");
}

#[apply(every_gateway)]
fn a_dotted_oid_hides_no_second_attribute(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let honest = format!("2.5.4.3={cn},2.5.4.11={ou},OID.2.5.4.10={o},C=AE");
    let two_ous = [
        format!("CN={cn},2.5.4.11={ou},OU=evil,O={o},C=AE"),
        format!("CN={cn},OU={ou},2.5.4.11=evil,O={o},C=AE"),
        format!("CN={cn},OID.2.5.4.11={ou},OU=evil,O={o},C=AE"),
        format!("CN={cn},oid.2.5.4.11={ou},2.5.4.11=evil,O={o},C=AE"),
    ];
    no_hub_is(host, &two_ous, &honest, CERTIFICATE_MALFORMED, "does not have exactly one OU");
    let two_os = [format!("CN={cn},OU={ou},2.5.4.10={o},O=Evil,C=AE")];
    no_hub_is(host, &two_os, &honest, CERTIFICATE_MALFORMED, "does not have exactly one O");
    let no_oid = [
        format!("CN={cn},OU={ou},2.5.4.011=evil,O={o},C=AE"),
        format!("CN={cn},OU={ou},2.5..4.11=evil,O={o},C=AE"),
        format!("CN={cn},OU={ou},2.5.4.11.=evil,O={o},C=AE"),
        format!("CN={cn},OU={ou},=evil,O={o},C=AE"),
        format!("CN={cn},OU={ou},evil,O={o},C=AE"),
    ];
    no_hub_is(host, &no_oid, &honest, CERTIFICATE_MALFORMED, "invalid attribute type");
    let another =
        [format!("CN={cn},2.5.4.110={ou},OU=evil,O={o},C=AE"), format!("CN={cn},2.5.4.1={ou},OU=evil,O={o},C=AE")];
    no_hub_is(host, &another, &honest, CERTIFICATE_NOT_ALLOWED, "the OU of the client certificate");
}

#[apply(every_gateway)]
fn a_subject_beside_the_hubs_is_another(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let other_ou = [
        format!("CN={cn},OU={},O={o},C=AE", ou.to_uppercase()),
        format!(r"CN={cn},OU={ou}\ ,O={o},C=AE"),
        format!(r"CN={cn},OU=\ {ou},O={o},C=AE"),
        format!(r"CN={cn},OU={ou}\E2\80\8B,O={o},C=AE"),
    ];
    no_hub_is(host, &other_ou, &the_hub(), CERTIFICATE_NOT_ALLOWED, "the OU of the client certificate");
    let other_o = [format!("CN={cn},OU={ou},O=Evil,C=AE"), format!(r"CN={cn},OU={ou},O={o}\ ,C=AE")];
    no_hub_is(host, &other_o, &the_hub(), INVALID_CLAIM, "claim iss is not the O");
}

#[apply(every_gateway)]
fn a_subject_of_any_length_is_bounded(host: Host) {
    let Printed { cn, ou, o } = HUB;
    let long = [format!("CN={},OU={ou},O={o},C=AE", "x".repeat(257))];
    no_hub_is(host, &long, &the_hub(), CERTIFICATE_MALFORMED, "too long");
    let endless = [format!("CN={cn},OU={ou},O={o},C={}", "x".repeat(5000)), "x".repeat(1 << 20)];
    no_hub_is(host, &endless, &the_hub(), CERTIFICATE_MALFORMED, "too long");
    let many = [format!("{}CN={cn},OU={ou},O={o}", "L=x,".repeat(70))];
    no_hub_is(host, &many, &the_hub(), CERTIFICATE_MALFORMED, "too many attributes");
}

/// A gateway for every participant of the Trust Framework. The keystore has the Hub's keys at the Hub's place, the
/// attacker's at this path, and nothing else.
fn for_everybody(host: Host, path: &str) -> Gateway {
    let mut configuration = jwt_auth();
    configuration["inbound"]["peer"] = json!({ "allow_unpinned": true });
    let keystore = keystore([&hub().signing]).route(path, Answer::ok(jwks([&attacker().signing]).to_string()));
    host.with(&configuration).upstream(KEYSTORE, keystore).start(Module::release()).expect("the gateway starts")
}

/// A request of somebody with this OU and CN, who signs with the attacker's key.
fn from(gateway: &Gateway, ou: &str, cn: &str) -> Request {
    let subject = Subject::new("Evil LLC", ou, cn);
    let token = Token::new(&subject, &attacker().signing.kid, PROVIDER, gateway.now().as_secs());
    with(&token.sign(Signer::Ps256(&attacker().signing))).peer(verified(printed(&subject)))
}

/// Whoever has this OU and CN is who its certificate says, with the keys at exactly this path and nowhere else.
fn keys_are_only_at(host: Host, ou: &str, cn: &str, path: &str) {
    let gateway = for_everybody(host, path);
    let upstream =
        send(&gateway, from(&gateway, ou, cn)).upstream().unwrap_or_else(|| panic!("{cn:?}: not found at {path}"));
    assert_eq!(upstream.text("x-hub-client-organisation").as_deref(), Some("Evil LLC"), "{cn:?}");
    only_asked_for(&gateway, path);
    admitted(&gateway, cn, right(&gateway));
}

/// Whoever has this OU and CN has no keys, and nobody is asked for any.
fn keys_are_nowhere(host: Host, ou: &str, cn: &str, reason: &str) {
    let gateway = for_everybody(host, "/x/y/application.jwks");
    stopped(&send(&gateway, from(&gateway, ou, cn)), cn, CERTIFICATE_MALFORMED, reason);
    assert!(gateway.callouts().is_empty(), "{cn:?}: {:?}", gateway.callouts());
    admitted(&gateway, cn, right(&gateway));
    only_the_hubs_keys_were_asked_for(&gateway);
}

#[apply(every_gateway)]
fn a_slash_in_the_subject_stays_in_its_segment_of_the_keystores_address(host: Host) {
    let (ou, cn) = (HUB.ou, HUB.cn);
    keys_are_only_at(host, "evil", &format!("../{ou}/{cn}"), &format!("/evil/..%2F{ou}%2F{cn}/application.jwks"));
    keys_are_only_at(
        host,
        "evil",
        &format!("/../../{ou}/{cn}"),
        &format!("/evil/%2F..%2F..%2F{ou}%2F{cn}/application.jwks"),
    );
    keys_are_only_at(host, "evil", "/../", "/evil/%2F..%2F/application.jwks");
    keys_are_only_at(host, &format!("{ou}/{cn}"), "x", &format!("/{ou}%2F{cn}/x/application.jwks"));
    keys_are_only_at(host, "evil", r"..\..\x", "/evil/..%5C..%5Cx/application.jwks");
    keys_are_only_at(host, "evil", "..;/x", "/evil/..%3B%2Fx/application.jwks");
    keys_are_only_at(host, "evil", "\u{2215}\u{ff0f}", "/evil/%E2%88%95%EF%BC%8F/application.jwks");
    keys_are_only_at(host, "evil", "/evil.example/keys", "/evil/%2Fevil.example%2Fkeys/application.jwks");
    keys_are_only_at(host, "evil", "@evil.example:80", "/evil/%40evil.example%3A80/application.jwks");
}

#[apply(every_gateway)]
fn a_query_or_fragment_in_the_subject_stays_in_its_segment_of_the_keystores_address(host: Host) {
    keys_are_only_at(host, "evil", "x?y=", "/evil/x%3Fy%3D/application.jwks");
    keys_are_only_at(host, "evil", "x#", "/evil/x%23/application.jwks");
    keys_are_only_at(host, &format!("{}/{}/application.jwks?", HUB.ou, HUB.cn), "x", &{
        let (ou, cn) = (HUB.ou, HUB.cn);
        format!("/{ou}%2F{cn}%2Fapplication.jwks%3F/x/application.jwks")
    });
    keys_are_only_at(host, "evil#", "x&a;b", "/evil%23/x%26a%3Bb/application.jwks");
}

#[apply(every_gateway)]
fn a_percent_escape_in_the_subject_is_escaped_once_more(host: Host) {
    keys_are_only_at(host, "evil", "%2e%2e%2f", "/evil/%252e%252e%252f/application.jwks");
    keys_are_only_at(host, "evil", "%2E%2E", "/evil/%252E%252E/application.jwks");
    keys_are_only_at(host, "%2e%2e", "x%00", "/%252e%252e/x%2500/application.jwks");
    keys_are_only_at(host, "evil", "%252e%252e%252f", "/evil/%25252e%25252e%25252f/application.jwks");
    keys_are_only_at(host, "evil", "%", "/evil/%25/application.jwks");
    keys_are_only_at(host, "evil", "{OU}${CN}", "/evil/%7BOU%7D%24%7BCN%7D/application.jwks");
}

#[apply(every_gateway)]
fn a_subject_that_is_a_dot_segment_has_no_address(host: Host) {
    for (ou, cn) in [("evil", ".."), ("evil", "."), ("..", "x"), (".", "x"), ("..", "..")] {
        keys_are_nowhere(host, ou, cn, "a key set can be published under");
    }
    keys_are_only_at(host, "evil", "...", "/evil/.../application.jwks");
    keys_are_only_at(host, "evil", "..x", "/evil/..x/application.jwks");
}

#[apply(every_gateway)]
fn a_line_break_in_the_subject_splits_no_request_to_the_keystore(host: Host) {
    for cn in [
        "x HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /x",
        "x\r\nx-evil: 1",
        "x\n",
        "\rx",
        "x\0",
        "x\u{85}",
        "x\u{2028}y",
    ] {
        keys_are_nowhere(host, "evil", cn, "control character");
        keys_are_nowhere(host, cn, "x", "control character");
    }
    keys_are_only_at(host, "evil", "x HTTP/1.1 y", "/evil/x%20HTTP%2F1.1%20y/application.jwks");
}

#[apply(every_gateway)]
fn a_subject_without_a_cn_has_no_address(host: Host) {
    let gateway = for_everybody(host, "/x/y/application.jwks");
    for subject in ["OU=evil,O=Evil LLC,C=AE", "L=x,OU=evil,O=Evil LLC"] {
        let nameless = from(&gateway, "evil", "x").peer(verified(subject));
        refused(&gateway, subject, nameless, CERTIFICATE_MALFORMED, "exactly one CN");
    }
    for subject in ["CN=,OU=evil,O=Evil LLC", "CN=x,OU=,O=Evil LLC", r"CN=\ ,OU=evil,O=Evil LLC"] {
        let blank = from(&gateway, "evil", "x").peer(verified(subject));
        refused(&gateway, subject, blank, CERTIFICATE_MALFORMED, "is empty");
    }
    only_the_hubs_keys_were_asked_for(&gateway);
}

#[apply(every_gateway)]
fn keys_of_one_subject_never_serve_another(host: Host) {
    // One key set a subject: what is cached for the attacker says nothing about the Hub's kid, and the other way round.
    let gateway = for_everybody(host, "/evil/x/application.jwks");
    admitted(&gateway, "itself", from(&gateway, "evil", "x"));
    let theirs = Signer::Ps256(&attacker().signing);
    let forged = token(&gateway).header("kid", attacker().signing.kid.as_str());
    refused(&gateway, "the Hub", with(&forged.sign(theirs)), INVALID_HEADER, "kid of the token is not in");
    let borrowed = right(&gateway).peer(verified("CN=x,OU=evil,O=Evil LLC,C=AE"));
    refused(&gateway, "the Hub's token", borrowed, INVALID_CLAIM, "claim iss is not the O");
}

#[apply(every_gateway)]
fn a_flood_of_subjects_fills_no_memory_and_takes_the_hubs_keys_from_nobody(host: Host) {
    let gateway = for_everybody(host, "/x/y/application.jwks");
    let mut memory = 0;
    // Until then memory may still grow by a page, as the allocator finds its places; what leaks goes on growing.
    const SETTLED: usize = 1500;
    for number in 0..SETTLED + 2700 {
        send(&gateway, from(&gateway, &format!("evil-{number}"), "x"));
        if number % 30 == 0 {
            admitted(&gateway, "the Hub in the flood", right(&gateway));
        }
        if number == SETTLED {
            memory = gateway.worker(0).memory();
        }
        gateway.advance(Duration::from_millis(1));
    }
    assert_eq!(gateway.worker(0).memory(), memory, "2700 subjects later");
    let hubs = jwks_path(&hub().subject);
    let of_hub = |path: &str| path == hubs;
    let fetches = gateway.callouts();
    let fetches = fetches.iter().filter(|callout| callout.headers.text(":path").is_some_and(|path| of_hub(&path)));
    assert_eq!(fetches.count(), 1, "the Hub's keys stay, because they are in use");
}
