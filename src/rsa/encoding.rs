//! How RSA keys are written: the textual encoding of RFC 7468 §2 (PEM), and the algorithm identifiers of RFC 8017
//! appendix A.1 and RFC 4055 §1.2, §3.1.

use ::rsa::pkcs1::{ALGORITHM_OID as RSA_ENCRYPTION, RsaPssParamsOwned};
use ::rsa::pkcs8::ObjectIdentifier;
use ::rsa::pkcs8::spki::AlgorithmIdentifierRef;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::SALT_LENGTH;

/// The longest PEM that is read, in bytes. A private key of 4096 bits has 3.3 KB, and one of 16,384 bits still fits, so
/// that it is refused for its size.
const MAX_PEM_BYTES: usize = 16 * 1024;

const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One PEM block: what it says it is, and the bytes in it, which are overwritten when they go.
pub(super) struct Block<'p> {
    pub(super) label: &'p str,
    body: &'p str,
}

/// Why a text is not one PEM block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PemError {
    /// It is none, something stands before or after it, or it is longer than any key.
    NotPem,
    /// There are several.
    SeveralBlocks,
}

impl<'p> Block<'p> {
    /// Finds the one block that a text consists of. White space around it is left out.
    pub(super) fn find(pem: &'p str) -> Result<Self, PemError> {
        if pem.len() > MAX_PEM_BYTES {
            return Err(PemError::NotPem);
        }
        if pem.matches(BEGIN).count() > 1 {
            return Err(PemError::SeveralBlocks);
        }
        let find = || {
            let (label, rest) = pem.trim_ascii().strip_prefix(BEGIN)?.split_once(DASHES)?;
            let (body, end) = rest.rsplit_once(END)?;
            (end.strip_suffix(DASHES)? == label).then_some(Self { label, body })
        };
        find().ok_or(PemError::NotPem)
    }

    /// Whether there are header fields before the base64 (RFC 1421 §4.6), as in keys that OpenSSL encrypted. No base64 has
    /// a colon.
    pub(super) fn has_headers(&self) -> bool {
        self.body.contains(':')
    }

    /// The bytes.
    pub(super) fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        // Both buffers have their full size from the start: one that grows leaves copies behind.
        let mut base64 = Zeroizing::new(Vec::with_capacity(self.body.len()));
        base64.extend(self.body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        let mut bytes = Zeroizing::new(vec![0; base64.len()]);
        let length = STANDARD.decode_slice(&base64, &mut bytes).ok()?;
        bytes.truncate(length);
        Some(bytes)
    }
}

/// Whether a key of this algorithm may be used for `PS256`: plain RSA, or RSASSA-PSS that is not restricted to other
/// parameters.
pub(super) fn allows_ps256(algorithm: &AlgorithmIdentifierRef<'_>) -> bool {
    let parameters = algorithm.parameters;
    match algorithm.oid {
        RSA_ENCRYPTION => parameters.is_none_or(|parameters| parameters.is_null()),
        RSASSA_PSS => parameters
            .is_none_or(|parameters| parameters.decode_as::<RsaPssParamsOwned>().is_ok_and(|pss| is_ps256(&pss))),
        _ => false,
    }
}

/// Whether these parameters let a key sign as `PS256` does. Their salt length is the shortest that is allowed.
fn is_ps256(pss: &RsaPssParamsOwned) -> bool {
    let mask_hash = pss.mask_gen.parameters.as_ref().map(|hash| hash.oid);
    pss.hash.oid == SHA256
        && pss.mask_gen.oid == MGF1
        && mask_hash == Some(SHA256)
        && usize::from(pss.salt_len) <= SALT_LENGTH
}
