//! The API of Vault's Transit engine, as far as it is played: what is asked for to be signed, and answers in Vault's form. All that Vault
//! would sign in another way, or that the filter does not say, is refused.

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use humantime::format_rfc3339_seconds;
use serde::Deserialize;
use serde_json::{Value, json};

use super::desk::PublicHalf;
use super::input::LONGEST_INPUT;

/// The only hash.
const HASH: &str = "sha2-256";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    input: String,
    #[serde(default)]
    hash_algorithm: Option<String>,
    #[serde(default)]
    signature_algorithm: Option<String>,
    #[serde(default)]
    salt_length: Option<Value>,
    #[serde(default)]
    marshaling_algorithm: Option<String>,
    #[serde(default)]
    prehashed: Option<Value>,
    #[serde(default)]
    key_version: Option<Value>,
}

/// What is to be signed, of a request for the hash that stands in its path, if one does.
///
/// # Errors
/// Why it is refused, without a value.
pub(super) fn input(body: &[u8], hash: Option<&str>, key_version: u32) -> Result<Vec<u8>, &'static str> {
    let body: Body = serde_json::from_slice(body).map_err(|_| {
        "expected an object with input, signature_algorithm, salt_length and marshaling_algorithm, and of hash_algorithm, key_version and \
         prehashed at most these, got something else"
    })?;
    let text = |value: &Option<Value>| match value {
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
        None => None,
    };
    if [hash, body.hash_algorithm.as_deref()].into_iter().flatten().any(|told| told != HASH) {
        return Err("hash_algorithm: expected sha2-256, got another");
    }
    if body.signature_algorithm.as_deref() != Some("pss") {
        return Err("signature_algorithm: expected pss, got none or another");
    }
    // Without it Vault takes the longest salt that there is room for.
    if !matches!(text(&body.salt_length).as_deref(), Some("hash" | "32")) {
        return Err("salt_length: expected hash, got none or another");
    }
    if body.marshaling_algorithm.as_deref() != Some("jws") {
        return Err("marshaling_algorithm: expected jws, got none or another");
    }
    if text(&body.prehashed).is_some_and(|told| told != "false") {
        return Err("prehashed: expected false, got another");
    }
    // 0 means the newest.
    if text(&body.key_version).is_some_and(|told| told != "0" && told != key_version.to_string()) {
        return Err("key_version: the key has no such version here");
    }
    let input = STANDARD.decode(body.input).map_err(|_| "input: expected base64, got something else")?;
    if input.len() > LONGEST_INPUT {
        return Err("input: expected 8192 bytes at most, got more");
    }
    Ok(input)
}

/// A new id of a request (RFC 9562 §5.4).
pub(super) fn request_id() -> String {
    let mut bytes = [0; 16];
    // An id is no secret: without random numbers all are the same.
    let _ = rand::fill(&mut bytes);
    let [.., sixth, _, eighth, _, _, _, _, _, _, _] = &mut bytes;
    *sixth = (*sixth & 0x0f) | 0x40;
    *eighth = (*eighth & 0x3f) | 0x80;
    let hex = hex(&bytes);
    let mut groups = [8, 4, 4, 4, 12].iter().scan(hex.as_str(), |rest, length| {
        let (group, others) = rest.split_at_checked(*length)?;
        *rest = others;
        Some(group)
    });
    let first = groups.next().unwrap_or_default().to_owned();
    groups.fold(first, |id, group| format!("{id}-{group}"))
}

/// SHA-256 in hexadecimal.
pub(super) fn fingerprint(input: &[u8]) -> String {
    hex(digest(&SHA256, input).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An answer that says what was wrong.
pub(super) fn errors(texts: &[&str]) -> Value {
    json!({"errors": texts})
}

/// An answer with something in it.
fn answer(request_id: &str, data: &Value) -> Value {
    json!({
        "request_id": request_id, "lease_id": "", "renewable": false, "lease_duration": 0, "data": data, "wrap_info": null,
        "warnings": null, "auth": null,
    })
}

/// The answer to a request for a signature.
pub(super) fn signature(request_id: &str, signature: &[u8], key_version: u32) -> Value {
    let text = format!("vault:v{key_version}:{}", URL_SAFE_NO_PAD.encode(signature));
    answer(request_id, &json!({"key_version": key_version, "signature": text}))
}

/// The answer to a request for the key: its public half. When it was made nobody knows, so it is said to be there since the daemon is.
pub(super) fn key(request_id: &str, name: &str, key: &PublicHalf, key_version: u32, since: SystemTime) -> Value {
    let kind = format!("rsa-{}", key.bits);
    let version = json!({
        "certificate_chain": "", "creation_time": format_rfc3339_seconds(since).to_string(), "name": kind, "public_key": key.pem,
    });
    let data = json!({
        "allow_plaintext_backup": false, "auto_rotate_period": 0, "deletion_allowed": false, "derived": false, "exportable": false,
        "imported_key": false, "keys": {(key_version.to_string()): version}, "latest_version": key_version,
        "min_available_version": 0, "min_decryption_version": 1, "min_encryption_version": 0, "name": name,
        "soft_deleted": false, "supports_decryption": false, "supports_derivation": false, "supports_encryption": false,
        "supports_signing": true, "type": kind,
    });
    answer(request_id, &data)
}

/// The answer to a question about its health. To Vault's words, a token that is not there is a vault that is sealed.
pub(super) fn health(is_there: bool, now: SystemTime) -> Value {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    json!({
        "initialized": true, "sealed": !is_there, "standby": false, "performance_standby": false,
        "replication_performance_mode": "disabled", "replication_dr_mode": "disabled", "server_time_utc": seconds,
        "version": concat!("hub-auth ", env!("CARGO_PKG_VERSION")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Value {
        json!({"input": "YWJj", "signature_algorithm": "pss", "salt_length": "hash", "marshaling_algorithm": "jws"})
    }

    fn with(member: &str, value: Value) -> Vec<u8> {
        let mut body = body();
        body[member] = value;
        body.to_string().into_bytes()
    }

    #[test]
    fn what_the_filter_asks_for_is_read() {
        for hash in [None, Some("sha2-256")] {
            assert_eq!(input(body().to_string().as_bytes(), hash, 3), Ok(b"abc".to_vec()));
        }
        for (member, value) in [
            ("key_version", json!(3)),
            ("key_version", json!("3")),
            ("key_version", json!(0)),
            ("hash_algorithm", json!("sha2-256")),
            ("salt_length", json!(32)),
            ("prehashed", json!(false)),
        ] {
            assert_eq!(input(&with(member, value), None, 3), Ok(b"abc".to_vec()), "{member}");
        }
    }

    #[test]
    fn what_would_be_signed_in_another_way_is_refused() {
        assert!(input(body().to_string().as_bytes(), Some("sha2-512"), 1).is_err());
        for (member, value) in [
            ("hash_algorithm", json!("sha2-512")),
            ("hash_algorithm", json!("none")),
            ("signature_algorithm", json!("pkcs1v15")),
            ("signature_algorithm", json!(null)),
            ("salt_length", json!("auto")),
            ("salt_length", json!(null)),
            ("salt_length", json!(20)),
            ("marshaling_algorithm", json!("asn1")),
            ("marshaling_algorithm", json!(null)),
            ("prehashed", json!(true)),
            ("prehashed", json!("true")),
            ("key_version", json!(2)),
            ("key_version", json!(-1)),
            ("key_version", json!([1])),
        ] {
            let refused = input(&with(member, value.clone()), None, 1).unwrap_err();
            assert!(refused.starts_with(&format!("{member}: ")), "{member} {value}: {refused}");
        }
        for (member, value) in
            [("batch_input", json!([])), ("context", json!("")), ("input", json!(1)), ("x", json!(1))]
        {
            assert!(input(&with(member, value), None, 1).is_err(), "{member}");
        }
        assert!(input(&with("input", json!("YW Jj")), None, 1).is_err());
        assert!(input(&with("input", json!(STANDARD.encode(vec![0; LONGEST_INPUT + 1]))), None, 1).is_err());
        for text in [
            "",
            "[]",
            "null",
            r#"{"input":"YQ==","input":"Yg==","signature_algorithm":"pss","salt_length":"hash","marshaling_algorithm":"jws"}"#,
        ] {
            assert!(input(text.as_bytes(), None, 1).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_is_a_uuid() {
        let id = request_id();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        assert_ne!(id, request_id());
    }
}
