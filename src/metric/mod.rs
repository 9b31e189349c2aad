//! What is counted and measured, as far as no host is needed for it: the names, and how long things take.

mod name;
mod stopwatch;

pub(crate) use name::MetricName;
pub(crate) use stopwatch::{Ended, Stopwatch};
