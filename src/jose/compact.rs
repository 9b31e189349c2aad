//! The compact serialisation of a JWS (RFC 7515 §3.1, §5.2), read strictly and not yet believed.
//!
//! What parses here is well-formed and nothing more: the signature is still unverified.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr_iter;

use crate::json::{JsonError, Object, Value, members};
use crate::signature::SignatureMismatch;

use super::algorithm::Algorithm;
use super::base64url::{base64url_into, decoded_length};
use super::key::{VerificationKey, is_key_id};

/// The longest token that is read, in bytes (spec §2.4). A JWT Auth token has about 700.
pub(crate) const MAX_TOKEN_LENGTH: usize = 8 * 1024;

/// A compact JWS whose parts decode, whose header is a JSON object, and whose signature nobody has checked.
#[derive(Debug)]
pub struct UnverifiedToken<'a> {
    text: &'a str,
    header_json: &'a [u8],
    header: Header<'a>,
    payload: &'a [u8],
    signing_input: &'a str,
    signature: &'a [u8],
}

/// The members of the JOSE header that this filter decides on (RFC 7515 §4.1). Every rule wants a string, so that a member of
/// another kind counts as absent. Only `typ` and `kid` may be absent: there it counts as the empty string, and as
/// [unusable](StatedKeyId::Unusable). `jku`, `jwk`, `x5u` and
/// `x5c` are not read at all: a token never chooses the key that it is verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// `alg`: the signature algorithm.
    pub algorithm: Option<Cow<'a, str>>,
    /// `typ`: the type of the whole object; the empty text if it is not a string.
    pub object_type: Option<Cow<'a, str>>,
    /// `cty`: the type of the payload.
    pub content_type: Option<Cow<'a, str>>,
    /// `kid`: which key of the set signed.
    pub key_id: StatedKeyId<'a>,
    /// Whether `crit` (RFC 7515 §4.1.11) or `b64` (RFC 7797) asks for processing that this filter does not do.
    pub asks_for_extensions: bool,
}

/// What a header says of the key that signed (RFC 7515 §4.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatedKeyId<'a> {
    /// There is no `kid`.
    Absent,
    /// There is one that names no key: not a string, empty, longer than [`MAX_KID_LENGTH`](super::MAX_KID_LENGTH) bytes, or with control
    /// characters.
    Unusable,
    /// This one.
    Named(Cow<'a, str>),
}

/// Why text is not a compact JWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwsError {
    /// Longer than [`MAX_TOKEN_LENGTH`].
    TooLong,
    /// Not three parts with a dot between them.
    NotThreeParts,
    /// A part is not canonical base64url.
    NotBase64Url(Part),
    /// A part is not acceptable JSON.
    NotJson(Part, JsonError),
    /// A part is JSON, but not an object.
    NotAnObject(Part),
}

/// A part of a compact JWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The JOSE header.
    Header,
    /// The payload: the claims.
    Payload,
    /// The signature.
    Signature,
}

impl<'a> UnverifiedToken<'a> {
    /// Takes a compact JWS apart. Its parts are decoded into `decoded`, from which the token borrows them.
    ///
    /// # Errors
    /// See [`JwsError`]: the first part that is wrong.
    pub fn parse(token: &'a str, decoded: &'a mut Vec<u8>) -> Result<Self, JwsError> {
        let (signing_input, [header, payload, signature]) = parts(token)?;
        // Room for all of it at once. Zeros that are asked for with the memory cost nothing.
        *decoded = vec![0; token.len()];
        let mut room = decoded.as_mut_slice();
        let header_json = base64url_into(&mut room, header).ok_or(JwsError::NotBase64Url(Part::Header))?;
        let header = Header::parse(header_json)?;
        let payload = base64url_into(&mut room, payload).ok_or(JwsError::NotBase64Url(Part::Payload))?;
        let signature = base64url_into(&mut room, signature).ok_or(JwsError::NotBase64Url(Part::Signature))?;
        Ok(Self { text: token, header_json, header, payload, signing_input, signature })
    }

    /// The token of this text, with what [`Self::decoded`] gave for the same text.
    ///
    /// # Errors
    /// [`JwsError`], if it is another text.
    pub(crate) fn from_decoded(token: &'a str, decoded: &'a [u8]) -> Result<Self, JwsError> {
        let (signing_input, [header, payload, _]) = parts(token)?;
        let (header_json, decoded) =
            decoded.split_at_checked(decoded_length(header)).ok_or(JwsError::NotBase64Url(Part::Header))?;
        let (payload, signature) =
            decoded.split_at_checked(decoded_length(payload)).ok_or(JwsError::NotBase64Url(Part::Payload))?;
        Ok(Self { text: token, header_json, header: Header::parse(header_json)?, payload, signing_input, signature })
    }

    /// The decoded parts, one after the other.
    #[must_use]
    pub(crate) fn decoded(&self) -> Vec<u8> {
        [self.header_json, self.payload, self.signature].concat()
    }

    /// The token itself.
    #[must_use]
    pub(crate) fn as_str(&self) -> &'a str {
        self.text
    }

    /// The JOSE header.
    #[must_use]
    pub fn header(&self) -> &Header<'a> {
        &self.header
    }

    /// The payload as JSON object: the claims, as somebody states them.
    ///
    /// # Errors
    /// [`JwsError::NotJson`] and [`JwsError::NotAnObject`].
    pub fn claims(&self) -> Result<Object<'a>, JwsError> {
        match Value::parse(self.payload) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(JwsError::NotAnObject(Part::Payload)),
            Err(error) => Err(JwsError::NotJson(Part::Payload, error)),
        }
    }

    /// The same, but only the claims of these names, in their order.
    ///
    /// # Errors
    /// [`JwsError::NotJson`] and [`JwsError::NotAnObject`].
    pub fn claims_named<const N: usize>(&self, names: &[&str; N]) -> Result<[Option<Value<'a>>; N], JwsError> {
        members_of(Part::Payload, self.payload, names)
    }

    /// Verifies the signature with this algorithm, whatever the header says: callers check `alg` first.
    ///
    /// # Errors
    /// [`SignatureMismatch`], also for a key that may not verify this algorithm.
    pub fn verify(&self, algorithm: Algorithm, key: &VerificationKey) -> Result<(), SignatureMismatch> {
        key.verify(algorithm, self.signing_input.as_bytes(), self.signature)
    }
}

impl<'a> Header<'a> {
    fn parse(json: &'a [u8]) -> Result<Self, JwsError> {
        const NAMES: [&str; 6] = ["alg", "typ", "cty", "kid", "crit", "b64"];
        let [algorithm, object_type, content_type, key_id, crit, b64] = members_of(Part::Header, json, &NAMES)?;
        let text = |member: Option<Value<'a>>| member.and_then(Value::into_text);
        Ok(Self {
            algorithm: text(algorithm),
            object_type: object_type.map(|value| value.into_text().unwrap_or_default()),
            content_type: text(content_type),
            key_id: StatedKeyId::of(key_id),
            asks_for_extensions: crit.is_some() || b64.is_some(),
        })
    }
}

impl<'a> StatedKeyId<'a> {
    fn of(member: Option<Value<'a>>) -> Self {
        match member.map(Value::into_text) {
            None => Self::Absent,
            Some(text) => text.filter(|kid| is_key_id(kid)).map_or(Self::Unusable, Self::Named),
        }
    }

    /// The `kid`, if it names a key.
    #[must_use]
    pub(crate) fn named(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Named(key_id) => Some(key_id),
            Self::Absent | Self::Unusable => None,
        }
    }
}

/// What a signature is made of, and the three parts.
fn parts(token: &str) -> Result<(&str, [&str; 3]), JwsError> {
    if token.len() > MAX_TOKEN_LENGTH {
        return Err(JwsError::TooLong);
    }
    let mut dots = memchr_iter(b'.', token.as_bytes());
    let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
        return Err(JwsError::NotThreeParts);
    };
    let part = |range: Range<usize>| token.get(range).unwrap_or_default();
    let after = |dot: usize| dot.saturating_add(1);
    let parts = [part(0..first), part(after(first)..second), part(after(second)..token.len())];
    Ok((part(0..second), parts))
}

fn members_of<'a, const N: usize>(
    part: Part,
    json: &'a [u8],
    names: &[&str; N],
) -> Result<[Option<Value<'a>>; N], JwsError> {
    match members(json, names) {
        Ok(Some(members)) => Ok(members),
        Ok(None) => Err(JwsError::NotAnObject(part)),
        Err(error) => Err(JwsError::NotJson(part, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecdsa::P256PublicKey;
    use crate::jose::base64url::base64url;
    use crate::jose::key::MAX_KID_LENGTH;
    use crate::rsa::RsaPublicKey;
    use crate::testing::{EcSigningKey, SigningKey, b64, buffer, token};
    use proptest::prelude::*;

    const HEADER: &str = r#"{"alg":"PS256","typ":"JOSE","cty":"json","kid":"k"}"#;

    /// The payload, the signature and the modulus of appendix A.2, and the signature and the point of A.3, of RFC 7515.
    const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const A2_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2\
        Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN\
        9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVr\
        Bp0igcN_IoypGlUPQGe77Rw";
    const A2_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d\
        4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo\
        7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PA\
        cDTW9gb54h4FRWyuXpoQ";

    const A3_SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    const A3_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const A3_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn parse_header(header: &str) -> Result<Header<'static>, JwsError> {
        UnverifiedToken::parse(token(header, "{}", b"").leak(), buffer()).map(|token| token.header().clone())
    }

    #[test]
    fn the_parts_of_a_token_are_read() {
        let text = token(HEADER, r#"{"iss":"a"}"#, b"sig");
        let token = UnverifiedToken::parse(&text, buffer()).unwrap();
        assert_eq!(
            token.header(),
            &Header {
                algorithm: Some("PS256".into()),
                object_type: Some("JOSE".into()),
                content_type: Some("json".into()),
                key_id: StatedKeyId::Named("k".into()),
                asks_for_extensions: false,
            }
        );
        assert_eq!(token.claims().unwrap().text("iss"), Some("a"));
        assert_eq!(token.signature, b"sig");
        assert_eq!(token.signing_input, text.rsplit_once('.').unwrap().0);
    }

    /// RFC 7515 appendix A.1 (HS256), A.2 (RS256) and A.5 (unsecured): well-formed, so they parse; the rules for `alg`
    /// refuse them later.
    #[test]
    fn the_examples_of_rfc_7515_parse() {
        let hs256 =
            format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        let rs256 = format!("eyJhbGciOiJSUzI1NiJ9.{JOE}.{A2_SIGNATURE}");
        let none = format!("eyJhbGciOiJub25lIn0.{JOE}.");
        for (text, algorithm) in [(hs256, "HS256"), (rs256, "RS256"), (none, "none")] {
            let token = UnverifiedToken::parse(&text, buffer()).unwrap();
            assert_eq!(token.header().algorithm.as_deref(), Some(algorithm));
            assert_eq!(token.claims().unwrap().text("iss"), Some("joe"));
        }
    }

    /// RFC 7515 appendix A.2 and A.3.
    #[test]
    fn the_signatures_of_rfc_7515_verify_with_their_own_algorithm_alone() {
        let rs256 = format!("eyJhbGciOiJSUzI1NiJ9.{JOE}.{A2_SIGNATURE}");
        let rsa = RsaPublicKey::new(&base64url(A2_MODULUS).unwrap(), &[1, 0, 1]).unwrap();
        let es256 = format!("eyJhbGciOiJFUzI1NiJ9.{JOE}.{A3_SIGNATURE}");
        let ec = P256PublicKey::new(&base64url(A3_X).unwrap(), &base64url(A3_Y).unwrap()).unwrap();
        let (rsa, ec) = (VerificationKey::from(rsa), VerificationKey::from(ec));
        for (text, own) in [(rs256, Algorithm::Rs256), (es256, Algorithm::Es256)] {
            let token = UnverifiedToken::parse(&text, buffer()).unwrap();
            for algorithm in Algorithm::ALL {
                let verified = [&rsa, &ec].into_iter().any(|key| token.verify(algorithm, key).is_ok());
                assert_eq!(verified, algorithm == own, "{} as {}", own.name(), algorithm.name());
            }
        }
    }

    #[test]
    fn a_token_verifies_with_the_algorithm_that_signed_it_whatever_its_header_says() {
        let rsa = SigningKey::first();
        let key = VerificationKey::from(RsaPublicKey::new(&rsa.modulus(), &rsa.exponent()).unwrap());
        let (x, y) = EcSigningKey::first().coordinates();
        let ec_key = VerificationKey::from(P256PublicKey::new(&x, &y).unwrap());
        for (text, own) in [
            (rsa.token(HEADER, "{}"), Algorithm::Ps256),
            (rsa.token_rs256(HEADER, "{}"), Algorithm::Rs256),
            (EcSigningKey::first().token(HEADER, "{}"), Algorithm::Es256),
        ] {
            let token = UnverifiedToken::parse(&text, buffer()).unwrap();
            for algorithm in Algorithm::ALL {
                let verified = [&key, &ec_key].into_iter().any(|key| token.verify(algorithm, key).is_ok());
                assert_eq!(verified, algorithm == own, "{} as {}", own.name(), algorithm.name());
            }
        }
    }

    /// RFC 7515 appendix E: an extension that is critical and unknown must be refused.
    #[test]
    fn the_negative_test_case_of_rfc_7515_is_noticed() {
        let text = "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLm\
                    NvbS9VTkRFRklORUQiOnRydWUNCn0.RkFJTA.";
        assert!(UnverifiedToken::parse(text, buffer()).unwrap().header().asks_for_extensions);
    }

    /// RFC 7515 appendix A.6 and A.7: the JSON serialisations are other formats.
    #[test]
    fn the_json_serialisation_is_refused() {
        let json =
            format!(r#"{{"payload":"{}","protected":"{}","signature":"AA"}}"#, b64(b"{}"), b64(HEADER.as_bytes()));
        assert_eq!(UnverifiedToken::parse(&json, buffer()).unwrap_err(), JwsError::NotThreeParts);
    }

    #[test]
    fn a_token_has_exactly_three_parts() {
        let good = token(HEADER, "{}", b"s");
        let encrypted = format!("{good}.AA.AA");
        for text in ["", ".", "a", "a.b", &format!("{good}."), &format!(".{good}"), &encrypted, "...."] {
            assert_eq!(UnverifiedToken::parse(text, buffer()).unwrap_err(), JwsError::NotThreeParts, "{text}");
        }
    }

    #[test]
    fn each_part_must_be_canonical_base64url() {
        let h = b64(HEADER.as_bytes());
        for (text, part) in [
            (format!("{h}=.e30.AA"), Part::Header),
            (format!(".e30.AA,Bearer {h}"), Part::Signature),
            (format!("{h}.e30=.AA"), Part::Payload),
            (format!("{h}.e31.AA"), Part::Payload),
            (format!("{h}.e30.AA=="), Part::Signature),
            (format!("{h}.e30.AB"), Part::Signature),
            (format!("{h}.e3 0.AA"), Part::Payload),
            (format!("{h}.e30.A+"), Part::Signature),
        ] {
            let expected = if text.starts_with('.') {
                JwsError::NotJson(Part::Header, JsonError::Syntax { line: 1, column: 0 })
            } else {
                JwsError::NotBase64Url(part)
            };
            assert_eq!(UnverifiedToken::parse(&text, buffer()).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn header_and_payload_are_json_objects_without_duplicates() {
        let refused = |header: &str, payload: &str| {
            let text = token(header, payload, b"s");
            UnverifiedToken::parse(&text, buffer()).and_then(|token| token.claims().map(|_| ())).unwrap_err()
        };
        assert_eq!(refused("[]", "{}"), JwsError::NotAnObject(Part::Header));
        assert_eq!(refused(HEADER, "\"{}\""), JwsError::NotAnObject(Part::Payload));
        assert!(matches!(refused("{", "{}"), JwsError::NotJson(Part::Header, JsonError::Syntax { .. })));
        assert!(matches!(refused(HEADER, "{}x"), JwsError::NotJson(Part::Payload, JsonError::Syntax { .. })));
        let twice = r#"{"kid":"a","kid":"b"}"#;
        assert!(matches!(refused(twice, "{}"), JwsError::NotJson(Part::Header, JsonError::DuplicateMember { .. })));
        assert!(matches!(refused(HEADER, twice), JwsError::NotJson(Part::Payload, JsonError::DuplicateMember { .. })));
    }

    #[test]
    fn a_token_longer_than_the_bound_is_not_decoded() {
        let text = |length: usize| {
            let start = format!("{}.e30.", b64(HEADER.as_bytes()));
            let fill = length - start.len();
            format!("{start}{}", "A".repeat(fill))
        };
        assert!(UnverifiedToken::parse(&text(MAX_TOKEN_LENGTH), buffer()).is_ok());
        assert_eq!(UnverifiedToken::parse(&text(MAX_TOKEN_LENGTH + 1), buffer()).unwrap_err(), JwsError::TooLong);
    }

    #[test]
    fn members_of_another_type_count_as_absent_but_for_typ() {
        let header = parse_header(r#"{"alg":["PS256"],"typ":1,"cty":null,"kid":{"a":"b"}}"#).unwrap();
        assert_eq!(
            header,
            Header {
                algorithm: None,
                object_type: Some("".into()),
                content_type: None,
                key_id: StatedKeyId::Unusable,
                asks_for_extensions: false
            }
        );
    }

    #[test]
    fn critical_extensions_are_noticed_in_any_form() {
        for header in
            [r#"{"crit":["b64"]}"#, r#"{"crit":[]}"#, r#"{"crit":null}"#, r#"{"b64":false}"#, r#"{"b64":true}"#]
        {
            assert!(parse_header(header).unwrap().asks_for_extensions, "{header}");
        }
    }

    #[test]
    fn a_kid_is_short_text_without_control_characters() {
        let kid = |kid: &str| parse_header(&format!(r#"{{"kid":"{kid}"}}"#)).unwrap().key_id;
        assert_eq!(kid("../../etc"), StatedKeyId::Named("../../etc".into()));
        assert!(matches!(kid(&"k".repeat(MAX_KID_LENGTH)), StatedKeyId::Named(_)));
        for refused in ["", "a\\n", "\\u0000", "\\u0085", &"k".repeat(MAX_KID_LENGTH + 1)] {
            assert_eq!(kid(refused), StatedKeyId::Unusable, "{refused}");
        }
    }

    #[test]
    fn a_kid_that_is_not_there_is_told_from_one_that_names_nothing() {
        let key_id = |header: &str| parse_header(header).unwrap().key_id;
        assert_eq!(key_id("{}"), StatedKeyId::Absent);
        for kid in ["null", "0", "1", "true", "[]", "{}", r#"["k"]"#, r#""""#] {
            assert_eq!(key_id(&format!(r#"{{"kid":{kid}}}"#)), StatedKeyId::Unusable, "{kid}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[ -~]{0,200}|[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}") {
            let _ = UnverifiedToken::parse(&text, buffer()).map(|token| token.claims().map(|_| ()));
        }
    }
}
