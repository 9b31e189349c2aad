//! Who gets in, by the client certificate alone. None of the requests has a credential, so nobody gets further than the check of it: the
//! filter's error codes tell who was refused for the certificate and who for the credential.

use hub_auth_filter::facade::reply::ErrorCode;

use super::Listener;
use crate::doctor::given::Identity;
use crate::doctor::http::{Answer, Exchange};
use crate::doctor::report::Finding;

/// Whether the listener refuses a caller that no CA vouches for, on every path that needs a certificate. `answers_known` says that the
/// certificate of the Trust Framework got an answer, so a connection that is ended without a word was ended for the certificate.
pub(super) fn refused(listener: &Listener<'_>, identity: Option<&Identity>, answers_known: bool) -> Finding {
    let mut finding = None;
    let health = |endpoint: &str| format!("{}{endpoint}", listener.base_path);
    for (path, is_health_check) in
        [(listener.path.clone(), false), (health("/hello-mtls"), true), (health("/echo-cert"), true)]
    {
        let exchange = listener.get(&path, identity);
        let is_over = matches!(exchange, Exchange::Refused { .. });
        let one = judge(&exchange, &path, is_health_check, answers_known);
        finding = Some(match finding {
            None => one,
            Some(before) => Finding::or_worse(before, one),
        });
        // TLS ended: no other path is reached either.
        if is_over {
            break;
        }
    }
    finding.unwrap_or_else(|| Finding::not_checked("nothing was asked"))
}

/// Whether a certificate of the Trust Framework with another OU is refused.
pub(super) fn other_unit(listener: &Listener<'_>, exchange: &Exchange, answers_known: bool) -> Finding {
    judge(exchange, &listener.path, false, answers_known)
}

/// Whether a certificate that is pinned is not refused.
pub(super) fn hub(exchange: &Exchange) -> Finding {
    match exchange {
        Exchange::Answer(answer) if is_of_certificate(answer) => Finding::failed(answer.summary()),
        Exchange::Answer(answer) if answer.status >= 500 => Finding::not_checked(answer.summary()),
        Exchange::Answer(answer) => Finding::passed(format!("{}, and not for the certificate", answer.summary())),
        Exchange::Refused { how, .. } => Finding::failed(how.as_str()),
        other => Finding::not_checked(other.in_words()),
    }
}

fn judge(exchange: &Exchange, path: &str, is_health_check: bool, answers_known: bool) -> Finding {
    let answer = match exchange {
        Exchange::Refused { how, is_certain } if *is_certain || answers_known => return Finding::passed(how.as_str()),
        Exchange::Refused { how, .. } => {
            return Finding::not_checked(format!("{how}, and so it is with --certificate: nobody gets an answer"));
        }
        Exchange::Answer(answer) => answer,
        other => return Finding::not_checked(other.in_words()),
    };
    let found = format!("{} at {path}", answer.summary());
    let says_so = || String::from_utf8_lossy(&answer.body).to_ascii_lowercase().contains("certificate");
    match answer.status {
        _ if is_of_certificate(answer) => Finding::passed(found),
        // Errors of health checks have no code.
        401 if is_health_check && answer.error_code().is_none() => Finding::passed(found),
        // nginx and those built on it refuse certificates in HTTP.
        400 | 403 | 495 | 496 if answer.error_code().is_none() && says_so() => Finding::passed(found),
        400 | 401 | 403 if answer.error_code().is_none() => {
            Finding::not_checked(format!("{found}: it does not say whether that is for the certificate"))
        }
        500.. => Finding::not_checked(found),
        _ => Finding::failed(found),
    }
}

/// Whether the filter refused a certificate, and nothing else.
fn is_of_certificate(answer: &Answer) -> bool {
    let codes = [
        ErrorCode::CertificateMissing,
        ErrorCode::CertificateMalformed,
        ErrorCode::CertificateNotAllowed,
        ErrorCode::CertificateInvalid,
    ];
    matches!(answer.status, 401 | 403)
        && answer.error_code().is_some_and(|code| codes.iter().any(|known| known.as_str() == code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Outcome;

    fn refused(is_certain: bool) -> Exchange {
        Exchange::Refused { how: "the connection was ended".to_owned(), is_certain }
    }

    #[test]
    fn an_end_without_a_word_is_a_refusal_only_where_others_get_an_answer() {
        for (exchange, answers_known, expected) in [
            (refused(true), false, Outcome::Passed),
            (refused(false), true, Outcome::Passed),
            (refused(false), false, Outcome::NotChecked),
            (Exchange::NotReached(String::new()), true, Outcome::NotChecked),
            (Exchange::NoAnswer(String::new()), true, Outcome::NotChecked),
        ] {
            assert_eq!(judge(&exchange, "/", false, answers_known).outcome, expected, "{exchange:?} {answers_known}");
        }
        assert_eq!(hub(&refused(true)).outcome, Outcome::Failed);
        assert_eq!(hub(&Exchange::NoAnswer(String::new())).outcome, Outcome::NotChecked);
    }
}
