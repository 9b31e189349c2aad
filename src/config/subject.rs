//! The subjects that a configuration states (spec §2.4, §4): that of the bank's own certificate (C3), whose `O` and `OU` are
//! `iss` and `sub` of the tokens that it signs, and the Hub's, because responses come without a certificate. Both are held to
//! the rules for certificates of peers.

use super::errors::ConfigErrors;
use super::reader::{Keys, Node};
use crate::peer::name::DistinguishedName;
use crate::peer::subject::{SubjectError, check_value};
use crate::peer::{LeafCertificate, Subject, leaf::LeafError};
use crate::pem::has_private_key;

pub(super) const CERTIFICATE_KEYS: Keys =
    Keys { supported: &["pem", "organisation", "organisational_unit"], refused: &[] };

pub(super) const HUB_KEYS: Keys =
    Keys { supported: &["organisation", "organisational_unit", "common_name"], refused: &[] };

const PEM: &str = "a certificate in PEM, with one O and one OU in its subject";

const VALUE: &str = "a string of 1 to 256 bytes without control characters";

/// Reads `certificate`: the certificate itself, or its `O` and `OU`, or both, and then they must agree.
pub(super) fn read_certificate(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Subject> {
    let object = node.object(&CERTIFICATE_KEYS, errors)?;
    let pem = object.member("pem");
    let (organisation, unit) = (object.member("organisation"), object.member("organisational_unit"));
    if pem.is_absent() {
        if organisation.is_absent() && unit.is_absent() {
            return node.refuse_text("\"pem\", or \"organisation\" and \"organisational_unit\"", "neither", errors);
        }
        let (organisation, unit) = (read_value(&organisation, errors), read_value(&unit, errors));
        return Subject::new(organisation?, unit?, None).ok();
    }
    let subject = read_pem(&pem, errors);
    let (stated_organisation, stated_unit) = (read_optional(&organisation, errors), read_optional(&unit, errors));
    let (subject, stated_organisation, stated_unit) = (subject?, stated_organisation?, stated_unit?);
    let mut agrees = |node: &Node<'_>, stated: Option<&str>, certified: &str, expected: &str| {
        let agrees = stated.is_none_or(|stated| stated == certified);
        if !agrees {
            node.refuse(format!("expected {expected} of the certificate in \"pem\", got another"), errors);
        }
        agrees
    };
    let organisation_agrees = agrees(&organisation, stated_organisation, subject.organisation(), "the O");
    let unit_agrees = agrees(&unit, stated_unit, subject.organisational_unit(), "the OU");
    (organisation_agrees && unit_agrees).then_some(subject)
}

/// Reads `hub`.
pub(super) fn read_hub(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Subject> {
    let object = node.object(&HUB_KEYS, errors)?;
    let organisation = read_value(&object.member("organisation"), errors);
    let unit = read_value(&object.member("organisational_unit"), errors);
    let common_name = read_optional(&object.member("common_name"), errors);
    Subject::new(organisation?, unit?, common_name?).ok()
}

fn read_pem(node: &Node<'_>, errors: &mut ConfigErrors) -> Option<Subject> {
    let text = node.string(PEM, errors)?;
    // An operator who pastes a whole file may paste the private key with it.
    if has_private_key(text) {
        return node.refuse_text(PEM, "a text with a private key, which must not stand here", errors);
    }
    let leaf = match LeafCertificate::first_of_chain(text) {
        Ok(leaf) => leaf,
        Err(fault) => {
            let got = match fault {
                LeafError::TooLong => "a longer text",
                LeafError::NotUrlEncoded | LeafError::NotAByteSequence | LeafError::NotPem => {
                    "a text that is not the PEM of one"
                }
                LeafError::NotACertificate => "PEM that does not hold one",
            };
            return node.refuse_text(PEM, got, errors);
        }
    };
    let subject = DistinguishedName::parse(leaf.subject().as_bytes())
        .map_err(|fault| fault.to_string())
        .and_then(|name| Subject::from_name(&name).map_err(|fault| fault.to_string()));
    match subject {
        Ok(subject) => Some(subject),
        Err(fault) => node.refuse_text(PEM, &format!("one where {fault}"), errors),
    }
}

/// Reads an `O`, an `OU` or a `CN`.
pub(super) fn read_value<'a>(node: &Node<'a>, errors: &mut ConfigErrors) -> Option<&'a str> {
    let text = node.string(VALUE, errors)?;
    let got = match check_value(text) {
        Ok(()) => return Some(text),
        Err(SubjectError::BlankValue) => "an empty string",
        Err(SubjectError::ValueTooLong) => "a longer string",
        Err(_) => "a string with other characters",
    };
    node.refuse_text(VALUE, got, errors)
}

/// `Some(None)` if it is left out.
pub(super) fn read_optional<'a>(node: &Node<'a>, errors: &mut ConfigErrors) -> Option<Option<&'a str>> {
    node.optional(|node| read_value(node, errors))
}
