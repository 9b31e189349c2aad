//! What must hold whatever happens. It is said here anew, and not with the filter's own code.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use wasm_tests::host::{Callout, CalloutOutcome, Gateway, Headers, Metric, Outcome, Response};

use super::super::outbound::{bank, claims_by};
use super::super::scene::{hub, seconds};
use super::play::{Claims, OF_A_PLUGIN, Play, SECRET, Sent, Verdict, nanos};
use super::setup::{Setup, asked_about, known, published};
use super::step::{Client, Contents, Credential, Detour};

/// How far the clocks of the Hub and the bank may differ.
const SKEW: Duration = Duration::from_secs(10);

/// How long a fetched key set is used.
const KEYS_LAST: Duration = Duration::from_secs(600);

/// How long the authorisation server's word counts.
const WORD_LASTS: Duration = Duration::from_secs(60);

/// How long its word counts that a token is none of its own.
const DENIAL_LASTS: Duration = Duration::from_secs(5);

/// How long a callout may take to bring what counts from then on.
const CALLOUT_LASTS: Duration = Duration::from_secs(6);

impl Play {
    /// A request has been decided on, between then and now.
    pub fn check_decision(&mut self, index: usize, outcome: &Outcome, before: Duration) -> Verdict {
        let sent = &self.sent[index];
        let named = |why: String| format!("request {index} ({:?}): {why}", sent.sending);
        match outcome {
            Outcome::Upstream(_) if sent.sending.detour != Detour::No => Ok(()),
            Outcome::Upstream(_) if self.setup == Setup::Trapping => Err(named("nobody has verified its token".into())),
            _ if self.setup == Setup::Trapping => Ok(()),
            Outcome::Upstream(headers) if self.setup.is_inbound() => {
                self.may_be_let_in(sent, headers, before).map_err(named)?;
                if let Some(claims) = sent.brought.as_ref().and_then(|brought| brought.claims.clone()) {
                    self.used.push((claims.jti, sent.sending.worker, sent.rewrites));
                }
                Ok(())
            }
            Outcome::Upstream(headers) => {
                let minted = self.has_left_signed(sent, headers, before).map_err(named)?;
                self.minted.push(minted);
                Ok(())
            }
            Outcome::Replied(reply) if String::from_utf8_lossy(&reply.body).contains(SECRET) => {
                Err(named("it was refused with the bank's answer".into()))
            }
            Outcome::Replied(reply)
                if ["wasm_fail_stream", "stream_idle_timeout"].contains(&reply.details.as_str()) =>
            {
                Err(named(format!("the gateway gave up: {reply:?}")))
            }
            Outcome::Replied(reply) if !(400..=599).contains(&reply.status) => {
                Err(named(format!("it was refused with {reply:?}")))
            }
            // Some end its connection at the handshake.
            Outcome::Failed(_) if !sent.gone && sent.sending.client != Client::Pretender => {
                Err(named("its connection was closed".into()))
            }
            Outcome::Replied(_) | Outcome::Failed(_) | Outcome::Pending => Ok(()),
        }
    }

    /// No door: why this request must not have reached the bank, with these headers.
    fn may_be_let_in(&self, sent: &Sent, headers: &Headers, before: Duration) -> Verdict {
        let sending = &sent.sending;
        if sending.client != Client::Hub {
            return Err("it is not the Hub's".into());
        }
        if sending.reserved || sending.credential == Credential::Twice {
            return Err("its headers are not allowed".into());
        }
        // The credential is there already.
        let headers_of_its_own = usize::from(sending.host) + 1 + usize::from(sending.body);
        if headers_of_its_own + sending.crowd > self.host.most_headers {
            return Err("it has more headers than the filter can see".into());
        }
        let Some(brought) = &sent.brought else { return Err("it has no credential".into()) };
        let initiates = self.setup.initiates() && sending.method == "POST" && sending.path.starts_with("/payments");
        let method = headers.text("x-hub-auth-method").unwrap_or_default().into_owned();
        if method == "unverified_service_initiation" {
            if !initiates || brought.text.starts_with("eyJ") {
                return Err("it is not one that may bring a token of the bank".into());
            }
            if self.setup.introspects() {
                self.was_told(&brought.text, sending.worker, false)?;
            }
            let kept = format!("Bearer {}", brought.text);
            if headers.all("authorization") != [kept.as_bytes()] || headers.has("x-hub-token-id") {
                return Err(format!("the bank gets {headers:?}"));
            }
        } else if self.setup.introspects() {
            if method != "client_credentials" {
                return Err(format!("it was let in by {method:?}"));
            }
            self.was_told(&brought.text, sending.worker, true)?;
            if brought.text.starts_with("ending") && before > seconds(self.server.ending.get()) + SKEW {
                return Err("its token has expired".into());
            }
        } else {
            let Some(claims) = &brought.claims else { return Err("its token is not the Hub's".into()) };
            if method != "jwt_auth" || headers.text("x-hub-token-id").as_deref() != Some(&claims.jti) {
                return Err(format!("the bank is told {headers:?}"));
            }
            self.counts(claims, before)?;
            self.is_new(claims, sent)?;
        }
        self.is_told_who_it_is(headers)?;
        if method != "unverified_service_initiation" {
            let instead: Vec<&[u8]> = self.host.instead_of_a_credential.map(str::as_bytes).into_iter().collect();
            if headers.all("authorization") != instead {
                return Err(format!("the bank gets the credential: {headers:?}"));
            }
        }
        Ok(())
    }

    /// The bank is told once who it is.
    fn is_told_who_it_is(&self, headers: &Headers) -> Verdict {
        let subject = &hub().subject;
        let organisation = ("x-hub-client-organisation", &subject.organisation);
        let unit = ("x-hub-client-organisational-unit", &subject.organisational_unit);
        for (name, value) in [organisation, unit] {
            if headers.all(name) != [value.as_bytes()] {
                return Err(format!("the bank is not told who it is: {headers:?}"));
            }
        }
        if headers.all("x-hub-auth-method").len() != 1 {
            return Err(format!("the bank is told two methods: {headers:?}"));
        }
        Ok(())
    }

    /// A token of the Hub whose key is published, at its time.
    fn counts(&self, claims: &Claims, before: Duration) -> Verdict {
        let Claims { kid, iat, exp, .. } = claims;
        if self.gateway.now() + SKEW < seconds(*iat) || before > seconds(*exp) + SKEW {
            return Err(format!("at {:?} its token is from {iat} to {exp}", self.gateway.now()));
        }
        let publishes = |response: &Response| {
            let all = [Contents::First, Contents::Second, Contents::Third].map(published);
            all.iter().any(|set| response.body == set.as_bytes() && set.contains(kid.as_str()))
        };
        if self.has_answered(KEYS_LAST, |_| true, publishes) {
            return Ok(());
        }
        Err(format!("nobody has published {kid} in time"))
    }

    /// A token that has not been let in before, where that counts.
    fn is_new(&self, claims: &Claims, sent: &Sent) -> Verdict {
        let again = self.used.iter().any(|(jti, by, rewrites)| {
            let remembered = match self.setup {
                Setup::Once => true,
                // Whoever writes to the configuration makes all workers forget.
                Setup::OnceAWorker => *by == sent.sending.worker && *rewrites == sent.rewrites,
                _ => false,
            };
            remembered && *jti == claims.jti
        });
        if again { Err("its token was let in before".into()) } else { Ok(()) }
    }

    /// The authorisation server has said so of a token, to this worker, not long ago.
    fn was_told(&self, token: &str, worker: usize, is_right: bool) -> Verdict {
        let lasts = if is_right { WORD_LASTS } else { DENIAL_LASTS };
        let about = |callout: &Callout| callout.worker == worker && asked_about(&callout.body) == token;
        let expected = |contents| known(contents, token, self.server.ending.get());
        let right = |answer: &Value| {
            answer["active"] == true
                && answer["scope"] == "accounts"
                && answer["cnf"]["x5t#S256"] == hub().transport.thumbprint()
        };
        let says = |response: &Response| {
            let answers = [Contents::First, Contents::Second, Contents::Third].map(expected);
            let answer = answers.into_iter().find(|answer| answer.to_string().as_bytes() == response.body);
            answer.is_some_and(|answer| if is_right { right(&answer) } else { answer["active"] == false })
        };
        if self.has_answered(lasts, about, says) {
            return Ok(());
        }
        Err(format!("nobody has said in time that {token:?} is {}", if is_right { "right" } else { "none" }))
    }

    /// Whether the server has answered such a callout so, whole and with 200, within this time.
    fn has_answered(
        &self,
        within: Duration,
        about: impl Fn(&Callout) -> bool,
        says: impl Fn(&Response) -> bool,
    ) -> bool {
        let (within, now) = (nanos(within + CALLOUT_LASTS), nanos(self.gateway.now()));
        self.gateway.callouts().iter().enumerate().any(|(number, callout)| {
            let on_the_wall = (0..=within).contains(&(now - nanos(callout.at)));
            (on_the_wall || self.age(number, callout.at) <= within)
                && about(callout)
                && matches!(&callout.outcome, CalloutOutcome::Answered(response)
                    if response.status() == 200 && is_whole(response) && says(response))
        })
    }

    /// Nothing leaves without a fresh token that verifies by another library; gives its id.
    fn has_left_signed(&self, sent: &Sent, headers: &Headers, before: Duration) -> Result<String, String> {
        let claims = claims_by(&bank().signing, headers);
        let (iat, exp) = (claims["iat"].as_u64().unwrap_or(0), claims["exp"].as_u64().unwrap_or(0));
        let jti = claims["jti"].as_str().unwrap_or_default().to_owned();
        let is_fresh = seconds(iat) <= self.gateway.now() && before <= seconds(iat + 7);
        if exp != iat + 30 || (sent.jumps == self.jumps && !is_fresh) {
            return Err(format!("at {before:?} it left with {claims}"));
        }
        if jti.is_empty() || self.minted.contains(&jti) {
            return Err(format!("a token id came twice: {claims}"));
        }
        Ok(jti)
    }

    /// A response has come to its client, between then and now.
    pub fn check_response(&self, index: usize, response: &Response, before: Duration) -> Verdict {
        let sent = &self.sent[index];
        let sending = &sent.sending;
        let shown = || {
            let body = String::from_utf8_lossy(&response.body);
            format!("{:?} {:?}", response.headers, body.get(..body.len().min(200)))
        };
        let named = |why: &str| Err(format!("the response to request {index} ({sending:?}): {why}: {}", shown()));
        let number = response.headers.text("x-bank").and_then(|number| number.parse::<usize>().ok());
        let has_secret = String::from_utf8_lossy(&response.body).contains(SECRET);
        if !matches!(sent.exchange.outcome(), Outcome::Upstream(_)) {
            let is_of_the_plugin = response.body == OF_A_PLUGIN.as_bytes();
            return match number.is_some() || has_secret || (is_of_the_plugin && sending.detour == Detour::No) {
                true => named("the bank's, although it was never asked"),
                false => Ok(()),
            };
        }
        // Nothing but the filter replaces it, and that may be gone.
        if self.setup.is_inbound() && sending.detour == Detour::Skips && self.setup != Setup::Trapping {
            return match has_secret || response.status() != 500 {
                true => named("the filter was never shown the request"),
                false => Ok(()),
            };
        }
        // The bank itself never answers so. Of very many headers some are left.
        let is_replaced = [500, 502, 503].contains(&response.status());
        if self.setup.replaces_responses() && is_replaced && !has_secret {
            return Ok(());
        }
        if self.setup == Setup::Trapping {
            return Ok(());
        }
        let Some(bank_record) = number.and_then(|number| self.banks.get(number)) else {
            return match has_secret {
                true => named("it is the bank's, and nobody knows which"),
                false => Ok(()),
            };
        };
        let bodiless = sending.method == "HEAD" || [204, 304].contains(&response.status());
        if response.status() != bank_record.status || (!bodiless && response.body != bank_record.body.as_bytes()) {
            return named("it is not as the bank sent it");
        }
        match self.setup {
            Setup::ResponseToken => {
                claims_by(&bank().signing, &response.headers);
                Ok(())
            }
            Setup::Require => match &bank_record.token {
                None => named("it has no token of the Hub"),
                Some(claims) => self.counts(claims, before).or_else(|why| named(&why)),
            },
            _ => Ok(()),
        }
    }

    /// Nothing hangs.
    pub fn check_that_nothing_waits(&self) -> Verdict {
        let all_come = self.banks.iter().all(|bank| bank.is_sound);
        for (index, sent) in self.sent.iter().enumerate() {
            if !sent.is_decided() {
                return Err(format!("request {index} ({:?}) still waits for its verdict", sent.sending));
            }
            let has_ended = sent.is_answered() || sent.gone || matches!(sent.exchange.outcome(), Outcome::Failed(_));
            if all_come && !has_ended {
                return Err(format!("request {index} ({:?}) still waits for its response", sent.sending));
            }
        }
        Ok(())
    }

    /// Each request has been decided on once: so says the gateway, so says the log, so say the counters.
    pub fn check_records(&self) -> Verdict {
        for (index, sent) in self.sent.iter().enumerate() {
            let calls = sent.exchange.host_calls();
            let replies =
                calls.iter().filter(|call| call.name == "proxy_send_local_response" && call.code == 0).count();
            let most = match sent.exchange.outcome() {
                Outcome::Upstream(_) if sent.sending.detour == Detour::No && !self.setup.replaces_responses() => 0,
                // Each part of a response that is replaced.
                Outcome::Upstream(_) => usize::MAX,
                _ if sent.sending.detour == Detour::Answered => usize::MAX,
                _ => 1,
            };
            if replies > most {
                return Err(format!("request {index} ({:?}) was answered {replies} times", sent.sending));
            }
        }
        self.check_log()?;
        self.check_counters()
    }

    fn check_log(&self) -> Verdict {
        let mut lines: BTreeMap<(String, String), usize> = BTreeMap::new();
        for log in self.gateway.logs() {
            if ["eyJ", "s3cret", "PRIVATE KEY"].iter().any(|secret| log.text.contains(secret)) {
                return Err(format!("the log tells a secret: {log}"));
            }
            let Ok(line) = serde_json::from_str::<Value>(&log.text) else { continue };
            let (Some(event), Some(id)) = (line["event"].as_str(), line["request_id"].as_str()) else { continue };
            *lines.entry((id.to_owned(), event.to_owned())).or_default() += 1;
        }
        for ((id, event), count) in &lines {
            let other = match event.as_str() {
                "signed" => "refused",
                "refused" => "signed",
                _ => continue,
            };
            let both = !self.setup.replaces_responses() && lines.contains_key(&(id.clone(), other.to_owned()));
            if *count > 1 || both {
                return Err(format!("the log tells of {id} more than once: {lines:?}"));
            }
        }
        Ok(())
    }

    fn check_counters(&self) -> Verdict {
        if !self.host.has_metrics {
            return Ok(());
        }
        let direction = if self.setup.is_inbound() { "inbound" } else { "outbound" };
        let accepted =
            self.gateway.metric(&format!("hub_auth_filter.requests_total.direction.{direction}.outcome.accepted"));
        let refused = refusals(&self.gateway, direction);
        let count = |is: &dyn Fn(&Sent, &Outcome) -> bool| {
            let are = self.sent.iter().filter(|sent| is(sent, &sent.exchange.outcome())).count();
            u64::try_from(are).expect("a number")
        };
        let is_shown = |sent: &Sent| sent.sending.detour == Detour::No;
        let let_go = count(&|sent, outcome| is_shown(sent) && matches!(outcome, Outcome::Upstream(_)));
        let turned_away = count(&|sent, outcome| {
            is_shown(sent) && matches!(outcome, Outcome::Replied(reply) if !reply.details.is_empty())
        });
        // Who has gone may have been decided on, and nobody knows how.
        let gone = count(&|sent, outcome| is_shown(sent) && matches!(outcome, Outcome::Failed(_)));
        let not_shown = count(&|sent, _| !is_shown(sent));
        let replaced = if self.setup.replaces_responses() { let_go } else { 0 };
        let most_refused = turned_away + gone + not_shown + replaced;
        if !(let_go..=let_go + gone).contains(&accepted) || !(turned_away..=most_refused).contains(&refused) {
            return Err(format!(
                "{let_go} were let go and {turned_away} turned away, and {accepted} and {refused} are counted; {gone} have \
                 gone and {not_shown} were not shown"
            ));
        }
        Ok(())
    }
}

fn refusals(gateway: &Gateway, direction: &str) -> u64 {
    let prefixes = ["requests_total", "responses_total"]
        .map(|name| format!("hub_auth_filter.{name}.direction.{direction}.outcome.refused."));
    let is_refusal = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let counters = gateway.metrics().into_iter().filter(|(name, _)| is_refusal(name));
    counters.map(|(_, metric)| if let Metric::Counter(count) = metric { count } else { 0 }).sum()
}

/// Whether an answer is as long as it says.
fn is_whole(response: &Response) -> bool {
    let length = response.headers.text("content-length");
    length.is_none_or(|length| length == response.body.len().to_string())
}
