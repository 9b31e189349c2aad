//! Authenticates the UAE Open Finance API Hub to a bank, inside the API gateway that the bank already runs.
//!
//! Everything in this crate but `gateway` is deterministic: it takes bytes, facts and the time, and returns a decision.
//! `gateway` alone speaks proxy-wasm, and all of it that calls the host is compiled for wasm only.
//!
//! # The way of a request
//!
//! ```text
//!            the host calls                          the host is called
//!                  │                                         ▲
//!   gateway::vm    │ exports → module → plugin → running     │ gate: headers, replies; events: counters, log
//!                  │                                │        │ plugin_callouts, request_callouts: HTTP callouts
//!                  ▼                                │        │
//!   gateway::kinds │ what this gateway calls things │        │
//!                  ▼                                ▼        │
//!   request        facts ─────────────▶ inbound, outbound ───┴──▶ effects: callouts, verdict, events
//!                                        │   request_table: who waits, for what
//!                                        │
//!                 inbound:  peer → provider → auth ──────────▶ verdict::Admission, or reply::Rejection
//!                 outbound: token_attacher → signing ────────▶ verdict::Admission
//!                                        │
//!                 keys, introspection, signing::remote: "make this callout first" (callout::Wait)
//! ```
//!
//! A request is decided from the top whenever something is learned for it, and it waits once. What it waits for is a
//! [callout]; who owns callouts differs by gateway ([`capabilities::CalloutOwner`]).
//!
//! # Events and questions
//!
//! The machines [`inbound::Inbound`] and [`outbound::Outbound`] are told what happens by `on_…` methods, which change them
//! and return what to do: `on_start`, `on_request`, `on_response`, `on_response_without_clock`, `on_answer`,
//! `on_not_dispatched`, `on_tick`, `on_request_end`, and `on_fault` and `on_response_fault` when the gateway could not carry
//! out a verdict. Every other public method is a question that changes nothing which anybody could notice: `tick_period`,
//! `wants_responses`, `signs_responses`, `configured_headers`, `needs_fingerprint`, `response_header`.
//!
//! # Layers
//!
//! Read from top to bottom, and within a row from left to right, each module uses only those that come after it. A test holds
//! the code to this table. `docs/architecture.md` says where to change what.
//!
//! | layer | modules | what they are |
//! |---|---|---|
//! | gateway | `gateway` | proxy-wasm, and what there is to know of each gateway |
//! | directions | `inbound` `outbound` | the machines: events in, effects out |
//! | parts of machines | `token_attacher` `request_table` `health` | what both directions share, and the Hub's health checks |
//! | effects | `effects` `verdict` | what is to be done, and the proof without which no request goes on |
//! | refusals | `reply` | the one place where a reason becomes a status, a body and a line of the log |
//! | methods | `auth` | who calls: the methods of authentication, and service initiation |
//! | knowledge | `keys` `introspection` `replay` `signing` `claims` | what is fetched, asked, remembered, signed and read |
//! | callouts | `spelling` `callout` `log_line` | HTTP requests by the gateway, in flight and answered; lines of the log |
//! | settings | `config` `capabilities` | what the bank wants, and what the gateway can do |
//! | facts | `provider` `evidence` `request` `identity_headers` `peer` | what is known of one request and its client certificate |
//! | forms | `url` `jose` `ecdsa` `rsa` `signature` `json` `der` `pem` `hex` | how things are written, and what signs them |
//! | values | `shared_data` `digest_map` `token_digest` `header_map` `header_value` `time` | what all others are made of |

pub mod auth;
pub mod callout;
pub mod capabilities;
pub mod claims;
pub mod config;
mod der;
mod digest_map;
pub mod ecdsa;
pub mod effects;
pub mod evidence;
pub mod gateway;
pub mod header_map;
pub mod header_value;
pub mod health;
mod hex;
pub mod identity_headers;
pub mod inbound;
pub mod introspection;
pub mod jose;
pub mod json;
pub mod keys;
mod log_line;
pub mod outbound;
pub mod peer;
mod pem;
pub mod provider;
pub mod replay;
pub mod reply;
pub mod request;
pub mod request_table;
pub mod rsa;
pub mod shared_data;
pub mod signature;
pub mod signing;
pub mod spelling;
pub mod time;
pub mod token_attacher;
pub mod token_digest;
pub mod url;
pub mod verdict;

#[cfg(test)]
mod testing;
