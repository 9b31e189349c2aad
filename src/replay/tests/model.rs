//! Random histories against a model: a list that forgets nothing.

use proptest::prelude::*;

use super::*;

/// What was let in, with the end of its life.
#[derive(Default)]
struct Model(Vec<(u64, u64)>);

impl Model {
    fn lives(&self, now: u64) -> impl Iterator<Item = &(u64, u64)> {
        self.0.iter().filter(move |(_, valid_until)| now <= *valid_until)
    }

    fn admit(&mut self, now: u64, number: u64, valid_until: u64, capacity: usize) -> Result<(), ReplayError> {
        if self.lives(now).any(|(other, _)| *other == number) {
            return Err(ReplayError::Replayed);
        }
        if self.lives(now).count() >= capacity {
            let earliest = self.lives(now).map(|(_, valid_until)| *valid_until).min().unwrap();
            return Err(ReplayError::Full { retry_after: millis(earliest + 1 - now) });
        }
        self.0.push((number, valid_until));
        Ok(())
    }
}

/// Pause before, token, time to live, worker.
fn history(tokens: u64) -> impl Strategy<Value = Vec<(u64, u64, u64, usize)>> {
    prop::collection::vec((0..20_u64, 0..tokens, 0..60_u64, 0..3_usize), 1..120)
}

proptest! {
    #[test]
    fn one_bucket_and_one_worker_answer_as_the_model_does_to_the_last_token(
        history in history(40),
        capacity in 1..30_usize,
    ) {
        let data = Fake::default();
        let mut local = worker(capacity);
        let mut shared = [(); 3].map(|()| gateway(capacity, &data));
        let (mut model, mut now) = (Model::default(), 0);
        for (pause, number, life, place) in history {
            now += pause;
            let expected = model.admit(now, number, now + life, capacity);
            prop_assert_eq!(local.admit(at(now), &token(number), at(now + life)), expected);
            prop_assert_eq!(shared[place].admit(at(now), &token(number), at(now + life)), expected);
        }
    }

    #[test]
    fn many_buckets_answer_as_the_model_does_while_there_is_room(history in history(400)) {
        let data = Fake::default();
        let mut shared = [(); 3].map(|()| gateway(MANY, &data));
        let (mut model, mut now) = (Model::default(), 0);
        for (pause, number, life, place) in history {
            now += pause;
            let expected = model.admit(now, number, now + life, MANY);
            prop_assert_eq!(shared[place].admit(at(now), &token(number), at(now + life)), expected);
        }
    }

    /// The clock jumps about and values are damaged: whatever happens, a token that was let in is not let in again.
    #[test]
    fn nothing_lets_a_token_in_twice(
        history in prop::collection::vec((0..1_000_000_u64, 0..40_u64, 0..3_usize, 0..20_u8), 1..100),
        capacity in prop::sample::select(vec![3_usize, 20, MANY]),
    ) {
        let data = Fake::default();
        let mut local = worker(capacity);
        let mut shared = [(); 3].map(|()| gateway(capacity, &data));
        let (mut by_local, mut by_shared) = (Vec::new(), Vec::new());
        for (now, number, place, luck) in history {
            if luck == 0 {
                data.damage(|value| value.truncate(60));
            }
            // They have one clock, so each has seen the latest time.
            for guard in &mut shared {
                let _ = guard.admit(at(now), &token(9_999), at(now));
            }
            let valid_until = number * 25_000;
            if !(now..=now + 320_000).contains(&valid_until) {
                continue;
            }
            if local.admit(at(now), &token(number), at(valid_until)).is_ok() {
                prop_assert!(!by_local.contains(&number));
                by_local.push(number);
            }
            if shared[place].admit(at(now), &token(number), at(valid_until)).is_ok() {
                prop_assert!(!by_shared.contains(&number));
                by_shared.push(number);
            }
        }
    }
}
