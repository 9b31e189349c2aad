//! The signature algorithms that a verifier may accept (RFC 7518 §3.1), all asymmetric: `none` and HMAC do not exist here,
//! so no header can ask for them.

/// A signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PSS with SHA-256 (RFC 7518 §3.5).
    Ps256,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
}

impl Algorithm {
    /// All algorithms, in the order of preference.
    pub const ALL: [Self; 3] = [Self::Ps256, Self::Es256, Self::Rs256];

    /// The `alg` that names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm of exactly this `alg`, which is case-sensitive (RFC 7515 §4.1.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_algorithm_is_found_by_its_own_name_alone() {
        for (name, algorithm) in [("PS256", Algorithm::Ps256), ("ES256", Algorithm::Es256), ("RS256", Algorithm::Rs256)]
        {
            assert_eq!(algorithm.name(), name);
            assert_eq!(Algorithm::from_name(name), Some(algorithm));
        }
        for other in ["", "none", "None", "HS256", "PS384", "ES256K", "ps256", "Ps256", " PS256", "PS256 ", "PS256\0"] {
            assert_eq!(Algorithm::from_name(other), None, "{other:?}");
        }
    }
}
