//! Older releases of wasmtime, as the gateways' hosts have them: through the C API of a library that is installed beside this
//! project (`make engines`), and set up as the hosts set it up. APISIX follows `src/vm/wasmtime.c` of wasm-nginx-module, Kong
//! `src/wasm/wrt/ngx_wrt_wasmtime.c` of ngx_wasm_module; neither sets fuel, epochs or limits.

#![expect(
    unsafe_code,
    reason = "a C API can only be called so; each block relies on what its header demands, as said there"
)]

mod c_api;
mod linker;
mod loaded;
mod store;

use super::{Code, Imports, Instance};
use crate::host::profile::Engine;
use crate::host::vm_state::VmState;
use c_api::{Api, Vector, wasmtime_module_t};
use linker::Linker;
use loaded::Wasmtime;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::{ptr, slice};
use store::Running;

pub(super) fn compile(engine: Engine, wasm: &[u8]) -> Result<Box<dyn Code>, String> {
    let library = Wasmtime::of(engine);
    let mut module = ptr::null_mut();
    // SAFETY: so many bytes, and a place for the module.
    let error = unsafe { (library.api.wasmtime_module_new)(library.engine, wasm.as_ptr(), wasm.len(), &mut module) };
    if error.is_null() {
        Ok(Box::new(Compiled { library, module, linkers: Mutex::default() }))
    } else {
        // SAFETY: it is ours.
        Err(unsafe { library.error(error) })
    }
}

struct Compiled {
    library: &'static Wasmtime,
    module: *mut wasmtime_module_t,
    /// By what they define: 0.38 compiles a piece of code for each host function, which would be most of what a VM costs.
    linkers: Mutex<BTreeMap<Names, Arc<Linker>>>,
}

/// A module and a name each.
type Names = Vec<(String, &'static str)>;

// SAFETY: a `wasmtime_module_t` is compiled code that nobody changes, and may be used by several threads at once.
unsafe impl Send for Compiled {}
// SAFETY: as above.
unsafe impl Sync for Compiled {}

impl Compiled {
    /// A linker that defines these imports.
    fn linker(&self, imports: &Imports) -> Result<Arc<Linker>, String> {
        let defined: Names = imports.iter().map(|(module, import)| (module.clone(), import.name())).collect();
        let mut linkers = self.linkers.lock().unwrap_or_else(PoisonError::into_inner);
        let linker = match linkers.entry(defined) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let linker = Linker::new(self.library);
                imports.iter().try_for_each(|(module, import)| linker.define(module, *import))?;
                unknown.insert(Arc::new(linker))
            }
        };
        Ok(Arc::clone(linker))
    }
}

impl Drop for Compiled {
    fn drop(&mut self) {
        // SAFETY: nobody else deletes it, and instances keep what they need of it.
        unsafe { (self.library.api.wasmtime_module_delete)(self.module) };
    }
}

impl Code for Compiled {
    fn imports(&self) -> Vec<(String, String)> {
        let Api { wasm_importtype_module, wasm_importtype_name, .. } = self.library.api;
        let mut imports = Vector::empty();
        // SAFETY: the vector is filled, read before it is deleted, and so are the names, which belong to it.
        unsafe {
            (self.library.api.wasmtime_module_imports)(self.module, &mut imports);
            let copied = |name: *const Vector<u8>| {
                let bytes = slice::from_raw_parts((*name).data, (*name).size);
                String::from_utf8_lossy(bytes).into_owned()
            };
            let types = if imports.size == 0 { &[] } else { slice::from_raw_parts(imports.data, imports.size) };
            let names = types
                .iter()
                .map(|import| (copied(wasm_importtype_module(*import)), copied(wasm_importtype_name(*import))));
            let names = names.collect();
            (self.library.api.wasm_importtype_vec_delete)(&mut imports);
            names
        }
    }

    fn instantiate(&self, state: VmState, imports: &Imports) -> Result<Box<dyn Instance>, String> {
        let Compiled { library, module, .. } = *self;
        let linker = self.linker(imports)?;
        let mut running = Running::new(library, state);
        let mut trap = ptr::null_mut();
        // SAFETY: all of these live, and belong to this library.
        let error = unsafe {
            let instance = &mut running.instance;
            (library.api.wasmtime_linker_instantiate)(linker.linker, running.context, module, instance, &mut trap)
        };
        match (error.is_null(), trap.is_null()) {
            (true, true) => Ok(Box::new(running)),
            // SAFETY: what is not null is an error or trap that is ours.
            (false, _) => Err(unsafe { library.error(error) }),
            // SAFETY: likewise.
            (true, false) => Err(unsafe { library.trap(trap) }),
        }
    }
}
