//! What `hub-auth expiry` is told.

use std::path::PathBuf;

use clap::Args;

use super::Format;

#[derive(Debug, Args)]
pub(crate) struct Expiry {
    /// Files with certificates in PEM. Of a chain all count.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// What is soon, in days.
    #[arg(long, default_value = "30", value_parser = clap::value_parser!(u32).range(0..=3650))]
    pub(crate) days: u32,
    /// Also writes metrics to this file, whose name must end in .prom, in the directory that node_exporter's textfile collector reads.
    #[arg(long, value_name = "FILE", value_parser = metrics)]
    pub(crate) metrics: Option<PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

/// The collector looks at no other files.
fn metrics(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_read = path.extension().is_some_and(|extension| extension == "prom");
    if is_read {
        Ok(path)
    } else {
        Err("expected a file whose name ends in .prom: node_exporter reads no other".to_owned())
    }
}
