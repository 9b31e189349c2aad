//! The stage: a real Envoy with the release module and the shipped configuration, and everybody it deals with — the Trust
//! Framework's PKI and keystore, the Hub and other callers, the bank's backend — on free ports of 127.0.0.1.
//!
//! The end-to-end tests and the demo play on it.
#![allow(clippy::disallowed_methods, reason = "the stage runs on real clocks")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;

pub mod authorisation_server;
pub mod bank;
pub mod client;
pub mod crl;
pub mod envoy;
pub mod fleet;
pub mod hub;
mod inbound;
mod json_server;
pub mod keystore;
pub mod kms;
pub mod module_signer;
pub mod openbao;
pub mod openbao_logins;
mod outbound;
pub mod pki;
pub mod process;
pub mod prometheus;
pub mod sds;
pub mod softhsm;
pub mod subject;
pub mod terminator;
pub mod tls_server;
pub mod tokens;

pub use inbound::{Places, Setup, Stage};
pub use outbound::{OutboundSetup, OutboundStage, REMOTE_KEY_ID};

use keystore::Keystore;
use pki::{Identity, Party, Pki};
use tokens::{Signer, Token, jwks, now};

/// The bank's provider id in the shipped configurations: the `aud` of a right token, in either direction.
pub const PROVIDER_ID: &str = "retail";

const FREE_PORT: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// A right token of this party for the bank, not yet signed.
#[must_use]
pub fn token_of(party: &Party) -> Token {
    Token::new(&party.subject, &party.signing.kid, PROVIDER_ID, now())
}

/// A right token of this party for the bank.
#[must_use]
pub fn signed_by(party: &Party) -> String {
    token_of(party).sign(Signer::Ps256(&party.signing))
}

/// An address as the shipped configurations write it.
fn at(address: SocketAddr) -> String {
    format!("address: {}, port_value: {}", address.ip(), address.port())
}

/// A keystore with every party's keys.
async fn published(pki: &Pki) -> Keystore {
    let keystore = Keystore::start(&pki.keystore).await;
    for party in [&pki.hub, &pki.arabic_hub, &pki.tpp, &pki.other_bank, &pki.bank] {
        keystore.publish(&party.subject, jwks([&party.signing]));
    }
    keystore
}

fn write_certificates(pki: &Pki, directory: &Path) {
    write(directory, "trust-framework-ca.pem", &pki.trust_framework_bundle());
    write(directory, "public-roots.pem", &pki.public_roots());
    write_identity(directory, "c3", &pki.bank.transport);
    write_identity(directory, "hub", &pki.hub.transport);
    write_identity(directory, "arabic-hub", &pki.arabic_hub.transport);
    write_identity(directory, "tpp", &pki.tpp.transport);
    write(directory, "internal-ca.pem", &pki.internal_bundle());
    write_identity(directory, "proxy", &pki.proxy);
}

fn write_identity(directory: &Path, name: &str, identity: &Identity) {
    write(directory, &format!("{name}-chain.pem"), &identity.chain_pem);
    write(directory, &format!("{name}-key.pem"), &identity.key_pem);
}

fn write(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).expect("a writable directory");
}
