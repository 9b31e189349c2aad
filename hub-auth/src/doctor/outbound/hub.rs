//! The Hub's Consent Manager and Headless Heimdall, each asked as the gateway asks it: with C3, and with a token.

use rustls::pki_types::CertificateDer;

use crate::doctor::Context;
use crate::doctor::checks::Check;
use crate::doctor::http::{self, Answer, Exchange, Trust};
use crate::doctor::inbound::is_hello_of_hub;
use crate::doctor::report::{Finding, Report};

/// Makes the two checks of one service: that it can be reached and is the one, and that it knows the bank.
pub(super) fn check(
    context: &Context,
    authorities: Option<&[CertificateDer<'static>]>,
    (reached, hello): (Check, Check),
    url: &str,
    token: Option<&str>,
    report: &mut Report,
) {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let url = format!("{url}/hello-mtls");
    let get = |trust: &Trust<'_>| {
        let identity = Some(&context.identity);
        http::get(&url, identity, trust, authorization.as_deref(), &context.ways, context.timeout)
    };
    let mut exchange = get(&Trust::Authorities(authorities.unwrap_or(&context.authorities.all)));
    // The standard leaves open who issues these certificates.
    if authorities.is_none() && matches!(exchange, Exchange::NotBelieved { is_unknown_issuer: true, .. }) {
        exchange = get(&Trust::System);
    }
    let without = if token.is_none() { " (without a token: there is none)" } else { "" };
    let (reaches, knows) = judge(&exchange, &|answer| {
        if answer.status != 200 {
            return Finding::failed(format!("{}{without}", answer.summary()));
        }
        let body = answer.json().unwrap_or_default();
        is_hello_of_hub(&body, &context.identity.leaf).unwrap_or_else(|why| Finding::failed(format!("200, and {why}")))
    });
    report.add(reached, reaches);
    report.add(hello, knows);
}

/// Whether the service was reached and is the one, and whether it knows the bank: `read` says so of an answer.
fn judge(exchange: &Exchange, read: &dyn Fn(&Answer) -> Finding) -> (Finding, Finding) {
    let right = || Finding::passed("its certificate is right");
    match exchange {
        Exchange::NotReached(why) | Exchange::NotBelieved { why, .. } => {
            (Finding::failed(why.as_str()), Finding::not_checked("there is no connection"))
        }
        // Before or after the server showed its certificate: that is known of certain alerts alone.
        Exchange::Refused { how, is_certain: false } => {
            (Finding::not_checked(how.as_str()), Finding::failed(format!("no answer: {how}")))
        }
        Exchange::Refused { how, is_certain: true } => (right(), Finding::failed(format!("it refuses C3: {how}"))),
        Exchange::NoAnswer(why) => (right(), Finding::failed(why.as_str())),
        Exchange::Answer(answer) => (right(), read(answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Outcome::{self, Failed, NotChecked, Passed};

    #[test]
    fn what_is_not_known_of_a_server_is_not_said() {
        let text = String::new;
        let cases: [(Exchange, Outcome, Outcome); 5] = [
            (Exchange::NotReached(text()), Failed, NotChecked),
            (Exchange::NotBelieved { why: text(), is_unknown_issuer: false }, Failed, NotChecked),
            (Exchange::Refused { how: text(), is_certain: false }, NotChecked, Failed),
            (Exchange::Refused { how: text(), is_certain: true }, Passed, Failed),
            (Exchange::NoAnswer(text()), Passed, Failed),
        ];
        for (exchange, reaches, knows) in cases {
            let (reached, known) = judge(&exchange, &|_| Finding::passed(""));
            assert_eq!((reached.outcome, known.outcome), (reaches, knows), "{exchange:?}");
        }
    }
}
