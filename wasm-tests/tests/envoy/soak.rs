//! The load with failing servers still runs, and opens no door in its first seconds.

use std::process::Command;

#[test]
fn under_load_and_with_failing_servers_no_door_opens() {
    let output = Command::new(env!("CARGO_BIN_EXE_soak")).args(["--seconds", "6"]).output().expect("the load");
    let (figures, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{figures}\n{errors}");
    for side in ["JWT Auth, keystore  ", "introspection  ", "outbound, OpenBao  "] {
        let row = figures.lines().find(|line| line.starts_with(side)).expect(side);
        let numbers: Vec<u64> = row.split_whitespace().filter_map(|cell| cell.parse().ok()).collect();
        let [good, admitted, ..] = numbers[..] else { panic!("{row}") };
        assert!(good > 20 && admitted > 0 && admitted <= good, "{figures}");
    }
    assert!(figures.ends_with("No door was open.\n"), "{figures}");
}

#[test]
fn without_a_time_nothing_is_loaded() {
    for arguments in [&[][..], &["0"], &["ten"], &["--seconds"], &["1", "2"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_soak")).args(arguments).output().expect("the load");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("usage: soak MINUTES"), "{arguments:?}");
    }
}
