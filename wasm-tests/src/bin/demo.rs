//! The demo: plays the Hub and others against a real Envoy and prints a table of what came of it. It fails if anything is
//! not as expected. `demo run` leaves everything running and prints curl commands instead.
#![allow(clippy::disallowed_methods, reason = "the demo runs on real clocks")]

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use wasm_tests::stage::client::{Outcome, Reply, Request};
use wasm_tests::stage::pki::{ARABIC_HUB_UNIT, Party};
use wasm_tests::stage::tokens::{Signer, jwks, now, with_broken_signature, with_swapped_claims};
use wasm_tests::stage::{Setup, Stage, signed_by, token_of};

#[tokio::main]
async fn main() -> ExitCode {
    // What goes wrong before the first request (no module, no Envoy) is told in one sentence.
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("the demo broke off");
        eprintln!("{text}");
    }));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => play().await,
        ["run"] => run().await,
        _ => {
            eprintln!("usage: demo [run]");
            ExitCode::from(2)
        }
    }
}

async fn play() -> ExitCode {
    println!("Starting the keystore, the bank's backend, and Envoy with the filter ...\n");
    let stage = Setup::new().pin(ARABIC_HUB_UNIT).start().await;
    let mut table = Table::new();
    callers(&stage, &mut table).await;
    tokens(&stage, &mut table).await;
    headers(&stage, &mut table).await;
    keystore(&stage, &mut table).await;
    table.end(&stage)
}

/// Who is let in at all.
async fn callers(stage: &Stage, table: &mut Table) {
    let pki = stage.pki;
    let right = || Request::with_token(&signed_by(&pki.hub));
    let arabic = &pki.arabic_hub;
    let arabic_token = Request::with_token(&signed_by(arabic));
    let tpp_token = Request::with_token(&signed_by(&pki.tpp));

    table.row("the Hub, valid token", ACCEPTED, stage.send_as_hub(&right()).await);
    table.row(
        "a Hub with an Arabic name, valid token",
        ACCEPTED,
        stage.send(Some(&arabic.transport), &arabic_token).await,
    );
    table.row("no client certificate", TLS, stage.send(None, &right()).await);
    table.row("the Hub's name, but from another CA", TLS, stage.send(Some(&pki.stranger), &right()).await);
    let lenient = Setup::new().edit("require_client_certificate: true", "require_client_certificate: false");
    table.row(
        "no client certificate, and TLS asks for none",
        Expected::Refused(401, "Certificate.Missing"),
        lenient.start().await.send(None, &right()).await,
    );
    table.row(
        "a TPP's certificate, token right for it",
        Expected::Refused(403, "Certificate.NotAllowed"),
        stage.send(Some(&pki.tpp.transport), &tpp_token).await,
    );
}

/// Tokens of the Hub that are wrong in one thing.
async fn tokens(stage: &Stage, table: &mut Table) {
    let hub = &stage.pki.hub;
    let now = now();
    let ps256 = Signer::Ps256(&hub.signing);
    let right = || token_of(hub);
    let swapped = right().claim("scope", "everything").claims;

    let claim = Expected::Refused(401, "JWS.InvalidClaim");
    let header = Expected::Refused(401, "JWS.InvalidHeader");
    let signature = Expected::Refused(401, "JWS.InvalidSignature");
    let cases = [
        ("token expired", claim, right().valid(now - 60, now - 30).sign(ps256)),
        ("token not yet valid", claim, right().claim("nbf", now + 60).sign(ps256)),
        ("aud is another bank", claim, right().claim("aud", "another-bank").sign(ps256)),
        ("iss is not the certificate's O", claim, right().claim("iss", "Another Hub").sign(ps256)),
        ("sub is not the certificate's OU", claim, right().claim("sub", ARABIC_HUB_UNIT).sign(ps256)),
        ("alg none", header, right().header("alg", "none").sign(Signer::Unsigned)),
        ("alg HS256, the public key as secret", header, {
            right().header("alg", "HS256").sign(Signer::Hs256(hub.signing.public_der()))
        }),
        ("alg RS256", header, right().header("alg", "RS256").sign(Signer::Rs256(&hub.signing))),
        ("one bit of the signature changed", signature, with_broken_signature(&right().sign(ps256))),
        ("claims changed after signing", signature, with_swapped_claims(&right().sign(ps256), &swapped)),
    ];
    for (what, expected, token) in cases {
        table.row(what, expected, stage.send_as_hub(&Request::with_token(&token)).await);
    }
}

/// Requests that are wrong beside the token.
async fn headers(stage: &Stage, table: &mut Table) {
    let hub = &stage.pki.hub;
    let right = || Request::with_token(&signed_by(hub));
    let twice = right().header("authorization", format!("Bearer {}", signed_by(hub)));
    let spoofed = right().header("x-hub-client-organisation", "Somebody Else");
    let cases = [
        ("no Authorization header", "Credential.Missing", 401, Request::new("GET", "/accounts")),
        ("two Authorization headers", "Credential.Malformed", 401, twice),
        ("a spoofed identity header", "Header.NotAllowed", 403, spoofed),
    ];
    for (what, code, status, request) in cases {
        table.row(what, Expected::Refused(status, code), stage.send_as_hub(&request).await);
    }
}

/// The keystore goes and comes, and its keys change.
async fn keystore(stage: &Stage, table: &mut Table) {
    let (hub, next) = (&stage.pki.hub, &stage.pki.next_signing);
    let mut renewed = hub.subject.clone();
    renewed.common_name.push_str("-renewed");
    let transport = stage.pki.client(&renewed);
    stage.keystore.publish(&renewed, jwks([&hub.signing]));
    let right = || Request::with_token(&signed_by(hub));

    stage.keystore.down().await;
    table.row("keystore down, keys cached", ACCEPTED, stage.send_as_hub(&right()).await);
    let not_cached = stage.send(Some(&transport), &right()).await;
    let wait = retry_after(&not_cached);
    table.row("keystore down, no keys cached", Expected::Refused(503, "GenericRecoverableError"), not_cached);
    stage.keystore.up();
    sleep(wait).await;
    table.row("keystore back, after Retry-After", ACCEPTED, stage.send(Some(&transport), &right()).await);

    stage.keystore.publish(&hub.subject, jwks([&hub.signing, next]));
    let rotated = token_of(hub).header("kid", next.kid.as_str()).sign(Signer::Ps256(next));
    table.row("key rotated, first token of the new key", ACCEPTED, {
        stage.send_as_hub(&Request::with_token(&rotated)).await
    });
    let unknown = token_of(hub).header("kid", "nobody-published-this").sign(Signer::Ps256(&hub.signing));
    table.row("a kid that the keystore does not have", Expected::Refused(401, "JWS.InvalidHeader"), {
        stage.send_as_hub(&Request::with_token(&unknown)).await
    });
}

fn retry_after(outcome: &Outcome) -> Duration {
    let seconds = match outcome {
        Outcome::Reply(reply) => reply.header("retry-after").and_then(|value| value.parse().ok()),
        Outcome::Refused(_) => None,
    };
    Duration::from_secs(seconds.unwrap_or_default())
}

/// What ought to come of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// An answer of the bank.
    Accepted,
    /// An answer of the filter: status and `errorCode`.
    Refused(u16, &'static str),
    /// No answer: the TLS handshake fails.
    Tls,
}

const ACCEPTED: Expected = Expected::Accepted;
const TLS: Expected = Expected::Tls;

impl Expected {
    fn is(self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (Self::Tls, Outcome::Refused(_)) => true,
            (Self::Accepted, Outcome::Reply(reply)) => reply.status == 200,
            (Self::Refused(status, code), Outcome::Reply(reply)) => {
                reply.status == status && reply.error_code().as_deref() == Some(code)
            }
            _ => false,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Tls => "TLS refused".to_owned(),
            Self::Accepted => "200".to_owned(),
            Self::Refused(status, code) => format!("{status} {code}"),
        }
    }
}

/// The table as it is printed, row by row.
struct Table {
    rows: usize,
    accepted: usize,
    differences: usize,
}

impl Table {
    fn new() -> Self {
        line("", "case", "expected", "got", "error code", "time");
        line("", &"-".repeat(44), &"-".repeat(31), "-----------", &"-".repeat(23), "--------");
        Self { rows: 0, accepted: 0, differences: 0 }
    }

    fn row(&mut self, what: &str, expected: Expected, outcome: Outcome) {
        self.rows += 1;
        let as_expected = expected.is(&outcome);
        self.differences += usize::from(!as_expected);
        let (got, code, time) = match &outcome {
            Outcome::Reply(Reply { status, took, .. }) => {
                self.accepted += usize::from(*status == 200);
                let code = outcome.clone().reply().error_code().unwrap_or_else(|| "-".to_owned());
                (status.to_string(), code, format!("{:.1} ms", took.as_secs_f64() * 1000.0))
            }
            Outcome::Refused(_) => ("TLS refused".to_owned(), "-".to_owned(), "-".to_owned()),
        };
        let mark = if as_expected { "" } else { "  <-- DIFFERS" };
        line(mark, what, &expected.text(), &got, &code, &time);
    }

    fn end(&self, stage: &Stage) -> ExitCode {
        let received = stage.bank.received();
        println!("\n{} requests; {} reached the bank. Of the first, the bank learned:", self.rows, received.len());
        for name in
            ["x-hub-auth-method", "x-hub-client-organisation", "x-hub-client-organisational-unit", "x-hub-token-id"]
        {
            let value = received.first().and_then(|request| request.value(name)).unwrap_or("nothing");
            println!("  {name}: {value}");
        }
        if received.iter().any(|request| !request.values("authorization").is_empty()) {
            println!("DIFFERS: a credential reached the bank.");
            return ExitCode::FAILURE;
        }
        if received.len() != self.accepted {
            println!("DIFFERS: {} requests were accepted.", self.accepted);
            return ExitCode::FAILURE;
        }
        if self.differences > 0 {
            println!("{} of {} are not as expected. What Envoy complained of:", self.differences, self.rows);
            let log = stage.envoy.log();
            log.lines().filter(|line| !line.contains("[info]")).for_each(|line| println!("{line}"));
            return ExitCode::FAILURE;
        }
        println!("All as expected.");
        ExitCode::SUCCESS
    }
}

fn line(mark: &str, what: &str, expected: &str, got: &str, code: &str, time: &str) {
    println!("{what:<44}  {expected:<31}  {got:<11}  {code:<23}  {time:>8}{mark}");
}

/// Leaves the stage running until Ctrl-C.
async fn run() -> ExitCode {
    let stage = Setup::new().pin(ARABIC_HUB_UNIT).start().await;
    let pki = stage.pki;
    let url = format!("https://localhost:{}/accounts", stage.envoy.address().port());
    let file = |name: &str| stage.file(name).display().to_string();
    let curl = |who: &str, rest: &str| {
        let (ca, chain, key) =
            (file("trust-framework-ca.pem"), file(&format!("{who}-chain.pem")), file(&format!("{who}-key.pem")));
        format!("curl -sSi -w '\\n' --cacert {ca} \\\n  --cert {chain} --key {key} \\\n  {rest}{url}\n")
    };
    let token = |name: &str| format!("-H @{} ", file(name));
    write_tokens(&stage);

    println!(
        "Everything runs. Envoy: {url}, its log: {}, its configuration: {}",
        file("envoy.log"),
        file("envoy.yaml")
    );
    println!("The files named token-* hold an Authorization header each, with a fresh token every minute.\n");
    println!("# The Hub: 200, and the bank's backend shows what it received\n{}", curl("hub", &token("token-hub")));
    println!("# The second Hub, with an Arabic name: 200\n{}", curl("arabic-hub", &token("token-arabic-hub")));
    println!("# A TPP with a token that is right for it: 403\n{}", curl("tpp", &token("token-tpp")));
    println!("# An expired token: 401\n{}", curl("hub", &token("token-expired")));
    println!("# No token: 401\n{}", curl("hub", ""));
    let ca = file("trust-framework-ca.pem");
    println!("# No client certificate: TLS fails\ncurl -sSi -w '\\n' --cacert {ca} {}{url}\n", token("token-hub"));
    println!(
        "# The keys as the keystore publishes them\ncurl -sSi -w '\\n' --cacert {} --resolve {} {}\n",
        file("public-roots.pem"),
        {
            let at = stage.keystore.address();
            format!("{}:{}:{}", wasm_tests::stage::pki::KEYSTORE_NAME, at.port(), at.ip())
        },
        {
            let (unit, name) = (&pki.hub.subject.organisational_unit, &pki.hub.subject.common_name);
            let (host, port) = (wasm_tests::stage::pki::KEYSTORE_NAME, stage.keystore.address().port());
            format!("https://{host}:{port}/{unit}/{name}/application.jwks")
        }
    );
    println!("Ctrl-C stops it and removes the files.");
    let mut terminated = signal(SignalKind::terminate()).expect("a signal handler");
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            _ = terminated.recv() => break,
            () = sleep(Duration::from_secs(60)) => write_tokens(&stage),
        }
    }
    ExitCode::SUCCESS
}

/// Header files for curl, with tokens as long-lived as the filter allows.
fn write_tokens(stage: &Stage) {
    let now = now();
    let write = |name: &str, party: &Party, iat: u64| {
        let token = token_of(party).valid(iat, iat + 300).sign(Signer::Ps256(&party.signing));
        fs::write(stage.file(name), format!("Authorization: Bearer {token}\n")).expect("a writable directory");
    };
    write("token-hub", &stage.pki.hub, now);
    write("token-arabic-hub", &stage.pki.arabic_hub, now);
    write("token-tpp", &stage.pki.tpp, now);
    write("token-expired", &stage.pki.hub, now - 400);
}
