//! The answers of an authorisation server, by token, each until its end. Their number is bounded: what ends first goes
//! first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::callout::CalloutPermission;
use crate::claims::access_token::Introspected;
use crate::digest_map::DigestMap;
use crate::time::AgingTime;
use crate::token_digest::TokenDigest;

/// Answers by token.
#[derive(Debug)]
pub(super) struct Answers {
    capacity: usize,
    by_token: DigestMap<TokenDigest, Box<Answer>>,
    /// The same tokens; what ends first is at the top.
    by_end: BinaryHeap<Reverse<(AgingTime, TokenDigest)>>,
}

#[derive(Debug)]
struct Answer {
    /// `None` where the server was asked and did not say.
    answer: Option<Introspected>,
    since: AgingTime,
    end: AgingTime,
}

impl Answers {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, by_token: DigestMap::new(), by_end: BinaryHeap::new() }
    }

    /// The answer on a token, if it may be used now; `Some(None)` where the server was asked and did not say. Who waited for it may
    /// use it at that moment, however short it lives. One from the future (the only clock was set back) has no known age and is not
    /// used.
    pub(super) fn usable(
        &self,
        now: AgingTime,
        token: &TokenDigest,
        permission: CalloutPermission,
    ) -> Option<Option<&Introspected>> {
        let known = self.by_token.get(token)?;
        let waited_for = !permission.reaches_servers() && known.since == now;
        let fresh = known.since <= now && now < known.end;
        (fresh || waited_for).then_some(known.answer.as_ref())
    }

    /// Keeps an answer, in the place of an earlier one on the same token, of those that have ended, or of the one that
    /// ends first.
    pub(super) fn insert(&mut self, now: AgingTime, token: TokenDigest, answer: Option<Introspected>, end: AgingTime) {
        while self.by_end.peek().is_some_and(|Reverse((end, _))| *end <= now) {
            self.drop_first();
        }
        // Rare: an answer that lives is not asked for again, but by calls at the same time or with the clock set back.
        if let Some(earlier) = self.by_token.remove(&token) {
            self.by_end.retain(|Reverse(entry)| *entry != (earlier.end, token));
        }
        while self.by_token.len() >= self.capacity && !self.by_end.is_empty() {
            self.drop_first();
        }
        self.by_token.insert(token, Box::new(Answer { answer, since: now, end }));
        self.by_end.push(Reverse((end, token)));
    }

    /// Drops the answer that ends first.
    fn drop_first(&mut self) {
        if let Some(Reverse((_, token))) = self.by_end.pop() {
            self.by_token.remove(&token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> AgingTime {
        AgingTime::from_secs(seconds)
    }

    fn token(n: u64) -> TokenDigest {
        TokenDigest::of(&n.to_string())
    }

    /// Which of the tokens 0 to 9 have an answer at this time.
    fn known(answers: &Answers, now: AgingTime) -> Vec<u64> {
        assert_eq!(answers.by_token.len(), answers.by_end.len());
        (0..10).filter(|n| answers.usable(now, &token(*n), CalloutPermission::Allowed).is_some()).collect()
    }

    #[test]
    fn an_answer_is_used_from_its_beginning_to_its_end() {
        let mut answers = Answers::new(10);
        answers.insert(at(100), token(1), Some(Introspected::Inactive), at(105));
        for (second, usable) in [(99, false), (100, true), (104, true), (105, false), (106, false)] {
            assert_eq!(known(&answers, at(second)) == [1], usable, "{second}");
        }
    }

    #[test]
    fn an_answer_that_ended_before_it_came_serves_those_who_waited_for_it() {
        let mut answers = Answers::new(10);
        answers.insert(at(100), token(1), Some(Introspected::Inactive), at(98));
        assert!(answers.usable(at(100), &token(1), CalloutPermission::Used).is_some());
        assert!(answers.usable(at(100), &token(1), CalloutPermission::Allowed).is_none());
        assert!(answers.usable(at(101), &token(1), CalloutPermission::Used).is_none());
        assert!(answers.usable(at(99), &token(1), CalloutPermission::Used).is_none());
    }

    #[test]
    fn what_ends_first_makes_room_and_never_the_newest_answer() {
        let mut answers = Answers::new(3);
        for (n, end) in [(1, 160), (2, 130), (3, 140)] {
            answers.insert(at(100), token(n), Some(Introspected::Inactive), at(end));
        }
        assert_eq!(known(&answers, at(101)), [1, 2, 3]);
        answers.insert(at(101), token(4), Some(Introspected::Inactive), at(105));
        assert_eq!(known(&answers, at(101)), [1, 3, 4]);
        answers.insert(at(101), token(5), Some(Introspected::Inactive), at(170));
        assert_eq!(known(&answers, at(101)), [1, 3, 5]);
    }

    #[test]
    fn answers_that_have_ended_are_forgotten_first_and_all_of_them() {
        let mut answers = Answers::new(3);
        for (n, end) in [(1, 110), (2, 111), (3, 160)] {
            answers.insert(at(100), token(n), Some(Introspected::Inactive), at(end));
        }
        answers.insert(at(111), token(4), Some(Introspected::Inactive), at(116));
        assert_eq!(answers.by_token.len(), 2);
        assert_eq!(known(&answers, at(111)), [3, 4]);
    }

    #[test]
    fn a_later_answer_on_a_token_takes_the_place_of_the_earlier_one() {
        let mut answers = Answers::new(2);
        answers.insert(at(100), token(1), Some(Introspected::Inactive), at(110));
        answers.insert(at(100), token(2), Some(Introspected::Inactive), at(120));
        answers.insert(at(105), token(1), Some(Introspected::Inactive), at(130));
        assert_eq!(known(&answers, at(109)), [1, 2]);
        assert_eq!(known(&answers, at(125)), [1]);
    }
}
