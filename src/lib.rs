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
//!                 keys, introspection, replay::store, signing::remote: "make this callout first" (callout::Wait)
//! ```
//!
//! A request is decided from the top whenever something is learned for it. It waits once, and once more where used tokens are
//! remembered outside of the gateway. What it waits for is a
//! [callout]; who owns callouts differs by gateway ([`capabilities::CalloutOwner`]).
//!
//! # Events and questions
//!
//! The machines [`inbound::Inbound`] and [`outbound::Outbound`] are told what happens by `on_…` methods, which change them
//! and return what to do: `on_start`, `on_request`, `on_response`, `on_response_without_clock`, `on_answer`,
//! `on_not_dispatched`, `on_tick`, `on_request_end`, and `on_fault` and `on_response_fault` when the gateway could not carry
//! out a verdict. Every other public method is a question that changes nothing which anybody could notice: `tick_period`,
//! `wants_nonces`, `wants_responses`, `signs_responses`, `configured_headers`, `needs_fingerprint`, `response_header`.
//!
//! # Layers
//!
//! Read from top to bottom, and within a row from left to right, each module uses only those that come after it. A test holds
//! the code to this table. `docs/architecture.md` says where to change what.
//!
//! | layer | modules | what they are |
//! |---|---|---|
//! | what others see | `facade` | for the operator's tool and for tests: nothing else is public |
//! | trials | `trial` | one request decided, or signed, without a gateway, for the operator's tool |
//! | gateway | `gateway` | proxy-wasm, and what there is to know of each gateway |
//! | directions | `inbound` `outbound` | the machines: events in, effects out |
//! | parts of machines | `token_attacher` `request_table` `health` | what both directions share, and the Hub's health checks |
//! | effects | `effects` `verdict` `metric` | what is to be done, the proof without which no request goes on, and the names of what is counted |
//! | refusals | `reply` | the one place where a reason becomes a status, a body and a line of the log |
//! | methods | `auth` | who calls: the methods of authentication, and service initiation |
//! | knowledge | `keys` `introspection` `replay` `signing` `claims` | what is fetched, asked, remembered, signed and read |
//! | callouts | `spelling` `callout` `log_line` | HTTP requests by the gateway, in flight and answered; lines of the log |
//! | settings | `config` `capabilities` | what the bank wants, and what the gateway can do |
//! | facts | `provider` `evidence` `request` `identity_headers` `peer` | what is known of one request and its client certificate |
//! | forms | `url` `jose` `ecdsa` `rsa` `signature` `json` `der` `pem` `hex` | how things are written, and what signs them |
//! | values | `shared_data` `digest_map` `token_digest` `header_map` `header_value` `time` `ascii` | what all others are made of |

// Without the entry points nothing calls most of this: a library for tests, and for modules with entry points of their own.
// What production never calls is found where they are, by the lint of the module.
#![cfg_attr(
    not(all(target_family = "wasm", feature = "gateway")),
    allow(dead_code, unused_imports, reason = "the entry points, which call it, are compiled for wasm only")
)]

pub mod facade;

mod ascii;
mod auth;
mod callout;
mod capabilities;
mod claims;
mod config;
mod der;
mod digest_map;
mod ecdsa;
mod effects;
mod evidence;
mod gateway;
mod header_map;
mod header_value;
mod health;
mod hex;
mod identity_headers;
mod inbound;
mod introspection;
mod jose;
mod json;
mod keys;
mod log_line;
#[cfg(any(all(target_family = "wasm", feature = "gateway"), test))]
mod metric;
mod outbound;
mod peer;
mod pem;
mod provider;
mod replay;
mod reply;
mod request;
mod request_table;
mod rsa;
mod shared_data;
mod signature;
mod signing;
mod spelling;
mod time;
mod token_attacher;
mod token_digest;
#[cfg(not(target_family = "wasm"))]
mod trial;
mod url;
mod verdict;

#[cfg(test)]
mod model;
#[cfg(test)]
mod testing;
