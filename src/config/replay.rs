//! The settings of replay detection: who remembers that a token was used, and for what happens when that cannot be asked.

use super::errors::ConfigErrors;
use super::reader::{IntegerRange, Keys, Node};
use super::replay_store::ReplayStore;
use super::secret::SecretSource;

/// The keys of `replay_detection` where it is an object.
pub(super) const KEYS: Keys = Keys { supported: &["store", "unavailable"], refused: &[] };

/// 100,000 tokens of 30 seconds, each remembered for 40, are 2,500 requests a second, and take some 8 MiB in each
/// worker or at most 5 MiB of shared data.
pub(super) const CAPACITY: IntegerRange = IntegerRange { of: None, min: 1, max: 1_000_000, default: 100_000 };

/// What `replay_detection` says where it is a word.
pub(super) const SCOPES: [(&str, Option<ReplayScope>); 3] =
    [("off", None), ("worker", Some(ReplayScope::Worker)), ("gateway", Some(ReplayScope::Gateway))];

pub(super) const UNAVAILABLE: [(&str, WithoutStore); 2] =
    [("refuse", WithoutStore::Refuse), ("local", WithoutStore::Local)];

/// The settings of replay detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Between which presentations of a token a replay is noticed without asking anybody.
    pub scope: ReplayScope,
    /// How many tokens are remembered at the same time. When all of them still live, further ones are refused, unless the
    /// store remembers them.
    pub capacity: usize,
    /// What remembers tokens for several gateways.
    pub store: Option<SharedStore>,
}

/// Between which presentations of a token a replay is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayScope {
    /// Those to one worker, in its own memory. A token can be used once with each worker.
    Worker,
    /// Those to all workers of a gateway that share data.
    Gateway,
}

/// A store that several gateways share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedStore {
    /// Which, and how it is asked.
    pub store: Box<ReplayStore>,
    /// What happens while it cannot be asked.
    pub unavailable: WithoutStore,
}

/// What becomes of a token while the store cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutStore {
    /// It is refused.
    Refuse,
    /// The memory of this gateway decides alone.
    Local,
}

/// Reads `replay_detection` and `replay_capacity`. `Some(None)` if there is none.
pub(super) fn read(
    detection: &Node<'_>,
    capacity: &Node<'_>,
    secrets: &mut SecretSource<'_>,
    errors: &mut ConfigErrors,
) -> Option<Option<Replay>> {
    let memory = if detection.is_absent() {
        Some(None)
    } else if detection.is_object() {
        read_shared(detection, secrets, errors).map(|(scope, store)| Some((scope, Some(store))))
    } else {
        detection.choice(&SCOPES, errors).map(|scope| scope.map(|scope| (scope, None)))
    };
    let number = capacity.integer(&CAPACITY, errors);
    // An operator who gives a number believes that tokens are remembered.
    if matches!(memory, Some(None)) && !capacity.is_absent() {
        let problem = "expected nothing without \"replay_detection\", got a setting for it";
        capacity.refuse(problem, errors);
        return None;
    }
    let capacity = number?;
    memory.map(|memory| memory.map(|(scope, store)| Replay { scope, capacity, store }))
}

/// The store, and the memory in front of it: that of the gateway if it may have to decide alone, else that of each worker,
/// which spares the store what it has been asked before.
fn read_shared(
    node: &Node<'_>,
    secrets: &mut SecretSource<'_>,
    errors: &mut ConfigErrors,
) -> Option<(ReplayScope, SharedStore)> {
    let object = node.object(&KEYS, errors)?;
    let store = ReplayStore::read(&object.member("store"), secrets, errors);
    let unavailable = object.member("unavailable");
    let unavailable =
        if unavailable.is_absent() { Some(WithoutStore::Refuse) } else { unavailable.choice(&UNAVAILABLE, errors) };
    let (store, unavailable) = (Box::new(store?), unavailable?);
    let scope = match unavailable {
        WithoutStore::Refuse => ReplayScope::Worker,
        WithoutStore::Local => ReplayScope::Gateway,
    };
    Some((scope, SharedStore { store, unavailable }))
}
