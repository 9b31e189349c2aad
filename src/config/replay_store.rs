//! The settings of a store in which several gateways remember used tokens: etcd, or Redis behind Webdis. Both are asked by
//! HTTP and need the same to be known of them.

use std::time::Duration;

use super::callouts::{Patience, PatienceRule, read_address, read_upstream};
use super::duration::DurationRange;
use super::errors::ConfigErrors;
use super::reader::{Keys, Node, Object, TextRule};
use super::secret::{Secret, SecretSource};
use crate::url::Origin;

/// The keys of `store`: those of [`StoreKind`]s.
pub(super) const KEYS: Keys = Keys { supported: &["etcd", "webdis"], refused: &[] };

pub(super) const STORE_KEYS: Keys =
    Keys { supported: &["address", "upstream", "prefix", "username", "password", "timeout", "deadline"], refused: &[] };

const STORES: [(&str, StoreKind); 2] = [("etcd", StoreKind::Etcd), ("webdis", StoreKind::Webdis)];

const LIES: &str = "with http:// everybody on the way can say of a used token that it is new; give https://";

const LEAKS_PASSWORD: &str =
    "with http:// everybody on the way can read the password, and say of a used token that it is new; give https://";

const DEFAULT_PREFIX: &str = "hub-auth-filter/";

/// It begins each key, and is what a role of the store is limited to. No character that a path or a command could read as
/// anything but itself.
pub(super) const PREFIX: TextRule = TextRule {
    expected: "a prefix of 1 to 128 letters, digits, - . _ : and /",
    max_bytes: 128,
    allows: |character| character.is_ascii_alphanumeric() || "-._:/".contains(character),
};

/// RFC 7617 §2: a colon would end it.
pub(super) const USERNAME: TextRule = TextRule {
    expected: "a user name of 1 to 128 visible ASCII characters without a colon",
    max_bytes: 128,
    allows: |character| character.is_ascii_graphic() && character != ':',
};

pub(super) const PASSWORD: TextRule = TextRule {
    expected: "a password of 1 to 1024 printable ASCII characters",
    max_bytes: 1024,
    allows: |character| matches!(character, ' '..='~'),
};

/// A request of the Hub waits this long, once or twice. A store that is well answers in a few milliseconds.
pub(super) const TIMEOUT: DurationRange =
    DurationRange { min: Duration::from_millis(100), max: Duration::from_secs(10), default: Duration::from_secs(1) };

/// Two tries with the default timeout, and what has to be asked before them.
pub(super) const DEADLINE: DurationRange =
    DurationRange { min: Duration::from_millis(100), max: Duration::from_secs(10), default: Duration::from_secs(3) };

const PATIENCE: PatienceRule = PatienceRule { timeout: TIMEOUT, deadline: DEADLINE };

/// What kind of store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// etcd v3, by its JSON gateway.
    Etcd,
    /// Redis 7 or later, by Webdis.
    Webdis,
}

/// A store, and how it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayStore {
    /// What it is.
    pub kind: StoreKind,
    /// Scheme, host and port.
    pub(crate) address: Origin,
    /// What the gateway calls to reach it: a name that its configuration defines, or `host` or `host:port`.
    pub upstream: String,
    /// What each key begins with.
    pub prefix: String,
    /// As whom it is asked.
    pub user: Option<StoreUser>,
    /// How long one try may take, and all that is asked for one token.
    pub patience: Patience,
}

/// A user of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUser {
    /// The name.
    pub name: String,
    /// The password.
    pub password: Secret,
}

impl ReplayStore {
    /// Where its settings stand, from the object on that has `store`.
    #[must_use]
    pub fn path(&self) -> &'static str {
        match self.kind {
            StoreKind::Etcd => "store.etcd",
            StoreKind::Webdis => "store.webdis",
        }
    }

    pub(super) fn read(node: &Node<'_>, secrets: &mut SecretSource<'_>, errors: &mut ConfigErrors) -> Option<Self> {
        let object = node.object(&KEYS, errors)?;
        object.exactly_one(errors);
        let mut store = None;
        for (key, kind) in STORES {
            let settings = object.member(key);
            if !settings.is_absent() {
                store = store.or(Self::read_one(kind, &settings, secrets, errors));
            }
        }
        store
    }

    fn read_one(
        kind: StoreKind,
        node: &Node<'_>,
        secrets: &mut SecretSource<'_>,
        errors: &mut ConfigErrors,
    ) -> Option<Self> {
        let object = node.object(&STORE_KEYS, errors)?;
        let user = read_user(&object, secrets, errors);
        let danger = if user.as_ref().is_some_and(Option::is_some) { LEAKS_PASSWORD } else { LIES };
        let address = read_address(&object.member("address"), danger, secrets, errors);
        let upstream = read_upstream(&object.member("upstream"), address.as_ref().map(Origin::host_and_port), errors);
        let prefix = object.member("prefix");
        let prefix = if prefix.is_absent() { Some(DEFAULT_PREFIX) } else { prefix.text(&PREFIX, errors) };
        let patience = PATIENCE.read(&object, errors);
        Some(Self {
            kind,
            address: address?,
            upstream: upstream?,
            prefix: prefix?.to_owned(),
            user: user?,
            patience: patience?,
        })
    }
}

/// Without a user the gateway's certificate is all that the store knows it by, if that.
fn read_user(
    object: &Object<'_>,
    secrets: &mut SecretSource<'_>,
    errors: &mut ConfigErrors,
) -> Option<Option<StoreUser>> {
    let (username, password) = (object.member("username"), object.member("password"));
    match (username.is_absent(), password.is_absent()) {
        (true, true) => Some(None),
        (false, false) => {
            let name = username.text(&USERNAME, errors);
            let password = secrets.read(&password, &PASSWORD, errors);
            Some(Some(StoreUser { name: name?.to_owned(), password: password? }))
        }
        (true, false) => username.refuse_text("a user name beside \"password\"", "nothing", errors),
        (false, true) => password.refuse_text("a password beside \"username\"", "nothing", errors),
    }
}
