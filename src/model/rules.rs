//! What each decision is held to: inbound the reference, outbound a verifier that is not the filter's.

use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};

use crate::verdict::{Admission, RequestVerdict, ResponseVerdict};

use super::cast::{Key, Token};
use super::play::{Play, Ruling, Sent, State};
use super::setup::{ROTATION, START, Setup};
use super::shared::Fault;

/// How long the token of a request may wait for its signature, in milliseconds, and the part of a second that `iat` has lost.
const FRESH: u64 = 5_999;

/// By how much the clocks of the bank and the Hub may differ: a token from further in the future is refused there.
const SKEW: u64 = 10_000;

impl Play {
    pub(super) fn judge_request(&mut self, number: usize, verdict: &RequestVerdict) -> Ruling {
        match verdict {
            RequestVerdict::Admit(admission) if self.setup.is_inbound() => {
                self.sent[number].state = State::LetGo;
                self.judge_admission(number, admission)
            }
            RequestVerdict::Admit(admission) => {
                self.sent[number].state = State::LetGo;
                match *admission.set().collect::<Vec<_>>() {
                    [("authorization", value)] => self.has_left(value),
                    ref set => Err(format!("it leaves with {set:?}")),
                }
            }
            RequestVerdict::Reject(rejection) => {
                self.sent[number].state = State::Refused;
                if self.is_calm && (!self.setup.is_inbound() || self.is_right(number)) {
                    return Err(format!("it is right, and refused with {}", rejection.code().as_str()));
                }
                Ok(())
            }
            RequestVerdict::Answer(_) => Err("it is answered, and was no health check".to_owned()),
        }
    }

    fn judge_admission(&mut self, number: usize, admission: &Admission) -> Ruling {
        let sent = &self.sent[number];
        let set: Vec<(&str, &str)> = admission.set().collect();
        let value = |name: &str| set.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
        let method = value("x-hub-auth-method").unwrap_or_default();
        self.reference.may_be_let_in(self.at(), &sent.sending, sent.token.as_ref(), method)?;
        let is_taken_away = admission.removed() == ["authorization"];
        if is_taken_away == (method == "unverified_service_initiation") {
            return Err(format!("by {method}, {:?} is taken away", admission.removed()));
        }
        if let Some(Token::Jws(jws)) = &sent.token {
            if value("x-hub-token-id") != Some(&jws.jti) {
                return Err(format!("the bank is told {set:?}"));
            }
            // A host that only says that it has stored something: nobody can know.
            let asks_a_store = self.setup == Setup::OnceInTheFleet;
            if asks_a_store || self.setup.once() != Some(true) || self.data.fault() != Fault::Lies {
                self.reference.note_used(jws, sent.sending.worker);
            }
        }
        Ok(())
    }

    /// Whether a request that was refused was right.
    fn is_right(&self, number: usize) -> bool {
        let sent = &self.sent[number];
        // One that another request has asked the store about may be that one's, whether that has an answer yet or has gone.
        let is_the_same = |(other, sent): (usize, &Sent)| other != number && id_of(sent) == id_of(&self.sent[number]);
        if self.setup == Setup::OnceInTheFleet && self.sent.iter().enumerate().any(is_the_same) {
            return false;
        }
        let methods = ["jwt_auth", "client_credentials", "unverified_service_initiation"];
        methods
            .iter()
            .any(|method| self.reference.may_be_let_in(self.at(), &sent.sending, sent.token.as_ref(), method).is_ok())
    }

    pub(super) fn judge_response(&mut self, number: usize, verdict: &ResponseVerdict) -> Ruling {
        self.sent[number].state = State::Answered;
        if self.setup == Setup::ResponseToken {
            return match verdict {
                ResponseVerdict::Attach(token) => self.has_left(token.header().1),
                ResponseVerdict::Replace(_) if !self.is_calm => Ok(()),
                ResponseVerdict::Tolerate(_) if !self.is_calm && !self.replaces_responses() => Ok(()),
                other => Err(format!("its response goes on unsigned: {other:?}")),
            };
        }
        let sent = &self.sent[number];
        let counts = match &sent.response {
            Some(Token::Jws(jws)) => self.reference.counts(self.at(), sent.sending.worker, jws, &["retail"]),
            other => Err(format!("it brings {other:?}")),
        };
        let may_be_tolerated = self.setup == Setup::Report || !self.replaces_responses();
        match verdict {
            ResponseVerdict::Pass => counts.map_err(|why| format!("its response passes, although {why}")),
            ResponseVerdict::Tolerate(_) if !may_be_tolerated => Err("its response is tolerated".to_owned()),
            ResponseVerdict::Replace(_) if self.setup == Setup::Report => Err("its response is replaced".to_owned()),
            // Where a response cannot be held, its key may have become too old since its request.
            ResponseVerdict::Tolerate(_) | ResponseVerdict::Replace(_)
                if self.is_calm && self.holds_responses() && counts.is_ok() =>
            {
                Err("its response is the Hub's, and is taken for another's".to_owned())
            }
            ResponseVerdict::Tolerate(_) | ResponseVerdict::Replace(_) => Ok(()),
            ResponseVerdict::Attach(_) => Err("its response gets a token".to_owned()),
        }
    }

    /// What has left is a token that the Hub accepts now: right in every part, by a key that signs now, fresh, and new.
    fn has_left(&mut self, value: &str) -> Ruling {
        let parts: Vec<&str> = value.strip_prefix("Bearer ").unwrap_or_default().split('.').collect();
        let [header, payload, signature] = *parts else { return Err(format!("{value} leaves")) };
        let [header_bytes, payload_bytes, signature] =
            [header, payload, signature].map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let (kid, key) = if self.setup == Setup::Local && self.wall >= (START + ROTATION) * 1_000 {
            ("sig5", Key::Next)
        } else {
            ("sig4", Key::First)
        };
        let public = RsaPublicKeyComponents { n: key.signing().modulus(), e: key.signing().exponent() };
        let signed = format!("{header}.{payload}");
        if public.verify(&RSA_PSS_2048_8192_SHA256, signed.as_bytes(), &signature).is_err() {
            return Err("its signature is not right".to_owned());
        }
        let header: Json = serde_json::from_slice(&header_bytes).unwrap();
        let claims: Json = serde_json::from_slice(&payload_bytes).unwrap();
        let iat = claims["iat"].as_u64().unwrap_or_default();
        let jti = claims["jti"].as_str().unwrap_or_default().to_owned();
        let expected = json!({
            "iss": "Example Bank, PJSC", "sub": "d0c1b2a3", "aud": "hub-for-retail", "iat": iat, "exp": iat + 30, "jti": jti,
        });
        if header != json!({ "alg": "PS256", "typ": "JOSE", "cty": "json", "kid": kid }) || claims != expected {
            return Err(format!("it leaves with {header} and {claims}"));
        }
        let is_stale = iat * 1_000 > self.wall + SKEW || self.wall > iat * 1_000 + FRESH;
        if is_stale {
            return Err(format!("at {} it leaves with a token of {iat}", self.wall));
        }
        if jti.len() != 36 || self.minted.contains(&jti) {
            return Err(format!("the id {jti} leaves again"));
        }
        self.minted.push(jti);
        self.tally.signed += 1;
        Ok(())
    }
}

/// The `jti` that a request brought.
fn id_of(sent: &Sent) -> Option<&str> {
    if let Some(Token::Jws(jws)) = &sent.token { Some(&jws.jti) } else { None }
}
