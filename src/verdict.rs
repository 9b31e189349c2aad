//! What is decided about a request and about its response, and the proof without which a request does not go on.
//!
//! A request goes on only with an [`Admission`], and there are three ways to one: what a method of authentication or the rule
//! of service initiation gives out ([`Authenticated`]), and what only the signer makes ([`SignedToken`]). Their fields are
//! private, and so is the one constructor of each: no path through the code, whatever is added to it, lets a request go on by
//! a value that it made up. `wasm-tests/tests/behaviour/house.rs` shows what the compiler says to those who try.

use std::borrow::Cow;
use std::rc::Rc;

use crate::auth::Authenticated;
use crate::identity_headers::Identity;
use crate::peer::PeerCertificate;
use crate::reply::{Rejection, Reply};
use crate::request::Correlation;
use crate::signing::SignedToken;

/// A decision on a request or on its response.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// On a request.
    Request(RequestVerdict),
    /// On a response.
    Response(ResponseVerdict),
}

/// A decision on a request, final.
#[derive(Debug)]
pub(crate) enum RequestVerdict {
    /// It goes on, with these changes.
    Admit(Box<Admission>),
    /// It is answered here, because it must not go on.
    Reject(Box<Rejection>),
    /// It is answered here, because it was meant for the filter itself.
    Answer(Box<Reply>),
}

/// A decision on a response, final.
#[derive(Debug)]
pub(crate) enum ResponseVerdict {
    /// It goes on as it is.
    Pass,
    /// It goes on with a token of the bank.
    Attach(Box<AttachedToken>),
    /// It is replaced.
    Replace(Box<Rejection>),
    /// It goes on although it should be replaced, and that is told.
    Tolerate(Box<Rejection>),
}

/// What changes in a request that goes on. Whoever has one has proved that it may: see the [module](self).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    /// The headers to take away, which are the same for every request.
    remove: Option<Rc<[String]>>,
    identity: Option<Identity>,
    token: Option<AttachedToken>,
}

/// What is done with the credential of a caller, and what the backend is told of it.
#[derive(Debug, Clone)]
pub(crate) struct Forwarding {
    /// The headers that a request goes on without, once a method has accepted it.
    pub remove: Option<Rc<[String]>>,
    /// Whether the backend is told who the caller is.
    pub identity_headers: bool,
}

/// A header with a token of the bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttachedToken {
    name: Cow<'static, str>,
    value: String,
    correlation: Correlation,
}

impl Verdict {
    /// The rejection, if it is one, or a response goes on in spite of one.
    pub(crate) fn rejection_mut(&mut self) -> Option<&mut Rejection> {
        match self {
            Self::Request(RequestVerdict::Reject(rejection))
            | Self::Response(ResponseVerdict::Replace(rejection) | ResponseVerdict::Tolerate(rejection)) => {
                Some(rejection)
            }
            Self::Request(RequestVerdict::Admit(_) | RequestVerdict::Answer(_))
            | Self::Response(ResponseVerdict::Pass | ResponseVerdict::Attach(_)) => None,
        }
    }

    /// What ties it to the logs of others, as far as it says so.
    #[must_use]
    pub(crate) fn correlation(&self) -> Correlation {
        match self {
            Self::Request(RequestVerdict::Admit(admission)) => admission.correlation(),
            Self::Response(ResponseVerdict::Attach(token)) => token.correlation().clone(),
            Self::Request(RequestVerdict::Reject(_) | RequestVerdict::Answer(_))
            | Self::Response(ResponseVerdict::Pass | ResponseVerdict::Replace(_) | ResponseVerdict::Tolerate(_)) => {
                Correlation::default()
            }
        }
    }
}

impl Admission {
    /// Of a caller with this certificate, who is authenticated.
    ///
    /// Where only the backend can check the token, it gets the token, and is told in any case that nobody has.
    #[must_use]
    pub(crate) fn of_caller(proof: Authenticated, certificate: &Rc<PeerCertificate>, forwarding: &Forwarding) -> Self {
        let tells_identity = forwarding.identity_headers || proof.is_unverified();
        let remove = if proof.is_unverified() { None } else { forwarding.remove.clone() };
        let (method, credential_id) = proof.into_parts();
        let identity = tells_identity.then(|| Identity::new(method, certificate, credential_id));
        Self { remove, identity, token: None }
    }

    /// Of a request of the bank's own that carries a token.
    #[must_use]
    pub(crate) fn with_token(token: AttachedToken) -> Self {
        Self { remove: None, identity: None, token: Some(token) }
    }

    /// The headers to take away.
    #[must_use]
    pub(crate) fn removed(&self) -> &[String] {
        self.remove.as_deref().unwrap_or_default()
    }

    /// The headers to set.
    pub(crate) fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        let token = self.token.iter().map(AttachedToken::header);
        self.identity.iter().flat_map(Identity::headers).chain(token)
    }

    /// What ties the request to the logs of others, as far as it is known here.
    #[must_use]
    pub(crate) fn correlation(&self) -> Correlation {
        self.token.as_ref().map(|token| token.correlation.clone()).unwrap_or_default()
    }
}

impl AttachedToken {
    /// This token in this header.
    #[must_use]
    pub(crate) fn new(name: Cow<'static, str>, token: &SignedToken) -> Self {
        Self { name, value: token.bearer(), correlation: token.record().correlation().clone() }
    }

    /// The header, its name in lower case.
    #[must_use]
    pub(crate) fn header(&self) -> (&str, &str) {
        (&self.name, &self.value)
    }

    /// What ties the token to the logs of others.
    #[must_use]
    pub(crate) fn correlation(&self) -> &Correlation {
        &self.correlation
    }
}
