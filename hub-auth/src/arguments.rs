//! What the tool is told on the command line.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Parser, Subcommand, ValueEnum};
use hub_auth_filter::facade::gateway::GatewayKind;

/// Checks configurations of hub-auth-filter before a gateway reads them, and makes what they need.
#[derive(Debug, Parser)]
#[command(name = "hub-auth", version, propagate_version = true)]
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
    /// Makes API keys.
    #[command(subcommand)]
    ApiKey(ApiKey),
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files to check.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The gateway that will read plain JSON. Other files say it themselves.
    #[arg(long, value_enum)]
    pub(crate) gateway: Option<Gateway>,
    /// How findings are printed.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
    /// Variables that configurations name, a line NAME=value each. They come before those of this process.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Makes warnings count as errors.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The token, or a file that has it; - reads it from standard input.
    pub(crate) token: String,
    /// The client certificate that came with it, in PEM. Of a chain the first.
    #[arg(long, value_name = "PEM")]
    pub(crate) certificate: PathBuf,
    /// The filter's configuration, in any file that check reads. Without it, pins and audiences are not checked.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The key set, in place of the address that follows from the certificate.
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) jwks: Option<String>,
    /// CAs that the keystore's certificate is checked with, in PEM, in place of the system's.
    #[arg(long, value_name = "PEM")]
    pub(crate) ca: Option<PathBuf>,
    /// The time to check at, as in 2026-11-29T20:00:00Z, in place of now.
    #[arg(long, value_name = "TIME", value_parser = |text: &str| humantime::parse_rfc3339(text))]
    pub(crate) at: Option<SystemTime>,
    /// What the header o3-provider-id says.
    #[arg(long, value_name = "ID")]
    pub(crate) provider_id: Option<String>,
    /// Whose keystore is asked without a configuration.
    #[arg(long, value_enum, default_value = "sandbox")]
    pub(crate) environment: Side,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Jwks {
    /// A file, or an https:// address.
    #[arg(value_name = "FILE|URL")]
    pub(crate) source: String,
    /// CAs that the server's certificate is checked with, in PEM, in place of the system's.
    #[arg(long, value_name = "PEM")]
    pub(crate) ca: Option<PathBuf>,
    /// Takes keys for all algorithms of access tokens, not only for JWT Auth's PS256.
    #[arg(long)]
    pub(crate) access_tokens: bool,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKey {
    /// Makes a key of 256 bits, and the entry of the configuration for it. The key is shown once, here.
    New(NewApiKey),
}

#[derive(Debug, Args)]
pub(crate) struct NewApiKey {
    /// What the key is called in the configuration and in logs.
    #[arg(long)]
    pub(crate) id: String,
    /// For how many days it is valid, from now on. The standard asks for 365 at least.
    #[arg(long, default_value = "396", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: u32,
}

/// A gateway, by the name that the filter's configuration has for it.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Gateway {
    Envoy,
    Kong,
    Apisix,
}

/// One of the Trust Framework's two environments.
#[derive(Debug, Clone, Copy, ValueEnum)]
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
