//! What may be let in and what may leave, by the standard alone: a list of all that has ever been said, and a rule for each
//! claim. It shares no code with the filter and forgets nothing.

use super::cast::{Client, Jws, Key, ORGANISATION, Opaque, OpaqueKind, PROVIDERS, Sending, Token, UNIT};
use super::servers::{Contents, Said};

/// By how much two clocks may differ, in milliseconds as all times here.
const SKEW: u64 = 10_000;
/// How long a key set may be used.
const KEYS_LAST: u64 = 600_000;
/// How long a callout may take.
pub(super) const CALLOUT_LASTS: u64 = 5_000;
/// How long the authorisation server's word on an active token counts.
const WORD_LASTS: u64 = 60_000;
/// How long any other word of it counts.
const DENIAL_LASTS: u64 = 5_000;
/// The longest `exp` − `iat`, in seconds.
const LONGEST_LIFE: u64 = 300;
/// By how much workers may read one clock at different moments.
const MOMENT: u64 = 1_000;
/// So much of what the wall clock is set by may go unnoticed: it is never read together with the other one.
const JITTER: u64 = 20;

/// A moment by both clocks. Where there is no steady one, it shows the same as the one on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) wall: u64,
    pub(super) steady: u64,
}

impl At {
    /// Whether something that was learned then may still be believed: for so long by each of the clocks. It may seem to come from the
    /// future by the wall clock alone, and by no more than this where there is no other.
    fn is_within(self, lasts: u64, then: Self, ahead: u64) -> bool {
        then.steady <= self.steady + ahead
            && self.steady < then.steady + lasts
            && self.wall < then.wall + lasts + JITTER
    }
}

/// Something that a server has said, as far as it counts.
#[derive(Debug, Clone)]
struct Word<T> {
    worker: usize,
    what: T,
    at: At,
    /// Which callout it answered: in the order in which they were made.
    callout: usize,
    /// How often the only clock had been set back when that began.
    set_backs: usize,
}

/// When and to whom a server has said something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hearing {
    pub(super) worker: usize,
    pub(super) callout: usize,
    /// When the callout was made.
    pub(super) sent: At,
    pub(super) now: At,
    /// How often the only clock had been set back when the callout was made.
    pub(super) set_backs: usize,
}

/// A token that was let in.
#[derive(Debug)]
struct Used {
    jti: String,
    by: usize,
    /// The last moment at which it counts.
    until: u64,
}

/// All that has been said and done.
#[derive(Debug, Default)]
pub(super) struct Reference {
    /// Whether workers use each other's key sets.
    shares: bool,
    /// Between whom a token is let in once: `None` if it may come again, `Some(true)` between all workers.
    pub(super) once: Option<bool>,
    /// How often the only clock has been set back.
    pub(super) set_backs: usize,
    sets: Vec<Word<Contents>>,
    said: Vec<Word<(Opaque, Said)>>,
    used: Vec<Used>,
}

type Verdict = Result<(), String>;

fn demand(holds: bool, otherwise: &str) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

impl Reference {
    /// Of workers that use each other's key sets or not, and let a token in once or not.
    pub(super) fn new(shares: bool, once: Option<bool>) -> Self {
        Self { shares, once, ..Self::default() }
    }

    /// The keystore has said so, whole and with 200.
    pub(super) fn note_set(&mut self, hearing: Hearing, contents: Contents) {
        self.sets.extend(word(hearing, contents));
    }

    /// The authorisation server has said so of a token, whole and with 200.
    pub(super) fn note_said(&mut self, hearing: Hearing, token: Opaque, said: Said) {
        self.said.extend(word(hearing, (token, said)));
    }

    /// A worker begins anew.
    pub(super) fn forget(&mut self, worker: usize) {
        let everybodys = self.shares;
        // What it had fetched may still be shared.
        self.sets.iter_mut().filter(|word| word.worker == worker).for_each(|word| word.worker = usize::MAX);
        self.sets.retain(|word| everybodys || word.worker != usize::MAX);
        self.said.retain(|word| word.worker != worker);
        self.used.retain(|used| self.once == Some(true) || used.by != worker);
    }

    /// What has been used is forgotten by all.
    pub(super) fn forget_used(&mut self) {
        self.used.clear();
    }

    /// Why a request must not have been let in at this time, by this method.
    pub(super) fn may_be_let_in(&self, now: At, sending: &Sending, token: Option<&Token>, method: &str) -> Verdict {
        demand(sending.client == Client::Hub, "it is not the Hub's")?;
        demand(!sending.reserved, "it has a header that only the filter may set")?;
        let provider = sending.provider.filter(|provider| PROVIDERS.contains(provider));
        let provider = provider.ok_or("it is for nobody that is known")?;
        demand(sending.credentials == 1, "it has not one credential")?;
        match (token, method) {
            (Some(Token::Jws(jws)), "jwt_auth") => {
                self.counts(now, sending.worker, jws, &[provider])?;
                let again = |used: &Used| {
                    used.jti == jws.jti
                        && now.wall <= used.until
                        && (self.once == Some(true) || used.by == sending.worker)
                };
                demand(self.once.is_none() || !self.used.iter().any(again), "its token was let in before")
            }
            (Some(Token::Opaque(opaque)), "client_credentials") => {
                let said = self
                    .last_said(now, sending.worker, *opaque, WORD_LASTS)
                    .ok_or("nobody has said that it is right")?;
                let Said::Active { exp, scope, bound } = said else { return Err(format!("{said:?} was said of it")) };
                demand(exp.is_none_or(|exp| now.wall <= exp * 1000 + SKEW), "its token has expired")?;
                demand(scope, "it lacks the scope")?;
                demand(bound, "it is bound to another certificate, or to none")
            }
            (Some(Token::Opaque(opaque)), "unverified_service_initiation") => {
                demand(sending.initiates, "it may not bring a token of the bank")?;
                let said = self.last_said(now, sending.worker, *opaque, DENIAL_LASTS);
                demand(said == Some(Said::Inactive), "nobody has said that the token is none of the server's")
            }
            _ => Err(format!("with {token:?} it was let in by {method}")),
        }
    }

    /// Notes that a token was let in.
    pub(super) fn note_used(&mut self, jws: &Jws, worker: usize) {
        self.used.push(Used { jti: jws.jti.clone(), by: worker, until: jws.exp * 1000 + SKEW });
    }

    /// Why a token of the Hub does not count for these audiences at this time in this worker.
    pub(super) fn counts(&self, now: At, worker: usize, jws: &Jws, audiences: &[&str]) -> Verdict {
        demand((jws.alg, jws.typ, jws.cty) == ("PS256", "JOSE", "json"), "its header is wrong")?;
        demand((jws.iss, jws.sub) == (ORGANISATION, UNIT), "it is somebody else's")?;
        demand(audiences.contains(&jws.aud), "it is for somebody else")?;
        demand(now.wall <= jws.exp * 1000 + SKEW, "it has expired")?;
        demand(now.wall + SKEW >= jws.iat * 1000, "it is from the future")?;
        demand(jws.nbf.is_none_or(|nbf| now.wall + SKEW >= nbf * 1000), "it does not count yet")?;
        demand(jws.exp <= jws.iat + LONGEST_LIFE, "it lives too long")?;
        demand(!jws.jti.is_empty(), "it has no id")?;
        let signer = jws.signer.ok_or("its signature is broken")?;
        self.publishes(now, worker, jws.kid, signer)
    }

    /// Why this key must not be used under this id.
    fn publishes(&self, now: At, worker: usize, kid: &str, key: Key) -> Verdict {
        // What the worker has certainly learned last: nothing older may come back.
        let learned =
            |word: &&Word<Contents>| word.worker == worker && word.what.has_keys() && word.set_backs == self.set_backs;
        let learned = self.sets.iter().filter(learned).max_by_key(|word| word.callout);
        let (first, at) = learned.map_or((0, 0), |word| (word.callout, word.at.steady));
        let is_known = |word: &Word<Contents>| {
            (self.shares || word.worker == worker)
                && now.is_within(KEYS_LAST, word.at, MOMENT)
                && word.at.steady >= at
                && (word.worker != worker || word.callout >= first)
                && word.what.names(kid) == Some(key)
        };
        demand(self.sets.iter().any(is_known), "nobody has published its key in the last ten minutes")
    }

    /// What was said of a token to this worker, if it still counts.
    fn last_said(&self, now: At, worker: usize, token: Opaque, lasts: u64) -> Option<Said> {
        let about = |word: &&Word<(Opaque, Said)>| word.worker == worker && word.what.0 == token;
        let learned = |word: &&Word<(Opaque, Said)>| about(word) && word.set_backs == self.set_backs;
        let last = self.said.iter().filter(learned).max_by_key(|word| word.callout).map_or(0, |word| word.callout);
        let counts = |word: &&Word<(Opaque, Said)>| {
            about(word) && word.callout >= last && (now.is_within(lasts, word.at, 0) || now == word.at)
        };
        self.said
            .iter()
            .filter(counts)
            .map(|word| word.what.1)
            .find(|said| matches!(said, Said::Active { .. }) == (lasts == WORD_LASTS))
    }
}

/// Something that was said in time.
fn word<T>(hearing: Hearing, what: T) -> Option<Word<T>> {
    let Hearing { worker, callout, sent, now, set_backs } = hearing;
    let is_in_time = (sent.steady..=sent.steady + CALLOUT_LASTS).contains(&now.steady);
    is_in_time.then_some(Word { worker, what, at: now, callout, set_backs })
}

/// What an authorisation server that has nothing else in mind says of a token.
pub(super) fn truth(token: Opaque, now: u64) -> Said {
    if token.kind == OpaqueKind::Inactive || now > token.exp * 1000 {
        return Said::Inactive;
    }
    Said::Active {
        exp: Some(token.exp),
        scope: token.kind != OpaqueKind::Scopeless,
        bound: token.kind != OpaqueKind::Elsewhere,
    }
}
