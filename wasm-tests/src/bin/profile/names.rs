//! What the functions of a module are called.

use std::collections::BTreeMap;

use wasmparser::{KnownCustom, Name, Parser, Payload};

/// The names in a module's name section, by the place of the function.
pub(crate) struct Names(BTreeMap<u32, String>);

impl Names {
    /// Those of this module, as they stand in the source: without hashes, and without the parameters of generic functions.
    pub(crate) fn of(module: &[u8]) -> Self {
        let mut names = BTreeMap::new();
        for payload in Parser::new(0).parse_all(module) {
            let Ok(Payload::CustomSection(section)) = payload else { continue };
            let KnownCustom::Name(section) = section.as_known() else { continue };
            for part in section.into_iter().flatten() {
                let Name::Function(functions) = part else { continue };
                names.extend(functions.into_iter().flatten().map(|naming| (naming.index, readable(naming.name))));
            }
        }
        assert!(!names.is_empty(), "the module has no names: build it with `make profile`");
        Self(names)
    }

    /// That of the function at this place.
    pub(crate) fn name(&self, function: u32) -> &str {
        self.0.get(&function).map_or("?", String::as_str)
    }
}

fn readable(mangled: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(mangled))
}
