//! Puts a signed token onto requests or responses (spec §2.4, §4). What is to carry one never goes on without: a fault of
//! the signer becomes a refusal.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::auth::Evidence;
use crate::callout::{CalloutError, CalloutId, Topic};
use crate::config;
use crate::exchange::{Admission, Phase, Released, Settled, Step, Verdict};
use crate::reply::{Refusal, Rejection};
use crate::report::CalloutReport;
use crate::request::{Correlation, RequestId};
use crate::signing::{Freshness, Progress, SignedToken, Signing, SigningError};
use crate::time::UnixTime;

/// Signs tokens, and keeps what waits for one.
#[derive(Debug)]
pub struct Attachment {
    signing: Signing,
    header: Cow<'static, str>,
    phase: Phase,
    waiting: BTreeMap<RequestId, Correlation>,
}

impl Attachment {
    /// For this header of requests or of responses.
    #[must_use]
    pub fn new(settings: config::Signing, header: impl Into<Cow<'static, str>>, phase: Phase) -> Self {
        Self { signing: Signing::new(settings), header: header.into(), phase, waiting: BTreeMap::new() }
    }

    /// Whether tokens wait for callouts.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.signing.is_remote()
    }

    /// Signs a token on behalf of a request, or says which callout it takes.
    pub fn attach(&mut self, now: UnixTime, id: RequestId, freshness: &Freshness, correlation: Correlation) -> Step {
        match self.signing.sign(now, id, freshness) {
            Ok(Progress::Signed(token)) => Step::verdict(self.admit(token, correlation)),
            Ok(Progress::Needs(callout)) => {
                self.waiting.insert(id, correlation);
                Step { callouts: vec![callout], verdict: None }
            }
            Err(error) => Step::verdict(refuse(error, correlation)),
        }
    }

    /// Takes the end of a callout. `None` if it was given up before and does not count any more.
    pub fn finish(
        &mut self,
        now: UnixTime,
        call: CalloutId,
        id: RequestId,
        answer: Result<&[u8], CalloutError>,
    ) -> Option<Settled> {
        let finished = self.signing.finish(now, call, id, answer)?;
        let mut settled = Settled {
            report: Some(CalloutReport::Signer(finished.report)),
            ended: Some((call, Topic::Signature(id))),
            ..Settled::default()
        };
        let verdict = match finished.result {
            Ok(Progress::Needs(callout)) => {
                settled.callouts.push(callout);
                return Some(settled);
            }
            Ok(Progress::Signed(token)) => {
                let correlation = self.waiting.remove(&id)?;
                self.admit(token, correlation)
            }
            Err(error) => refuse(error, self.waiting.remove(&id)?),
        };
        settled.released.push(Released { id, phase: self.phase, verdict });
        Some(settled)
    }

    /// The callouts that nobody reported on in time. Each counts as failed once it is given to [`Attachment::finish`].
    #[must_use]
    pub fn lost(&self, now: UnixTime) -> Vec<(CalloutId, RequestId)> {
        self.signing.lost(now)
    }

    /// Forgets a request that has gone away.
    pub fn forget(&mut self, id: RequestId) {
        self.waiting.remove(&id);
        self.signing.forget(id);
    }

    fn admit(&self, token: SignedToken, correlation: Correlation) -> Verdict {
        Verdict::Admit(Box::new(Admission {
            remove: Vec::new(),
            set: vec![(self.header.clone(), token.bearer())],
            signed: Some(token.into_record(correlation)),
        }))
    }
}

fn refuse(error: SigningError, correlation: Correlation) -> Verdict {
    Verdict::Refuse(Box::new(Refusal::new(Rejection::Signing(error), Evidence::default(), correlation)))
}
