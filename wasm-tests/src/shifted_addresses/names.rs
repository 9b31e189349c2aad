//! The names of functions, which the release module does not have. The map that the linker writes beside it does.

/// The names of a module's functions, by the bytes of the module.
pub(super) struct Names {
    /// Where each begins, and where the next one does.
    functions: Vec<(usize, usize, String)>,
}

impl Names {
    /// Reads a map of `wasm-ld`: an address, a byte of the module, a size, and for a function the object file with the
    /// symbol in brackets.
    pub(super) fn read(map: &str) -> Self {
        let function = |line: &str| {
            let mut words = line.split_whitespace();
            let (_address, offset, size) = (words.next()?, words.next()?, words.next()?);
            let start = usize::from_str_radix(offset, 16).ok()?;
            let size = usize::from_str_radix(size, 16).ok()?;
            let symbol = line.strip_suffix(')')?.rsplit_once(":(")?.1;
            Some((start, start + size, format!("{:#}", rustc_demangle::demangle(symbol))))
        };
        Self { functions: map.lines().filter_map(function).collect() }
    }

    /// The name of the function whose code begins at that byte.
    pub(super) fn at(&self, byte: usize) -> Option<&str> {
        let function = self.functions.iter().find(|(start, end, _)| (start..end).contains(&&byte));
        function.map(|(_, _, name)| name.as_str())
    }
}
