//! The URI of a key in a hardware security module (RFC 7512): `pkcs11:token=hub;object=sig4?module-path=/usr/lib/libsofthsm2.so`.

use std::path::PathBuf;

/// What a URI says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyUri {
    /// The label of the token.
    pub(crate) token: Option<String>,
    /// Its serial number.
    pub(crate) serial: Option<String>,
    /// Its manufacturer.
    pub(crate) manufacturer: Option<String>,
    /// Its model.
    pub(crate) model: Option<String>,
    /// The slot that it is in.
    pub(crate) slot_id: Option<u64>,
    /// The label of the key.
    pub(crate) object: Option<String>,
    /// Its id.
    pub(crate) id: Option<Vec<u8>>,
    /// The library that speaks to the module.
    pub(crate) module_path: PathBuf,
    /// A file with the PIN.
    pub(crate) pin_file: Option<PathBuf>,
}

impl KeyUri {
    /// Reads what follows `pkcs11:`.
    ///
    /// # Errors
    /// What is wrong, without a value.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut uri = Self::default();
        let mut seen = Vec::new();
        let path = path.split(';').map(|attribute| (attribute, false));
        let query = query.split('&').map(|attribute| (attribute, true));
        for (attribute, is_query) in path.chain(query).filter(|(attribute, _)| !attribute.is_empty()) {
            let (name, value) =
                attribute.split_once('=').ok_or("expected NAME=VALUE between ; and &, got another text")?;
            if seen.contains(&name) {
                return Err(format!("expected {name} once, got it twice"));
            }
            seen.push(name);
            uri.set(name, &decoded(value).ok_or_else(|| format!("{name}: expected percent-encoded text"))?, is_query)?;
        }
        if uri.module_path.as_os_str().is_empty() {
            return Err("expected ?module-path= with the library of the module, got none".to_owned());
        }
        if uri.object.is_none() && uri.id.is_none() {
            return Err("expected object= with the label of the key, or id= with its id, got neither".to_owned());
        }
        Ok(uri)
    }

    fn set(&mut self, name: &str, value: &[u8], is_query: bool) -> Result<(), String> {
        let text = || String::from_utf8(value.to_vec()).map_err(|_| format!("{name}: expected UTF-8"));
        match (name, is_query) {
            ("token", false) => self.token = Some(text()?),
            ("serial", false) => self.serial = Some(text()?),
            ("manufacturer", false) => self.manufacturer = Some(text()?),
            ("model", false) => self.model = Some(text()?),
            ("slot-id", false) => {
                let number = text()?.parse().map_err(|_| format!("{name}: expected a number, got another text"))?;
                self.slot_id = Some(number);
            }
            ("object", false) => self.object = Some(text()?),
            ("id", false) => self.id = Some(value.to_vec()),
            ("type", false) if value == b"private" => {}
            ("type", false) => return Err("type: expected private, got another".to_owned()),
            ("module-path", true) => self.module_path = PathBuf::from(text()?),
            ("pin-source", true) => {
                let source = text()?;
                let path = source.strip_prefix("file:").unwrap_or(&source);
                if !path.starts_with('/') {
                    return Err("pin-source: expected the path of a file, got another text".to_owned());
                }
                self.pin_file = Some(PathBuf::from(path));
            }
            ("pin-value", _) => {
                return Err(
                    "pin-value: expected none, as others see it on the command line; give --pin-file".to_owned()
                );
            }
            _ => {
                return Err(format!(
                    "{name}: expected token, serial, manufacturer, model, slot-id, object, id or type, and behind ? module-path or \
                     pin-source"
                ));
            }
        }
        Ok(())
    }
}

/// Percent-encoding undone (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, others @ ..] = rest else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(*high)?.checked_mul(16)?.checked_add(digit(*low)?)?);
        rest = others;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attribute_is_read_into_its_own_field() {
        let text = "token=The%20token;serial=1f;manufacturer=M;model=m;slot-id=7;object=sig4;id=%01%fF;type=private\
                    ?module-path=/lib/m.so&pin-source=file:/run/pin";
        let expected = KeyUri {
            token: Some("The token".to_owned()),
            serial: Some("1f".to_owned()),
            manufacturer: Some("M".to_owned()),
            model: Some("m".to_owned()),
            slot_id: Some(7),
            object: Some("sig4".to_owned()),
            id: Some(vec![1, 255]),
            module_path: PathBuf::from("/lib/m.so"),
            pin_file: Some(PathBuf::from("/run/pin")),
        };
        assert_eq!(KeyUri::parse(text), Ok(expected));
    }

    #[test]
    fn what_is_missing_doubtful_or_unknown_is_refused_without_its_value() {
        for (text, expected) in [
            ("object=a", "module-path"),
            ("token=a?module-path=/m", "object="),
            ("object=a;object=b?module-path=/m", "object once"),
            ("object=%4?module-path=/m", "percent-encoded"),
            ("object=%zz?module-path=/m", "percent-encoded"),
            ("object=a?module-path=/m&pin-value=s3cret", "--pin-file"),
            ("object=a;pin-value=s3cret?module-path=/m", "--pin-file"),
            ("object=a?module-path=/m&pin-source=|s3cret", "the path of a file"),
            ("object=a;type=public?module-path=/m", "expected private"),
            ("object=a;slot-id=x?module-path=/m", "a number"),
            ("object=a;module-path=/m", "behind ?"),
            ("object=a;vendor=s3cret?module-path=/m", "vendor"),
            ("object?module-path=/m", "NAME=VALUE"),
        ] {
            let problem = KeyUri::parse(text).expect_err(text);
            assert!(problem.contains(expected) && !problem.contains("s3cret"), "{text}: {problem}");
        }
    }
}
