//! What gateways demand of modules before they run them: imports that they have, and no WebAssembly that their oldest engine does
//! not know. A module that does not load can mean no authentication at all.

use std::collections::BTreeSet;

use wasmparser::{ExternalKind, Parser, Payload, Validator, WasmFeatures};

use super::Artifact;

/// The list of imports that the release module may have. Its own comments explain it.
pub const IMPORTS: &str = include_str!("../../imports.txt");

/// The list of functions that the release module must export, no less and no more. Its own comments explain it.
pub const EXPORTS: &str = include_str!("../../exports.txt");

/// The gateways that must load the module, in the order of the list.
const GATEWAYS: &str = "envoy,kong,apisix";

impl Artifact {
    /// What its oldest engine accepts. Both are WebAssembly 2.0, which has bulk memory, reference types, several results, sign
    /// extension, saturating conversions, 128-bit SIMD and mutable globals. Not in it: threads, tail calls, exceptions, 64-bit
    /// memories, several memories, extended constants, garbage collection, and for the baseline relaxed SIMD.
    fn features(self) -> WasmFeatures {
        match self {
            Self::Baseline => WasmFeatures::WASM2,
            Self::RelaxedSimd => WasmFeatures::WASM2.union(WasmFeatures::RELAXED_SIMD),
        }
    }

    /// Its oldest engine, and where that is.
    fn oldest_engine(self) -> &'static str {
        match self {
            Self::Baseline => "wasmtime 0.38, in APISIX,",
            Self::RelaxedSimd => "wasmtime 19, in Kong 3.7,",
        }
    }
}

/// Why some gateway that the artifact is for would not load this module, a sentence each, and which lines of `list` are
/// wrong. Empty if all is well.
#[must_use]
pub fn faults(artifact: Artifact, module: &[u8], list: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let listed = listed(list, &mut faults);
    match imports(module) {
        Ok(imports) => {
            let unlisted = imports.difference(&listed);
            faults.extend(unlisted.map(|import| format!("the module imports {import}, which is not on the list")));
            let unused = listed.difference(&imports);
            faults.extend(unused.map(|import| format!("{import} is on the list, but the module does not import it")));
        }
        Err(error) => faults.push(format!("the module cannot be read: {error}")),
    }
    if let Err(error) = Validator::new_with_features(artifact.features()).validate_all(module) {
        faults.push(format!("{} would refuse the module: {error}", artifact.oldest_engine()));
    }
    faults
}

/// Which functions of `list` the module lacks, and which others it exports, a sentence each. Empty if all is well: a host calls some
/// callbacks without a look whether they exist.
#[must_use]
pub fn export_faults(module: &[u8], list: &str) -> Vec<String> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let listed: BTreeSet<String> = lines.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect();
    match exports(module) {
        Ok(exports) => {
            let missing = listed.difference(&exports);
            let missing = missing.map(|name| format!("the module does not export {name}, which a gateway may call"));
            let unlisted = exports.difference(&listed);
            missing.chain(unlisted.map(|name| format!("the module exports {name}, which is not on the list"))).collect()
        }
        Err(error) => vec![format!("the module cannot be read: {error}")],
    }
}

/// The functions that a module exports.
///
/// # Errors
/// The bytes are not a WebAssembly module.
pub fn exports(module: &[u8]) -> Result<BTreeSet<String>, wasmparser::Error> {
    let mut exports = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(section) = payload? {
            for export in section {
                let export = export?;
                if export.kind == ExternalKind::Func {
                    exports.insert(export.name.to_owned());
                }
            }
        }
    }
    Ok(exports)
}

/// What a module imports, as `module.name`.
///
/// # Errors
/// The bytes are not a WebAssembly module.
pub fn imports(module: &[u8]) -> Result<BTreeSet<String>, wasmparser::Error> {
    let mut imports = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(section) = payload? {
            for import in section.into_imports() {
                let import = import?;
                imports.insert(format!("{}.{}", import.module, import.name));
            }
        }
    }
    Ok(imports)
}

/// The imports on a list: a name, the gateways that have it, a reason.
fn listed(list: &str, faults: &mut Vec<String>) -> BTreeSet<String> {
    let mut listed = BTreeSet::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(import), Some(GATEWAYS), Some(_)) => {
                if !listed.insert(import.to_owned()) {
                    faults.push(format!("{import} is on the list twice"));
                }
            }
            _ => faults.push(format!("not an import, all of {GATEWAYS}, and a reason: {line}")),
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# a comment\n\nenv.proxy_log  envoy,kong,apisix  the log\n";
    const IMPORT: &str = r#"(import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))"#;

    /// The faults of a module with the one import of `LIST` and these fields.
    fn faults_of(fields: &str, list: &str) -> Vec<String> {
        let module = wat::parse_str(format!("(module {IMPORT} {fields})")).expect("a module");
        faults(Artifact::Baseline, &module, list)
    }

    #[test]
    fn a_module_with_listed_imports_has_no_fault() {
        assert_eq!(faults_of("", LIST), [""; 0]);
    }

    #[test]
    fn an_import_that_is_not_listed_is_a_fault() {
        for import in ["\"env\" \"proxy_get_metric\"", "\"wasi_snapshot_preview1\" \"proxy_log\""] {
            let faults = faults_of(&format!("(import {import} (func))"), LIST);
            let name = import.replace("\" \"", ".").replace('"', "");
            assert_eq!(faults, [format!("the module imports {name}, which is not on the list")]);
        }
    }

    #[test]
    fn imports_that_are_not_functions_count_too() {
        let faults = faults_of("(import \"env\" \"memory\" (memory 1))", LIST);
        assert_eq!(faults, ["the module imports env.memory, which is not on the list"]);
    }

    #[test]
    fn a_line_that_is_not_needed_is_a_fault() {
        let list = format!("{LIST}env.proxy_done  envoy,kong,apisix  the end\n");
        assert_eq!(faults_of("", &list), ["env.proxy_done is on the list, but the module does not import it"]);
    }

    #[test]
    fn a_line_without_every_gateway_or_a_reason_is_a_fault_and_lists_nothing() {
        for line in
            ["env.proxy_log envoy,kong why", "env.proxy_log envoy,kong,apisix", "env.proxy_log", "env.proxy_log why"]
        {
            let faults = faults_of("", line);
            assert_eq!(faults.len(), 2, "{faults:?}");
            assert!(faults[0].ends_with(line) && faults[1].contains("which is not on the list"), "{faults:?}");
        }
    }

    #[test]
    fn a_line_that_is_there_twice_is_a_fault() {
        assert_eq!(faults_of("", &LIST.repeat(2)), ["env.proxy_log is on the list twice"]);
    }

    #[test]
    fn what_wasmtime_0_38_knows_is_no_fault() {
        for (feature, fields) in [
            ("SIMD", "(func (drop (v128.const i64x2 0 0)))"),
            ("bulk memory", "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))"),
            ("sign extension", "(func (drop (i32.extend8_s (i32.const 0))))"),
            ("saturating conversions", "(func (drop (i32.trunc_sat_f32_s (f32.const 0))))"),
            ("several results", "(func (result i32 i32) (i32.const 0) (i32.const 0))"),
            ("reference types", "(table 1 externref)"),
            ("mutable globals", "(global (export \"g\") (mut i32) (i32.const 0))"),
        ] {
            assert_eq!(faults_of(fields, LIST), [""; 0], "{feature}");
        }
    }

    #[test]
    fn what_wasmtime_0_38_does_not_know_is_a_fault() {
        for (feature, fields) in [
            ("relaxed SIMD", "(func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))"),
            ("threads: shared memory", "(memory 1 1 shared)"),
            ("threads: atomics", "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))"),
            ("tail calls", "(func $f (return_call $f))"),
            ("exceptions", "(tag)"),
            ("64-bit memories", "(memory i64 1)"),
            ("several memories", "(memory 1) (memory 1)"),
            ("extended constants", "(global i32 (i32.add (i32.const 1) (i32.const 2)))"),
            ("typed function references", "(type $t (func)) (func (param (ref $t)))"),
            ("garbage collection", "(type (struct))"),
        ] {
            let faults = faults_of(fields, LIST);
            assert_eq!(faults.len(), 1, "{feature}: {faults:?}");
            assert!(
                faults[0].starts_with("wasmtime 0.38, in APISIX, would refuse the module: "),
                "{feature}: {faults:?}"
            );
        }
    }

    #[test]
    fn relaxed_simd_and_nothing_else_is_accepted_of_the_artifact_that_is_for_it() {
        let faults_of = |fields: &str| {
            let module = wat::parse_str(format!("(module {IMPORT} {fields})")).expect("a module");
            faults(Artifact::RelaxedSimd, &module, LIST)
        };
        let relaxed = "(func (param v128) (drop (f64x2.relaxed_madd (local.get 0) (local.get 0) (local.get 0))))";
        assert_eq!(faults_of(relaxed), [""; 0]);
        let faults = faults_of("(memory i64 1)");
        assert!(faults.len() == 1 && faults[0].starts_with("wasmtime 19, in Kong 3.7, would"), "{faults:?}");
    }

    #[test]
    fn a_callback_that_is_missing_and_a_function_that_is_not_listed_are_faults() {
        let list = "# a comment\n\nproxy_on_log  kong  the log\nproxy_on_done  -  nothing\n";
        let faults_of =
            |fields: &str| export_faults(&wat::parse_str(format!("(module {fields})")).expect("a module"), list);
        let function = |name: &str| format!("(func (export \"{name}\"))");
        let (log, done) = (function("proxy_on_log"), function("proxy_on_done"));
        assert_eq!(faults_of(&format!("{log} {done} (memory (export \"memory\") 1)")), [""; 0]);
        assert_eq!(faults_of(&log), ["the module does not export proxy_on_done, which a gateway may call"]);
        let other = function("main");
        assert_eq!(faults_of(&format!("{log} {done} {other}")), ["the module exports main, which is not on the list"]);
        assert_eq!(export_faults(b"no module", list).len(), 1);
    }

    #[test]
    fn bytes_that_are_no_module_are_a_fault() {
        for bytes in ["", "no module", "\0asm"] {
            assert!(
                faults(Artifact::Baseline, bytes.as_bytes(), LIST)
                    .iter()
                    .any(|fault| fault.starts_with("the module cannot be read"))
            );
        }
    }
}
