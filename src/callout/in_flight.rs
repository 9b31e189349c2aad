//! The callouts in flight: which are awaited, which nobody has reported on in time, and which answers are older than what is
//! known already. Keys, introspection and remote signers keep theirs here.
//!
//! Times are those of the steady clock. Where the wall clock stands for it, it may be set back.

use std::time::Duration;

use super::answer::CalloutError;
use super::request::CalloutId;
use crate::time::{Moment, SteadyTime};

/// How long after its own timeout a callout that nobody reported on is given up. Gateways report timeouts by themselves;
/// this is for the one that does not.
pub(crate) const REPORT_GRACE: Duration = Duration::from_secs(5);

/// By how much the only clock may be set back without any doing: a leap second, or what a time daemon steps over instead of slewing
/// (ntpd from 128 ms on, chrony from as much as it is told, mostly 1 s).
const SMALL_STEP_BACK: Duration = Duration::from_secs(1);

/// Callouts in flight, the oldest first.
#[derive(Debug)]
pub(crate) struct CalloutsInFlight<S>(Vec<InFlight<S>>);

/// A callout in flight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InFlight<S> {
    id: CalloutId,
    subject: S,
    since: Moment,
    timeout: Duration,
    /// The newest callout on the same subject that succeeded meanwhile.
    overtaken_by: Option<CalloutId>,
}

impl<S: Clone + PartialEq> CalloutsInFlight<S> {
    /// None.
    #[must_use]
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many there are, those included that nobody has reported on in time.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many on a subject may still bring an answer.
    #[must_use]
    pub(crate) fn awaited(&self, subject: &S, now: SteadyTime) -> usize {
        self.0.iter().filter(|callout| callout.subject == *subject && !callout.is_timed_out(now)).count()
    }

    /// One more, which begins now.
    pub(crate) fn begin(&mut self, now: Moment, id: CalloutId, subject: S, timeout: Duration) {
        self.0.push(InFlight { id, subject, since: now, timeout, overtaken_by: None });
    }

    /// Keeps one that was taken out elsewhere.
    pub(crate) fn keep(&mut self, callout: InFlight<S>) {
        self.0.push(callout);
    }

    /// Takes out one that has ended.
    pub(crate) fn take(&mut self, id: CalloutId, subject: &S) -> Option<InFlight<S>> {
        let position = self.0.iter().position(|callout| callout.id == id && callout.subject == *subject)?;
        Some(self.0.remove(position))
    }

    /// Those that nobody has reported on in time.
    #[must_use]
    pub(crate) fn timed_out(&self, now: SteadyTime) -> Vec<(CalloutId, S)> {
        let timed_out = self.0.iter().filter(|callout| callout.is_timed_out(now));
        timed_out.map(|callout| (callout.id, callout.subject.clone())).collect()
    }

    /// Takes out those that nobody has reported on in time.
    pub(crate) fn take_timed_out(&mut self, now: SteadyTime) -> Vec<InFlight<S>> {
        self.0.extract_if(.., |callout| callout.is_timed_out(now)).collect()
    }

    /// Gives up those that should have been reported on longer ago than this.
    pub(crate) fn give_up_timed_out_since(&mut self, ago: Duration, now: SteadyTime) {
        self.0.retain(|callout| !callout.is_older(callout.patience().saturating_add(ago), now));
    }

    /// Gives up all on a subject.
    pub(crate) fn give_up(&mut self, subject: &S) {
        self.0.retain(|callout| callout.subject != *subject);
    }

    /// Notes that a callout has succeeded, for the others on its subject.
    pub(crate) fn succeeded(&mut self, id: CalloutId, subject: &S) {
        for callout in self.0.iter_mut().filter(|callout| callout.subject == *subject) {
            callout.overtaken_by = callout.overtaken_by.max(Some(id));
        }
    }
}

impl<S: Clone + PartialEq> Default for CalloutsInFlight<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> InFlight<S> {
    /// Which it is.
    #[must_use]
    pub(crate) fn id(&self) -> CalloutId {
        self.id
    }

    /// When it began.
    #[must_use]
    pub(crate) fn since(&self) -> Moment {
        self.since
    }

    /// What it brought. One that took longer than it may brought no answer, whatever came: see [`is_late`].
    ///
    /// # Errors
    /// Those of the answer, and [`CalloutError::NoAnswer`] for one that is late.
    pub(crate) fn in_time<T>(&self, answer: Result<T, CalloutError>, now: SteadyTime) -> Result<T, CalloutError> {
        if is_late(self.since.steady, self.timeout, now) { Err(CalloutError::NoAnswer) } else { answer }
    }

    /// The same for an answer that nothing can have made wrong meanwhile, such as a signature: a small step back of the clock does
    /// not make it late.
    ///
    /// # Errors
    /// See [`InFlight::in_time`].
    pub(crate) fn in_time_or_set_back<T>(
        &self,
        answer: Result<T, CalloutError>,
        now: SteadyTime,
    ) -> Result<T, CalloutError> {
        if is_set_back_a_little(self.since.steady, now) { answer } else { self.in_time(answer, now) }
    }

    /// The moment of which an answer tells that comes now: earlier than now by as much as the machine may have slept on the way,
    /// when the steady clock stood still. Who believes answers for a time only counts it from then on.
    #[must_use]
    pub(crate) fn told_at(&self, now: Moment) -> Moment {
        let aged = now.aging.since(self.since.aging).unwrap_or_default();
        let took = now.steady.since(self.since.steady).unwrap_or_default();
        now.aged_by(aged.saturating_sub(took))
    }

    /// When it is given up if nobody reports on it.
    #[must_use]
    pub(crate) fn given_up_at(&self) -> SteadyTime {
        self.since.steady.after(self.patience())
    }

    /// Whether another callout on its subject has succeeded since it began. That it fails says nothing new then.
    #[must_use]
    pub(crate) fn is_overtaken(&self) -> bool {
        self.overtaken_by.is_some()
    }

    /// Whether a callout on its subject that began later has succeeded. What this one brings is older, and might bring back
    /// what was revoked meanwhile.
    #[must_use]
    pub(crate) fn is_outdated(&self) -> bool {
        self.overtaken_by.is_some_and(|other| other > self.id)
    }

    /// Whether it should have been reported on long ago.
    fn is_timed_out(&self, now: SteadyTime) -> bool {
        self.is_older(self.patience(), now)
    }

    /// Whether it began longer ago than this. A beginning in the future (the clock was set back) counts as long ago, unless the step
    /// was small: nothing would be in flight any more each time that a clock is corrected.
    fn is_older(&self, age: Duration, now: SteadyTime) -> bool {
        now.since(self.since.steady).map_or_else(|| !is_set_back_a_little(self.since.steady, now), |since| since > age)
    }

    fn patience(&self) -> Duration {
        patience(self.timeout)
    }
}

/// How long a callout with this timeout is waited for.
#[must_use]
pub(crate) fn patience(timeout: Duration) -> Duration {
    timeout.saturating_add(REPORT_GRACE)
}

/// Whether `since` lies in the future, but so little that the clock was just corrected.
fn is_set_back_a_little(since: SteadyTime, now: SteadyTime) -> bool {
    (Duration::from_millis(1)..=SMALL_STEP_BACK).contains(&now.until(since))
}

/// Whether a callout that began at `since` has taken longer than it may. Some gateways apply the timeout to each read
/// alone, so a server that drips outlives it.
///
/// A beginning in the future (the clock was set back) counts as late. Nobody knows how long that callout took, and the two
/// mistakes are not alike: an answer that was in time and is refused costs another callout, but one that is taken for
/// fresh, and is not, may bring back keys and tokens that have been revoked meanwhile. Of signatures that cannot be said: see
/// [`InFlight::in_time_or_set_back`].
fn is_late(since: SteadyTime, timeout: Duration, now: SteadyTime) -> bool {
    now.since(since).is_none_or(|age| age > timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixTime;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn began(since: u64) -> CalloutsInFlight<()> {
        let mut callouts = CalloutsInFlight::new();
        callouts.begin(Moment::by_wall_clock(UnixTime::from_millis(since)), CalloutId::default(), (), TIMEOUT);
        callouts
    }

    #[test]
    fn an_answer_is_late_when_it_took_longer_than_it_may_or_nobody_knows_how_long() {
        for (since, now, late) in
            [(1_000, 1_000, false), (1_000, 6_000, false), (1_000, 6_001, true), (1_000, 999, true), (1_000, 0, true)]
        {
            assert_eq!(is_late(SteadyTime::from_millis(since), TIMEOUT, SteadyTime::from_millis(now)), late);
            for answer in [Ok("keys"), Err(CalloutError::Status(403))] {
                let expected = if late { Err(CalloutError::NoAnswer) } else { answer };
                let ended = began(since).take(CalloutId::default(), &()).unwrap();
                assert_eq!(ended.in_time(answer, SteadyTime::from_millis(now)), expected, "{since} to {now}");
            }
        }
    }

    #[test]
    fn a_callout_is_given_up_when_nobody_reported_on_it_some_time_after_its_timeout() {
        for (since, now, given_up) in [
            (1_000, 1_000, false),
            (1_000, 11_000, false),
            (1_000, 11_001, true),
            (1_000, 999, false),
            (1_000, 0, false),
            (1_001, 0, true),
        ] {
            let now = SteadyTime::from_millis(now);
            let callouts = began(since);
            assert_eq!(
                (callouts.awaited(&(), now), callouts.timed_out(now).len()),
                if given_up { (0, 1) } else { (1, 0) }
            );
        }
    }

    #[test]
    fn what_began_before_a_callout_that_succeeded_is_outdated_and_what_began_later_is_not() {
        let (first, second, third) =
            (CalloutId::default(), CalloutId::default().next(), CalloutId::default().next().next());
        let mut callouts = CalloutsInFlight::new();
        for id in [first, second, third] {
            callouts.begin(Moment::by_wall_clock(UnixTime::EPOCH), id, 'a', TIMEOUT);
        }
        callouts.begin(Moment::by_wall_clock(UnixTime::EPOCH), first, 'b', TIMEOUT);
        callouts.take(second, &'a').unwrap();
        callouts.succeeded(second, &'a');
        let found = |callouts: &mut CalloutsInFlight<char>, id, subject| {
            let callout = callouts.take(id, &subject).unwrap();
            (callout.is_overtaken(), callout.is_outdated())
        };
        assert_eq!(found(&mut callouts, first, 'a'), (true, true));
        assert_eq!(found(&mut callouts, third, 'a'), (true, false));
        assert_eq!(found(&mut callouts, first, 'b'), (false, false), "about something else");
    }
}
