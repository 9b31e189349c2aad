//! The table of the demo: a row a request, a section a method. Each row is compared with what is expected, and at the end of
//! a section what its requests brought the bank.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use wasm_tests::stage::bank::Received;
use wasm_tests::stage::client::{Outcome, Reply};
use wasm_tests::stage::{OutboundStage, Stage};

/// The method that the bank is told of a token that only the bank can read.
const UNVERIFIED: &str = "unverified_service_initiation";

/// What ought to come of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// An answer of the bank, which got the section's method and no credential.
    Accepted,
    /// An answer of the bank, which got the credential unread and a warning.
    Unverified,
    /// An answer of the filter: status and `errorCode`.
    Refused(u16, &'static str),
    /// An answer of the filter to a health check: `mtlsStatus`.
    Healthy(&'static str),
    /// An answer of the filter to a health check that ought to have come with a certificate.
    Unhealthy,
    /// An answer of the Hub, which verified the bank's token; the `kid` in it.
    Signed(&'static str),
    /// The Hub's answer to `GET /hello-mtls`.
    Hello,
    /// No answer: the TLS handshake fails.
    Tls,
}

impl Expected {
    fn text(self) -> String {
        match self {
            Self::Accepted => "200".to_owned(),
            Self::Unverified => "200 unverified".to_owned(),
            Self::Refused(status, code) => format!("{status} {code}"),
            Self::Healthy(status) => format!("200 {status}"),
            Self::Unhealthy => "401 errorMessage".to_owned(),
            Self::Signed(key_id) => format!("200 {key_id}"),
            Self::Hello => "200 established".to_owned(),
            Self::Tls => "TLS refused".to_owned(),
        }
    }

    /// Whether whoever is behind the gateway gets the request.
    fn passes(self) -> bool {
        matches!(self, Self::Accepted | Self::Unverified | Self::Signed(_) | Self::Hello)
    }

    fn is(self, outcome: &Outcome, method: &str) -> bool {
        let Outcome::Reply(reply) = outcome else { return self == Self::Tls };
        let (status, body) = (reply.status, reply.json());
        match self {
            Self::Accepted => status == 200 && at_bank(&body) == (Some(method), false),
            Self::Unverified => status == 200 && at_bank(&body) == (Some(UNVERIFIED), true),
            Self::Refused(expected, code) => status == expected && body["errorCode"] == code,
            Self::Healthy(expected) => status == 200 && body["mtlsStatus"] == expected,
            Self::Unhealthy => status == 401 && body["errorMessage"].is_string() && body["errorCode"].is_null(),
            Self::Signed(key_id) => status == 200 && key_id_at_hub(&body).as_deref() == Some(key_id),
            Self::Hello => status == 200 && body["mtlsStatus"] == "established",
            Self::Tls => false,
        }
    }
}

/// Of what the Hub shows that it received: the `kid` of the token.
fn key_id_at_hub(echo: &Value) -> Option<String> {
    let lines = echo["headers"].as_array()?;
    let value = lines.iter().find(|line| line[0] == "authorization")?[1].as_str()?;
    let header = value.strip_prefix("Bearer ")?.split('.').next()?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    header["kid"].as_str().map(ToOwned::to_owned)
}

/// Of what the bank's backend shows that it received: the method, and whether there is a credential.
fn at_bank(echo: &Value) -> (Option<&str>, bool) {
    let lines = || echo["headers"].as_array().into_iter().flatten();
    let method = lines().find(|line| line[0] == "x-hub-auth-method").and_then(|line| line[1].as_str());
    (method, lines().any(|line| line[0] == "authorization"))
}

/// Everything that is printed.
pub struct Table {
    started: Instant,
    sections: usize,
    requests: usize,
    differences: usize,
}

impl Table {
    /// Prints its head.
    pub fn new() -> Self {
        line("", "case", "expected", "got", "with", "time");
        line("", &"-".repeat(40), &"-".repeat(30), "-----------", &"-".repeat(23), "---------");
        Self { started: Instant::now(), sections: 0, requests: 0, differences: 0 }
    }

    /// Begins a section on this method of authentication, as the bank is told of it.
    pub fn section(&mut self, method: &'static str, headline: &str) -> Section<'_> {
        self.sections += 1;
        println!("\n{}. {headline}", self.sections);
        Section { table: self, method, requests: 0, passed: 0, differences: 0 }
    }

    /// Prints the sum.
    pub fn end(&self) -> ExitCode {
        let Self { sections, requests, differences, .. } = self;
        let seconds = self.started.elapsed().as_secs();
        if *differences > 0 {
            println!("\n{requests} requests in {sections} sections; {differences} things are not as expected.");
            return ExitCode::FAILURE;
        }
        println!("\n{requests} requests in {sections} sections, {seconds} s: all as expected.");
        ExitCode::SUCCESS
    }
}

/// What came of requests that were sent at the same time.
pub struct Batch {
    /// Of each.
    pub outcomes: Vec<Outcome>,
    /// From sending the first to having the last answer.
    pub took: Duration,
}

impl Batch {
    /// How many were refused with which code. It stands for its status, 401; others are told.
    pub fn refusals(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for outcome in &self.outcomes {
            let refusal = match outcome {
                Outcome::Reply(Reply { status: 200, .. }) => continue,
                Outcome::Reply(reply) if reply.status == 401 => remark(reply),
                Outcome::Reply(reply) => format!("{} {}", reply.status, remark(reply)),
                Outcome::Refused(reason) => reason.clone(),
            };
            *counts.entry(refusal).or_default() += 1;
        }
        counts.iter().map(|(refusal, count)| format!("{count} × {refusal}")).collect::<Vec<_>>().join(", ")
    }
}

/// The rows on one subject.
pub struct Section<'t> {
    table: &'t mut Table,
    method: &'static str,
    requests: usize,
    passed: usize,
    differences: usize,
}

impl Section<'_> {
    /// One request.
    pub fn row(&mut self, what: &str, expected: Expected, outcome: Outcome) {
        self.requests += 1;
        self.passed += usize::from(expected.passes());
        let (got, with, time) = match &outcome {
            Outcome::Reply(reply) => (reply.status.to_string(), remark(reply), milliseconds(reply.took)),
            Outcome::Refused(_) => ("TLS refused".to_owned(), "-".to_owned(), "-".to_owned()),
        };
        let mark = self.judge(expected.is(&outcome, self.method));
        line(mark, what, &expected.text(), &got, &with, &time);
    }

    /// Many requests at once, of which so many pass, and what else was counted of them.
    pub fn many(&mut self, what: &str, passing: usize, expected_with: &str, batch: &Batch, with: &str) {
        self.requests += batch.outcomes.len();
        self.passed += passing;
        let passed = batch.outcomes.iter().filter(|outcome| Expected::Accepted.is(outcome, self.method)).count();
        let mark = self.judge((passed, with) == (passing, expected_with));
        let expected = format!("{passing} × 200, {expected_with}");
        line(mark, what, &expected, &format!("{passed} × 200"), with, &milliseconds(batch.took));
    }

    /// Something else that is worth a line.
    pub fn note(&mut self, text: &str, as_expected: bool) {
        let mark = self.judge(as_expected);
        println!("  {text}{mark}");
    }

    /// Prints what the bank got on these stages, and what their gateways complained of if anything differs.
    pub fn end(mut self, stages: &[&Stage]) {
        let received: Vec<Received> = stages.iter().flat_map(|stage| stage.bank.received()).collect();
        let count = format!("{} requests, {} reached the bank", self.requests, received.len());
        let as_expected = received.len() == self.passed;
        match received.first() {
            Some(first) => {
                let value =
                    |name: &str| first.value(name).map_or(format!("no {name}"), |text| format!("{name}: {text}"));
                self.note(&format!("{count}, the first with {},", value("x-hub-auth-method")), as_expected);
                self.note(&format!("{}, {}", value("x-hub-client-organisation"), value("x-hub-token-id")), true);
                if self.table.sections == 1 {
                    self.note(&format!("and {}", value("x-hub-client-organisational-unit")), true);
                }
            }
            None => self.note(&count, as_expected),
        }
        self.finish(stages.iter().map(|stage| stage.envoy.log()).collect());
    }

    /// The same of requests to the Hub: how many reached it, and what the audit trail says of them.
    pub fn end_outbound(mut self, stages: &[&OutboundStage], unsigned: usize) {
        let reached: usize = stages.iter().map(|stage| stage.hub.calls().len()).sum();
        let refused = stages.iter().flat_map(|stage| stage.hub.calls()).filter(|call| call.verdict.is_err()).count();
        let log: String = stages.iter().map(|stage| stage.envoy.log()).collect();
        let signatures = log.matches(r#""event":"signed""#).count();
        let (requests, passed) = (self.requests, self.passed + unsigned);
        let text = format!("{requests} requests, {reached} reached the Hub, which refused {refused} of their tokens;");
        self.note(&text, reached == passed && refused == 0);
        self.note(&format!("{signatures} signatures in the audit trail"), signatures == reached);
        self.finish(log);
    }

    fn finish(self, log: String) {
        if self.differences > 0 {
            println!("What Envoy complained of:");
            log.lines().filter(|line| !line.contains("[info]")).for_each(|line| println!("{line}"));
        }
        self.table.requests += self.requests;
        self.table.differences += self.differences;
    }

    fn judge(&mut self, as_expected: bool) -> &'static str {
        self.differences += usize::from(!as_expected);
        if as_expected { "" } else { "  <-- DIFFERS" }
    }
}

/// What a reply says beside its status.
fn remark(reply: &Reply) -> String {
    let body = reply.json();
    if at_bank(&body).0 == Some(UNVERIFIED) {
        return "unverified".to_owned();
    }
    let text = |name: &str| body[name].as_str().map(ToOwned::to_owned);
    let message = || text("errorMessage").map(|_| "errorMessage".to_owned());
    let key_id = || key_id_at_hub(&body);
    text("errorCode").or_else(|| text("mtlsStatus")).or_else(message).or_else(key_id).unwrap_or_else(|| "-".to_owned())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn line(mark: &str, what: &str, expected: &str, got: &str, with: &str, time: &str) {
    println!("{what:<40}  {expected:<30}  {got:<11}  {with:<23}  {time:>9}{mark}");
}
