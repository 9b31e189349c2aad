//! Attacks that have a token verified as something else than PS256 (RFC 8725 §2.1, §3.1; spec §2.4: only this one).

use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use wasm_tests::stage::tokens::compact;

use super::*;

/// The DER in front of a 2048-bit `RSAPublicKey` that makes it a `SubjectPublicKeyInfo` (RFC 5280 §4.1).
const SPKI_PREFIX: [u8; 24] = [
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    0x03, 0x82, 0x01, 0x0f, 0x00,
];

fn spki() -> Vec<u8> {
    let key = hub().signing.public_der();
    assert_eq!(key.len(), 270, "the prefix is for 2048 bits and the exponent 65537");
    [&SPKI_PREFIX, key].concat()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// An HMAC with this secret is refused whether the header admits to it or says PS256.
fn no_hmac_with(host: Host, secrets: Vec<(&str, Vec<u8>)>) {
    let gateway = host.start();
    for (case, secret) in secrets {
        let forged = token(&gateway);
        let admitted_to = with(&forged.clone().header("alg", "HS256").sign(Signer::Hs256(&secret)));
        refused(&gateway, case, admitted_to, INVALID_HEADER, "alg PS256");
        refused(&gateway, case, with(&forged.sign(Signer::Hs256(&secret))), INVALID_SIGNATURE, "signature");
    }
}

#[apply(every_gateway)]
fn hs256_keyed_with_the_public_key_in_der_is_refused(host: Host) {
    no_hmac_with(host, vec![("RSAPublicKey", hub().signing.public_der().to_vec()), ("SubjectPublicKeyInfo", spki())]);
}

#[apply(every_gateway)]
fn hs256_keyed_with_the_public_key_in_pem_is_refused(host: Host) {
    let certificate = hub().signing.jwk()["x5c"][0].as_str().map(|text| STANDARD.decode(text).expect("base64"));
    let key = pem("PUBLIC KEY", &spki());
    no_hmac_with(
        host,
        vec![
            ("without the last newline", key.trim_end().into()),
            ("PUBLIC KEY", key.into()),
            ("RSA PUBLIC KEY", pem("RSA PUBLIC KEY", hub().signing.public_der()).into()),
            ("CERTIFICATE", pem("CERTIFICATE", &certificate.expect("a certificate")).into()),
        ],
    );
}

#[apply(every_gateway)]
fn hs256_keyed_with_the_modulus_of_the_jwk_is_refused(host: Host) {
    let key = &hub().signing;
    no_hmac_with(
        host,
        vec![
            ("n as text", b64(key.modulus()).into()),
            ("n as bytes", key.modulus().to_vec()),
            ("the JWK", key.jwk().to_string().into()),
            ("nothing", Vec::new()),
        ],
    );
}

#[apply(every_gateway)]
fn rs256_by_the_hubs_own_key_is_refused(host: Host) {
    let gateway = host.start();
    let rs256 = Signer::Rs256(&hub().signing);
    let admitted_to = token(&gateway).header("alg", "RS256").sign(rs256);
    refused(&gateway, "RS256", with(&admitted_to), INVALID_HEADER, "alg PS256");
    let ps256_inside = signed(&token(&gateway).header("alg", "RS256"));
    refused(&gateway, "RS256 over a PS256 signature", ps256_inside, INVALID_HEADER, "alg PS256");
    refused(&gateway, "said to be PS256", with(&token(&gateway).sign(rs256)), INVALID_SIGNATURE, "signature");
}

#[apply(every_gateway)]
fn an_unsecured_token_is_refused(host: Host) {
    let gateway = host.start();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = token(&gateway).header("alg", alg).sign(Signer::Unsigned);
        assert!(unsigned.ends_with('.'), "the signature is empty");
        refused(&gateway, alg, with(&unsigned), INVALID_HEADER, "alg PS256");
    }
}

#[apply(every_gateway)]
fn alg_none_is_refused_with_the_valid_signature_left_in_place(host: Host) {
    let gateway = host.start();
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        refused(&gateway, alg, signed(&token(&gateway).header("alg", alg)), INVALID_HEADER, "alg PS256");
    }
}

#[apply(every_gateway)]
fn ps256_in_other_case_or_with_white_space_is_refused(host: Host) {
    let gateway = host.start();
    for alg in ["ps256", "Ps256", "pS256", "PS256 ", " PS256", "PS256\0", "PS256,none", "\u{ff30}S256"] {
        refused(&gateway, alg, signed(&token(&gateway).header("alg", alg)), INVALID_HEADER, "alg PS256");
    }
}

#[apply(every_gateway)]
fn ps384_and_ps512_by_the_hubs_own_key_are_refused(host: Host) {
    let gateway = host.start();
    let key = &hub().signing;
    for (alg, signer) in [("PS384", Signer::Ps384(key)), ("PS512", Signer::Ps512(key))] {
        let admitted_to = token(&gateway).header("alg", alg).sign(signer);
        refused(&gateway, alg, with(&admitted_to), INVALID_HEADER, "alg PS256");
        let ps256_inside = signed(&token(&gateway).header("alg", alg));
        refused(&gateway, "over a PS256 signature", ps256_inside, INVALID_HEADER, "alg PS256");
        refused(&gateway, "said to be PS256", with(&token(&gateway).sign(signer)), INVALID_SIGNATURE, "signature");
    }
}

#[apply(every_gateway)]
fn a_token_without_alg_or_with_one_that_is_no_text_is_refused(host: Host) {
    let gateway = host.start();
    refused(&gateway, "no alg", signed(&token(&gateway).header("alg", json!(null))), INVALID_HEADER, "alg PS256");
    for alg in ["null", "256", "true", r#"["PS256"]"#, r#"{"PS256":"PS256"}"#] {
        let right = token(&gateway);
        let header = right.header.to_string().replace(r#""alg":"PS256""#, &format!(r#""alg":{alg}"#));
        let forged = compact(&header, &right.claims.to_string(), sig3());
        refused(&gateway, alg, with(&forged), INVALID_HEADER, "alg PS256");
    }
}
