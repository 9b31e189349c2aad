use super::*;

/// A module with one function of these parameters, and whatever else the forms below need.
fn module(parameters: &str, body: &str) -> Vec<u8> {
    let text = format!(
        "(module (memory 1) (global $g (mut i32) (i32.const 0)) (global $h (mut i32) (i32.const 0))
           (func $called (param i32) (result i32) (local.get 0))
           (func {parameters} {body}))"
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What is found in a function with one parameter and two locals.
fn found(body: &str) -> Vec<Site> {
    let found = sites(&module("(param i32) (local i32 i32)", body)).expect("a module");
    found.into_iter().map(|(_, site)| site).collect()
}

/// An access whose address is this expression.
fn load(address: &str) -> String {
    format!("(drop (i32.load {address}))")
}

/// The shift that is looked for.
const SHIFTED: &str = "(i32.shl (local.get 0) (i32.const 2))";

fn unproven(body: &str) -> usize {
    found(body).iter().filter(|site| !site.is_proven).count()
}

#[test]
fn a_shift_by_one_two_or_three_is_found_and_no_other() {
    for (by, expected) in [(0, 0), (1, 1), (2, 1), (3, 1), (4, 0), (31, 0), (33, 0)] {
        assert_eq!(unproven(&load(&format!("(i32.shl (local.get 0) (i32.const {by}))"))), expected, "{by}");
    }
    assert_eq!(unproven(&load("(i32.shl (local.get 0) (local.get 0))")), 0, "an amount that is not known");
}

#[test]
fn every_kind_of_access_is_found() {
    for load in "i32.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u i64.load i64.load8_s i64.load8_u \
                 i64.load16_s i64.load16_u i64.load32_s i64.load32_u f32.load f64.load \
                 v128.load v128.load8x8_s v128.load8x8_u v128.load16x4_s v128.load16x4_u \
                 v128.load32x2_s v128.load32x2_u v128.load8_splat v128.load16_splat v128.load32_splat v128.load64_splat \
                 v128.load32_zero v128.load64_zero"
        .split_whitespace()
    {
        assert_eq!(unproven(&format!("(drop ({load} offset=16 {SHIFTED}))")), 1, "{load}");
    }
    for store in "i32.store i32.store8 i32.store16 i64.store i64.store8 i64.store16 i64.store32 f32.store f64.store"
        .split_whitespace()
    {
        let constant = store.split('.').next().expect("a type");
        assert_eq!(unproven(&format!("({store} {SHIFTED} ({constant}.const 0))")), 1, "{store}");
    }
    let vector = "(v128.const i64x2 0 0)";
    for lanes in ["8", "16", "32", "64"] {
        assert_eq!(unproven(&format!("(drop (v128.load{lanes}_lane 0 {SHIFTED} {vector}))")), 1, "load of {lanes}");
        assert_eq!(unproven(&format!("(v128.store{lanes}_lane 0 {SHIFTED} {vector})")), 1, "store of {lanes}");
    }
    assert_eq!(unproven(&format!("(v128.store {SHIFTED} {vector})")), 1);
}

#[test]
fn what_is_stored_is_not_an_address() {
    assert_eq!(unproven(&format!("(i32.store (local.get 0) {SHIFTED})")), 0);
}

#[test]
fn wherever_the_number_comes_from_it_is_found() {
    for (number, origin) in [
        ("(local.get 0)", Origin::Computed),
        ("(call $called (local.get 0))", Origin::Computed),
        ("(global.get $g)", Origin::Computed),
        ("(i32.wrap_i64 (i64.load (local.get 0)))", Origin::Computed),
        ("(i32.add (local.get 0) (i32.const 1))", Origin::Computed),
        ("(i32.load (local.get 0))", Origin::Loaded),
        ("(i32.load8_s (local.get 0))", Origin::Loaded),
        ("(if (result i32) (local.get 0) (then (local.get 0)) (else (i32.const 1)))", Origin::Joined),
    ] {
        let found = found(&load(&format!("(i32.shl {number} (i32.const 2))")));
        let [site] = found[..] else { panic!("{number}: {found:?}") };
        assert_eq!((site.origin, site.is_proven), (origin, false), "{number}");
    }
}

#[test]
fn a_shift_is_found_through_all_that_the_optimiser_sees_through() {
    for (what, body) in [
        ("a local", format!("(local.set 1 {SHIFTED}) {}", load("(local.get 1)"))),
        ("a teed local", load(&format!("(local.tee 1 {SHIFTED})"))),
        (
            "an amount in a local",
            format!("(local.set 1 (i32.const 2)) {}", load("(i32.shl (local.get 0) (local.get 1))")),
        ),
        ("another block", format!("(local.set 1 {SHIFTED}) (if (local.get 0) (then {}))", load("(local.get 1)"))),
        ("the result of a block", load(&format!("(block (result i32) {SHIFTED})"))),
        ("the result of a branch", load(&format!("(block (result i32) (br 0 {SHIFTED}))"))),
        (
            "one value of both branches",
            format!(
                "(local.set 1 {SHIFTED}) {}",
                load("(if (result i32) (local.get 0) (then (local.get 1)) (else (local.get 1)))")
            ),
        ),
        (
            "a branch that does not come here",
            format!(
                "(if (local.get 0) (then (local.set 1 {SHIFTED})) (else (local.set 1 (i32.const 8)) (return))) {}",
                load("(local.get 1)")
            ),
        ),
        (
            "a loop that leaves it",
            format!(
                "(local.set 1 {SHIFTED}) (loop {} (local.set 2 (i32.add (local.get 2) (i32.const 1))) (br_if 0 (local.get 2)))",
                load("(local.get 1)")
            ),
        ),
        (
            "a loop that sets it to itself",
            format!(
                "(local.set 1 {SHIFTED}) (loop (local.set 1 (local.get 1)) (br_if 0 (global.get $g))) {}",
                load("(local.get 1)")
            ),
        ),
        ("plus 0", load(&format!("(i32.add {SHIFTED} (i32.const 0))"))),
        ("plus 4 minus 4", load(&format!("(i32.add (i32.add {SHIFTED} (i32.const 4)) (i32.const -4))"))),
        ("times 1", load(&format!("(i32.mul {SHIFTED} (i32.const 1))"))),
        ("through 1", load(&format!("(i32.div_u {SHIFTED} (i32.const 1))"))),
        ("through 1, signed", load(&format!("(i32.div_s {SHIFTED} (i32.const 1))"))),
        ("a mask of ones", load(&format!("(i32.and {SHIFTED} (i32.const -1))"))),
        ("or 0", load(&format!("(i32.or {SHIFTED} (i32.const 0))"))),
        ("xor 5 twice", load(&format!("(i32.xor (i32.xor {SHIFTED} (i32.const 5)) (i32.const 5))"))),
        ("a shift by 0", load(&format!("(i32.shr_u {SHIFTED} (i32.const 0))"))),
        ("a rotation by 0", load(&format!("(i32.rotl {SHIFTED} (i32.const 0))"))),
        ("two shifts", load(&format!("(i32.shl {SHIFTED} (i32.const 1))"))),
        ("memory", format!("(i32.store (i32.const 8) {SHIFTED}) {}", load("(i32.load (i32.const 8))"))),
        (
            "a global",
            format!("(global.set $g {SHIFTED}) (i32.store (i32.const 8) (i32.const 0)) {}", load("(global.get $g)")),
        ),
    ] {
        assert_eq!(unproven(&body), 1, "{what}");
    }
}

#[test]
fn a_shift_with_something_between_it_and_the_access_is_not_found() {
    for (what, body) in [
        ("a mask", load(&format!("(i32.and {SHIFTED} (i32.const 1020))"))),
        ("a sum with a base", load(&format!("(i32.add {SHIFTED} (local.get 0))"))),
        ("a sum with a constant", load(&format!("(i32.add {SHIFTED} (i32.const 8))"))),
        ("a selection", load(&format!("(select {SHIFTED} (i32.const 4) (local.get 0))"))),
        ("64 bits", load(&format!("(i32.wrap_i64 (i64.extend_i32_u {SHIFTED}))"))),
        (
            "branches that bring different ones",
            load(&format!("(if (result i32) (local.get 0) (then {SHIFTED}) (else (i32.const 4)))")),
        ),
        (
            "a loop that changes it",
            format!(
                "(local.set 1 {SHIFTED}) (loop {} (local.set 1 (i32.const 4)) (br_if 0 (local.get 0)))",
                load("(local.get 1)")
            ),
        ),
        (
            "memory that something else was written to",
            format!(
                "(i32.store (i32.const 8) {SHIFTED}) (i32.store (i32.const 16) (i32.const 0)) {}",
                load("(i32.load (i32.const 8))")
            ),
        ),
        (
            "a global, and a call",
            format!("(global.set $g {SHIFTED}) (drop (call $called (i32.const 0))) {}", load("(global.get $g)")),
        ),
        ("another global", format!("(global.set $g {SHIFTED}) {}", load("(global.get $h)"))),
        ("another operator", load("(i32.mul (local.get 0) (i32.const 4))")),
        ("a shift of 64 bits", load("(i32.wrap_i64 (i64.shl (i64.load (local.get 0)) (i64.const 2)))")),
        ("no access", format!("(memory.fill {SHIFTED} (i32.const 0) (i32.const 4))")),
    ] {
        assert_eq!(found(&body), [], "{what}");
    }
}

#[test]
fn a_number_that_is_known_to_be_small_is_proven() {
    for (what, number) in [
        ("a mask", "(i32.and (local.get 0) (i32.const 0x3fffffff))"),
        ("a shift to the right", "(i32.shr_u (local.get 0) (i32.const 2))"),
        ("a byte", "(i32.load8_u (local.get 0))"),
        ("two bytes", "(i32.load16_u (local.get 0))"),
        ("a comparison", "(i32.lt_s (local.get 0) (i32.const 7))"),
        ("a count of zeros", "(i32.clz (local.get 0))"),
        ("a remainder", "(i32.rem_u (local.get 0) (i32.const 100))"),
        ("a quotient", "(i32.div_u (local.get 0) (i32.const 4))"),
        ("a selection", "(select (i32.const 16) (i32.const 3) (local.get 0))"),
        ("a sum", "(i32.add (i32.load8_u (local.get 0)) (i32.const 8))"),
        ("bits of small ones", "(i32.or (i32.load8_u (local.get 0)) (i32.const 256))"),
        ("64 bits that are few", "(i32.wrap_i64 (i64.shr_u (i64.load (local.get 0)) (i64.const 34)))"),
        ("branches", "(if (result i32) (local.get 0) (then (i32.const 7)) (else (i32.load8_u (local.get 0))))"),
        (
            "what is left of a division",
            "(i32.add (local.get 0) (i32.mul (i32.div_u (local.get 0) (i32.const 100)) (i32.const -100)))",
        ),
        (
            "what is left of a division, subtracted",
            "(i32.sub (local.get 0) (i32.mul (i32.div_u (local.get 0) (i32.const 100)) (i32.const 100)))",
        ),
    ] {
        let found = found(&load(&format!("(i32.shl {number} (i32.const 2))")));
        assert!(matches!(found[..], [Site { is_proven: true, .. }]), "{what}: {found:?}");
    }
}

#[test]
fn a_number_that_is_one_too_large_is_not_proven() {
    for (by, most) in [(1, 0x7fff_ffff_u32), (2, 0x3fff_ffff), (3, 0x1fff_ffff)] {
        let masked =
            |mask: u32| load(&format!("(i32.shl (i32.and (local.get 0) (i32.const {:#x})) (i32.const {by}))", mask));
        assert_eq!((unproven(&masked(most)), unproven(&masked(most + 1))), (0, 1), "{by}");
    }
}

#[test]
fn a_branch_proves_what_it_checks_where_it_leads_and_not_elsewhere() {
    let access = load(SHIFTED);
    for (condition, then, otherwise) in [
        ("(i32.lt_u (local.get 0) (i32.const 10))", 0, 1),
        ("(i32.le_u (local.get 0) (i32.const 10))", 0, 1),
        ("(i32.gt_u (i32.const 10) (local.get 0))", 0, 1),
        ("(i32.ge_u (local.get 0) (i32.const 10))", 1, 0),
        ("(i32.eqz (i32.ge_u (local.get 0) (i32.const 10)))", 0, 1),
        ("(i32.eq (local.get 0) (i32.const 10))", 0, 1),
        ("(i32.ne (local.get 0) (i32.const 10))", 1, 0),
        ("(local.get 0)", 1, 0),
        ("(i32.lt_s (local.get 0) (i32.const 10))", 1, 1),
        ("(i32.lt_u (local.get 0) (i32.const 0x7fffffff))", 1, 1),
        ("(i32.and (i32.lt_u (local.get 0) (i32.const 10)) (global.get $g))", 0, 1),
        ("(i32.and (global.get $g) (i32.ne (local.get 0) (i32.const 10)))", 1, 1),
        ("(i32.or (i32.gt_u (local.get 0) (i32.const 10)) (global.get $g))", 1, 0),
    ] {
        assert_eq!(unproven(&format!("(if {condition} (then {access}))")), then, "{condition}");
        assert_eq!(unproven(&format!("(if {condition} (then) (else {access}))")), otherwise, "not {condition}");
        assert_eq!(unproven(&format!("(block (br_if 0 {condition}) {access})")), otherwise, "past {condition}");
        assert_eq!(unproven(&format!("(if {condition} (then)) {access}")), then.max(otherwise), "after {condition}");
    }
}

#[test]
fn what_a_loop_changes_is_not_known_in_it() {
    // The first time it is 1.
    let body = "(local.set 1 (i32.const 1)) (loop {} (local.set 1 (i32.mul (local.get 1) (i32.const 3))) (br 0))";
    assert_eq!(unproven(&body.replace("{}", &load("(i32.shl (local.get 1) (i32.const 2))"))), 1);
    // A check in one turn says nothing of the next one.
    let checked = format!(
        "(loop (local.set 1 (i32.load (i32.const 0))) (block (br_if 0 (i32.gt_u (local.get 1) (i32.const 9))) {0}) {0} (br 0))",
        load("(i32.shl (local.get 1) (i32.const 2))")
    );
    assert_eq!(unproven(&checked), 1);
}

#[test]
fn code_that_is_not_reached_does_not_matter() {
    assert_eq!(found(&format!("(return) {}", load(SHIFTED))), []);
    assert_eq!(found(&format!("(block (loop (br 0)) {})", load(SHIFTED))), []);
    assert_eq!(found("(block (result i32) unreachable (if (then))) drop"), []);
}

/// What LLVM makes of the last two digits of a number in `itoa`: the factor is -100 without its highest bit, which the shift loses.
fn itoa(factor: &str) -> Vec<u8> {
    module(
        "(param i64) (result i32) (local i32 i32)",
        &format!(
            "(local.set 1 (i32.wrap_i64 (i64.sub (local.get 0) (i64.mul (i64.div_u (local.get 0) (i64.const 10000)) (i64.const 10000)))))
             (local.set 2 (i32.shr_u (i32.mul (local.get 1) (i32.const 5243)) (i32.const 19)))
             (i32.load16_u offset=64 (i32.shl
               (i32.add (i32.mul (local.get 2) (i32.const {factor})) (local.get 1)) (i32.const 1)))"
        ),
    )
}

/// What the linker writes of that module: the second function is the longer one.
fn map(module: &[u8]) -> String {
    let mut lines = vec!["    Addr      Off     Size Out     In      Symbol".to_owned()];
    for (payload, symbol) in Parser::new(0)
        .parse_all(module)
        .filter_map(|payload| match payload {
            Ok(wasmparser::Payload::CodeSectionEntry(body)) => Some(body),
            _ => None,
        })
        .zip([
            "_ZN6caller6called17h0123456789abcdefE",
            "_ZN38_$LT$u64$u20$as$u20$itoa..Unsigned$GT$3fmt17h67a28ff9ecabcea2E",
        ])
    {
        // With the number of its bytes before it.
        let (start, size) = (payload.range().start - 1, payload.range().len() + 1);
        lines.push(format!("       - {start:8x} {size:8x}         some/object.o:({symbol})"));
        lines.push(format!("       - {start:8x} {size:8x}                 {symbol}"));
    }
    lines.join("\n")
}

const NAME: &str = "<u64 as itoa::Unsigned>::fmt";

#[test]
fn the_mistake_that_was_made_is_found_and_named() {
    let module = itoa("0x7fffff9c");
    let faults = faults(&module, &map(&module), "");
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    assert!(fault.starts_with(&format!("{NAME} has 1 accesses to memory")), "{fault}");
    assert!(fault.contains(", computed, at 0x") && fault.ends_with("; 0 are on the list of harmless ones"), "{fault}");
}

#[test]
fn the_same_digits_with_the_whole_factor_are_proven() {
    let module = itoa("-100");
    assert_eq!(sites(&module).expect("a module").len(), 1);
    assert_eq!(faults(&module, &map(&module), ""), [""; 0]);
}

#[test]
fn a_division_by_multiplication_proves_nothing_of_numbers_that_are_too_large_for_it() {
    let digits = |most: u32| {
        format!(
            "(local.set 1 (i32.and (local.get 0) (i32.const {most})))
             (drop (i32.load16_u (i32.shl
               (i32.add (local.get 1)
                 (i32.mul (i32.shr_u (i32.mul (local.get 1) (i32.const 5243)) (i32.const 19)) (i32.const -100)))
               (i32.const 1))))"
        )
    };
    // 43,698 * 5243 / 2^19 is 437 already. With 16,383 bits are few enough, with 65,535 they are not.
    assert_eq!((unproven(&digits(16_383)), unproven(&digits(65_535))), (0, 1));
}

#[test]
fn a_line_for_each_function_and_origin_silences_it_and_no_other_line_does() {
    let module = itoa("0x7fffff9c");
    let map = map(&module);
    let line = format!("# a comment\n\n1  computed  {NAME}  a reason\n");
    assert_eq!(faults(&module, &map, &line), [""; 0]);
    for (line, count) in [
        (format!("2  computed  {NAME}  a reason"), 1),
        (format!("1  loaded  {NAME}  a reason"), 2),
        (format!("1  computed  {NAME}"), 2),
        (format!("0  computed  {NAME}  a reason"), 2),
        (format!("1  strange  {NAME}  a reason"), 2),
        (format!("1  computed  {NAME}  a reason  another"), 2),
        (line.repeat(2), 1),
        (format!("{line}1  computed  called  a reason"), 1),
    ] {
        assert_eq!(faults(&module, &map, &line).len(), count, "{line}");
    }
}

#[test]
fn a_map_of_another_module_is_a_fault() {
    let module = itoa("0x7fffff9c");
    for map in ["", "no map", "       -        1        2         some/object.o:(symbol)"] {
        let faults = faults(&module, map, "");
        assert!(faults.len() == 1 && faults[0].starts_with("the linker's map has no function at"), "{faults:?}");
    }
}

#[test]
fn bytes_that_are_no_module_are_a_fault_and_no_panic() {
    for bytes in ["", "no module", "\0asm"] {
        let faults = faults(bytes.as_bytes(), "", "");
        assert!(faults.len() == 1 && faults[0].starts_with("the module cannot be read"), "{faults:?}");
    }
}

#[test]
fn the_list_that_is_shipped_can_be_read() {
    let mut faults = Vec::new();
    assert!(!listed(HARMLESS, &mut faults).is_empty());
    assert_eq!(faults, [""; 0]);
}
