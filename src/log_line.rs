//! Lines of JSON for the gateway's log, and what may stand in them.

use serde::Serialize;

use crate::ascii::is_plain;
use crate::header_value::HeaderValue;
use crate::request::Correlation;
use crate::time::UnixTime;

/// Of the form of the lines: that of `schema/log-line.schema.json`. Another one means something else by a member, or lacks one.
pub(crate) const VERSION: u8 = 1;

/// The longest value that is copied from a request into the log, in characters.
pub(crate) const MAX_LOGGED: usize = 128;

/// Room for most lines, in bytes.
const USUAL_LENGTH: usize = 512;

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

/// A line of JSON, written one member after the other. Nothing in it needs an escape: whatever does becomes `?`.
#[derive(Debug)]
pub(crate) struct Line(Vec<u8>);

impl Line {
    /// A line about this event.
    pub(crate) fn begin(now: UnixTime, event: &str) -> Self {
        let mut line = Self(Vec::with_capacity(USUAL_LENGTH));
        line.text("time", &now.to_rfc3339());
        line.number("version", VERSION.into());
        line.text("event", event);
        line
    }

    /// A member that is text.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push(b'"');
        append_plain(&mut self.0, value.as_bytes());
        self.0.push(b'"');
    }

    /// The same, if there is any.
    pub(crate) fn text_if_any(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// A member that is a number.
    pub(crate) fn number(&mut self, name: &str, value: u16) {
        self.name(name);
        self.0.extend_from_slice(value.to_string().as_bytes());
    }

    /// The ids of a request.
    pub(crate) fn ids(&mut self, ids: &LoggedIds) {
        self.text_if_any("request_id", ids.request_id.as_deref());
        self.text_if_any("x_fapi_interaction_id", ids.x_fapi_interaction_id.as_deref());
        self.text_if_any("o3_caller_interaction_id", ids.o3_caller_interaction_id.as_deref());
        self.text_if_any("o3_ozone_interaction_id", ids.o3_ozone_interaction_id.as_deref());
    }

    /// The whole line.
    #[must_use]
    pub(crate) fn end(mut self) -> String {
        self.0.push(b'}');
        String::from_utf8(self.0).unwrap_or_default()
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

/// Text from outside for a log line: printable ASCII without quotes and backslashes, at most [`MAX_LOGGED`] characters.
/// Everything else becomes `?`, so that nothing can end the line, colour a terminal or break a parser.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let shown = bytes.get(..MAX_LOGGED).unwrap_or(bytes);
    let mut text = Vec::with_capacity(shown.len());
    append_plain(&mut text, shown);
    String::from_utf8(text).unwrap_or_default()
}

/// Appends text, with `?` for each byte that is not plain.
fn append_plain(line: &mut Vec<u8>, text: &[u8]) {
    if is_plain(text) {
        line.extend_from_slice(text);
    } else {
        line.extend(text.iter().map(|byte| if is_plain(&[*byte]) { *byte } else { b'?' }));
    }
}

/// A body in JSON.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    // Strings and numbers always serialise; an empty object is still a well-formed answer if that ever changes.
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_whatever_is_written_into_it() {
        let hostile = "\"},\\\n\u{1b}[31m\u{628}\0";
        let mut line = Line::begin(UnixTime::EPOCH, hostile);
        line.number("status", 401);
        line.text("code", hostile);
        line.text_if_any("kid", None);
        line.text_if_any("api_key", Some(""));
        let harmless = "?},???[31m???";
        let expected = serde_json::json!({
            "time": "1970-01-01T00:00:00.000Z", "version": VERSION, "event": harmless, "status": 401, "code": harmless, "api_key": "",
        });
        let line = line.end();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), expected, "{line}");
        assert!(line.is_ascii());
    }
}
