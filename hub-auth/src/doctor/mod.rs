//! `hub-auth doctor`: what Ozone's connectivity validation will find (spec §7), before it does.
//!
//! Each question is a row by itself, and a question that could not be asked has no answer: it is never one that was passed.

mod chain;
mod checks;
mod clock;
mod connect;
mod foreign;
mod given;
mod handshake;
mod http;
mod inbound;
mod old_tls;
mod outbound;
mod report;

use std::io::{self, Write};
use std::time::Duration;

use hub_auth_filter::facade::config::Config;
use rustls::pki_types::CertificateDer;

use crate::arguments::{Doctor, DoctorCommon, Format};
use crate::certificates::certificates;
use crate::configured::{self, Configured};
use crate::environment::Environment;
use connect::Ways;
use given::{Authorities, Identity};
use http::Trust;

/// What both directions work with.
#[derive(Debug)]
struct Context {
    config: Config,
    /// The variables that the configuration names and that are not set.
    unset: Vec<String>,
    identity: Identity,
    authorities: Authorities,
    keystore_authorities: Option<Vec<CertificateDer<'static>>>,
    ways: Ways,
    timeout: Duration,
}

/// Checks, and prints what was found. Whether all is as it should be, and whether all was checked.
///
/// # Errors
/// A file cannot be read, or writing fails.
pub(crate) fn doctor(arguments: &Doctor, output: &mut dyn Write) -> io::Result<Health> {
    let (common, report) = match arguments {
        Doctor::Inbound(arguments) => (&arguments.common, inbound::check(arguments)?),
        Doctor::Outbound(arguments) => (&arguments.common, outbound::check(arguments)?),
    };
    match common.format {
        Format::Json => writeln!(output, "{:#}", report.to_json())?,
        Format::Human => report.print(output)?,
    }
    Ok(if report.has_failed(common.strict) {
        Health::Wrong
    } else if report.is_incomplete() {
        Health::Unknown
    } else {
        Health::Good
    })
}

/// What all rows come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// All that must be checked was checked and passed.
    Good,
    /// Something failed.
    Wrong,
    /// Nothing failed, and something could not be checked.
    Unknown,
}

impl Context {
    /// # Errors
    /// A file cannot be read; or the configuration is refused, or is for the other direction.
    fn new(common: &DoctorCommon, direction: &str, identity: Identity) -> io::Result<Self> {
        let environment = Environment::of(common.env_file.as_deref())?;
        let configured = configured::in_file(&common.config, direction, &environment)?.into_iter().next();
        let Configured { config, unset, .. } = configured.ok_or_else(|| {
            let path = common.config.display();
            io::Error::other(format!("{path}: expected a configuration with \"{direction}\", got none"))
        })?;
        Ok(Self {
            config,
            unset: unset.into_iter().collect(),
            identity,
            authorities: Authorities::read(&common.ca)?,
            keystore_authorities: common.keystore_ca.as_deref().map(certificates).transpose()?,
            ways: Ways::new(&common.connect_to),
            timeout: common.timeout,
        })
    }

    /// Whom to believe that it is the keystore.
    fn keystore_trust(&self) -> Trust<'_> {
        self.keystore_authorities.as_deref().map_or(Trust::System, Trust::Authorities)
    }
}
