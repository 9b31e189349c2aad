//! Keys in hardware security modules, by PKCS#11 (OASIS, version 2.40 and later): the token and the key that a URI names, and what
//! errors mean.

mod uri;

use std::io;

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use hub_auth_filter::facade::rsa::RsaPublicKey;

pub(crate) use uri::KeyUri;

/// The URI again, without where the module and the PIN are.
pub(crate) fn place(uri: &KeyUri) -> String {
    let token = uri.token.as_ref().map(|token| format!("token={token}"));
    let object = uri.object.as_ref().map(|object| format!("object={object}"));
    let id = uri.id.as_ref().map(|id| id.iter().map(|byte| format!("%{byte:02x}")).collect::<String>());
    let parts: Vec<String> = token.into_iter().chain(object).chain(id.map(|id| format!("id={id}"))).collect();
    crate::jwks::printable(&format!("pkcs11:{}", parts.join(";")))
}

/// The slot of the token that a URI names.
pub(crate) fn slot(context: &Pkcs11, uri: &KeyUri) -> io::Result<Slot> {
    let module = uri.module_path.display();
    let failed = |error: Error| io::Error::other(format!("{module}: {}", said(&error)));
    let mut found = Vec::new();
    for slot in context.get_slots_with_token().map_err(failed)? {
        let Ok(token) = context.get_token_info(slot) else { continue };
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is.trim_end());
        if token.token_initialized()
            && fits(&uri.token, token.label())
            && fits(&uri.serial, token.serial_number())
            && fits(&uri.manufacturer, token.manufacturer_id())
            && fits(&uri.model, token.model())
            && uri.slot_id.is_none_or(|wanted| wanted == slot.id())
        {
            found.push(slot);
        }
    }
    match found.as_slice() {
        [slot] => Ok(*slot),
        [] => Err(io::Error::other(format!("{module}: the module has no such token"))),
        _ => Err(io::Error::other(format!("{module}: expected one token, got several: name the one with token="))),
    }
}

/// The objects of this class with the label and the id that a URI names.
pub(crate) fn find(session: &Session, uri: &KeyUri, class: ObjectClass) -> Result<Vec<ObjectHandle>, Error> {
    let mut template = vec![Attribute::Class(class)];
    template.extend(uri.object.as_ref().map(|label| Attribute::Label(label.clone().into_bytes())));
    template.extend(uri.id.clone().map(Attribute::Id));
    session.find_objects(&template)
}

/// The public half, which most tokens tell with the private key, and all with a public key of the same label and id. `None` if it is none
/// of RSA.
pub(crate) fn public_key(
    session: &Session,
    uri: &KeyUri,
    private_key: ObjectHandle,
) -> Result<Option<RsaPublicKey>, Error> {
    let kind = session.get_attributes(private_key, &[AttributeType::KeyType])?;
    if kind != [Attribute::KeyType(KeyType::RSA)] {
        return Ok(None);
    }
    let mut objects = vec![private_key];
    objects.extend(find(session, uri, ObjectClass::PUBLIC_KEY)?);
    for object in objects {
        let told = session.get_attributes(object, &[AttributeType::Modulus, AttributeType::PublicExponent])?;
        let modulus = told.iter().find_map(|attribute| match attribute {
            Attribute::Modulus(modulus) => Some(modulus),
            _ => None,
        });
        let exponent = told.iter().find_map(|attribute| match attribute {
            Attribute::PublicExponent(exponent) => Some(exponent),
            _ => None,
        });
        if let (Some(modulus), Some(exponent)) = (modulus, exponent) {
            return Ok(RsaPublicKey::new(modulus, exponent).ok());
        }
    }
    Ok(None)
}

/// What an error means, for people.
pub(crate) fn said(error: &Error) -> String {
    match error {
        Error::Pkcs11(RvError::PinIncorrect, _) => "the PIN is wrong; after a few more the token locks it".to_owned(),
        Error::Pkcs11(RvError::PinLocked, _) => "the PIN is locked".to_owned(),
        Error::Pkcs11(RvError::PinExpired, _) => "the PIN has expired".to_owned(),
        Error::Pkcs11(RvError::PinLenRange, _) => "the PIN is too short or too long".to_owned(),
        Error::Pkcs11(RvError::MechanismInvalid, _) => {
            "the token does not do RSA with SHA-256 and PKCS#1 padding".to_owned()
        }
        Error::Pkcs11(RvError::KeyFunctionNotPermitted, _) => "the key may not sign".to_owned(),
        Error::Pkcs11(RvError::TokenWriteProtected | RvError::SessionReadOnly, _) => {
            "the token takes no new keys".to_owned()
        }
        Error::LibraryLoading(cause) => crate::jwks::printable(&cause.to_string()),
        Error::Pkcs11(code, function) => format!("{function:?} answers {code:?}"),
        other => other.to_string(),
    }
}
