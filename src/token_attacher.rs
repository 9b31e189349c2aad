//! Puts a signed token onto requests or responses (spec §2.4, §4). What is to carry one never goes on without: a fault of
//! the signer becomes a rejection.

use std::borrow::Cow;

use litemap::LiteMap;

use crate::callout::{CalloutError, CalloutId, CalloutSubject};
use crate::capabilities::Capabilities;
use crate::config;
use crate::evidence::Evidence;
use crate::reply::{RejectReason, Rejection};
use crate::request::{Correlation, NonceInput, RequestId};
use crate::signing::{Progress, SignedToken, SigningError, TokenIssuer};
use crate::time::UnixTime;
use crate::verdict::{Admission, CalloutOutcome, Phase, Resumed, Step, Verdict};

/// Signs tokens, and keeps what waits for one.
#[derive(Debug)]
pub struct TokenAttacher {
    signing: TokenIssuer,
    header: Cow<'static, str>,
    phase: Phase,
    waiting: LiteMap<RequestId, Waiting>,
    /// See [`Capabilities::wakes_others`].
    wakes_others: bool,
}

/// Something that waits for its token.
#[derive(Debug)]
struct Waiting {
    correlation: Correlation,
    /// Whether its request has gone away meanwhile. A signature may come all the same, and is to be told of.
    gone: bool,
}

impl TokenAttacher {
    /// For this header of requests or of responses. `capabilities` are the gateway's.
    #[must_use]
    pub fn new(
        settings: config::Signing,
        header: impl Into<Cow<'static, str>>,
        phase: Phase,
        capabilities: &Capabilities,
    ) -> Self {
        let signing = TokenIssuer::new(settings, capabilities);
        let wakes_others = capabilities.wakes_others;
        Self { signing, header: header.into(), phase, waiting: LiteMap::new_vec(), wakes_others }
    }

    /// Whether tokens wait for callouts.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.signing.is_remote()
    }

    /// Signs a token on behalf of a request, or says which callout it takes.
    pub fn attach(&mut self, now: UnixTime, id: RequestId, nonce_input: &NonceInput, correlation: Correlation) -> Step {
        match self.signing.sign(now, id, nonce_input) {
            Ok(Progress::Signed(token)) => Step::verdict(self.admit(token, correlation)),
            Ok(Progress::Needs(callout)) => {
                self.waiting.insert(id, Waiting { correlation, gone: false });
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
    ) -> Option<CalloutOutcome> {
        let finished = self.signing.finish(now, call, id, answer)?;
        let mut settled = CalloutOutcome {
            report: Some(finished.report.into()),
            ended: Some((call, CalloutSubject::Signature(id))),
            ..CalloutOutcome::default()
        };
        let Waiting { correlation, gone } = self.waiting.remove(&id)?;
        match finished.result {
            Ok(Progress::Signed(token)) if gone => settled.unused = Some(token.into_record(correlation)),
            Ok(Progress::Needs(_)) if gone => self.signing.forget(id),
            Err(_) if gone => {}
            Ok(Progress::Signed(token)) => settled.released.push(self.release(id, self.admit(token, correlation))),
            Ok(Progress::Needs(callout)) => {
                self.waiting.insert(id, Waiting { correlation, gone });
                settled.callouts.push(callout);
            }
            Err(error) => settled.released.push(self.release(id, refuse(error, correlation))),
        }
        Some(settled)
    }

    /// The callouts that nobody reported on in time. Each counts as failed once it is given to [`TokenAttacher::finish`].
    #[must_use]
    pub fn lost(&self, now: UnixTime) -> Vec<(CalloutId, RequestId)> {
        self.signing.lost(now)
    }

    /// Forgets a request that has gone away, once what the signer was asked for it has ended. Where others cannot be woken
    /// its end is not told, once the request has gone.
    pub fn forget(&mut self, id: RequestId) {
        if !self.wakes_others {
            self.waiting.remove(&id);
            self.signing.forget(id);
            return;
        }
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.gone = true;
        }
    }

    fn release(&self, id: RequestId, verdict: Verdict) -> Resumed {
        Resumed { id, phase: self.phase, verdict }
    }

    fn admit(&self, token: SignedToken, correlation: Correlation) -> Verdict {
        Verdict::Admit(Box::new(Admission {
            token: Some((self.header.clone(), token.bearer())),
            signed: Some(token.into_record(correlation)),
            ..Admission::default()
        }))
    }
}

fn refuse(error: SigningError, correlation: Correlation) -> Verdict {
    Verdict::Refuse(Box::new(Rejection::new(RejectReason::TokenIssuer(error), Evidence::default(), correlation)))
}
