//! What the three Envoys have in common: who sends, what is counted, and a server that falls into trouble and recovers.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::sleep;
use wasm_tests::stage::client::{Outcome, Request};
use wasm_tests::stage::envoy::Envoy;

use super::dice::Dice;
use super::figures::Figures;
use super::trouble::Troubles;

/// The header that says what a request is: its number if it is good, what is wrong with it if it is hostile.
pub(crate) const MARK: &str = "x-soak";

/// What is wrong with a token that was let in before.
const REPLAYED: &str = "a token that was let in before";

/// How many send at a time to each Envoy.
const LANES: u64 = 3;

/// How long each waits after an answer.
const PAUSE: Duration = Duration::from_millis(30);

/// A future on the heap.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What goes to an Envoy.
pub(crate) struct Shot {
    /// The request, which is good if nothing is wrong with it.
    pub(crate) request: Request,
    /// What is wrong with it.
    pub(crate) wrong: Option<&'static str>,
    /// Who presents it.
    pub(crate) caller: Caller,
    /// The token that it brings, if it must not be brought again.
    pub(crate) once: Option<String>,
}

/// Who presents a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The Hub; outbound, the bank's own authorisation server.
    Hub,
    /// A second Hub.
    OtherHub,
    /// A third-party provider.
    Tpp,
    /// One with a certificate that says that it is the Hub's, from nobody.
    SelfSigned,
    /// One without a certificate.
    Nobody,
}

/// One Envoy with everybody around it.
pub(crate) trait Side: Send + Sync + 'static {
    /// Its figures.
    fn desk(&self) -> &Desk;

    /// The next request; a good one has this number. None while there is nothing to send.
    fn shot(&self, number: u64, dice: &mut Dice) -> Option<Shot>;

    /// Sends a request, on a connection of its own.
    fn send<'a>(&'a self, shot: &'a Shot) -> Boxed<'a, Outcome>;

    /// Has the server that the filter calls fall into some trouble, or recover.
    fn trouble<'a>(&'a self, begins: bool, dice: &'a mut Dice) -> Boxed<'a, ()>;

    /// Looks at what has come to the bank or to the Hub, and at Envoy's memory.
    fn look(&self) -> Boxed<'_, ()>;
}

/// Where the figures of one Envoy are kept.
pub(crate) struct Desk {
    state: Mutex<State>,
    process: u32,
}

struct State {
    figures: Figures,
    troubles: Troubles,
    vms: Option<u64>,
    /// The good requests that have arrived, by number.
    arrived: BTreeSet<u64>,
}

impl Desk {
    /// For this Envoy. What is cached serves for so long without the server.
    pub(crate) fn new(name: &'static str, envoy: &Envoy, cached: Duration) -> Self {
        let process = envoy.process();
        let resident = resident(process);
        let figures = Figures { name, memory: (resident, resident, resident), ..Figures::default() };
        let state = State { figures, troubles: Troubles::new(cached), vms: None, arrived: BTreeSet::new() };
        Self { state: Mutex::new(state), process }
    }

    /// What there is so far.
    pub(crate) fn figures(&self) -> Figures {
        let state = self.state();
        Figures { troubles: state.troubles.count(), ..state.figures.clone() }
    }

    /// Notes what came of a request.
    fn note(&self, wrong: Option<&str>, outcome: &Outcome, sent: Instant) {
        let mut state = self.state();
        if wrong.is_some() {
            state.figures.hostile += 1;
            return;
        }
        state.figures.good += 1;
        let told = match outcome {
            Outcome::Reply(reply) if reply.status == 200 => {
                state.figures.admitted += 1;
                return;
            }
            Outcome::Reply(reply) => format!("{} {}", reply.status, reply.error_code().unwrap_or_default()),
            Outcome::Refused(reason) => reason.clone(),
        };
        let is_for_now = matches!(outcome, Outcome::Reply(reply) if reply.status == 503);
        if is_for_now && state.troubles.excuse(sent, Instant::now()) {
            state.figures.excused += 1;
        } else {
            *state.figures.refused.entry(told).or_default() += 1;
        }
    }

    /// A request with this mark has reached the bank or the Hub, where only a good one may come, and once.
    pub(crate) fn arrived(&self, mark: Option<&str>) {
        let mut state = self.state();
        let wrong = match mark.map(str::parse) {
            Some(Ok(number)) if state.arrived.insert(number) => return,
            Some(Ok(_)) => "a good one a second time",
            _ => mark.unwrap_or("nobody's"),
        };
        *state.figures.doors.entry(wrong.to_owned()).or_default() += 1;
    }

    /// A request has left with a token that the Hub refuses for this reason.
    pub(crate) fn left_unsigned(&self, why: &str) {
        *self.state().figures.unsigned.entry(why.to_owned()).or_default() += 1;
    }

    /// Notes how much memory Envoy has, and how many VMs it has made so far.
    pub(crate) async fn note_envoy(&self, envoy: &Envoy) {
        let vms = envoy.stats("wasm.*created").await.values().sum::<u64>();
        let resident = resident(self.process);
        let mut state = self.state();
        let first = *state.vms.get_or_insert(vms);
        state.figures.more_vms = vms.saturating_sub(first);
        let (start, _, most) = state.figures.memory;
        state.figures.memory = (start, resident, most.max(resident));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends, and has the server fall into trouble, until the tasks are aborted. The pace is that of a short run.
pub(crate) fn load(side: &Arc<dyn Side>, pace: Duration) -> Vec<JoinHandle<()>> {
    let mut tasks: Vec<_> = (0..LANES).map(|lane| tokio::spawn(send(Arc::clone(side), lane))).collect();
    tasks.push(tokio::spawn(flap(Arc::clone(side), pace)));
    tasks
}

async fn send(side: Arc<dyn Side>, lane: u64) {
    let mut dice = Dice::new(lane);
    for number in (lane..).step_by(usize::try_from(LANES).expect("a number")) {
        if let Some(mut shot) = side.shot(number, &mut dice) {
            let mark = shot.wrong.map_or_else(|| number.to_string(), str::to_owned);
            shot.request = shot.request.header(MARK, mark);
            let sent = Instant::now();
            let outcome = side.send(&shot).await;
            side.desk().note(shot.wrong, &outcome, sent);
            // Whoever has seen a token that was let in sends it again.
            if let Some(token) = shot.once.filter(|_| matches!(&outcome, Outcome::Reply(reply) if reply.status == 200))
            {
                let request = Request::with_token(&token).header(MARK, REPLAYED);
                let again = Shot { request, wrong: Some(REPLAYED), caller: shot.caller, once: None };
                let outcome = side.send(&again).await;
                side.desk().note(again.wrong, &outcome, sent);
            }
        }
        sleep(PAUSE).await;
    }
}

/// The server is well for a while, then in trouble for a while, and so on: in a long run for 15 to 45 s, and 2 to 32.
async fn flap(side: Arc<dyn Side>, pace: Duration) {
    let mut dice = Dice::new(99);
    let longest = u64::try_from(pace.as_millis()).expect("a time") / 2;
    loop {
        sleep(Duration::from_millis(longest / 2 + dice.below(longest))).await;
        side.desk().state().troubles.begin(Instant::now());
        side.trouble(true, &mut dice).await;
        sleep(Duration::from_millis(longest / 16 + dice.below(longest))).await;
        side.trouble(false, &mut dice).await;
        side.desk().state().troubles.end(Instant::now());
    }
}

/// The memory of this process that is really there, in bytes (proc_pid_status(5)).
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.map_or(0, |kilobytes| 1024 * kilobytes)
}
