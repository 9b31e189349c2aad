//! The Hub calls the bank: one Envoy with JWT Auth and the keystore, and one with access tokens that the authorisation server is
//! asked about.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use wasm_tests::stage::authorisation_server::{AUDIENCE, GATEWAY_ID, Grant, INTROSPECTION_PATH, ISSUER};
use wasm_tests::stage::client::{Outcome, Request};
use wasm_tests::stage::keystore::Behaviour;
use wasm_tests::stage::pki::{ARABIC_HUB_UNIT, Pki};
use wasm_tests::stage::{Setup, Stage, signed_by};

use super::attacks;
use super::dice::Dice;
use super::side::{Boxed, Caller, Desk, MARK, Shot, Side};

/// How long a key set is used here, so that it has to be fetched again and again.
const KEYS_LAST: Duration = Duration::from_secs(20);
/// What is left of that when a refresh first fails: it is tried from 80 % on, with the next tick.
const KEYS_LEFT: Duration = Duration::from_secs(3);
/// Seconds for which access tokens are valid: for the longest run.
const LIFETIME: u64 = 86_400;

/// One Envoy on which the Hub calls.
pub(crate) struct Inbound {
    stage: Stage,
    desk: Desk,
    /// Access tokens that are right; none where JWT Auth is the method.
    right: Vec<String>,
    /// Access tokens with what is wrong with each.
    wrong: Vec<(&'static str, Caller, String)>,
    trouble: Mutex<Option<Trouble>>,
}

/// What is wrong with the server.
#[derive(Clone, Debug)]
enum Trouble {
    /// It does not listen.
    Down,
    /// It takes connections and says nothing.
    Silent,
    /// It answers so.
    Answers(Behaviour),
}

/// The one with JWT Auth, in which a token is let in once.
pub(crate) async fn by_keys() -> Inbound {
    let method = json!({"jwt_auth": {
        "jwks": {"environment": "sandbox"}, "upstream": "keystore", "replay_detection": "gateway",
        "max_age": format!("{}s", KEYS_LAST.as_secs()),
    }});
    let stage = Setup::new().workers(2).auth(&method).start().await;
    let desk = Desk::new("JWT Auth, keystore", &stage.envoy, KEYS_LEFT);
    Inbound { stage, desk, right: Vec::new(), wrong: Vec::new(), trouble: Mutex::default() }
}

/// The one that asks about access tokens.
pub(crate) async fn by_introspection() -> Inbound {
    let method = json!({"client_credentials": {
        "issuer": ISSUER, "audience": AUDIENCE, "scopes": ["accounts"],
        "introspection": {
            "url": format!("{ISSUER}{INTROSPECTION_PATH}"), "upstream": "authorisation_server",
            "client_id": GATEWAY_ID, "client_secret": {"env": "INTROSPECTION_SECRET"}, "max_age": "5s",
        },
    }});
    let stage = Setup::new().workers(2).pin(ARABIC_HUB_UNIT).authorisation_server().auth(&method).start().await;
    let server = stage.authorisation_server();
    let grant = Grant::opaque().lifetime(LIFETIME);
    let mut right = Vec::new();
    for _ in 0..8 {
        right.push(server.token(&grant).await);
    }
    let revoked = server.token(&grant).await;
    server.revoke(&revoked).await;
    let elsewhere = server.token_for(&stage.pki.arabic_hub.transport, &grant).await;
    let expired = server.token(&grant.clone().lifetime(1)).await;
    // Before that it is a right one.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let wrong = vec![
        ("a revoked token", Caller::Hub, revoked),
        ("a token that is bound to another Hub", Caller::Hub, elsewhere),
        ("the Hub's token by another Hub", Caller::OtherHub, right[0].clone()),
        ("the Hub's token by a third party", Caller::Tpp, right[0].clone()),
        ("a token without the scope", Caller::Hub, server.token(&grant.clone().scope("payments")).await),
        ("a token for another bank", Caller::Hub, server.token(&grant.clone().audience("https://other.example")).await),
        ("an expired token", Caller::Hub, expired),
        ("an unbound token", Caller::Hub, server.token(&grant.clone().unbound()).await),
        ("a token that nobody knows", Caller::Hub, "unheard-of".to_owned()),
        ("an odd token", Caller::Hub, format!("{}=", "x".repeat(6000))),
        ("a JWT Auth token", Caller::Hub, signed_by(&stage.pki.hub)),
    ];
    let desk = Desk::new("introspection", &stage.envoy, Duration::ZERO);
    Inbound { stage, desk, right, wrong, trouble: Mutex::default() }
}

impl Inbound {
    fn is_by_keys(&self) -> bool {
        self.right.is_empty()
    }

    fn draw(&self, dice: &mut Dice) -> Trouble {
        if !self.is_by_keys() {
            return dice.one_of(&[Trouble::Down, Trouble::Silent]).clone();
        }
        let slow = |seconds| Trouble::Answers(Behaviour::Slow(Duration::from_secs(seconds)));
        let troubles = [
            Trouble::Down,
            slow(2),
            slow(8),
            Trouble::Answers(Behaviour::status(500)),
            Trouble::Answers(Behaviour::html()),
            Trouble::Answers(Behaviour::empty_set()),
            Trouble::Answers(Behaviour::HalfAnswer),
            Trouble::Answers(Behaviour::HangUp),
        ];
        dice.one_of(&troubles).clone()
    }
}

impl Side for Inbound {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn shot(&self, number: u64, dice: &mut Dice) -> Option<Shot> {
        let is_good = !number.is_multiple_of(3);
        if self.is_by_keys() && !is_good {
            return Some(attacks::on_jwt_auth(dice));
        }
        if !is_good {
            let (wrong, caller, token) = dice.one_of(&self.wrong);
            let request = Request::with_token(token);
            return Some(Shot { request, wrong: Some(wrong), caller: *caller, once: None });
        }
        let once = self.is_by_keys().then(|| signed_by(&Pki::shared().hub));
        let token = once.clone().unwrap_or_else(|| dice.one_of(&self.right).clone());
        Some(Shot { request: Request::with_token(&token), wrong: None, caller: Caller::Hub, once })
    }

    fn send<'a>(&'a self, shot: &'a Shot) -> Boxed<'a, Outcome> {
        let pki = self.stage.pki;
        let identity = match shot.caller {
            Caller::Hub => Some(&pki.hub.transport),
            Caller::OtherHub => Some(&pki.arabic_hub.transport),
            Caller::Tpp => Some(&pki.tpp.transport),
            Caller::SelfSigned => Some(&pki.self_signed),
            Caller::Nobody => None,
        };
        Box::pin(self.stage.send(identity, &shot.request))
    }

    fn trouble<'a>(&'a self, begins: bool, dice: &'a mut Dice) -> Boxed<'a, ()> {
        Box::pin(async move {
            let drawn = begins.then(|| self.draw(dice));
            let trouble = drawn.clone().or_else(|| self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone());
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = drawn;
            let keystore = &self.stage.keystore;
            match (trouble, begins) {
                (Some(Trouble::Down), true) if self.is_by_keys() => keystore.down().await,
                (Some(Trouble::Down), false) if self.is_by_keys() => keystore.up(),
                (Some(Trouble::Down), true) => self.stage.authorisation_server().down().await,
                (Some(Trouble::Down), false) => self.stage.authorisation_server().up().await,
                (Some(Trouble::Silent), true) => self.stage.authorisation_server().suspend(),
                (Some(Trouble::Silent), false) => self.stage.authorisation_server().resume(),
                (Some(Trouble::Answers(behaviour)), true) => keystore.behave(behaviour),
                (Some(Trouble::Answers(_)), false) => {
                    keystore.behave(Behaviour::Normal);
                    // As after a restart: its connections have ended.
                    keystore.present(&self.stage.pki.keystore).await;
                }
                (None, _) => {}
            }
        })
    }

    fn look(&self) -> Boxed<'_, ()> {
        Box::pin(async {
            self.stage.bank.take().iter().for_each(|received| self.desk.arrived(received.value(MARK)));
            self.desk.note_envoy(&self.stage.envoy).await;
        })
    }
}
