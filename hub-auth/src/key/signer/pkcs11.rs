//! A key in a hardware security module, by PKCS#11 (OASIS, version 2.40 and later). It never leaves the module.

use std::io::{self, Write};

use aws_lc_rs::rand;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use hub_auth_filter::facade::config::Secret;
use hub_auth_filter::facade::rsa::RsaPublicKey;

use super::Signer;
use crate::pkcs11::{KeyUri, find, place, public_key, said, slot};

/// The exponent of new keys, 65537.
const EXPONENT: [u8; 3] = [1, 0, 1];

pub(super) struct ModuleKey {
    place: String,
    session: Session,
    private_key: ObjectHandle,
    public_key: RsaPublicKey,
}

/// The key that a URI names, in a session in which the user is logged in.
pub(super) fn open(uri: &KeyUri, pin: Option<&Secret>, generate: bool, notes: &mut dyn Write) -> io::Result<ModuleKey> {
    let module = uri.module_path.display();
    let failed = |what: &str, error: &Error| io::Error::other(format!("{module}: {what}: {}", said(error)));
    let context = Pkcs11::new(&uri.module_path).map_err(|error| failed("the module cannot be loaded", &error))?;
    context
        .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
        .map_err(|error| failed("the module does not start", &error))?;
    let slot = slot(&context, uri)?;
    let session = if generate { context.open_rw_session(slot) } else { context.open_ro_session(slot) };
    let session = session.map_err(|error| failed("the token opens no session", &error))?;
    log_in(&context, &session, slot, pin).map_err(|problem| io::Error::other(format!("{module}: {problem}")))?;
    let place = place(uri);
    let named = |problem: &str| io::Error::other(format!("{place}: {problem}"));
    let in_token = |error: Error| named(&said(&error));
    let private_key = match find(&session, uri, ObjectClass::PRIVATE_KEY).map_err(in_token)?.as_slice() {
        [key] => *key,
        [] if generate => {
            let key = make(&session, uri).map_err(|error| named(&format!("the key was not made: {}", said(&error))))?;
            writeln!(notes, "Made the key {place}.")?;
            key
        }
        [] => return Err(named("the token has no such private key. --generate makes it")),
        _ => return Err(named("expected one private key, got several: name the one with id=")),
    };
    let public_key = public_key(&session, uri, private_key).map_err(in_token)?;
    let public_key = public_key.ok_or_else(|| named("expected an RSA key of 2048 bits, got another"))?;
    Ok(ModuleKey { place, session, private_key, public_key })
}

fn log_in(context: &Pkcs11, session: &Session, slot: Slot, pin: Option<&Secret>) -> Result<(), String> {
    let token = context.get_token_info(slot).map_err(|error| said(&error))?;
    if !token.login_required() {
        return Ok(());
    }
    if token.user_pin_locked() {
        return Err("the PIN is locked".to_owned());
    }
    let pin = match pin {
        Some(pin) => Some(AuthPin::new(pin.expose().into())),
        // The module asks for it by itself, on a keypad.
        None if token.protected_authentication_path() => None,
        None => {
            return Err(
                "expected the PIN in the variable HUB_AUTH_PIN, or in a file with --pin-file, got none".to_owned()
            );
        }
    };
    session.login(UserType::User, pin.as_ref()).map_err(|error| said(&error))
}

/// Makes the key in the token, which never gives it away.
fn make(session: &Session, uri: &KeyUri) -> Result<ObjectHandle, Error> {
    let mut id = vec![0; 16];
    rand::fill(&mut id).map_err(|_| Error::InvalidValue)?;
    let id = uri.id.clone().unwrap_or(id);
    let label = uri.object.clone().unwrap_or_default().into_bytes();
    let common = [Attribute::Token(true), Attribute::Label(label), Attribute::Id(id)];
    let [public, private] = [
        vec![
            Attribute::Verify(true),
            Attribute::ModulusBits(2048.into()),
            Attribute::PublicExponent(EXPONENT.to_vec()),
        ],
        vec![
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Decrypt(false),
        ],
    ]
    .map(|own| own.into_iter().chain(common.iter().cloned()).collect::<Vec<_>>());
    let (_, private_key) = session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private)?;
    Ok(private_key)
}

impl Signer for ModuleKey {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn public_key(&self) -> &RsaPublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> io::Result<Vec<u8>> {
        let signed = self.session.sign(&Mechanism::Sha256RsaPkcs, self.private_key, message);
        signed.map_err(|error| io::Error::other(format!("{}: {}", self.place, said(&error))))
    }
}
