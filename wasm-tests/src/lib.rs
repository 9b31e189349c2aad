//! Test equipment for the module that this workspace releases.
//!
//! | part | modules | what it does |
//! |---|---|---|
//! | growth | [`growth`] | measures what a request costs by how much is configured, known and sent |
//! | probe | [`probe`] | asks the RSA of the module alone, inside the engines of gateways |
//! | test host | [`host`] | runs the module under a proxy-wasm host of our own, with virtual time, scripted callouts and deliberate faults |
//! | stage | [`stage`] | runs it in a real Envoy among a throw-away Trust Framework: keystore, bank, the Hub and others |
//! | module file | [`artifact`] | reads its file, and says whether gateways would load it |
//! | module code | [`shifted_addresses`] | reads its code, and says whether the engine of APISIX would run it as it is meant |
//! | chart | [`chart`] | renders the chart for Kubernetes, and asks what Kubernetes says of manifests |
//! | source code | [`layers`] | says whether modules use each other in the order that is written down |
//!
//! Each uses only those below it. What a real gateway shows seldom or slowly, the test host shows at once and exactly.

pub mod artifact;
pub mod chart;
#[cfg(feature = "host")]
pub mod growth;
#[cfg(feature = "host")]
pub mod host;
pub mod layers;
#[cfg(feature = "host")]
pub mod probe;
#[cfg(feature = "module-file")]
pub mod shifted_addresses;
pub mod stage;
