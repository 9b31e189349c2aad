//! Names in the paths of Vault's API: mounts, and keys.

use crate::config::errors::ConfigErrors;
use crate::config::reader::Node;

pub(in crate::config) const MAX_MOUNT_BYTES: usize = 256;

/// Reads the path of a mount: of an engine that signs, or of a login method.
pub(super) fn read_mount<'a>(
    node: &Node<'a>,
    expected: &str,
    default: &'static str,
    errors: &mut ConfigErrors,
) -> Option<&'a str> {
    if node.is_absent() {
        return Some(default);
    }
    let text = node.string(expected, errors)?;
    let is_mount = text.len() <= MAX_MOUNT_BYTES && text.split('/').all(is_segment);
    if is_mount { Some(text) } else { node.refuse_text(expected, "a string that is not one", errors) }
}

/// Nothing that needs an encoding in a path or climbs in it: it would sign with another key, or do something else.
pub(in crate::config) fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && !matches!(text, "." | "..") && text.bytes().all(allowed)
}
