//! Whether a token is used for the first time: by the word of the memory in this gateway, or of the store that several gateways
//! share, with that memory in front of it.
//!
//! The store is asked about tokens that the memory does not know, so a token that comes back to the same worker costs nothing. Its
//! word counts: the memory has no say about a token that the store calls new, and takes over only while the store cannot be asked,
//! if the configuration says so.

use std::rc::Rc;
use std::time::Duration;

use crate::callout::{Callout, CalloutId, CalloutPermission, CalloutSubject, Ended, Wait};
use crate::capabilities::Capabilities;
use crate::config::{self, WithoutStore};
use crate::request::NonceInput;
use crate::time::{Moment, SteadyTime, UnixTime};
use crate::token_digest::TokenDigest;

use super::error::ReplayError;
use super::store::{DecidedUse, Finished, SharedMemory, Usage};
use super::token::TokenIdentity;
use super::{ReplayGuard, ReplayUsage};

/// How often the log tells of tokens that this gateway alone decided on.
const WARNING_PERIOD: Duration = Duration::from_mins(1);

/// Remembers the tokens that were let in, here or in a store.
#[derive(Debug)]
pub(crate) struct ReplayDetection {
    memory: ReplayGuard,
    store: Option<Store>,
}

#[derive(Debug)]
struct Store {
    shared: SharedMemory,
    unavailable: WithoutStore,
    /// How many tokens this gateway alone decided on since that was told.
    alone: u64,
    /// The same since it was logged.
    alone_in_log: u64,
    last_warning: Option<SteadyTime>,
}

/// A use of a token that is right in everything else, the signature included.
#[derive(Debug)]
pub(crate) struct NewUse<'a> {
    /// The token.
    pub token: &'a str,
    /// What makes it the same as another.
    pub identity: TokenIdentity,
    /// The last moment at which it is acceptable.
    pub valid_until: UnixTime,
    /// Its `jti`.
    pub token_id: &'a str,
    /// What makes this use different from all others.
    pub nonce_input: &'a NonceInput,
}

impl ReplayDetection {
    /// With these settings, and nothing remembered. None of the tokens may be acceptable for longer than `longest_life` after its
    /// admission. `capabilities` are the gateway's.
    #[must_use]
    pub(crate) fn new(settings: &config::Replay, longest_life: Duration, capabilities: &Capabilities) -> Self {
        let data = Rc::clone(&capabilities.data);
        let store = settings.store.as_ref().map(|config::SharedStore { store, unavailable }| Store {
            shared: SharedMemory::new(store, capabilities),
            unavailable: *unavailable,
            alone: 0,
            alone_in_log: 0,
            last_warning: None,
        });
        Self { memory: ReplayGuard::new(settings.scope, settings.capacity, longest_life, data), store }
    }

    /// Whether a store has to be asked, for which each use needs a [`NonceInput`].
    #[must_use]
    pub(crate) fn asks_a_store(&self) -> bool {
        self.store.is_some()
    }

    /// See [`ReplayGuard::usage`].
    pub(crate) fn usage(&mut self) -> Option<ReplayUsage> {
        self.memory.usage()
    }

    /// Lets a token in unless it was let in before: now, or when the callout has ended that is to be waited for.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub(crate) fn admit(
        &mut self,
        now: Moment,
        NewUse { token, identity, valid_until, token_id, nonce_input }: NewUse<'_>,
        permission: CalloutPermission,
    ) -> Result<Option<Wait>, ReplayError> {
        let Some(store) = &mut self.store else {
            return self.memory.admit(now.wall, &identity, valid_until).map(|()| None);
        };
        if self.memory.knows(now.wall, &identity) {
            return Err(ReplayError::Replayed);
        }
        let usage = Usage { token: TokenDigest::of(token), identity, valid_until, token_id };
        match store.shared.ask(now, usage, nonce_input, permission) {
            Ok(wait) => Ok(Some(wait)),
            Err(ReplayError::StoreUnavailable { .. }) if store.unavailable == WithoutStore::Local => {
                self.decide_alone(now, &identity, valid_until).map(|()| None)
            }
            Err(error) => Err(error),
        }
    }

    /// What has come of a use for which a callout was waited: its `jti`, if it is the first. `None` for a token that nobody asked
    /// about.
    pub(crate) fn take_decided(&mut self, now: Moment, token: &str) -> Option<Result<String, ReplayError>> {
        let store = self.store.as_mut()?;
        let DecidedUse { identity, valid_until, token_id, result } =
            store.shared.take_decided(&TokenDigest::of(token))?;
        let may_decide_alone = store.unavailable == WithoutStore::Local;
        let result = match result {
            // The memory may be full, or have forgotten: the store has not. Only what it remembers counts.
            Ok(()) => match self.memory.admit(now.wall, &identity, valid_until) {
                Err(ReplayError::Replayed) => Err(ReplayError::Replayed),
                _ => Ok(()),
            },
            Err(ReplayError::Replayed) => {
                // So that the next time costs no callout.
                let _ = self.memory.admit(now.wall, &identity, valid_until);
                Err(ReplayError::Replayed)
            }
            Err(ReplayError::StoreUnavailable { .. }) if may_decide_alone => {
                self.decide_alone(now, &identity, valid_until)
            }
            Err(error) => Err(error),
        };
        Some(result.map(|()| token_id))
    }

    /// How many tokens this gateway alone decided on since that was told last.
    pub(crate) fn decided_alone(&mut self) -> u64 {
        self.store.as_mut().map_or(0, |store| std::mem::take(&mut store.alone))
    }

    /// What the log should be told now, if anything.
    pub(crate) fn warning(&mut self, now: Moment) -> Option<String> {
        let store = self.store.as_mut().filter(|store| store.alone_in_log > 0)?;
        let is_told = |last| now.steady.since(last).is_some_and(|since| since < WARNING_PERIOD);
        if store.last_warning.is_some_and(is_told) {
            return None;
        }
        store.last_warning = Some(now.steady);
        let count = std::mem::take(&mut store.alone_in_log);
        Some(format!(
            "the store of used tokens cannot be asked: this gateway alone has decided on {count} of them, which may have been used at \
             others"
        ))
    }

    /// See [`SharedMemory::finish`].
    pub(crate) fn finish(
        &mut self,
        now: Moment,
        call: CalloutId,
        subject: &CalloutSubject,
        answer: Ended<'_>,
    ) -> Option<Finished> {
        self.store.as_mut()?.shared.finish(now, call, subject, answer)
    }

    /// See [`SharedMemory::timed_out`].
    #[must_use]
    pub(crate) fn timed_out(&self, now: Moment) -> Vec<(CalloutId, CalloutSubject)> {
        self.store.as_ref().map(|store| store.shared.timed_out(now)).unwrap_or_default()
    }

    /// See [`SharedMemory::due`].
    pub(crate) fn due(&mut self, now: Moment) -> Option<Callout> {
        self.store.as_mut()?.shared.due(now)
    }

    /// See [`SharedMemory::abandon`].
    pub(crate) fn abandon(&mut self, call: CalloutId, subject: &CalloutSubject) {
        if let Some(store) = &mut self.store {
            store.shared.abandon(call, subject);
        }
    }

    fn decide_alone(
        &mut self,
        now: Moment,
        identity: &TokenIdentity,
        valid_until: UnixTime,
    ) -> Result<(), ReplayError> {
        self.memory.admit(now.wall, identity, valid_until)?;
        if let Some(store) = &mut self.store {
            store.alone = store.alone.saturating_add(1);
            store.alone_in_log = store.alone_in_log.saturating_add(1);
        }
        Ok(())
    }
}
