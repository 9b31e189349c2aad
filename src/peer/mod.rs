//! The peer certificate.
