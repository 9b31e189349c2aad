//! What can be asked, and what is answered. Numbers are big-endian bytes, as RFC 8017 writes them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes, in JSON as base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// A question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Question {
    /// Which kernel does this engine calculate with?
    Kernel,
    /// Are these signatures valid?
    Verify(Vec<SignedMessage>),
    /// What are these powers?
    Power(Vec<PowerOf>),
    /// What are the signatures of this private key, in PEM, over these messages (`PS256`)?
    Sign(String, Vec<Bytes>),
    /// How long does this take? It is repeated for about so many nanoseconds, and the fastest stretch is told.
    Time(Work, u64),
}

/// What was asked for, in the same order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Question::Kernel`].
    Kernel(KernelInUse),
    /// To [`Question::Verify`].
    Verdicts(Vec<Verdict>),
    /// To [`Question::Power`], as long as the modulus each.
    Powers(Vec<Bytes>),
    /// To [`Question::Sign`].
    Signatures(Vec<Bytes>),
    /// To [`Question::Time`].
    Time(Time),
    /// There is no answer, for this reason.
    Nonsense(String),
}

/// One of the two kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KernelInUse {
    /// The one that every engine has.
    Scalar,
    /// The one that needs fused multiplications.
    Fused,
}

/// A public key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PublicKey {
    /// n
    pub modulus: Bytes,
    /// e
    pub exponent: Bytes,
}

/// A message with what is said to be its signature.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignedMessage {
    /// How it was encoded.
    pub padding: Padding,
    /// Whose it is said to be.
    pub key: PublicKey,
    /// What was signed.
    pub message: Bytes,
    /// The signature.
    pub signature: Bytes,
}

/// The two encodings of RFC 8017, both with SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Padding {
    /// RSASSA-PSS with a salt of 32 bytes (`PS256`).
    Pss,
    /// RSASSA-PKCS1-v1_5 (`RS256`).
    Pkcs1,
}

/// What became of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is valid.
    Valid,
    /// It is not.
    Invalid,
    /// The key is not acceptable.
    KeyRefused,
}

/// A number below the modulus of a key, to be raised to its exponent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PowerOf {
    /// The key.
    pub key: PublicKey,
    /// The number.
    pub base: Bytes,
}

/// Something that takes time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Work {
    /// To verify a signature that is valid, with a key that has been used before.
    Verify(By, SignedMessage),
    /// To sign this message with this private key, in PEM.
    Sign(By, String, Bytes),
    /// To make a public key ready for its first use.
    SetUp(PublicKey),
}

/// Whose arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum By {
    /// The filter's.
    Filter,
    /// That of the crate `rsa`, in the release that the filter reads keys with (0.10).
    Reference,
    /// That of the crate `rsa` before (0.9).
    Older,
}

/// How long something took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// How often it was done in one stretch.
    pub repetitions: u64,
    /// How long the stretch was.
    pub nanoseconds: u64,
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(de::Error::custom)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<B: AsRef<[u8]>> From<B> for Bytes {
    fn from(bytes: B) -> Self {
        Self(bytes.as_ref().to_vec())
    }
}
