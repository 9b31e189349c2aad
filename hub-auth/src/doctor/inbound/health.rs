//! The health checks of onboarding (spec §2.7), as the Hub calls them.

use hub_auth_filter::facade::peer::{AttributeType, DistinguishedName, LeafCertificate};
use serde_json::Value;

use super::Listener;
use crate::doctor::checks::Check;
use crate::doctor::http::{Answer, Exchange};
use crate::doctor::report::{Finding, Report};

/// Makes these checks. `hello_mtls` is the answer to that one; `is_pinned` says whether the listener has no right to refuse the certificate.
pub(super) fn check(listener: &Listener<'_>, hello_mtls: Exchange, is_pinned: bool, report: &mut Report) {
    let identity = Some(&listener.context.identity);
    let hello = listener.get_health("/hello", identity);
    let echo = listener.get_health("/echo-cert", identity);
    report.add(Check::Hello, judge(&hello, is_pinned, &|body| is_hello(body, false)));
    report.add(Check::HelloMtls, judge(&hello_mtls, is_pinned, &|body| is_hello(body, true)));
    report.add(Check::EchoCert, judge(&echo, is_pinned, &|body| is_echo(listener, body)));
}

/// What is found in the body of `GET /hello-mtls` at the Hub. It has the shape of `/echo-cert`; the names in it are compared only if they are
/// written as gateways write them, because the Hub may write them otherwise.
///
/// # Errors
/// What is wrong.
pub(in crate::doctor) fn is_hello_of_hub(body: &Value, leaf: &LeafCertificate) -> Result<Finding, String> {
    let finding = is_hello(body, true)?;
    let subject = body.get("clientCertificate").and_then(|shown| shown.get("subject")).and_then(Value::as_str);
    match subject.map(|subject| (subject, is_same_name(subject, leaf.subject()))) {
        Some((subject, Some(false))) => Err(format!("the subject is not that of --certificate: {subject}")),
        _ => Ok(finding),
    }
}

fn judge(exchange: &Exchange, is_pinned: bool, check: &dyn Fn(&Value) -> Result<Finding, String>) -> Finding {
    match exchange {
        Exchange::Answer(Answer { status: 200, body, .. }) => {
            let body: Value = serde_json::from_slice(body).unwrap_or_default();
            check(&body).unwrap_or_else(|why| Finding::failed(format!("200, and {why}")))
        }
        Exchange::Answer(answer) => Finding::failed(answer.summary()),
        // Who pins in TLS itself may refuse all others.
        Exchange::Refused { how, .. } if !is_pinned => {
            Finding::not_checked(format!("{how}: TLS itself refuses --certificate, which is not the Hub's"))
        }
        Exchange::Refused { how, .. } => Finding::failed(how.as_str()),
        Exchange::NoAnswer(why) => Finding::failed(why.as_str()),
        other => Finding::not_checked(other.in_words()),
    }
}

fn is_hello(body: &Value, needs_certificate: bool) -> Result<Finding, String> {
    let status = body.get("mtlsStatus").and_then(Value::as_str).unwrap_or_default();
    let is_known = matches!(status, "established" | "not-established" | "not-checked");
    if body.get("connectionEstablished") != Some(&Value::Bool(true)) {
        return Err("connectionEstablished is not true".to_owned());
    }
    if !is_known || (needs_certificate && status != "established") {
        return Err("mtlsStatus is not what is expected".to_owned());
    }
    if !body.get("hostName").is_some_and(Value::is_string) {
        return Err("hostName is no text".to_owned());
    }
    Ok(Finding::passed(format!("200, {status}")))
}

fn is_echo(listener: &Listener<'_>, body: &Value) -> Result<Finding, String> {
    is_hello(body, true)?;
    let certificate = body.get("clientCertificate");
    let text = |member: &str| certificate.and_then(|certificate| certificate.get(member)).and_then(Value::as_str);
    let leaf = &listener.context.identity.leaf;
    let subject = text("subject").ok_or("clientCertificate.subject is no text")?;
    let issuer = text("issuer").ok_or("clientCertificate.issuer is no text")?;
    if is_same_name(subject, leaf.subject()) != Some(true) {
        return Err(format!("the subject is not that of --certificate: {subject}"));
    }
    if issuer.is_empty() {
        return Ok(Finding::warning("200, and the issuer is empty: the gateway does not hand over the certificate"));
    }
    if is_same_name(issuer, leaf.issuer()) != Some(true) {
        return Err(format!("the issuer is not that of --certificate: {issuer}"));
    }
    Ok(Finding::passed(format!("200, {subject}")))
}

/// Whether two names say the same, in whichever order; nothing if one of them cannot be read.
fn is_same_name(one: &str, other: &str) -> Option<bool> {
    let (one, other) =
        (DistinguishedName::parse(one.as_bytes()).ok()?, DistinguishedName::parse(other.as_bytes()).ok()?);
    let attributes = [AttributeType::Organisation, AttributeType::OrganisationalUnit, AttributeType::CommonName];
    Some(attributes.iter().all(|attribute| one.values(*attribute).eq(other.values(*attribute))))
}
