//! The `Authorization` header with a Bearer token (RFC 6750 §2.1): exactly one value, exactly one token.

use crate::ascii::is_graphic_but;
use crate::header_value::HeaderValue;

/// Why there is no bearer token to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialError {
    /// No `Authorization` header.
    Missing,
    /// Several values, whether in several headers or joined by a comma.
    Several,
    /// Another scheme than Bearer.
    NotBearer,
    /// `Bearer`, and then not one token made of visible ASCII.
    NotOneToken,
}

/// The token of the only `Authorization` value.
///
/// # Errors
/// See [`CredentialError`].
pub(super) fn token(values: &[HeaderValue]) -> Result<&str, CredentialError> {
    let value = match values {
        [] => return Err(CredentialError::Missing),
        [value] => &**value,
        _ => return Err(CredentialError::Several),
    };
    // Gateways join repeated headers with a comma, which no token contains.
    read(value).map_err(|error| if value.contains(&b',') { CredentialError::Several } else { error })
}

/// The token of a value. A comma anywhere is an error, but not which.
fn read(value: &[u8]) -> Result<&str, CredentialError> {
    let space = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(space).ok_or(CredentialError::NotBearer)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(CredentialError::NotBearer);
    }
    let token = rest.get(rest.iter().take_while(|byte| **byte == b' ').count()..).unwrap_or_default();
    if token.is_empty() || !is_graphic_but(token, b',') {
        return Err(CredentialError::NotOneToken);
    }
    std::str::from_utf8(token).map_err(|_| CredentialError::NotOneToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Result<String, CredentialError> {
        token(&[value.as_bytes().to_vec().into()]).map(str::to_owned)
    }

    #[test]
    fn the_scheme_has_any_case_and_one_or_more_spaces_follow() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c"] {
            assert_eq!(of(value).as_deref(), Ok("a.b.c"), "{value}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        assert_eq!(token(&[]), Err(CredentialError::Missing));
        assert_eq!(token(&[b"Bearer a".to_vec().into(), b"Bearer a".to_vec().into()]), Err(CredentialError::Several));
        for (value, error) in [
            ("Bearer a,Bearer b", CredentialError::Several),
            ("Bearer a, b", CredentialError::Several),
            ("", CredentialError::NotBearer),
            ("Basic dTpw", CredentialError::NotBearer),
            ("a.b.c", CredentialError::NotBearer),
            (" Bearer a", CredentialError::NotBearer),
            ("Bearer\ta", CredentialError::NotBearer),
            ("Bearerx a", CredentialError::NotBearer),
            ("Bearer", CredentialError::NotOneToken),
            ("Bearer ", CredentialError::NotOneToken),
            ("Bearer a b", CredentialError::NotOneToken),
            ("Bearer a\t", CredentialError::NotOneToken),
            ("Bearer a\r\nx: y", CredentialError::NotOneToken),
            ("Bearer a\0", CredentialError::NotOneToken),
            ("Bearer \u{628}", CredentialError::NotOneToken),
        ] {
            assert_eq!(of(value), Err(error), "{value:?}");
        }
        assert_eq!(token(&[b"Bearer \xff\xfe".to_vec().into()]), Err(CredentialError::NotOneToken));
    }
}
