//! What the operator's tool, tests, and the module that measures RSA use of this crate. Nothing else is public, so that the compiler
//! finds what nobody calls any more.

/// See the module of this name.
pub mod callout {
    pub use crate::callout::{Answer, Body, Callout, CalloutError, USER_AGENT, Wait};
}

/// See the module of this name.
pub mod capabilities {
    pub use crate::capabilities::Capabilities;
}

/// See the module of this name.
pub mod config {
    pub use crate::config::{Config, ConfigErrors, Direction, Secret, Server, Signer, Signing, VaultTransit};
}

/// See the module of this name.
pub mod gateway {
    pub use crate::gateway::kinds::GatewayKind;
}

/// See the module of this name.
pub mod peer {
    pub use crate::peer::LeafCertificate;
    pub use crate::peer::forwarded::xfcc::ForwardedCertificate;
}

/// See the module of this name.
pub mod reply {
    pub use crate::reply::ErrorCode;
}

/// See the module of this name.
pub mod request {
    pub use crate::request::{Correlation, NonceInput, RequestId};
}

/// See the module of this name.
pub mod rsa {
    pub use crate::rsa::{RsaPrivateKey, RsaPublicKey};
}

/// See the module of this name.
pub mod shared_data {
    pub use crate::shared_data::{NoSharedData, SharedData};
}

/// See the module of this name.
pub mod signing {
    pub use crate::signing::MAX_PENDING;
    pub use crate::signing::nonce::Nonces;
    pub use crate::signing::remote::{
        AnswerFault, Need, PendingToken, RemoteError, RemoteSigning, RemoteStep, VaultTransit,
    };
    pub use crate::signing::token::UnsignedToken;
}

/// See the module of this name.
pub mod time {
    pub use crate::time::UnixTime;
}

/// See the module of this name.
#[cfg(not(target_family = "wasm"))]
pub mod trial {
    pub use crate::trial::{Check, KeySetView, Outcome, Trial, UsableKey};
}

/// See the module of this name.
pub mod url {
    pub use crate::url::{HttpUrl, Scheme};
}
