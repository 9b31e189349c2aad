//! Kong 3.8 and 3.9: nginx with ngx_wasm_module.

use super::Description;
use crate::capabilities::{CalloutOwner, Capabilities, Support};
use crate::config::KnownGateway;

pub(super) const KONG: Description = Description {
    known: KnownGateway { name: "kong", hint: None },
    capabilities: |data, shares_data, has_timer| Capabilities {
        data,
        shares_data,
        // Without a memory zone it traps, and it cannot be asked whether it has one.
        data_sharing: Support::OnRequest { setup: "shared data in Kong (nginx_wasm_shm_kv)" },
        // Where too many filters have some, defining one more traps.
        metrics: Support::OnRequest { setup: "Kong 3.8 or later" },
        has_timer,
        callout_owner: CalloutOwner::Request,
        holds_responses: false,
        replaces_responses: true,
        hides_requests: true,
        // The buffers of the first one are about to be freed, and the next one would be sent from them.
        repeats_unanswered_callouts: false,
        names_upstreams: false,
        no_tls_to_addresses: None,
        logs_secrets: None,
    },
    #[cfg(all(target_family = "wasm", feature = "gateway"))]
    adapter: &adapter::Kong,
};

#[cfg(all(target_family = "wasm", feature = "gateway"))]
mod adapter {
    use crate::gateway::abi::{self, Headers, HostError};
    use crate::gateway::adapter::{Adapter, Guard, NO_HEADERS, Occasion, last_of_its_connection, send_whole, values};
    use crate::gateway::kinds::nginx;
    use crate::header_map;
    use crate::peer::PeerFacts;
    use crate::reply::{RejectReason, Reply};
    use crate::request::{ConfiguredHeaders, RequestFacts};

    /// More headers than these are not read: with more than 100 the host writes behind the memory that it asked for,
    /// and four of those are its own.
    const MAX_HEADERS: usize = 96;

    /// With this scheme nginx sends nothing anywhere, and answers 500.
    const NO_SCHEME: &[u8] = b"undecided";

    /// What stands in a header that cannot be removed.
    const REMOVED: &str = "removed";

    const UPSTREAM_SCHEME: &str = "ngx\0upstream_scheme";

    /// Headers of a response that are nginx's own, or of the connection: they stay when the response is replaced. The
    /// host cannot remove `connection`.
    const OWN_HEADERS: [&[u8]; 7] =
        [b"connection", b"content-length", b"date", b"keep-alive", b"server", b"transfer-encoding", b"upgrade"];

    /// Headers that say how to read a body, or that are for the client alone: what is removed at least from a response
    /// that has too many headers to be looked at.
    const HEADERS_OF_CONTENT: [&str; 9] = [
        "authorization",
        "content-encoding",
        "content-language",
        "content-range",
        "etag",
        "last-modified",
        "location",
        "set-cookie",
        "trailer",
    ];

    /// See [`Adapter`].
    #[derive(Debug)]
    pub(in crate::gateway::kinds) struct Kong;

    /// The value of an nginx variable.
    fn variable(name: &str) -> Option<Vec<u8>> {
        abi::property(&["ngx", name].join("\0"))
    }

    /// All headers of the response, unless there are too many: see [`MAX_HEADERS`].
    fn response_headers(announced: usize) -> Option<Vec<u8>> {
        if announced > MAX_HEADERS { None } else { abi::headers(Headers::Response) }
    }

    impl Adapter for Kong {
        fn is_found_in_request(&self) -> bool {
            nginx::has_variables(variable)
        }

        /// Before 3.8 a trap in the phase of a request lets it go upstream, whoever sent it, and callouts that fail are reported to
        /// nobody. Those hosts alone show headers of a response that there is not yet, `connection` always among them.
        fn fault_of_host(&self) -> Option<&'static str> {
            let shown = abi::headers(Headers::Response)?;
            let is_before_3_8 = !values(&shown, "connection").is_empty();
            is_before_3_8.then_some("it is older than 3.8, and lets requests through when a filter fails")
        }

        fn peer_facts(&self, _with_fingerprint: bool) -> PeerFacts {
            nginx::peer_facts(variable)
        }

        /// `:path` is percent-decoded here, and `:authority` the name of the server: the path is asked for, and `host`
        /// counts.
        fn note_request_headers(
            &self,
            announced: usize,
            facts: &mut RequestFacts,
            configured: &ConfiguredHeaders,
        ) -> Result<(), RejectReason> {
            if announced > MAX_HEADERS {
                return Err(RejectReason::TooManyHeaders);
            }
            nginx::note_request_headers(facts, configured)?;
            facts.path = abi::property("request\0path").ok_or(RejectReason::Internal)?.into();
            Ok(())
        }

        fn response_values(&self, name: &str, announced: usize) -> Vec<Vec<u8>> {
            values(&response_headers(announced).unwrap_or_default(), name)
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

        /// Of a header that is there more than once, the host would take all away and set none.
        fn replace_response_header(&self, name: &str, value: &str) -> Result<(), HostError> {
            abi::remove_header(Headers::Response, name)?;
            abi::replace_header(Headers::Response, name, value)
        }

        fn answer(&self, reply: &Reply, details: &str, occasion: Occasion) -> Result<(), HostError> {
            match occasion {
                Occasion::Request => send_whole(reply, details),
                Occasion::Answered => send_whole(&last_of_its_connection(reply), details),
                // The body of an answer would lie in a buffer that the host is about to empty, and the client would get
                // nothing.
                Occasion::Unanswered => {
                    send_whole(&Reply { body: String::new(), ..last_of_its_connection(reply) }, details)
                }
                Occasion::Response { headers } => self.replace_response(reply, headers),
            }
        }

        /// A trap, of this request or of another, lets a request go upstream that waits for a callout: without a scheme
        /// it comes to nothing.
        fn guard(&self) -> Result<Option<Guard>, HostError> {
            let Some(upstream_scheme) = abi::property(UPSTREAM_SCHEME) else { return Ok(None) };
            abi::set_property(UPSTREAM_SCHEME, NO_SCHEME)?;
            Ok(Some(Guard { upstream_scheme }))
        }

        fn lift(&self, guard: &Guard) -> Result<(), HostError> {
            abi::set_property(UPSTREAM_SCHEME, &guard.upstream_scheme)
        }
    }

    impl Kong {
        /// The host takes a status and a body alone, and appends a line feed. A reason phrase would become the whole
        /// status line. Headers are set one by one, the length among them, after those of the response that is replaced
        /// have been taken away: they are about another body, and may be for somebody else.
        ///
        /// The body takes the place of what nginx sends first. If that was all, the mark that it was the end is lost
        /// with it, and nginx would wait for more: only a reply without a body bears such a mark, and one that follows
        /// it keeps the mark. If more follows, it follows on the wire: so the connection ends, and no client takes it
        /// for a response. (To change bodies in their own callback is out of the question: the host frees what is
        /// nginx's.)
        fn replace_response(&self, reply: &Reply, announced: usize) -> Result<(), HostError> {
            let old = response_headers(announced);
            abi::send_local_response(reply.status, "", NO_HEADERS, "")?;
            let body = abi::send_local_response(reply.status, "", NO_HEADERS, &reply.body).map_or("", |()| &reply.body);
            // A header that stays, or cannot be set, changes neither the status nor the body.
            let remove = |name: &str| abi::remove_header(Headers::Response, name).unwrap_or(());
            let set = |name: &str, value: &str| abi::replace_header(Headers::Response, name, value).unwrap_or(());
            match &old {
                Some(headers) => {
                    let names = header_map::decode(headers).into_iter().flatten().map(|(name, _)| name);
                    let foreign = names.filter(|name| !OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)));
                    let named = foreign.filter_map(|name| std::str::from_utf8(name).ok());
                    named.filter(|name| !name.starts_with(':')).for_each(remove);
                }
                None => HEADERS_OF_CONTENT.into_iter().for_each(remove),
            }
            for (name, value) in &reply.headers {
                set(name, value);
            }
            let line_feed = usize::from(!body.is_empty());
            set("content-length", &body.len().saturating_add(line_feed).to_string());
            set("connection", "close");
            Ok(())
        }
    }
}
