//! Kong 3.4 to 3.9: nginx with ngx_wasm_module.

use crate::peer::PeerFacts;
use crate::reply::Rejection;
use crate::request::{ConfiguredHeaders, RequestFacts};

use super::abi::{self, Headers, HostError};
use super::adapter::{Adapter, Guard};
use super::nginx;

/// More headers than these are not read: with more than 100 the host writes behind the memory that it asked for, and four of
/// those are its own.
const MAX_HEADERS: usize = 96;

/// With this scheme nginx sends nothing anywhere, and answers 500.
const NO_SCHEME: &[u8] = b"undecided";

/// What stands in a header that can not be removed.
const REMOVED: &str = "removed";

const UPSTREAM_SCHEME: &str = "ngx\0upstream_scheme";

/// See [`Adapter`].
#[derive(Debug)]
pub(super) struct Kong;

/// The value of an nginx variable.
pub(super) fn variable(name: &str) -> Option<Vec<u8>> {
    abi::property(&["ngx", name].join("\0"))
}

impl Adapter for Kong {
    fn peer_facts(&self, with_fingerprint: bool) -> PeerFacts {
        nginx::peer_facts(variable, with_fingerprint)
    }

    /// `:path` is percent-decoded here, and `:authority` the name of the server: the path is asked for, and `host` counts.
    fn note_request_headers(
        &self,
        announced: usize,
        facts: &mut RequestFacts,
        configured: &ConfiguredHeaders,
    ) -> Result<(), Rejection> {
        if announced > MAX_HEADERS {
            return Err(Rejection::TooManyHeaders);
        }
        nginx::note_request_headers(facts, configured)?;
        facts.path = abi::property("request\0path").ok_or(Rejection::Internal)?.into();
        Ok(())
    }

    fn response_headers(&self, announced: usize) -> Option<Vec<u8>> {
        if announced > MAX_HEADERS { None } else { abi::headers(Headers::Response) }
    }

    fn client(&self) -> Option<Vec<u8>> {
        nginx::client(variable)
    }

    fn request_id(&self) -> Option<Vec<u8>> {
        variable("request_id")
    }

    /// A header that was removed goes upstream all the same: it is overwritten.
    fn take_away(&self, name: &str) -> Result<(), HostError> {
        match abi::request_header(name) {
            Some(_) => abi::replace_header(Headers::Request, name, REMOVED),
            None => Ok(()),
        }
    }

    /// A trap, of this request or of another, lets a request go upstream that waits for a callout: without a scheme it comes
    /// to nothing.
    fn guard(&self) -> Result<Option<Guard>, HostError> {
        let Some(upstream_scheme) = abi::property(UPSTREAM_SCHEME) else { return Ok(None) };
        abi::set_property(UPSTREAM_SCHEME, NO_SCHEME)?;
        Ok(Some(Guard { upstream_scheme }))
    }

    fn lift(&self, guard: &Guard) -> Result<(), HostError> {
        abi::set_property(UPSTREAM_SCHEME, &guard.upstream_scheme)
    }
}
