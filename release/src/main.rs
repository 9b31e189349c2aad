//! Makes what is published of this project, as `make image` and `make release` call it.
//!
//! What it writes depends on its arguments and the files alone: no clock, no place, no machine. So two builds of one commit give the
//! same bytes.

mod arguments;
mod digest;
mod files;
mod image;
mod list;
mod project;
mod source;

use std::io;
use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("release: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> io::Result<()> {
    match arguments.command {
        Command::Image(arguments) => image::write(&arguments, &mut io::stdout().lock()),
        Command::Embed(arguments) => list::embed(&arguments),
        Command::Ready(arguments) => project::ready(&arguments),
        Command::Finish(arguments) => files::finish(&arguments, &mut io::stdout().lock()),
    }
}
