//! What may be signed: header and claims of a token of JWT Auth (spec §2.4) that is valid from now on, and that the operator's rules
//! allow. Who has stolen a client's token can sign nothing else with it, and nothing for later.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The longest signing input. Header and claims have some 500 bytes; names may be long.
pub(super) const LONGEST_INPUT: usize = 8 * 1024;

/// The longest time for which a token may be valid: twice what the filter can be told.
const LONGEST_LIFETIME: u64 = 60;

/// How far the clock of who asks may differ. It is the same machine's.
const CLOCK_DIFFERENCE: u64 = 60;

/// The longest `jti` and the longest `kid`, which are written into the journal.
const LONGEST_TOKEN_ID: usize = 128;
const LONGEST_KEY_ID: usize = 256;

/// What the operator allows: `None` allows any.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) key_id: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) audience: Option<String>,
}

/// What the journal says of a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) key_id: String,
    pub(super) token_id: String,
}

/// Nothing beside these: neither `crit` nor a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    #[serde(default, rename = "typ")]
    _typ: Option<String>,
    #[serde(default, rename = "cty")]
    _cty: Option<String>,
    kid: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    jti: String,
}

impl Rules {
    /// Whether this may be signed at this time.
    ///
    /// # Errors
    /// Why not, without a value.
    pub(super) fn check(&self, input: &[u8], now: SystemTime) -> Result<Facts, &'static str> {
        const FORM: &str =
            "expected header and claims of a token, in base64url with a dot between them, got something else";
        let text = std::str::from_utf8(input).map_err(|_| FORM)?;
        let (header, claims) = text.split_once('.').ok_or(FORM)?;
        let header: Header = decoded(header).ok_or("expected a header with alg, typ, cty and kid, got another")?;
        let claims: Claims =
            decoded(claims).ok_or("expected claims with iss, sub, aud, exp, iat and jti, got others")?;
        if header.alg != "PS256" {
            return Err("alg: expected PS256, got another");
        }
        if header.kid.is_empty() || header.kid.len() > LONGEST_KEY_ID || header.kid.chars().any(char::is_control) {
            return Err("kid: expected 1 to 256 bytes without control characters, got others");
        }
        let fits = |rule: &Option<String>, told: &str| rule.as_deref().is_none_or(|rule| rule == told);
        for (rule, told, problem) in [
            (&self.key_id, &header.kid, "kid: expected the one of --kid, got another"),
            (&self.issuer, &claims.iss, "iss: expected the one of --issuer, got another"),
            (&self.subject, &claims.sub, "sub: expected the one of --subject, got another"),
            (&self.audience, &claims.aud, "aud: expected the one of --audience, got another"),
        ] {
            if !fits(rule, told) {
                return Err(problem);
            }
        }
        let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        if claims.iat.abs_diff(now) > CLOCK_DIFFERENCE {
            return Err("iat: expected about now, got another time");
        }
        if claims.exp.checked_sub(claims.iat).is_none_or(|lifetime| lifetime > LONGEST_LIFETIME) {
            return Err("exp: expected at most 60 seconds after iat, got another time");
        }
        let is_printable = claims.jti.bytes().all(|byte| byte.is_ascii_graphic());
        if claims.jti.is_empty() || claims.jti.len() > LONGEST_TOKEN_ID || !is_printable {
            return Err("jti: expected 1 to 128 visible ASCII characters, got others");
        }
        Ok(Facts { key_id: header.kid, token_id: claims.jti })
    }
}

/// A part of a token. A member that stands twice is refused.
fn decoded<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: u64 = 1_800_000_000;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn rules() -> Rules {
        let text = |text: &str| Some(text.to_owned());
        Rules { key_id: text("sig4"), issuer: text("Bank"), subject: text("XYZ"), audience: text("retail") }
    }

    fn header() -> Value {
        json!({"alg": "PS256", "typ": "JOSE", "cty": "json", "kid": "sig4"})
    }

    fn claims() -> Value {
        json!({"iss": "Bank", "sub": "XYZ", "aud": "retail", "exp": NOW + 30, "iat": NOW, "jti": "an-id"})
    }

    fn with(mut part: Value, member: &str, value: Value) -> Value {
        part[member] = value;
        part
    }

    fn without(mut part: Value, member: &str) -> Value {
        part.as_object_mut().unwrap().remove(member);
        part
    }

    fn input(header: &Value, claims: &Value) -> String {
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        format!("{}.{}", part(header), part(claims))
    }

    #[test]
    fn a_token_of_the_filter_is_signed() {
        let facts = Facts { key_id: "sig4".to_owned(), token_id: "an-id".to_owned() };
        assert_eq!(rules().check(input(&header(), &claims()).as_bytes(), now()).as_ref(), Ok(&facts));
        let (header, claims) =
            (with(header(), "kid", json!("k")), with(with(claims(), "iss", json!("i")), "sub", json!("s")));
        let any = Rules::default().check(input(&header, &with(claims, "aud", json!("a"))).as_bytes(), now());
        assert_eq!(any, Ok(Facts { key_id: "k".to_owned(), ..facts }));
    }

    #[test]
    fn any_other_header_is_not() {
        for (other, about) in [
            (with(header(), "alg", json!("RS256")), "alg"),
            (with(header(), "alg", json!("none")), "alg"),
            (with(header(), "kid", json!("other")), "kid"),
            (with(header(), "kid", json!("")), "kid"),
            (with(header(), "kid", json!("a\nb")), "kid"),
            (with(header(), "kid", json!("x".repeat(257))), "kid"),
            (without(header(), "kid"), "header"),
            (with(header(), "crit", json!(["b64"])), "header"),
            (with(header(), "b64", json!(false)), "header"),
            (with(header(), "jwk", json!({})), "header"),
            (json!([]), "header"),
        ] {
            let refused = rules().check(input(&other, &claims()).as_bytes(), now()).unwrap_err();
            assert!(refused.contains(about), "{other}: {refused}");
        }
    }

    #[test]
    fn any_other_claims_are_not() {
        for (other, about) in [
            (with(claims(), "iss", json!("Other")), "iss:"),
            (with(claims(), "sub", json!("Other")), "sub:"),
            (with(claims(), "aud", json!("other")), "aud:"),
            (with(claims(), "aud", json!(["retail"])), "claims"),
            (with(claims(), "iat", json!(NOW - 61)), "iat:"),
            (with(claims(), "iat", json!(NOW + 61)), "iat:"),
            (with(claims(), "exp", json!(NOW + 61)), "exp:"),
            (with(claims(), "exp", json!(NOW - 1)), "exp:"),
            (with(claims(), "exp", json!(1e18)), "claims"),
            (with(claims(), "exp", json!(-1)), "claims"),
            (with(claims(), "jti", json!("")), "jti:"),
            (with(claims(), "jti", json!("a\nb")), "jti:"),
            (with(claims(), "jti", json!("x".repeat(129))), "jti:"),
            (with(claims(), "scope", json!("payments")), "claims"),
            (with(claims(), "cnf", json!({})), "claims"),
        ] {
            let refused = rules().check(input(&header(), &other).as_bytes(), now()).unwrap_err();
            assert!(refused.contains(about), "{other}: {refused}");
        }
        for member in ["iss", "sub", "aud", "exp", "iat", "jti"] {
            let refused = rules().check(input(&header(), &without(claims(), member)).as_bytes(), now());
            assert!(refused.is_err(), "{member}");
        }
    }

    #[test]
    fn what_is_no_token_is_not() {
        let right = input(&header(), &claims());
        let twice = claims().to_string().replace("\"iss\"", "\"iss\":\"Other\",\"iss\"");
        let (head, _) = right.split_once('.').unwrap();
        let doubled = format!("{head}.{}", URL_SAFE_NO_PAD.encode(twice));
        let padded = format!("{right}=");
        for text in ["", ".", "a.b", head, &format!("{right}."), &format!("{right}.c2ln"), &padded, &doubled] {
            assert!(rules().check(text.as_bytes(), now()).is_err(), "{text}");
        }
        assert!(rules().check(&[0xff, 0xfe], now()).is_err());
    }
}
