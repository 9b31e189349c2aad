//! What holds for any bytes that the filter reads from a network: it never panics, takes a bounded time and memory, and reads
//! what a library that is independent of it reads. libFuzzer asks it in `fuzz/`, and the test `seeds` asks it of every seed.
//!
//! | part | modules | what it does |
//! |---|---|---|
//! | targets | [`TARGETS`] | the properties by name, and how long an input may be |
//! | properties | `properties` | one file for each thing that is read |
//! | references | `reference` | names by AWS-LC, and rules for claims that are written for being short |
//! | measure | `cost` | what a call has allocated, and how long it took |
//!
//! Each uses only those below it.

mod cost;
mod properties;
mod reference;

use properties::{
    access_tokens, callout_answers, certificates, cloud_signers, compact_jws, configuration, forwarded_headers,
    header_maps, introspection, json, jwk_sets, names, pem, replay_store, signatures, vault_transit,
};

/// Something that is read, and what holds for it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of the program in `fuzz/`, and of the directories of its seeds.
    pub name: &'static str,
    /// The longest input that is worth trying, in bytes: a little more than the filter reads, or less where more only repeats.
    pub longest: usize,
    /// Panics if the property does not hold for these bytes. Whether the filter takes them for what they are to be.
    pub check: fn(&[u8]) -> bool,
}

/// All targets. That of RSA's arithmetic is beside the arithmetic.
pub const TARGETS: [Target; 16] = [
    Target { name: "access_tokens", longest: 4096, check: access_tokens::check },
    Target { name: "callout_answers", longest: 1024, check: callout_answers::check },
    Target { name: "certificates", longest: 4096, check: certificates::check },
    Target { name: "cloud_signers", longest: 4096, check: cloud_signers::check },
    Target { name: "compact_jws", longest: 9 * 1024, check: compact_jws::check },
    Target { name: "configuration", longest: 8 * 1024, check: configuration::check },
    Target { name: "forwarded_headers", longest: 8 * 1024, check: forwarded_headers::check },
    Target { name: "header_maps", longest: 1024, check: header_maps::check },
    Target { name: "introspection", longest: 17 * 1024, check: introspection::check },
    Target { name: "json", longest: 4096, check: json::check },
    Target { name: "jwk_sets", longest: 12 * 1024, check: jwk_sets::check },
    Target { name: "names", longest: 4200, check: names::check },
    Target { name: "pem", longest: 4096, check: pem::check },
    Target { name: "replay_store", longest: 2048, check: replay_store::check },
    Target { name: "signatures", longest: 2048, check: signatures::check },
    Target { name: "vault_transit", longest: 4096, check: vault_transit::check },
];

/// Checks the property of the target with this name. Whether the filter takes the bytes for what they are to be.
///
/// # Panics
/// If it does not hold, or there is no such target.
pub fn check(name: &str, data: &[u8]) -> bool {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of this name").check)(data)
}
