//! The subject of a peer certificate as JWT Auth uses it: exactly one O and one OU, at most one CN, each of them usable
//! in a comparison, a header, a URL and a log line. X.501 allows more; whatever is ambiguous is refused.

use std::fmt;
use std::sync::Arc;

use super::name::{AttributeType, DistinguishedName};

/// Longest value that is used: 64 characters, X.520's upper bound for O, OU and CN, of four octets each at most.
pub(crate) const MAX_VALUE_BYTES: usize = 256;

/// An unambiguous subject. Copies share it, which makes it quick to see that two are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(Arc<Values>);

#[derive(Debug, PartialEq, Eq)]
struct Values {
    organisation: String,
    organisational_unit: Arc<str>,
    common_name: Option<String>,
}

/// Why a well-formed name is not a subject that can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectError {
    /// It has no O, or several.
    NotOneOrganisation,
    /// It has no OU, or several.
    NotOneOrganisationalUnit,
    /// It has more than one CN.
    SeveralCommonNames,
    /// Its O, OU or CN is empty, or nothing in it can be seen.
    BlankValue,
    /// Its O, OU or CN is longer than [`MAX_VALUE_BYTES`].
    ValueTooLong,
    /// Its O, OU or CN has a character that ends a line, controls a terminal or reorders text.
    UnsafeCharacter,
}

impl Subject {
    /// Takes the O, OU and CN of a name, wherever in it they stand and however their types were written.
    ///
    /// # Errors
    /// See [`SubjectError`].
    pub fn from_name(name: &DistinguishedName) -> Result<Self, SubjectError> {
        let organisation =
            only(name.values(AttributeType::Organisation)).ok().flatten().ok_or(SubjectError::NotOneOrganisation)?;
        let organisational_unit = organisational_unit(name)?;
        let common_name =
            only(name.values(AttributeType::CommonName)).map_err(|Several| SubjectError::SeveralCommonNames)?;
        Self::new(organisation, organisational_unit, common_name)
    }

    /// A subject with these values.
    ///
    /// # Errors
    /// When one of them is not [usable](check_value).
    pub fn new(organisation: &str, organisational_unit: &str, common_name: Option<&str>) -> Result<Self, SubjectError> {
        Ok(Self(Arc::new(Values {
            organisation: usable(organisation)?,
            organisational_unit: usable(organisational_unit)?.into(),
            common_name: common_name.map(usable).transpose()?,
        })))
    }

    /// `O`, which a token's `iss` must equal.
    #[must_use]
    pub fn organisation(&self) -> &str {
        &self.0.organisation
    }

    /// `OU`, which a token's `sub` must equal, and which pins compare.
    #[must_use]
    pub fn organisational_unit(&self) -> &str {
        &self.0.organisational_unit
    }

    /// The same, to be kept.
    #[must_use]
    pub(crate) fn shared_organisational_unit(&self) -> Arc<str> {
        Arc::clone(&self.0.organisational_unit)
    }

    /// `CN`. Whoever needs it refuses a subject without one.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.0.common_name.as_deref()
    }
}

impl fmt::Display for SubjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOneOrganisation => "the subject does not have exactly one O",
            Self::NotOneOrganisationalUnit => "the subject does not have exactly one OU",
            Self::SeveralCommonNames => "the subject has more than one CN",
            Self::BlankValue => "the O, OU or CN of the subject is empty",
            Self::ValueTooLong => "the O, OU or CN of the subject is too long",
            Self::UnsafeCharacter => "the O, OU or CN of the subject has a control character",
        })
    }
}

impl std::error::Error for SubjectError {}

/// Whether a value can be the O, OU or CN of a subject.
///
/// # Errors
/// [`SubjectError::BlankValue`], [`SubjectError::ValueTooLong`] or [`SubjectError::UnsafeCharacter`].
pub(crate) fn check_value(value: &str) -> Result<(), SubjectError> {
    if value.chars().all(|character| character.is_whitespace() || is_invisible(character)) {
        return Err(SubjectError::BlankValue);
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(SubjectError::ValueTooLong);
    }
    if value.chars().any(is_unsafe) {
        return Err(SubjectError::UnsafeCharacter);
    }
    Ok(())
}

/// The OU of a name, whatever else is in it and whether or not it is usable.
///
/// # Errors
/// [`SubjectError::NotOneOrganisationalUnit`].
pub(crate) fn organisational_unit(name: &DistinguishedName) -> Result<&str, SubjectError> {
    let unit = only(name.values(AttributeType::OrganisationalUnit)).ok().flatten();
    unit.ok_or(SubjectError::NotOneOrganisationalUnit)
}

struct Several;

fn only<'a>(mut values: impl Iterator<Item = &'a str>) -> Result<Option<&'a str>, Several> {
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Several),
    }
}

fn usable(value: &str) -> Result<String, SubjectError> {
    check_value(value).map(|()| value.to_owned())
}

/// Joiners, marks of direction, the soft hyphen and spaces without width: they are part of names, and make none by
/// themselves. A value of nothing else looks empty to whoever reads the log.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// Controls (Cc) split headers and log lines, cut strings at NUL and drive terminals; line and paragraph separators split
/// lines too; bidi embeddings, overrides and isolates make one name look like another to whoever reads the log.
/// Joiners and single directional marks (U+200C–200F, U+061C) reorder nothing else, and real Arabic names contain them.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::name::{DistinguishedName, tests::as_hosts_print};
    use super::{MAX_VALUE_BYTES, Subject, SubjectError};

    fn subject(name: &str) -> Result<Subject, SubjectError> {
        Subject::from_name(&DistinguishedName::parse(name.as_bytes()).unwrap())
    }

    #[test]
    fn a_subject_with_one_of_each_is_taken() {
        for name in [
            "CN=ABC, OU=XYZ, O=Acme Bank, C=AE",
            "O=Acme Bank+OU=XYZ,CN=ABC",
            "C=AE,2.5.4.10=#0C0941636D652042616E6B,OID.2.5.4.11=XYZ,commonName=ABC",
        ] {
            let subject = subject(name).unwrap();
            assert_eq!(subject.organisation(), "Acme Bank");
            assert_eq!(subject.organisational_unit(), "XYZ");
            assert_eq!(subject.common_name(), Some("ABC"));
        }
    }

    #[test]
    fn a_subject_may_lack_a_common_name() {
        assert_eq!(subject("OU=XYZ,O=Acme Bank").unwrap().common_name(), None);
    }

    #[test]
    fn a_subject_without_exactly_one_organisation_is_ambiguous() {
        for name in [
            "OU=a",
            "O=x,OU=a,O=y",
            "O=x+O=y,OU=a",
            "O=x,O=x,OU=a",
            "O=x,2.5.4.10=y,OU=a",
            "OID.2.5.4.10=x,organizationName=y,OU=a",
            "O=x,OU=a,O=",
            r"L=O=x,OU=a",
        ] {
            assert_eq!(subject(name), Err(SubjectError::NotOneOrganisation), "{name}");
        }
    }

    #[test]
    fn a_subject_without_exactly_one_organisational_unit_is_ambiguous() {
        for name in [
            "O=x",
            "O=x,OU=a,OU=b",
            "OU=a+OU=b,O=x",
            "O=x,OU=a,OU=a",
            "O=x,OU=a,2.5.4.11=b",
            "O=x,ou=a,OID.2.5.4.11=#0C0162",
            "O=x,organizationalUnitName=a,OU=b",
            r"O=x\,OU=a",
            "O=x,OU=a,OU=",
        ] {
            assert_eq!(subject(name), Err(SubjectError::NotOneOrganisationalUnit), "{name}");
        }
    }

    #[test]
    fn a_subject_with_two_common_names_is_ambiguous() {
        for name in ["CN=a,O=x,OU=u,CN=b", "CN=a+CN=a,O=x,OU=u", "CN=a,2.5.4.3=b,O=x,OU=u", "cn=,commonName=b,O=x,OU=u"]
        {
            assert_eq!(subject(name), Err(SubjectError::SeveralCommonNames), "{name}");
        }
    }

    /// The same fault in each of the three values.
    #[track_caller]
    fn assert_value_refused(value: &str, expected: SubjectError) {
        let printed = as_hosts_print(value);
        for name in
            [format!("O={printed},OU=u,CN=n"), format!("O=o,OU={printed},CN=n"), format!("O=o,OU=u,CN={printed}")]
        {
            assert_eq!(subject(&name), Err(expected), "{name}");
        }
    }

    #[test]
    fn a_blank_value_is_refused() {
        for value in ["", " ", "   ", "\u{a0}\u{3000}"] {
            assert_value_refused(value, SubjectError::BlankValue);
        }
    }

    #[test]
    fn a_value_of_which_nothing_can_be_seen_is_refused() {
        for value in ["\u{200b}", "\u{200f}\u{61c}", "\u{feff} \u{ad}\u{2060}"] {
            assert_value_refused(value, SubjectError::BlankValue);
            assert_eq!(Subject::new(value, "u", None), Err(SubjectError::BlankValue), "{value:?}");
        }
    }

    #[test]
    fn an_empty_value_is_refused_however_it_is_written() {
        for name in ["O=,OU=u,CN=n", "O=o,OU=#0C00,CN=n", "O=o,OU=u,CN=#1300", "2.5.4.10=#1E00,OU=u", "O=o+OU=,CN=n"] {
            assert_eq!(subject(name), Err(SubjectError::BlankValue), "{name}");
        }
    }

    #[test]
    fn a_value_that_could_mislead_a_header_a_log_or_its_reader_is_refused() {
        for value in [
            "a\0b",
            "a\r\nx-hub: b",
            "a\nb",
            "a\tb",
            "\u{1b}[2J",
            "a\u{1f}",
            "a\u{7f}",
            "a\u{80}",
            "a\u{85}b",
            "a\u{9f}",
            "a\u{2028}b",
            "a\u{2029}b",
            "a\u{202a}b",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{2069}b",
        ] {
            assert_value_refused(value, SubjectError::UnsafeCharacter);
        }
    }

    #[test]
    fn arabic_joiners_marks_and_plain_punctuation_are_usable() {
        for value in [
            "بنك أبوظبي",
            "می\u{200c}خواهم",
            "a\u{200d}b",
            "ABC\u{200f} بنك",
            "\u{61c}بنك",
            " a, \"b\" <c>; #+=\\ ",
            "😀",
        ] {
            let printed = as_hosts_print(value);
            let subject = subject(&format!("CN={printed},OU={printed},O={printed}")).unwrap();
            assert_eq!(subject.organisation(), value);
            assert_eq!(subject.organisational_unit(), value);
            assert_eq!(subject.common_name(), Some(value));
        }
    }

    #[test]
    fn a_value_of_64_characters_of_any_script_fits_and_a_longer_one_is_refused() {
        let longest = "😀".repeat(64);
        assert_eq!(longest.len(), MAX_VALUE_BYTES);
        assert_eq!(subject(&format!("O={longest},OU=u")).unwrap().organisation(), longest);
        assert_value_refused(&"a".repeat(MAX_VALUE_BYTES + 1), SubjectError::ValueTooLong);
    }

    #[test]
    fn a_subject_of_stated_values_is_held_to_the_same_rules() {
        let stated = Subject::new("Acme Bank", "XYZ", Some("ABC")).unwrap();
        assert_eq!(stated, subject("CN=ABC,OU=XYZ,O=Acme Bank").unwrap());
        assert_eq!(Subject::new("Acme Bank", "XYZ", None).unwrap(), subject("OU=XYZ,O=Acme Bank").unwrap());
        let long = "a".repeat(MAX_VALUE_BYTES + 1);
        for (value, error) in [
            ("", SubjectError::BlankValue),
            (" \u{3000}", SubjectError::BlankValue),
            ("a\nb", SubjectError::UnsafeCharacter),
            ("a\u{202e}b", SubjectError::UnsafeCharacter),
            (&long, SubjectError::ValueTooLong),
        ] {
            assert_eq!(Subject::new(value, "u", Some("n")), Err(error), "{value:?}");
            assert_eq!(Subject::new("o", value, Some("n")), Err(error), "{value:?}");
            assert_eq!(Subject::new("o", "u", Some(value)), Err(error), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn what_a_subject_holds_can_stand_in_a_header(value in ".{1,40}") {
            if let Ok(subject) = subject(&format!("O={},OU=u", as_hosts_print(&value))) {
                prop_assert_eq!(subject.organisation(), &value);
                prop_assert!(!value.bytes().any(|byte| byte < 0x20 || byte == 0x7f));
            }
        }
    }
}
