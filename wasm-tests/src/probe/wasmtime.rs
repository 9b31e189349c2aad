//! The probe in wasmtime, without a gateway around it and without fuel, which would cost time.

#![allow(unsafe_code, reason = "what a processor has is for the caller to say")]

use std::time::Instant;

use wasmtime::{Caller, Config, Engine, Extern, Instance, Linker, Memory, Module, Store, TypedFunc};

/// A processor of which nothing is known but its family, and that it has what all have had since 2008. Fused
/// multiplications came in 2013.
const OLD_PROCESSOR: [&str; 2] = ["x86_64-unknown-linux-gnu", "nehalem"];

/// A module that runs in wasmtime.
pub struct Probe {
    store: Store<Instant>,
    memory: Memory,
    allocate: TypedFunc<u32, u32>,
    answer: TypedFunc<(u32, u32), u64>,
}

impl Probe {
    /// Starts a module; where it must not fuse, for a processor that cannot.
    pub(super) fn start(module: &[u8], may_fuse: bool) -> Self {
        Self::load(module, may_fuse).unwrap_or_else(|error| panic!("wasmtime does not take the probe: {error:?}"))
    }

    fn load(module: &[u8], may_fuse: bool) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        if !may_fuse {
            let [family, features] = OLD_PROCESSOR;
            config.target(family)?;
            // SAFETY: the processor that runs the tests is not older.
            unsafe { config.cranelift_flag_enable(features) };
        }
        let engine = Engine::new(&config)?;
        let module = Module::from_binary(&engine, module)?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap("wasi_snapshot_preview1", "clock_time_get", clock_time_get)?;
        // What Rust's standard library and the way in through a gateway import, and nobody calls here.
        linker.define_unknown_imports_as_traps(&module)?;
        let mut store = Store::new(&engine, Instant::now());
        let instance = linker.instantiate(&mut store, &module)?;
        let start: TypedFunc<(), ()> = instance.get_typed_func(&mut store, "_initialize")?;
        start.call(&mut store, ())?;
        let memory = memory(&instance, &mut store);
        let allocate = instance.get_typed_func(&mut store, "proxy_on_memory_allocate")?;
        let answer = instance.get_typed_func(&mut store, "probe_answer")?;
        Ok(Self { store, memory, allocate, answer })
    }

    /// Asks it.
    pub(super) fn ask(&mut self, question: &[u8]) -> Vec<u8> {
        self.call(question).unwrap_or_else(|error| panic!("the probe in wasmtime: {error:?}"))
    }

    fn call(&mut self, question: &[u8]) -> wasmtime::Result<Vec<u8>> {
        let size = u32::try_from(question.len())?;
        let pointer = self.allocate.call(&mut self.store, size)?;
        self.memory.write(&mut self.store, pointer as usize, question)?;
        let answer = self.answer.call(&mut self.store, (pointer, size))?;
        let mut bytes = vec![0; usize::try_from(answer & 0xffff_ffff)?];
        self.memory.read(&self.store, usize::try_from(answer >> 32)?, &mut bytes)?;
        Ok(bytes)
    }
}

fn memory(instance: &Instance, store: &mut Store<Instant>) -> Memory {
    instance.get_memory(store, "memory").expect("the probe's memory")
}

/// Any clock that is asked for is the one that never goes back.
fn clock_time_get(mut caller: Caller<'_, Instant>, _clock: u32, _precision: u64, pointer: u32) -> u32 {
    let now = u64::try_from(caller.data().elapsed().as_nanos()).expect("less than centuries");
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else { return 1 };
    memory.write(&mut caller, pointer as usize, &now.to_le_bytes()).map_or(1, |()| 0)
}
