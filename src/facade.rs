//! What the operator's tool, tests, and the module that measures RSA use of this crate. Nothing else is public, so that the compiler
//! finds what nobody calls any more.

/// See the module of this name.
pub mod callout {
    pub use crate::callout::{Answer, Body, Callout, CalloutError, ClockDifference, Request, USER_AGENT, Wait};
}

/// See the module of this name.
pub mod capabilities {
    pub use crate::capabilities::Capabilities;
}

/// See the module of this name.
pub mod claims {
    pub use crate::claims::access_token::{AccessTokenFacts, AccessTokenFault, AccessTokenRules, Introspected};
    pub use crate::claims::{Claim, ClaimRules, ClaimsError, Fault};
}

/// See the module of this name.
pub mod config {
    #[cfg(not(target_family = "wasm"))]
    pub use crate::config::schema::{EXCEPTIONS, Exception, json_schema, reference};
    pub use crate::config::{
        Auth, AwsCredentials, AwsKms, AzureKeyVault, CloudToken, Config, ConfigErrors, Credential, Direction,
        GoogleKms, LocalKey, LoginMethod, Metadata, Patience, RemoteKey, Secret, Server, Signer, Signing, VaultLogin,
        VaultToken, VaultTransit,
    };
}

/// See the module of this name.
pub mod gateway {
    pub use crate::gateway::kinds::GatewayKind;
}

/// See the module of this name.
pub mod header_map {
    pub use crate::header_map::{decode, encode};
}

/// See the module of this name.
pub mod introspection {
    pub use crate::introspection::{IntrospectionError, read};
}

/// See the module of this name.
pub mod jose {
    pub use crate::jose::{
        Algorithm, Header, JwksError, JwsError, KeySet, StatedKeyId, UnverifiedToken, VerificationKey,
    };
}

/// See the module of this name.
pub mod json {
    pub use crate::json::{JsonError, Object, Value, members, raw_items};
}

/// See the module of this name.
pub mod peer {
    pub use crate::peer::forwarded::xfcc::ForwardedCertificate;
    pub use crate::peer::name::{AttributeType, DistinguishedName, NameError};
    pub use crate::peer::{Fingerprint, LeafCertificate, Subject, Validity, ValidityError};
}

/// See the module of this name.
pub mod pem {
    pub use crate::pem::{Block, PemError, first, has_private_key};
}

/// See the module of this name.
pub mod reply {
    pub use crate::reply::ErrorCode;
}

/// See the module `replay::store`.
pub mod replay_store {
    pub use crate::replay::store::Finding;
    pub use crate::replay::store::etcd::{read_finding as read_etcd, read_lease, read_token};
    pub use crate::replay::store::webdis::read_finding as read_webdis;
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
        AccessToken, AnswerFault, Asked, AwsKms, AzureKeyVault, GoogleKms, Need, PendingToken, Preparation,
        RemoteError, RemoteSignature, RemoteSigner, RemoteSigning, RemoteStep, TokenSource, VaultTransit,
    };
    pub use crate::signing::token::UnsignedToken;
}

/// See the module of this name.
pub mod time {
    pub use crate::time::{Moment, SteadyTime, UnixTime};
}

/// See the module of this name.
#[cfg(not(target_family = "wasm"))]
pub mod trial {
    pub use crate::trial::{Check, KeySetView, Minted, Minting, NotMinted, Outcome, Trial, UsableKey};
}

/// See the module of this name.
pub mod url {
    pub use crate::url::{Environment, HttpUrl, JwksLocation, Scheme};
}
