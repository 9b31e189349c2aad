//! JSON as a security decision needs it: every member name once, bounded depth and width, nothing after the value.
//!
//! Parsers disagree on which of two equal members wins; RFC 7515 §4 and RFC 7519 §4 therefore let a receiver refuse them,
//! and this one refuses them at every level. Text is borrowed from the input wherever it holds no escape.

mod flat;
mod items;
mod members;
mod reader;
mod value;

pub use items::raw_items;
pub use members::members;
pub use reader::JsonError;
pub(crate) use reader::{MAX_DEPTH, MAX_MEMBERS};
pub use value::{Object, Value};
