//! What all signers have: the `kid` of their key, and, where they are remote, its public half and how long they are waited for.

use super::definition::{Kind, Setting};
use super::texts::text;
use crate::config::signers::common;
use crate::config::text_rules;

pub(super) fn kid(what: &'static str) -> Setting {
    Setting::new("kid", "Key id", what, text(&text_rules::KEY_ID).into()).example("sig4-2026")
}

pub(super) fn public_key() -> Setting {
    Setting::new(
        "public_key",
        "The public key",
        "The public key in PEM, alone or with text before it. Each signature is verified with it before it is used. Without it the \
         filter asks for it: once, and again when a signature is by a version that it does not know.",
        text(&common::PUBLIC_KEY).without_private_key().into(),
    )
    .otherwise("asked for")
}

pub(super) fn timeout() -> Setting {
    Setting::new(
        "timeout",
        "How long one try may take",
        "How long one try may take. {range}.",
        Kind::Duration(common::TIMEOUT),
    )
}

pub(super) fn deadline() -> Setting {
    Setting::new(
        "deadline",
        "How long all tries may take",
        "How long all tries together may take, also those for the public key. {range}, and not shorter than `timeout`.",
        Kind::Duration(common::DEADLINE),
    )
}
