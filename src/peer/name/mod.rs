//! Reads the string form of a distinguished name: RFC 4514, and RFC 2253 where that is what hosts print (spaces around
//! separators, `OID.`). Keeps O, OU and CN; every other attribute is read only so that nothing inside it can pose as one.
//!
//! Read by hand, because libraries read the form of one RFC, and gateways print a mixture.

mod ber;

use std::fmt;

use crate::hex;

/// Longest name that is read. Ten values of 64 Arabic letters (X.520's bound), each octet escaped to three, still fit.
pub(crate) const MAX_NAME_BYTES: usize = 4096;

/// Most attributes that are read. The Trust Framework's subjects have four, and the longest EV subjects about fifteen.
pub(crate) const MAX_ATTRIBUTES: usize = 64;

/// The attribute types that decide who a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeType {
    /// `O`, 2.5.4.10.
    Organisation,
    /// `OU`, 2.5.4.11.
    OrganisationalUnit,
    /// `CN`, 2.5.4.3.
    CommonName,
}

/// How a host may name a type that matters. A way missing here would hide a second O, OU or CN from the count.
const TYPE_NAMES: [(&str, AttributeType); 9] = [
    ("O", AttributeType::Organisation),
    ("organizationName", AttributeType::Organisation),
    ("2.5.4.10", AttributeType::Organisation),
    ("OU", AttributeType::OrganisationalUnit),
    ("organizationalUnitName", AttributeType::OrganisationalUnit),
    ("2.5.4.11", AttributeType::OrganisationalUnit),
    ("CN", AttributeType::CommonName),
    ("commonName", AttributeType::CommonName),
    ("2.5.4.3", AttributeType::CommonName),
];

/// The attributes O, OU and CN of a well-formed name, in the order of its string form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinguishedName {
    attributes: Vec<(AttributeType, String)>,
}

/// Why a text is not a distinguished name that can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// There is no text.
    Empty,
    /// It is longer than [`MAX_NAME_BYTES`].
    TooLong,
    /// It has more attributes than [`MAX_ATTRIBUTES`].
    TooManyAttributes,
    /// It is not UTF-8.
    NotUtf8,
    /// An attribute type is empty, or neither a short name nor a dotted OID, or no `=` follows it.
    InvalidType,
    /// A value contains `"`, `;`, `<`, `>` or NUL without an escape.
    UnescapedSpecial,
    /// A backslash is not followed by a special character or two hexadecimal digits.
    InvalidEscape,
    /// A `#` at the start of a value is not followed by whole hexadecimal octets and nothing else.
    InvalidHexString,
    /// The value of an O, OU or CN is not text.
    UndecodableValue,
}

impl DistinguishedName {
    /// Reads the whole of `text` as one name, and refuses what the standard's grammar does not allow.
    ///
    /// A value that is no text (foreign BER, escaped octets that are not UTF-8) is passed over in the attributes that
    /// decide nothing, because where it ends is beyond doubt; in O, OU and CN it refuses the name.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse(text: &[u8]) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong);
        }
        if std::str::from_utf8(text).is_err() {
            return Err(NameError::NotUtf8);
        }
        let mut cursor = Cursor { rest: text };
        let mut attributes = Vec::new();
        for _ in 0..MAX_ATTRIBUTES {
            let attribute_type = cursor.attribute_type()?;
            let value = cursor.attribute_value()?;
            if let Some(attribute_type) = attribute_type {
                attributes.push((attribute_type, value.ok_or(NameError::UndecodableValue)?));
            }
            // A `+` and a `,` weigh the same: an attribute counts wherever it stands in a multi-valued RDN.
            if cursor.next().is_none() {
                return Ok(Self { attributes });
            }
        }
        Err(NameError::TooManyAttributes)
    }

    /// Every value of one attribute type, decoded.
    pub fn values(&self, attribute_type: AttributeType) -> impl Iterator<Item = &str> {
        self.attributes.iter().filter(move |(of, _)| *of == attribute_type).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the name is empty",
            Self::TooLong => "the name is too long",
            Self::TooManyAttributes => "the name has too many attributes",
            Self::NotUtf8 => "the name is not UTF-8",
            Self::InvalidType => "the name has an invalid attribute type",
            Self::UnescapedSpecial => "the name has a special character without an escape",
            Self::InvalidEscape => "the name has an invalid escape",
            Self::InvalidHexString => "the name has an invalid hexadecimal value",
            Self::UndecodableValue => "the O, OU or CN of the name is not text",
        })
    }
}

impl std::error::Error for NameError {}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Reads `type =`. Nothing, if the type is valid and does not matter.
    fn attribute_type(&mut self) -> Result<Option<AttributeType>, NameError> {
        self.skip_spaces();
        let name = self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
        self.skip_spaces();
        if self.next() != Some(b'=') {
            return Err(NameError::InvalidType);
        }
        let name = match name.split_at_checked(4) {
            Some((prefix, oid)) if prefix.eq_ignore_ascii_case(b"OID.") && is_oid(oid) => oid,
            _ if is_oid(name) || is_short_name(name) => name,
            _ => return Err(NameError::InvalidType),
        };
        let known = TYPE_NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        Ok(known.map(|(_, attribute_type)| *attribute_type))
    }

    /// Reads a value up to the `,` or `+` that ends it or to the end of the name. Nothing, if it is not text.
    fn attribute_value(&mut self) -> Result<Option<String>, NameError> {
        self.skip_spaces();
        if self.peek() == Some(b'#') {
            return Ok(ber::decode_string(&self.hex_string()?));
        }
        let mut octets = Vec::new();
        // Spaces at the end belong to the value only if they are escaped.
        let mut significant = 0;
        while let Some(byte) = self.peek().filter(|byte| !ends_value(*byte)) {
            let _ = self.next();
            match byte {
                b'"' | b';' | b'<' | b'>' | 0 => return Err(NameError::UnescapedSpecial),
                b'\\' => octets.push(self.escaped_octet()?),
                _ => octets.push(byte),
            }
            if byte != b' ' {
                significant = octets.len();
            }
        }
        octets.truncate(significant);
        // Escapes are octets, not characters: together with their neighbours they must form strict UTF-8.
        Ok(String::from_utf8(octets).ok())
    }

    fn escaped_octet(&mut self) -> Result<u8, NameError> {
        match self.next() {
            Some(special @ (b'\\' | b'"' | b'+' | b',' | b';' | b'<' | b'>' | b' ' | b'#' | b'=')) => Ok(special),
            Some(high) => self.next().and_then(|low| hex::octet(high, low)).ok_or(NameError::InvalidEscape),
            None => Err(NameError::InvalidEscape),
        }
    }

    fn hex_string(&mut self) -> Result<Vec<u8>, NameError> {
        let _ = self.next();
        let digits = self.take_while(|byte| byte.is_ascii_hexdigit());
        self.skip_spaces();
        let (pairs, []) = digits.as_chunks::<2>() else { return Err(NameError::InvalidHexString) };
        if pairs.is_empty() || self.peek().is_some_and(|byte| !ends_value(byte)) {
            return Err(NameError::InvalidHexString);
        }
        pairs.iter().map(|[high, low]| hex::octet(*high, *low).ok_or(NameError::InvalidHexString)).collect()
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip_spaces(&mut self) {
        self.take_while(|byte| byte == b' ');
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !accept(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}

fn ends_value(byte: u8) -> bool {
    matches!(byte, b',' | b'+')
}

fn is_short_name(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic) && !name.contains(&b'.')
}

/// Two arcs or more, none with a leading zero: `2.5.4.011` must not pass as an attribute that does not matter.
fn is_oid(name: &[u8]) -> bool {
    let mut arcs = name.split(|byte| *byte == b'.');
    arcs.clone().count() >= 2
        && arcs.all(|arc| match arc {
            [b'0'] => true,
            [b'0', ..] | [] => false,
            digits => digits.iter().all(u8::is_ascii_digit),
        })
}

#[cfg(test)]
pub(super) mod tests;
