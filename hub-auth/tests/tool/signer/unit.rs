//! `operations/signer`: systemd takes the unit, and it is locked in.

use std::fs;
use std::process::Command;

use super::tool;
use crate::text;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../operations/signer");

/// What systemd may say of how exposed the service is, of 100: it calls 20 and less "OK" or better.
const MOST_EXPOSED: u8 = 14;

fn shipped(name: &str) -> String {
    fs::read_to_string(format!("{FOLDER}/{name}")).expect(name)
}

/// The values of a setting, in their order.
fn values<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_unit_names_its_user_its_secrets_and_options_that_the_tool_takes() {
    let unit = shipped("hub-auth-signer.service");
    let user = values(&unit, "User");
    assert!(shipped("sysusers.conf").contains(&format!("\nu {} ", user[0])), "{user:?}");
    assert_eq!(
        values(&unit, "LoadCredential"),
        ["pin:/etc/hub-auth-signer/pin", "client-token:/etc/hub-auth-signer/client-token"]
    );
    assert_eq!((values(&unit, "IPAddressDeny"), values(&unit, "IPAddressAllow")), (vec!["any"], vec!["localhost"]));
    let command = unit.replace("\\\n", " ");
    let command = values(&command, "ExecStart")[0];
    assert!(command.contains(&format!("--listen unix:/run/{}/", values(&unit, "RuntimeDirectory")[0])), "{command}");
    // It starts as far as it comes here: to the PIN.
    let arguments = command.strip_prefix("/usr/local/bin/hub-auth ").expect("the tool");
    let started =
        Command::new("bash").args(["-c", &format!("exec \"$0\" {arguments}")]).arg(tool()).output().expect("bash");
    assert!(text(&started.stderr).contains("expected --pin-file"), "{}", text(&started.stderr));
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_and_little_that_it_may_do() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("There is no systemd-analyze here: the unit was not verified.");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hub-auth-signer.service");
    let unit = shipped("hub-auth-signer.service").replace("/usr/local/bin/hub-auth", tool().to_str().expect("UTF-8"));
    let verified = |unit: &str| {
        fs::write(&path, unit).expect("a file");
        let output =
            Command::new("systemd-analyze").args(["--man=no", "verify"]).arg(&path).output().expect("systemd-analyze");
        (output.status.success(), text(&output.stderr).to_owned())
    };
    assert_eq!(verified(&unit), (true, String::new()));
    let (is_right, _) = verified(&unit.replace("ExecStart=", "ExecStar="));
    assert!(!is_right, "it would not find a mistake");
    let is_exposed_at_most = |unit: &str| {
        fs::write(&path, unit).expect("a file");
        let threshold = format!("--threshold={MOST_EXPOSED}");
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", &threshold])
            .arg(&path)
            .output()
            .expect("systemd-analyze");
        (output.status.success(), text(&output.stdout).to_owned())
    };
    let (is_locked_in, said) = is_exposed_at_most(&unit);
    assert!(is_locked_in, "{said}");
    for setting in ["CapabilityBoundingSet=\n", "SystemCallFilter=@system-service\n", "ProtectSystem=strict\n"] {
        assert!(!is_exposed_at_most(&unit.replace(setting, "")).0, "{setting}");
    }
}
