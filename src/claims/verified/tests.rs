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

/// A token of this number, known as verified. Whoever has such a text presents it as this token.
fn numbered(n: u64, expiry: UnixTime) -> Verified {
    known_as(&text(n), expiry)
}

/// A text in the form of a token.
fn text(n: u64) -> String {
    crate::testing::token(
        "{}",
        &format!("{{\"jti\":\"{n}\"}}"),
        &n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().repeat(4),
    )
}

fn known_as(text: &str, expiry: UnixTime) -> Verified {
    let parts = UnverifiedToken::parse(text, buffer()).unwrap().decoded();
    let (tag, text) = (Tag::of(text), Zeroizing::new(text.as_bytes().into()));
    Verified { tag, text, parts: parts.into(), key: key().thumbprint(), algorithm: Algorithm::Ps256, expiry }
}

/// Whether the signature of this token would not be calculated.
fn knows(tokens: &VerifiedTokens, text: &str, now: UnixTime) -> bool {
    tokens.find(text).is_some_and(|known| now <= known.expiry)
}

fn verify(tokens: &mut VerifiedTokens, now: UnixTime, token: &str, key: &VerificationKey) -> bool {
    let token = tokens.read(token, buffer()).unwrap();
    tokens.verify(now, &token, EXPIRY, Algorithm::Ps256, key).is_ok()
}

fn count(tokens: &VerifiedTokens) -> usize {
    tokens.places.iter().flatten().count()
}

#[test]
fn a_token_whose_signature_was_verified_is_remembered() {
    let mut tokens = VerifiedTokens::new(10);
    let token = signed("{}");
    assert!(!knows(&tokens, &token, NOW));
    assert!(verify(&mut tokens, NOW, &token, &key()));
    assert!(knows(&tokens, &token, NOW));
    assert!(verify(&mut tokens, NOW, &token, &key()));
    assert_eq!(count(&tokens), 1, "once");
}

#[test]
fn what_is_remembered_is_not_calculated_again() {
    let mut tokens = VerifiedTokens::new(10);
    let token = unsigned("{}");
    // As if it had been right: only who does not look at the signature says that it is.
    tokens.remember(known_as(&token, EXPIRY));
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
        assert_eq!(knows(&tokens, &token, now), known);
    }
    // Whatever is said of it later: its signature is calculated again.
    tokens.remember(known_as(&unsigned("{}"), EXPIRY));
    assert!(!verify(&mut tokens, after, &unsigned("{}"), &key()));
}

#[test]
fn there_is_never_more_than_the_capacity_and_the_newest_is_always_there() {
    for capacity in [1, 3, 8, 9, 100] {
        let mut tokens = VerifiedTokens::new(capacity);
        for n in 0..1_000 {
            // Each ends before the one before.
            tokens.remember(numbered(n, UnixTime::from_secs(1_795_253_430 - n)));
            assert!(knows(&tokens, &text(n), UnixTime::EPOCH), "{capacity} {n}");
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
        let known = (0..10).filter(|n: &u64| knows(tokens, &text(*n), at(0)));
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
    assert!(knows(&tokens, &token, NOW));
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
fn what_is_remembered_is_read_as_the_text_is() {
    let mut tokens = VerifiedTokens::new(10);
    let token = SigningKey::first().token(r#"{"alg":"PS256","kid":"k"}"#, r#"{"iss":"a"}"#);
    assert!(verify(&mut tokens, NOW, &token, &key()));
    // Nothing is decoded: other parts would be believed.
    let known = tokens.places.iter_mut().flatten().next().unwrap();
    let at = known.parts.windows(3).position(|bytes| bytes == b"\"a\"").unwrap();
    known.parts[at + 1] = b'b';
    let read = tokens.read(&token, buffer()).unwrap();
    assert_eq!(read.claims().unwrap().text("iss"), Some("b"));
    assert_eq!(read.header(), UnverifiedToken::parse(&token, buffer()).unwrap().header());
    // Each other text is read for itself.
    for end in 0..token.len() {
        let other = token.get(..end).unwrap();
        let read = tokens.read(other, buffer()).map(|token| token.decoded());
        assert_eq!(read, UnverifiedToken::parse(other, buffer()).map(|token| token.decoded()), "{other}");
    }
}

#[test]
fn a_text_that_differs_in_one_character_is_another_token() {
    let mut tokens = VerifiedTokens::new(10);
    let token = signed("{}");
    assert!(verify(&mut tokens, NOW, &token, &key()));
    for place in 0..token.len() {
        let mut other = token.clone().into_bytes();
        other[place] ^= 1;
        let other = String::from_utf8(other).unwrap();
        assert!(tokens.find(&other).is_none(), "{place}");
        assert!(
            !tokens.read(&other, buffer()).is_ok_and(|read| read.verify(Algorithm::Ps256, &key()).is_ok()),
            "{place}"
        );
    }
}

#[test]
fn tokens_that_share_places_share_a_bounded_number_of_bytes() {
    let long = |n: u64| {
        let padding = "x".repeat(3_000);
        crate::testing::token("{}", &format!("{{\"x\":\"{padding}\"}}"), &n.to_be_bytes().repeat(8))
    };
    let mut tokens = VerifiedTokens::new(WAYS);
    for n in 0..100 {
        tokens.remember(known_as(&long(n), UnixTime::from_secs(1_795_253_430 + n)));
        assert!(knows(&tokens, &long(n), NOW), "the newest");
        let bytes: usize = tokens.places.iter().flatten().map(|known| known.bytes()).sum();
        assert!(bytes <= WAYS_BYTES, "{bytes}");
    }
    // A text of 4,100 bytes and parts of 3,100: two of them.
    assert_eq!(count(&tokens), 2);
    assert!(knows(&tokens, &long(98), NOW), "the one that ends last beside the newest");
    // Short ones have their places all the same.
    (0..20).for_each(|n| tokens.remember(numbered(n, UnixTime::from_secs(1_795_254_000))));
    assert_eq!(count(&tokens), WAYS);
}

#[test]
fn the_longest_token_is_remembered() {
    let mut tokens = VerifiedTokens::new(1);
    let padding = "x".repeat(MAX_TOKEN_LENGTH * 3 / 4 - 300);
    let token = signed(&format!("{{\"x\":\"{padding}\"}}"));
    assert!((MAX_TOKEN_LENGTH - 100..=MAX_TOKEN_LENGTH).contains(&token.len()), "{}", token.len());
    assert!(verify(&mut tokens, NOW, &token, &key()));
    assert!(knows(&tokens, &token, NOW));
}

#[test]
fn tokens_spread_over_all_places() {
    let mut tokens = VerifiedTokens::new(1_024);
    (0..1_024).for_each(|n| tokens.remember(known_as(&SigningKey::first().token("{}", &n.to_string()), EXPIRY)));
    // As many as find room where each group is chosen at random: about seven of eight.
    assert!(count(&tokens) > 800, "{}", count(&tokens));
}
