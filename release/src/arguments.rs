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
    /// Writes into a program or module which packages it was made of, for scanners.
    Embed(Embed),
    /// Says why this commit is no release: its tag is not its version, something is not committed, the changelog says nothing of it.
    Ready(Ready),
    /// Completes a folder with the files of a release: lists of dependencies, notes, provenance, checksums and their signature.
    Finish(Finish),
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

#[derive(Debug, Args)]
pub(crate) struct Embed {
    /// The package that it was built from.
    #[arg(long)]
    pub(crate) package: String,
    /// The target that it was built for.
    #[arg(long)]
    pub(crate) target: String,
    /// If it was built so.
    #[arg(long)]
    pub(crate) no_default_features: bool,
    /// The project.
    #[arg(long, default_value = ".")]
    pub(crate) project: PathBuf,
    /// The file, as the linker made it.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Ready {
    /// The version, as in Cargo.toml.
    #[arg(long)]
    pub(crate) version: String,
    /// The project.
    #[arg(long, default_value = ".")]
    pub(crate) project: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Finish {
    #[command(flatten)]
    pub(crate) source: Source,
    /// The project.
    #[arg(long, default_value = ".")]
    pub(crate) project: PathBuf,
    /// The folder with the files. Nothing else is in it.
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// The program that signs.
    #[arg(long, default_value = "minisign")]
    pub(crate) minisign: PathBuf,
    /// Who builds, as a URI.
    #[arg(long, default_value = "urn:hub-auth-filter:builder:a-person")]
    pub(crate) builder: String,
}
