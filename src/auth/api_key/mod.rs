//! The API key (spec §2.2): a shared secret in a header, known here by its SHA-256 digest. Several keys are valid at once
//! while one takes over from another.
//!
//! A key's digest is compared with all that are configured, in constant time, valid now or not: how long a rejection takes
//! says neither how many keys there are nor which came close.

use std::time::Duration;

use litemap::LiteMap;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use crate::config::{self, KeyDigest, KeyId};
use crate::header_value::HeaderValue;
use crate::time::UnixTime;

use super::credential::Credential;

const AUTHORIZATION: &str = "authorization";

/// The longest header value that is looked at, in bytes. A key of 256 bits has 64 characters in hexadecimal.
pub(crate) const MAX_VALUE_BYTES: usize = 8 * 1024;

/// How long before its end the last key is worth a warning: onboarding another takes weeks.
const WARN_BEFORE_END: Duration = Duration::from_hours(30 * 24);

/// How often that warning is worth a log line.
const WARN_AGAIN_AFTER: Duration = Duration::from_hours(24);

/// Something to tell the operator that belongs to no rejection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Good to know.
    Information(String),
    /// To be acted upon.
    Warning(String),
}

/// The method API key, with what it has told the log.
#[derive(Debug)]
pub(crate) struct ApiKey {
    settings: config::ApiKey,
    /// The keys that this worker has accepted, and whether the log was told.
    used: LiteMap<KeyId, Announced>,
    warned: Option<UnixTime>,
}

#[derive(Debug)]
struct Announced(bool);

/// Why a key is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiKeyError {
    /// The header is not there.
    Missing,
    /// It has several values, whether in several headers or joined by a comma.
    Several,
    /// Its value is longer than [`MAX_VALUE_BYTES`].
    TooLong,
    /// It does not start with the scheme that is configured.
    OtherScheme,
    /// There is no key in it.
    Empty,
    /// The key is none that is configured.
    Unknown,
    /// This key is not valid yet.
    NotYetValid(KeyId),
    /// This key is no longer valid.
    Expired(KeyId),
}

impl ApiKeyError {
    /// Which key was presented, where it is one that is configured: for the log, and for nobody who calls.
    #[must_use]
    pub(crate) fn key_id(&self) -> Option<&KeyId> {
        match self {
            Self::NotYetValid(id) | Self::Expired(id) => Some(id),
            Self::Missing | Self::Several | Self::TooLong | Self::OtherScheme | Self::Empty | Self::Unknown => None,
        }
    }
}

impl ApiKey {
    /// The method with these settings.
    #[must_use]
    pub(crate) fn new(settings: config::ApiKey) -> Self {
        Self { settings, used: LiteMap::new_vec(), warned: None }
    }

    /// The lower-case name of the header that carries the key.
    #[must_use]
    pub(crate) fn header(&self) -> &str {
        &self.settings.header
    }

    /// The values of that header in a request.
    #[must_use]
    pub(crate) fn values<'c>(&self, credential: Credential<'c>) -> &'c [HeaderValue] {
        if self.header() == AUTHORIZATION { credential.authorization } else { credential.api_key }
    }

    /// Whether a request brings a key of this method, be it valid or not: in the method's own header anything, in
    /// `Authorization`, where other credentials may stand, one that is configured.
    #[must_use]
    pub(crate) fn is_offered(&self, now: UnixTime, credential: Credential<'_>) -> bool {
        if self.header() != AUTHORIZATION {
            return !credential.api_key.is_empty();
        }
        match self.authenticate(now, credential.authorization) {
            Ok(_) => true,
            Err(error) => error.key_id().is_some(),
        }
    }

    /// Decides on the values of that header: which key it is.
    ///
    /// # Errors
    /// See [`ApiKeyError`].
    pub(crate) fn authenticate(&self, now: UnixTime, values: &[HeaderValue]) -> Result<&KeyId, ApiKeyError> {
        let value = match values {
            [] => return Err(ApiKeyError::Missing),
            [value] => &**value,
            _ => return Err(ApiKeyError::Several),
        };
        if value.len() > MAX_VALUE_BYTES {
            return Err(ApiKeyError::TooLong);
        }
        let key = match &self.settings.scheme {
            None => value,
            Some(scheme) => after_scheme(value, scheme).ok_or(ApiKeyError::OtherScheme)?,
        };
        if key.is_empty() {
            return Err(ApiKeyError::Empty);
        }
        let position = position_of(&KeyDigest::of(key), self.settings.keys.iter().map(|known| &known.digest));
        let Some(known) = self.settings.keys.get(position) else {
            // Gateways join repeated headers with a comma. A key may contain one, so this is asked only now.
            return Err(if value.contains(&b',') { ApiKeyError::Several } else { ApiKeyError::Unknown });
        };
        if known.not_before.is_some_and(|start| now < start) {
            return Err(ApiKeyError::NotYetValid(known.id.clone()));
        }
        if known.expires.is_some_and(|end| now >= end) {
            return Err(ApiKeyError::Expired(known.id.clone()));
        }
        Ok(&known.id)
    }

    /// Notes that a key was accepted.
    pub(crate) fn note_use(&mut self, id: &KeyId) {
        if !self.used.contains_key(id) {
            self.used.insert(id.clone(), Announced(false));
        }
    }

    /// What the log should be told now: which keys this worker accepted for the first time, and that the last one ends.
    pub(crate) fn notices(&mut self, now: UnixTime) -> Vec<Notice> {
        let mut notices = Vec::new();
        for (id, announced) in self.used.iter_mut() {
            if !std::mem::replace(&mut announced.0, true) {
                let text = format!("API key {id} is in use: this worker has accepted it");
                notices.push(Notice::Information(text));
            }
        }
        notices.extend(self.warning_due(now).map(Notice::Warning));
        notices
    }

    /// A warning when the last key ends within 30 days, or has ended.
    #[must_use]
    pub(crate) fn ending(&self, now: UnixTime) -> Option<String> {
        let ends = self.settings.keys.iter().map(|key| Some((key.expires?, &key.id)));
        let (end, id) = ends.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        let date = end.to_rfc3339();
        if now >= end {
            Some(format!("the last API key, {id}, ended at {date}: every request is refused"))
        } else if now.until(end) <= WARN_BEFORE_END {
            Some(format!("the last API key, {id}, ends at {date}: agree on another with the API Hub and configure it"))
        } else {
            None
        }
    }

    /// The same warning, unless it was given in the last 24 hours.
    pub(crate) fn warning_due(&mut self, now: UnixTime) -> Option<String> {
        let warning = self.ending(now)?;
        // A clock that was set back must not silence the warning until it has caught up.
        let is_due = self.warned.and_then(|then| now.since(then)).is_none_or(|ago| ago >= WARN_AGAIN_AFTER);
        is_due.then(|| {
            self.warned = Some(now);
            warning
        })
    }
}

/// What follows `scheme`, in any case, and one or more spaces. Nothing, if something else stands there.
fn after_scheme<'v>(value: &'v [u8], scheme: &str) -> Option<&'v [u8]> {
    let (start, rest) = value.split_at_checked(scheme.len())?;
    if !start.eq_ignore_ascii_case(scheme.as_bytes()) || !matches!(rest, [] | [b' ', ..]) {
        return None;
    }
    rest.get(rest.iter().take_while(|byte| **byte == b' ').count()..)
}

/// The position of the digest that is the same, beyond the last if none is. Looks at every one, whatever it found before.
fn position_of<'d>(digest: &KeyDigest, known: impl Iterator<Item = &'d KeyDigest>) -> usize {
    let mut position = u32::MAX;
    for (here, other) in (0_u32..).zip(known) {
        position.conditional_assign(&here, other.ct_eq(digest));
    }
    usize::try_from(position).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
