//! The command for curl that sends a token to the Hub.

use std::io;
use std::path::Path;

use ureq::http::Uri;

use crate::configured;

/// Where to, if neither the caller nor the file says it.
const PLACEHOLDER: &str = "cm.LFI_CODE.preprod.apihub.openfinance.ae";

/// What answers there with what it has seen of the caller's certificate.
const PATH: &str = "/hello-mtls";

/// The address to send a token to: the one that is given, or that of the Consent Manager which the file of the configuration names.
///
/// # Errors
/// It is no `https://` address, or the file cannot be read.
pub(super) fn url(given: Option<&str>, config: &Path) -> io::Result<String> {
    match given {
        Some(url) => {
            let is_https = |uri: &Uri| uri.scheme_str() == Some("https") && uri.host().is_some();
            let fits = url.parse::<Uri>().is_ok_and(|uri| is_https(&uri) && !url.contains(['\'', '"', '@']));
            let error = || io::Error::other("--curl: expected an https:// address, got another text");
            fits.then(|| url.to_owned()).ok_or_else(error)
        }
        None => {
            let host = configured::first_text(config, is_consent_manager)?;
            Ok(format!("https://{}{PATH}", host.as_deref().unwrap_or(PLACEHOLDER)))
        }
    }
}

/// The whole command. Certificate and key of C3 are to be put in by whoever sends it: this tool does not know where they are.
pub(super) fn command(token: &str, url: &str) -> String {
    format!("curl --cert c3-chain.pem --key c3-key.pem -H \"Authorization: Bearer {token}\" '{url}'")
}

/// Whether a text is the name of a Consent Manager (spec §4).
fn is_consent_manager(text: &str) -> bool {
    let code = text.strip_prefix("cm.").and_then(|rest| rest.strip_suffix(".apihub.openfinance.ae"));
    let code = code.map(|code| code.strip_suffix(".preprod").unwrap_or(code));
    code.is_some_and(|code| {
        !code.is_empty() && code.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_consent_managers_are_taken_from_a_file() {
        for (text, expected) in [
            ("cm.examplebank.preprod.apihub.openfinance.ae", true),
            ("cm.examplebank.apihub.openfinance.ae", true),
            ("hh.examplebank.apihub.openfinance.ae", false),
            ("cm..apihub.openfinance.ae", false),
            ("cm.a'b.apihub.openfinance.ae", false),
            ("cm.examplebank.apihub.openfinance.ae.evil.example", false),
        ] {
            assert_eq!(is_consent_manager(text), expected, "{text}");
        }
    }
}
