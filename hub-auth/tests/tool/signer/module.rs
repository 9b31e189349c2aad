//! What a module can answer that one in software never does: `shim.c` makes it so. And how often it is asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;
use wasm_tests::stage::module_signer::{self, ModuleSigner, Secrets, write_secret};
use wasm_tests::stage::softhsm::{PIN, Softhsm};

use super::{LABEL, module, sign, tool};
use crate::text;

/// A module with faults to order.
struct Faulty {
    signer: ModuleSigner,
    module: Softhsm,
    faults: PathBuf,
    secrets: Secrets,
}

impl Faulty {
    /// With these arguments and this PIN.
    async fn start(pin: &str, arguments: &[&str]) -> Self {
        let module = module();
        let shim = module.folder().join("shim.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&shim)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tool/signer/shim.c"))
            .output()
            .expect("cc");
        assert!(compiled.status.success(), "{}", text(&compiled.stderr));
        let faults = module.folder().join("faults");
        fs::create_dir(&faults).expect("a folder");
        let secrets = Secrets::of(&module);
        write_secret(&secrets.pin, pin);
        let mut command = module_signer::command(tool(), &module, &secrets);
        command.env("HSM_MODULE", module.module()).env("HSM_FAULTS", &faults);
        let key = format!("pkcs11:token=hub;object={LABEL}?module-path={}", shim.display());
        command.args(["--listen", "127.0.0.1:0", "--key", &key]).args(arguments);
        let signer = ModuleSigner::start(command, module.folder()).await;
        Self { signer, module, faults, secrets }
    }

    /// Has the next call of this kind meet with this.
    fn order(&self, kind: &str, value: u64) {
        // Whole at once, as the module may look at any time.
        let made = self.module.folder().join("order");
        fs::write(&made, value.to_string()).expect("a file");
        fs::rename(made, self.faults.join(kind)).expect("a file");
    }

    /// How many calls of this kind there were.
    fn count(&self, kind: &str) -> u64 {
        fs::metadata(self.faults.join(kind)).map_or(0, |file| file.len())
    }
}

#[tokio::test]
async fn whatever_a_module_answers_it_signs_again_by_itself() {
    let faulty = Faulty::start(PIN, &[]).await;
    let signer = &faulty.signer;
    // CKR_GENERAL_ERROR, _DEVICE_ERROR, _DEVICE_REMOVED, _SESSION_CLOSED, _SESSION_HANDLE_INVALID, _TOKEN_NOT_PRESENT, _USER_NOT_LOGGED_IN,
    // _CRYPTOKI_NOT_INITIALIZED, one of a vendor.
    let codes = [0x05, 0x30, 0x32, 0xb0, 0xb3, 0xe0, 0x101, 0x190, 0x8000_0001];
    for code in codes {
        faulty.order("sign", code);
        let reply = sign(signer).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, None), "{code:#x}: {}", reply.json());
        signer.until_health_is(200).await;
        assert_eq!(sign(signer).await.status, 200, "{code:#x}");
    }
    assert_eq!(faulty.count("logins"), 1 + codes.len() as u64);
    assert_eq!(signer.events("token_away").len(), codes.len());
}

#[tokio::test]
async fn a_signature_that_does_not_verify_never_leaves() {
    let faulty = Faulty::start(PIN, &[]).await;
    faulty.order("spoil", 1);
    assert_eq!(sign(&faulty.signer).await.status, 503);
    faulty.signer.until_health_is(200).await;
    assert_eq!(sign(&faulty.signer).await.status, 200);
    let lines = faulty.signer.events("signature");
    assert_eq!(lines[0]["reason"], "what the token signed does not verify with its public key", "{lines:?}");
    assert_eq!((&lines[0]["outcome"], &lines[1]["outcome"]), (&json!("failed"), &json!("signed")));
}

#[tokio::test]
async fn a_wrong_pin_is_tried_once_and_another_one_is_tried_when_the_file_has_it() {
    let faulty = Faulty::start("wrong-pin", &[]).await;
    let signer = &faulty.signer;
    signer.until_health_is(503).await;
    assert_eq!(sign(signer).await.status, 503);
    // Several pauses, a token that is taken out and put back, and the same PIN in a file that is written anew.
    faulty.module.take_out();
    sleep(Duration::from_millis(1200)).await;
    faulty.module.put_back();
    write_secret(&faulty.secrets.pin, "wrong-pin");
    sleep(Duration::from_millis(1200)).await;
    assert_eq!(faulty.count("logins"), 1, "{}", signer.log());
    write_secret(&faulty.secrets.pin, PIN);
    signer.until_health_is(200).await;
    assert_eq!((faulty.count("logins"), sign(signer).await.status), (2, 200));
    assert!(!signer.log().contains("wrong-pin") && !signer.log().contains(PIN));
}

#[tokio::test]
async fn a_pin_is_tried_again_only_where_the_token_has_not_seen_it() {
    let faulty = Faulty::start(PIN, &[]).await;
    let signer = &faulty.signer;
    // CKR_DEVICE_REMOVED: the token was not there. CKR_FUNCTION_FAILED: who knows?
    faulty.order("login", 0x32);
    faulty.order("sign", 0x32);
    assert_eq!(sign(signer).await.status, 503);
    signer.until_health_is(200).await;
    assert_eq!(faulty.count("logins"), 3);
    faulty.order("login", 0x06);
    faulty.order("sign", 0x32);
    assert_eq!(sign(signer).await.status, 503);
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(faulty.count("logins"), 4, "{}", signer.log());
}

#[tokio::test]
async fn a_module_that_hangs_costs_who_waits_its_time_and_nobody_else_any() {
    let faulty = Faulty::start(PIN, &["--sessions", "2", "--timeout", "400ms"]).await;
    let signer = &faulty.signer;
    faulty.order("sleep", 1500);
    let waiting = Instant::now();
    let reply = sign(signer).await;
    assert_eq!(reply.status, 503, "{}", reply.json());
    assert!(waiting.elapsed() < Duration::from_millis(1400), "{:?}", waiting.elapsed());
    for _ in 0..5 {
        assert_eq!(sign(signer).await.status, 200);
    }
    let started = Instant::now();
    while !signer.events("signature").iter().any(|line| line["outcome"] == "abandoned") {
        assert!(started.elapsed() < Duration::from_secs(10), "{}", signer.log());
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_signed_and_has_its_line() {
    let faulty = Faulty::start(PIN, &["--sessions", "1", "--timeout", "300ms"]).await;
    let signer = &faulty.signer;
    faulty.order("sleep", 900);
    let (first, second) = tokio::join!(sign(signer), sign(signer));
    assert_eq!((first.status, second.status), (503, 503));
    let started = Instant::now();
    while signer.events("signature").len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(10), "{}", signer.log());
        sleep(Duration::from_millis(50)).await;
    }
    let outcomes: Vec<_> = signer.events("signature").iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["abandoned", "failed"], "{}", signer.log());
    assert_eq!(faulty.count("signatures"), 1);
}

#[tokio::test]
async fn what_is_under_way_at_sigterm_is_signed_and_nothing_new_is() {
    let mut faulty = Faulty::start(PIN, &[]).await;
    let path = faulty.faults.clone();
    faulty.order("sleep", 700);
    let (reply, ()) = tokio::join!(sign(&faulty.signer), async {
        while Path::new(&path).join("sleep").exists() {
            sleep(Duration::from_millis(5)).await;
        }
        faulty.signer.terminate();
        let address = faulty.signer.address();
        let started = Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            assert!(started.elapsed() < Duration::from_millis(500), "it still takes connections");
            sleep(Duration::from_millis(10)).await;
        }
    });
    assert_eq!(reply.status, 200, "{}", reply.json());
    assert!(faulty.signer.ended().await.success(), "{}", faulty.signer.log());
    assert_eq!(faulty.signer.events("stopped").len(), 1, "{}", faulty.signer.log());
}
