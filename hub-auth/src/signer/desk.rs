//! Where the server and the threads of the token meet: what is to be signed waits here, while there is a token.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::journal::Entry;

/// How many requests wait at most. With a token that makes a signature in a few milliseconds, the last of them waits a second or so.
const MOST_WAITING: usize = 128;

/// The key's public half, as it is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PublicHalf {
    /// SubjectPublicKeyInfo, PEM.
    pub(super) pem: String,
    pub(super) bits: usize,
}

/// Something to sign.
pub(super) struct Job {
    pub(super) input: Vec<u8>,
    pub(super) entry: Entry,
    /// Who waits for it.
    pub(super) reply: oneshot::Sender<Result<Vec<u8>, Failure>>,
}

/// Why there is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no token now, or no session with it.
    Away,
    /// Too many wait.
    Busy,
    /// The journal could not be written.
    NotWritten,
}

/// What a session does next.
pub(super) enum Next {
    Job(Box<Job>),
    /// Nothing was to be done for some time.
    Idle,
    /// The token is lost, or nothing will come any more.
    End,
}

/// See the module.
#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    key: Option<Arc<PublicHalf>>,
    jobs: VecDeque<Box<Job>>,
    /// When each call to the module began that has not ended.
    calls: BTreeMap<u64, Instant>,
    calls_made: u64,
    closed: bool,
}

impl Desk {
    /// The key, while there is a token.
    pub(super) fn key(&self) -> Option<Arc<PublicHalf>> {
        self.state().key.clone()
    }

    /// Puts something there to be signed.
    ///
    /// # Errors
    /// It cannot be: the job again, with the reason.
    pub(super) fn submit(&self, job: Job) -> Result<(), (Failure, Box<Job>)> {
        let mut state = self.state();
        let job = Box::new(job);
        if state.key.is_none() {
            return Err((Failure::Away, job));
        }
        if state.jobs.len() >= MOST_WAITING {
            return Err((Failure::Busy, job));
        }
        state.jobs.push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    /// The token is there.
    pub(super) fn open(&self, key: Arc<PublicHalf>) {
        self.state().key = Some(key);
    }

    /// The token is lost: what waited for it.
    pub(super) fn lose(&self) -> VecDeque<Box<Job>> {
        let mut state = self.state();
        state.key = None;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        self.changed.notify_all();
        jobs
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// What a session does next. It waits for it, but not longer than this.
    pub(super) fn next(&self, patience: Duration) -> Next {
        let has_something = |state: &mut State| state.jobs.is_empty() && !state.closed && state.key.is_some();
        let waited = self.changed.wait_timeout_while(self.state(), patience, has_something);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.key.is_none() {
            return Next::End;
        }
        match state.jobs.pop_front() {
            Some(job) => Next::Job(job),
            None if state.closed => Next::End,
            None => Next::Idle,
        }
    }

    /// Waits for so long; whether nothing more will come.
    pub(super) fn is_closed_after(&self, pause: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.state(), pause, |state| !state.closed);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.closed
    }

    /// Calls the module. While that lasts, [`Desk::longest_call`] counts it.
    pub(super) fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        let number = {
            let mut state = self.state();
            state.calls_made += 1;
            let number = state.calls_made;
            state.calls.insert(number, Instant::now());
            number
        };
        let result = call();
        self.state().calls.remove(&number);
        result
    }

    /// For how long the module has not answered.
    pub(super) fn longest_call(&self) -> Duration {
        let state = self.state();
        state.calls.values().next().map_or(Duration::ZERO, Instant::elapsed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
