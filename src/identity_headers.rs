//! The identity headers: what the bank's backend learns about the caller, and what no caller may send.
//!
//! Backends believe these names, and many read `_` for `-` (CGI turns both into one variable). Not every gateway can
//! remove a header, so a request that brings one along in any spelling is refused.

use std::rc::Rc;

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

/// Whether a backend could take this header name for an identity header: letters in either case, and anything that is
/// neither letter nor digit for `-`.
#[must_use]
pub(crate) fn is_reserved(name: &[u8]) -> bool {
    let same = |byte: u8, reserved: u8| match reserved {
        b'-' => !byte.is_ascii_alphanumeric(),
        letter => byte.eq_ignore_ascii_case(&letter),
    };
    IDENTITY_HEADERS.iter().any(|reserved| {
        name.len() == reserved.len() && name.iter().zip(reserved.bytes()).all(|(byte, reserved)| same(*byte, reserved))
    })
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
    fn other_headers_are_not_reserved() {
        for name in
            ["x-hub-signature", "x-hub-auth-methods", "hub-auth-method", "x-hub-auth-metho", "", "authorization"]
        {
            assert!(!is_reserved(name.as_bytes()), "{name}");
        }
    }
}
