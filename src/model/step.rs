//! What can happen, one step at a time, and how often it does in a random history.

use proptest::prelude::*;
use proptest::sample::select;

use super::cast::{Client, Jws, Key, ORGANISATION, OpaqueKind, PROVIDERS, Sending, UNIT};
use super::servers::{Contents, Manner};
use super::setup::Setup;
use super::shared::{Damage, Fault};

/// How many workers there are.
pub(super) const WORKERS: usize = 4;

/// One thing that happens. What is the nth counts from the latest, and is another one where there are fewer.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A request comes.
    Send(Sending, Bring),
    /// So many come at once.
    Burst(usize, Sending, Bring),
    /// A callout is answered, in this manner, with what the server had to say when it was asked, or with what it has now.
    Answer { nth: usize, manner: Manner, as_asked: bool },
    /// All callouts are answered.
    AnswerAll(Manner),
    /// A response comes to a request that has gone on.
    Respond(usize, Bring),
    /// The client of a request hangs up.
    HangUp(usize),
    /// What the servers have to say from now on.
    Publish(Contents),
    /// Time passes, in milliseconds.
    Wait(u64),
    /// The same, and the gateway stands still meanwhile.
    Freeze(u64),
    /// The clock on the wall is set forward or back, by so many milliseconds.
    Clock(i64),
    /// The machine sleeps: only the clock on the wall goes on.
    Sleep(u64),
    /// What is wrong with shared data from now on.
    Shared(Fault),
    /// All shared values are damaged.
    Damage(Damage),
    /// All shared values are lost.
    Forget,
    /// Whether the gateway takes callouts.
    Takes(bool),
    /// A worker begins anew.
    Restart(usize),
}

/// What a request or a response brings as a credential.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bring {
    /// Nothing.
    Nothing,
    /// What was brought before, once more: the nth, counted from the latest.
    Again(usize),
    /// A JWT Auth token of the Hub by this key, right but for this.
    Jws(Key, Flaw),
    /// A token of which only the authorisation server knows: which, and in how many seconds after the start it ends.
    Opaque(OpaqueKind, u8, u64),
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy)]
pub(super) enum Flaw {
    Nothing,
    Alg(&'static str),
    Typ,
    Cty,
    Kid(&'static str),
    Broken,
    Iss,
    Sub,
    Aud(&'static str),
    /// It ended so many seconds ago.
    Ended(u64),
    /// It begins in so many seconds.
    Early(u64),
    /// It may not be used for so many seconds.
    NotBefore(u64),
    /// It lives for so many seconds.
    Lives(u64),
    NoId,
    /// It has the id of one before: the nth, counted from the latest.
    SameId(usize),
}

impl Flaw {
    /// The token that has it, made at this time in seconds since 1970. `earlier` are the ids before.
    pub(super) fn of(self, key: Key, now: u64, id: String, earlier: &[String]) -> Jws {
        let kid = if key == Key::Next { "next" } else { "sig3" };
        let (iat, exp) = (now, now + 30);
        let (alg, typ, cty, aud) = ("PS256", "JOSE", "json", PROVIDERS[0]);
        let (iss, sub, nbf, jti, signer) = (ORGANISATION, UNIT, None, id, Some(key));
        let right = Jws { alg, typ, cty, kid, iss, sub, aud, iat, exp, nbf, jti, signer };
        match self {
            Self::Nothing => right,
            Self::Alg(alg) => Jws { alg, ..right },
            Self::Typ => Jws { typ: "JWT", ..right },
            Self::Cty => Jws { cty: "jwt", ..right },
            Self::Kid(kid) => Jws { kid, ..right },
            Self::Broken => Jws { signer: None, ..right },
            Self::Iss => Jws { iss: "Third Party", ..right },
            Self::Sub => Jws { sub: "99999999", ..right },
            Self::Aud(aud) => Jws { aud, ..right },
            Self::Ended(ago) => Jws { iat: now - ago - 30, exp: now - ago, ..right },
            Self::Early(hence) => Jws { iat: now + hence, exp: now + hence + 30, ..right },
            Self::NotBefore(hence) => Jws { nbf: Some(now + hence), ..right },
            Self::Lives(long) => Jws { exp: now + long, ..right },
            Self::NoId => Jws { jti: String::new(), ..right },
            Self::SameId(nth) => Jws { jti: nth_last(earlier, nth).cloned().unwrap_or(right.jti), ..right },
        }
    }
}

/// The nth, counted from the latest, or another one where there are fewer.
pub(super) fn nth_last<T>(all: &[T], nth: usize) -> Option<&T> {
    all.iter().rev().nth(nth.checked_rem(all.len())?)
}

/// Anything that can happen.
pub(super) fn any_step(setup: Setup) -> impl Strategy<Value = Step> {
    // More depends on shared data where tokens are remembered there.
    let doubt = if setup.once() == Some(true) { 20 } else { 6 };
    prop_oneof![
        56 => (sending(), bring(setup)).prop_map(|(sending, bring)| Step::Send(sending, bring)),
        1 => (burst(setup), sending(), bring(setup))
            .prop_map(|(count, sending, bring)| Step::Burst(count, sending, bring)),
        36 => (0..5_usize, manner(), any::<bool>())
            .prop_map(|(nth, manner, as_asked)| Step::Answer { nth, manner, as_asked }),
        16 => manner().prop_map(Step::AnswerAll),
        4 * responses(setup) => (0..6_usize, bring(setup)).prop_map(|(nth, bring)| Step::Respond(nth, bring)),
        6 => (0..4_usize).prop_map(Step::HangUp),
        10 => contents().prop_map(Step::Publish),
        24 => wait().prop_map(Step::Wait),
        4 => wait().prop_map(Step::Freeze),
        8 => clock().prop_map(Step::Clock),
        2 => wait().prop_map(Step::Sleep),
        doubt => fault().prop_map(Step::Shared),
        doubt => select(vec![Damage::Cut, Damage::Flipped, Damage::Foreign]).prop_map(Step::Damage),
        1 => Just(Step::Forget),
        3 => any::<bool>().prop_map(Step::Takes),
        3 => (0..WORKERS).prop_map(Step::Restart),
    ]
}

/// What can happen while all is well: then what is right is let in, once.
pub(super) fn calm_step(setup: Setup) -> impl Strategy<Value = Step> {
    prop_oneof![
        14 => (sending(), bring(setup)).prop_map(|(sending, bring)| Step::Send(sending, bring)),
        5 => (0..5_usize, any::<bool>())
            .prop_map(|(nth, as_asked)| Step::Answer { nth, manner: Manner::Whole, as_asked }),
        2 => Just(Step::AnswerAll(Manner::Whole)),
        responses(setup) => (0..6_usize, bring(setup)).prop_map(|(nth, bring)| Step::Respond(nth, bring)),
        1 => (0..4_usize).prop_map(Step::HangUp),
        5 => wait().prop_map(Step::Wait),
    ]
}

/// How many requests come at once: more than may wait, unless none does, and each takes a signature.
fn burst(setup: Setup) -> std::ops::Range<usize> {
    if setup == Setup::Local { 2..5 } else { 100..300 }
}

/// How often responses come, where they mean anything.
fn responses(setup: Setup) -> u32 {
    if setup.looks_at_responses() { 12 } else { 1 }
}

fn sending() -> impl Strategy<Value = Sending> {
    let client = prop_oneof![20 => Just(Client::Hub), 1 => Just(Client::Stranger), 1 => Just(Client::Pretender)];
    let provider = prop_oneof![
        20 => Just(Some(PROVIDERS[0])), 1 => Just(Some(PROVIDERS[1])), 1 => Just(Some("another")), 1 => Just(None)
    ];
    let credentials = prop_oneof![30 => Just(1_usize), 1 => Just(2)];
    let rest = (prop::bool::weighted(0.03), any::<bool>());
    (0..WORKERS, client, provider, credentials, rest).prop_map(
        |(worker, client, provider, credentials, (reserved, initiates))| Sending {
            worker,
            client,
            provider,
            reserved,
            credentials,
            initiates,
        },
    )
}

fn bring(setup: Setup) -> impl Strategy<Value = Bring> {
    let key = || prop_oneof![8 => Just(Key::First), 2 => Just(Key::Next), 1 => Just(Key::Attackers)];
    let kinds = vec![
        OpaqueKind::Right,
        OpaqueKind::Right,
        OpaqueKind::Right,
        OpaqueKind::Inactive,
        OpaqueKind::Elsewhere,
        OpaqueKind::Scopeless,
    ];
    // What a method does not know is refused alike, whatever it is.
    let (jws, opaque) = if setup == Setup::Introspection { (1, 20) } else { (10, 1) };
    let again = if setup.once().is_some() { 14 } else { 6 };
    prop_oneof![
        jws => key().prop_map(|key| Bring::Jws(key, Flaw::Nothing)),
        again => (0..4_usize).prop_map(Bring::Again),
        jws => (key(), flaw()).prop_map(|(key, flaw)| Bring::Jws(key, flaw)),
        opaque => (select(kinds), 0..2_u8, select(vec![60, 100, 1_000_000]))
            .prop_map(|(kind, number, ends)| Bring::Opaque(kind, number, ends)),
        1 => Just(Bring::Nothing),
    ]
}

fn flaw() -> impl Strategy<Value = Flaw> {
    let at_the_edge = || select(vec![8_u64, 9, 10, 11, 12, 60]);
    prop_oneof![
        1 => select(vec![Flaw::Alg("RS256"), Flaw::Alg("none"), Flaw::Typ, Flaw::Cty, Flaw::Broken]),
        1 => select(vec![Flaw::Iss, Flaw::Sub, Flaw::Aud(PROVIDERS[1]), Flaw::Aud("another"), Flaw::NoId]),
        1 => select(vec![Flaw::Kid("sig3"), Flaw::Kid("next"), Flaw::Kid("unknown")]),
        1 => at_the_edge().prop_map(Flaw::Ended),
        1 => at_the_edge().prop_map(Flaw::Early),
        1 => at_the_edge().prop_map(Flaw::NotBefore),
        1 => select(vec![10_u64, 299, 300, 301, 100_000]).prop_map(Flaw::Lives),
        1 => (0..4_usize).prop_map(Flaw::SameId),
    ]
}

fn manner() -> impl Strategy<Value = Manner> {
    let status = select(vec![204_u16, 302, 400, 401, 403, 404, 429, 500, 503]);
    let retry_after = select(vec![None, Some(0), Some(7), Some(100_000)]);
    prop_oneof![
        14 => Just(Manner::Whole),
        3 => (status, retry_after).prop_map(|(status, retry_after)| Manner::Status(status, retry_after)),
        3 => select(vec![Manner::Short, Manner::Unreadable, Manner::TooLong, Manner::Html]),
        2 => Just(Manner::NoAnswer),
        1 => Just(Manner::Lost),
    ]
}

fn contents() -> impl Strategy<Value = Contents> {
    prop_oneof![
        4 => Just(Contents::First),
        3 => select(vec![Contents::Both, Contents::Next]),
        3 => select(vec![Contents::Swapped, Contents::Ambiguous, Contents::Empty]),
    ]
}

fn wait() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => select(vec![0_u64, 1, 20, 999, 1000, 1001, 2000]),
        3 => 2_000..12_000_u64,
        3 => select(vec![4_999_u64, 5_000, 5_001, 10_001, 30_000, 60_000]),
        2 => select(vec![300_000_u64, 480_000, 590_000, 599_999, 600_000, 600_001]),
    ]
}

fn clock() -> impl Strategy<Value = i64> {
    let steps = vec![1, 500, 1_000, 1_001, 9_000, 11_000, 60_000, 400_000, 3_600_000];
    (select(steps), any::<bool>()).prop_map(|(by, forward)| if forward { by } else { -by })
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        5 => Just(Fault::None),
        6 => select(vec![
            Fault::ReadsFail,
            Fault::WritesFail,
            Fault::Absent,
            Fault::Conflicts,
            Fault::Torn,
            Fault::WrittenYetRefused,
        ]),
        1 => Just(Fault::Lies),
    ]
}
