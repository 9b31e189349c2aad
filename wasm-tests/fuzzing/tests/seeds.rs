//! Every property holds for every seed in `fuzz/seeds`, for every input in `fuzz/regressions` that fuzzing has found, for what is close
//! to them, and for the longest inputs: so no target is ever out of date, and none is found slow only by a fuzzer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fuzzing::TARGETS;
use hub_auth_filter::facade::peer::LeafCertificate;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");

/// The inputs in a directory.
fn inputs(directory: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(Path::new(FUZZ).join(directory)).expect("a directory");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
}

fn directories(of: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(Path::new(FUZZ).join(of)).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
}

#[test]
fn every_target_has_a_program_and_seeds_and_nothing_else_has() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(directories("seeds"), names);
    assert!(directories("regressions").is_subset(&names));
    let programs = directories("fuzz_targets").into_iter().map(|file| file.trim_end_matches(".rs").to_owned());
    assert_eq!(programs.filter(|name| name != "rsa_arithmetic").collect::<BTreeSet<_>>(), names);
    let manifest = fs::read_to_string(Path::new(FUZZ).join("Cargo.toml")).expect("the manifest");
    let makefile = fs::read_to_string(Path::new(FUZZ).join("../Makefile")).expect("the makefile");
    for target in TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{}.rs\"", target.name)), "{}", target.name);
        assert!(makefile.contains(&format!("{}:{}", target.name, target.longest)), "{}", target.name);
    }
}

#[test]
fn the_properties_hold_for_every_seed_of_which_some_are_taken_and_some_are_not() {
    for target in TARGETS {
        let seeds = inputs(&format!("seeds/{}", target.name));
        let taken = seeds.iter().filter(|(_, seed)| (target.check)(seed)).count();
        assert!(taken > 0 && taken < seeds.len(), "{}: {taken} of {}", target.name, seeds.len());
        assert!(seeds.iter().all(|(_, seed)| seed.len() <= target.longest), "{}", target.name);
    }
}

#[test]
fn the_properties_hold_for_what_fuzzing_has_found() {
    for name in directories("regressions") {
        for (_, input) in inputs(&format!("regressions/{name}")) {
            fuzzing::check(&name, &input);
        }
    }
}

/// Seeds that were cut, and seeds with another byte, at some places each.
#[test]
fn the_properties_hold_for_what_is_close_to_a_seed() {
    for target in TARGETS {
        for (_, seed) in inputs(&format!("seeds/{}", target.name)) {
            for at in (0..seed.len()).step_by(seed.len() / 16 + 1) {
                (target.check)(&seed[..at]);
                for byte in [0, b'"', b'\\', b',', 0x80, 0xff, seed[at] ^ 1] {
                    let mut changed = seed.clone();
                    changed[at] = byte;
                    (target.check)(&changed);
                }
            }
        }
    }
}

/// What costs most, as long as it may be and longer.
#[test]
fn the_properties_hold_for_the_longest_inputs() {
    let ec = |id: &str| {
        format!(
            r#"{{"kty":"EC","crv":"P-256","kid":"{id}","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}"#
        )
    };
    let rsa = |n: usize| {
        format!(r#"{{"kty":"RSA","kid":"r","e":"AQAB","n":"{:A>342}"}}"#, format!("{n:04}Q").replace('0', "_"))
    };
    let set = |keys: Vec<String>| format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    let wide = |member: &str, times: usize| {
        format!("{{{}}}", (0..times).map(|n| format!("\"{n}\":{member}")).collect::<Vec<_>>().join(","))
    };
    let inputs = [
        ("callout_answers", format!("200\n{}\n\n", "9".repeat(60_000))),
        ("compact_jws", format!("{{{}\n{{}}\n", "\"a\":0,".repeat(1000))),
        ("compact_jws", format!("{{}}\n{{\"aud\":[{}0]}}\n", "\"a\",".repeat(1400))),
        ("configuration", format!("{{\"inbound\":{{\"provider_ids\":[{}0]}}}}", "0,".repeat(130_000))),
        ("configuration", wide(&wide("[]", 128), 128)),
        ("forwarded_headers", "Hash=".repeat(13_000)),
        ("forwarded_headers", format!("Subject=\"{}\"", "\\\"".repeat(30_000))),
        ("forwarded_headers", "By=;".repeat(16_000)),
        ("introspection", format!("{{\"active\":true,\"scope\":\"{}\"}}", "a ".repeat(8_000))),
        ("json", "[".repeat(200_000)),
        ("json", format!("[{}0]", "0,".repeat(100_000))),
        ("json", format!("[{}0]", format!("{},", wide("0", 128)).repeat(200))),
        ("json", format!("\"{}\"", "\\u0061".repeat(40_000))),
        ("jwk_sets", set((0..1700).map(|n| ec(&n.to_string())).collect())),
        ("jwk_sets", set((0..1700).map(|_| ec("e")).collect())),
        ("jwk_sets", set((0..600).map(rsa).collect())),
        ("jwk_sets", set(vec!["0".to_owned(); 120_000])),
        (
            "jwk_sets",
            set((0..150)
                .map(|n| rsa(1).replace("\"r\"", &format!("\"{}\",\"alg\":\"{}\"", n / 2, ["PS256", "RS256"][n % 2])))
                .collect()),
        ),
        ("jwk_sets", format!("{{\"a\":{}}}", "[".repeat(250_000))),
        ("names", "O=a,".repeat(1024)),
        ("names", format!("O={}", "\\ ".repeat(2047))),
        ("names", format!("O=#{}", "0c".repeat(2046))),
        ("pem", format!("-----BEGIN A-----{}-----END A-----", "\\n".repeat(16_000))),
        ("pem", "-----BEGIN ".repeat(3_000)),
        ("pem", format!("-----BEGIN A-----{}", "-----END A-----".repeat(1_000))),
        ("vault_transit", format!("{{\"warnings\":[{}0]}}", "\"a\",".repeat(4_000))),
        ("vault_transit", format!("{{\"data\":{{\"signature\":\"vault:v1:{}\"}}}}", "A".repeat(16_000))),
    ];
    for (name, input) in inputs {
        fuzzing::check(name, input.as_bytes());
        fuzzing::check(name, &input.as_bytes()[..input.len() - 1]);
    }
    fuzzing::check("header_maps", &[vec![0xff, 0xff, 0, 0], vec![0; 8 * 0xffff + 2 * 0xffff]].concat());
    let attribute = fs::read(Path::new(FUZZ).join("seeds/names/der_escapes")).expect("a seed");
    fuzzing::check("certificates", &attribute.repeat(300));
}

/// The same names by OpenSSL itself, of certificates that are seeds.
#[test]
fn names_are_printed_as_openssl_prints_them() {
    let mut compared = 0;
    for (path, der) in inputs("seeds/certificates") {
        if !fuzzing::check("certificates", &der) {
            continue;
        }
        let pem = openssl(&path, &["-outform", "PEM"]);
        let Ok(leaf) = LeafCertificate::from_pem(pem.as_bytes()) else { panic!("{}", path.display()) };
        for (option, ours) in [("-subject", leaf.subject()), ("-issuer", leaf.issuer())] {
            let printed = openssl(&path, &["-noout", option, "-nameopt", "RFC2253"]);
            assert_eq!(
                printed.trim_end_matches('\n').split_once('=').map(|(_, name)| name),
                Some(ours),
                "{}",
                path.display()
            );
        }
        compared += 1;
    }
    assert!(compared > 5, "{compared}");
}

fn openssl(certificate: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(["x509", "-inform", "DER", "-in"])
        .arg(certificate)
        .args(arguments)
        .output()
        .expect("openssl runs");
    assert!(output.status.success(), "{}: {}", certificate.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
