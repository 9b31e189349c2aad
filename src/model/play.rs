//! Plays a history as a gateway would: hands requests and answers to four workers, makes their callouts, lets time pass, and
//! holds each decision to the reference.

use std::fmt::Write as _;
use std::rc::Rc;

use crate::callout::{Answer, Callout};
use crate::capabilities::{CalloutOwner, Capabilities, Support};
use crate::effects::{CalloutOutcome, Effects, TickOutcome};
use crate::gateway::kinds::GatewayKind;
use crate::request::{ConfiguredHeaders, NonceInput, RequestFacts, RequestId, ResponseFacts};
use crate::request_table::MAX_RELEASED;
use crate::shared_data::SharedData;
use crate::testing::Decided;
use crate::time::{Clocks, Moment, SteadyTime, UnixTime};
use crate::verdict::Verdict;

use super::cast::{Client, HUB, Key, Opaque, OpaqueKind, PROVIDERS, STRANGER, Sending, Token};
use super::reference::{At, Hearing, Reference};
use super::servers::{BOUND_TO, Contents, Manner, asked_about};
use super::setup::{START, Setup, Worker};
use super::shared::{Fault, Flaky};
use super::step::{Bring, Flaw, Step, WORKERS, nth_last};
use super::store::Store;
use super::tally::Tally;

/// A second, in milliseconds as all times here.
const SECOND: u64 = 1_000;
/// How long the end of a history lets everything come to rest: longer than any token lives and any pause lasts.
const REST: u64 = 900 * SECOND;
/// How long the machine has been up when it all begins.
const UPTIME: u64 = 5_000 * SECOND;
/// How long a request may wait while its worker ticks: two callouts with the time for reports, and another worker's before.
const PATIENCE: u64 = 45 * SECOND;

/// How shared data are while all is well: other workers write, too, and that is no fault.
const BUSY: Fault = Fault::Conflicts;

/// What a rule says when it is broken.
pub(super) type Ruling = Result<(), String>;

/// Four workers of one gateway, and all that has happened to them.
pub(super) struct Play {
    pub(super) setup: Setup,
    capabilities: Capabilities,
    /// What the clock on the wall shows, in milliseconds since 1970.
    pub(super) wall: u64,
    /// The latest that it has shown.
    latest: u64,
    /// What the steady clock shows, if there is one.
    steady: Option<u64>,
    workers: Vec<Worker>,
    /// What each has noticed of its clocks.
    clocks: Vec<Clocks>,
    /// Each one's connection.
    ports: [usize; WORKERS],
    pub(super) data: Flaky,
    store: Store,
    in_flight: Vec<InFlight>,
    callouts: usize,
    pub(super) sent: Vec<Sent>,
    tokens: Vec<(Token, String)>,
    contents: Contents,
    takes_callouts: bool,
    /// Whether all is well: then what is right must be let in.
    pub(super) is_calm: bool,
    pub(super) reference: Reference,
    /// The ids of the bank's own tokens that have left.
    pub(super) minted: Vec<String>,
    pub(super) tally: Tally,
    story: String,
}

struct InFlight {
    worker: usize,
    callout: Callout,
    /// The request whose own it is.
    own: Option<usize>,
    number: usize,
    sent: At,
    set_backs: usize,
    as_asked: Contents,
}

/// A request and what is known of it.
pub(super) struct Sent {
    pub(super) sending: Sending,
    pub(super) token: Option<Token>,
    pub(super) state: State,
    /// What its response brought.
    pub(super) response: Option<Token>,
    /// How long it has waited while its worker ticked, and how often it did.
    waited: (u64, usize),
}

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Waits,
    LetGo,
    Refused,
    ResponseWaits,
    Answered,
    /// Its client has hung up, or its worker is no more.
    Gone,
}

impl Play {
    /// Plays a whole history, with an end in which everything is well again.
    pub(super) fn through(
        kind: GatewayKind,
        setup: Setup,
        (has_steady, steps): (bool, &[Step]),
        is_calm: bool,
    ) -> Result<Tally, String> {
        let mut play = Self::new(kind, setup, has_steady, is_calm);
        let mut outcome = Ok(());
        for (number, step) in steps.iter().enumerate() {
            let _ = write!(play.story, "\n  {number:>2} at {}: {step:?}", play.on_the_clock());
            outcome = play.take(step);
            play.tally.steps += 1;
            if outcome.is_err() {
                break;
            }
        }
        let _ = write!(play.story, "\n  the end at {}", play.on_the_clock());
        match outcome.and_then(|()| play.end()) {
            Ok(()) => Ok(play.tally),
            Err(why) => {
                let clock = if has_steady { "with" } else { "without" };
                let (name, story) = (kind.name(), play.story);
                Err(format!("on {name} with {setup:?}, {clock} a steady clock: {why}\nwhat happened:{story}"))
            }
        }
    }

    fn new(kind: GatewayKind, setup: Setup, has_steady: bool, is_calm: bool) -> Self {
        let data = Flaky::default();
        if is_calm {
            data.set_fault(BUSY);
        }
        // One of them has no shared data, whatever is configured.
        let shares = !matches!(kind.data_sharing(), Support::Never { .. });
        let shared = shares.then(|| Rc::new(data.clone()) as Rc<dyn SharedData>);
        let capabilities = kind.capabilities(shared, true);
        // A timer that can wake nobody is of no use.
        let has_timer = capabilities.callout_owner == CalloutOwner::Plugin;
        let capabilities = Capabilities { has_timer, ..capabilities };
        let workers = (0..WORKERS).map(|_| setup.start(&capabilities)).collect();
        let reference = Reference::new(shares, setup.once());
        let wall = START * SECOND;
        Self {
            setup,
            capabilities,
            wall,
            latest: wall,
            steady: has_steady.then_some(UPTIME),
            workers,
            clocks: (0..WORKERS).map(|_| Clocks::new()).collect(),
            ports: std::array::from_fn(|worker| worker),
            data,
            store: Store::new(START * SECOND),
            in_flight: Vec::new(),
            callouts: 0,
            sent: Vec::new(),
            tokens: Vec::new(),
            contents: Contents::First,
            takes_callouts: true,
            is_calm,
            reference,
            minted: Vec::new(),
            tally: Tally::default(),
            story: String::new(),
        }
    }

    /// What time it is for a worker that looks.
    fn now(&mut self, worker: usize) -> Moment {
        self.clocks[worker].moment(UnixTime::from_millis(self.wall), self.steady.map(SteadyTime::from_millis))
    }

    pub(super) fn at(&self) -> At {
        At { wall: self.wall, steady: self.steady.unwrap_or(self.wall) }
    }

    pub(super) fn replaces_responses(&self) -> bool {
        self.capabilities.replaces_responses
    }

    pub(super) fn holds_responses(&self) -> bool {
        self.capabilities.holds_responses
    }

    /// What the clock on the wall shows, counted from the start.
    fn on_the_clock(&self) -> i64 {
        self.wall.checked_signed_diff(START * SECOND).unwrap()
    }

    fn is_of_requests(&self) -> bool {
        self.capabilities.callout_owner == CalloutOwner::Request
    }

    fn take(&mut self, step: &Step) -> Ruling {
        match step {
            Step::Send(sending, bring) => self.send(sending, *bring)?,
            Step::Burst(count, sending, bring) => {
                for _ in 0..*count {
                    self.send(sending, *bring)?;
                }
            }
            Step::Answer { nth, manner, as_asked } => {
                if let Some(from_last) = nth.checked_rem(self.in_flight.len()) {
                    self.answer(self.in_flight.len() - 1 - from_last, *manner, *as_asked)?;
                }
            }
            Step::AnswerAll(manner) => self.answer_all(*manner)?,
            Step::Respond(nth, bring) => self.respond(*nth, *bring)?,
            Step::HangUp(nth) => self.hang_up(*nth),
            Step::Publish(contents) => self.contents = *contents,
            Step::Wait(time) => self.wait(*time)?,
            Step::Freeze(time) => self.pass(*time),
            Step::Clock(by) => self.set_clock(*by),
            Step::Sleep(time) => self.set_clock(i64::try_from(*time).unwrap()),
            Step::Shared(fault) => self.data.set_fault(*fault),
            Step::Damage(damage) => self.data.damage(*damage),
            Step::Forget => {
                self.data.forget();
                if self.reference.once == Some(true) && self.setup != Setup::OnceInTheFleet {
                    self.reference.forget_used();
                }
            }
            Step::Takes(takes) => self.takes_callouts = *takes,
            Step::Restart(worker) => self.restart(*worker),
        }
        // Where no request can wait for another's callout, there is soon no room for more.
        if self.is_calm && self.is_of_requests() { self.answer_all(Manner::Whole) } else { Ok(()) }
    }

    fn set_clock(&mut self, by: i64) {
        if by < 0 && self.steady.is_none() {
            self.reference.set_backs += 1;
        }
        self.wall = self.wall.saturating_add_signed(by);
        self.latest = self.latest.max(self.wall);
    }

    fn pass(&mut self, time: u64) {
        self.wall += time;
        self.steady = self.steady.map(|steady| steady + time);
        self.store.pass(time);
        self.latest = self.latest.max(self.wall);
    }

    /// Lets time pass and the workers tick: after 20 ms, for some seconds once in each, and then a few times.
    fn wait(&mut self, time: u64) -> Ruling {
        if self.is_calm {
            self.answer_all(Manner::Whole)?;
        }
        let mut rest = time;
        for tick in 0_u64.. {
            let moment = match tick {
                0 => 20,
                1..12 => SECOND,
                _ => (rest / 3).max(SECOND),
            };
            let moment = moment.min(rest);
            self.pass(moment);
            rest -= moment;
            for sent in self.sent.iter_mut().filter(|sent| sent.is_held()) {
                sent.waited = (sent.waited.0 + moment, sent.waited.1 + 1);
            }
            self.tick()?;
            if self.is_calm {
                self.answer_all(Manner::Whole)?;
            }
            if rest == 0 {
                break;
            }
        }
        let is_patient = |sent: &&Sent| sent.is_held() && sent.waited.0 > PATIENCE && sent.waited.1 > 40;
        match self.sent.iter().position(|sent| is_patient(&sent)) {
            Some(number) if !self.is_of_requests() => Err(format!("request {number} hangs")),
            _ => Ok(()),
        }
    }

    fn tick(&mut self) -> Ruling {
        for worker in 0..WORKERS {
            if !self.capabilities.has_timer || !self.workers[worker].ticks() {
                continue;
            }
            let now = self.now(worker);
            let TickOutcome { callouts, outcomes, .. } = self.workers[worker].on_tick(now);
            let released: usize = outcomes.iter().map(|outcome| outcome.resumed.len()).sum();
            if released > MAX_RELEASED {
                return Err(format!("a tick has let {released} go"));
            }
            for outcome in outcomes {
                self.follow(worker, outcome, None)?;
            }
            self.call_out(worker, callouts, None)?;
        }
        Ok(())
    }

    fn send(&mut self, sending: &Sending, bring: Bring) -> Ruling {
        let token = self.bring(bring);
        let number = self.sent.len();
        let mut facts = RequestFacts::default();
        if self.setup.is_inbound() {
            facts = self.facts_of(sending, token.as_ref().map(|(_, text)| text.as_str()));
        }
        facts.nonce_input = self.nonce_input(sending.worker);
        let token = token.map(|(token, _)| token);
        self.sent.push(Sent { sending: sending.clone(), token, state: State::Waits, response: None, waited: (0, 0) });
        self.tally.requests += 1;
        let now = self.now(sending.worker);
        let Effects { callouts, verdict, .. } = self.workers[sending.worker].on_request(now, id(number), facts);
        self.go_on(sending.worker, number, callouts, verdict.map(Verdict::Request))
    }

    /// No generator of random numbers, and no ids: a connection belongs to one worker, and ends with it, and that is all.
    fn nonce_input(&self, worker: usize) -> NonceInput {
        let client = format!("127.0.0.1:{}", self.ports[worker]).into_bytes();
        NonceInput { client: Some(client), ..NonceInput::default() }
    }

    fn facts_of(&self, sending: &Sending, token: Option<&str>) -> RequestFacts {
        let mut facts = RequestFacts::default();
        facts.peer.verified = sending.client != Client::Pretender;
        facts.peer.subject = Some(if sending.client == Client::Stranger { STRANGER } else { HUB }.into());
        facts.peer.fingerprint = Some(BOUND_TO.into());
        let mut note = |name: &str, value: &str| {
            facts.note_header(name.as_bytes(), value.as_bytes(), &ConfiguredHeaders::default());
        };
        let (method, path) = if sending.initiates { ("POST", "/payments") } else { ("GET", "/accounts") };
        note(":method", method);
        note(":path", path);
        if let Some(provider) = sending.provider {
            note("o3-provider-id", provider);
        }
        if sending.reserved {
            note("x-hub-token-id", "1");
        }
        if let Some(token) = token {
            (0..sending.credentials).for_each(|_| note("authorization", &format!("Bearer {token}")));
        }
        facts
    }

    /// The token that is brought, and its text.
    fn bring(&mut self, bring: Bring) -> Option<(Token, String)> {
        let now = self.wall / SECOND;
        let (token, text) = match bring {
            Bring::Nothing => return None,
            Bring::Again(nth) => return nth_last(&self.tokens, nth).cloned(),
            Bring::Opaque(kind, number, ends) => {
                let opaque = Opaque { kind, number, exp: START + ends };
                (Token::Opaque(opaque), opaque.text())
            }
            Bring::Jws(key, flaw) => {
                let ids: Vec<String> = self.tokens.iter().filter_map(|(token, _)| token.id()).collect();
                let jws = flaw.of(key, now, format!("id-{}", self.tokens.len()), &ids);
                let text = jws.sign();
                (Token::Jws(Box::new(jws)), text)
            }
        };
        self.tokens.push((token.clone(), text.clone()));
        Some((token, text))
    }

    /// A response comes to a request that has gone on.
    fn respond(&mut self, nth: usize, bring: Bring) -> Ruling {
        let let_go = self.sent.iter().enumerate().filter(|(_, sent)| sent.state == State::LetGo);
        let let_go: Vec<usize> = let_go.map(|(number, _)| number).collect();
        let Some(&number) = nth_last(&let_go, nth).filter(|_| self.setup.looks_at_responses()) else { return Ok(()) };
        let token = if self.setup.is_inbound() { None } else { self.bring(bring) };
        let mut facts = ResponseFacts::default();
        token.iter().for_each(|(_, text)| facts.note_token(format!("Bearer {text}").as_bytes()));
        let worker = self.sent[number].sending.worker;
        facts.nonce_input = self.nonce_input(worker);
        self.sent[number].state = State::ResponseWaits;
        self.sent[number].waited = (0, 0);
        self.sent[number].response = token.map(|(token, _)| token);
        self.tally.responses += 1;
        let now = self.now(worker);
        let Effects { callouts, verdict, .. } = self.workers[worker].on_response(now, id(number), facts);
        self.go_on(worker, number, callouts, verdict.map(Verdict::Response))
    }

    /// Does what is to be done for a request or its response.
    fn go_on(&mut self, worker: usize, number: usize, callouts: Vec<Callout>, verdict: Option<Verdict>) -> Ruling {
        let is_decided = verdict.is_some();
        if let Some(verdict) = verdict {
            self.decided(worker, number, &verdict)?;
        }
        // Where callouts belong to requests, one that is decided makes none.
        if is_decided && self.is_of_requests() {
            return Ok(());
        }
        if self.is_of_requests() && callouts.len() != 1 {
            return Err(format!("request {number} is held and makes {} callouts", callouts.len()));
        }
        self.call_out(worker, callouts, Some(number))
    }

    fn call_out(&mut self, worker: usize, callouts: Vec<Callout>, own: Option<usize>) -> Ruling {
        for callout in callouts {
            if !self.takes_callouts {
                let now = self.now(worker);
                let outcome = self.workers[worker].on_not_dispatched(now, callout.id, &callout.subject);
                self.follow(worker, outcome, own)?;
                continue;
            }
            self.callouts += 1;
            self.in_flight.push(InFlight {
                worker,
                callout,
                own: own.filter(|_| self.is_of_requests()),
                number: self.callouts,
                sent: self.at(),
                set_backs: self.reference.set_backs,
                as_asked: self.contents,
            });
        }
        Ok(())
    }

    fn answer_all(&mut self, manner: Manner) -> Ruling {
        // What follows from an answer is answered, too, as long as there may be such a thing.
        for _ in 0..4 * self.in_flight.len() {
            if self.in_flight.is_empty() {
                break;
            }
            self.answer(0, manner, false)?;
        }
        Ok(())
    }

    fn answer(&mut self, place: usize, manner: Manner, as_asked: bool) -> Ruling {
        let InFlight { worker, callout, own, number, sent, set_backs, as_asked: then } = self.in_flight.remove(place);
        // A gateway that wakes nobody tells the request of each end.
        let manner = if manner == Manner::Lost && self.is_of_requests() { Manner::NoAnswer } else { manner };
        // A store may have done what it was asked for, whatever comes of its answer.
        let stored = (callout.request.upstream == "store" && (manner.is_done() || number % 2 == 0))
            .then(|| self.store.take(&callout.request));
        if manner == Manner::Lost {
            return Ok(());
        }
        self.tally.answers += 1;
        let contents = if as_asked { then } else { self.contents };
        if manner == Manner::Whole {
            let hearing = Hearing { worker, callout: number, sent, now: self.at(), set_backs };
            match callout.request.upstream.as_str() {
                "keystore" => self.reference.note_set(hearing, contents),
                "as" => {
                    if let Some(token) = asked_about(&callout.request.body) {
                        self.reference.note_said(hearing, token, contents.said(token, self.wall));
                    }
                }
                _ => {}
            }
        }
        let body = stored.unwrap_or_else(|| contents.body(&callout, self.wall));
        let date = (callout.request.upstream == "store").then(|| self.store.date());
        let answer = Answer { date, ..manner.answer(body) };
        let now = self.now(worker);
        let outcome = self.workers[worker].on_answer(now, callout.id, &callout.subject, &answer);
        if outcome.resumed.len() > MAX_RELEASED {
            return Err(format!("an answer has let {} go", outcome.resumed.len()));
        }
        let is_decided = outcome.resumed.iter().any(|resumed| own == Some(number_of(resumed.id)));
        let is_held = own.is_some_and(|own| self.sent[own].is_held());
        if is_held && !is_decided && outcome.callouts.len() != 1 {
            return Err(format!("the callout of request {own:?} has ended, and nothing follows"));
        }
        self.follow(worker, outcome, own)
    }

    /// Does what follows from the end of a callout.
    fn follow(&mut self, worker: usize, outcome: CalloutOutcome, own: Option<usize>) -> Ruling {
        let CalloutOutcome { callouts, resumed, .. } = outcome;
        for resumed in resumed {
            let number = number_of(resumed.id);
            if self.is_of_requests() && own != Some(number) {
                return Err(format!("request {number} is woken by the callout of {own:?}"));
            }
            self.decided(worker, number, &resumed.verdict)?;
        }
        self.call_out(worker, callouts, own)
    }

    /// Each request and each response is decided on once, while it waits, and as the rules are.
    fn decided(&mut self, worker: usize, number: usize, verdict: &Verdict) -> Ruling {
        let named = |why: String| format!("request {number} at worker {worker}: {why}");
        let sent = self.sent.get(number).ok_or_else(|| named("nobody has sent it".to_owned()))?;
        let is_awaited = match verdict {
            Verdict::Request(_) => sent.state == State::Waits,
            Verdict::Response(_) => sent.state == State::ResponseWaits,
        };
        if !is_awaited || sent.sending.worker != worker {
            return Err(named(format!("{} is decided, and it is {:?}", verdict.word(), sent.state)));
        }
        let _ = write!(self.story, "\n       request {number} at worker {worker}: {}", verdict.word());
        self.tally.note(verdict.word());
        match verdict {
            Verdict::Request(verdict) => self.judge_request(number, verdict).map_err(named),
            Verdict::Response(verdict) => self.judge_response(number, verdict).map_err(named),
        }
    }

    fn hang_up(&mut self, nth: usize) {
        let Some(from_last) = nth.checked_rem(self.sent.len()) else { return };
        self.ends(self.sent.len() - 1 - from_last);
    }

    fn ends(&mut self, number: usize) {
        let Sent { sending, state, .. } = &mut self.sent[number];
        *state = State::Gone;
        let worker = sending.worker;
        self.workers[worker].on_request_end(id(number));
        self.in_flight.retain(|callout| callout.own != Some(number));
    }

    /// A worker begins anew: what waited there is gone, and so is what it knew.
    fn restart(&mut self, worker: usize) {
        self.workers[worker] = self.setup.start(&self.capabilities);
        self.clocks[worker] = Clocks::new();
        self.ports[worker] += WORKERS;
        self.in_flight.retain(|callout| callout.worker != worker);
        self.sent.iter_mut().filter(|sent| sent.sending.worker == worker).for_each(|sent| sent.state = State::Gone);
        self.reference.forget(worker);
    }

    /// Everything is well again, and some time passes: nothing waits then, and whatever is right is let in, once.
    fn end(&mut self) -> Ruling {
        self.is_calm = false;
        self.data.set_fault(BUSY);
        self.takes_callouts = true;
        self.contents = Contents::Both;
        if !self.setup.is_inbound() || self.setup == Setup::Introspection {
            self.contents = Contents::First;
        }
        for _ in 0..2 {
            // Clocks agree again, also with that of the store.
            self.latest = self.latest.max(self.store.clock());
            self.set_clock(i64::try_from(self.latest - self.wall).unwrap());
            self.pass(REST);
            // What is shared may be damaged, and is mended when it is used.
            for worker in 0..WORKERS {
                self.send(&GOOD.at(worker), right(self.setup, 1))?;
            }
            for _ in 0..4 {
                self.answer_all(Manner::Whole)?;
                self.wait(14 * SECOND)?;
            }
        }
        if let Some(number) = self.sent.iter().position(Sent::is_held) {
            return Err(format!("request {number} still waits"));
        }
        self.is_calm = self.setup != Setup::OnceCrowded;
        self.pass(REST);
        self.wait(14 * SECOND)?;
        for worker in 0..WORKERS {
            let before = self.tally.admitted();
            self.send(&GOOD.at(worker), right(self.setup, 2))?;
            self.answer_all(Manner::Whole)?;
            if self.is_calm && self.tally.admitted() == before {
                return Err(format!("worker {worker} lets nothing in any more"));
            }
            for other in 0..WORKERS {
                self.send(&GOOD.at(other), Bring::Again(0))?;
                self.answer_all(Manner::Whole)?;
            }
        }
        match self.sent.iter().position(Sent::is_held) {
            Some(number) => Err(format!("request {number} waits in the end")),
            None => Ok(()),
        }
    }
}

/// A request of the Hub in which nothing is wrong.
const GOOD: Sending = Sending {
    worker: 0,
    client: Client::Hub,
    provider: Some(PROVIDERS[0]),
    reserved: false,
    credentials: 1,
    initiates: false,
};

/// What is right, each time another.
fn right(setup: Setup, number: u8) -> Bring {
    match setup {
        Setup::Introspection => Bring::Opaque(OpaqueKind::Right, 100 + number, 1_000_000_000),
        _ => Bring::Jws(Key::First, Flaw::Nothing),
    }
}

impl Sending {
    fn at(&self, worker: usize) -> Self {
        Self { worker, ..self.clone() }
    }
}

impl Sent {
    /// Whether it or its response waits.
    fn is_held(&self) -> bool {
        matches!(self.state, State::Waits | State::ResponseWaits)
    }
}

impl Token {
    fn id(&self) -> Option<String> {
        match self {
            Self::Jws(jws) => Some(jws.jti.clone()),
            Self::Opaque(_) => None,
        }
    }
}

fn id(number: usize) -> RequestId {
    RequestId(u32::try_from(number).unwrap())
}

fn number_of(id: RequestId) -> usize {
    usize::try_from(id.0).unwrap()
}
