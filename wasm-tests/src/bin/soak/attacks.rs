//! Hostile requests from the Hub's side: each has one thing wrong, and none may reach the bank.

use wasm_tests::stage::client::Request;
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, Token, now, with_broken_signature};
use wasm_tests::stage::{signed_by, token_of};

use super::dice::Dice;
use super::side::{Caller, Shot};

/// How many things can be wrong with a request of JWT Auth.
const KINDS: u64 = 15;

/// A hostile request where JWT Auth is the method.
pub(crate) fn on_jwt_auth(dice: &mut Dice) -> Shot {
    let pki = Pki::shared();
    let hub = &pki.hub;
    let right = || token_of(hub);
    let signed = |token: Token| Request::with_token(&token.sign(Signer::Ps256(&hub.signing)));
    let of_the_hub = || Request::with_token(&signed_by(hub));
    let (wrong, caller, request) = match dice.below(KINDS) {
        0 => ("a broken signature", Caller::Hub, Request::with_token(&with_broken_signature(&signed_by(hub)))),
        1 => ("another's signature", Caller::Hub, Request::with_token(&right().sign(Signer::Ps256(&pki.tpp.signing)))),
        2 => ("an expired token", Caller::Hub, signed(right().valid(now() - 60, now() - 30))),
        3 => ("a token from the future", Caller::Hub, signed(right().valid(now() + 30, now() + 60))),
        4 => ("another audience", Caller::Hub, signed(right().claim("aud", "corporate"))),
        5 => ("another issuer", Caller::Hub, signed(right().claim("iss", "Third Party"))),
        6 => ("no signature", Caller::Hub, Request::with_token(&right().header("alg", "none").sign(Signer::Unsigned))),
        7 => {
            let token = right().header("alg", "HS256").sign(Signer::Hs256(hub.signing.public_der()));
            ("a signature with the public key", Caller::Hub, Request::with_token(&token))
        }
        8 => ("a key that nobody publishes", Caller::Hub, signed(right().header("kid", "unheard-of"))),
        9 => ("no credential", Caller::Hub, Request::new("GET", "/accounts")),
        10 => {
            ("a forged identity", Caller::Hub, of_the_hub().header("x-hub-client-organisation", "Another Organisation"))
        }
        11 => {
            let request = Request::new("GET", "/accounts").header("x-hub-auth-method", "jwt_auth");
            ("a forged method instead of a credential", Caller::Hub, request)
        }
        12 => ("the Hub's token by a third party", Caller::Tpp, of_the_hub()),
        13 => ("a certificate from nobody", Caller::SelfSigned, of_the_hub()),
        _ => ("no certificate", Caller::Nobody, of_the_hub()),
    };
    Shot { request, wrong: Some(wrong), caller, once: None }
}
