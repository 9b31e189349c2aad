//! C3, the certificate with which the bank calls the Hub.

use std::time::SystemTime;

use hub_auth_filter::facade::config::Signing;

use crate::doctor::Context;
use crate::doctor::chain::{self, Purpose};
use crate::doctor::checks::Check;
use crate::doctor::report::{Finding, Report};

/// Makes these checks. Whether key and certificate can be used together.
pub(super) fn check(context: &Context, signing: &Signing, now: SystemTime, report: &mut Report) -> bool {
    let identity = &context.identity;
    report.add(
        Check::C3Key,
        identity.misfit.as_ref().map_or_else(|| Finding::passed("it is"), |why| Finding::failed(why.as_str())),
    );
    let chain = chain::check(&identity.chain, Purpose::Client, &context.authorities, &identity.leaf, now);
    report.add(Check::C3Chain, chain);
    report.add(Check::C3Dates, chain::check_dates(&identity.leaf, true, now));
    report.add(Check::C3Subject, subject(context, signing));
    identity.misfit.is_none()
}

fn subject(context: &Context, signing: &Signing) -> Finding {
    let subject = match context.identity.subject() {
        Ok(subject) => subject,
        Err(why) => return Finding::failed(why),
    };
    let (organisation, unit) = (subject.organisation(), subject.organisational_unit());
    let found = format!("O {organisation}, OU {unit}, CN {}", subject.common_name().unwrap_or("(none)"));
    if organisation != signing.issuer || unit != signing.subject {
        return Finding::failed(format!("{found}: the configuration has O {}, OU {}", signing.issuer, signing.subject));
    }
    if subject.common_name().is_none() {
        return Finding::failed(found);
    }
    Finding::passed(found)
}
