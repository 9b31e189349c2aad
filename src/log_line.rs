//! Lines of JSON for the gateway's log, and what may stand in them.

use serde::Serialize;

use crate::header_value::HeaderValue;
use crate::request::Correlation;

/// Of the form of the lines: that of `schema/log-line.schema.json`. Another one means something else by a member, or lacks one.
pub(crate) const VERSION: u8 = 1;

/// The longest value that is copied from a request into the log, in characters.
pub(crate) const MAX_LOGGED: usize = 128;

/// The ids of a request as a log line shows them: cut and reduced to plain ASCII.
#[derive(Debug, Serialize)]
pub(crate) struct LoggedIds {
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x_fapi_interaction_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    o3_caller_interaction_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    o3_ozone_interaction_id: Option<String>,
}

impl LoggedIds {
    /// These ids.
    pub(crate) fn of(correlation: &Correlation) -> Self {
        let id = |bytes: &Option<HeaderValue>| bytes.as_deref().map(printable);
        Self {
            request_id: correlation.request_id.as_deref().map(printable),
            x_fapi_interaction_id: id(&correlation.fapi_interaction_id),
            o3_caller_interaction_id: id(&correlation.caller_interaction_id),
            o3_ozone_interaction_id: id(&correlation.ozone_interaction_id),
        }
    }
}

/// Text from outside for a log line: printable ASCII without quotes and backslashes, at most [`MAX_LOGGED`] characters.
/// Everything else becomes `?`, so that nothing can end the line, colour a terminal or break a parser.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let plain = |byte: &u8| match byte {
        b'"' | b'\\' => '?',
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    bytes.iter().take(MAX_LOGGED).map(plain).collect()
}

/// A body in JSON.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    // Strings and numbers always serialise; an empty object is still a well-formed answer if that ever changes.
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}
