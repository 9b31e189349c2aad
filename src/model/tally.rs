//! What has been played, in figures.

use std::collections::BTreeMap;
use std::fmt;

/// What has been played, in figures.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) histories: usize,
    pub(super) steps: usize,
    pub(super) requests: usize,
    pub(super) responses: usize,
    pub(super) answers: usize,
    pub(super) signed: usize,
    verdicts: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Counts a verdict by its word.
    pub(super) fn note(&mut self, word: &'static str) {
        *self.verdicts.entry(word).or_default() += 1;
    }

    /// How many requests and responses went on.
    pub(super) fn admitted(&self) -> usize {
        self.of("admitted")
    }

    /// How many verdicts had this word.
    pub(super) fn of(&self, word: &str) -> usize {
        self.verdicts.get(word).copied().unwrap_or_default()
    }

    /// Adds one history.
    pub(super) fn add(&mut self, other: &Self) {
        self.histories += 1;
        self.steps += other.steps;
        self.requests += other.requests;
        self.responses += other.responses;
        self.answers += other.answers;
        self.signed += other.signed;
        for (word, count) in &other.verdicts {
            *self.verdicts.entry(word).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { histories, steps, requests, responses, answers, signed, verdicts } = self;
        write!(
            f,
            "{histories} histories, {steps} steps, {requests} requests, {responses} responses, {answers} answers, \
             {signed} signed; {verdicts:?}"
        )
    }
}
