//! What `hub-auth jwks` is told.

use std::path::PathBuf;

use clap::Args;

use super::Format;

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
