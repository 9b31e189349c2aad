//! What `hub-auth explain` is told.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use super::{Format, Side};

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
