//! Attacks with the form of a token: what two parsers could read as two different things (RFC 7515 §3.1, §4, §5.2, appendix
//! C; RFC 7519 §4; RFC 8725 §3.5). All of them carry a valid signature of the Hub over exactly what is sent, where the form
//! leaves room for one.

use serde_json::json;
use wasm_tests::stage::tokens::{compact, sign_input};

use super::*;

/// The alphabet of base64url in its order (RFC 4648 §5).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The three parts of a compact JWS.
fn parts(token: &str) -> [String; 3] {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts.try_into().expect("three parts")
}

/// A right token once for each part, with that part's text changed. Header and claims are changed before they are signed,
/// and are such that their text has `-` and `_` and unused bits at its end, as the text of a signature has.
fn with_each_part_changed(gateway: &Gateway, change: impl Fn(&str) -> String) -> [(&'static str, Request); 3] {
    let [header, claims] = awkward_parts(gateway);
    let [_, _, signature] = parts(&awkward(gateway));
    let changed_signature = format!("{header}.{claims}.{}", change(&signature));
    assert_ne!(change(&signature), signature);
    assert_ne!((change(&header), change(&claims)), (header.clone(), claims.clone()));
    [
        ("header", with(&sign_input(&format!("{}.{claims}", change(&header)), sig3()))),
        ("payload", with(&sign_input(&format!("{header}.{}", change(&claims)), sig3()))),
        ("signature", with(&changed_signature)),
    ]
}

/// The right token whose parts [`with_each_part_changed`] changes.
fn awkward(gateway: &Gateway) -> String {
    let [header, claims] = awkward_parts(gateway);
    // A signature has 342 characters; without - or _ among them it is rare, and made again.
    let tokens = std::iter::repeat_with(|| sign_input(&format!("{header}.{claims}"), sig3()));
    tokens
        .take(100)
        .find(|token| parts(token)[2].contains('-') && parts(token)[2].contains('_'))
        .expect("one with - and _")
}

fn awkward_parts(gateway: &Gateway) -> [String; 2] {
    // Fixed, so that the signature made by one call belongs to the parts made by another.
    let token = token(gateway).header("x", ">>>???").claim("x", ">>>???").claim("jti", "8d5bd4e6");
    [token.header, token.claims].map(|object| {
        let mut json = object.to_string();
        while json.len() % 3 != 1 {
            json.push(' ');
        }
        let text = b64(json);
        assert!(text.contains('-') && text.contains('_'));
        text
    })
}

fn each_part_refused(host: Host, change: impl Fn(&str) -> String, code: Code, reason: impl Fn(&str) -> String) {
    let gateway = host.start();
    for (part, attack) in with_each_part_changed(&gateway, change) {
        let honest = with(&awkward(&gateway));
        refused_unlike(&gateway, part, attack, honest, code, &reason(part));
    }
}

#[apply(every_gateway)]
fn padding_is_refused_in_each_part(host: Host) {
    let reason = |part: &str| format!("The {part} of the token is not base64url");
    each_part_refused(host, |text| format!("{text}=="), MALFORMED, reason);
    each_part_refused(host, |text| format!("{text}="), MALFORMED, reason);
    each_part_refused(host, |text| format!("{text}%3D%3D"), MALFORMED, reason);
}

#[apply(every_gateway)]
fn non_zero_trailing_bits_are_refused_in_each_part(host: Host) {
    let next = |text: &str| {
        let (rest, last) = text.split_at(text.len() - 1);
        let value = ALPHABET.iter().position(|letter| letter == &last.as_bytes()[0]).expect("base64url");
        format!("{rest}{}", char::from(ALPHABET[value + 1]))
    };
    each_part_refused(host, next, MALFORMED, |part| format!("The {part} of the token is not base64url"));
}

#[apply(every_gateway)]
fn the_alphabet_of_plain_base64_is_refused_in_each_part(host: Host) {
    let reason = |part: &str| format!("The {part} of the token is not base64url");
    each_part_refused(host, |text| text.replace('-', "+"), MALFORMED, reason);
    each_part_refused(host, |text| text.replace('_', "/"), MALFORMED, reason);
    each_part_refused(host, |text| text.replace('-', "+").replace('_', "/"), MALFORMED, reason);
}

#[apply(every_gateway)]
fn white_space_is_refused_in_each_part(host: Host) {
    for space in [" ", "\t", "\n", "\r\n", "\r\n ", "\u{b}", "\0"] {
        let inside = |text: &str| format!("{}{space}{}", &text[..4], &text[4..]);
        each_part_refused(host, inside, CREDENTIAL_MALFORMED, |_| "exactly one token".into());
        each_part_refused(host, |text| format!("{text}{space}"), CREDENTIAL_MALFORMED, |_| "exactly one token".into());
    }
}

#[apply(every_gateway)]
fn a_member_that_stands_twice_in_the_header_is_refused(host: Host) {
    let gateway = host.start();
    let right = token(&gateway);
    let kid = &hub().signing.kid;
    for member in [
        r#""alg":"none""#.to_owned(),
        r#""alg":"PS256""#.into(),
        r#""\u0061lg":"none""#.into(),
        r#""a\u006Cg":"PS256""#.into(),
        format!(r#""kid":"{kid}""#),
        r#""typ":"JWT""#.into(),
        r#""cty":"json""#.into(),
        r#""\u006b\u0069\u0064":"x""#.into(),
    ] {
        let last = with_member(&right.header, &member);
        let first = right.header.to_string().replacen('{', &format!("{{{member},"), 1);
        for header in [first, last] {
            let twice = compact(&header, &right.claims.to_string(), sig3());
            refused(
                &gateway,
                &header,
                with(&twice),
                MALFORMED,
                "header of the token is refused: a member name stands twice",
            );
        }
    }
}

#[apply(every_gateway)]
fn a_member_that_stands_twice_in_the_claims_is_refused(host: Host) {
    let gateway = host.start();
    let right = token(&gateway);
    let late = gateway.now().as_secs() + 100;
    for member in [
        r#""aud":"corporate""#.to_owned(),
        r#""aud":"retail""#.into(),
        format!(r#""exp":{late}"#),
        format!(r#""\u0065xp":{late}"#),
        r#""\u0069\u0073\u0073":"Acme""#.into(),
        r#""sub":"another""#.into(),
        r#""j\u0074i":"another""#.into(),
    ] {
        let last = with_member(&right.claims, &member);
        let first = right.claims.to_string().replacen('{', &format!("{{{member},"), 1);
        for claims in [first, last] {
            let twice = compact(&right.header.to_string(), &claims, sig3());
            refused(
                &gateway,
                &claims,
                with(&twice),
                MALFORMED,
                "payload of the token is refused: a member name stands twice",
            );
        }
    }
}

#[apply(every_gateway)]
fn a_member_that_stands_twice_in_a_nested_object_is_refused(host: Host) {
    let gateway = host.start();
    let right = token(&gateway);
    let of = |header: &str, claims: &str| with(&compact(header, claims, sig3()));
    for (twice, once) in [
        (r#""x":{"a":1,"a":2}"#, r#""x":{"a":1,"b":2}"#),
        (r#""x":{"a":1,"\u0061":2}"#, r#""x":{"a":1,"\u0062":2}"#),
        (r#""x":[0,{"y":{"":1,"":1}}]"#, r#""x":[0,{"y":{"":1},"z":{"":1}}]"#),
    ] {
        for (object, other, in_header) in [(&right.header, &right.claims, true), (&right.claims, &right.header, false)]
        {
            let request = |member: &str| {
                let (changed, other) = (with_member(object, member), other.to_string());
                if in_header { of(&changed, &other) } else { of(&other, &changed) }
            };
            refused_unlike(&gateway, twice, request(twice), request(once), MALFORMED, "a member name stands twice");
        }
    }
}

#[apply(every_gateway)]
fn a_jws_in_json_serialisation_is_refused(host: Host) {
    let gateway = host.start();
    let [header, claims, signature] = parts(&token(&gateway).sign(sig3()));
    let flattened = json!({ "protected": header, "payload": claims, "signature": signature }).to_string();
    let signatures = json!([{ "protected": header, "signature": signature }]);
    let general = json!({ "payload": claims, "signatures": signatures }).to_string();
    for (case, json) in [("flattened", &flattened), ("general", &general)] {
        // Both have commas, which no credential has: it looks like several.
        refused(&gateway, case, with(json), CREDENTIAL_MALFORMED, "more than one value");
        refused(&gateway, case, with(&b64(json)), MALFORMED, "three parts");
        refused(&gateway, case, with(&format!("{}..", b64(json))), INVALID_HEADER, "alg PS256");
    }
    let commas_escaped = flattened.replace(',', "%2C");
    refused(&gateway, "percent-encoded", with(&commas_escaped), MALFORMED, "three parts");
}

#[apply(every_gateway)]
fn a_token_of_more_or_fewer_than_three_parts_is_refused(host: Host) {
    let gateway = host.start();
    let right = token(&gateway).sign(sig3());
    let [header, claims, signature] = parts(&right);
    for wrong in [
        format!("{right}."),
        format!(".{right}"),
        format!("{header}..{claims}.{signature}"),
        format!("{header}.{claims}..{signature}"),
        format!("{right}.{signature}"),
        format!("{right}.{right}"),
        format!("{header}.{claims}"),
        header,
        "...".into(),
        ".".into(),
        ".".repeat(8000),
    ] {
        refused_unlike(&gateway, &wrong, with(&wrong), with(&right), MALFORMED, "three parts");
    }
}

#[apply(every_gateway)]
fn a_token_with_an_empty_part_is_refused(host: Host) {
    let gateway = host.start();
    let right = token(&gateway).sign(sig3());
    let [header, claims, signature] = parts(&right);
    for (wrong, code, reason) in [
        (sign_input(&format!(".{claims}"), sig3()), MALFORMED, "The header of the token is refused"),
        (sign_input(&format!("{header}."), sig3()), MALFORMED, "The payload of the token is refused"),
        (format!(".{claims}.{signature}"), MALFORMED, "The header of the token is refused"),
        (format!("{header}..{signature}"), MALFORMED, "The payload of the token is refused"),
        (format!("{header}.{claims}."), INVALID_SIGNATURE, "signature"),
        ("..".into(), MALFORMED, "The header of the token is refused"),
    ] {
        refused_unlike(&gateway, &wrong, with(&wrong), with(&right), code, reason);
    }
}

#[apply(every_gateway)]
fn a_jwe_is_refused(host: Host) {
    let gateway = host.start();
    let header = b64(json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": hub().signing.kid }).to_string());
    let jwe = format!("{header}.{}.{}.{}.{}", b64([1; 256]), b64([2; 12]), b64([3; 300]), b64([4; 16]));
    refused(&gateway, "JWE", with(&jwe), MALFORMED, "three parts");
    let right = token(&gateway).sign(sig3());
    let disguised = format!("{right}.{}.{}", b64([3; 300]), b64([4; 16]));
    refused(&gateway, "a JWS with two more parts", with(&disguised), MALFORMED, "three parts");
}

#[apply(every_gateway)]
fn a_part_that_is_json_but_no_object_is_refused(host: Host) {
    let gateway = host.start();
    let right = token(&gateway);
    let (header, claims) = (right.header.to_string(), right.claims.to_string());
    for wrap in [|json: &str| format!("[{json}]"), |_: &str| "null".into(), |json: &str| json!(json).to_string()] {
        let in_header = compact(&wrap(&header), &claims, sig3());
        refused(&gateway, "header", with(&in_header), MALFORMED, "The header of the token is not a JSON object");
        let in_claims = compact(&header, &wrap(&claims), sig3());
        refused(&gateway, "claims", with(&in_claims), MALFORMED, "The payload of the token is not a JSON object");
    }
    for wrap in
        [|json: &str| format!("{json}{json}"), |json: &str| format!("{json}x"), |json: &str| format!("\u{feff}{json}")]
    {
        let in_header = compact(&wrap(&header), &claims, sig3());
        refused(&gateway, "header", with(&in_header), MALFORMED, "The header of the token is refused: not valid JSON");
        let in_claims = compact(&header, &wrap(&claims), sig3());
        refused(&gateway, "claims", with(&in_claims), MALFORMED, "The payload of the token is refused: not valid JSON");
    }
}

#[apply(every_gateway)]
fn deep_nesting_is_refused_in_header_and_claims(host: Host) {
    let gateway = host.start();
    let right = token(&gateway);
    // The header or the claims are the first of the 16 levels that are read.
    let array = |depth: usize| format!(r#""x":{}{}"#, "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!(r#""x":{}0{}"#, r#"{"x":"#.repeat(depth), "}".repeat(depth));
    let unclosed = format!(r#""x":{}"#, "[".repeat(5000));
    for (deep, shallow) in [
        (array(16), array(15)),
        (array(2500), array(15)),
        (objects(16), objects(15)),
        (objects(800), objects(15)),
        (unclosed, array(15)),
    ] {
        let in_header = |member: &str| {
            let header = with_member(&right.header, member);
            with(&compact(&header, &right.claims.to_string(), sig3()))
        };
        let in_claims = |member: &str| {
            let claims = with_member(&right.claims, member);
            with(&compact(&right.header.to_string(), &claims, sig3()))
        };
        let reason = "nested deeper than 16 levels";
        refused_unlike(&gateway, "header", in_header(&deep), in_header(&shallow), MALFORMED, reason);
        refused_unlike(&gateway, "claims", in_claims(&deep), in_claims(&shallow), MALFORMED, reason);
    }
}

#[apply(every_gateway)]
fn a_token_above_8_kib_is_refused(host: Host) {
    let gateway = host.start();
    let padded = |pad: usize| token(&gateway).claim("jti", "8d5bd4e6").claim("x", "x".repeat(pad)).sign(sig3());
    let most = (5000..6200).rev().find(|pad| padded(*pad).len() <= 8192).expect("a token of nearly 8 KiB");
    let (longest, longer) = (padded(most), padded(most + 1));
    assert!((8190..=8192).contains(&longest.len()) && longer.len() > 8192, "{} bytes", longest.len());
    let reason = "longer than 8192 bytes";
    refused_unlike(&gateway, "a byte or two more", with(&longer), with(&longest), MALFORMED, reason);
    refused(&gateway, "64 KiB", with(&padded(48 * 1024)), MALFORMED, reason);
}
