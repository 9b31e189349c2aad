//! Plays a sequence on one gateway: sends, lets time pass, and looks after each moment at what has been decided meanwhile.
//! What must hold then is in `rules.rs`.

use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use wasm_tests::host::{Answer, Exchange, Gateway, Outcome, Peer, Request};
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{Signer, Token, with_broken_signature};

use super::super::scene::{Host, ISSUER, hub, leaf_pem, outcome, peer_of, printed, seconds, token};
use super::setup::{Server, Setup, WORKERS, key, opaque};
use super::step::{Bank, BankToken, Client, Contents, Credential, Detour, Fate, GOOD_BANK, Key, Manner, Sending, Step};

/// The beginning of each body of the bank.
pub const SECRET: &str = "secret of the bank";

/// What a plugin answers that comes before the filter.
pub const OF_A_PLUGIN: &str = "slow down";

/// How much time passes at once while something waits, so that it is known when it was decided.
const MOMENT: Duration = Duration::from_millis(250);

/// How long a request may wait for its verdict: longer than any server drips.
const PATIENCE: Duration = Duration::from_secs(60);

/// A good request, and nothing else about it.
const GOOD: Sending = Sending {
    worker: 0,
    client: Client::Hub,
    credential: Credential::Jwt(Key::First),
    method: "GET",
    path: "/accounts",
    body: false,
    crowd: 0,
    host: true,
    reserved: false,
    detour: Detour::No,
};

/// One gateway, and what has happened to it.
pub struct Play {
    /// Which it is.
    pub host: Host,
    /// How it is configured.
    pub setup: Setup,
    /// It.
    pub gateway: Gateway,
    /// The server that its filter calls.
    pub server: Rc<Server>,
    /// Every request, in order.
    pub sent: Vec<Sent>,
    /// Every way in which the bank has answered, in order; its answers say which.
    pub banks: Vec<BankRecord>,
    /// How far the clock on the wall was ahead of the time that has passed, from which callout on.
    pub offsets: Vec<(usize, i128)>,
    /// How often the clock has jumped.
    pub jumps: usize,
    /// How often the configuration was written to.
    pub rewrites: usize,
    /// What has been let in once: token, worker, and how often the configuration had been written to by then.
    pub used: Vec<(String, usize, usize)>,
    /// The ids of the tokens that have left.
    pub minted: Vec<String>,
    elapsed: Duration,
    /// The latest time that the clock on the wall has shown before it jumped.
    latest_time: Duration,
    latest: Option<Brought>,
    story: String,
}

/// A request and what is known of it.
pub struct Sent {
    /// The request.
    pub exchange: Exchange,
    /// What it is.
    pub sending: Sending,
    /// What it brought.
    pub brought: Option<Brought>,
    /// How often the clock had jumped when it was sent.
    pub jumps: usize,
    /// How often the configuration had been written to: it stays with the plugin that it came to.
    pub rewrites: usize,
    /// Whether its client has hung up.
    pub gone: bool,
    since: Duration,
    decided: bool,
    answered: bool,
}

/// A token.
#[derive(Clone, Debug)]
pub struct Brought {
    /// Its text.
    pub text: String,
    /// What it says, if it is a JWT that the Hub has signed.
    pub claims: Option<Claims>,
}

/// What is right in a token of the Hub: the rest of it is.
#[derive(Clone, Debug)]
pub struct Claims {
    /// The id of the key.
    pub kid: String,
    /// Its own id.
    pub jti: String,
    /// When it begins, in seconds since 1970.
    pub iat: u64,
    /// When it ends.
    pub exp: u64,
}

/// A way in which the bank has answered.
pub struct BankRecord {
    /// The whole body.
    pub body: String,
    /// Its status.
    pub status: u16,
    /// Whether its answers come, whole.
    pub is_sound: bool,
    /// The one token, if there is one and it is the Hub's.
    pub token: Option<Claims>,
}

/// What a rule says when it is broken.
pub type Verdict = Result<(), String>;

impl Play {
    /// Plays a whole sequence, with an end in which everything is well again. Gives what became of each request, or the rule
    /// that was broken. Calm, each request has its verdict before the next step.
    pub fn through(host: Host, setup: Setup, steps: &[Step], is_calm: bool) -> Result<Vec<(Sending, String)>, String> {
        let server = Server::new();
        let gateway = setup.start(host, &server);
        server.ending.set(gateway.now().as_secs() + 90);
        let offset = nanos(gateway.now());
        let mut play = Play {
            host,
            setup,
            gateway,
            server,
            sent: Vec::new(),
            banks: Vec::new(),
            offsets: vec![(0, offset)],
            jumps: 0,
            rewrites: 0,
            used: Vec::new(),
            minted: Vec::new(),
            elapsed: Duration::ZERO,
            latest_time: Duration::ZERO,
            latest: None,
            story: String::new(),
        };
        play.answers(&GOOD_BANK);
        for (number, step) in steps.iter().enumerate() {
            let _ = write!(play.story, "\n  {number:>2} at {:?}: {step:?}", play.elapsed);
            let done = play.take(step).and_then(|()| if is_calm { play.settle() } else { Ok(()) });
            done.map_err(|why| play.tell(&why))?;
        }
        let _ = write!(play.story, "\n  the end at {:?}", play.elapsed);
        play.end().map_err(|why| play.tell(&why))?;
        let verdict = |sent: &Sent| {
            let status = sent.exchange.response().map_or(0, |response| response.status());
            format!("{}, and its response {status}", summary(&sent.exchange.outcome()))
        };
        Ok(play.sent.iter().map(|sent| (sent.sending.clone(), verdict(sent))).collect())
    }

    fn tell(&self, why: &str) -> String {
        let logs = self.gateway.logs();
        let logs: String = logs.iter().skip(logs.len().saturating_sub(8)).map(|log| format!("\n  {log}")).collect();
        format!(
            "on {} with {:?}: {why}\nwhat happened:{}\nthe last lines of its log:{logs}",
            self.host.name(),
            self.setup,
            self.story
        )
    }

    fn take(&mut self, step: &Step) -> Verdict {
        match step {
            Step::Send(sending) => self.send(sending),
            Step::Server(manner) => {
                self.server.manner.set(*manner);
                Ok(())
            }
            Step::Contents(contents) => {
                self.server.contents.set(*contents);
                Ok(())
            }
            Step::Bank(bank) => {
                self.answers(bank);
                Ok(())
            }
            Step::Wait(millis) => self.pass(Duration::from_millis(*millis)),
            Step::HangUp(nth) => {
                let last = self.sent.len().checked_sub(nth + 1);
                if let Some(sent) = last.and_then(|last| self.sent.get_mut(last)) {
                    sent.gone = true;
                    sent.exchange.disconnect();
                }
                self.look(self.gateway.now())
            }
            Step::Clock(by) => {
                let (now, by_duration) = (self.gateway.now(), seconds(by.unsigned_abs()));
                self.set_clock(if *by < 0 { now - by_duration } else { now + by_duration });
                Ok(())
            }
            Step::Rewrite if self.host.dies_of_holding_in_vain => {
                self.gateway.rewrite_configuration();
                self.rewrites += 1;
                self.look(self.gateway.now())
            }
            Step::Rewrite => Ok(()),
        }
    }

    fn set_clock(&mut self, time: Duration) {
        self.latest_time = self.latest_time.max(self.gateway.now());
        self.gateway.set_clock(time);
        self.jumps += 1;
        let ahead = nanos(time) - nanos(self.elapsed);
        self.offsets.push((self.gateway.callouts().len(), ahead));
    }

    /// Whether this gateway can take a request past the filter like this.
    fn knows(&self, detour: Detour) -> bool {
        match detour {
            Detour::No => true,
            Detour::Skips => self.host.replaces_responses && !self.host.holds_responses,
            Detour::Answered => !self.host.holds_responses,
        }
    }

    fn send(&mut self, sending: &Sending) -> Verdict {
        if !self.knows(sending.detour) {
            return Ok(());
        }
        let brought = self.brings(sending);
        let mut request = Request::new(sending.method, sending.path).peer(self.peer(sending.client));
        let authorization = brought.as_ref().map(|brought| format!("Bearer {}", brought.text));
        if let Some(value) = &authorization {
            request = request.header("authorization", value);
        }
        if sending.credential == Credential::Twice {
            request = request.header("Authorization", "Bearer another");
        }
        if sending.body {
            request = request.body("a body");
        }
        if !sending.host {
            request = request.authority("");
        }
        if sending.reserved {
            request = request.header("x-hub-token-id", "1");
        }
        for n in 0..sending.crowd {
            request = request.header(format!("x-{n}"), "1");
        }
        request = match sending.detour {
            Detour::No => request,
            Detour::Skips => request.skips_the_request_phase(),
            Detour::Answered => request.answered_before_the_filter(
                Answer::status(429).body(OF_A_PLUGIN).header("authorization", "Bearer of-a-plugin"),
            ),
        };
        let now = self.gateway.now();
        let exchange = self.gateway.worker(sending.worker).send(request);
        self.sent.push(Sent {
            exchange,
            sending: sending.clone(),
            brought,
            jumps: self.jumps,
            rewrites: self.rewrites,
            gone: false,
            since: self.elapsed,
            decided: false,
            answered: false,
        });
        self.look(now)
    }

    fn peer(&self, client: Client) -> Peer {
        match client {
            Client::Hub => peer_of(hub()),
            Client::Tpp => peer_of(&Pki::shared().tpp),
            Client::Pretender => Peer::untrusted(printed(&hub().subject), "self-signed certificate")
                .issuer(ISSUER)
                .pem(leaf_pem(&hub().transport)),
            Client::Nobody => Peer::none(),
            Client::Plaintext => Peer::plaintext(),
        }
    }

    /// The token that a request brings.
    fn brings(&mut self, sending: &Sending) -> Option<Brought> {
        let unsigned = |text: &str| Some(Brought { text: text.to_owned(), claims: None });
        let now = self.gateway.now().as_secs();
        let right = token(&self.gateway);
        let first = Signer::Ps256(key(Key::First));
        match sending.credential {
            Credential::Missing => None,
            _ if !self.setup.is_inbound() => unsigned("of-the-caller"),
            Credential::Again => self.latest.clone().or_else(|| unsigned("never.seen.before")),
            Credential::Jwt(of) => {
                let brought = signed(right.header("kid", key(of).kid.as_str()), of);
                // Whether it is let in must not depend on the gateway.
                if sending.host && sending.crowd < 90 {
                    self.latest = Some(brought.clone());
                }
                Some(brought)
            }
            Credential::Twice => Some(signed(right, Key::First)),
            Credential::Ending => Some(signed(right.valid(now - 28, now - 8), Key::First)),
            Credential::Expired => Some(signed(right.valid(now - 50, now - 20), Key::First)),
            Credential::Early => Some(signed(right.valid(now + 20, now + 50), Key::First)),
            Credential::WrongSignature(true) => unsigned(&with_broken_signature(&right.sign(first))),
            Credential::WrongSignature(false) => unsigned(&right.sign(Signer::Ps256(&Pki::shared().tpp.signing))),
            Credential::UnknownKid => unsigned(&right.header("kid", "unknown").sign(first)),
            Credential::WrongAudience => unsigned(&right.claim("aud", "another").sign(first)),
            Credential::AlgNone => unsigned(&right.header("alg", "none").sign(Signer::Unsigned)),
            Credential::Garbage => unsigned("a.b.c"),
            Credential::Opaque(kind, which) => unsigned(&opaque(kind, which)),
        }
    }

    /// The bank answers so from now on.
    fn answers(&mut self, bank: &Bank) {
        let number = self.banks.len();
        let body = format!("{SECRET}; {}", ".".repeat(bank.length));
        let body = body.get(..bank.length).unwrap_or(&body).to_owned();
        let now = self.gateway.now().as_secs();
        let right = token(&self.gateway);
        let (tokens, claims) = match bank.token {
            BankToken::Missing => (vec![], None),
            BankToken::Right(of) => {
                let Brought { text, claims } = signed(right.header("kid", key(of).kid.as_str()), of);
                (vec![text], claims)
            }
            BankToken::WrongSignature => {
                (vec![with_broken_signature(&right.sign(Signer::Ps256(key(Key::First))))], None)
            }
            BankToken::Expired => {
                let Brought { text, claims } = signed(right.valid(now - 50, now - 20), Key::First);
                (vec![text], claims)
            }
            BankToken::Twice => (vec![signed(right, Key::First).text; 2], None),
            BankToken::Garbage => (["one", "two", "three"].map(str::to_owned).to_vec(), None),
        };
        let answer = match bank.fate {
            Fate::Comes(millis) => {
                let answer = Answer::status(bank.status).body(&body).header("x-bank", number.to_string());
                let answer = (0..bank.crowd).fold(answer, |answer, n| answer.header(format!("x-{n}"), "1"));
                let bear = |answer: Answer, token: &String| answer.header("authorization", format!("Bearer {token}"));
                let answer = tokens.iter().fold(answer, bear).after(Duration::from_millis(millis));
                if bank.framed { answer } else { answer.until_the_end() }
            }
            Fate::Never => Answer::never(),
            Fate::Refused => Answer::refused(),
            Fate::Reset => Answer::reset(),
            Fate::Half => Answer::half(),
        };
        let is_sound = matches!(bank.fate, Fate::Comes(_));
        self.banks.push(BankRecord { body, status: bank.status, is_sound, token: claims });
        self.gateway.bank(answer);
    }

    /// Lets time pass, in moments while anything waits.
    fn pass(&mut self, time: Duration) -> Verdict {
        let mut rest = time;
        while !rest.is_zero() {
            let waits = self.sent.iter().any(|sent| sent.waits(self.elapsed));
            let moment = if waits { rest.min(MOMENT) } else { rest };
            let before = self.gateway.now();
            self.gateway.advance(moment);
            self.elapsed += moment;
            rest -= moment;
            self.look(before)?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Verdict {
        let before = self.gateway.now();
        self.gateway.settle();
        self.elapsed += self.gateway.now() - before;
        self.look(before)
    }

    /// Looks at what has been decided, and what has been answered, between then and now.
    fn look(&mut self, before: Duration) -> Verdict {
        for index in 0..self.sent.len() {
            let Some(sent) = self.sent.get(index) else { continue };
            if !sent.decided {
                match sent.exchange.outcome() {
                    Outcome::Pending => {
                        // Who waits for a filter that is gone may wait for the gateway's own timeout.
                        let is_patient = self.setup == Setup::Trapping;
                        if !is_patient && self.elapsed.saturating_sub(sent.since) > PATIENCE {
                            return Err(format!("request {index} has waited for {PATIENCE:?}"));
                        }
                    }
                    outcome => {
                        let _ = write!(self.story, "\n       request {index}: {}", summary(&outcome));
                        self.sent[index].decided = true;
                        self.check_decision(index, &outcome, before)?;
                    }
                }
            }
            let sent = &self.sent[index];
            if sent.decided
                && !sent.answered
                && let Some(response) = sent.exchange.response()
            {
                self.sent[index].answered = true;
                if !self.sent[index].gone {
                    self.check_response(index, &response, before)?;
                }
            }
        }
        Ok(())
    }

    /// Everything is well again, and time passes: nothing waits then, and a good request is let in by each worker.
    fn end(&mut self) -> Verdict {
        self.server.manner.set(Manner::Good);
        self.server.contents.set(Contents::First);
        // What came before the clock was set back must be as old as all the rest.
        if self.latest_time > self.gateway.now() {
            self.set_clock(self.latest_time);
        }
        self.answers(&GOOD_BANK);
        self.pass(seconds(600))?;
        self.check_that_nothing_waits()?;
        if self.setup == Setup::Trapping {
            return Ok(());
        }
        for worker in 0..WORKERS {
            for _ in 0..2 {
                // Its token must be new.
                self.answers(&GOOD_BANK);
                let credential = match self.setup.introspects() {
                    true => Credential::Opaque(super::step::Opaque::Active, 0),
                    false => Credential::Jwt(Key::First),
                };
                self.send(&Sending { worker, credential, ..GOOD })?;
                self.settle()?;
                let sent = self.sent.last().expect("it was sent");
                if !matches!(sent.exchange.outcome(), Outcome::Upstream(_)) {
                    return Err(format!("worker {worker} lets no good request in: {}", outcome(&sent.exchange)));
                }
                let body = sent.exchange.response().map(|response| response.body).unwrap_or_default();
                if !body.starts_with(SECRET.as_bytes()) {
                    return Err(format!("its response is {:?}", String::from_utf8_lossy(&body)));
                }
            }
        }
        self.check_records()
    }

    /// How much time had passed at the dispatch of a callout, by the time on the wall then.
    pub fn age(&self, callout: usize, at: Duration) -> i128 {
        let offset = self.offsets.iter().rev().find(|(first, _)| *first <= callout).map_or(0, |(_, offset)| *offset);
        nanos(self.elapsed) - (nanos(at) - offset)
    }
}

impl Sent {
    /// Whether its verdict or its response may still come.
    fn waits(&self, elapsed: Duration) -> bool {
        !self.gone && (!self.decided || (!self.answered && elapsed.saturating_sub(self.since) < 2 * PATIENCE))
    }

    /// Whether it has its verdict.
    pub fn is_decided(&self) -> bool {
        self.decided
    }

    /// Whether it has its response.
    pub fn is_answered(&self) -> bool {
        self.answered
    }
}

fn signed(token: Token, with: Key) -> Brought {
    let text = token.sign(Signer::Ps256(key(with)));
    let claim = |name: &str| token.claims[name].as_u64().expect("a number");
    let claims = Claims {
        kid: key(with).kid.clone(),
        jti: token.claims["jti"].as_str().expect("text").to_owned(),
        iat: claim("iat"),
        exp: claim("exp"),
    };
    Brought { text, claims: Some(claims) }
}

/// A point in time, or a span of it, as a number.
pub fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).expect("a time of this age")
}

fn summary(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Upstream(_) => "goes on".into(),
        Outcome::Replied(reply) => format!("{} {}", reply.status, reply.details),
        Outcome::Pending => "waits".into(),
        Outcome::Failed(cut) => format!("{cut:?}"),
    }
}
