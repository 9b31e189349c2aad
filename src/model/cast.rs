//! Who plays: the Hub and its keys, others, and the tokens that they send, each with what it says beside its text.

use std::sync::LazyLock;

use aws_lc_rs::rsa::KeySize;
use serde_json::json;

use crate::testing::SigningKey;

/// What the Hub's certificate says.
pub(super) const HUB: &[u8] = br"CN=abc123,OU=233bcd1d,O=Ozone Financial Technology\, Limited,C=AE";
/// Its `O`, which is the `iss` of the Hub's tokens.
pub(super) const ORGANISATION: &str = "Ozone Financial Technology, Limited";
/// Its `OU`, which is their `sub`.
pub(super) const UNIT: &str = "233bcd1d";
/// The certificate of somebody else whom the Trust Framework vouches for.
pub(super) const STRANGER: &[u8] = b"CN=abc123,OU=99999999,O=Third Party,C=AE";
/// SHA-256 of the Hub's certificate, in hexadecimal.
pub(super) const FINGERPRINT: [u8; 64] = [b'f'; 64];

/// The ids of the bank, which are its audiences.
pub(super) const PROVIDERS: [&str; 2] = ["retail", "corporate"];

/// A key that somebody signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// The one that the Hub has had for long; the bank's own.
    First,
    /// The one that comes next.
    Next,
    /// One that nobody publishes.
    Attackers,
}

static ATTACKERS: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(KeySize::Rsa2048));

impl Key {
    pub(super) fn signing(self) -> &'static SigningKey {
        match self {
            Self::First => SigningKey::first(),
            Self::Next => SigningKey::second(),
            Self::Attackers => &ATTACKERS,
        }
    }
}

/// A JWT Auth token before it is signed: all that the standard has a rule about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jws {
    pub(super) alg: &'static str,
    pub(super) typ: &'static str,
    pub(super) cty: &'static str,
    pub(super) kid: &'static str,
    pub(super) iss: &'static str,
    pub(super) sub: &'static str,
    pub(super) aud: &'static str,
    /// In seconds since 1970, as all times of tokens.
    pub(super) iat: u64,
    pub(super) exp: u64,
    pub(super) nbf: Option<u64>,
    pub(super) jti: String,
    /// Whose signature it has; `None` if that was broken.
    pub(super) signer: Option<Key>,
}

impl Jws {
    /// The compact serialisation.
    pub(super) fn sign(&self) -> String {
        let Self { alg, typ, cty, kid, iss, sub, aud, iat, exp, nbf, jti, signer } = self;
        let header = json!({ "alg": alg, "typ": typ, "cty": cty, "kid": kid }).to_string();
        let mut claims = json!({ "iss": iss, "sub": sub, "aud": aud, "iat": iat, "exp": exp, "jti": jti });
        if let Some(nbf) = nbf {
            claims["nbf"] = json!(nbf);
        }
        let token = signer.unwrap_or(Key::First).signing().token(&header, &claims.to_string());
        if signer.is_some() {
            return token;
        }
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (first, rest) = signature.split_at(1);
        format!("{signed}.{}{rest}", if first == "A" { "B" } else { "A" })
    }
}

/// What somebody brings as a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A JWT Auth token.
    Jws(Box<Jws>),
    /// A token of which only the authorisation server knows what it is.
    Opaque(Opaque),
}

/// See [`Token::Opaque`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opaque {
    pub(super) kind: OpaqueKind,
    pub(super) number: u8,
    /// When it ends, in seconds since 1970.
    pub(super) exp: u64,
}

/// What the authorisation server knows of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpaqueKind {
    /// It is right.
    Right,
    /// It is not active.
    Inactive,
    /// It is bound to another certificate.
    Elsewhere,
    /// It lacks the scope.
    Scopeless,
}

impl Opaque {
    /// Its text.
    pub(super) fn text(self) -> String {
        format!("opaque-{:?}-{}-{}", self.kind, self.number, self.exp)
    }
}

/// A request of somebody.
#[derive(Debug, Clone)]
pub(super) struct Sending {
    /// Which worker it comes to.
    pub(super) worker: usize,
    /// Who sends it.
    pub(super) client: Client,
    /// The provider that its header names.
    pub(super) provider: Option<&'static str>,
    /// Whether it has a header that only the filter may set.
    pub(super) reserved: bool,
    /// How many `authorization` headers there are.
    pub(super) credentials: usize,
    /// Whether it initiates a payment, which may bring a token of the bank.
    pub(super) initiates: bool,
}

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// The Hub.
    Hub,
    /// Somebody else, whom the Trust Framework vouches for.
    Stranger,
    /// One who presents the Hub's subject, and whom nobody vouches for.
    Pretender,
}
