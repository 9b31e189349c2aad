//! What it is told on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::source::Source;

/// Makes what is published: images of the modules, and the files of a release.
#[derive(Debug, Parser)]
#[command(name = "release")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes images of the modules for registries, as one OCI layout, and prints the digest of each.
    Image(Image),
}

#[derive(Debug, Args)]
pub(crate) struct Image {
    #[command(flatten)]
    pub(crate) source: Source,
    /// The folder with the modules, as `make build` makes them.
    #[arg(long, default_value = "dist")]
    pub(crate) modules: PathBuf,
    /// The folder that becomes the OCI layout. One that is there is replaced.
    #[arg(long, default_value = "dist/image")]
    pub(crate) out: PathBuf,
}
