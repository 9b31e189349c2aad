//! What `hub-auth check` is told.

use std::path::PathBuf;

use clap::Args;

use super::{Format, Gateway, Side};

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
    /// The environment that all must belong to, hosts and key servers. Without it no file may belong to both.
    #[arg(long, value_enum)]
    pub(crate) environment: Option<Side>,
    /// Variables that configurations name, a line NAME=value each. They come before those of this process.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Makes warnings count as errors.
    #[arg(long)]
    pub(crate) strict: bool,
}
