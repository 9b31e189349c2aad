//! Signatures that are made inside the engines verify with AWS-LC.

use std::sync::LazyLock;

use wasm_tests::probe::keys::{TestKey, verifies};
use wasm_tests::probe::{Answer, Build, Bytes, Engine, Probe, Question};

/// How many signatures a key of each size makes.
static KEYS: LazyLock<[(TestKey, usize); 3]> =
    LazyLock::new(|| [(2048, 85), (3072, 10), (4096, 6)].map(|(bits, count)| (TestKey::generate(bits), count)));

/// Asserts that the probe signs right.
pub async fn signatures_verify(probe: &mut Probe) {
    for (key, count) in &*KEYS {
        let messages: Vec<Bytes> = (0..*count).map(|length| vec![b'm'; length].into()).collect();
        let Answer::Signatures(signatures) = probe.ask(&Question::Sign(key.pem(), messages.clone())).await else {
            panic!("no signatures");
        };
        assert_eq!(signatures.len(), *count);
        for (message, signature) in messages.iter().zip(&signatures) {
            assert!(verifies(&key.public(), &message.0, &signature.0), "{message:?}, {:?}", key.public());
            assert!(!verifies(&key.public(), b"another message", &signature.0), "{message:?}, {:?}", key.public());
        }
    }
}

#[tokio::test]
async fn a_private_key_that_the_filter_refuses_does_not_sign() {
    let mut probe = Probe::start(Engine::Wasmtime, &Build::Baseline.probe()).await;
    let answer = probe.ask(&Question::Sign("no key".to_owned(), vec![])).await;
    assert_eq!(answer, Answer::Nonsense("not an acceptable private key".to_owned()));
}
