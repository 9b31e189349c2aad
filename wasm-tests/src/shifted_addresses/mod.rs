//! Looks in a module for accesses to memory that the engine of APISIX would send elsewhere.
//!
//! Wasmtime 0.38 miscompiles them on x86-64 (GHSA-ff4p-7xrq-q5r8): where the address of a load or store is the result of
//! `i32.shl` by 1, 2 or 3, it lets the processor shift, in 64 bits. The bits that the shift should lose are then part of
//! the address, and the access traps. All other accesses are right: those with a mask or a sum between shift and access,
//! and those whose number is so small that the shift loses nothing.
//!
//! A program that looks harmless can have such bits. LLVM knows which bits a shift loses and leaves there what it likes:
//! when the crate `itoa` printed a `u64`, it multiplied by 0x7fffff9c instead of by -100.
//!
//! So the analysis looks for all accesses of that form, and tries to prove that their numbers are small. Those for which
//! it cannot must be on a list, with the reason why the numbers are small nevertheless. The rule was read in the source
//! of Cranelift 0.85 (`amode_add` in `isa/x64/inst.isle`), with what its optimiser sees through: locals, blocks,
//! operators that change nothing, and what is written to memory or a global and read again at once.

mod names;
mod operators;
mod values;
mod walk;

use std::collections::BTreeMap;

use wasmparser::{Parser, ValidPayload, Validator};

use names::Names;
use walk::Function;

/// The list of accesses that are harmless, although the analysis cannot prove it. Its own comments explain it.
pub const HARMLESS: &str = include_str!("../../shifted-addresses.txt");

/// Where the number comes from that is shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Memory: it is a number of the program, and whole.
    Loaded,
    /// Branches that meet there bring different ones.
    Joined,
    /// An operator, a call or a parameter.
    Computed,
}

impl Origin {
    const ALL: [Self; 3] = [Self::Loaded, Self::Joined, Self::Computed];

    /// Its name on the list.
    fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Joined => "joined",
            Self::Computed => "computed",
        }
    }
}

/// An access to memory whose address is the result of a small shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The byte of the module at which its operator stands.
    pub at: usize,
    /// What is shifted.
    pub origin: Origin,
    /// Whether the shift loses no bits for sure.
    pub is_proven: bool,
}

/// The sites in a module, with the byte at which the code of their function begins.
///
/// # Errors
/// The bytes are not a valid module.
pub fn sites(module: &[u8]) -> Result<Vec<(usize, Site)>, wasmparser::Error> {
    let mut validator = Validator::new();
    let mut sites = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let ValidPayload::Func(function, body) = validator.payload(&payload?)? {
            let found = Function::read(function, &body)?.sites();
            sites.extend(found.into_iter().map(|site| (body.range().start, site)));
        }
    }
    Ok(sites)
}

/// Which accesses of the module are neither proven harmless nor on the list, and which lines of the list are wrong, a
/// sentence each. The map is the linker's, for the names of functions.
#[must_use]
pub fn faults(module: &[u8], map: &str, list: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let listed = listed(list, &mut faults);
    let sites = match sites(module) {
        Ok(sites) => sites,
        Err(error) => return vec![format!("the module cannot be read: {error}")],
    };
    let names = Names::read(map);
    let mut found: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    for (function, site) in sites.into_iter().filter(|(_, site)| !site.is_proven) {
        match names.at(function) {
            Some(name) => {
                let key = (name.to_owned(), site.origin);
                found.entry(key).or_default().push(format!("{:#x}", site.at));
            }
            None => faults.push(format!("the linker's map has no function at {function:#x}: it is of another module")),
        }
    }
    for (key, places) in &found {
        let allowed = listed.get(key).copied().unwrap_or_default();
        if allowed != places.len() {
            let (function, origin) = key;
            let (count, places, origin) = (places.len(), places.join(", "), origin.name());
            faults.push(format!(
                "{function} has {count} accesses to memory with an address that wasmtime 0.38, in APISIX, may get wrong: a \
                 small shift of a number that may be large, {origin}, at {places}; {allowed} are on the list of harmless ones"
            ));
        }
    }
    let stale = listed.keys().filter(|key| !found.contains_key(*key));
    faults.extend(stale.map(|(function, origin)| {
        format!("{function} ({}) is on the list of harmless shifts, but has none that has to be there", origin.name())
    }));
    faults
}

/// A function's name, and an origin of the numbers that it shifts.
type Key = (String, Origin);

/// The list: how many accesses, of which origin, in which function, and why they are harmless. Columns are at least two
/// spaces apart.
fn listed(list: &str, faults: &mut Vec<String>) -> BTreeMap<Key, usize> {
    let mut listed = BTreeMap::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let columns: Vec<&str> = line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
        let parsed = match columns[..] {
            [count, origin, function, _reason] => {
                let origin = Origin::ALL.into_iter().find(|known| known.name() == origin);
                count
                    .parse()
                    .ok()
                    .filter(|count| *count > 0)
                    .zip(origin)
                    .map(|(count, origin)| (function, origin, count))
            }
            _ => None,
        };
        match parsed {
            Some((function, origin, count)) => {
                if listed.insert((function.to_owned(), origin), count).is_some() {
                    faults.push(format!("{function} ({}) is on the list of harmless shifts twice", origin.name()));
                }
            }
            None => faults.push(format!("not a number, an origin, a function and a reason: {line}")),
        }
    }
    listed
}

#[cfg(test)]
mod tests;
