//! The bank's own listener, as the Hub and as others meet it.

mod callers;
mod health;
mod tls;

use std::io;

pub(super) use health::is_hello_of_hub;
use hub_auth_filter::facade::config::{Auth, Direction};
use hub_auth_filter::facade::gateway::GatewayKind;
use hub_auth_filter::facade::time::UnixTime;
use hub_auth_filter::facade::trial::{self, Trial};
use hub_auth_filter::facade::url::{Environment, JwksLocation};

use super::checks::Check;
use super::connect::Server;
use super::foreign::{self, Names};
use super::given::Identity;
use super::http::{self, Answer, Exchange, Trust};
use super::report::{Finding, Report};
use super::{Context, clock};
use crate::arguments::{DoctorInbound, Side};

/// What the filter forgives without a configuration that says it, in seconds.
const TOLERATED: u64 = 10;

/// The listener, and who asks it.
struct Listener<'a> {
    context: &'a Context,
    server: Server,
    /// `https://` with host and port, without a slash behind it.
    origin: String,
    /// A path that needs authentication.
    path: String,
    /// What stands before the paths of health checks.
    base_path: String,
}

/// Makes all checks.
///
/// # Errors
/// A file cannot be read, or an argument makes no sense.
pub(super) fn check(arguments: &DoctorInbound) -> io::Result<Report> {
    let common = &arguments.common;
    let identity = Identity::read_fitting(&common.certificate, &common.key)?;
    let context = Context::new(common, "inbound", identity)?;
    let listener = Listener::new(&context, arguments)?;
    let is_pinned = is_pinned(&context, "--certificate", &context.identity)?;
    let other = match (&arguments.other_certificate, &arguments.other_key) {
        (Some(certificate), Some(key)) => Some(Identity::read_fitting(certificate, key)?),
        _ => None,
    };
    if let Some(other) = &other
        && has_pins(&context)
        && self::is_pinned(&context, "--other-certificate", other)?
    {
        return Err(io::Error::other(
            "--other-certificate: expected one that the configuration does not pin, got one that it does",
        ));
    }
    let foreign = match (&arguments.foreign_certificate, &arguments.foreign_key) {
        (Some(certificate), Some(key)) => Ok(Identity::read_fitting(certificate, key)?),
        _ => foreign::make(&pinned_names(&context, is_pinned), &Names::of(context.identity.leaf.issuer())),
    };
    let mut report = Report::new("inbound", listener.origin.clone());
    if !tls::check(&listener, &mut report) {
        let rest = [
            Check::NoCertificate,
            Check::ForeignCa,
            Check::OtherUnit,
            Check::Hub,
            Check::Hello,
            Check::HelloMtls,
            Check::EchoCert,
            Check::Clock,
        ];
        report.add_not_checked(&rest, "there is no listener");
        return Ok(report);
    }

    // What the certificate of the Trust Framework meets: whoever gets less than this was refused for the certificate.
    let known = listener.get(&listener.path, Some(&context.identity));
    let hello = listener.get_health("/hello-mtls", Some(&context.identity));
    let answers_known = [&known, &hello].into_iter().any(|exchange| matches!(exchange, Exchange::Answer(_)));
    report.add(Check::NoCertificate, callers::refused(&listener, None, answers_known));
    report.add(
        Check::ForeignCa,
        match &foreign {
            Ok(foreign) => callers::refused(&listener, Some(foreign), answers_known),
            Err(why) => Finding::not_checked(why.as_str()),
        },
    );
    let is_other = !is_pinned || !has_pins(&context);
    report.add(
        Check::OtherUnit,
        match &other {
            Some(other) => callers::other_unit(&listener, &listener.get(&listener.path, Some(other)), answers_known),
            None if is_other => callers::other_unit(&listener, &known, answers_known),
            None => Finding::not_checked("--certificate is pinned, and there is no --other-certificate"),
        },
    );
    report.add(
        Check::Hub,
        match (has_pins(&context), is_pinned) {
            (true, true) => callers::hub(&known),
            (true, false) => Finding::not_checked("--certificate is not pinned: only the Hub has one that is"),
            (false, _) => Finding::not_checked("the configuration pins no certificate"),
        },
    );
    health::check(&listener, hello, is_pinned, &mut report);
    let clock =
        [&known, &listener.get_health("/hello", Some(&context.identity))].into_iter().find_map(
            |exchange| match exchange {
                Exchange::Answer(answer) => answer.clock_ahead,
                _ => None,
            },
        );
    report.add(Check::Clock, check_clock(&context, common.environment, clock));
    Ok(report)
}

impl<'a> Listener<'a> {
    fn new(context: &'a Context, arguments: &DoctorInbound) -> io::Result<Self> {
        let server = Server::of_url(&arguments.url, &context.ways, context.timeout)?;
        let origin = arguments.url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        if !arguments.path.starts_with('/') {
            return Err(io::Error::other("--path: expected one that begins with /"));
        }
        let Direction::Inbound(settings) = &context.config.direction else {
            return Err(io::Error::other("expected an inbound configuration, got another"));
        };
        let base_path = settings.health_checks.as_ref().map(|settings| settings.base_path().to_owned());
        Ok(Self { context, server, origin, path: arguments.path.clone(), base_path: base_path.unwrap_or_default() })
    }

    fn get(&self, path: &str, identity: Option<&Identity>) -> Exchange {
        let url = format!("{}{path}", self.origin);
        // Who the listener is was looked at by itself, and nothing is sent that anybody could use.
        http::get(&url, identity, &Trust::Anybody, None, &self.context.ways, self.context.timeout)
    }

    fn get_health(&self, endpoint: &str, identity: Option<&Identity>) -> Exchange {
        self.get(&format!("{}{endpoint}", self.base_path), identity)
    }
}

/// Whether the filter, with this configuration, lets a certificate be, by its own decision.
fn is_pinned(context: &Context, flag: &str, identity: &Identity) -> io::Result<bool> {
    let capabilities = GatewayKind::Envoy.capabilities(None, false);
    let trial = Trial::new(context.config.clone(), identity.leaf.clone(), capabilities)
        .ok_or_else(|| io::Error::other("expected an inbound configuration, got another"))?;
    let outcome = trial.decide(UnixTime::EPOCH, ("GET", "/"), &[], &mut |_| Default::default());
    match outcome.failed {
        Some(trial::Check::Certificate) => {
            Err(io::Error::other(format!("{flag}: the filter cannot use it: {}", outcome.message.unwrap_or_default())))
        }
        failed => Ok(failed != Some(trial::Check::Pin)),
    }
}

/// Whether the configuration pins anything.
fn has_pins(context: &Context) -> bool {
    let Direction::Inbound(settings) = &context.config.direction else { return false };
    let pins = &settings.peer.pins;
    !pins.organisational_units.is_empty() || !pins.fingerprints.is_empty()
}

/// The names of the Hub: those of the given certificate if it is pinned, or the first OU that is.
fn pinned_names(context: &Context, is_pinned: bool) -> Names {
    let mut names = Names::of(context.identity.leaf.subject());
    if !is_pinned
        && let Direction::Inbound(settings) = &context.config.direction
        && let Some(unit) = settings.peer.pins.organisational_units.first()
    {
        names.organisational_unit.clone_from(unit);
    }
    names
}

/// Compares the gateway's clock, or where it does not tell the time this machine's, with the keystore's.
fn check_clock(context: &Context, environment: Side, gateway: Option<i64>) -> Finding {
    let environment = match environment {
        Side::Sandbox => Environment::Sandbox,
        Side::Production => Environment::Production,
    };
    let mut location = JwksLocation::of_environment(environment);
    let mut tolerated = TOLERATED;
    if let Direction::Inbound(settings) = &context.config.direction
        && let Auth::JwtAuth(method) = &settings.auth
    {
        location = method.jwks.clone();
        tolerated = method.clock_skew.as_secs();
    }
    let url = format!("{}://{}/", location.scheme().as_str(), location.host_and_port());
    let trust = context.keystore_trust();
    let keystore = match http::get(&url, None, &trust, None, &context.ways, context.timeout) {
        Exchange::Answer(Answer { clock_ahead: Some(ahead), .. }) => Ok(ahead),
        Exchange::Answer(_) => Err("its answer has no Date".to_owned()),
        other => Err(other.in_words()),
    };
    match gateway {
        Some(ahead) => clock::check("the gateway's clock", ahead, keystore, tolerated),
        None => clock::check("this machine's clock (the gateway does not tell its own)", 0, keystore, tolerated),
    }
}
