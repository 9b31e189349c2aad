//! What `hub-auth schema` is told.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Prints the reference of the configuration in Markdown instead.
    #[arg(long)]
    pub(crate) reference: bool,
}
