//! A token that is open, and its key: what it must be, and how it signs.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use hub_auth_filter::facade::rsa::RsaPublicKey;

use super::Fault;
use super::login::Login;
use crate::certificates::pem;
use crate::pkcs11::{KeyUri, find, place, public_key, said, slot};
use crate::signer::desk::PublicHalf;

/// `PS256` (RFC 7518 §3.5): SHA-256, MGF1 with SHA-256, a salt of 32 bytes.
fn ps256() -> PkcsPssParams {
    PkcsPssParams { hash_alg: MechanismType::SHA256, mgf: PkcsMgfType::MGF1_SHA256, s_len: 32.into() }
}

/// See the module.
pub(super) struct Opened {
    module: Pkcs11,
    slot: Slot,
    key: ObjectHandle,
    public_key: RsaPublicKey,
    /// Whether the token calculates the SHA-256 itself.
    hashes: bool,
    pub(super) public_half: Arc<PublicHalf>,
    pub(super) place: String,
    /// What the operator should know.
    pub(super) remarks: Vec<String>,
}

/// Sessions with a token.
pub(super) struct Sessions {
    /// Who is logged in. As long as it is open, all are.
    pub(super) login: Session,
    /// Those that sign.
    pub(super) signing: Vec<Session>,
}

impl Opened {
    /// Opens the token, logs in, finds the key, and sees that it is one to sign with.
    pub(super) fn open(
        module: &Pkcs11,
        uri: &KeyUri,
        login: &mut Login,
        sessions: u16,
        allow_extractable: bool,
    ) -> Result<(Self, Sessions), Fault> {
        login.check()?;
        let place = place(uri);
        let passing = |what: &str, error: &Error| Fault::Passing(format!("{place}: {what}: {}", said(error)));
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(passing("the module does not start", &error)),
        }
        let slot = slot(module, uri).map_err(|error| Fault::Passing(error.to_string()))?;
        let open = || module.open_ro_session(slot).map_err(|error| passing("the token opens no session", &error));
        let first = open()?;
        login.log_in(module, slot, &first)?;
        let in_token = |error: Error| passing("the key cannot be read", &error);
        let key = match find(&first, uri, ObjectClass::PRIVATE_KEY).map_err(in_token)?.as_slice() {
            [key] => *key,
            [] => return Err(Fault::Lasting(format!("{place}: the token has no such private key"))),
            _ => {
                return Err(Fault::Lasting(format!(
                    "{place}: expected one private key, got several: name the one with id="
                )));
            }
        };
        let remarks = check(&first, key, allow_extractable).map_err(in_token)?;
        let remarks = remarks.map_err(|problem| Fault::Lasting(format!("{place}: {problem}")))?;
        let public_key = public_key(&first, uri, key).map_err(in_token)?.ok_or_else(|| {
            Fault::Lasting(format!("{place}: expected an RSA key of 2048 to 4096 bits with a public half, got another"))
        })?;
        let mechanisms = module.get_mechanism_list(slot).map_err(in_token)?;
        let hashes = mechanisms.contains(&MechanismType::SHA256_RSA_PKCS_PSS);
        if !hashes && !mechanisms.contains(&MechanismType::RSA_PKCS_PSS) {
            return Err(Fault::Lasting(format!("{place}: the token does not do RSA with PSS")));
        }
        let mut all = vec![open()?];
        while all.len() < usize::from(sessions) {
            match module.open_ro_session(slot) {
                Ok(session) => all.push(session),
                // It has no more of them.
                Err(_) => break,
            }
        }
        let public_half = Arc::new(public_half(&public_key));
        let module = module.clone();
        let opened = Self { module, slot, key, public_key, hashes, public_half, place, remarks };
        Ok((opened, Sessions { login: first, signing: all }))
    }

    /// The signature of an input, verified.
    ///
    /// # Errors
    /// The session is of no use any more: why.
    pub(super) fn sign(&self, session: &Session, input: &[u8]) -> Result<Vec<u8>, String> {
        let signed = if self.hashes {
            session.sign(&Mechanism::Sha256RsaPkcsPss(ps256()), self.key, input)
        } else {
            session.sign(&Mechanism::RsaPkcsPss(ps256()), self.key, digest(&SHA256, input).as_ref())
        };
        let signature = signed.map_err(|error| said(&error))?;
        self.public_key
            .verify_ps256(input, &signature)
            .map_err(|_| "what the token signed does not verify with its public key".to_owned())?;
        Ok(signature)
    }

    /// Looks whether the token and the key are still there.
    ///
    /// # Errors
    /// Why they are not.
    pub(super) fn look(&self, session: &Session) -> Result<(), String> {
        let is_there = || {
            session.get_session_info()?;
            self.module.get_token_info(self.slot)?;
            session.get_attributes(self.key, &[AttributeType::KeyType])
        };
        match is_there() {
            Ok(told) if told == [Attribute::KeyType(KeyType::RSA)] => Ok(()),
            Ok(_) => Err("the key is gone".to_owned()),
            Err(error) => Err(said(&error)),
        }
    }
}

/// Whether this key is private to the token: what the operator should know of it, or why it is not.
fn check(session: &Session, key: ObjectHandle, allow_extractable: bool) -> Result<Result<Vec<String>, String>, Error> {
    use AttributeType as A;
    let wanted =
        [A::KeyType, A::Private, A::Sensitive, A::Extractable, A::Sign, A::AlwaysAuthenticate, A::NeverExtractable];
    let told = session.get_attributes(key, &wanted)?;
    if !told.contains(&Attribute::KeyType(KeyType::RSA)) {
        return Ok(Err("expected an RSA key of 2048 to 4096 bits, got another".to_owned()));
    }
    if !told.contains(&Attribute::Sign(true)) {
        return Ok(Err("the key may not sign (CKA_SIGN)".to_owned()));
    }
    if told.contains(&Attribute::AlwaysAuthenticate(true)) {
        return Ok(Err("the key demands the PIN for each signature (CKA_ALWAYS_AUTHENTICATE)".to_owned()));
    }
    let mut faults = Vec::new();
    for (attribute, problem) in [
        (Attribute::Private(true), "anybody sees it without a login (CKA_PRIVATE is false)"),
        (Attribute::Sensitive(true), "the token shows it in clear (CKA_SENSITIVE is false)"),
        (Attribute::Extractable(false), "it can be taken out of the token (CKA_EXTRACTABLE is true)"),
    ] {
        if !told.contains(&attribute) {
            faults.push(problem);
        }
    }
    if !faults.is_empty() && !allow_extractable {
        let faults = faults.join(", ");
        return Ok(Err(format!(
            "expected a private key that never leaves the token, got one of which this is so: {faults}"
        )));
    }
    let mut remarks: Vec<String> = faults
        .iter()
        .map(|fault| {
            format!("the key is not safe in its token, and --allow-extractable says that this is meant: {fault}")
        })
        .collect();
    if told.contains(&Attribute::NeverExtractable(false)) && faults.is_empty() {
        remarks.push(
            "the key was not made in the token (CKA_NEVER_EXTRACTABLE is false): there may be copies of it".to_owned(),
        );
    }
    Ok(Ok(remarks))
}

/// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) with an RSAPublicKey (RFC 8017 appendix A.1.1).
fn public_half(key: &RsaPublicKey) -> PublicHalf {
    let (modulus, exponent) = (key.modulus(), key.exponent());
    let numbers = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_bigint_bytes(&modulus, true);
            writer.next().write_bigint_bytes(&exponent, true);
        });
    });
    let der = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&yasna::models::ObjectIdentifier::from_slice(&[1, 2, 840, 113_549, 1, 1, 1]));
                writer.next().write_null();
            });
            writer.next().write_bitvec_bytes(&numbers, numbers.len() * 8);
        });
    });
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros());
    let bits = (modulus.len() * 8).saturating_sub(usize::try_from(leading).unwrap_or_default());
    PublicHalf { pem: pem("PUBLIC KEY", &der), bits }
}
