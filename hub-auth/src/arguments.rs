//! What the tool is told on the command line.

use std::path::PathBuf;

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
