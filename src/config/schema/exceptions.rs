//! Where the schema is content and the reader is not: rules across members, and what no pattern says. It is never the other way
//! round.

/// A rule of the reader that the schema does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// Its name.
    pub name: &'static str,
    /// The rule, as a sentence in Markdown.
    pub rule: &'static str,
}

const fn exception(name: &'static str, rule: &'static str) -> Exception {
    Exception { name, rule }
}

/// All of them. Tests hold reader and schema together everywhere else.
pub const EXCEPTIONS: [Exception; 15] = [
    exception("text", "A configuration has at most 256 KiB."),
    exception("repeated-key", "No key stands twice in an object."),
    exception("bytes", "Bounds of texts count bytes of UTF-8, where a schema counts characters."),
    exception("whole-number", "A whole number is written without fraction and exponent: `1`, not `1.0`."),
    exception(
        "same-twice",
        "No two items of a list are the same in another spelling, or share what must differ: the id of a provider, `kid`, `active_from` \
         and key of a signing key, id and digest of an API key, the headers of `verified` and `name`.",
    ),
    exception("environment", "A variable that is named is set, and its value is as that of `value` must be."),
    exception("pem", "A PEM holds a certificate, or an RSA key of 2048 to 4096 bits."),
    exception("certificate-agrees", "`organisation` and `organisational_unit` beside `pem` agree with it."),
    exception(
        "ipv6",
        "What stands between `[` and `]` in an address is an IPv6 address, and with `http://` that of this machine.",
    ),
    exception("url-length", "A URL has at most 2048 bytes, filled in."),
    exception(
        "address-of-keys",
        "Where the address of the keys has `{CN}`, as the Trust Framework's keystores do, `hub` and each entry of `warm` have \
         `common_name`; and their values fit into that address.",
    ),
    exception("leap-day", "29 February is there in leap years only."),
    exception("times-in-order", "`expires` is after `not_before`."),
    exception(
        "header-of-certificate",
        "`api_key.header` is another header than that of a forwarded certificate and of `verified`.",
    ),
    exception("deadline", "`deadline` is not shorter than `timeout`."),
];
