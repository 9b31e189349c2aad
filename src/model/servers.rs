//! The servers that the filter calls: what they have to say, and in which manner they say it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::callout::{Answer, Body, Callout};
use crate::testing::b64;

use super::cast::{FINGERPRINT, Key, Opaque, OpaqueKind};
use super::reference::truth;

/// What the servers have to say. Each takes it in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contents {
    /// The Hub's first key; what is true of a token; a right signature.
    First,
    /// Both keys; every token is revoked; the signature of another key.
    Both,
    /// The next key alone; every token is bound elsewhere; a signature with another padding.
    Next,
    /// The next key under the id of the first; what is no answer; a signature on something else.
    Swapped,
    /// Both keys under one id; every token is bound to nothing; half a signature.
    Ambiguous,
    /// No key; `{}`.
    Empty,
}

/// What an authorisation server says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It is active: until when, whether with the scope, and whether bound to the Hub's certificate.
    Active { exp: Option<u64>, scope: bool, bound: bool },
    /// It is not.
    Inactive,
    /// Nothing that means anything.
    Nothing,
}

/// In which manner a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Whole and with 200.
    Whole,
    /// Whole, with another status, and perhaps for how many seconds it wants to be left alone.
    Status(u16, Option<u64>),
    /// With less than it announces.
    Short,
    /// With a body that the gateway cannot read.
    Unreadable,
    /// With a body that is too long to be read.
    TooLong,
    /// With a sign-in page.
    Html,
    /// Not at all, and the gateway says so.
    NoAnswer,
    /// Not at all, and nobody says so.
    Lost,
}

impl Contents {
    /// The ids and keys that it publishes.
    fn keys(self) -> &'static [(&'static str, Key)] {
        match self {
            Self::First => &[("sig3", Key::First)],
            Self::Both => &[("sig3", Key::First), ("next", Key::Next)],
            Self::Next => &[("next", Key::Next)],
            Self::Swapped => &[("sig3", Key::Next)],
            Self::Ambiguous => &[("sig3", Key::First), ("sig3", Key::Next)],
            Self::Empty => &[],
        }
    }

    /// The one key that it publishes under this id.
    pub(super) fn names(self, kid: &str) -> Option<Key> {
        let mut keys = self.keys().iter().filter(|(id, _)| *id == kid);
        let (_, key) = keys.next()?;
        keys.next().is_none().then_some(*key)
    }

    /// Whether there is a key in it that can be used.
    pub(super) fn has_keys(self) -> bool {
        !matches!(self, Self::Empty | Self::Ambiguous)
    }

    /// What it says of a token at this time.
    pub(super) fn said(self, token: Opaque, now: u64) -> Said {
        match self {
            Self::First => truth(token, now),
            Self::Both => Said::Inactive,
            Self::Next | Self::Ambiguous => Said::Active { exp: None, scope: true, bound: false },
            Self::Swapped | Self::Empty => Said::Nothing,
        }
    }

    /// The body of an answer to a callout.
    pub(super) fn body(self, callout: &Callout, now: u64) -> Vec<u8> {
        let request = &callout.request;
        let body = match request.upstream.as_str() {
            "keystore" => {
                let keys: Vec<Json> = self.keys().iter().map(|(kid, key)| key.signing().jwk(kid)).collect();
                json!({ "keys": keys })
            }
            "as" => self.introspected(asked_about(&request.body), now),
            "bao" => {
                let asked: Json = serde_json::from_slice(&request.body).unwrap();
                self.signed(&STANDARD.decode(asked["input"].as_str().unwrap()).unwrap())
            }
            "store" => json!({}),
            other => panic!("a callout to {other}"),
        };
        body.to_string().into_bytes()
    }

    fn introspected(self, token: Option<Opaque>, now: u64) -> Json {
        let thumbprint = |byte: u8| json!({ "x5t#S256": b64(&[byte; 32]) });
        match token.map_or(Said::Inactive, |token| self.said(token, now)) {
            Said::Inactive => json!({ "active": false }),
            Said::Active { exp, scope, bound } => {
                let mut said = json!({ "active": true, "scope": if scope { "accounts" } else { "payments" } });
                if let Some(exp) = exp {
                    said["exp"] = json!(exp);
                }
                if self != Self::Ambiguous {
                    said["cnf"] = thumbprint(if bound { 0xff } else { 0x0f });
                }
                said
            }
            Said::Nothing if self == Self::Empty => json!({}),
            Said::Nothing => json!({ "active": "true", "cnf": thumbprint(0xff), "scope": "accounts" }),
        }
    }

    fn signed(self, input: &[u8]) -> Json {
        let signature = match self {
            Self::First => Key::First.signing().sign(input),
            Self::Both => Key::Next.signing().sign(input),
            Self::Next => Key::First.signing().sign_rs256(input),
            Self::Swapped => Key::First.signing().sign(b"something else"),
            Self::Ambiguous => Key::First.signing().sign(input)[..128].to_vec(),
            Self::Empty => return json!({}),
        };
        json!({ "data": { "key_version": 1, "signature": format!("vault:v1:{}", b64(&signature)) } })
    }
}

impl Manner {
    /// Whether the server has done for certain what it was asked for.
    pub(super) fn is_done(self) -> bool {
        self == Self::Whole
    }

    /// The answer, as the gateway gives it to the filter.
    pub(super) fn answer(self, body: Vec<u8>) -> Answer {
        let status = |status: u16| Some(status.to_string().into_bytes());
        let answer = Answer { status: status(200), body: Body::Read(body), ..Answer::default() };
        match self {
            Self::Whole => answer,
            Self::Status(other, retry_after) => Answer {
                status: status(other),
                retry_after: retry_after.map(|seconds| seconds.to_string().into_bytes()),
                ..answer
            },
            Self::Short => Answer { content_length: Some(b"99999".to_vec()), ..answer },
            Self::Unreadable => Answer { body: Body::Unreadable, ..answer },
            Self::TooLong => Answer { body: Body::TooLong, ..answer },
            Self::Html => Answer { body: Body::Read(b"<html>Sign in</html>".to_vec()), ..answer },
            Self::NoAnswer | Self::Lost => Answer::default(),
        }
    }
}

/// The token in an introspection request, unless it is one that no authorisation server has made.
pub(super) fn asked_about(body: &[u8]) -> Option<Opaque> {
    let body = std::str::from_utf8(body).unwrap();
    let token = body.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap();
    let mut parts = token.strip_prefix("opaque-")?.split('-');
    let kinds = [OpaqueKind::Right, OpaqueKind::Inactive, OpaqueKind::Elsewhere, OpaqueKind::Scopeless];
    let name = parts.next()?;
    let kind = kinds.into_iter().find(|kind| format!("{kind:?}") == name)?;
    Some(Opaque { kind, number: parts.next()?.parse().unwrap(), exp: parts.next()?.parse().unwrap() })
}

/// The fingerprint that the right tokens are bound to, for the certificate of the Hub.
pub(super) const BOUND_TO: [u8; 64] = FINGERPRINT;
