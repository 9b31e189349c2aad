//! What shells and `man` want of a program: its flags, completed and described. Both come from the arguments that it really takes.

use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::arguments::Arguments;

/// Prints the script that completes commands and flags in this shell.
///
/// # Errors
///
/// That of the output.
pub(crate) fn complete(shell: Shell, output: &mut impl Write) -> io::Result<()> {
    // It panics where the output ends early, so it gets one that cannot.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "hub-auth", &mut script);
    output.write_all(&script)
}

/// Writes a manual page for each command into this directory, and prints their names.
///
/// # Errors
///
/// Those of writing, with the directory.
pub(crate) fn write_manual(directory: &Path, output: &mut impl Write) -> io::Result<()> {
    clap_mangen::generate_to(Arguments::command(), directory)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", directory.display())))?;
    writeln!(output, "hub-auth.1, and a page for each of its commands, are in {}", directory.display())
}
