//! All that is checked: what it is called, what is expected, and what to do where it is not so. `docs/hub-auth.md` has the same list.

/// A check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Listener,
    S4Name,
    S4Chain,
    S4Dates,
    Tls10,
    Tls11,
    Tls12,
    Tls13,
    NoCertificate,
    ForeignCa,
    OtherUnit,
    Hub,
    Hello,
    HelloMtls,
    EchoCert,
    Clock,
    C3Key,
    C3Chain,
    C3Dates,
    C3Subject,
    Sig4Keystore,
    Sig4Published,
    Sig4Key,
    Sig4Age,
    Cm,
    CmHello,
    Hh,
    HhHello,
}

/// What is to be said of a check.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    /// Its name: stable, for those who filter by it.
    pub(super) name: &'static str,
    /// What it asks for.
    pub(super) expected: &'static str,
    /// What to do if it fails.
    pub(super) next_step: &'static str,
}

impl Check {
    /// Those of the one direction and then those of the other, each in the order in which they are made.
    #[cfg(test)]
    pub(super) const ALL: [Self; 28] = [
        Self::Listener,
        Self::S4Name,
        Self::S4Chain,
        Self::S4Dates,
        Self::Tls10,
        Self::Tls11,
        Self::Tls12,
        Self::Tls13,
        Self::NoCertificate,
        Self::ForeignCa,
        Self::OtherUnit,
        Self::Hub,
        Self::Hello,
        Self::HelloMtls,
        Self::EchoCert,
        Self::Clock,
        Self::C3Key,
        Self::C3Chain,
        Self::C3Dates,
        Self::C3Subject,
        Self::Sig4Keystore,
        Self::Sig4Published,
        Self::Sig4Key,
        Self::Sig4Age,
        Self::Cm,
        Self::CmHello,
        Self::Hh,
        Self::HhHello,
    ];

    /// Whether the bank is ready only if it is passed. The others need what the bank cannot have, or what nobody can know.
    pub(super) fn is_required(self) -> bool {
        !matches!(self, Self::Hub | Self::Sig4Age)
    }

    /// What is to be said of it.
    pub(super) fn about(self) -> About {
        let about = |name, expected, next_step| About { name, expected, next_step };
        let demand = "Have the listener demand client certificates and refuse what it cannot verify (Envoy: require_client_certificate: \
                      true, VERIFY_TRUST_CHAIN), or see that the filter is on every route.";
        match self {
            Self::Listener => about(
                "listener",
                "a server that speaks TLS",
                "Start the gateway, and look at address, port, firewall and DNS; --connect-to goes to one address without DNS.",
            ),
            Self::S4Name => about(
                "s4-name",
                "the host of --url among the names of the server's certificate",
                "Order S4 for the name that the Hub calls, or give that name with --url.",
            ),
            Self::S4Chain => about(
                "s4-chain",
                "the server's certificate and all CAs below the root, up to one in --ca",
                "Put the certificate of the issuing CA behind S4 in the gateway's file, or give the CAs that issued S4 with --ca.",
            ),
            Self::S4Dates => about(
                "s4-dates",
                "valid now, and for 30 days more",
                "Order a new S4 in the Trust Framework's portal, and give it to the gateway before the old one ends.",
            ),
            Self::Tls10 => about("tls-1.0", "refused", "Make TLS 1.2 the listener's oldest version."),
            Self::Tls11 => about("tls-1.1", "refused", "Make TLS 1.2 the listener's oldest version."),
            Self::Tls12 => about(
                "tls-1.2",
                "accepted",
                "Let the listener speak TLS 1.2, with ECDHE and AES-GCM: the Hub may have no newer one.",
            ),
            Self::Tls13 => about("tls-1.3", "accepted", "Let the listener speak TLS 1.3."),
            Self::NoCertificate => about("no-certificate", "refused", demand),
            Self::ForeignCa => about(
                "foreign-ca",
                "the Hub's name in a certificate of another CA: refused",
                "Make the Trust Framework's CAs the only ones that the listener trusts for client certificates, and have it refuse what it \
                 cannot verify.",
            ),
            Self::OtherUnit => about(
                "other-unit",
                "a certificate of the Trust Framework with another OU: refused",
                "List the Hub's OU in inbound.peer.organisational_units, and see that the gateway that runs has this configuration.",
            ),
            Self::Hub => about(
                "hub",
                "a certificate that the configuration pins: not refused",
                "See that the gateway that runs has this configuration, and that it trusts the CA of this certificate.",
            ),
            Self::Hello => about(
                "hello",
                "GET /hello: 200, with connectionEstablished, mtlsStatus and hostName",
                "Add \"health_checks\" to the filter's configuration, or answer this path in front of it.",
            ),
            Self::HelloMtls => about(
                "hello-mtls",
                "GET /hello-mtls: 200, mtlsStatus established",
                "Add \"health_checks\" to the filter's configuration, and have the gateway tell the filter of the client certificate.",
            ),
            Self::EchoCert => about(
                "echo-cert",
                "GET /echo-cert: 200, with subject and issuer of the client certificate",
                "Add \"health_checks\" to the filter's configuration, and have the gateway hand over the whole certificate (Envoy: \
                 set_current_client_cert_details with cert: true).",
            ),
            Self::Clock => about(
                "clock",
                "the keystore's, within 5 s",
                "Set the clock by NTP. A token counts from its iat to its exp, with 10 s for clocks that differ.",
            ),
            Self::C3Key => about(
                "c3-key",
                "the private key of the certificate",
                "Give the key that the certificate was ordered with: the one of the CSR.",
            ),
            Self::C3Chain => about(
                "c3-chain",
                "C3 for a client, and all CAs below the root, up to one in --ca",
                "Put the certificate of the issuing CA behind C3 in its file, and give the Trust Framework's CAs of the same environment \
                 with --ca.",
            ),
            Self::C3Dates => about(
                "c3-dates",
                "valid now and for 30 days more, and for 13 months in all at most",
                "Order a new C3 in the Trust Framework's portal, and give it to the gateway before the old one ends.",
            ),
            Self::C3Subject => about(
                "c3-subject",
                "O and OU as in outbound.certificate, and a CN",
                "Write O and OU of this certificate into outbound.certificate: they are iss and sub of each token.",
            ),
            Self::Sig4Keystore => about(
                "sig4-keystore",
                "a key set at the address that follows from C3",
                "Publish Sig4 in the Trust Framework's portal, for the application whose client id is the CN of C3; let this machine reach \
                 the keystore.",
            ),
            Self::Sig4Published => about(
                "sig4-published",
                "the key's kid in that set, 10 minutes before the key signs",
                "Publish the key, or write the kid that the keystore has into the configuration.",
            ),
            Self::Sig4Key => about(
                "sig4-key",
                "a token by this key, which the published one verifies",
                "Configure the private key of the published certificate, or publish the one of the configured key.",
            ),
            Self::Sig4Age => about(
                "sig4-age",
                "published for 10 minutes",
                "Wait until 10 minutes after the key was published: so long may the Hub use the set from before.",
            ),
            Self::Cm => about(
                "cm",
                "TLS with the Consent Manager's certificate",
                "Open the way to this host, port 443; give the CA that issued its certificate with --hub-ca.",
            ),
            Self::CmHello => about(
                "cm-hello",
                "GET /hello-mtls at the Consent Manager: 200, mtlsStatus established",
                "See that C3 is the certificate that was registered for this environment, and is not revoked. If the answer is 401, look \
                 at the lines of sig4.",
            ),
            Self::Hh => about(
                "hh",
                "TLS with Headless Heimdall's certificate",
                "Open the way to this host, port 443; give the CA that issued its certificate with --hub-ca.",
            ),
            Self::HhHello => about(
                "hh-hello",
                "GET /hello-mtls at Headless Heimdall: 200, mtlsStatus established",
                "See that C3 is the certificate that was registered for this environment, and is not revoked. If the answer is 401, look \
                 at the lines of sig4.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_each_check_with_its_next_step_and_no_other() {
        let documentation = include_str!("../../../docs/hub-auth.md");
        let (_, section) = documentation.split_once("### The checks").expect("the section");
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let expected = Check::ALL.map(|check| {
            let About { name, expected, next_step } = check.about();
            format!("| `{name}` | {expected} | {next_step} |")
        });
        assert_eq!(rows, expected);
    }

    #[test]
    fn each_name_stands_for_one_check() {
        let mut names = Check::ALL.map(|check| check.about().name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Check::ALL.len());
    }
}
