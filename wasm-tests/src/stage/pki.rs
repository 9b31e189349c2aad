//! A throw-away copy of the Trust Framework's PKI: a root, an issuing CA, the certificates C4, Sig3 and the Hub's server
//! certificate, the bank's S4, C3 and Sig4, those of a TPP and of another bank, a public CA for the keystore, and strangers
//! that none of them vouches for. Beside it a CA of the bank's own, for what is behind a terminator of TLS.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::subject::Subject;
use super::tokens::SigningKey;

/// The Hub's organisation id: the one that `gateway-configs/envoy/inbound.yaml` pins.
pub const HUB_UNIT: &str = "233bcd1d-4216-4b3c-a362-9e4a9282bba7";
/// The organisation id of the second Hub, whose name is Arabic. Tests that use it must pin it.
pub const ARABIC_HUB_UNIT: &str = "5f8c1f0e-3b0a-4d55-9a55-0c8f2f1f7a10";
/// The bank's name, as in `gateway-configs/envoy/outbound.yaml`.
pub const BANK_ORGANISATION: &str = "Example Bank PJSC";
/// The bank's organisation id, as in `outbound.yaml`.
pub const BANK_UNIT: &str = "d0c1b2a3-9485-4766-9574-839201abcdef";
/// The host name of the Hub's Consent Manager in `outbound.yaml`.
pub const CONSENT_MANAGER_NAME: &str = "cm.examplebank.preprod.apihub.openfinance.ae";
/// The host name of the Hub's Headless Heimdall in `outbound.yaml`.
pub const HEADLESS_HEIMDALL_NAME: &str = "hh.examplebank.preprod.apihub.openfinance.ae";
/// The host name of the bank's listener, in S4.
pub const LISTENER_NAME: &str = "ozone-connect.bank.example";
/// The host name that `inbound.yaml` demands of the sandbox keystore.
pub const KEYSTORE_NAME: &str = "keystore.sandbox.directory.openfinance.ae";
/// The host name that `inbound.yaml` demands of the bank's authorisation server.
pub const AUTHORISATION_SERVER_NAME: &str = "as.bank.example";
/// The host name of the gateway behind a terminator of TLS, as the files in `gateway-configs/terminators/` write it.
pub const GATEWAY_NAME: &str = "gateway.bank.internal";
/// The `OU` of the terminator's own certificate, which `gateway-configs/terminators/README.md` pins.
pub const PROXY_UNIT: &str = "edge-proxies";
/// The host name that `outbound.yaml` demands of the bank's OpenBao.
pub const OPENBAO_NAME: &str = "bao.bank.internal";

/// A certificate with its chain and key, as one TLS peer presents it.
pub struct Identity {
    /// The leaf, then the CAs above it but for the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// `chain` in PEM.
    pub chain_pem: String,
    /// The private key, PKCS#8 PEM.
    pub key_pem: String,
    key: Vec<u8>,
}

impl Identity {
    /// SHA-256 of the leaf in base64url: the `x5t#S256` of a token that is bound to it (RFC 8705 §3.1).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.chain[0]))
    }

    /// The private key for rustls.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }

    /// The same with the leaf alone, without the CAs above it.
    #[must_use]
    pub fn without_authorities(&self) -> Self {
        let leaf = self.chain[0].clone();
        let chain_pem = super::tokens::pem("CERTIFICATE", &leaf);
        Self { chain: vec![leaf], chain_pem, key_pem: self.key_pem.clone(), key: self.key.clone() }
    }

    fn new(certificate: &Certificate, above: &[&CertifiedIssuer<'static, KeyPair>], key: &KeyPair) -> Self {
        let mut chain = vec![certificate.der().clone()];
        let mut chain_pem = certificate.pem();
        for issuer in above {
            chain.push(issuer.der().clone());
            chain_pem.push_str(&issuer.pem());
        }
        Self { chain, chain_pem, key_pem: key.serialize_pem(), key: key.serialize_der() }
    }
}

/// One party: its transport certificate and the key that it signs tokens with.
pub struct Party {
    /// What its certificates say.
    pub subject: Subject,
    /// C4 for the Hub, C3 for the bank, a transport certificate for others.
    pub transport: Identity,
    /// Sig3 for the Hub, Sig4 for the bank, a signing key for others.
    pub signing: SigningKey,
}

/// Everybody on the stage.
pub struct Pki {
    /// The API Hub.
    pub hub: Party,
    /// A second Hub with an Arabic name.
    pub arabic_hub: Party,
    /// A third-party provider: verified by the Trust Framework, but not the Hub.
    pub tpp: Party,
    /// Another bank, likewise.
    pub other_bank: Party,
    /// A key that the Hub rotates to.
    pub next_signing: SigningKey,
    /// The bank, which calls the Hub.
    pub bank: Party,
    /// A key that the bank rotates to.
    pub next_bank_signing: SigningKey,
    /// What Consent Manager and Headless Heimdall present, from the Trust Framework.
    pub hub_server: Identity,
    /// The same from the public CA.
    pub public_hub_server: Identity,
    /// S4: what the bank's listener presents.
    pub listener: Identity,
    /// What the keystore presents, from the public CA.
    pub keystore: Identity,
    /// What the bank's authorisation server presents, from the public CA.
    pub authorisation_server: Identity,
    /// What the bank's OpenBao presents, from the public CA.
    pub openbao: Identity,
    /// What the gateway behind a terminator presents, from the bank's own CA.
    pub gateway: Identity,
    /// The terminator's own client certificate, from the bank's own CA.
    pub proxy: Identity,
    /// Another client certificate of that CA, of a program that is no terminator.
    pub batch: Identity,
    /// A certificate of the public CA for another host.
    pub other_host: Identity,
    /// A certificate with the keystore's name from a CA that nobody trusts.
    pub false_keystore: Identity,
    /// The Hub's subject, from a CA that nobody trusts.
    pub stranger: Identity,
    /// The Hub's subject, signed by its own key.
    pub self_signed: Identity,
    /// The Hub's subject from the right CA, valid until 2024.
    pub expired: Identity,
    pub(super) root: CertifiedIssuer<'static, KeyPair>,
    pub(super) issuing: CertifiedIssuer<'static, KeyPair>,
    public: CertifiedIssuer<'static, KeyPair>,
    pub(super) internal: CertifiedIssuer<'static, KeyPair>,
    pub(super) nobody: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    /// The one PKI of this process, because RSA keys take long to make.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Pki> = OnceLock::new();
        SHARED.get_or_init(Self::generate)
    }

    /// A new PKI.
    #[must_use]
    pub fn generate() -> Self {
        let root = authority("Trust Framework Root CA", None);
        let issuing = authority("Trust Framework Issuing CA", Some(&root));
        let public = authority("Public Root CA", None);
        let nobody = authority("Trust Framework Issuing CA", None);
        let internal = authority("Internal CA of the bank", None);
        let inside = |unit: &str, name: &str| client(&Subject::new(BANK_ORGANISATION, unit, name), &internal, 2049);

        let party = |organisation: &str, organisational_unit: &str, common_name: &str, kid: &str| {
            let subject = Subject::new(organisation, organisational_unit, common_name);
            let transport = client(&subject, &issuing, 2049);
            let signing = signing_key(&subject, &issuing, kid);
            Party { subject, transport, signing }
        };
        let hub = party(
            "Ozone Financial Technology, Limited",
            HUB_UNIT,
            "1f2a7bd1-6c0f-4b52-9a34-5a2f4b1d7c11",
            "sig3-2026-05",
        );
        let bank = party(BANK_ORGANISATION, BANK_UNIT, "6b0f7c1e-52d4-4f8e-9d37-0c9a8b7e6d55", "sig4-2026-05");
        let hub_names = [CONSENT_MANAGER_NAME, HEADLESS_HEIMDALL_NAME, "127.0.0.1"];
        let self_signed = {
            let key = ec_key();
            let mut params = leaf(hub.subject.distinguished_name(), ExtendedKeyUsagePurpose::ClientAuth, 2049);
            params.use_authority_key_identifier_extension = false;
            Identity::new(&params.self_signed(&key).expect("self-signed"), &[], &key)
        };
        Self {
            arabic_hub: party(
                "مركز واجهات التمويل المفتوح",
                ARABIC_HUB_UNIT,
                "9d3c5f52-0f7e-4a0d-8a8e-2d6d0b0a4c22",
                "sig3-arabic",
            ),
            tpp: party(
                "Budget Companion FZ-LLC",
                "0e9c5a2e-7a55-4a55-b0b5-7b3f6f3f2d33",
                "c2a6d3e4-5b6f-4c7d-8e9f-0a1b2c3d4e44",
                "tpp-signing",
            ),
            other_bank: party(
                "Another Bank PJSC",
                "7b1d9c3e-2f4a-4b6c-8d0e-1a2b3c4d5e55",
                "e4f5a6b7-8c9d-4e0f-a1b2-c3d4e5f6a766",
                "bank-signing",
            ),
            next_signing: signing_key(&hub.subject, &issuing, "sig3-2026-11"),
            next_bank_signing: signing_key(&bank.subject, &issuing, "sig4-2026-11"),
            hub_server: server(&hub_names, &issuing),
            public_hub_server: server(&hub_names, &public),
            listener: server(&[LISTENER_NAME, "localhost", "127.0.0.1"], &issuing),
            keystore: server(&[KEYSTORE_NAME, "127.0.0.1"], &public),
            authorisation_server: server(&[AUTHORISATION_SERVER_NAME, "127.0.0.1"], &public),
            openbao: server(&[OPENBAO_NAME, "127.0.0.1"], &public),
            gateway: server(&[GATEWAY_NAME, "127.0.0.1"], &internal),
            proxy: inside(PROXY_UNIT, "proxy-1"),
            batch: inside("batch-jobs", "reports"),
            other_host: server(&["keystore.example", "127.0.0.1"], &public),
            false_keystore: server(&[KEYSTORE_NAME, "127.0.0.1"], &nobody),
            stranger: client(&hub.subject, &nobody, 2049),
            expired: client(&hub.subject, &issuing, 2024),
            self_signed,
            hub,
            bank,
            root,
            issuing,
            public,
            internal,
            nobody,
        }
    }

    /// The CA bundle that the Trust Framework publishes: root and issuing CA, PEM.
    #[must_use]
    pub fn trust_framework_bundle(&self) -> String {
        self.root.pem() + &self.issuing.pem()
    }

    /// The CA that issues the certificates of the Trust Framework, PEM.
    #[must_use]
    pub fn issuing_ca(&self) -> String {
        self.issuing.pem()
    }

    /// The root of the Trust Framework, PEM.
    #[must_use]
    pub fn root_ca(&self) -> String {
        self.root.pem()
    }

    /// The public roots that the certificates of keystore and authorisation server are checked against, PEM.
    #[must_use]
    pub fn public_roots(&self) -> String {
        self.public.pem()
    }

    /// The root for clients of the bank's listener.
    #[must_use]
    pub fn root(&self) -> CertificateDer<'static> {
        self.root.der().clone()
    }

    /// The root for clients of the authorisation server and of OpenBao.
    #[must_use]
    pub fn public_root(&self) -> CertificateDer<'static> {
        self.public.der().clone()
    }

    /// The bank's own CA, PEM.
    #[must_use]
    pub fn internal_bundle(&self) -> String {
        self.internal.pem()
    }

    /// The root for clients of a gateway behind a terminator.
    #[must_use]
    pub fn internal_root(&self) -> CertificateDer<'static> {
        self.internal.der().clone()
    }

    /// What a server of these names presents, from the public CA.
    #[must_use]
    pub fn public_server(&self, names: &[&str]) -> Identity {
        server(names, &self.public)
    }

    /// What a server of these names presents to its clients, and to its like, from the bank's own CA.
    #[must_use]
    pub fn internal_peer(&self, names: &[&str]) -> Identity {
        let key = ec_key();
        let mut params = server_params(names);
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        Identity::new(&issue(&params, &key, &self.internal), &[&self.internal], &key)
    }

    /// A client certificate of the bank's own CA for the programs of this unit, without a common name.
    #[must_use]
    pub fn internal_client(&self, unit: &str) -> Identity {
        let key = ec_key();
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, BANK_ORGANISATION);
        name.push(DnType::OrganizationalUnitName, unit);
        let params = leaf(name, ExtendedKeyUsagePurpose::ClientAuth, 2049);
        Identity::new(&issue(&params, &key, &self.internal), &[&self.internal], &key)
    }

    /// What a server of these names presents, from the issuing CA, valid from the one to the other of these times, in seconds from now.
    #[must_use]
    pub fn server_between(&self, names: &[&str], from: i64, to: i64) -> Identity {
        let mut params = server_params(names);
        params.not_before = date_time_ymd(1970, 1, 1) + in_seconds(from);
        params.not_after = date_time_ymd(1970, 1, 1) + in_seconds(to);
        let key = ec_key();
        Identity::new(&issue(&params, &key, &self.issuing), &[&self.issuing], &key)
    }

    /// A transport certificate for any subject, from the issuing CA.
    #[must_use]
    pub fn client(&self, subject: &Subject) -> Identity {
        client(subject, &self.issuing, 2049)
    }

    /// The same, valid from the one to the other of these times, in seconds from now.
    #[must_use]
    pub fn client_between(&self, subject: &Subject, from: i64, to: i64) -> Identity {
        let mut params = leaf(subject.distinguished_name(), ExtendedKeyUsagePurpose::ClientAuth, 2049);
        params.not_before = date_time_ymd(1970, 1, 1) + in_seconds(from);
        params.not_after = date_time_ymd(1970, 1, 1) + in_seconds(to);
        let key = ec_key();
        Identity::new(&issue(&params, &key, &self.issuing), &[&self.issuing], &key)
    }
}

/// The time from 1970 until so many seconds from now.
pub(super) fn in_seconds(seconds: i64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    Duration::from_secs(now.saturating_add_signed(seconds))
}

fn ec_key() -> KeyPair {
    KeyPair::generate().expect("P-256 key")
}

fn authority(name: &str, above: Option<&CertifiedIssuer<'static, KeyPair>>) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name = Subject::new("Trust Framework (test)", "CA", name).distinguished_name();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 1, 1);
    match above {
        None => CertifiedIssuer::self_signed(params, ec_key()),
        Some(issuer) => {
            params.use_authority_key_identifier_extension = true;
            CertifiedIssuer::signed_by(params, ec_key(), issuer)
        }
    }
    .expect("CA certificate")
}

fn leaf(name: DistinguishedName, usage: ExtendedKeyUsagePurpose, last_year: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    params
}

fn issue(params: &CertificateParams, key: &impl PublicKeyData, by: &CertifiedIssuer<'static, KeyPair>) -> Certificate {
    params.signed_by(key, by).expect("certificate")
}

fn client(subject: &Subject, by: &CertifiedIssuer<'static, KeyPair>, last_year: i32) -> Identity {
    let key = ec_key();
    let params = leaf(subject.distinguished_name(), ExtendedKeyUsagePurpose::ClientAuth, last_year);
    Identity::new(&issue(&params, &key, by), &[by], &key)
}

fn server(names: &[&str], by: &CertifiedIssuer<'static, KeyPair>) -> Identity {
    let key = ec_key();
    Identity::new(&issue(&server_params(names), &key, by), &[by], &key)
}

fn server_params(names: &[&str]) -> CertificateParams {
    let subject = Subject::new(BANK_ORGANISATION, BANK_UNIT, names[0]);
    let mut params = leaf(subject.distinguished_name(), ExtendedKeyUsagePurpose::ServerAuth, 2049);
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    params.subject_alt_names = CertificateParams::new(names).expect("host names").subject_alt_names;
    params
}

fn signing_key(subject: &Subject, by: &CertifiedIssuer<'static, KeyPair>, kid: &str) -> SigningKey {
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("RSA-2048 key");
    let mut params = leaf(subject.distinguished_name(), ExtendedKeyUsagePurpose::ClientAuth, 2049);
    params.extended_key_usages.clear();
    let certificate = issue(&params, &key, by);
    SigningKey::new(kid, &key.serialize_der(), vec![certificate.der().to_vec(), by.der().to_vec()])
}
