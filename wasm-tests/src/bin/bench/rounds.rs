//! Turns: each contestant has one in every round, each round begins with another one, and a figure is compared with one of the
//! same round. What else the machine does then troubles all of them alike.

use super::contestants::Contestant;
use super::extent::Extent;
use super::load::Until;

/// What one contestant did in each round.
#[derive(Default)]
pub(crate) struct Measured {
    /// Processor time of the worker for a request, in microseconds.
    pub(crate) cost: Figures,
    /// Requests per second.
    pub(crate) rate: Figures,
}

/// Lets them take turns; `requests` are made anew for each round.
pub(crate) fn run(
    contestants: &mut [Contestant],
    extent: Extent,
    mut requests: impl FnMut() -> Vec<Vec<u8>>,
) -> Vec<Measured> {
    for contestant in &mut *contestants {
        contestant.turn(&requests(), Until::Sent(extent.warm_up));
    }
    let count = contestants.len();
    let mut measured: Vec<Measured> = contestants.iter().map(|_| Measured::default()).collect();
    for round in 0..extent.rounds {
        let requests = requests();
        for place in (0..count).map(|turn| (round + turn) % count) {
            let (cost, rate) = contestants[place].turn(&requests, Until::Passed(extent.turn));
            measured[place].cost.0.push(cost);
            measured[place].rate.0.push(rate);
        }
    }
    measured
}

/// A figure of each round.
#[derive(Default)]
pub(crate) struct Figures(pub(crate) Vec<f64>);

impl Figures {
    /// The least.
    pub(crate) fn minimum(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The one in the middle, or the mean of the two there.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
    }

    /// Each divided by the other's figure of the same round.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect())
    }

    /// Each less the other's figure of the same round.
    pub(crate) fn less(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one - other).collect())
    }
}
