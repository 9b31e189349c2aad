//! The schema and the reference of the configuration, which the filter's crate makes of the rules that its reader has.

use std::io::{self, Write};

use hub_auth_filter::facade::config::{json_schema, reference};
use hub_auth_filter::facade::gateway::GatewayKind;

use crate::arguments::Schema;

/// Prints one of the two.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn print(arguments: &Schema, output: &mut impl Write) -> io::Result<()> {
    let known = GatewayKind::known();
    if arguments.reference {
        output.write_all(reference(&known).as_bytes())
    } else {
        writeln!(output, "{:#}", json_schema(&known))
    }
}
