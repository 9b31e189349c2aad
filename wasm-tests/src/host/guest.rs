//! The module's memory, as host calls see it. Every pointer comes from the module and may be anything: an access outside
//! the memory is a status, never a panic. Values go out through the module's own allocator, as the ABI demands.

use super::engine::{Args, Caller};
use super::gateway_state::GatewayState;
use super::status::{Answered, Status};
use super::vm_state::{Phase, VmState};
use std::cell::{Ref, RefMut};
use std::time::Duration;

/// A module in the middle of a host call.
pub(crate) struct Guest<'a>(&'a mut dyn Caller);

impl<'a> Guest<'a> {
    pub(crate) fn new(caller: &'a mut dyn Caller) -> Self {
        Guest(caller)
    }

    pub(crate) fn state(&self) -> &VmState {
        self.0.state()
    }

    pub(crate) fn state_mut(&mut self) -> &mut VmState {
        self.0.state_mut()
    }

    pub(crate) fn gateway(&self) -> Ref<'_, GatewayState> {
        self.0.state().gateway.borrow()
    }

    pub(crate) fn gateway_mut(&self) -> RefMut<'_, GatewayState> {
        self.0.state().gateway.borrow_mut()
    }

    /// What the steady clock says: there is no reading at which it has just begun.
    pub(crate) fn steady_clock(&self) -> Duration {
        let gateway = self.gateway();
        let since = if gateway.profile.clock_begins_with_vm { self.state().made } else { Duration::ZERO };
        gateway.clock.monotonic.saturating_sub(since) + Duration::from_micros(1)
    }

    /// The bytes at a pointer and length which are the arguments at `place` and `place + 1`.
    pub(crate) fn bytes(&mut self, args: &Args, place: usize) -> Answered<Vec<u8>> {
        self.read(args.int(place), args.int(place + 1))
    }

    pub(crate) fn read(&mut self, pointer: u32, length: u32) -> Answered<Vec<u8>> {
        let memory = self.memory()?;
        let (start, length) = (pointer as usize, length as usize);
        let bytes = memory.get(start..).and_then(|rest| rest.get(..length));
        Ok(bytes.ok_or(Status::InvalidMemoryAccess)?.to_vec())
    }

    pub(crate) fn write(&mut self, pointer: u32, bytes: &[u8]) -> Answered {
        let memory = self.memory()?;
        let place = memory.get_mut(pointer as usize..).and_then(|rest| rest.get_mut(..bytes.len()));
        place.ok_or(Status::InvalidMemoryAccess)?.copy_from_slice(bytes);
        Ok(())
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
        let state = self.state_mut();
        let outer = (state.current, state.chosen, state.phase);
        (state.current, state.chosen, state.phase) = (0, 0, Phase::Allocating);
        let allocators = ["malloc", "proxy_on_memory_allocate"];
        let ended = allocators.into_iter().find_map(|allocator| self.0.call(allocator, length));
        let state = self.state_mut();
        (state.current, state.chosen, state.phase) = outer;
        match ended.transpose()?.flatten() {
            Some(0) | None => Err(Status::InvalidMemoryAccess.into()),
            Some(pointer) => Ok(pointer),
        }
    }

    fn memory(&mut self) -> Answered<&mut [u8]> {
        Ok(self.0.memory().ok_or(Status::InvalidMemoryAccess)?)
    }
}
