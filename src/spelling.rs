//! How the name of a callout's server is spelt, where a gateway may take an earlier answer for that to the next callout.
//!
//! One gateway takes an informational answer (RFC 9110 §15.2) for the final one and keeps the connection. The next callout to
//! that server, of whatever request, would get the answer to this one: somebody else's token would be called active. The
//! gateway tells connections apart by the name of the server as it is spelt, and names mean the same in upper and lower case
//! (RFC 4343 §2): so the next callout spells it otherwise.

use std::borrow::Cow;
use std::time::Duration;

use litemap::LiteMap;

use crate::time::SteadyTime;

/// How long a connection may be idle before the gateway ends it: its `lua_socket_keepalive_timeout`, unless that was raised.
/// What arrives on it meanwhile ends it, too.
const IDLE: Duration = Duration::from_mins(1);

/// The most servers that are remembered. Each has its place in a configuration.
const MOST_SERVERS: usize = 256;

/// So many letters of a name are spelt in both ways at the most.
const MOST_LETTERS: usize = 16;

/// The servers that are spelt otherwise than they are configured, by upstream.
#[derive(Debug, Default)]
pub(crate) struct Spellings(LiteMap<String, Spelling>);

/// How the name of a server is spelt now.
#[derive(Debug, Clone, Copy)]
struct Spelling {
    /// Bit by bit whether a letter is in the other case.
    number: usize,
    /// When the last change was, and how many there have been without a pause longer than [`IDLE`]: before such a pause, no
    /// spelling is used again.
    last: SteadyTime,
    count: usize,
}

impl Spellings {
    /// None yet.
    #[must_use]
    pub(crate) const fn new() -> Self {
        Self(LiteMap::new_vec())
    }

    /// Spells this upstream in another way from now on.
    pub(crate) fn change(&mut self, now: SteadyTime, upstream: &str) {
        if self.0.len() >= MOST_SERVERS {
            self.0.retain(|_, spelling| spelling.is_recent(now));
        }
        let earlier = self.0.get(upstream).copied().unwrap_or(Spelling { number: 0, last: now, count: 0 });
        let count = if earlier.is_recent(now) { earlier.count } else { 0 };
        let (number, count) = (earlier.number.wrapping_add(1), count.saturating_add(1));
        self.0.insert(upstream.to_owned(), Spelling { number, last: now, count });
    }

    /// The upstream as it is spelt now. `None` if each of its spellings was used so lately that its connection may still be
    /// there, as the only one of an address always is.
    #[must_use]
    pub(crate) fn spell<'u>(&self, now: SteadyTime, upstream: &'u str) -> Option<Cow<'u, str>> {
        let Some(spelling) = self.0.get(upstream) else { return Some(Cow::Borrowed(upstream)) };
        let letters = upstream.bytes().filter(u8::is_ascii_alphabetic).count().min(MOST_LETTERS);
        if spelling.count >> letters > 0 && spelling.is_recent(now) {
            return None;
        }
        let mut bits = spelling.number;
        let spelt = upstream.chars().map(|letter| {
            if !letter.is_ascii_alphabetic() {
                return letter;
            }
            let is_other = bits & 1 == 1;
            bits >>= 1;
            match (is_other, letter.is_ascii_lowercase()) {
                (false, _) => letter,
                (true, true) => letter.to_ascii_uppercase(),
                (true, false) => letter.to_ascii_lowercase(),
            }
        });
        Some(Cow::Owned(spelt.collect()))
    }
}

impl Spelling {
    /// A change in the future, because the clock was set back, counts as recent.
    fn is_recent(&self, now: SteadyTime) -> bool {
        now.since(self.last).is_none_or(|since| since <= IDLE)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOW: SteadyTime = SteadyTime::from_secs(1_795_253_400);

    fn after(seconds: u64) -> SteadyTime {
        NOW.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_server_is_spelt_as_it_is_configured_until_that_changes_and_means_the_same_afterwards() {
        let mut spellings = Spellings::new();
        assert_eq!(spellings.spell(NOW, "as.Test:443").as_deref(), Some("as.Test:443"));
        for expected in ["As.Test:443", "aS.Test:443", "AS.Test:443", "as.test:443"] {
            spellings.change(NOW, "as.Test:443");
            assert_eq!(spellings.spell(NOW, "as.Test:443").as_deref(), Some(expected));
            assert_eq!(spellings.spell(NOW, "other.test:443").as_deref(), Some("other.test:443"));
        }
    }

    #[test]
    fn no_spelling_comes_again_within_a_minute() {
        let mut spellings = Spellings::new();
        let mut seen = BTreeSet::new();
        while let Some(spelt) = spellings.spell(NOW, "a.bc:80") {
            assert!(seen.insert(spelt.into_owned()));
            spellings.change(NOW, "a.bc:80");
        }
        assert_eq!(seen.len(), 8);
        assert_eq!(spellings.spell(after(60), "a.bc:80"), None);
        assert!(spellings.spell(after(61), "a.bc:80").is_some());
        assert_eq!(spellings.spell(SteadyTime::from_millis(0), "a.bc:80"), None, "the clock was set back");
    }

    /// Changes that come one by one for longer than a minute: none leads back to a spelling that was given up within the last.
    #[test]
    fn no_spelling_comes_again_within_a_minute_of_when_it_was_given_up_however_the_changes_are_spread() {
        for pauses in [vec![1], vec![30], vec![0, 0, 0, 59, 2], vec![61, 0], vec![2, 59, 0, 0, 0, 0, 0, 2, 0, 0, 0]] {
            let mut spellings = Spellings::new();
            let mut given_up = LiteMap::<String, u64>::new_vec();
            let mut second = 0;
            for pause in pauses.iter().cycle().take(400) {
                second += pause;
                let Some(spelt) = spellings.spell(after(second), "a.bc:80") else { continue };
                let ago = given_up.get(&*spelt).map(|then| second - then);
                assert!(ago.is_none_or(|ago| ago > 60), "{pauses:?}: {spelt} again after {ago:?} s");
                given_up.insert(spelt.into_owned(), second);
                spellings.change(after(second), "a.bc:80");
            }
            assert!(given_up.len() > 7, "{pauses:?}: every spelling was used");
        }
    }

    #[test]
    fn an_address_is_not_asked_for_a_minute() {
        for address in ["192.0.2.1:443", "[2001:db8::1]:443"] {
            let mut spellings = Spellings::new();
            spellings.change(NOW, address);
            let is_asked = |now| spellings.spell(now, address).is_some();
            assert_eq!([is_asked(NOW), is_asked(after(61))], [address.contains("db"), true], "{address}");
        }
    }

    #[test]
    fn servers_that_were_spelt_otherwise_long_ago_are_forgotten_when_there_are_many() {
        let mut spellings = Spellings::new();
        for n in 0..2 * MOST_SERVERS {
            spellings.change(after(u64::try_from(n).unwrap()), &format!("as{n}.test"));
        }
        assert!(spellings.0.len() <= MOST_SERVERS);
    }
}
