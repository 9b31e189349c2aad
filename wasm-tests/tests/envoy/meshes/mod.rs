//! The manifests of Istio and Envoy Gateway: what each control plane would hand to Envoy is made of the shipped files, and run with the same
//! attacks as the shipped Envoy.

mod bootstrap;
mod canary;
mod envoy_gateway;
mod inbound;
mod istio;
mod manifests;
mod outbound;
mod patches;
