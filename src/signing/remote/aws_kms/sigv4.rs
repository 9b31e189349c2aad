//! AWS Signature Version 4: who calls, and that nobody has changed the call. As "Authenticating Requests (AWS Signature Version 4)" of AWS
//! has it, for a `POST` to `/` without a query.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::config::AwsCredentials;
use crate::hex;
use crate::time::UnixTime;

/// What the signature is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// The headers that sign a `POST` to `/` of this host, with these headers beside `host`, of lower-case names in their order.
pub(super) fn signed(
    credentials: &AwsCredentials,
    scope: Scope<'_>,
    now: UnixTime,
    host: &str,
    headers: &[(&'static str, String)],
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let time = basic_format(now);
    let day: String = time.chars().take(8).collect();
    let mut added = vec![("x-amz-date", time.clone())];
    if let Some(token) = &credentials.session_token {
        added.push(("x-amz-security-token", token.expose().to_owned()));
    }
    let mut all = vec![("host", host)];
    all.extend(headers.iter().chain(&added).map(|(name, value)| (*name, value.as_str())));
    all.sort_unstable();
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = all.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", digest(body));
    let Scope { region, service } = scope;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", digest(canonical.as_bytes()));
    let secret = Zeroizing::new(format!("AWS4{}", credentials.secret_access_key.expose()));
    let key = [day.as_str(), region, service, "aws4_request"]
        .iter()
        .fold(Zeroizing::new(secret.as_bytes().to_vec()), |key, part| mac(&key, part.as_bytes()));
    let signature = hexadecimal(&mac(&key, text.as_bytes()));
    let id = credentials.access_key_id.expose();
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
    added.push(("authorization", authorization));
    added
}

/// ISO 8601 in its basic format, in UTC: `20150830T123600Z`.
fn basic_format(now: UnixTime) -> String {
    let mut text: String = now.to_rfc3339().chars().take(19).filter(char::is_ascii_alphanumeric).collect();
    text.push('Z');
    text
}

fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().copied().flat_map(hex::lower).collect()
}

/// HMAC-SHA256 (RFC 2104).
fn mac(key: &[u8], message: &[u8]) -> Zeroizing<Vec<u8>> {
    // HMAC takes keys of any length.
    let code = Hmac::<Sha256>::new_from_slice(key).map(|mut hmac| {
        hmac.update(message);
        hmac.finalize().into_bytes().to_vec()
    });
    Zeroizing::new(code.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    /// Those of AWS's own test suite (`aws-sig-v4-test-suite`).
    fn credentials(session_token: Option<&str>) -> AwsCredentials {
        AwsCredentials {
            access_key_id: Secret::new("AKIDEXAMPLE"),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: session_token.map(Secret::new),
        }
    }

    const SCOPE: Scope<'_> = Scope { region: "us-east-1", service: "service" };
    /// 2015-08-30T12:36:00Z.
    const NOW: UnixTime = UnixTime::from_secs(1_440_938_160);

    fn signature(headers: &[(&'static str, String)], body: &str) -> String {
        let added = signed(&credentials(None), SCOPE, NOW, "example.amazonaws.com", headers, body.as_bytes());
        let (_, authorization) = added.last().unwrap();
        authorization.rsplit_once("Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn a_call_is_signed_as_in_the_suite_of_aws() {
        // post-vanilla, post-header-key-sort, post-x-www-form-urlencoded
        assert_eq!(signature(&[], ""), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
        let value = [("my-header1", "value1".to_owned())];
        assert_eq!(signature(&value, ""), "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c");
        let form = [("content-type", "application/x-www-form-urlencoded".to_owned())];
        let body = "Param1=value1";
        assert_eq!(signature(&form, body), "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
    }

    #[test]
    fn the_authorization_names_the_credential_its_scope_and_what_is_signed() {
        let added = signed(&credentials(Some("t/+=")), SCOPE, NOW, "h", &[("x-amz-target", "A.B".to_owned())], b"{}");
        let [date, token, (name, authorization)] = added.as_slice() else { panic!("{added:?}") };
        assert_eq!(*date, ("x-amz-date", "20150830T123600Z".to_owned()));
        assert_eq!(*token, ("x-amz-security-token", "t/+=".to_owned()));
        let start = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders=host;x-amz-date;x-amz-security-token;x-amz-target, Signature=";
        assert!(*name == "authorization" && authorization.starts_with(start), "{authorization}");
    }

    /// RFC 4231 §4.2, §4.3, §4.7.
    #[test]
    fn the_code_is_that_of_the_rfc() {
        let long = [0xaa; 131];
        for (key, message, code) in [
            (&[0x0b; 20][..], "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &long,
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hexadecimal(&mac(key, message.as_bytes())), code);
        }
    }
}
