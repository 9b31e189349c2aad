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

/// The member that says so, after the first one.
const VERSION_MEMBER: &str = ",\"version\":1";

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

/// A line of JSON, written one member after the other. Nothing in it needs an escape: whatever would becomes `?`.
///
/// Each call that appends costs as much as copying a hundred bytes, and whoever floods the gateway has one line written for each request:
/// so a name comes with all that stands around it, by [`text!`].
#[derive(Debug)]
pub(crate) struct Line(Vec<u8>);

/// A member of a [`Line`] that is text from outside, after the first one: see [`printable`].
macro_rules! text {
    ($line:expr, $name:literal, $value:expr) => {
        $line.append_text(concat!(",\"", $name, "\":\""), $value.as_ref())
    };
}

/// A member that is text in which nothing needs an escape.
macro_rules! plain {
    ($line:expr, $name:literal, $value:expr) => {
        $line.append(concat!(",\"", $name, "\":\""), $value.as_ref())
    };
}

pub(crate) use {plain, text};

impl Line {
    /// A line about this event.
    pub(crate) fn begin(now: UnixTime, event: &'static str) -> Self {
        let mut line = Self(Vec::with_capacity(USUAL_LENGTH));
        line.append("{\"time\":\"", now.to_rfc3339().as_bytes());
        line.0.extend_from_slice(VERSION_MEMBER.as_bytes());
        plain!(line, "event", event);
        line
    }

    /// The HTTP status that it is about.
    pub(crate) fn status(&mut self, status: u16) {
        let digit = |number: u16| b'0' + u8::try_from(number % 10).unwrap_or(0);
        self.0.extend_from_slice(b",\"status\":");
        self.0.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status)]);
    }

    /// The ids of a request.
    pub(crate) fn ids(&mut self, correlation: &Correlation) {
        let Correlation { request_id, fapi_interaction_id, caller_interaction_id, ozone_interaction_id } = correlation;
        if let Some(id) = request_id {
            text!(self, "request_id", id);
        }
        if let Some(id) = fapi_interaction_id {
            text!(self, "x_fapi_interaction_id", id);
        }
        if let Some(id) = caller_interaction_id {
            text!(self, "o3_caller_interaction_id", id);
        }
        if let Some(id) = ozone_interaction_id {
            text!(self, "o3_ozone_interaction_id", id);
        }
    }

    /// The whole line.
    #[must_use]
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    /// For [`text!`].
    pub(crate) fn append_text(&mut self, before: &str, value: &[u8]) {
        let value = shown(value);
        if is_plain(value) {
            self.append(before, value);
        } else {
            self.append(before, made_plain(value).as_bytes());
        }
    }

    /// For [`plain!`].
    pub(crate) fn append(&mut self, before: &str, value: &[u8]) {
        self.0.extend_from_slice(before.as_bytes());
        self.0.extend_from_slice(value);
        self.0.push(b'"');
    }
}

/// Text from outside for a log line: printable ASCII without quotes and backslashes, at most [`MAX_LOGGED`] characters.
/// Everything else becomes `?`, so that nothing can end the line, colour a terminal or break a parser.
pub(crate) fn printable(bytes: &[u8]) -> String {
    made_plain(shown(bytes))
}

/// The same of any length.
pub(crate) fn made_plain(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if is_plain(&[*byte]) { char::from(*byte) } else { '?' }).collect()
}

/// As much of a value from outside as is shown.
fn shown(value: &[u8]) -> &[u8] {
    value.get(..MAX_LOGGED).unwrap_or(value)
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
        let correlation = Correlation { request_id: Some(hostile.into()), ..Correlation::default() };
        let mut line = Line::begin(UnixTime::EPOCH, "e");
        line.status(401);
        text!(line, "code", hostile);
        line.ids(&correlation);
        text!(line, "api_key", "");
        let harmless = "?},???[31m???";
        let expected = serde_json::json!({
            "time": "1970-01-01T00:00:00.000Z", "version": VERSION, "event": "e", "status": 401, "code": harmless,
            "request_id": harmless, "api_key": "",
        });
        let line = line.end();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&line).unwrap(), expected, "{line:?}");
        assert!(line.is_ascii());
    }

    #[test]
    fn a_line_has_the_whole_time_also_where_that_is_no_date() {
        let line = Line::begin(UnixTime::from_millis(u64::MAX), "e").end();
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["time"], u64::MAX.to_string());
    }
}
