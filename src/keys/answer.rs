//! What came back for a fetch: only a complete answer with status 200 and a usable key set in it is one.

use crate::jose::{Algorithm, JwksError, KeySet};

use super::FetchError;

/// The answer to a callout, as the gateway gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// `:status`; absent where no answer came.
    pub status: Option<Vec<u8>>,
    /// `content-length`, where it was sent.
    pub content_length: Option<Vec<u8>>,
    /// The body.
    pub body: Body,
}

/// The body of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Body {
    /// It was announced and could not be read.
    #[default]
    Unreadable,
    /// It is longer than any key set may be, and was not read.
    TooLong,
    /// It was read.
    Read(Vec<u8>),
}

impl Answer {
    /// The key set in the answer, of keys that may verify an accepted algorithm.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub fn key_set(&self, accepted: &[Algorithm]) -> Result<KeySet, FetchError> {
        let status = self.status.as_deref().and_then(decimal).ok_or(FetchError::NoAnswer)?;
        if status != 200 {
            return Err(FetchError::Status(u16::try_from(status).unwrap_or(u16::MAX)));
        }
        let body = match &self.body {
            Body::Unreadable => return Err(FetchError::Incomplete),
            Body::TooLong => return Err(FetchError::Unusable(JwksError::TooLong)),
            Body::Read(body) => body,
        };
        // A server that closes early can look complete to the gateway.
        if let Some(announced) = &self.content_length
            && decimal(announced) != Some(body.len())
        {
            return Err(FetchError::Incomplete);
        }
        KeySet::parse(body, accepted).map_err(FetchError::Unusable)
    }
}

/// A decimal number of ASCII digits.
fn decimal(text: &[u8]) -> Option<usize> {
    if text.iter().all(u8::is_ascii_digit) { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SigningKey;

    fn answer(status: &str, content_length: Option<&str>, body: &[u8]) -> Result<usize, FetchError> {
        let bytes = |text: &str| text.as_bytes().to_vec();
        Answer {
            status: Some(bytes(status)),
            content_length: content_length.map(bytes),
            body: Body::Read(body.to_vec()),
        }
        .key_set(&[Algorithm::Ps256])
        .map(|keys| keys.len())
    }

    #[test]
    fn a_complete_answer_with_keys_is_taken() {
        let body = SigningKey::first().jwks("k");
        assert_eq!(answer("200", None, &body), Ok(1));
        assert_eq!(answer("200", Some(&body.len().to_string()), &body), Ok(1));
    }

    #[test]
    fn any_other_status_is_refused_even_with_keys() {
        let body = SigningKey::first().jwks("k");
        for (status, error) in [
            ("201", FetchError::Status(201)),
            ("206", FetchError::Status(206)),
            ("304", FetchError::Status(304)),
            ("302", FetchError::Status(302)),
            ("503", FetchError::Status(503)),
            ("99999999", FetchError::Status(u16::MAX)),
            ("", FetchError::NoAnswer),
            ("2e2", FetchError::NoAnswer),
            ("+200", FetchError::NoAnswer),
        ] {
            assert_eq!(answer(status, None, &body), Err(error), "{status}");
        }
        assert_eq!(Answer::default().key_set(&[Algorithm::Ps256]).map(|_| ()).unwrap_err(), FetchError::NoAnswer);
    }

    #[test]
    fn an_answer_of_another_length_than_announced_is_incomplete() {
        let body = SigningKey::first().jwks("k");
        for length in [body.len() + 1, body.len() - 1, 0] {
            assert_eq!(answer("200", Some(&length.to_string()), &body), Err(FetchError::Incomplete));
        }
        assert_eq!(answer("200", Some("x"), &body), Err(FetchError::Incomplete));
        let unread = |body| {
            Answer { status: Some(b"200".to_vec()), content_length: None, body }
                .key_set(&[Algorithm::Ps256])
                .map(|_| ())
        };
        assert_eq!(unread(Body::Unreadable), Err(FetchError::Incomplete));
        assert_eq!(unread(Body::TooLong), Err(FetchError::Unusable(JwksError::TooLong)));
    }

    #[test]
    fn a_body_without_keys_is_unusable() {
        assert_eq!(answer("200", None, b"<html>"), Err(FetchError::Unusable(JwksError::NotASet)));
        assert_eq!(answer("200", None, b"{\"keys\":[]}"), Err(FetchError::Unusable(JwksError::NoUsableKey)));
    }
}
