//! What the listener does in TLS: its certificate, and the versions that it speaks.

use std::io;
use std::time::SystemTime;

use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, SupportedProtocolVersion};

use super::Listener;
use crate::certificates::read_leaf;
use crate::doctor::chain::{self, Purpose};
use crate::doctor::checks::Check;
use crate::doctor::handshake::{Handshake, shake_hands};
use crate::doctor::old_tls::{self, OldVersion, Reaction, is_end};
use crate::doctor::report::{Finding, Report};

const ALL: [Check; 7] =
    [Check::S4Name, Check::S4Chain, Check::S4Dates, Check::Tls10, Check::Tls11, Check::Tls12, Check::Tls13];

/// Makes these checks. Whether there is a listener at all.
pub(super) fn check(listener: &Listener<'_>, report: &mut Report) -> bool {
    let handshake = shake_hands(&listener.server, &[&TLS13, &TLS12], &listener.context.identity);
    let handshake = match handshake {
        Ok(Handshake { version: None, error, .. }) => {
            let why = error.map_or_else(|| "no answer".to_owned(), |error| error.to_string());
            report.add(Check::Listener, Finding::failed(format!("no TLS: {why}")));
            report.add_not_checked(&ALL, "there is no listener");
            return false;
        }
        Err(error) => {
            report.add(Check::Listener, Finding::failed(error.to_string()));
            report.add_not_checked(&ALL, "there is no listener");
            return false;
        }
        Ok(handshake) => handshake,
    };
    report.add(Check::Listener, Finding::passed(format!("it speaks {}", handshake.version.map_or("TLS", name))));
    check_certificate(listener, &handshake, report);
    report.add(Check::Tls10, old_version(listener, OldVersion::Tls10));
    report.add(Check::Tls11, old_version(listener, OldVersion::Tls11));
    report.add(Check::Tls12, version(listener, &TLS12));
    report.add(Check::Tls13, version(listener, &TLS13));
    true
}

fn check_certificate(listener: &Listener<'_>, handshake: &Handshake, report: &mut Report) {
    let certificates = [Check::S4Name, Check::S4Chain, Check::S4Dates];
    let Some(first) = handshake.chain.first() else {
        return report.add_not_checked(&certificates, "the server showed no certificate before it ended the handshake");
    };
    let leaf = match read_leaf(first) {
        Ok(leaf) => leaf,
        Err(why) => return report.add_not_checked(&certificates, &why),
    };
    let host = &listener.server.host;
    let names = ParsedCertificate::try_from(first).and_then(|parsed| {
        let name = listener.server.name().ok_or(rustls::Error::UnsupportedNameType)?;
        verify_server_name(&parsed, &name)
    });
    report.add(
        Check::S4Name,
        match names {
            Ok(()) => Finding::passed(format!("{host} is one of its names")),
            Err(rustls::Error::InvalidCertificate(_)) => Finding::failed(format!("{host} is none of its names")),
            Err(error) => Finding::failed(error.to_string()),
        },
    );
    let now = SystemTime::now();
    let authorities = &listener.context.authorities;
    report.add(Check::S4Chain, chain::check(&handshake.chain, Purpose::Server, authorities, &leaf, now));
    report.add(Check::S4Dates, chain::check_dates(&leaf, false, now));
}

/// Whether it refuses a version that must not be spoken.
fn old_version(listener: &Listener<'_>, version: OldVersion) -> Finding {
    match old_tls::ask(&listener.server, version) {
        Ok(Reaction::Accepts) => Finding::failed("it goes on with the handshake"),
        Ok(Reaction::Alert(alert)) => {
            let alert = rustls::AlertDescription::from(alert);
            Finding::passed(format!("TLS alert {}", crate::doctor::http::alert_name(alert)))
        }
        Ok(Reaction::Closes) => Finding::passed("it ends the connection"),
        Ok(Reaction::Other) => Finding::not_checked("it answers with something that is no TLS"),
        Err(error) => Finding::not_checked(error.to_string()),
    }
}

/// Whether it speaks this version. That it chose it is enough: what it says of the client certificate afterwards is another question.
fn version(listener: &Listener<'_>, version: &'static SupportedProtocolVersion) -> Finding {
    match shake_hands(&listener.server, &[version], &listener.context.identity) {
        Ok(Handshake { version: Some(chosen), .. }) if chosen == version.version => {
            Finding::passed("it goes on with the handshake")
        }
        Ok(Handshake { error: Some(error), .. }) if is_refusal(&error) => Finding::failed(format!("refused: {error}")),
        Ok(Handshake { error: Some(error), .. }) => Finding::not_checked(error.to_string()),
        Ok(_) => Finding::failed("it chooses another version"),
        Err(error) => Finding::not_checked(error.to_string()),
    }
}

/// Whether the server ended the handshake.
fn is_refusal(error: &io::Error) -> bool {
    let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    is_end(error.kind()) || matches!(fault, Some(rustls::Error::AlertReceived(_)))
}

fn name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "TLS 1.2",
        ProtocolVersion::TLSv1_3 => "TLS 1.3",
        _ => "TLS",
    }
}
