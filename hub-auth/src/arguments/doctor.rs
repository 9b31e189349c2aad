//! What `hub-auth doctor` is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Format, Side};

#[derive(Debug, Subcommand)]
pub(crate) enum Doctor {
    /// Checks the bank's own listener, as the API Hub would meet it.
    ///
    /// Whom does it refuse, do the health checks of onboarding answer as they must, which versions of TLS and which certificates does it
    /// use, and is the gateway's clock right? Nothing is changed: all requests are GET.
    Inbound(DoctorInbound),
    /// Checks what the bank needs to call the API Hub: C3, the key that signs tokens, and the Hub's two services.
    ///
    /// A token is signed with each key that the configuration has, by the remote signer if it names one, and is sent with GET /hello-mtls
    /// to the Consent Manager and to Headless Heimdall.
    Outbound(DoctorOutbound),
}

#[derive(Debug, Args)]
pub(crate) struct DoctorInbound {
    /// The bank's listener, such as https://ozone-connect.bank.example.
    #[arg(long)]
    pub(crate) url: String,
    /// A path that is no health check and needs authentication. It is asked for without a credential.
    #[arg(long, default_value = "/", value_name = "PATH")]
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) common: DoctorCommon,
    /// A second client certificate of the Trust Framework, with an OU that the configuration does not pin. Needed only if the first is
    /// pinned.
    #[arg(long, value_name = "PEM", requires = "other_key")]
    pub(crate) other_certificate: Option<PathBuf>,
    /// Its private key.
    #[arg(long, value_name = "PEM", requires = "other_certificate")]
    pub(crate) other_key: Option<PathBuf>,
    /// A client certificate of a CA that the listener must not trust, in place of one that is made for this check and forgotten.
    #[arg(long, value_name = "PEM", requires = "foreign_key")]
    pub(crate) foreign_certificate: Option<PathBuf>,
    /// Its private key.
    #[arg(long, value_name = "PEM", requires = "foreign_certificate")]
    pub(crate) foreign_key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorOutbound {
    #[command(flatten)]
    pub(crate) common: DoctorCommon,
    /// The LFI code, from which the addresses of the Hub's services follow.
    #[arg(long, value_name = "CODE", required_unless_present_all = ["cm", "hh"])]
    pub(crate) lfi_code: Option<String>,
    /// The Consent Manager, in place of the address that follows from the LFI code.
    #[arg(long, value_name = "URL")]
    pub(crate) cm: Option<String>,
    /// Headless Heimdall, likewise.
    #[arg(long, value_name = "URL")]
    pub(crate) hh: Option<String>,
    /// CAs that the certificates of these services are checked with, in PEM, in place of the Trust Framework's and the system's.
    #[arg(long, value_name = "PEM")]
    pub(crate) hub_ca: Option<PathBuf>,
    /// Where the bank's public keys are, in place of the address that follows from the certificate.
    #[arg(long, value_name = "URL")]
    pub(crate) jwks: Option<String>,
    /// CAs that the remote signer's certificate is checked with, in PEM, in place of the system's.
    #[arg(long, value_name = "PEM")]
    pub(crate) signer_ca: Option<PathBuf>,
}

/// What both directions are told.
#[derive(Debug, Args)]
pub(crate) struct DoctorCommon {
    /// The filter's configuration, in any file that check reads.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Variables that the configuration names, a line NAME=value each. They come before those of this process.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// The Trust Framework's CAs, in PEM: the root, and the one that issues.
    #[arg(long, value_name = "PEM")]
    pub(crate) ca: PathBuf,
    /// A client certificate of the bank's from the Trust Framework, such as C3, in PEM; behind it those of the CAs below the root.
    #[arg(long, value_name = "PEM")]
    pub(crate) certificate: PathBuf,
    /// Its private key, in PEM.
    #[arg(long, value_name = "PEM")]
    pub(crate) key: PathBuf,
    /// CAs that the keystore's certificate is checked with, in PEM, in place of the system's.
    #[arg(long, value_name = "PEM")]
    pub(crate) keystore_ca: Option<PathBuf>,
    /// The Trust Framework's environment, where the configuration does not say it.
    #[arg(long, value_enum, default_value = "sandbox")]
    pub(crate) environment: Side,
    /// Connects to this address for this host, and to no other for it. The host's name stays what it is. May be given more than once.
    #[arg(long, value_name = "HOST=IP:PORT", value_parser = connect_to)]
    pub(crate) connect_to: Vec<ConnectTo>,
    /// How long one connection may take to be made, and how long one answer may take.
    #[arg(long, default_value = "10s", value_parser = timeout)]
    pub(crate) timeout: Duration,
    /// How it is printed.
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
    /// Makes warnings count as failures.
    #[arg(long)]
    pub(crate) strict: bool,
}

/// An address to take for a host, as curl's `--connect-to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectTo {
    pub(crate) host: String,
    pub(crate) address: SocketAddr,
}

fn connect_to(text: &str) -> Result<ConnectTo, String> {
    let expected = "expected HOST=IP:PORT, such as ozone-connect.bank.example=10.0.0.5:8443";
    let (host, address) = text.split_once('=').ok_or(expected)?;
    let address = address.parse().map_err(|_| expected)?;
    Ok(ConnectTo { host: host.to_ascii_lowercase(), address })
}

fn timeout(text: &str) -> Result<Duration, String> {
    let range = Duration::from_millis(100)..=Duration::from_secs(120);
    let duration = humantime::parse_duration(text).ok().filter(|duration| range.contains(duration));
    duration.ok_or_else(|| "expected a duration from 100ms to 120s, such as 10s".to_owned())
}
