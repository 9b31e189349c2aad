//! Why a store told nothing of a token.

use std::fmt;
use std::time::Duration;

use crate::callout::CalloutError;

use super::engine::MAX_ANSWER_LENGTH;

/// Why a store told nothing of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreError {
    /// There is no complete answer with status 200.
    Callout(CalloutError),
    /// The answer is longer than [`MAX_ANSWER_LENGTH`].
    TooLong,
    /// It is not one; in words.
    Unreadable(&'static str),
    /// What had to be asked before took until the deadline, or was never enough.
    Late,
    /// By the store's clock the token ended so long ago that its key may have ended, too.
    Clock,
}

impl StoreError {
    /// Whether another try may help, at another server of the same store mostly. A store without space has none a moment later (429).
    pub(super) fn may_pass(self) -> bool {
        match self {
            Self::Callout(CalloutError::NoAnswer | CalloutError::Incomplete) => true,
            Self::Callout(CalloutError::Status(status) | CalloutError::StatusAlone(status)) => {
                matches!(status, 408 | 425 | 500..=599)
            }
            Self::Callout(CalloutError::NotDispatched | CalloutError::TooLong)
            | Self::TooLong
            | Self::Unreadable(_)
            | Self::Late
            | Self::Clock => false,
        }
    }

    /// Whether some of an answer's body has come for certain.
    pub(super) fn had_body(self) -> bool {
        match self {
            Self::Callout(error) => error.had_body(),
            Self::TooLong | Self::Unreadable(_) | Self::Clock => true,
            Self::Late => false,
        }
    }

    /// The status of the answer, where that was the fault.
    pub(super) fn status(self) -> Option<u16> {
        if let Self::Callout(error) = self { error.status() } else { None }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Callout(error) => error.fmt(f),
            Self::TooLong => write!(f, "the answer is longer than {MAX_ANSWER_LENGTH} bytes"),
            Self::Unreadable(fault) => f.write_str(fault),
            Self::Clock => f.write_str("its clock or this one is wrong: by its clock the token ended long ago"),
            Self::Late => f.write_str("what has to be asked before took too long, or was never enough"),
        }
    }
}

/// What the log says of the end of a callout to the store of this name. `pause` is how long it is left alone.
pub(super) fn told(name: &str, result: Result<(), StoreError>, hint: Option<&str>, pause: Duration) -> String {
    let Err(error) = result else { return format!("{name} has answered about a used token") };
    let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
    let next = if error == StoreError::Clock {
        "this one is refused".to_owned()
    } else if pause.is_zero() {
        "another try follows".to_owned()
    } else {
        format!("next try in {} s or later", pause.as_millis().div_ceil(1000))
    };
    format!("{name} does not say whether a token was used: {error}{hint}; {next}")
}
