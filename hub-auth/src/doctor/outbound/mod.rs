//! What the bank needs to call the Hub: its certificate C3, its key Sig4, and the way to the Hub's two services.

mod certificate;
mod hub;
mod keys;

use std::io;
use std::time::SystemTime;

use hub_auth_filter::facade::config::Direction;
use hub_auth_filter::facade::url::{Environment, HttpUrl, JwksLocation};

use super::checks::Check;
use super::connect::Server;
use super::given::Identity;
use super::http::{self, Answer, Exchange};
use super::report::Report;
use super::{Context, clock};
use crate::arguments::{DoctorOutbound, Side};
use crate::certificates::certificates;

/// What the Hub forgives (spec §2.4), in seconds.
const TOLERATED: u64 = 10;

/// Makes all checks.
///
/// # Errors
/// A file cannot be read, or an argument makes no sense.
pub(super) fn check(arguments: &DoctorOutbound) -> io::Result<Report> {
    let common = &arguments.common;
    let identity = Identity::read(&common.certificate, &common.key)?;
    let context = Context::new(common, "outbound", identity)?;
    let Direction::Outbound(settings) = &context.config.direction else {
        return Err(io::Error::other("expected an outbound configuration, got another"));
    };
    let side = common.environment;
    let services = [
        (Check::Cm, Check::CmHello, service(arguments.cm.as_deref(), "cm", arguments)?),
        (Check::Hh, Check::HhHello, service(arguments.hh.as_deref(), "hh", arguments)?),
    ];
    if let Some(url) = &arguments.jwks {
        HttpUrl::parse(url)
            .map_err(|fault| io::Error::other(format!("--jwks: expected an https:// URL, got {fault}")))?;
    }
    for (_, _, url) in &services {
        Server::of_url(url, &context.ways, context.timeout)?;
    }
    let hub_authorities = arguments.hub_ca.as_deref().map(certificates).transpose()?;
    let target = services.iter().map(|(_, _, url)| url.as_str()).collect::<Vec<_>>().join(", ");
    let mut report = Report::new("outbound", target);

    let now = SystemTime::now();
    let fits = certificate::check(&context, &settings.signing, now, &mut report);
    let key_set = key_set(&context, arguments, side);
    let signer = keys::Signer { context: &context, signing: &settings.signing, ca: arguments.signer_ca.as_deref() };
    let key = keys::check(&signer, key_set.as_ref().map_err(String::as_str), now, &mut report);
    let keystore = match &key_set {
        Ok(Answer { clock_ahead: Some(ahead), .. }) => Ok(*ahead),
        Ok(_) => Err("its answer has no Date".to_owned()),
        Err(why) => Err(why.clone()),
    };
    report.add(Check::Clock, clock::check("this machine's clock", 0, keystore, TOLERATED));
    for (reached, hello, url) in services {
        if !fits {
            report.add_not_checked(&[reached, hello], "the private key is not that of the certificate");
            continue;
        }
        // Each token counts once.
        let token = key.as_ref().and_then(|key| signer.sign(key).ok());
        hub::check(&context, hub_authorities.as_deref(), (reached, hello), &url, token.as_deref(), &mut report);
    }
    Ok(report)
}

/// The address of one of the Hub's services, without a slash behind it (spec §4).
fn service(given: Option<&str>, name: &str, arguments: &DoctorOutbound) -> io::Result<String> {
    if let Some(url) = given {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let code = arguments.lfi_code.as_deref().unwrap_or_default();
    if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return Err(io::Error::other("--lfi-code: expected lower-case letters and digits"));
    }
    let environment = match arguments.common.environment {
        Side::Sandbox => "preprod.",
        Side::Production => "",
    };
    Ok(format!("https://{name}.{code}.{environment}apihub.openfinance.ae"))
}

/// The answer of the keystore at the address that follows from C3, or why there is none.
fn key_set(context: &Context, arguments: &DoctorOutbound, side: Side) -> Result<Answer, String> {
    let url = match &arguments.jwks {
        Some(url) => url.clone(),
        None => {
            let environment = match side {
                Side::Sandbox => Environment::Sandbox,
                Side::Production => Environment::Production,
            };
            let subject = context.identity.subject().map_err(|why| format!("C3 gives no address: {why}"))?;
            let location = JwksLocation::of_environment(environment);
            let url = location.expand(subject.organisational_unit(), subject.common_name());
            url.map_err(|_| "C3 gives no address: it has no CN, or one that fits into none".to_owned())?
                .as_str()
                .to_owned()
        }
    };
    let trust = context.keystore_trust();
    match http::get(&url, None, &trust, None, &context.ways, context.timeout) {
        Exchange::Answer(answer) if answer.status == 200 => Ok(answer),
        Exchange::Answer(answer) => Err(format!("{url} answers with {}", answer.status)),
        other => Err(format!("{url}: {}", other.in_words())),
    }
}
