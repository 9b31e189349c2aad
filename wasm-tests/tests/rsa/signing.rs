//! Signatures that are made inside the engines verify with AWS-LC.

use rstest::rstest;
use wasm_tests::probe::keys::{TestKey, verifies};
use wasm_tests::probe::{Answer, Build, Bytes, Engine, Probe, Question};

/// How many signatures a key of each size makes.
const SIGNATURES: [(usize, usize); 3] = [(2048, 80), (3072, 15), (4096, 8)];

#[rstest]
#[tokio::test]
async fn every_signature_verifies_with_another_implementation(
    #[values(Engine::Envoy, Engine::Wasmtime)] engine: Engine,
    #[values(Build::Baseline, Build::RelaxedSimd)] build: Build,
) {
    are_right(&mut Probe::start(engine, &build.probe()).await).await;
}

/// Asserts that the probe signs right.
pub async fn are_right(probe: &mut Probe) {
    for (bits, count) in SIGNATURES {
        let key = TestKey::generate(bits);
        let messages: Vec<Bytes> = (0..count).map(|length| vec![b'm'; length].into()).collect();
        let Answer::Signatures(signatures) = probe.ask(&Question::Sign(key.pem(), messages.clone())).await else {
            panic!("no signatures");
        };
        assert_eq!(signatures.len(), count);
        for (message, signature) in messages.iter().zip(&signatures) {
            assert!(verifies(&key.public(), &message.0, &signature.0), "{bits} bits, {message:?}");
            assert!(!verifies(&key.public(), b"another message", &signature.0), "{bits} bits, {message:?}");
        }
    }
}

#[tokio::test]
async fn a_private_key_that_the_filter_refuses_does_not_sign() {
    let mut probe = Probe::start(Engine::Wasmtime, &Build::Baseline.probe()).await;
    let answer = probe.ask(&Question::Sign("no key".to_owned(), vec![])).await;
    assert_eq!(answer, Answer::Nonsense("not an acceptable private key".to_owned()));
}
