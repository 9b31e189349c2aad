//! Whether a gateway can do what a configuration asks of it. What it cannot do is refused at the start: a setting that
//! silently does less than it says would be believed. The limits are those of `docs/decisions.md`.

use super::errors::ConfigErrors;
use super::{
    Auth, Config, Direction, JwtAuth, Outbound, Replay, ReplayScope, ResponseToken, Signer, TokenValidation,
    VerificationMode,
};
use crate::capabilities::{Capabilities, GatewayKind};
use crate::url::{Authority, Scheme};

/// A server that the filter calls through the gateway.
struct Callout<'a> {
    /// The path of its `upstream`.
    path: &'static str,
    /// As configured, or from its URL.
    upstream: &'a str,
    scheme: Scheme,
}

impl Config {
    /// Checks that a gateway of this kind, with these capabilities, can do all that is asked of it.
    ///
    /// # Errors
    /// All that it cannot do at once, each with its path and what it can do instead.
    pub fn check(&self, kind: GatewayKind, capabilities: &Capabilities) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        if self.detects_replays_in_gateway() && !capabilities.shares_data {
            let problem = match kind {
                GatewayKind::Envoy => {
                    "expected \"off\" or \"worker\", or \"gateway\": {\"shared_data\": true} beside \"inbound\", got \
                     \"gateway\" without shared data"
                }
                GatewayKind::Kong => {
                    "expected \"off\" or \"worker\", or shared data in Kong (nginx_wasm_shm_kv) and \
                     \"gateway\": {\"shared_data\": true} beside \"inbound\", got \"gateway\" without shared data"
                }
                GatewayKind::Apisix => {
                    "expected \"off\" or \"worker\", got \"gateway\": the workers of APISIX share nothing"
                }
            };
            errors.add("inbound.auth.jwt_auth.replay_detection", problem.to_owned());
        }
        if self.has_responses_signed_remotely() && !capabilities.holds_responses {
            let problem = "expected \"keys\" in its place, got a signer that must be asked: this gateway cannot hold a \
                           response meanwhile";
            errors.add("inbound.response_token.remote_signer", problem.to_owned());
        }
        if self.replaces_unverified_responses() && !capabilities.replaces_responses {
            let problem =
                "expected \"report\", got \"require\", which is the default: this gateway cannot replace a response";
            errors.add("outbound.verify_responses.mode", problem.to_owned());
        }
        if !capabilities.names_upstreams {
            for Callout { path, upstream, .. } in self.callouts() {
                if let Err(fault) = Authority::parse(upstream) {
                    let got = fault.as_str();
                    errors.add(path, format!("expected host or host:port, as this gateway calls servers, got {got}"));
                }
            }
        }
        if self.gateway.shared_data == Some(true) && kind == GatewayKind::Apisix {
            let problem = "expected false, got true: the workers of APISIX share nothing";
            errors.add("gateway.shared_data", problem.to_owned());
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// What the operator should know of this configuration in a gateway of this kind, a line each, beyond
    /// [`Config::warnings`].
    #[must_use]
    pub fn warnings_for(&self, kind: GatewayKind) -> Vec<String> {
        if kind != GatewayKind::Apisix {
            return Vec::new();
        }
        let is_address = |upstream: &str| Authority::parse(upstream).is_ok_and(|authority| authority.is_address());
        let fails = |callout: &Callout<'_>| callout.scheme == Scheme::Https && is_address(callout.upstream);
        let of_callout = |Callout { path, .. }| {
            format!("{path}: APISIX calls no IP address with https://: each call will fail; give the name of the host")
        };
        let of_secret = |path: &String| {
            format!(
                "{path}: APISIX logs the route with this value, at level info and when it cannot load the plugin; give \
                 {{\"env\": \"NAME\"}} instead"
            )
        };
        let callouts = self.callouts().filter(fails).map(of_callout);
        callouts.chain(self.inline_secrets.iter().map(of_secret)).collect()
    }

    fn detects_replays_in_gateway(&self) -> bool {
        let Direction::Inbound(inbound) = &self.direction else { return false };
        matches!(&inbound.auth, Auth::JwtAuth(JwtAuth { replay: Some(Replay { scope: ReplayScope::Gateway, .. }), .. }))
    }

    fn has_responses_signed_remotely(&self) -> bool {
        let Direction::Inbound(inbound) = &self.direction else { return false };
        let is_remote = |token: &ResponseToken| match token.signing.signer {
            Signer::Local(_) => false,
            Signer::VaultTransit(_) => true,
        };
        inbound.response_token.as_ref().is_some_and(is_remote)
    }

    fn replaces_unverified_responses(&self) -> bool {
        let Direction::Outbound(outbound) = &self.direction else { return false };
        outbound.verify_responses.as_ref().is_some_and(|settings| settings.mode == VerificationMode::Require)
    }

    /// Every server that this configuration makes the filter call.
    fn callouts(&self) -> impl Iterator<Item = Callout<'_>> {
        let callouts = match &self.direction {
            Direction::Inbound(inbound) => {
                let signer = inbound.response_token.as_ref().and_then(|token| {
                    of_signer("inbound.response_token.remote_signer.vault_transit.upstream", &token.signing.signer)
                });
                [of_method(&inbound.auth), signer]
            }
            Direction::Outbound(outbound) => {
                let Outbound { signing, verify_responses } = &**outbound;
                let verification = verify_responses
                    .as_ref()
                    .map(|settings| of_jwt_auth("outbound.verify_responses.upstream", &settings.jwt_auth));
                [of_signer("outbound.remote_signer.vault_transit.upstream", &signing.signer), verification]
            }
        };
        callouts.into_iter().flatten()
    }
}

fn of_method(auth: &Auth) -> Option<Callout<'_>> {
    match auth {
        Auth::JwtAuth(settings) => Some(of_jwt_auth("inbound.auth.jwt_auth.upstream", settings)),
        Auth::ClientCredentials(settings) => Some(match &settings.validation {
            TokenValidation::Jwt(settings) => Callout {
                path: "inbound.auth.client_credentials.upstream",
                upstream: &settings.upstream,
                scheme: settings.jwks.scheme(),
            },
            TokenValidation::Introspection(settings) => Callout {
                path: "inbound.auth.client_credentials.introspection.upstream",
                upstream: &settings.upstream,
                scheme: settings.url.scheme(),
            },
        }),
        Auth::ApiKey(_) | Auth::MtlsOnly => None,
    }
}

fn of_jwt_auth<'a>(path: &'static str, settings: &'a JwtAuth) -> Callout<'a> {
    Callout { path, upstream: &settings.upstream, scheme: settings.jwks.scheme() }
}

fn of_signer<'a>(path: &'static str, signer: &'a Signer) -> Option<Callout<'a>> {
    match signer {
        Signer::Local(_) => None,
        Signer::VaultTransit(settings) => {
            Some(Callout { path, upstream: &settings.upstream, scheme: settings.url.scheme() })
        }
    }
}
