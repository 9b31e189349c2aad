//! The clocks of the host, read together.

use std::cell::RefCell;

use crate::time::{Clocks, Moment, SteadyTime};

use crate::gateway::abi;

thread_local! {
    /// Of the whole VM: what one plugin notices of its clocks is true for all.
    static CLOCKS: RefCell<Clocks> = const { RefCell::new(Clocks::new()) };
}

/// What time it is. `None` where the host has no clock on the wall: nothing can be decided then.
pub(super) fn now() -> Option<Moment> {
    let wall = abi::wall_clock()?;
    let steady = abi::steady_clock();
    Some(CLOCKS.with_borrow_mut(|clocks| clocks.moment(wall, steady)))
}

/// What the steady clock says, for what is measured and decides nothing. `None` where the host has none.
pub(super) fn steady() -> Option<SteadyTime> {
    if CLOCKS.with_borrow(Clocks::are_steady) { abi::steady_clock() } else { None }
}
