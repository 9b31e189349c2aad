//! What wrong options say.

use super::{CLIENT_ID, ORGANISATION, ORGANISATION_ID, folder, refused};
use crate::command;

#[test]
fn each_option_says_what_it_takes() {
    let folder = folder();
    let right = [
        ("--type", "c3"),
        ("--organisation", ORGANISATION),
        ("--organisation-id", ORGANISATION_ID),
        ("--client-id", CLIENT_ID),
    ];
    let long = "a".repeat(65);
    for (option, value, expected) in [
        ("--type", "c4", "possible values: c3, s4, sig4"),
        ("--organisation", "", "got nothing"),
        ("--organisation", " \t", "got nothing"),
        ("--organisation", " Bank", "white space before or after"),
        ("--organisation", "Bank\nPJSC", "control characters"),
        ("--organisation", &long, "1 to 64 characters"),
        ("--organisation-id", "D0C1B2A3-9485-4766-9574-839201ABCDEF", "a UUID in lower case"),
        ("--organisation-id", "d0c1b2a394854766957483920 1abcdef", "a UUID in lower case"),
        ("--organisation-id", "d0c1b2a3-9485-4766-9574-839201abcdeg", "a UUID in lower case"),
        ("--client-id", "C3-hh-cm-client", "a UUID in lower case"),
        ("--dns-name", "Bank.Example", "the name of a host"),
        ("--dns-name", "*.bank.example", "the name of a host"),
        ("--dns-name", "192.0.2.1", "the name of a host"),
        ("--dns-name", "-a.example", "the name of a host"),
        ("--dns-name", "bank.example", "only S4 is the certificate of a server"),
        ("--signer", "sig4", "expected https://HOST/v1/MOUNT/keys/KEY of Vault Transit, or pkcs11:"),
        ("--key-size", "4096", "--key-size"),
        ("--country", "DE", "--country"),
    ] {
        let mut arguments = vec!["key", "new"];
        for (name, default) in right.iter().filter(|(name, _)| *name != option) {
            arguments.extend([*name, *default]);
        }
        let given = format!("{option}={value}");
        arguments.push(&given);
        let output = command(&arguments).current_dir(folder.path()).output().expect("the tool starts");
        assert!(refused(&output).contains(expected), "{given}: {}", crate::text(&output.stderr));
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "something was written");
}

#[test]
fn options_that_need_each_other_or_exclude_each_other_say_so() {
    let folder = folder();
    let subject = ["--organisation", ORGANISATION, "--organisation-id", ORGANISATION_ID];
    for (arguments, expected) in [
        (&["--type", "c3"][..], "--client-id"),
        (&["--type", "sig4"], "--client-id"),
        (&["--type", "s4", "--generate"], "--signer"),
        (&["--type", "s4", "--pin-file", "x"], "--signer"),
        (&["--type", "s4", "--signer", "pkcs11:", "--key", "x"], "cannot be used with"),
    ] {
        let all = [&["key", "new"], &subject[..], arguments].concat();
        let output = command(&all).current_dir(folder.path()).output().expect("the tool starts");
        assert!(refused(&output).contains(expected), "{arguments:?}: {}", crate::text(&output.stderr));
    }
}

/// A legal name in any script is one of at most 64 characters, not bytes.
#[test]
fn a_name_may_be_in_any_script() {
    let folder = folder();
    let name = "بنك".repeat(21);
    let arguments = ["key", "new", "--type", "s4", "--organisation", &name, "--organisation-id", ORGANISATION_ID];
    let output = command(&arguments).current_dir(folder.path()).output().expect("the tool starts");
    super::done(&output);
    let csr = folder.path().join("s4.csr");
    let csr = csr.to_str().expect("UTF-8");
    let subject = crate::openssl::told(&[
        "req",
        "-in",
        csr,
        "-noout",
        "-subject",
        "-nameopt",
        "multiline,show_type,utf8,-esc_msb",
    ]);
    assert!(subject.contains(&format!("UTF8STRING:{name}")), "{subject}");
}
