//! `hub-auth jwks`: a key set as the filter sees it.

use std::io::{self, Write};

use hub_auth_filter::facade::trial::KeySetView;
use serde_json::{Value, json};

use crate::arguments::{Format, Jwks};
use crate::fetch;

/// Prints which keys of a set are used, and why others are not. Whether the set is of use.
///
/// # Errors
/// The set cannot be had, or writing fails.
pub(crate) fn show(arguments: &Jwks, output: &mut dyn Write) -> io::Result<bool> {
    let body = fetch::file_or_url(&arguments.source, arguments.ca.as_deref())?;
    let view = KeySetView::of(&body, arguments.access_tokens);
    match arguments.format {
        Format::Json => writeln!(output, "{:#}", to_json(&view))?,
        Format::Human => print(&view, output)?,
    }
    Ok(view.refused.is_none())
}

/// Prints a set for people.
pub(crate) fn print(view: &KeySetView, output: &mut dyn Write) -> io::Result<()> {
    for key in &view.usable {
        writeln!(output, "used     {}  ({})", printable(&key.key_id), key.algorithms.join(", "))?;
    }
    for (key_id, reason) in &view.skipped {
        let name = key_id.as_deref().map_or_else(|| "(no kid)".to_owned(), printable);
        writeln!(output, "skipped  {name}  {reason}")?;
    }
    let more = view.skipped_count.saturating_sub(view.skipped.len());
    if more > 0 {
        writeln!(output, "skipped  {more} more")?;
    }
    match &view.refused {
        Some(reason) => writeln!(output, "The set is refused: {reason}."),
        None => Ok(()),
    }
}

/// A text of somebody else's, without what a terminal would take for a command.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// The same for programs.
pub(crate) fn to_json(view: &KeySetView) -> Value {
    let usable = view.usable.iter().map(|key| json!({ "kid": key.key_id, "algorithms": key.algorithms }));
    let skipped = view.skipped.iter().map(|(key_id, reason)| json!({ "kid": key_id, "reason": reason }));
    json!({
        "usable": usable.collect::<Vec<_>>(),
        "skipped": skipped.collect::<Vec<_>>(),
        "skipped_count": view.skipped_count,
        "refused": view.refused,
    })
}
