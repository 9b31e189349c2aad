//! What all verification of signatures has in common: the one way in which it fails.

/// The signature is not one of this key over this message. Why it is not would help nobody but a forger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureMismatch;
