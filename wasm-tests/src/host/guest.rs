//! The module's memory, as host calls see it. Every pointer comes from the module and may be anything: an access outside
//! the memory is a status, never a panic. Values go out through the module's own allocator, as the ABI demands.

use super::status::{Answered, Refusal, Status};
use super::vm::{Phase, VmState};
use super::world::World;
use std::cell::{Ref, RefMut};
use wasmtime::{Caller, Extern, Memory, Val};

/// A module in the middle of a host call.
pub(crate) struct Guest<'a>(Caller<'a, VmState>);

/// The arguments of a host call.
pub(crate) struct Args(Vec<u64>);

impl Args {
    pub(crate) fn new(params: &[Val]) -> Self {
        Args(
            params
                .iter()
                .map(|param| match param {
                    Val::I32(number) => u64::from(number.cast_unsigned()),
                    Val::I64(number) => number.cast_unsigned(),
                    _ => 0,
                })
                .collect(),
        )
    }

    /// The argument at this place, an `i32` in the signature.
    pub(crate) fn int(&self, place: usize) -> u32 {
        u32::try_from(self.0[place]).expect("an i32 parameter")
    }

    /// The argument at this place, an `i64` in the signature.
    pub(crate) fn long(&self, place: usize) -> u64 {
        self.0[place]
    }
}

impl<'a> Guest<'a> {
    pub(crate) fn new(caller: Caller<'a, VmState>) -> Self {
        Guest(caller)
    }

    pub(crate) fn state(&self) -> &VmState {
        self.0.data()
    }

    pub(crate) fn state_mut(&mut self) -> &mut VmState {
        self.0.data_mut()
    }

    pub(crate) fn world(&self) -> Ref<'_, World> {
        self.0.data().world.borrow()
    }

    pub(crate) fn world_mut(&self) -> RefMut<'_, World> {
        self.0.data().world.borrow_mut()
    }

    /// The bytes at a pointer and length which are the arguments at `place` and `place + 1`.
    pub(crate) fn bytes(&mut self, args: &Args, place: usize) -> Answered<Vec<u8>> {
        self.read(args.int(place), args.int(place + 1))
    }

    pub(crate) fn read(&mut self, pointer: u32, length: u32) -> Answered<Vec<u8>> {
        let memory = self.memory()?;
        let (start, length) = (pointer as usize, length as usize);
        let bytes = memory.data(&self.0).get(start..).and_then(|rest| rest.get(..length));
        Ok(bytes.ok_or(Status::InvalidMemoryAccess)?.to_vec())
    }

    pub(crate) fn write(&mut self, pointer: u32, bytes: &[u8]) -> Answered {
        let memory = self.memory()?;
        Ok(memory.write(&mut self.0, pointer as usize, bytes).map_err(|_| Status::InvalidMemoryAccess)?)
    }

    pub(crate) fn write_u32(&mut self, pointer: u32, number: u32) -> Answered {
        self.write(pointer, &number.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, pointer: u32, number: u64) -> Answered {
        self.write(pointer, &number.to_le_bytes())
    }

    /// Hands a value out: in memory that the module allocates, its pointer and length where the arguments at `place`
    /// and `place + 1` point to. The empty value is a null pointer.
    pub(crate) fn hand_out(&mut self, value: &[u8], args: &Args, place: usize) -> Answered {
        let value = match &self.state().garbage {
            Some(garbage) => garbage.instead_of(value),
            None => value.to_vec(),
        };
        let length = u32::try_from(value.len()).map_err(|_| Status::InternalFailure)?;
        let mut pointer = 0;
        if length > 0 {
            pointer = self.allocate(length)?;
            self.write(pointer, &value)?;
        }
        self.write_u32(args.int(place), pointer)?;
        self.write_u32(args.int(place + 1), length)
    }

    fn allocate(&mut self, length: u32) -> Answered<u32> {
        let allocator = ["malloc", "proxy_on_memory_allocate"].iter().find_map(|name| self.0.get_export(name));
        let Some(Extern::Func(allocator)) = allocator else { return Err(Status::InvalidMemoryAccess.into()) };
        let state = self.state_mut();
        let outer = (state.current, state.chosen, state.phase);
        (state.current, state.chosen, state.phase) = (0, 0, Phase::Allocating);
        let mut results = [Val::I32(0)];
        let ended = allocator.call(&mut self.0, &[Val::I32(length.cast_signed())], &mut results);
        let state = self.state_mut();
        (state.current, state.chosen, state.phase) = outer;
        ended.map_err(Refusal::Trap)?;
        match results[0].i32() {
            Some(0) | None => Err(Status::InvalidMemoryAccess.into()),
            Some(pointer) => Ok(pointer.cast_unsigned()),
        }
    }

    fn memory(&mut self) -> Answered<Memory> {
        match self.0.get_export("memory") {
            Some(Extern::Memory(memory)) => Ok(memory),
            _ => Err(Status::InvalidMemoryAccess.into()),
        }
    }
}
