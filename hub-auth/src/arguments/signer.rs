//! What `hub-auth signer` is told.
#![cfg_attr(not(feature = "pkcs11"), allow(dead_code, reason = "without PKCS#11 nobody signs"))]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Signer {
    /// The key: pkcs11:token=LABEL;object=LABEL?module-path=FILE. In place of labels: serial=, slot-id=, id=.
    #[arg(long, value_name = "URI")]
    pub(crate) key: String,
    /// A file with the PIN of the token, in place of the systemd credential "pin".
    #[arg(long, value_name = "FILE")]
    pub(crate) pin_file: Option<PathBuf>,
    /// Where it listens: 127.0.0.1:PORT, [::1]:PORT or unix:/PATH.
    #[arg(long, value_name = "ADDRESS", value_parser = listen)]
    pub(crate) listen: Listen,
    /// Who may connect to the socket in the file system: its owner, or its group, too.
    #[arg(long, value_enum, default_value = "0600")]
    pub(crate) socket_mode: SocketMode,
    /// A file with what clients say in X-Vault-Token, in place of the systemd credential "client-token": one line, or one a client.
    ///
    /// On a port it must be there, because any user of the machine can connect.
    #[arg(long, value_name = "FILE")]
    pub(crate) client_token_file: Option<PathBuf>,
    /// The path of the mount that it plays.
    #[arg(long, value_name = "PATH", default_value = "transit", value_parser = mount)]
    pub(crate) mount: String,
    /// What clients call the key.
    #[arg(long, value_name = "NAME", default_value = "sig4", value_parser = name)]
    pub(crate) name: String,
    /// The version of the key, by which clients tell it from the one before.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) key_version: u32,
    /// Signs only tokens with this kid.
    #[arg(long)]
    pub(crate) kid: Option<String>,
    /// Signs only tokens with this iss.
    #[arg(long)]
    pub(crate) issuer: Option<String>,
    /// Signs only tokens with this sub.
    #[arg(long)]
    pub(crate) subject: Option<String>,
    /// Signs only tokens with this aud.
    #[arg(long)]
    pub(crate) audience: Option<String>,
    /// Signs also with a key that can be taken out of the token.
    #[arg(long)]
    pub(crate) allow_extractable: bool,
    /// How many sessions with the token sign at the same time.
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) sessions: u16,
    /// More signatures in a second than this are refused with 429.
    #[arg(long, value_name = "N", default_value = "200", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_signatures_per_second: u32,
    /// How many connections are open at most. One more ends one that has asked for nothing yet, or is idle.
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u16).range(2..=4096))]
    pub(crate) max_connections: u16,
    /// How long a request may take to arrive once its head is there, and how long a signature may take.
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// How long a connection may wait for its next request, with the time that the head of this takes. Clients must close it sooner.
    #[arg(long, default_value = "90s", value_parser = duration)]
    pub(crate) idle_timeout: Duration,
}

/// Where it listens: on this machine only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    /// On a port of loopback.
    Port(SocketAddr),
    /// On a socket in the file system.
    Socket(PathBuf),
}

/// Who may connect to a socket in the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SocketMode {
    /// Its owner.
    #[value(name = "0600")]
    Owner,
    /// Its owner and its group.
    #[value(name = "0660")]
    Group,
}

impl SocketMode {
    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o660,
        }
    }
}

fn listen(text: &str) -> Result<Listen, String> {
    let expected = "expected 127.0.0.1:PORT, [::1]:PORT or unix:/PATH";
    if let Some(path) = text.strip_prefix("unix:") {
        let is_absolute = path.starts_with('/') && !path.ends_with('/');
        return if is_absolute { Ok(Listen::Socket(PathBuf::from(path))) } else { Err(expected.to_owned()) };
    }
    let address: SocketAddr = text.parse().map_err(|_| expected)?;
    if address.ip().is_loopback() {
        Ok(Listen::Port(address))
    } else {
        Err(format!("{expected}, got an address that other machines can reach"))
    }
}

/// As the filter's configuration has it.
fn mount(text: &str) -> Result<String, String> {
    if text.len() <= 256 && text.split('/').all(is_segment) {
        Ok(text.to_owned())
    } else {
        Err("expected a path such as transit: 1 to 256 letters, digits, - . _ and / between them".to_owned())
    }
}

/// Likewise.
fn name(text: &str) -> Result<String, String> {
    if text.len() <= 128 && is_segment(text) {
        Ok(text.to_owned())
    } else {
        Err("expected a name such as sig4: 1 to 128 letters, digits, - . and _".to_owned())
    }
}

fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && !matches!(text, "." | "..") && text.bytes().all(allowed)
}

fn duration(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    let duration = humantime::parse_duration(text).ok().filter(|duration| range.contains(duration));
    duration.ok_or_else(|| "expected a duration from 100ms to 1h, such as 5s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_on_this_machine_only() {
        let port = |text: &str| Listen::Port(text.parse().unwrap());
        assert_eq!(listen("127.0.0.1:8210"), Ok(port("127.0.0.1:8210")));
        assert_eq!(listen("[::1]:8210"), Ok(port("[::1]:8210")));
        assert_eq!(listen("unix:/run/s/socket"), Ok(Listen::Socket("/run/s/socket".into())));
        for text in ["0.0.0.0:8210", "[::]:8210", "10.0.0.5:8210", "[::ffff:10.0.0.5]:1", "169.254.1.1:1", "8.8.8.8:53"]
        {
            assert!(listen(text).unwrap_err().contains("other machines"), "{text}");
        }
        for text in ["", "8210", ":8210", "localhost:8210", "127.0.0.1", "unix:", "unix:socket", "unix:/run/", "@name"]
        {
            assert!(listen(text).unwrap_err().starts_with("expected 127.0.0.1:PORT"), "{text}");
        }
    }

    #[test]
    fn names_need_no_encoding_in_a_path_and_do_not_climb_in_it() {
        assert!(mount("transit").is_ok() && mount("bank/transit").is_ok() && name("sig4-2026.1").is_ok());
        for text in ["", "/", "a//b", "../x", "a/..", "a%2fb", "a b", &"x".repeat(257)] {
            assert!(mount(text).is_err() && name(text).is_err(), "{text}");
        }
        assert!(name("a/b").is_err());
    }
}
