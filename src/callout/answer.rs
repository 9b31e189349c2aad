//! What a callout brought. Only a complete answer with status 200 counts. A gateway caps neither the time that a dripping
//! server takes nor the length of what it sends, and may call half an answer complete, so all of that is checked here.

use std::fmt;
use std::time::Duration;

/// The longest answer that is read, in bytes. Key sets of the Trust Framework, with `x5c`, are the longest.
pub(crate) const MAX_ANSWER_LENGTH: usize = 256 * 1024;

/// The answer to a callout, as the gateway gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// `:status`; absent where no answer came.
    pub status: Option<Vec<u8>>,
    /// `content-length`, where it was sent.
    pub content_length: Option<Vec<u8>>,
    /// `retry-after`, where it was sent.
    pub retry_after: Option<Vec<u8>>,
    /// `date`, where it was sent and is wanted: see [`Answer::clock_difference`].
    pub date: Option<Vec<u8>>,
    /// `age`, likewise.
    pub age: Option<Vec<u8>>,
    /// The body.
    pub body: Body,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Body {
    /// It was announced and could not be read.
    #[default]
    Unreadable,
    /// It is longer than [`MAX_ANSWER_LENGTH`], and was not read.
    TooLong,
    /// It was read.
    Read(Vec<u8>),
}

/// Why a callout brought no answer that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalloutError {
    /// The gateway did not take the callout: a wrong `upstream`, most likely.
    NotDispatched,
    /// No answer: timeout, reset, refused, TLS failure.
    NoAnswer,
    /// A status other than 200.
    Status(u16),
    /// The same, with no body that could be read.
    StatusAlone(u16),
    /// Fewer or more bytes than the answer announced.
    Incomplete,
    /// More than [`MAX_ANSWER_LENGTH`] bytes.
    TooLong,
}

impl CalloutError {
    /// The status of the answer, where that was the fault.
    #[must_use]
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) | Self::StatusAlone(status) => Some(status),
            Self::NotDispatched | Self::NoAnswer | Self::Incomplete | Self::TooLong => None,
        }
    }

    /// Whether some of a body has come for certain.
    #[must_use]
    pub fn had_body(self) -> bool {
        matches!(self, Self::Status(_) | Self::TooLong)
    }
}

impl Answer {
    /// How long a server that has too much to do (429), or that is away for a while (503), wants to be left alone. Seconds
    /// alone are read: a date says nothing to one whose clock differs.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.retry_after.as_deref().filter(|text| !text.is_empty()).and_then(decimal);
        let says_when = matches!(self.status.as_deref(), Some(b"429" | b"503"));
        seconds.filter(|_| says_when).map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)))
    }

    /// Whether some of a body has come for certain.
    #[must_use]
    pub fn has_body(&self) -> bool {
        match &self.body {
            Body::Unreadable => false,
            Body::TooLong => true,
            Body::Read(body) => !body.is_empty(),
        }
    }

    /// The body of a complete answer with status 200.
    ///
    /// # Errors
    /// See [`CalloutError`].
    pub fn complete(&self) -> Result<&[u8], CalloutError> {
        let status = self.status.as_deref().and_then(decimal).ok_or(CalloutError::NoAnswer)?;
        if status != 200 {
            let status = u16::try_from(status).unwrap_or(u16::MAX);
            return Err(if self.has_body() { CalloutError::Status(status) } else { CalloutError::StatusAlone(status) });
        }
        let body = match &self.body {
            Body::Unreadable => return Err(CalloutError::Incomplete),
            Body::TooLong => return Err(CalloutError::TooLong),
            Body::Read(body) if body.len() > MAX_ANSWER_LENGTH => return Err(CalloutError::TooLong),
            Body::Read(body) => body,
        };
        // A server that closes early can look complete to the gateway.
        if let Some(announced) = &self.content_length
            && decimal(announced) != Some(body.len())
        {
            return Err(CalloutError::Incomplete);
        }
        Ok(body)
    }
}

impl fmt::Display for CalloutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDispatched => f.write_str("the gateway refused the callout"),
            Self::NoAnswer => f.write_str("no answer"),
            Self::Status(status) | Self::StatusAlone(status) => write!(f, "status {status} instead of 200"),
            Self::Incomplete => f.write_str("the answer is not complete"),
            Self::TooLong => write!(f, "the answer is longer than {MAX_ANSWER_LENGTH} bytes"),
        }
    }
}

/// A decimal number of ASCII digits.
pub(super) fn decimal(text: &[u8]) -> Option<usize> {
    if text.iter().all(u8::is_ascii_digit) { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callout::Request;

    fn answer(status: &str, content_length: Option<&str>) -> Result<usize, CalloutError> {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let body = Body::Read(bytes("0123456789"));
        let answer = Answer {
            status: Some(bytes(status)),
            content_length: content_length.map(bytes),
            body,
            ..Answer::default()
        };
        answer.complete().map(<[u8]>::len)
    }

    #[test]
    fn a_complete_answer_is_taken() {
        assert_eq!(answer("200", None), Ok(10));
        assert_eq!(answer("200", Some("10")), Ok(10));
    }

    #[test]
    fn any_other_status_is_refused() {
        for (status, error) in [
            ("201", CalloutError::Status(201)),
            ("206", CalloutError::Status(206)),
            ("304", CalloutError::Status(304)),
            ("302", CalloutError::Status(302)),
            ("503", CalloutError::Status(503)),
            ("99999999", CalloutError::Status(u16::MAX)),
            ("", CalloutError::NoAnswer),
            ("2e2", CalloutError::NoAnswer),
            ("+200", CalloutError::NoAnswer),
        ] {
            assert_eq!(answer(status, None), Err(error), "{status}");
        }
        assert_eq!(Answer::default().complete(), Err(CalloutError::NoAnswer));
    }

    #[test]
    fn whether_some_of_a_body_has_come_is_told_apart() {
        let status = |body| Answer { status: Some(b"503".to_vec()), body, ..Answer::default() };
        for (body, had_body) in [
            (Body::Read(vec![b'x']), true),
            (Body::TooLong, true),
            (Body::Read(vec![]), false),
            (Body::Unreadable, false),
        ] {
            let answer = status(body);
            assert_eq!(answer.has_body(), had_body, "{answer:?}");
            let error = answer.complete().unwrap_err();
            assert_eq!((error.status(), error.had_body()), (Some(503), had_body), "{answer:?}");
            assert_eq!(error.to_string(), "status 503 instead of 200");
        }
        assert!(CalloutError::TooLong.had_body());
        for error in [CalloutError::NotDispatched, CalloutError::NoAnswer, CalloutError::Incomplete] {
            assert!(!error.had_body(), "{error}");
        }
    }

    #[test]
    fn an_answer_of_another_length_than_announced_is_incomplete() {
        for length in ["11", "9", "0", "x", ""] {
            assert_eq!(answer("200", Some(length)), Err(CalloutError::Incomplete), "{length}");
        }
    }

    #[test]
    fn a_body_that_was_not_read_or_is_too_long_does_not_count() {
        let with = |body| Answer { status: Some(b"200".to_vec()), body, ..Answer::default() };
        assert_eq!(with(Body::Unreadable).complete(), Err(CalloutError::Incomplete));
        assert_eq!(with(Body::TooLong).complete(), Err(CalloutError::TooLong));
        assert!(with(Body::Read(vec![b' '; MAX_ANSWER_LENGTH])).complete().is_ok());
        assert_eq!(with(Body::Read(vec![b' '; MAX_ANSWER_LENGTH + 1])).complete(), Err(CalloutError::TooLong));
    }

    #[test]
    fn a_server_says_when_to_come_back_in_seconds_with_429_and_503_alone() {
        let cases: [(&str, Option<&str>, Option<u64>); 10] = [
            ("429", Some("7"), Some(7)),
            ("503", Some("120"), Some(120)),
            ("503", Some("0"), Some(0)),
            ("503", None, None),
            ("503", Some(""), None),
            ("503", Some("-1"), None),
            ("503", Some("1.5"), None),
            ("503", Some("Sun, 29 Nov 2026 10:00:00 GMT"), None),
            ("200", Some("7"), None),
            ("500", Some("7"), None),
        ];
        for (status, retry_after, seconds) in cases {
            let bytes = |text: &str| text.as_bytes().to_vec();
            let retry_after = retry_after.map(bytes);
            let answer = Answer { status: Some(bytes(status)), retry_after, ..Answer::default() };
            assert_eq!(answer.retry_after(), seconds.map(Duration::from_secs), "{answer:?}");
        }
    }

    #[test]
    fn a_request_does_not_print_what_may_be_secret() {
        let url = crate::url::HttpUrl::parse("https://as.example/introspect").unwrap();
        let headers = vec![("authorization", "Basic c2VjcmV0".to_owned())];
        let body = b"token=secret".to_vec();
        let upstream = "as".into();
        let timeout = Duration::ZERO;
        let request = Request { upstream, method: "POST", url, headers, body, timeout, may_be_repeated: true };
        let printed = format!("{request:?}");
        assert!(!printed.contains("c2VjcmV0") && !printed.contains("secret"), "{printed}");
    }
}
