//! What `hub-auth api-key` is told.

use clap::{Args, Subcommand};

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
