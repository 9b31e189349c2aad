//! The crate `wasmtime`, counting fuel.
#![expect(clippy::disallowed_methods, reason = "the ban on clocks is for the module, not for what runs it")]

use super::{Args, Called, Caller, Code, HostFunction, Imports, Instance, Kind};
use crate::host::record::Step;
use crate::host::status::Ending;
use crate::host::vm_state::VmState;
use std::fmt;
use std::sync::OnceLock;
use std::time::Instant;
use wasmtime::{Config, Engine, Extern, Func, FuncType, Linker, Module, Store, Trap, Val, ValType};

pub(super) fn compile(wasm: &[u8]) -> Result<Box<dyn Code>, String> {
    let module = Module::from_binary(engine(), wasm).map_err(|error| format!("{error:#}"))?;
    Ok(Box::new(Compiled(module)))
}

/// One engine for all modules.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = Config::new();
        config.consume_fuel(true);
        Engine::new(&config).expect("an engine with these settings")
    })
}

struct Compiled(Module);

struct Running {
    store: Store<VmState>,
    instance: wasmtime::Instance,
}

struct InCall<'a>(wasmtime::Caller<'a, VmState>);

impl Code for Compiled {
    fn imports(&self) -> Vec<(String, String)> {
        self.0.imports().map(|import| (import.module().to_owned(), import.name().to_owned())).collect()
    }

    fn instantiate(&self, state: VmState, imports: &Imports) -> Result<Box<dyn Instance>, String> {
        let say = |error: wasmtime::Error| format!("{error:#}");
        let mut linker = Linker::new(engine());
        for &(ref module, import) in imports {
            let run = move |caller: wasmtime::Caller<'_, VmState>, params: &[Val], results: &mut [Val]| {
                let args = params.iter().map(|param| match param {
                    Val::I32(number) => u64::from(number.cast_unsigned()),
                    Val::I64(number) => number.cast_unsigned(),
                    _ => 0,
                });
                let code = import.answer(&mut InCall(caller), &Args::new(args)).map_err(Unwinding)?;
                if let Some(result) = results.first_mut() {
                    *result = Val::I32(code.cast_signed());
                }
                Ok(())
            };
            linker.func_new(module, import.name(), signature(import), run).map_err(say)?;
        }
        link_profile(&mut linker).map_err(say)?;
        let limit = limit(&state);
        let mut store = Store::new(engine(), state);
        store.set_fuel(limit).map_err(say)?;
        let instance = linker.instantiate(&mut store, &self.0).map_err(say)?;
        Ok(Box::new(Running { store, instance }))
    }
}

/// What a module can tell where a profile of it is made: which of its functions begins, and that it ends.
fn link_profile(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    linker.func_wrap("profile", "enter", |caller: wasmtime::Caller<'_, VmState>, function: u32| {
        step(caller, Some(function))
    })?;
    linker.func_wrap("profile", "leave", |caller: wasmtime::Caller<'_, VmState>| step(caller, None))?;
    Ok(())
}

fn step(mut caller: wasmtime::Caller<'_, VmState>, entered: Option<u32>) {
    let left = caller.get_fuel().expect("an engine that counts fuel");
    let fuel = limit(caller.data()) - left;
    caller.data_mut().steps.push(Step { entered, fuel });
}

fn signature(import: &dyn HostFunction) -> FuncType {
    let params = import.params().into_iter().map(|kind| match kind {
        Kind::Int => ValType::I32,
        Kind::Long => ValType::I64,
    });
    let results = import.has_result().then_some(ValType::I32);
    FuncType::new(engine(), params, results)
}

impl Instance for Running {
    fn state(&self) -> &VmState {
        self.store.data()
    }

    fn state_mut(&mut self) -> &mut VmState {
        self.store.data_mut()
    }

    fn has(&mut self, function: &str) -> bool {
        self.instance.get_func(&mut self.store, function).is_some()
    }

    fn memory_size(&mut self) -> usize {
        self.instance.get_memory(&mut self.store, "memory").map_or(0, |memory| memory.data_size(&self.store))
    }

    fn call(&mut self, function: &str, args: &[u32]) -> Option<Called> {
        let function = self.instance.get_func(&mut self.store, function)?;
        let limit = limit(self.store.data());
        self.store.set_fuel(limit).expect("an engine that counts fuel");
        let started = Instant::now();
        let ended = call(&mut self.store, function, args).map_err(|error| ending(&error, limit));
        let took = started.elapsed();
        let left = self.store.get_fuel().expect("an engine that counts fuel");
        Some(Called { ended, fuel: limit - left, took })
    }
}

impl Caller for InCall<'_> {
    fn state(&self) -> &VmState {
        self.0.data()
    }

    fn state_mut(&mut self) -> &mut VmState {
        self.0.data_mut()
    }

    fn memory(&mut self) -> Option<&mut [u8]> {
        let memory = self.0.get_export("memory").and_then(Extern::into_memory)?;
        Some(memory.data_mut(&mut self.0))
    }

    fn call(&mut self, function: &str, arg: u32) -> Option<Result<Option<u32>, Ending>> {
        let function = self.0.get_export(function).and_then(Extern::into_func)?;
        let limit = limit(self.0.data());
        Some(call(&mut self.0, function, &[arg]).map_err(|error| ending(&error, limit)))
    }
}

fn limit(state: &VmState) -> u64 {
    state.gateway.borrow().settings.fuel_limit
}

fn call(mut store: impl wasmtime::AsContextMut, function: Func, args: &[u32]) -> Result<Option<u32>, wasmtime::Error> {
    let args: Vec<Val> = args.iter().map(|arg| Val::I32(arg.cast_signed())).collect();
    let mut results = vec![Val::I32(0); function.ty(&store).results().len()];
    function.call(&mut store, &args, &mut results)?;
    Ok(results.first().and_then(Val::i32).map(i32::cast_unsigned))
}

fn ending(error: &wasmtime::Error, limit: u64) -> Ending {
    match error.downcast_ref::<Unwinding>() {
        Some(Unwinding(Ending::Crash(why))) => Ending::Crash(why.clone()),
        None if error.downcast_ref() == Some(&Trap::OutOfFuel) => {
            Ending::Trap(format!("the call did not end within {limit} units of fuel"))
        }
        Some(Unwinding(Ending::Trap(_))) | None => Ending::Trap(format!("{error:?}")),
    }
}

/// The error with which a host function unwinds the module.
#[derive(Debug)]
struct Unwinding(Ending);

impl fmt::Display for Unwinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Ending::Trap(why) | Ending::Crash(why)) = &self.0;
        f.write_str(why)
    }
}

impl std::error::Error for Unwinding {}
