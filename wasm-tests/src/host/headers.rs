//! An ordered list of header fields as byte strings, and its form in guest memory.
//! The form follows the proxy-wasm ABI 0.2.1 ("serialized map"): count, then all lengths, then NUL-terminated pairs.

use std::borrow::Cow;
use std::fmt;

/// The longest serialized map that Envoy's host accepts from a module.
const SERIALIZED_LIMIT: usize = 1024 * 1024;
/// The most pairs that Envoy's host accepts from a module.
const PAIRS_LIMIT: usize = 1024;

/// Header fields in order. Names are kept in lower case; values are bytes, not text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Vec<u8>, Vec<u8>)>);

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first value of `name`.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.all(name).first().copied()
    }

    /// The first value of `name` as text, with invalid UTF-8 replaced.
    pub fn text(&self, name: impl AsRef<[u8]>) -> Option<Cow<'_, str>> {
        self.get(name).map(String::from_utf8_lossy)
    }

    /// Every value of `name`, in order.
    pub fn all(&self, name: impl AsRef<[u8]>) -> Vec<&[u8]> {
        let name = name.as_ref().to_ascii_lowercase();
        self.0.iter().filter(|(field, _)| *field == name).map(|(_, value)| value.as_slice()).collect()
    }

    /// Whether `name` is present.
    pub fn has(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// Appends a field.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.0.push((name.as_ref().to_ascii_lowercase(), value.as_ref().to_vec()));
    }

    /// Replaces the one field of `name` in its place, or several of them by one at the end, as Envoy does.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = name.as_ref().to_ascii_lowercase();
        let mut fields = self.0.iter_mut().filter(|(field, _)| *field == name);
        match (fields.next(), fields.next()) {
            (Some((_, only)), None) => *only = value.as_ref().to_vec(),
            _ => {
                self.remove(&name);
                self.push(name, value);
            }
        }
    }

    /// Removes every field of `name`.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = name.as_ref().to_ascii_lowercase();
        self.0.retain(|(field, _)| *field != name);
    }

    /// Appends a field as a gateway does that joins some: to an earlier one, or apart.
    pub(crate) fn add(&mut self, joins: fn(&[u8]) -> Option<&'static [u8]>, name: &[u8], value: &[u8]) {
        let name = name.to_ascii_lowercase();
        let earlier = self.0.iter_mut().rev().find(|(field, _)| *field == name).map(|(_, value)| value);
        match (joins(&name), earlier) {
            (Some(delimiter), Some(existing)) => {
                if !existing.is_empty() && !value.is_empty() {
                    existing.extend(delimiter);
                }
                existing.extend(value);
            }
            _ => self.push(name, value),
        }
    }

    /// Sets the value of the field at this place.
    pub(crate) fn set_at(&mut self, place: usize, value: &[u8]) {
        if let Some((_, old)) = self.0.get_mut(place) {
            *old = value.to_vec();
        }
    }

    /// The fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sum of all names and values, which is what `proxy_get_header_map_size` gives.
    pub(crate) fn byte_size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// The form in guest memory.
    pub(crate) fn serialize(&self) -> Vec<u8> {
        let mut out = le32(self.0.len());
        for (name, value) in &self.0 {
            out.extend(le32(name.len()));
            out.extend(le32(value.len()));
        }
        for (name, value) in &self.0 {
            out.extend(name);
            out.push(0);
            out.extend(value);
            out.push(0);
        }
        out
    }

    /// Reads what a module serialized. As in Envoy's host, anything malformed is an empty map, not an error.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self::parse_strictly(bytes).unwrap_or_default()
    }

    fn parse_strictly(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > SERIALIZED_LIMIT {
            return None;
        }
        let mut rest = bytes;
        let count = take_le32(&mut rest)?;
        if count > PAIRS_LIMIT || rest.len() < count * 8 {
            return None;
        }
        let mut lengths = Vec::new();
        for _ in 0..count {
            lengths.push((take_le32(&mut rest)?, take_le32(&mut rest)?));
        }
        let mut headers = Headers::new();
        for (name, value) in lengths {
            let name = take_terminated(&mut rest, name)?;
            let value = take_terminated(&mut rest, value)?;
            headers.push(name, value);
        }
        rest.is_empty().then_some(headers)
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.push(name, value);
        }
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(
                self.0
                    .iter()
                    .map(|(name, value)| format!("{}: {}", name.escape_ascii(), String::from_utf8_lossy(value))),
            )
            .finish()
    }
}

fn le32(number: usize) -> Vec<u8> {
    u32::try_from(number).expect("a 32-bit length").to_le_bytes().to_vec()
}

fn take_le32(rest: &mut &[u8]) -> Option<usize> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    usize::try_from(u32::from_le_bytes(*head)).ok()
}

fn take_terminated<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (text, tail) = rest.split_at_checked(length)?;
    let (terminator, tail) = tail.split_first()?;
    *rest = tail;
    (*terminator == 0).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_survives_the_guest_form() {
        let headers: Headers = [("a", b"1".as_slice()), ("b", b""), ("a", b"\xff\x00")].into_iter().collect();
        assert_eq!(Headers::parse(&headers.serialize()), headers);
    }

    #[test]
    fn a_malformed_map_reads_as_empty() {
        let good = [("name", "value")].into_iter().collect::<Headers>().serialize();
        let mut overlong_count = good.clone();
        overlong_count[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut overlong_name = good.clone();
        overlong_name[4] = 200;
        let mut unterminated = good.clone();
        *unterminated.last_mut().expect("a byte") = b'x';
        let trailing = [good.as_slice(), b"x"].concat();
        for broken in [&good[..good.len() - 1], &overlong_count, &overlong_name, &unterminated, &trailing, &[], &[1]] {
            assert!(Headers::parse(broken).is_empty(), "{broken:?}");
        }
    }

    #[test]
    fn set_changes_the_only_field_in_its_place_and_replaces_several_by_one_at_the_end() {
        let mut headers: Headers = [("a", "1"), ("b", "2"), ("b", "3"), ("c", "4")].into_iter().collect();
        headers.set("A", "5");
        headers.set("B", "6");
        headers.set("D", "7");
        assert_eq!(headers, [("a", "5"), ("c", "4"), ("b", "6"), ("d", "7")].into_iter().collect());
    }
}
