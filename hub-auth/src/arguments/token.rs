//! What `hub-auth token` is told.

use std::path::PathBuf;

use clap::Args;

use super::Format;

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The filter's outbound configuration, in any file that check reads.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Which one of several outbound configurations in the file, counted from 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) number: Option<u16>,
    /// Variables that the configuration names, a line NAME=value each. They come before those of this process.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// CAs that the certificate of a remote signer is checked with, in PEM, in place of the system's.
    #[arg(long, value_name = "PEM")]
    pub(crate) ca: Option<PathBuf>,
    /// Prints the whole command for curl in place of the token alone. Without URL: for /hello-mtls of the Consent Manager that the file
    /// names, if it does.
    #[arg(long, value_name = "URL")]
    pub(crate) curl: Option<Option<String>>,
    /// How it is printed: the token alone, or an object for programs.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}
