//! What the tool is told on the command line.

mod api_key;
mod check;
mod doctor;
mod expiry;
mod explain;
mod jwks;
mod key;
mod schema;
mod shell;
mod signer;
mod token;

use clap::{Parser, Subcommand, ValueEnum};
use hub_auth_filter::facade::gateway::GatewayKind;

pub(crate) use api_key::{ApiKey, NewApiKey};
pub(crate) use check::Check;
pub(crate) use doctor::{ConnectTo, Doctor, DoctorCommon, DoctorInbound, DoctorOutbound};
pub(crate) use expiry::Expiry;
pub(crate) use explain::Explain;
pub(crate) use jwks::Jwks;
pub(crate) use key::{Key, NewKey, Purpose};
pub(crate) use schema::Schema;
pub(crate) use shell::{Completion, Man};
pub(crate) use signer::Signer;
#[cfg(feature = "pkcs11")]
pub(crate) use signer::{Listen, SocketMode};
pub(crate) use token::Token;

/// Checks configurations of hub-auth-filter before a gateway reads them, and makes what they need.
#[derive(Debug, Parser)]
#[command(name = "hub-auth", version, long_version = version(), propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Says all that is wrong with configurations, before a gateway does.
    ///
    /// Reads the filter's JSON, or a file that has it: a bootstrap of Envoy, an Istio WasmPlugin or EnvoyFilter, a policy of Envoy
    /// Gateway, kong.yml, apisix.yaml. What the filter would say at its start is said with file, line and column, and so are mistakes
    /// in the gateway's own settings around it.
    ///
    /// Exit status: 0 if nothing is wrong, 1 if something is (with --strict also for warnings), 2 if the check could not be made.
    Check(Check),
    /// Says which check of the filter a token of JWT Auth passes, fails, or does not reach.
    ///
    /// The filter's own code decides, with the certificate as the gateway would have verified it. This is for the operator's own terminal:
    /// values of the token are shown.
    ///
    /// Exit status: 0 if the token would be accepted, 1 if it would be refused, 2 if that cannot be said.
    Explain(Explain),
    /// Shows a key set as the filter sees it: which keys are used, and why others are not.
    ///
    /// Exit status: 0 if the filter would take the set, 1 if not, 2 if it cannot be had.
    Jwks(Jwks),
    /// Prints the JSON Schema of the configuration, for editors.
    Schema(Schema),
    /// Checks the bank's listener, or its way to the API Hub, before Ozone's connectivity validation does.
    ///
    /// Each line that failed says what to do next. What could not be checked does not count as passed.
    ///
    /// Exit status: 0 if all is as it should be, 1 if something failed (with --strict also for warnings), 2 if something that must be
    /// checked could not be, or the check could not be made at all.
    #[command(subcommand)]
    Doctor(Doctor),
    /// Says when certificates end, and tells Prometheus.
    ///
    /// Reads files with certificates in PEM: S4, C3, Sig4, CAs. With --metrics it also writes a file for the textfile collector of
    /// node_exporter.
    ///
    /// Exit status: 0 if none ends soon, 1 if one does or has ended, 2 if a file cannot be read.
    Expiry(Expiry),
    /// Mints the token that the filter would put onto a request to the Hub, with a key of the configuration or its remote signer.
    ///
    /// Only the token is printed to standard output, so that it can be given on: hub-auth token --config FILE | hub-auth explain - ...
    ///
    /// Exit status: 0 if there is a token, 2 if not.
    Token(Token),
    /// Makes keys for certificates of the Trust Framework, and the requests for these.
    #[command(subcommand)]
    Key(Key),
    /// Signs the filter's tokens with a key in a hardware security module (PKCS#11), behind the API of Vault Transit.
    ///
    /// A daemon beside the gateway, on loopback or a socket in the file system. It signs tokens of JWT Auth as PS256 and nothing else, and
    /// writes a line of JSON to standard output for each.
    ///
    /// Exit status: 0 after SIGTERM, 2 if it cannot start.
    Signer(Box<Signer>),
    /// Makes API keys.
    #[command(subcommand)]
    ApiKey(ApiKey),
    /// Prints a script with which a shell completes commands and flags.
    Completion(Completion),
    /// Writes the manual: a page for each command.
    Man(Man),
}

/// A gateway, by the name that the filter's configuration has for it.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Gateway {
    Envoy,
    Kong,
    Apisix,
}

/// One of the Trust Framework's two environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    Sandbox,
    Production,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: the line of the file, and what is wrong there.
    Human,
    /// For programs: one object.
    Json,
}

impl Gateway {
    pub(crate) fn kind(self) -> GatewayKind {
        match self {
            Self::Envoy => GatewayKind::Envoy,
            Self::Kong => GatewayKind::Kong,
            Self::Apisix => GatewayKind::Apisix,
        }
    }
}

/// The release, the commit, and the modules that were built with it: their SHA-256, as `sha256sum` prints it.
fn version() -> String {
    env!("HUB_AUTH_VERSION").replace('\u{1f}', "\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests;
