//! Which provider a request is for (spec §2.5, §7): `o3-provider-id`, or its deprecated alias, names one of the configured
//! ids, and with it the audience that the token must have.

use crate::ascii::are_same;
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

/// The providers that one bank is: the id of each, which the header names, and its audience, which the token's `aud` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Providers {
    ids: Vec<String>,
    /// As many, in the same order.
    audiences: Vec<String>,
}

impl Providers {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.ids.len()
    }

    /// The audiences of all of them.
    pub(crate) fn audiences(&self) -> &[String] {
        &self.audiences
    }
}

impl FromIterator<(String, String)> for Providers {
    /// Of ids, each with its audience.
    fn from_iter<T: IntoIterator<Item = (String, String)>>(providers: T) -> Self {
        let (ids, audiences) = providers.into_iter().unzip();
        Self { ids, audiences }
    }
}

/// What the token's `aud` may name: the audience of the provider that the header says, or of any where it may be absent.
///
/// # Errors
/// See [`ProviderError`].
pub(crate) fn audiences<'c>(
    configured: &'c Providers,
    header_is_mandatory: bool,
    provider_id: &[HeaderValue],
    alias: &[HeaderValue],
) -> Result<&'c [String], ProviderError> {
    let stated = match (one(provider_id)?, one(alias)?) {
        (Some(id), Some(alias)) if id != alias => return Err(ProviderError::Contradictory),
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) if header_is_mandatory => return Err(ProviderError::Missing),
        (None, None) => return Ok(&configured.audiences),
    };
    let mut known = configured.ids.iter().zip(&configured.audiences);
    let (_, audience) = known.find(|(id, _)| are_same(id.as_bytes(), stated)).ok_or(ProviderError::Unknown)?;
    Ok(std::slice::from_ref(audience))
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
        let same = configured.iter().map(|id| (*id, *id)).collect::<Vec<_>>();
        check_pairs(&same, mandatory, id, alias)
    }

    fn check_pairs(
        configured: &[(&str, &str)],
        mandatory: bool,
        id: &[&str],
        alias: &[&str],
    ) -> Result<Vec<String>, ProviderError> {
        let configured = configured.iter().map(|(id, audience)| ((*id).to_owned(), (*audience).to_owned())).collect();
        let bytes =
            |texts: &[&str]| texts.iter().map(|text| HeaderValue::from(text.as_bytes().to_vec())).collect::<Vec<_>>();
        audiences(&configured, mandatory, &bytes(id), &bytes(alias)).map(<[String]>::to_vec)
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
    fn the_header_names_an_id_and_the_token_its_audience() {
        let configured = [("fabretail", "retail-7"), ("fabcorporate", "fabretail"), ("fabprivate", "retail-7")];
        for (id, audience) in configured {
            assert_eq!(check_pairs(&configured, true, &[id], &[]), Ok(vec![audience.into()]));
            assert_eq!(check_pairs(&configured, true, &[], &[id]), Ok(vec![audience.into()]));
        }
        assert_eq!(check_pairs(&configured, true, &["retail-7"], &[]), Err(ProviderError::Unknown));
        assert_eq!(check_pairs(&configured[..1], false, &[], &[]), Ok(vec!["retail-7".into()]));
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
