//! Paths in the configuration that are compared with those of requests octet by octet. They may hold nothing that
//! gateways and backends spell in several ways (RFC 3986 §6.2): no encoded octets, no dot segments, no empty ones.

use std::fmt;

/// The longest path, in bytes: longer than every path of the standard's APIs.
pub(super) const MAX_BYTES: usize = 256;

/// Why a text is not such a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathFault {
    NoSlashAtStart,
    TooLong,
    OtherCharacters,
    EmptySegment,
    DotSegment,
    SlashAtEnd,
}

/// Whether `path` is `/`, or segments of the allowed characters with a slash before each.
pub(super) fn check(path: &str, allows: fn(char) -> bool) -> Result<(), PathFault> {
    let segments = path.strip_prefix('/').ok_or(PathFault::NoSlashAtStart)?;
    if path.len() > MAX_BYTES {
        return Err(PathFault::TooLong);
    }
    if !segments.chars().all(|character| character == '/' || allows(character)) {
        return Err(PathFault::OtherCharacters);
    }
    if segments.is_empty() {
        return Ok(());
    }
    if segments.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(PathFault::DotSegment);
    }
    let (others, last) = segments.rsplit_once('/').map_or((None, segments), |(others, last)| (Some(others), last));
    if others.is_some_and(|others| others.split('/').any(str::is_empty)) {
        return Err(PathFault::EmptySegment);
    }
    if last.is_empty() { Err(PathFault::SlashAtEnd) } else { Ok(()) }
}

/// What RFC 3986 §2.3 calls unreserved.
pub(super) fn is_unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~".contains(character)
}

/// What RFC 3986 §3.3 allows in a segment, but for `%`.
pub(super) fn is_segment_character(character: char) -> bool {
    is_unreserved(character) || "!$&'()*+,;=:@".contains(character)
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSlashAtStart => "a string without / at its start",
            Self::TooLong => "a longer string",
            Self::OtherCharacters => "a string with other characters",
            Self::EmptySegment => "a string with two / in a row",
            Self::DotSegment => "a string with a segment . or ..",
            Self::SlashAtEnd => "a string with / at its end",
        })
    }
}

impl std::error::Error for PathFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_segments_with_one_slash_before_each() {
        let longest = format!("/{}", "a".repeat(MAX_BYTES - 1));
        for path in ["/", "/a", "/a/b.c/-_~", "/...", "/.a", &longest] {
            assert_eq!(check(path, is_unreserved), Ok(()), "{path}");
        }
        for (path, fault) in [
            ("", PathFault::NoSlashAtStart),
            ("a", PathFault::NoSlashAtStart),
            ("https://a.example/", PathFault::NoSlashAtStart),
            ("//", PathFault::EmptySegment),
            ("//a", PathFault::EmptySegment),
            ("/a//b", PathFault::EmptySegment),
            ("/a//", PathFault::EmptySegment),
            ("/a/", PathFault::SlashAtEnd),
            ("/a/b/", PathFault::SlashAtEnd),
            ("/.", PathFault::DotSegment),
            ("/..", PathFault::DotSegment),
            ("/a/../b", PathFault::DotSegment),
            ("/a/./", PathFault::DotSegment),
            (&format!("{longest}a"), PathFault::TooLong),
        ] {
            assert_eq!(check(path, is_unreserved), Err(fault), "{path}");
        }
    }

    #[test]
    fn only_the_allowed_characters_may_stand_in_a_segment() {
        for character in "?#%\\ \"<>[]^`{|}\u{7f}\0\n\u{628}".chars() {
            let path = format!("/a{character}");
            assert_eq!(check(&path, is_unreserved), Err(PathFault::OtherCharacters), "{character:?}");
            assert_eq!(check(&path, is_segment_character), Err(PathFault::OtherCharacters), "{character:?}");
        }
        for character in "!$&'()*+,;=:@".chars() {
            let path = format!("/a{character}");
            assert_eq!(check(&path, is_unreserved), Err(PathFault::OtherCharacters), "{character:?}");
            assert_eq!(check(&path, is_segment_character), Ok(()), "{character:?}");
        }
    }
}
