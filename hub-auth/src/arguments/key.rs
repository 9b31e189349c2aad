//! What `hub-auth key` is told.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The longest `O` of a subject, in characters (X.520, `ub-organization-name`).
const LONGEST_NAME: usize = 64;

/// The longest name of a host (RFC 1035 §2.3.4), and of one of its labels.
const LONGEST_HOST: usize = 253;
const LONGEST_LABEL: usize = 63;

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Makes an RSA key of 2048 bits and the request for its certificate (CSR), with the subject that the Trust Framework demands.
    ///
    /// The key is written to a file that only its owner can read, or stays where --signer says: then it is used there, or with --generate
    /// made there.
    ///
    /// Exit status: 0 if the request is written, 2 if not.
    New(Box<NewKey>),
}

#[derive(Debug, Args)]
pub(crate) struct NewKey {
    /// What the certificate is for.
    #[arg(long = "type", value_enum)]
    pub(crate) purpose: Purpose,
    /// The organisation's legal name, exactly as the Trust Framework has it.
    #[arg(long, value_name = "NAME", value_parser = organisation)]
    pub(crate) organisation: String,
    /// The organisation's id in the Trust Framework.
    #[arg(long, value_name = "UUID", value_parser = uuid)]
    pub(crate) organisation_id: String,
    /// The client id of the application C3-hh-cm-client, for C3 and Sig4.
    #[arg(long, value_name = "UUID", value_parser = uuid, required_if_eq_any([("purpose", "c3"), ("purpose", "sig4")]))]
    pub(crate) client_id: Option<String>,
    /// A name of the host that presents S4. May be given several times.
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub(crate) dns_name: Vec<String>,
    /// The file that the key is written to; c3-key.pem, s4-key.pem or sig4-key.pem if none is named.
    #[arg(long, value_name = "FILE", conflicts_with = "signer")]
    pub(crate) key: Option<PathBuf>,
    /// The file that the request is written to; c3.csr, s4.csr or sig4.csr if none is named.
    #[arg(long, value_name = "FILE")]
    pub(crate) csr: Option<PathBuf>,
    /// Replaces files that are there already. A key that is replaced is gone.
    #[arg(long)]
    pub(crate) force: bool,
    /// Where the key is: https://HOST/v1/MOUNT/keys/KEY of Vault Transit, or pkcs11:token=LABEL;object=LABEL?module-path=FILE.
    #[arg(long, value_name = "URL|URI")]
    pub(crate) signer: Option<String>,
    /// Makes the key there if it is not there yet.
    #[arg(long, requires = "signer")]
    pub(crate) generate: bool,
    /// A file with Vault's token, in place of the variable VAULT_TOKEN or BAO_TOKEN.
    #[arg(long, value_name = "FILE", requires = "signer")]
    pub(crate) token_file: Option<PathBuf>,
    /// Vault's namespace.
    #[arg(long, value_name = "PATH", requires = "signer")]
    pub(crate) namespace: Option<String>,
    /// CAs that Vault's certificate is checked with, in PEM, in place of the system's.
    #[arg(long, value_name = "PEM", requires = "signer")]
    pub(crate) ca: Option<PathBuf>,
    /// A file with the PIN of the PKCS#11 token, in place of the variable HUB_AUTH_PIN.
    #[arg(long, value_name = "FILE", requires = "signer")]
    pub(crate) pin_file: Option<PathBuf>,
}

/// What a certificate of the bank is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// The client certificate, with which the Hub is called.
    C3,
    /// The server certificate, which the Hub sees when it calls.
    S4,
    /// The signing certificate, for tokens of JWT Auth.
    Sig4,
}

impl Purpose {
    /// Its name in lower case, as in the names of files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::C3 => "c3",
            Self::S4 => "s4",
            Self::Sig4 => "sig4",
        }
    }
}

fn organisation(text: &str) -> Result<String, String> {
    let got = if text.trim().is_empty() {
        "nothing"
    } else if text.trim() != text {
        "white space before or after the name"
    } else if text.chars().any(char::is_control) {
        "control characters"
    } else if text.chars().count() > LONGEST_NAME {
        "a longer one"
    } else {
        return Ok(text.to_owned());
    };
    Err(format!("expected the legal name, 1 to {LONGEST_NAME} characters, got {got}"))
}

/// RFC 9562 §4.
fn uuid(text: &str) -> Result<String, String> {
    let groups: Vec<&str> = text.split('-').collect();
    let is_hex = |group: &&str| group.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(is_hex) {
        return Ok(text.to_owned());
    }
    Err("expected a UUID in lower case, such as 233bcd1d-4216-4b3c-a362-9e4a9282bba7, got another text".to_owned())
}

fn host(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.chars().all(is_letter)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = text.split('.').next_back().is_some_and(|label| label.chars().all(|digit| digit.is_ascii_digit()));
    if text.len() <= LONGEST_HOST && text.split('.').all(is_label) && !is_address {
        return Ok(text.to_owned());
    }
    Err("expected the name of a host, lower-case letters, digits, - and dots, got another text".to_owned())
}
