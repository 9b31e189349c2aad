//! The filter's RSA as a module of its own, so that tests and benchmarks reach it inside the engines of gateways.
//!
//! It is asked with a [`Question`] and replies with an [`Answer`], both JSON: in a gateway as a header of a request and the
//! body of the reply, elsewhere through one exported function. It has the sources and the build profile of the filter, twice as
//! the filter has.

#[cfg(target_family = "wasm")]
mod abi;
mod answers;
mod older;
mod question;
mod timing;

pub use answers::answer;
pub use question::{
    Answer, By, Bytes, KernelInUse, Padding, PowerOf, PublicKey, Question, SignedMessage, Time, Verdict, Work,
};
pub use timing::repeat;
