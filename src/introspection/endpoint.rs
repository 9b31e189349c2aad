//! The introspection endpoint (RFC 7662 §2.1), and the request that asks it about a token: client authentication by secret
//! (RFC 6749 §2.3.1), parameters in a form (RFC 6749 appendix B).

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::callout::Request;
use crate::hex;
use crate::url::HttpUrl;

/// Where to ask about tokens, and as whom. Holds a secret, which it does not print.
#[derive(Clone)]
pub(crate) struct Endpoint {
    upstream: String,
    url: HttpUrl,
    authorization: Option<String>,
}

impl Endpoint {
    /// The endpoint at this address, for the client with this id and secret. Without a secret the gateway authenticates the client.
    #[must_use]
    pub(crate) fn new(upstream: &str, url: HttpUrl, client_id: &str, client_secret: Option<&str>) -> Self {
        let authorization = client_secret.map(|secret| {
            let credentials = format!("{}:{}", form_encoded(client_id), form_encoded(secret));
            format!("Basic {}", STANDARD.encode(credentials))
        });
        Self { upstream: upstream.to_owned(), url, authorization }
    }

    /// Its address.
    #[must_use]
    pub(crate) fn url(&self) -> &HttpUrl {
        &self.url
    }

    /// The request that asks about a token.
    #[must_use]
    pub(crate) fn request(&self, token: &str, timeout: Duration) -> Request {
        let mut headers = vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("accept", "application/json".to_owned()),
        ];
        headers.extend(self.authorization.clone().map(|authorization| ("authorization", authorization)));
        Request {
            upstream: self.upstream.clone(),
            method: "POST",
            url: self.url.clone(),
            headers,
            body: format!("token={}&token_type_hint=access_token", form_encoded(token)).into_bytes(),
            timeout,
            // To ask about a token changes nothing (RFC 7662 §2).
            may_be_repeated: true,
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("upstream", &self.upstream).field("url", &self.url).finish_non_exhaustive()
    }
}

/// One value of a form: `application/x-www-form-urlencoded` of UTF-8 text (RFC 6749 appendix B).
fn form_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            letter if letter.is_ascii_alphanumeric() => encoded.push(char::from(letter)),
            b' ' => encoded.push('+'),
            other => {
                encoded.push('%');
                encoded.extend(hex::upper(other));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn endpoint(client_id: &str, client_secret: &str) -> Endpoint {
        let url = HttpUrl::parse("https://as.example/introspect").unwrap();
        Endpoint::new("as", url, client_id, Some(client_secret))
    }

    #[test]
    fn the_request_is_the_one_of_rfc_7662() {
        let Request { upstream, method, url, headers, body, timeout, may_be_repeated } =
            endpoint("s6BhdRkqt3", "gX1fBat3bV").request("mF_9.B5f-4.1JqM", Duration::from_secs(2));
        assert_eq!((upstream.as_str(), method, url.as_str()), ("as", "POST", "https://as.example/introspect"));
        assert_eq!(
            headers,
            [
                ("content-type", "application/x-www-form-urlencoded".to_owned()),
                ("accept", "application/json".to_owned()),
                // The example of RFC 6749 §2.3.1.
                ("authorization", "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW".to_owned()),
            ]
        );
        assert_eq!(body, b"token=mF_9.B5f-4.1JqM&token_type_hint=access_token");
        assert_eq!((timeout, may_be_repeated), (Duration::from_secs(2), true));
    }

    #[test]
    fn without_a_secret_the_request_names_no_client() {
        let url = HttpUrl::parse("https://as.example/introspect").unwrap();
        let asked = Endpoint::new("as", url, "s6BhdRkqt3", None).request("t", Duration::ZERO);
        let right = endpoint("s6BhdRkqt3", "gX1fBat3bV").request("t", Duration::ZERO);
        assert_eq!((asked.headers.as_slice(), &asked.body), (&right.headers[..2], &right.body));
    }

    #[test]
    fn a_value_can_not_leave_its_place_in_a_form() {
        for (text, encoded) in [
            ("azAZ09*-._", "azAZ09*-._"),
            // The example of RFC 6749 appendix B.
            (" %&+£€", "+%25%26%2B%C2%A3%E2%82%AC"),
            ("a&active=1", "a%26active%3D1"),
            ("~:/\r\n\0", "%7E%3A%2F%0D%0A%00"),
            ("", ""),
        ] {
            assert_eq!(form_encoded(text), encoded, "{text:?}");
        }
    }

    #[test]
    fn id_and_secret_are_encoded_before_they_are_joined() {
        let request = endpoint("a:b", "c d:e").request("t", Duration::ZERO);
        let (_, authorization) = &request.headers[2];
        let credentials = STANDARD.decode(authorization.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(credentials, b"a%3Ab:c+d%3Ae");
    }

    #[test]
    fn an_endpoint_does_not_print_its_secret() {
        let printed = format!("{:?}", endpoint("client", "s3cret"));
        let (_, authorization) = &endpoint("client", "s3cret").request("t", Duration::ZERO).headers[2];
        assert!(!printed.contains("s3cret") && !printed.contains(authorization.split_at(6).1), "{printed}");
        assert!(printed.contains("https://as.example/introspect"), "{printed}");
    }

    proptest! {
        #[test]
        fn encoded_text_is_made_of_harmless_characters_and_decodes_to_itself(text in any::<String>()) {
            let encoded = form_encoded(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*-._+%".contains(&byte)));
            let mut bytes = Vec::new();
            let mut rest = encoded.as_bytes();
            while let [first, after @ ..] = rest {
                if *first == b'%' {
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
                    rest = &after[2..];
                } else {
                    bytes.push(if *first == b'+' { b' ' } else { *first });
                    rest = after;
                }
            }
            prop_assert_eq!(bytes, text.as_bytes());
        }
    }
}
