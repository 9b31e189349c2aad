//! The Hub and a thief, on connections that stay open, while something fails: each second token is sent to all gateways at the same
//! time, and each other one to one gateway, and to the next once it has passed. Of a token at most one presentation may pass.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use wasm_tests::stage::client::{Connection, Outcome, Request};
use wasm_tests::stage::fleet::Fleet;
use wasm_tests::stage::signed_by;

/// What came of one presentation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Presentation {
    Admitted,
    /// 401 `JWS.InvalidClaim`: it was used before.
    Replayed,
    /// 503 with `Retry-After`.
    Unavailable,
    Other(String),
}

impl Presentation {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let reply = match outcome {
            Outcome::Reply(reply) => reply,
            Outcome::Refused(reason) => return Self::Other(reason.clone()),
        };
        let body = reply.json();
        let message = body["errorMessage"].as_str().unwrap_or_default();
        match (reply.status, body["errorCode"].as_str()) {
            (200, _) => Self::Admitted,
            (401, Some("JWS.InvalidClaim")) if message.contains("used before") => Self::Replayed,
            (503, Some("GenericRecoverableError")) if reply.header("retry-after").is_some() => Self::Unavailable,
            (status, code) => Self::Other(format!("{status} {code:?} {message}")),
        }
    }
}

/// One token, and what came of it at each gateway.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// When it was sent, from the beginning of the load.
    at: Duration,
    took: Duration,
    /// Whether one gateway got it first, as from a Hub without a thief.
    is_alone: bool,
    presentations: Vec<Presentation>,
}

impl Token {
    fn count(&self, presentation: &Presentation) -> usize {
        self.presentations.iter().filter(|one| *one == presentation).count()
    }
}

/// What came of many.
pub(super) struct Tally(Vec<Token>);

impl Tally {
    /// Of those whose answers came in this time: what was on its way when something failed, that concerned.
    pub(super) fn between(&self, from: Duration, to: Duration) -> Self {
        Self(self.0.iter().filter(|token| (from..to).contains(&(token.at + token.took))).cloned().collect())
    }

    pub(super) fn tokens(&self) -> usize {
        self.0.len()
    }

    /// How often a token passed that had passed.
    pub(super) fn admitted_replays(&self) -> usize {
        self.0.iter().map(|token| token.count(&Presentation::Admitted).saturating_sub(1)).sum()
    }

    /// How many presentations passed.
    pub(super) fn admitted(&self) -> usize {
        self.0.iter().map(|token| token.count(&Presentation::Admitted)).sum()
    }

    /// How many tokens passed at no gateway.
    pub(super) fn refused(&self) -> usize {
        self.0.iter().filter(|token| token.count(&Presentation::Admitted) == 0).count()
    }

    /// How long after this time the last token was sent that passed at no gateway.
    pub(super) fn last_refused_after(&self, from: Duration) -> Duration {
        let refused = self.0.iter().filter(|token| token.count(&Presentation::Admitted) == 0);
        refused.map(|token| token.at.saturating_sub(from)).max().unwrap_or_default()
    }

    /// What the presentations were that should not have been at all.
    pub(super) fn others(&self) -> BTreeMap<String, usize> {
        let mut others = BTreeMap::new();
        for presentation in self.0.iter().flat_map(|token| &token.presentations) {
            if let Presentation::Other(told) = presentation {
                *others.entry(told.clone()).or_default() += 1;
            }
        }
        others
    }

    /// Prints what the load saw of this fault, which began then.
    pub(super) fn print(&self, fault: &str, from: Duration) {
        let mut took: Vec<Duration> = self.0.iter().map(|token| token.took).collect();
        took.sort_unstable();
        let at = |percent: usize| took.get(took.len() * percent / 100).copied().unwrap_or_default().as_millis();
        let unavailable: usize = self.0.iter().map(|token| token.count(&Presentation::Unavailable)).sum();
        println!(
            "{fault:<44} {:>5} tokens, {:>5} passed, {:>2} replays passed; of {:>4} at one gateway {:>3} good refused, the last after \
             {:>4} ms; {unavailable:>4} × 503; p50 {} ms, p95 {} ms, longest {} ms",
            self.tokens(),
            self.admitted(),
            self.admitted_replays(),
            self.0.iter().filter(|token| token.is_alone).count(),
            self.refused(),
            self.last_refused_after(from).as_millis(),
            at(50),
            at(95),
            took.last().copied().unwrap_or_default().as_millis(),
        );
    }

    /// Holds what must hold whatever fails: no token passed twice, and the backend has seen what passed, each once.
    #[track_caller]
    pub(super) fn assert_once(&self, fleet: &Fleet) {
        assert_eq!(self.others(), BTreeMap::new());
        assert_eq!(self.admitted_replays(), 0, "replays that passed");
        let received = fleet.stage.bank.received();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for request in &received {
            *seen.entry(request.value("x-hub-token-id").expect("a token's id")).or_default() += 1;
        }
        assert!(seen.values().all(|count| *count == 1), "the backend saw a token twice");
        assert_eq!(received.len(), self.admitted(), "what the backend saw is what passed");
    }
}

/// Tokens that are being sent.
pub(super) struct Load {
    started: Instant,
    ends: Arc<AtomicBool>,
    lanes: JoinSet<Vec<Token>>,
}

impl Load {
    /// Sends tokens from so many lanes, each with a connection to every gateway and with this pause after each token.
    pub(super) async fn start(fleet: &Fleet, lanes: usize, pause: Duration) -> Self {
        Self::of(fleet, lanes, pause, usize::MAX, true).await
    }

    /// Sends so many, each to all gateways, as fast as it can, and waits for all answers.
    pub(super) async fn run(fleet: &Fleet, lanes: usize, tokens: usize) -> Tally {
        let load = Self::of(fleet, lanes, Duration::ZERO, tokens, false).await;
        Tally(load.lanes.join_all().await.into_iter().flatten().collect())
    }

    async fn of(fleet: &Fleet, lanes: usize, pause: Duration, tokens: usize, some_alone: bool) -> Self {
        let mut opened = Vec::new();
        for _ in 0..lanes {
            let mut lane = Vec::new();
            for gateway in 0..fleet.len() {
                lane.push(fleet.connect(gateway).await);
            }
            opened.push(lane);
        }
        let (ends, left) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(tokens)));
        let started = Instant::now();
        let mut lanes = JoinSet::new();
        for lane in opened {
            lanes.spawn(send(lane, started, pause, some_alone, Arc::clone(&ends), Arc::clone(&left)));
        }
        Self { started, ends, lanes }
    }

    /// The time since it began.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for the answers that are on their way.
    pub(super) async fn end(self) -> Tally {
        self.ends.store(true, Ordering::Relaxed);
        Tally(self.lanes.join_all().await.into_iter().flatten().collect())
    }
}

async fn send(
    mut lane: Vec<Connection>,
    started: Instant,
    pause: Duration,
    some_alone: bool,
    ends: Arc<AtomicBool>,
    left: Arc<AtomicUsize>,
) -> Vec<Token> {
    let pki = wasm_tests::stage::pki::Pki::shared();
    let mut sent = Vec::new();
    let more = |left: usize| left.checked_sub(1);
    while !ends.load(Ordering::Relaxed) && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
        let request = Request::with_token(&signed_by(&pki.hub));
        let at = started.elapsed();
        let is_alone = some_alone && sent.len() % 2 == 1;
        let presentations = if is_alone {
            let first = sent.len() / 2 % lane.len();
            vec![Presentation::of(&lane[first].send(&request).await)]
        } else {
            present(&mut lane, &request).await
        };
        let mut token = Token { at, took: started.elapsed() - at, is_alone, presentations };
        if is_alone && token.presentations == [Presentation::Admitted] {
            let next = (sent.len() / 2 + 1) % lane.len();
            token.presentations.push(Presentation::of(&lane[next].send(&request).await));
        }
        sent.push(token);
        tokio::time::sleep(pause).await;
    }
    sent
}

/// Sends this on all of these connections at the same time.
async fn present(lane: &mut Vec<Connection>, request: &Request) -> Vec<Presentation> {
    let mut sending = JoinSet::new();
    for mut connection in lane.drain(..) {
        let request = request.clone();
        sending.spawn(async move {
            let outcome = connection.send(&request).await;
            (connection, Presentation::of(&outcome))
        });
    }
    let (connections, presentations): (Vec<_>, Vec<_>) = sending.join_all().await.into_iter().unzip();
    *lane = connections;
    presentations
}
