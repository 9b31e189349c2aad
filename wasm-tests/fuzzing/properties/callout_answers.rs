//! Of the answer to a callout the body counts if, and only if, the status is 200 and the announced length is that of the body. What its
//! `Date` says of the clock is one thing at most.

use std::time::Duration;

use hub_auth_filter::facade::callout::{Answer, Body, CalloutError};
use hub_auth_filter::facade::time::UnixTime;

use crate::cost::{Bound, bounded};

/// Nothing is copied.
const BOUND: Bound = Bound { base: 0, per_byte: 0, time: Duration::from_millis(100) };

/// A line each for status, length and `retry-after`, which is empty where there is none; then the body.
pub(crate) fn check(data: &[u8]) -> bool {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let mut field = || parts.next().filter(|text| !text.is_empty()).map(<[u8]>::to_vec);
    let [status, content_length, retry_after] = [field(), field(), field()];
    let body = parts.next();
    let answer = Answer {
        status,
        content_length,
        date: body.map(<[u8]>::to_vec),
        age: retry_after.clone(),
        retry_after,
        body: body.map_or(Body::Unreadable, |body| Body::Read(body.to_vec())),
    };
    let complete = bounded(BOUND, data.len(), || answer.complete());
    let status = answer.status.as_deref().and_then(number);
    let is_whole =
        answer.content_length.as_deref().is_none_or(|length| number(length) == body.map(|body| body.len() as u128));
    match complete {
        Ok(read) => assert!(Some(read) == body && status == Some(200) && is_whole),
        Err(CalloutError::NoAnswer) => assert_eq!(status, None),
        Err(CalloutError::Incomplete) => assert!(status == Some(200) && (body.is_none() || !is_whole)),
        Err(CalloutError::Status(code)) => {
            assert!(is_status(code, status) && body.is_some_and(|body| !body.is_empty()))
        }
        Err(CalloutError::StatusAlone(code)) => assert!(is_status(code, status) && body.is_none_or(<[u8]>::is_empty)),
        Err(error) => panic!("{error:?}"),
    }
    let retry_after = bounded(BOUND, data.len(), || answer.retry_after());
    let says_when = matches!(answer.status.as_deref(), Some(b"429" | b"503"));
    let expected = answer.retry_after.as_deref().and_then(number).filter(|_| says_when);
    assert_eq!(retry_after.map(|pause| u128::from(pause.as_secs())), expected);
    let now = UnixTime::from_millis(1_795_306_300_000);
    let difference = bounded(BOUND, data.len(), || answer.clock_difference(now, now));
    assert!(difference.is_none_or(|difference| difference.ahead.is_zero() || difference.behind.is_zero()));
    complete.is_ok()
}

fn is_status(code: u16, status: Option<u128>) -> bool {
    code != 200 && status.is_some_and(|status| u128::from(code) == status.min(u16::MAX.into()))
}

/// A decimal number of 64 bits, of digits alone.
fn number(text: &[u8]) -> Option<u128> {
    let digits = text.iter().map(|byte| char::from(*byte).to_digit(10).map(u128::from));
    let number = digits.reduce(|number, digit| number?.checked_mul(10)?.checked_add(digit?))??;
    (number <= u64::MAX.into()).then_some(number)
}
