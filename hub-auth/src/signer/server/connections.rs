//! Who is connected. There is room for so many; for one more, one goes that has asked for nothing yet, or waits. So nobody keeps others
//! out by opening connections and sending nothing, or little by little.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// See the module.
pub(super) struct Connections {
    most: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    /// In the order in which they came.
    all: BTreeMap<u64, Arc<Standing>>,
}

/// What is known of a connection.
#[derive(Default)]
struct Standing {
    /// Whether a request with a right token came on it.
    is_known: AtomicBool,
    /// Whether a whole request of this kind is under way.
    is_busy: AtomicBool,
    has_to_go: Notify,
}

/// The place of a connection. It is free again when all of its clones have gone.
#[derive(Clone)]
pub(super) struct Place(Arc<Taken>);

struct Taken {
    number: u64,
    standing: Arc<Standing>,
    connections: Arc<Connections>,
}

impl Connections {
    /// With room for so many.
    pub(super) fn new(most: u16) -> Self {
        Self { most: usize::from(most), open: Mutex::default() }
    }

    /// A place for one more; `None` if all others are busy.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all.len() >= self.most {
            let number = open.least()?;
            if let Some(standing) = open.all.remove(&number) {
                standing.has_to_go.notify_one();
            }
        }
        let number = open.next;
        open.next += 1;
        let standing = Arc::new(Standing::default());
        open.all.insert(number, Arc::clone(&standing));
        Some(Place(Arc::new(Taken { number, standing, connections: Arc::clone(self) })))
    }
}

impl Open {
    /// Who goes first: the oldest of those that nobody knows, then the oldest that waits.
    fn least(&self) -> Option<u64> {
        let waiting = || self.all.iter().filter(|(_, standing)| !standing.is_busy.load(Ordering::Relaxed));
        let unknown = waiting().find(|(_, standing)| !standing.is_known.load(Ordering::Relaxed));
        unknown.or_else(|| waiting().next()).map(|(number, _)| *number)
    }
}

impl Place {
    /// A whole request with a right token has come. Until what is returned goes, the connection stays.
    pub(super) fn work(&self) -> Work {
        self.0.standing.is_known.store(true, Ordering::Relaxed);
        self.0.standing.is_busy.store(true, Ordering::Relaxed);
        Work(Arc::clone(&self.0.standing))
    }

    /// Waits until another one needs the place.
    pub(super) async fn has_to_go(&self) {
        self.0.standing.has_to_go.notified().await;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.connections.open.lock().unwrap_or_else(PoisonError::into_inner).all.remove(&self.number);
    }
}

/// A request that is under way.
pub(super) struct Work(Arc<Standing>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(connections: &Connections) -> Vec<u64> {
        connections.open.lock().unwrap().all.keys().copied().collect()
    }

    #[test]
    fn one_that_nobody_knows_makes_room_before_one_that_waits_and_never_one_that_works() {
        let connections = Arc::new(Connections::new(3));
        let places: Vec<Place> = (0..3).map(|_| connections.enter().unwrap()).collect();
        let works = places[0].work();
        drop(places[1].work());
        let newest = connections.enter().unwrap();
        assert_eq!(numbers(&connections), [0, 1, 3], "the one that nobody knew is gone");
        let busy = newest.work();
        let other = connections.enter().unwrap();
        assert_eq!(numbers(&connections), [0, 3, 4], "then the one that waited");
        let last = other.work();
        assert!(connections.enter().is_none(), "all work");
        drop((works, busy, last));
        assert!(connections.enter().is_some());
        drop((places, newest, other));
        assert_eq!(numbers(&connections), [0_u64; 0]);
    }
}
