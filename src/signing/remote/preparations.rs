//! What has to be there before a remote signer can be asked, and serves many tokens: the access token, where the filter asks for that,
//! and the public keys.

use crate::callout::{CalloutId, InFlight, Request};
use crate::capabilities::CalloutOwner;
use crate::time::{Moment, SteadyTime};

use super::access_tokens::AccessTokens;
use super::error::{AnswerFault, MAX_RESPONSE_LENGTH, RemoteError};
use super::fetches::Fetches;
use super::public_keys::PublicKeys;
use super::signer::{Asked, RemoteSigner};
use super::step::{PendingToken, Preparation};

/// What is there, and how it is fetched.
pub(super) struct Preparations {
    /// Where the filter asks for access tokens.
    pub(super) tokens: Option<AccessTokens>,
    pub(super) keys: PublicKeys,
}

impl Preparations {
    /// Nothing yet but what is configured.
    pub(super) fn new(signer: &dyn RemoteSigner, owner: CalloutOwner) -> Self {
        Self {
            tokens: signer.token_source().map(|_| AccessTokens::new(owner)),
            keys: PublicKeys::new(signer.remote().public_key.clone(), owner),
        }
    }

    /// Whether the signer can be asked.
    pub(super) fn are_there(&self, now: Moment) -> bool {
        self.has_token(now) && !self.keys.is_unknown()
    }

    /// Whether calls that need an access token can be made.
    pub(super) fn has_token(&self, now: Moment) -> bool {
        self.tokens.as_ref().is_none_or(|tokens| !tokens.is_missing(now))
    }

    /// What a token waits for next: what is missing, and where nobody asks ahead of time also what soon will be.
    pub(super) fn next(&self, now: Moment) -> Option<Preparation> {
        let is_needed = |tokens: &AccessTokens| tokens.is_missing(now) || tokens.is_due_for_request(now);
        if self.tokens.as_ref().is_some_and(is_needed) {
            return Some(Preparation::AccessToken);
        }
        self.keys.is_unknown().then_some(Preparation::PublicKeys)
    }

    /// The same where it is the public keys, known or not.
    pub(super) fn before_keys(&self, now: Moment) -> Preparation {
        if self.has_token(now) { Preparation::PublicKeys } else { Preparation::AccessToken }
    }

    /// What is due although no token waits for it.
    pub(super) fn due(&self, now: Moment) -> Option<Preparation> {
        if self.tokens.as_ref().is_some_and(|tokens| tokens.is_due(now)) {
            return Some(Preparation::AccessToken);
        }
        (self.has_token(now) && self.keys.is_unknown()).then_some(Preparation::PublicKeys)
    }

    /// The request for one.
    pub(super) fn request(
        &self,
        signer: &dyn RemoteSigner,
        now: Moment,
        preparation: Preparation,
        asked: &Asked<'_>,
    ) -> Request {
        match (preparation, signer.token_source()) {
            (Preparation::AccessToken, Some(source)) => {
                source.request(self.tokens.as_ref().and_then(|tokens| tokens.renewable(now)), asked)
            }
            _ => signer.key_request(asked),
        }
    }

    /// The fetches of one.
    pub(super) fn fetches(&mut self, preparation: Preparation) -> &mut Fetches {
        match (preparation, &mut self.tokens) {
            (Preparation::AccessToken, Some(tokens)) => &mut tokens.fetches,
            _ => &mut self.keys.fetches,
        }
    }

    /// Takes over what a fetch has brought: how much that is. `last` is the callout that was begun last.
    pub(super) fn learn(
        &mut self,
        signer: &dyn RemoteSigner,
        ended: &InFlight<()>,
        last: CalloutId,
        preparation: Preparation,
        body: &[u8],
    ) -> Result<usize, AnswerFault> {
        if body.len() > MAX_RESPONSE_LENGTH {
            return Err(AnswerFault::TooLong);
        }
        match (preparation, signer.token_source(), &mut self.tokens) {
            (Preparation::AccessToken, Some(source), Some(tokens)) => {
                let token = source.read(body).map_err(AnswerFault::Unreadable)?;
                tokens.learn(ended, last, token)?;
                Ok(1)
            }
            _ => {
                let keys = signer.read_keys(body).map_err(AnswerFault::Unreadable)?;
                let count = keys.len();
                self.keys.learn(ended, keys);
                Ok(count)
            }
        }
    }

    /// Notes that a fetch has failed so.
    pub(super) fn failed(
        &mut self,
        signer: &dyn RemoteSigner,
        now: SteadyTime,
        fetch: CalloutId,
        preparation: Preparation,
        error: RemoteError,
    ) {
        match (preparation, &mut self.tokens) {
            (Preparation::AccessToken, Some(tokens)) => tokens.failed(now, !error.is_unavailable()),
            (_, tokens) => {
                self.keys.fetches.failed(now);
                let is_refusal = is_refusal_of_token(signer, error);
                if let Some(tokens) = tokens.as_mut().filter(|tokens| is_refusal && tokens.fetches.may_refetch(now)) {
                    tokens.refuse(fetch);
                }
            }
        }
    }

    /// Whether another access token is asked for on behalf of a token, after a refusal: once, and for a while not at all if that was in
    /// vain.
    pub(super) fn may_replace_token(&mut self, now: Moment, pending: &PendingToken) -> bool {
        let Some(tokens) = &mut self.tokens else { return false };
        if pending.is_renewed {
            tokens.fetches.note_vain(now.steady);
            return false;
        }
        tokens.fetches.may_refetch(now.steady) && pending.has_time_for_a_try(now.steady)
    }
}

/// Whether time may help against an answer with this status.
pub(super) fn may_pass(signer: &dyn RemoteSigner, preparation: Preparation, status: u16) -> bool {
    match (preparation, signer.token_source()) {
        (Preparation::AccessToken, Some(source)) => source.may_pass(status),
        _ => signer.may_pass(status),
    }
}

/// What an answer with this status may mean, for the operator.
pub(super) fn hint(signer: &dyn RemoteSigner, preparation: Preparation, status: u16) -> Option<&'static str> {
    match (preparation, signer.token_source()) {
        (Preparation::AccessToken, Some(source)) => source.hint(status),
        _ => signer.key_hint(status),
    }
}

/// Whether the request for it has a body.
pub(super) fn asks_with_a_body(signer: &dyn RemoteSigner, preparation: Preparation) -> bool {
    match (preparation, signer.token_source()) {
        (Preparation::AccessToken, Some(source)) => source.asks_with_a_body(),
        _ => signer.asks_for_keys_with_a_body(),
    }
}

/// Whether the signer says that it does not know the access token, or not any more, where the filter can ask for another.
pub(super) fn is_refusal_of_token(signer: &dyn RemoteSigner, error: RemoteError) -> bool {
    signer.token_source().is_some_and(|source| error == RemoteError::Refused(source.refusal()))
}
