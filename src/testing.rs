//! What the unit tests share: keys and tokens made by AWS-LC, whose RSA and ECDSA are not those under test.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::callout::CalloutReport;
use crate::config::{Config, ConfigErrors};
use crate::effects::Event;
use crate::gateway::kinds::GatewayKind;
use crate::reply::Rejection;
use crate::shared_data::{SharedData, Stored, Unavailable, Version, Written};
use crate::time::{Clocks, Moment, SteadyTime, UnixTime};
use crate::verdict::{RequestVerdict, ResponseVerdict, Verdict};

impl Config {
    /// Reads a configuration that takes nothing from the environment.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ConfigErrors> {
        Self::parse_with(bytes, &GatewayKind::known(), &|_| None)
    }
}

/// An RSA key that signs test tokens.
pub(crate) struct SigningKey(KeyPair);

/// A P-256 key that signs test tokens.
pub(crate) struct EcSigningKey(EcdsaKeyPair);

static FIRST: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(KeySize::Rsa2048));
static SECOND: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(KeySize::Rsa2048));
static FIRST_EC: LazyLock<EcSigningKey> = LazyLock::new(EcSigningKey::generate);
static SECOND_EC: LazyLock<EcSigningKey> = LazyLock::new(EcSigningKey::generate);

impl SigningKey {
    /// The key that tests use where one is enough.
    pub(crate) fn first() -> &'static Self {
        &FIRST
    }

    /// Another key.
    pub(crate) fn second() -> &'static Self {
        &SECOND
    }

    pub(crate) fn generate(size: KeySize) -> Self {
        Self(KeyPair::generate(size).unwrap())
    }

    /// As `PS256` does.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.sign_padded(&RSA_PSS_SHA256, message)
    }

    /// As `RS256` does.
    pub(crate) fn sign_rs256(&self, message: &[u8]) -> Vec<u8> {
        self.sign_padded(&RSA_PKCS1_SHA256, message)
    }

    fn sign_padded(&self, padding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    pub(crate) fn modulus(&self) -> Vec<u8> {
        self.0.public_key().modulus().big_endian_without_leading_zero().to_vec()
    }

    pub(crate) fn exponent(&self) -> Vec<u8> {
        self.0.public_key().exponent().big_endian_without_leading_zero().to_vec()
    }

    /// PKCS#8, as OpenSSL writes it.
    pub(crate) fn pem(&self) -> String {
        pem("PRIVATE KEY", &self.der())
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        let der: Pkcs8V1Der<'_> = self.0.as_der().unwrap();
        der.as_ref().to_vec()
    }

    /// SubjectPublicKeyInfo, as OpenSSL writes it.
    pub(crate) fn public_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        pem("PUBLIC KEY", der.as_ref())
    }

    pub(crate) fn jwk(&self, key_id: &str) -> Value {
        json!({ "kty": "RSA", "kid": key_id, "n": b64(&self.modulus()), "e": b64(&self.exponent()) })
    }

    pub(crate) fn jwks(&self, key_id: &str) -> Vec<u8> {
        json!({ "keys": [self.jwk(key_id)] }).to_string().into_bytes()
    }

    /// A compact JWS over header and payload as they are written, signed as `PS256`.
    pub(crate) fn token(&self, header: &str, payload: &str) -> String {
        signed(header, payload, |message| self.sign(message))
    }

    /// The same, signed as `RS256`.
    pub(crate) fn token_rs256(&self, header: &str, payload: &str) -> String {
        signed(header, payload, |message| self.sign_rs256(message))
    }
}

impl EcSigningKey {
    /// The key that tests use where one is enough.
    pub(crate) fn first() -> &'static Self {
        &FIRST_EC
    }

    /// Another key.
    pub(crate) fn second() -> &'static Self {
        &SECOND_EC
    }

    fn generate() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    /// As `ES256` does.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// PKCS#8, as OpenSSL writes it.
    pub(crate) fn pem(&self) -> String {
        pem("PRIVATE KEY", self.0.to_pkcs8v1().unwrap().as_ref())
    }

    /// SubjectPublicKeyInfo, as OpenSSL writes it.
    pub(crate) fn public_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        pem("PUBLIC KEY", der.as_ref())
    }

    /// x and y.
    pub(crate) fn coordinates(&self) -> (Vec<u8>, Vec<u8>) {
        let point = self.0.public_key().as_ref();
        assert_eq!((point.len(), point[0]), (65, 4), "an uncompressed point");
        (point[1..33].to_vec(), point[33..].to_vec())
    }

    pub(crate) fn jwk(&self, key_id: &str) -> Value {
        let (x, y) = self.coordinates();
        json!({ "kty": "EC", "crv": "P-256", "kid": key_id, "x": b64(&x), "y": b64(&y) })
    }

    /// A compact JWS over header and payload as they are written, signed as `ES256`.
    pub(crate) fn token(&self, header: &str, payload: &str) -> String {
        signed(header, payload, |message| self.sign(message))
    }
}

fn signed(header: &str, payload: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let signing_input = format!("{}.{}", b64(header.as_bytes()), b64(payload.as_bytes()));
    let signature = b64(&sign(signing_input.as_bytes()));
    format!("{signing_input}.{signature}")
}

/// What workers share, in memory. Clones are the same memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedMemory(Rc<RefCell<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    values: BTreeMap<String, (Vec<u8>, u32)>,
    writes: u32,
    fails: bool,
}

impl SharedMemory {
    /// Makes every access fail from now on, or none.
    pub(crate) fn fail(&self, fails: bool) {
        self.0.borrow_mut().fails = fails;
    }

    /// Changes every value behind the workers' backs.
    pub(crate) fn change_all(&self, change: impl Fn(&mut Vec<u8>)) {
        self.0.borrow_mut().values.values_mut().for_each(|(value, _)| change(value));
    }
}

impl SharedData for SharedMemory {
    fn read(&self, key: &str) -> Result<Option<Stored>, Unavailable> {
        let memory = self.0.borrow();
        if memory.fails {
            return Err(Unavailable);
        }
        let stored = |(value, version): &(Vec<u8>, u32)| Stored { value: value.clone(), version: Version(*version) };
        Ok(memory.values.get(key).map(stored))
    }

    fn write(&self, key: &str, value: &[u8], seen: Option<Version>) -> Result<Written, Unavailable> {
        let mut memory = self.0.borrow_mut();
        if memory.fails {
            return Err(Unavailable);
        }
        if memory.values.get(key).map(|(_, version)| Version(*version)) != seen {
            return Ok(Written::Conflict);
        }
        memory.writes += 1;
        let version = memory.writes;
        memory.values.insert(key.to_owned(), (value.to_vec(), version));
        Ok(Written::Done)
    }
}

/// PEM in lines of 64 characters.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A compact JWS with any bytes for a signature.
pub(crate) fn token(header: &str, payload: &str, signature: &[u8]) -> String {
    format!("{}.{}.{}", b64(header.as_bytes()), b64(payload.as_bytes()), b64(signature))
}

/// Where a token is decoded to. Tests are few enough to leave it behind.
pub(crate) fn buffer() -> &'static mut Vec<u8> {
    Box::leak(Box::default())
}

pub(crate) fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What was decided, in a word: `admitted` for all that goes on as it should, or the error code.
pub(crate) trait Decided {
    /// The word.
    fn word(&self) -> &'static str;
}

/// See [`Decided`].
pub(crate) fn code(decided: &impl Decided) -> &'static str {
    decided.word()
}

impl Decided for RequestVerdict {
    fn word(&self) -> &'static str {
        match self {
            Self::Admit(_) => "admitted",
            Self::Reject(rejection) => rejection.word(),
            Self::Answer(_) => "answered",
        }
    }
}

impl Decided for ResponseVerdict {
    fn word(&self) -> &'static str {
        match self {
            Self::Pass | Self::Attach(_) => "admitted",
            Self::Replace(rejection) => rejection.word(),
            Self::Tolerate(_) => "tolerated",
        }
    }
}

impl Decided for Verdict {
    fn word(&self) -> &'static str {
        match self {
            Self::Request(verdict) => verdict.word(),
            Self::Response(verdict) => verdict.word(),
        }
    }
}

impl Decided for Box<Rejection> {
    fn word(&self) -> &'static str {
        self.code().as_str()
    }
}

/// The line of the audit trail, if a signature is among these events.
pub(crate) fn signed_line(events: &[Event], now: Moment) -> Option<String> {
    let mut lines = events.iter().filter_map(|event| match event {
        Event::Signed(record) => Some(record.log_line(now.wall)),
        _ => None,
    });
    lines.next_back()
}

/// What came of a callout, if that is among these events.
pub(crate) fn report(events: &[Event]) -> Option<&CalloutReport> {
    let mut reports = events.iter().filter_map(|event| match event {
        Event::CalloutEnded(report) => Some(report),
        _ => None,
    });
    reports.next_back()
}

/// The clocks of a machine, and what a worker of its gateway has noticed of them.
pub(crate) struct MachineClocks {
    worker: Clocks,
    wall: u64,
    steady: u64,
}

impl MachineClocks {
    /// They have just been read.
    pub(crate) fn new() -> Self {
        let mut clocks = Self { worker: Clocks::new(), wall: 1_795_253_400, steady: 5_000 };
        clocks.now();
        clocks
    }

    /// What time it is for the worker, which looks.
    pub(crate) fn now(&mut self) -> Moment {
        self.worker.moment(UnixTime::from_secs(self.wall), Some(SteadyTime::from_secs(self.steady)))
    }

    /// The same for a worker that has just started.
    pub(crate) fn for_a_new_worker(&self) -> Moment {
        Clocks::new().moment(UnixTime::from_secs(self.wall), Some(SteadyTime::from_secs(self.steady)))
    }

    /// So many seconds later.
    pub(crate) fn pass(&mut self, seconds: u64) -> Moment {
        self.wall += seconds;
        self.steady += seconds;
        self.now()
    }

    /// When the wall clock has been set by so many seconds.
    pub(crate) fn set(&mut self, by: i64) -> Moment {
        self.wall = self.wall.checked_add_signed(by).unwrap();
        self.now()
    }

    /// When the machine has slept for so many seconds.
    pub(crate) fn sleep(&mut self, seconds: u64) -> Moment {
        self.wall += seconds;
        self.now()
    }
}
