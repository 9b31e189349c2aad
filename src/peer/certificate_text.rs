//! The text of a certificate, or of a part of it, as a gateway tells it with every request. It is compared with that of the request before:
//! a certificate has a thousand bytes or two.

use std::ops::Deref;

use crate::ascii::are_same;

/// A certificate in PEM, its subject or its fingerprint, or what a gateway takes for one.
#[derive(Debug, Clone, Eq)]
pub(crate) struct CertificateText(Vec<u8>);

impl<T: Into<Vec<u8>>> From<T> for CertificateText {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl Deref for CertificateText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for CertificateText {
    fn eq(&self, other: &Self) -> bool {
        are_same(self, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_texts_are_equal_if_their_octets_are() {
        let text = |text: &str| CertificateText::from(text);
        assert_eq!(text("CN=abc123,OU=a"), text("CN=abc123,OU=a"));
        for other in ["CN=abc123,OU=b", "BN=abc123,OU=a", "CN=abc123,OU=a ", "CN=abc123,OU=", ""] {
            assert_ne!(text("CN=abc123,OU=a"), text(other));
        }
    }
}
