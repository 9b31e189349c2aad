//! What is remembered of a token, what for, and for how long.

use super::*;
use crate::rsa::RsaPublicKey;
use crate::testing::{SigningKey, buffer};

const NOW: UnixTime = UnixTime::from_secs(1_795_253_400);
const EXPIRY: UnixTime = UnixTime::from_secs(1_795_253_430);

fn key_of(key: &SigningKey) -> VerificationKey {
    RsaPublicKey::new(&key.modulus(), &key.exponent()).unwrap().into()
}

fn key() -> VerificationKey {
    key_of(SigningKey::first())
}

fn signed(payload: &str) -> String {
    SigningKey::first().token("{}", payload)
}

/// A token with a signature that is not right.
fn unsigned(payload: &str) -> String {
    crate::testing::token("{}", payload, &[0; 256])
}

fn verified(token: &str, expiry: UnixTime) -> Verified {
    known_as(UnverifiedToken::parse(token, buffer()).unwrap().digest(), expiry)
}

fn numbered(n: u64, expiry: UnixTime) -> Verified {
    known_as(TokenDigest::of(&n.to_string()), expiry)
}

fn known_as(token: TokenDigest, expiry: UnixTime) -> Verified {
    Verified { token, key: key().thumbprint(), algorithm: Algorithm::Ps256, expiry }
}

fn verify(tokens: &mut VerifiedTokens, now: UnixTime, token: &str, key: &VerificationKey) -> bool {
    tokens.verify(now, &UnverifiedToken::parse(token, buffer()).unwrap(), EXPIRY, Algorithm::Ps256, key).is_ok()
}

fn count(tokens: &VerifiedTokens) -> usize {
    tokens.places.iter().flatten().count()
}

#[test]
fn a_token_whose_signature_was_verified_is_remembered() {
    let mut tokens = VerifiedTokens::new(10);
    let token = signed("{}");
    assert!(!tokens.knows(&verified(&token, EXPIRY), NOW));
    assert!(verify(&mut tokens, NOW, &token, &key()));
    assert!(tokens.knows(&verified(&token, EXPIRY), NOW));
    assert!(verify(&mut tokens, NOW, &token, &key()));
    assert_eq!(count(&tokens), 1, "once");
}

#[test]
fn what_is_remembered_is_not_calculated_again() {
    let mut tokens = VerifiedTokens::new(10);
    let token = unsigned("{}");
    // As if it had been right: only who does not look at the signature says that it is.
    tokens.remember(verified(&token, EXPIRY));
    assert!(verify(&mut tokens, NOW, &token, &key()));
}

#[test]
fn a_token_whose_signature_is_wrong_is_refused_each_time_and_never_remembered() {
    let mut tokens = VerifiedTokens::new(10);
    let right = signed("{}");
    assert!(verify(&mut tokens, NOW, &right, &key()));
    // The same header and claims as of one that is known.
    for _ in 0..3 {
        assert!(!verify(&mut tokens, NOW, &unsigned("{}"), &key()));
    }
    assert_eq!(count(&tokens), 1);
}

#[test]
fn a_token_counts_only_for_the_key_that_verified_it() {
    let mut tokens = VerifiedTokens::new(10);
    let token = signed("{}");
    assert!(verify(&mut tokens, NOW, &token, &key()));
    for _ in 0..2 {
        assert!(!verify(&mut tokens, NOW, &token, &key_of(SigningKey::second())));
    }
    assert!(verify(&mut tokens, NOW, &token, &key()));
}

#[test]
fn a_token_counts_only_for_the_algorithm_that_it_was_verified_with() {
    let mut tokens = VerifiedTokens::new(10);
    let text = signed("{}");
    assert!(verify(&mut tokens, NOW, &text, &key()));
    let token = UnverifiedToken::parse(&text, buffer()).unwrap();
    assert_eq!(tokens.verify(NOW, &token, EXPIRY, Algorithm::Rs256, &key()), Err(SignatureMismatch));
}

#[test]
fn a_key_that_may_not_verify_the_algorithm_any_more_verifies_nothing() {
    let mut tokens = VerifiedTokens::new(10);
    let token = signed("{}");
    assert!(verify(&mut tokens, NOW, &token, &key()));
    assert!(!verify(&mut tokens, NOW, &token, &key().restricted_to(Algorithm::Rs256)));
}

#[test]
fn a_token_is_forgotten_when_it_expires() {
    let mut tokens = VerifiedTokens::new(10);
    let token = signed("{}");
    assert!(verify(&mut tokens, NOW, &token, &key()));
    let after = UnixTime::from_millis(EXPIRY.as_millis() + 1);
    for (now, known) in [(NOW, true), (EXPIRY, true), (after, false)] {
        assert_eq!(tokens.knows(&verified(&token, EXPIRY), now), known);
    }
    assert!(!tokens.knows(&verified(&token, after), after), "whatever is said of it later");
}

#[test]
fn there_is_never_more_than_the_capacity_and_the_newest_is_always_there() {
    for capacity in [1, 3, 8, 9, 100] {
        let mut tokens = VerifiedTokens::new(capacity);
        for n in 0..1_000 {
            // Each ends before the one before.
            let newest = numbered(n, UnixTime::from_secs(1_795_253_430 - n));
            tokens.remember(newest);
            assert!(tokens.knows(&newest, UnixTime::EPOCH), "{capacity} {n}");
        }
        assert_eq!((count(&tokens), tokens.places.capacity()), (capacity, capacity));
    }
}

#[test]
fn the_token_that_expires_first_makes_room() {
    let at = UnixTime::from_secs;
    let mut tokens = VerifiedTokens::new(WAYS);
    for n in 0..8 {
        tokens.remember(numbered(n, at(100 + (n + 3) % 8)));
    }
    // The fifth ends first, the sixth next.
    let known = |tokens: &VerifiedTokens| {
        let known = (0..10).filter(|n: &u64| tokens.knows(&numbered(*n, EXPIRY), at(0)));
        known.collect::<Vec<_>>()
    };
    tokens.remember(numbered(8, at(200)));
    assert_eq!(known(&tokens), [0, 1, 2, 3, 4, 6, 7, 8]);
    tokens.remember(numbered(9, at(200)));
    assert_eq!(known(&tokens), [0, 1, 2, 3, 4, 7, 8, 9]);
    tokens.remember(numbered(0, at(300)));
    assert_eq!(known(&tokens), [0, 1, 2, 3, 4, 7, 8, 9], "in its own place");
}

#[test]
fn who_has_no_valid_token_pushes_none_out() {
    let mut tokens = VerifiedTokens::new(2);
    let token = signed("{}");
    assert!(verify(&mut tokens, NOW, &token, &key()));
    for n in 0..100 {
        assert!(!verify(&mut tokens, NOW, &unsigned(&format!("{{\"jti\":\"{n}\"}}")), &key()));
    }
    assert!(tokens.knows(&verified(&token, EXPIRY), NOW));
    assert_eq!(count(&tokens), 1);
}

#[test]
fn without_room_every_signature_is_calculated() {
    let mut tokens = VerifiedTokens::new(0);
    for _ in 0..2 {
        assert!(verify(&mut tokens, NOW, &signed("{}"), &key()));
        assert!(!verify(&mut tokens, NOW, &unsigned("{}"), &key()));
    }
    tokens.remember(numbered(1, EXPIRY));
    assert_eq!(count(&tokens), 0);
}

#[test]
fn a_place_takes_as_many_bytes_as_the_documentation_says() {
    assert_eq!(size_of::<Option<Verified>>(), 80);
}
