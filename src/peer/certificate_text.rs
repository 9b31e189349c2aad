//! The text of a certificate as a gateway tells it with every request. It is compared with that of the request before: eight octets
//! at a time, as the one way to compare octets in wasm is a loop, and a certificate has a thousand or two.

use std::ops::Deref;

/// A certificate in PEM, or what a gateway takes for one.
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
        let ((ours, our_rest), (theirs, their_rest)) = (self.as_chunks::<8>(), other.as_chunks::<8>());
        let same = |(ours, theirs): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*ours) == u64::from_ne_bytes(*theirs);
        self.len() == other.len() && ours.iter().zip(theirs).all(same) && our_rest == their_rest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn two_texts_are_equal_if_their_octets_are(text: Vec<u8>, at: prop::sample::Index, other: u8, cut: bool) {
            let mut changed = text.clone();
            if let Some(octet) = (!text.is_empty()).then(|| at.index(text.len())).and_then(|at| changed.get_mut(at)) {
                *octet = other;
            }
            if cut {
                changed.pop();
            }
            let equal = text == changed;
            prop_assert_eq!(CertificateText::from(text) == CertificateText::from(changed), equal);
        }
    }
}
