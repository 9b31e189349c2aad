//! Deliberate faults of the host: a call that returns a status, or OK and nothing, or OK and nonsense.
//! They are for one rule: whatever a host does, the module never traps and never lets a request through by accident.

use super::headers::Headers;
use super::host_call;

/// A fault in one host call. Build it with [`Fault::host_call`] and hand it to `Gateway::fault`.
#[derive(Clone, Debug)]
pub struct Fault {
    name: &'static str,
    subject: Option<String>,
    nth: Option<usize>,
    effect: Effect,
    seen: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Returns(u32),
    Silent,
    Garbage(Garbage),
}

/// What a call hands out instead of its value.
#[derive(Clone, Debug)]
pub enum Garbage {
    /// A null pointer and the length 0.
    Null,
    /// The first half of the value.
    Truncated,
    /// A map that claims four billion pairs.
    OverlongCount,
    /// A map whose first name claims four billion bytes.
    OverlongName,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A host call that is to go wrong. Its methods say how.
#[derive(Clone, Copy, Debug)]
pub struct FaultyCall(&'static str);

impl Fault {
    /// A fault in the host call of this name, proxy-wasm or WASI. Panics when the ABI has no such call.
    pub fn host_call(name: &str) -> FaultyCall {
        FaultyCall(host_call::known(name))
    }

    /// Only when the call is about this: a property (segments joined by `.`), header, key, metric, upstream or clock (`realtime` or
    /// `monotonic`).
    pub fn only_for(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Only the nth such call, counted from 1 and from when the fault was installed.
    pub fn only_nth(mut self, nth: usize) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Whether the fault strikes at this call; counts it.
    pub(crate) fn strikes(&mut self, name: &str, subject: Option<&str>) -> Option<Effect> {
        if self.name != name || self.subject.as_deref().is_some_and(|wanted| subject != Some(wanted)) {
            return None;
        }
        self.seen += 1;
        self.nth.is_none_or(|nth| nth == self.seen).then(|| self.effect.clone())
    }
}

impl FaultyCall {
    /// It does nothing and returns this status (proxy-wasm) or error number (WASI), known or unknown.
    pub fn returns(self, code: impl Into<u32>) -> Fault {
        self.with(Effect::Returns(code.into()))
    }

    /// It does nothing, writes nothing, and returns OK.
    pub fn writes_nothing(self) -> Fault {
        self.with(Effect::Silent)
    }

    /// It returns OK and hands out garbage for its value.
    pub fn hands_out(self, garbage: Garbage) -> Fault {
        self.with(Effect::Garbage(garbage))
    }

    fn with(self, effect: Effect) -> Fault {
        Fault { name: self.0, subject: None, nth: None, effect, seen: 0 }
    }
}

impl Garbage {
    pub(crate) fn instead_of(&self, value: &[u8]) -> Vec<u8> {
        match self {
            Garbage::Null => Vec::new(),
            Garbage::Truncated => value[..value.len() / 2].to_vec(),
            Garbage::OverlongCount => overwritten(value, 0),
            Garbage::OverlongName => overwritten(value, 4),
            Garbage::Bytes(bytes) => bytes.clone(),
        }
    }
}

/// The value, made at least a map of one pair, with the length at `offset` replaced by the greatest number.
fn overwritten(value: &[u8], offset: usize) -> Vec<u8> {
    let mut bytes = value.to_vec();
    if bytes.len() < 12 {
        bytes = [("name", "value")].into_iter().collect::<Headers>().serialize();
    }
    bytes[offset..offset + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    bytes
}
