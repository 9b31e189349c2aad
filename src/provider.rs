//! Which provider a request is for (spec §2.5): `o3-provider-id`, or its deprecated alias, names one of the configured ids.

use crate::header_value::HeaderValue;

/// Why it is not known which provider a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProviderError {
    /// The header is mandatory here and not there.
    Missing,
    /// It names nobody that is configured, or is not one plain value.
    Unknown,
    /// The header and its alias differ.
    Contradictory,
}

/// The configured ids that the token's `aud` may name: the one that the header says, or all where it may be absent.
///
/// # Errors
/// See [`ProviderError`].
pub(crate) fn audiences<'c>(
    configured: &'c [String],
    header_is_mandatory: bool,
    provider_id: &[HeaderValue],
    alias: &[HeaderValue],
) -> Result<&'c [String], ProviderError> {
    let stated = match (one(provider_id)?, one(alias)?) {
        (Some(id), Some(alias)) if id != alias => return Err(ProviderError::Contradictory),
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) if header_is_mandatory => return Err(ProviderError::Missing),
        (None, None) => return Ok(configured),
    };
    let known = configured.iter().find(|id| id.as_bytes() == stated).ok_or(ProviderError::Unknown)?;
    Ok(std::slice::from_ref(known))
}

/// The only value of a header, if it was sent.
fn one(values: &[HeaderValue]) -> Result<Option<&[u8]>, ProviderError> {
    match values {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(ProviderError::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(configured: &[&str], mandatory: bool, id: &[&str], alias: &[&str]) -> Result<Vec<String>, ProviderError> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let bytes =
            |texts: &[&str]| texts.iter().map(|text| HeaderValue::from(text.as_bytes().to_vec())).collect::<Vec<_>>();
        audiences(&owned(configured), mandatory, &bytes(id), &bytes(alias)).map(<[String]>::to_vec)
    }

    #[test]
    fn without_the_header_every_configured_id_may_be_meant_unless_it_is_mandatory() {
        assert_eq!(check(&["retail"], false, &[], &[]), Ok(vec!["retail".into()]));
        assert_eq!(check(&["retail"], true, &[], &[]), Err(ProviderError::Missing));
    }

    #[test]
    fn the_header_or_its_alias_names_one_configured_id() {
        for (id, alias) in [(vec!["b"], vec![]), (vec![], vec!["b"]), (vec!["b"], vec!["b"])] {
            assert_eq!(check(&["a", "b"], true, &id, &alias), Ok(vec!["b".into()]));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (id, alias, error) in [
            (vec!["c"], vec![], ProviderError::Unknown),
            (vec!["A"], vec![], ProviderError::Unknown),
            (vec![""], vec![], ProviderError::Unknown),
            (vec!["a,b"], vec![], ProviderError::Unknown),
            (vec!["a", "a"], vec![], ProviderError::Unknown),
            (vec![], vec!["c"], ProviderError::Unknown),
            (vec!["a"], vec!["b"], ProviderError::Contradictory),
        ] {
            assert_eq!(check(&["a", "b"], false, &id, &alias), Err(error), "{id:?} {alias:?}");
        }
    }
}
