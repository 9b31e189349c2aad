//! What the four workers share, with the faults of real hosts.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use crate::shared_data::{SharedData, Stored, Unavailable, Version, Written};

/// What is wrong with each access from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It cannot be read.
    ReadsFail,
    /// It cannot be written.
    WritesFail,
    /// What is there is not found.
    Absent,
    /// Of three writes, somebody comes before two.
    Conflicts,
    /// Of two reads, one sees half a value.
    Torn,
    /// What is written is there, although the host says that it failed.
    WrittenYetRefused,
    /// The host says that a write was done, and keeps what was there. `src/replay/mod.rs` says that nobody can notice.
    Lies,
}

/// What becomes of each value, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// Only its beginning is left.
    Cut,
    /// One bit is another.
    Flipped,
    /// It is another name's.
    Foreign,
}

/// What the workers share. Clones are the same data.
#[derive(Clone, Default)]
pub(super) struct Flaky(Rc<Inner>);

#[derive(Default)]
struct Inner {
    values: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    versions: Cell<u32>,
    accesses: Cell<u32>,
    fault: Cell<Fault>,
}

impl Flaky {
    /// What is wrong from now on.
    pub(super) fn set_fault(&self, fault: Fault) {
        self.0.fault.set(fault);
    }

    /// What is wrong now.
    pub(super) fn fault(&self) -> Fault {
        self.0.fault.get()
    }

    /// Damages every value.
    pub(super) fn damage(&self, damage: Damage) {
        let mut values = self.0.values.borrow_mut();
        let first = values.values().next().map(|(value, _)| value.clone()).unwrap_or_default();
        for (place, (value, _)) in values.values_mut().enumerate() {
            match damage {
                Damage::Cut => value.truncate(value.len() / 2),
                Damage::Flipped => {
                    let middle = value.len() / 2;
                    value[middle] ^= 1;
                }
                Damage::Foreign if place == 0 => {}
                Damage::Foreign => first.clone_into(value),
            }
        }
    }

    /// Forgets every value.
    pub(super) fn forget(&self) {
        self.0.values.borrow_mut().clear();
    }

    fn is_turn(&self, of: u32) -> bool {
        let access = self.0.accesses.get().wrapping_add(1);
        self.0.accesses.set(access);
        access.is_multiple_of(of)
    }
}

impl SharedData for Flaky {
    fn read(&self, key: &str) -> Result<Option<Stored>, Unavailable> {
        let found = self.0.values.borrow().get(key).cloned();
        let stored = found.map(|(value, version)| Stored { value, version: Version(version) });
        match self.fault() {
            Fault::ReadsFail => Err(Unavailable),
            Fault::Absent => Ok(None),
            Fault::Torn if self.is_turn(2) => Ok(stored.map(|mut stored| {
                stored.value.truncate(stored.value.len() / 2);
                stored
            })),
            _ => Ok(stored),
        }
    }

    fn write(&self, key: &str, value: &[u8], seen: Option<Version>) -> Result<Written, Unavailable> {
        let mut values = self.0.values.borrow_mut();
        let fault = self.fault();
        if fault == Fault::WritesFail {
            return Err(Unavailable);
        }
        let is_overtaken = values.get(key).map(|(_, version)| Version(*version)) != seen;
        if is_overtaken || (fault == Fault::Conflicts && !self.is_turn(3)) {
            return Ok(Written::Conflict);
        }
        if fault == Fault::Lies {
            return Ok(Written::Done);
        }
        let version = self.0.versions.get().wrapping_add(1);
        self.0.versions.set(version);
        values.insert(key.to_owned(), (value.to_vec(), version));
        if fault == Fault::WrittenYetRefused { Err(Unavailable) } else { Ok(Written::Done) }
    }
}

impl fmt::Debug for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flaky").field(&self.fault()).finish()
    }
}
