//! The SHA-256 fingerprint of a leaf certificate, the stricter of the two ways to pin a peer, and what the `x5t#S256` of
//! RFC 8705 §3.1 encodes. Gateways print it as bare hexadecimal, OpenSSL with a colon between octets.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use crate::hex;

const OCTETS: usize = 32;
const BARE_DIGITS: usize = OCTETS * 2;
const COLON_SEPARATED: usize = OCTETS * 3 - 1;

/// SHA-256 of the DER of a leaf certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint([u8; OCTETS]);

/// Why a text is not a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FingerprintError {
    /// It has neither 64 digits nor 64 digits and 31 colons.
    WrongLength,
    /// It has something else where a hexadecimal digit or a colon should be.
    NotHexadecimal,
}

impl Fingerprint {
    /// The fingerprint of the certificate with this DER.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// Reads 64 hexadecimal digits of either case, with a colon between every two octets or with none at all.
    ///
    /// # Errors
    /// See [`FingerprintError`].
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, FingerprintError> {
        let text = text.as_ref();
        let digits_and_separator = match text.len() {
            BARE_DIGITS => 2,
            COLON_SEPARATED => 3,
            _ => return Err(FingerprintError::WrongLength),
        };
        let mut octets = [0; OCTETS];
        for (octet, digits) in octets.iter_mut().zip(text.chunks(digits_and_separator)) {
            *octet = match digits {
                [high, low] | [high, low, b':'] => hex::octet(*high, *low).ok_or(FingerprintError::NotHexadecimal)?,
                _ => return Err(FingerprintError::NotHexadecimal),
            };
        }
        Ok(Self(octets))
    }

    /// The digest itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; OCTETS] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.into_iter().flat_map(hex::lower).try_for_each(|digit| f.write_char(digit))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl fmt::Display for FingerprintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongLength => "a SHA-256 fingerprint has 64 hexadecimal digits",
            Self::NotHexadecimal => {
                "a SHA-256 fingerprint has only hexadecimal digits, with colons between octets or none"
            }
        })
    }
}

impl std::error::Error for FingerprintError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Fingerprint, FingerprintError};

    const LOWERCASE: &str = "bf7cd2115ed39116f5e3792e102cc2205e47bbda6ebea7eb02d51b9aa326f28b";
    const OPENSSL: &str =
        "BF:7C:D2:11:5E:D3:91:16:F5:E3:79:2E:10:2C:C2:20:5E:47:BB:DA:6E:BE:A7:EB:02:D5:1B:9A:A3:26:F2:8B";

    #[test]
    fn the_forms_of_gateways_and_of_openssl_name_one_fingerprint() {
        let expected = Fingerprint::parse(LOWERCASE).unwrap();
        assert_eq!(expected.as_bytes()[..3], [0xbf, 0x7c, 0xd2]);
        assert_eq!(expected.as_bytes()[31], 0x8b);
        assert_eq!(Fingerprint::parse(LOWERCASE.to_uppercase()), Ok(expected));
        assert_eq!(Fingerprint::parse(OPENSSL), Ok(expected));
    }

    #[test]
    fn a_fingerprint_is_printed_in_lowercase_hexadecimal() {
        let fingerprint = Fingerprint::parse(OPENSSL).unwrap();
        assert_eq!(fingerprint.to_string(), LOWERCASE);
        assert_eq!(format!("{fingerprint:?}"), format!("Fingerprint({LOWERCASE})"));
    }

    #[test]
    fn other_lengths_are_refused() {
        let sha1 = LOWERCASE.split_at(40).0;
        for text in [
            "",
            sha1,
            LOWERCASE.split_at(1).1,
            &format!("{LOWERCASE}0"),
            &format!("{LOWERCASE}\n"),
            &format!("{OPENSSL}:"),
        ] {
            assert_eq!(Fingerprint::parse(text), Err(FingerprintError::WrongLength), "{text}");
        }
    }

    #[test]
    fn anything_but_digits_and_regular_colons_is_refused() {
        let other_digit = LOWERCASE.replacen('b', "g", 1);
        let last_digit = format!("{}g", LOWERCASE.split_at(63).0);
        let other_separator = OPENSSL.replacen(':', "-", 1);
        let missing_separator = OPENSSL.replacen(':', "0", 1);
        let shifted_separator = OPENSSL.replacen("BF:", "B:F", 1);
        let colons_in_bare_form = LOWERCASE.replacen("7c", "::", 1);
        for text in
            [other_digit, last_digit, other_separator, missing_separator, shifted_separator, colons_in_bare_form]
        {
            assert_eq!(Fingerprint::parse(&text), Err(FingerprintError::NotHexadecimal), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(text in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Fingerprint::parse(&text);
        }

        #[test]
        fn a_printed_fingerprint_is_read_back(octets in any::<[u8; 32]>()) {
            let fingerprint = Fingerprint(octets);
            prop_assert_eq!(Fingerprint::parse(fingerprint.to_string()), Ok(fingerprint));
        }
    }
}
