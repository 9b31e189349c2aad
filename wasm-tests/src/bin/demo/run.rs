//! `demo run`: the stage of the demo, left running for whoever wants to send requests by hand.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use wasm_tests::stage::pki::{ARABIC_HUB_UNIT, Party};
use wasm_tests::stage::tokens::{Signer, now};
use wasm_tests::stage::{Setup, Stage, token_of};

/// Leaves the stage running until Ctrl-C.
pub async fn run() -> ExitCode {
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
