//! Numbers that look like chance and are the same in each run (splitmix64).

/// See the module.
pub(crate) struct Dice(u64);

impl Dice {
    /// Others for each seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound.max(1)
    }

    /// One of these.
    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).expect("an index")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_face_comes_up_and_each_run_is_the_same() {
        let thrown = || {
            let mut dice = Dice::new(7);
            (0..100).map(|_| *dice.one_of(&[1, 2, 3, 4, 5, 6])).collect::<Vec<_>>()
        };
        assert!((1..=6).all(|face| thrown().contains(&face)));
        assert_eq!(thrown(), thrown());
    }
}
