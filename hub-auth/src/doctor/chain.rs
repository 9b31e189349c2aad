//! Whether a certificate leads to a CA that was given, through certificates that its bearer sends, and when it is valid. Each question by
//! itself: a certificate that has ended may still be of the right CA.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hub_auth_filter::facade::peer::LeafCertificate;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, Error};

use super::given::Authorities;
use super::handshake::provider;
use super::report::Finding;

const DAY: u64 = 24 * 60 * 60;

/// What is left of a certificate when a new one ought to be there.
const SOON: u64 = 30 * DAY;

/// Certificates of the Trust Framework last for 13 months (spec §7): of 31 days each, and a day for how it is counted.
const LONGEST_LIFE: u64 = (13 * 31 + 1) * DAY;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Server,
    Client,
}

/// Whether a chain is whole: its first certificate and those behind it, up to a root.
pub(super) fn check(
    chain: &[CertificateDer<'static>],
    purpose: Purpose,
    authorities: &Authorities,
    leaf: &LeafCertificate,
    now: SystemTime,
) -> Finding {
    let Some((first, above)) = chain.split_first() else { return Finding::failed("no certificate") };
    // When it is valid is another question.
    let at = moment_within(leaf, now);
    let verify = |above: &[CertificateDer<'static>]| match purpose {
        Purpose::Server => verify_server(first, above, authorities, at),
        Purpose::Client => verify_client(first, above, authorities, at),
    };
    let found =
        format!("issued by {}, with {} {}", leaf.issuer(), above.len(), if above.len() == 1 { "CA" } else { "CAs" });
    match verify(above) {
        Ok(()) => Finding::passed(found),
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            let with_given = [above, &authorities.all].concat();
            match verify(&with_given) {
                Ok(()) => Finding::failed(format!("{found}: that of this CA has to stand behind it")),
                Err(_) => Finding::failed(format!("{found}: none of the CAs in --ca vouches for it")),
            }
        }
        Err(Error::InvalidCertificate(why)) => Finding::failed(format!("{found}: {}", in_words(&why))),
        Err(error) => Finding::failed(format!("{found}: {error}")),
    }
}

/// Whether a certificate is valid now and for a while, and, if that is asked, not for longer than those of the Trust Framework.
pub(super) fn check_dates(leaf: &LeafCertificate, is_bounded: bool, now: SystemTime) -> Finding {
    let (begins, ends) = dates(leaf);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let days = |seconds: u64| seconds / DAY;
    let found = format!("{} to {}", date(begins), date(ends));
    if now > ends {
        let ago = days(now.saturating_sub(ends));
        return Finding::failed(format!("{found}: it ended {ago} days ago"));
    }
    if now < begins {
        return Finding::failed(format!("{found}: it is not valid yet"));
    }
    if is_bounded && ends.saturating_sub(begins) > LONGEST_LIFE {
        return Finding::failed(format!("{found}: the Trust Framework issues none for longer than 13 months"));
    }
    let left = ends.saturating_sub(now);
    if left <= SOON {
        return Finding::warning(format!("{found}: it ends in {} days", days(left)));
    }
    Finding::passed(found)
}

/// From when to when it is valid, in seconds since 1970, both included.
fn dates(leaf: &LeafCertificate) -> (u64, u64) {
    let validity = leaf.validity();
    (validity.not_before().as_millis() / 1000, validity.not_after().as_millis() / 1000)
}

fn verify_server(
    first: &CertificateDer<'_>,
    above: &[CertificateDer<'_>],
    authorities: &Authorities,
    at: UnixTime,
) -> Result<(), Error> {
    let provider = provider();
    let parsed = ParsedCertificate::try_from(first)?;
    let algorithms = provider.signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&parsed, &authorities.roots, above, at, algorithms)
}

fn verify_client(
    first: &CertificateDer<'_>,
    above: &[CertificateDer<'_>],
    authorities: &Authorities,
    at: UnixTime,
) -> Result<(), Error> {
    let roots = authorities.roots.clone().into();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
    let verifier = verifier.map_err(|error| Error::General(error.to_string()))?;
    verifier.verify_client_cert(first, above, at).map(|_| ())
}

/// Now, or the nearest moment at which the certificate is valid.
fn moment_within(leaf: &LeafCertificate, now: SystemTime) -> UnixTime {
    let (begins, ends) = dates(leaf);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    UnixTime::since_unix_epoch(Duration::from_secs(now.min(ends).max(begins)))
}

fn in_words(why: &CertificateError) -> String {
    match why {
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is for another use (its extended key usage)".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "a CA above it has ended".to_owned(),
        CertificateError::BadSignature => "a signature in it is wrong".to_owned(),
        why => why.to_string(),
    }
}

/// The day, as in 2026-11-30.
fn date(seconds: u64) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    let text = time.map(|time| humantime::format_rfc3339_seconds(time).to_string()).unwrap_or_default();
    text.split('T').next().unwrap_or_default().to_owned()
}
