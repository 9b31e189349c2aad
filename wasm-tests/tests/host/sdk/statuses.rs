//! Which statuses of a host make the SDK panic. The table is committed, so that a change of the SDK is noticed.

use super::guest::module;
use std::fmt::Write as _;
use wasm_tests::host::{Answer, Fault, Gateway, Module, Profile, Request, Upstream};

/// What the SDK did when the table was made.
const TABLE: &str = include_str!("statuses.txt");
/// OK, and all others that the ABI has.
const STATUSES: std::ops::RangeInclusive<u32> = 0..=12;
/// What `statuses.txt` starts with.
const HEADING: &str = "\
# The statuses, of 0 to 12, at which a filter on the SDK panics when a host call returns them and does nothing.
# `statuses.rs` finds out and compares.
";

/// Whether a filter that makes this call panics, when the call does nothing and returns this status.
fn panics(every_call: &Module, call: &'static str, status: u32) -> bool {
    let gateway = Gateway::new(Profile::envoy())
        .configuration(call)
        .upstream("u", Upstream::new().otherwise(Answer::ok("")))
        .expect_traps()
        .start(every_call)
        .expect("the gateway starts");
    gateway.fault(Fault::host_call(call).returns(status).only_nth(1));
    gateway.send(Request::get("/"));
    gateway.settle();
    let made = gateway.trace().iter().any(|made| made.name == call && made.code == status);
    assert!(made, "{call} was not made, or did not return {status}");
    match gateway.traps().as_slice() {
        [] => false,
        [trap] => {
            assert!(trap.contains("panicked at"), "{call} {status} is a trap, and no panic: {trap}");
            true
        }
        traps => panic!("{call} {status}: {traps:?}"),
    }
}

/// The host calls of the module.
fn calls(module: &Module) -> Vec<&'static str> {
    let imports = module.imports();
    let of_the_module = |call: &&str| imports.contains(&format!("env.{call}"));
    let mut calls: Vec<_> = Gateway::host_calls().into_iter().filter(of_the_module).collect();
    calls.sort_unstable();
    calls
}

#[test]
fn the_sdk_panics_at_the_statuses_in_the_table() {
    let every_call = module("every_call");
    let mut found = HEADING.to_owned();
    for call in calls(&every_call) {
        write!(found, "{call:36}").expect("a string takes it");
        for status in STATUSES {
            match panics(&every_call, call, status) {
                true => write!(found, " {status:2}").expect("a string takes it"),
                false => found.push_str("  -"),
            }
        }
        found.push('\n');
    }
    let lines = |all: &str, others: &str, mark: char| -> String {
        all.lines()
            .filter(|line| !others.lines().any(|other| other == *line))
            .map(|line| format!("\n{mark} {line}"))
            .collect()
    };
    let (gone, new) = (lines(TABLE, &found, '-'), lines(&found, TABLE, '+'));
    assert!(found == TABLE, "the SDK has changed:{gone}{new}\nIf that is well, statuses.txt becomes\n{found}");
}
