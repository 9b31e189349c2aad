//! The identity headers: what the bank's backend learns about the caller, and what no caller may send.
//!
//! Backends believe these names, and many read `_` for `-` (CGI turns both into one variable). Not every gateway can
//! remove a header, so a request that brings one along in any spelling is refused. For the same reason the headers that name
//! the provider are refused in every spelling but their own: a backend could read one that nobody here compared.

use std::rc::Rc;

use crate::ascii::is_named;
use crate::peer::PeerCertificate;

/// Which method authenticated the caller: `mtls_only`, `api_key`, `client_credentials` or `jwt_auth`; or what stands
/// there instead (`auth::UNVERIFIED_SERVICE_INITIATION`).
pub(crate) const AUTH_METHOD: &str = "x-hub-auth-method";

/// The `O` of the caller's certificate, in UTF-8.
pub(crate) const ORGANISATION: &str = "x-hub-client-organisation";

/// The `OU` of the caller's certificate, in UTF-8.
pub(crate) const ORGANISATIONAL_UNIT: &str = "x-hub-client-organisational-unit";

/// The id of the credential: the `jti` of the caller's token, or the id of its API key.
pub(crate) const TOKEN_ID: &str = "x-hub-token-id";

/// All identity headers, in lower case.
pub(crate) const IDENTITY_HEADERS: [&str; 4] = [AUTH_METHOD, ORGANISATION, ORGANISATIONAL_UNIT, TOKEN_ID];

/// The headers that name the provider that a request is for (spec §2.5), in lower case: the one in use, and its alias.
pub(crate) const PROVIDER_HEADERS: [&str; 2] = ["o3-provider-id", "o3-aspsp-id"];

/// What the identity headers of one request say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    method: &'static str,
    certificate: Rc<PeerCertificate>,
    token_id: Option<String>,
}

impl Identity {
    /// Of a caller with this certificate, who was authenticated by this method.
    #[must_use]
    pub(crate) fn new(method: &'static str, certificate: &Rc<PeerCertificate>, token_id: Option<String>) -> Self {
        Self { method, certificate: Rc::clone(certificate), token_id }
    }

    /// The headers.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let subject = self.certificate.subject();
        let always = [
            (AUTH_METHOD, self.method),
            (ORGANISATION, subject.organisation()),
            (ORGANISATIONAL_UNIT, subject.organisational_unit()),
        ];
        always.into_iter().chain(self.token_id.as_deref().map(|id| (TOKEN_ID, id)))
    }
}

/// Whether a backend could take this header name for an identity header.
#[must_use]
pub(crate) fn is_reserved(name: &[u8]) -> bool {
    let [method, organisation, unit, token_id] = IDENTITY_HEADERS;
    could_be_taken_for(name, method)
        || could_be_taken_for(name, organisation)
        || could_be_taken_for(name, unit)
        || could_be_taken_for(name, token_id)
}

/// Whether a backend could take this header name for one that names the provider, although it is none.
#[must_use]
pub(crate) fn is_misspelt_provider(name: &[u8]) -> bool {
    let [header, alias] = PROVIDER_HEADERS;
    (could_be_taken_for(name, header) && !is_named(name, header))
        || (could_be_taken_for(name, alias) && !is_named(name, alias))
}

/// Most names are seen not to be by their length, and without a call.
#[inline(always)]
fn could_be_taken_for(name: &[u8], header: &str) -> bool {
    name.len() == header.len() && is_spelling_of(name, header)
}

/// Letters in either case, and anything that is neither letter nor digit for `-`.
fn is_spelling_of(name: &[u8], header: &str) -> bool {
    let same = |byte: u8, of_header: u8| match of_header {
        b'-' => !byte.is_ascii_alphanumeric(),
        letter => byte.eq_ignore_ascii_case(&letter),
    };
    name.iter().zip(header.bytes()).all(|(byte, of_header)| same(*byte, of_header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_a_backend_could_confuse_is_reserved() {
        for name in IDENTITY_HEADERS {
            assert!(is_reserved(name.as_bytes()));
            assert!(is_reserved(name.to_uppercase().as_bytes()));
            assert!(is_reserved(name.replace('-', "_").as_bytes()));
            assert!(is_reserved(name.replacen('-', "_", 1).as_bytes()));
            assert!(is_reserved(name.replace('-', ".").as_bytes()));
        }
    }

    #[test]
    fn a_header_that_names_the_provider_is_misspelt_in_every_spelling_but_its_own() {
        for name in PROVIDER_HEADERS {
            assert!(!is_misspelt_provider(name.as_bytes()) && !is_misspelt_provider(name.to_uppercase().as_bytes()));
            for misspelt in [name.replace('-', "_"), name.replace('-', "."), name.replacen('-', "_", 1)] {
                assert!(is_misspelt_provider(misspelt.as_bytes()), "{misspelt}");
                assert!(is_misspelt_provider(misspelt.to_uppercase().as_bytes()), "{misspelt}");
            }
        }
        for name in ["o3-provider-ids", "o3provider-id", "o3-caller_id", ""] {
            assert!(!is_misspelt_provider(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn other_headers_are_not_reserved() {
        for name in
            ["x-hub-signature", "x-hub-auth-methods", "hub-auth-method", "x-hub-auth-metho", "", "authorization"]
        {
            assert!(!is_reserved(name.as_bytes()), "{name}");
        }
    }
}
