//! What a bank does without this filter: a service of its own beside the gateway, which Envoy asks for each request (`ext_authz`) and whose
//! answer carries the token. It is as fast as such a service can be: AWS-LC signs, in a process that does nothing else, on a Unix socket,
//! over connections that stay open, a thread for each.
//!
//! The benchmark starts itself for it. That it is built without optimisation is no handicap: it reads a request by its last four bytes, and
//! all else that takes time (RSA, base64, formatting) is in libraries that are optimised.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use wasm_tests::stage::PROVIDER_ID;
use wasm_tests::stage::pki::Pki;
use wasm_tests::stage::tokens::{now, uuid};

/// The word with which the benchmark starts itself as the service.
pub(crate) const COMMAND: &str = "mint-tokens";
/// What the service is told: the socket, the header and the claims that are always the same, and the key (PKCS#8 PEM).
const SOCKET: &str = "MINTER_SOCKET";
const HEADER: &str = "MINTER_HEADER";
const CLAIMS: &str = "MINTER_CLAIMS";
const KEY: &str = "MINTER_KEY";
/// The longest head of a request that it reads.
const MOST_BYTES: usize = 16 * 1024;
/// Starting takes no time; a loaded machine may need some.
const PATIENCE: Duration = Duration::from_secs(20);

/// The service, running. Dropping it stops it.
pub(crate) struct Minter(Child);

impl Minter {
    /// Starts it with the bank's key, to listen there.
    pub(crate) fn start(socket: &Path) -> Self {
        let bank = &Pki::shared().bank;
        let header = json!({"alg": "PS256", "typ": "JOSE", "cty": "json", "kid": bank.signing.kid});
        let subject = &bank.subject;
        let claims =
            json!({"iss": subject.organisation, "sub": subject.organisational_unit, "aud": PROVIDER_ID}).to_string();
        let child = Command::new(std::env::current_exe().expect("this program"))
            .arg(COMMAND)
            .env(SOCKET, socket)
            .env(HEADER, header.to_string())
            .env(CLAIMS, claims)
            .env(KEY, bank.signing.pkcs8_pem())
            // It ends when this end of the pipe does.
            .stdin(Stdio::piped())
            .spawn()
            .expect("this program once more");
        let started = Instant::now();
        while UnixStream::connect(socket).is_err() {
            assert!(started.elapsed() < PATIENCE, "the service that mints tokens does not listen");
            std::thread::sleep(Duration::from_millis(2));
        }
        Self(child)
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Minter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Envoy's filter that asks it, and Envoy's way to it: a filter and a cluster.
pub(crate) fn configuration(socket: &Path) -> [Value; 2] {
    let filter = json!({
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "failure_mode_allow": false,
            "http_service": {
                "server_uri": {"uri": "http://minter", "cluster": "minter", "timeout": "5s"},
                "authorization_response": {"allowed_upstream_headers": {"patterns": [{"exact": "authorization"}]}},
            },
        },
    });
    let endpoint = json!({"address": {"pipe": {"path": socket}}});
    let cluster = json!({
        "name": "minter",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": "minter",
            "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}],
        },
    });
    [filter, cluster]
}

/// Is the service, until its standard input ends.
pub(crate) fn serve() -> ! {
    let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is missing"));
    let listener = UnixListener::bind(told(SOCKET)).expect("a new socket");
    let mint = Arc::new(Mint::new(&told(HEADER), &told(CLAIMS), &told(KEY)));
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    loop {
        let Ok((stream, _)) = listener.accept() else { continue };
        let mint = Arc::clone(&mint);
        std::thread::spawn(move || mint.answer(stream));
    }
}

/// What a token is made of.
struct Mint {
    /// Encoded, with the dot behind it.
    header: String,
    /// Without the last brace.
    claims: String,
    key: RsaKeyPair,
}

impl Mint {
    fn new(header: &str, claims: &str, key: &str) -> Self {
        let base64: String = key.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(base64).expect("a PEM");
        Self {
            header: URL_SAFE_NO_PAD.encode(header) + ".",
            claims: claims.strip_suffix('}').expect("an object").to_owned(),
            key: RsaKeyPair::from_pkcs8(&der).expect("an RSA key"),
        }
    }

    /// Answers each request of a connection. They have no body.
    fn answer(&self, mut stream: UnixStream) {
        let (mut request, mut filled) = ([0; MOST_BYTES], 0);
        while let Some(free @ [_, ..]) = request.get_mut(filled..)
            && let Ok(read @ 1..) = stream.read(free)
        {
            filled += read;
            if request[..filled].ends_with(b"\r\n\r\n") {
                filled = 0;
                if stream.write_all(self.answer_with_token().as_bytes()).is_err() {
                    return;
                }
            }
        }
    }

    fn answer_with_token(&self) -> String {
        let now = now();
        let claims = format!(r#"{},"iat":{now},"exp":{},"jti":"{}"}}"#, self.claims, now + 30, uuid());
        let mut token = self.header.clone();
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let mut signature = [0; 512];
        let signature = &mut signature[..self.key.public_modulus_len()];
        self.key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), token.as_bytes(), signature).expect("a signature");
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        let mut answer = String::with_capacity(token.len() + 100);
        write!(answer, "HTTP/1.1 200 OK\r\nauthorization: Bearer {token}\r\ncontent-length: 0\r\n\r\n")
            .expect("memory");
        answer
    }
}
