//! The bank calls the Hub: one Envoy whose filter has OpenBao sign. The Hub verifies every token with a library that is not the
//! filter's.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use wasm_tests::stage::client::{Outcome, Request};
use wasm_tests::stage::openbao::OpenBao;
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::{OutboundSetup, OutboundStage, REMOTE_KEY_ID};

use super::dice::Dice;
use super::side::{Boxed, Caller, Desk, MARK, Shot, Side};

/// Seconds for which the filter's token for OpenBao is valid: for the longest run.
const LIFETIME: u64 = 86_400;

/// One Envoy on which the bank's own authorisation server calls.
pub(crate) struct Outbound {
    stage: OutboundStage,
    desk: Desk,
    bao: OpenBao,
    /// How OpenBao is in trouble.
    trouble: Mutex<Option<Trouble>>,
    /// The files of OpenBao, which go last.
    _files: TempDir,
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// It is sealed: it answers and can do nothing.
    Sealed,
    /// It takes connections and says nothing.
    Silent,
}

/// Starts all of it.
pub(crate) async fn start() -> Outbound {
    let files = tempfile::tempdir().expect("a temporary directory");
    let bao = OpenBao::start(Pki::shared(), files.path()).await;
    let token = bao.transit().token(LIFETIME).await;
    let settings = json!({"public_key": bao.transit().public_key(1).await});
    let stage = OutboundSetup::new().workers(2).remote_signer(bao.address(), &token, &settings).start().await;
    let jwk = bao.transit().jwk(1, REMOTE_KEY_ID).await;
    stage.keystore.publish(&stage.pki.bank.subject, json!({"keys": [jwk]}));
    let desk = Desk::new("outbound, OpenBao", &stage.envoy, Duration::ZERO);
    Outbound { stage, desk, bao, trouble: Mutex::default(), _files: files }
}

impl Side for Outbound {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn shot(&self, number: u64, _dice: &mut Dice) -> Option<Shot> {
        let request = Request::new("POST", "/consents").body(b"{}");
        // What the caller sends as a credential never leaves.
        let request = match number % 3 {
            0 => request,
            1 => request.header("authorization", "Bearer of-the-caller"),
            _ => request.header("authorization", "Bearer one").header("authorization", "Basic dTpw"),
        };
        Some(Shot { request, wrong: None, caller: Caller::Hub, once: None })
    }

    fn send<'a>(&'a self, shot: &'a Shot) -> Boxed<'a, Outcome> {
        Box::pin(self.stage.send_to_consent_manager(&shot.request))
    }

    fn trouble<'a>(&'a self, begins: bool, dice: &'a mut Dice) -> Boxed<'a, ()> {
        Box::pin(async move {
            let drawn = begins.then(|| *dice.one_of(&[Trouble::Sealed, Trouble::Silent]));
            let before = std::mem::replace(&mut *self.trouble.lock().unwrap_or_else(PoisonError::into_inner), drawn);
            match (before.or(drawn), begins) {
                (Some(Trouble::Sealed), true) => self.bao.seal().await,
                (Some(Trouble::Sealed), false) => self.bao.unseal().await,
                (Some(Trouble::Silent), true) => self.bao.suspend(),
                (Some(Trouble::Silent), false) => self.bao.resume(),
                (None, _) => {}
            }
        })
    }

    fn look(&self) -> Boxed<'_, ()> {
        Box::pin(async {
            for call in self.stage.hub.take() {
                match &call.verdict {
                    Ok(_) => self.desk.arrived(call.request.value(MARK)),
                    Err(reason) => self.desk.left_unsigned(reason),
                }
            }
            self.desk.note_envoy(&self.stage.envoy).await;
        })
    }
}
