//! What `hub-auth completion` and `hub-auth man` are told.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// An existing directory, such as ~/.local/share/man/man1.
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directory: PathBuf,
}
