//! Shared data as hosts have it, with their faults.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use crate::shared_data::{SharedData, Stored, Unavailable, Version, Written};

type Slots = BTreeMap<String, (Vec<u8>, u32)>;
type Hook = Box<dyn FnOnce()>;
type Hash = fn(&str) -> String;

/// Shared data as hosts have it, with their faults. Clones are the same data, as seen by another worker.
#[derive(Clone, Default)]
pub(super) struct Fake(pub(super) Rc<Host>);

#[derive(Default)]
pub(super) struct Host {
    pub(super) slots: RefCell<Slots>,
    /// What of a name the host looks at.
    pub(super) hash: Cell<Option<Hash>>,
    pub(super) reads_fail: Cell<bool>,
    pub(super) writes_fail: Cell<bool>,
    pub(super) writes_are_lost: Cell<bool>,
    /// So many of the next writes find that somebody came between.
    pub(super) conflicts: Cell<usize>,
    /// What other workers do after each of the next reads.
    pub(super) after_read: RefCell<VecDeque<Hook>>,
    pub(super) reads: Cell<usize>,
    pub(super) writes: Cell<usize>,
}

impl Fake {
    pub(super) fn hashing(hash: Hash) -> Self {
        let fake = Self::default();
        fake.0.hash.set(Some(hash));
        fake
    }

    fn slot(&self, key: &str) -> String {
        self.0.hash.get().map_or_else(|| key.to_owned(), |hash| hash(key))
    }

    /// Changes every value that is there.
    pub(super) fn damage(&self, mut change: impl FnMut(&mut Vec<u8>)) {
        self.0.slots.borrow_mut().values_mut().for_each(|(value, _)| change(value));
    }

    /// Reads and writes since the last call.
    pub(super) fn calls(&self) -> (usize, usize) {
        (self.0.reads.take(), self.0.writes.take())
    }

    /// After the next read that no other hook belongs to.
    pub(super) fn after_read(&self, hook: impl FnOnce() + 'static) {
        self.0.after_read.borrow_mut().push_back(Box::new(hook));
    }

    pub(super) fn values(&self) -> Vec<Vec<u8>> {
        self.0.slots.borrow().values().map(|(value, _)| value.clone()).collect()
    }
}

impl SharedData for Fake {
    fn read(&self, key: &str) -> Result<Option<Stored>, Unavailable> {
        self.0.reads.set(self.0.reads.get() + 1);
        if self.0.reads_fail.get() {
            return Err(Unavailable);
        }
        let found = self.0.slots.borrow().get(&self.slot(key)).cloned();
        let hook = self.0.after_read.borrow_mut().pop_front();
        hook.into_iter().for_each(|hook| hook());
        Ok(found.map(|(value, version)| Stored { value, version: Version(version) }))
    }

    fn write(&self, key: &str, value: &[u8], seen: Option<Version>) -> Result<Written, Unavailable> {
        self.0.writes.set(self.0.writes.get() + 1);
        if self.0.writes_fail.get() {
            return Err(Unavailable);
        }
        if self.0.conflicts.get() > 0 {
            self.0.conflicts.set(self.0.conflicts.get() - 1);
            return Ok(Written::Conflict);
        }
        if self.0.writes_are_lost.get() {
            return Ok(Written::Done);
        }
        Ok(compare_and_swap(&mut self.0.slots.borrow_mut(), self.slot(key), value, seen))
    }
}

fn compare_and_swap(slots: &mut Slots, slot: String, value: &[u8], seen: Option<Version>) -> Written {
    let current = slots.get(&slot).map(|(_, version)| *version);
    if current != seen.map(|Version(version)| version) {
        return Written::Conflict;
    }
    slots.insert(slot, (value.to_vec(), current.unwrap_or(0) + 1));
    Written::Done
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.slots.borrow().keys()).finish()
    }
}

/// Data that threads share.
#[derive(Debug, Clone, Default)]
pub(super) struct Locked(Arc<Mutex<Slots>>);

impl SharedData for Locked {
    fn read(&self, key: &str) -> Result<Option<Stored>, Unavailable> {
        let found = self.0.lock().unwrap().get(key).cloned();
        // Invites the others in between read and write.
        std::thread::yield_now();
        Ok(found.map(|(value, version)| Stored { value, version: Version(version) }))
    }

    fn write(&self, key: &str, value: &[u8], seen: Option<Version>) -> Result<Written, Unavailable> {
        Ok(compare_and_swap(&mut self.0.lock().unwrap(), key.to_owned(), value, seen))
    }
}
