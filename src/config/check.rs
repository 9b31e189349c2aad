//! Whether a gateway can do what a configuration asks of it. What it cannot do is refused at the start: a setting that
//! silently does less than it says would be believed. The limits are those of `docs/decisions.md`.

use std::borrow::Cow;

use super::errors::ConfigErrors;
use super::{
    Auth, Config, Credential, Direction, JwtAuth, Outbound, Replay, ReplayScope, SharedStore, Signer, SignerUpstream,
    TokenValidation, VerificationMode,
};
use crate::capabilities::{CalloutOwner, Capabilities, Support};
use crate::url::{Authority, Scheme};

/// A server that the filter calls through the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server<'a> {
    /// The path of its `upstream`.
    pub path: Cow<'static, str>,
    /// What the gateway calls it: as configured, or from its URL.
    pub upstream: &'a str,
    /// Host and, where the URL has one, port.
    pub authority: Cow<'a, str>,
    /// How it is called.
    pub scheme: Scheme,
    /// Whether the gateway adds the credential that it asks for.
    pub gateway_adds_credential: bool,
}

impl Server<'_> {
    /// The host of its URL: what its certificate has to name.
    #[must_use]
    pub fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        }
    }
}

impl Config {
    /// Checks that a gateway with these capabilities can do all that is asked of it.
    ///
    /// # Errors
    /// All that it cannot do at once, each with its path and what it can do instead.
    pub fn check(&self, capabilities: &Capabilities) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::default();
        if let Some(replay) = self.replay_in_gateway()
            && !capabilities.shares_data
        {
            let (setting, instead, got) = match &replay.store {
                None => ("", "\"off\" or \"worker\"", "\"gateway\""),
                Some(_) => (".unavailable", "\"refuse\"", "\"local\""),
            };
            let once_set_up = |setup: &str| {
                format!(
                    "expected {instead}, or {setup}\"gateway\": {{\"shared_data\": true}} beside \"inbound\", \
                     got {got} without shared data"
                )
            };
            let problem = match capabilities.data_sharing {
                Support::ByDefault => once_set_up(""),
                Support::OnRequest { setup } => once_set_up(&format!("{setup} and ")),
                Support::Never { reason } => format!("expected {instead}, got {got}: {reason}"),
            };
            errors.add(&format!("inbound.auth.jwt_auth.replay_detection{setting}"), problem);
        }
        if self.names_subjects_to_warm() && capabilities.callout_owner == CalloutOwner::Request {
            let problem = "expected nothing, got callers whose keys are fetched before the first request: on this gateway each \
                           request makes its own callouts";
            errors.add("inbound.auth.jwt_auth.warm", problem.to_owned());
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
            for Server { path, upstream, .. } in self.servers() {
                if let Err(fault) = Authority::parse(upstream) {
                    let got = fault.as_str();
                    errors.add(&path, format!("expected host or host:port, as this gateway calls servers, got {got}"));
                }
            }
        }
        if self.gateway.shared_data == Some(true)
            && let Support::Never { reason } = capabilities.data_sharing
        {
            errors.add("gateway.shared_data", format!("expected false, got true: {reason}"));
        }
        if self.gateway.metrics == Some(true)
            && let Support::Never { reason } = capabilities.metrics
        {
            errors.add("gateway.metrics", format!("expected false, got true: {reason}"));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// What the operator should know of this configuration in a gateway with these capabilities, a line each, beyond
    /// [`Config::warnings`].
    #[must_use]
    pub fn warnings_for(&self, capabilities: &Capabilities) -> Vec<String> {
        let is_address = |upstream: &str| Authority::parse(upstream).is_ok_and(|authority| authority.is_address());
        let fails = |server: &Server<'_>| server.scheme == Scheme::Https && is_address(server.upstream);
        let mut warnings = Vec::new();
        if let Some(remark) = capabilities.no_tls_to_addresses {
            warnings.extend(self.servers().filter(fails).map(|server| format!("{}: {remark}", server.path)));
        }
        if let Some(remark) = capabilities.logs_secrets {
            warnings.extend(self.inline_secrets.iter().map(|path| format!("{path}: {remark}")));
        }
        if !capabilities.names_upstreams {
            let bare = self.servers().filter(|server| server.gateway_adds_credential);
            warnings.extend(bare.map(|server| {
                format!(
                    "{}: this gateway adds nothing to calls of the filter: the credential has to come from what listens there, such \
                     as an agent beside the gateway",
                    server.path
                )
            }));
        }
        warnings
    }

    /// Replay detection for which the workers of this gateway must share data.
    fn replay_in_gateway(&self) -> Option<&Replay> {
        let Direction::Inbound(inbound) = &self.direction else { return None };
        let Auth::JwtAuth(JwtAuth { replay, .. }) = &inbound.auth else { return None };
        replay.as_ref().filter(|replay| replay.scope == ReplayScope::Gateway)
    }

    fn names_subjects_to_warm(&self) -> bool {
        let Direction::Inbound(inbound) = &self.direction else { return false };
        matches!(&inbound.auth, Auth::JwtAuth(JwtAuth { jwks, warm, .. }) if !warm.is_empty() && jwks.fixed_url().is_none())
    }

    fn has_responses_signed_remotely(&self) -> bool {
        let Direction::Inbound(inbound) = &self.direction else { return false };
        inbound.response_token.as_ref().is_some_and(|token| token.signing.signer.is_remote())
    }

    fn replaces_unverified_responses(&self) -> bool {
        let Direction::Outbound(outbound) = &self.direction else { return false };
        outbound.verify_responses.as_ref().is_some_and(|settings| settings.mode == VerificationMode::Require)
    }

    /// Every server that this configuration makes the filter call.
    pub fn servers(&self) -> impl Iterator<Item = Server<'_>> {
        let (before, path, signer, after) = match &self.direction {
            Direction::Inbound(inbound) => {
                let signer = inbound.response_token.as_ref().map(|token| &token.signing.signer);
                let before = [of_method(&inbound.auth), of_replay_store(&inbound.auth)];
                (before, "inbound.response_token", signer, None)
            }
            Direction::Outbound(outbound) => {
                let Outbound { signing, verify_responses } = &**outbound;
                let verification = verify_responses
                    .as_ref()
                    .map(|settings| of_jwt_auth("outbound.verify_responses.upstream", &settings.jwt_auth));
                ([None, None], "outbound", Some(&signing.signer), verification)
            }
        };
        let of_signer = move |server| {
            let SignerUpstream { path: setting, upstream, authority, scheme, gateway_adds_credential } = server;
            let (path, authority) = (format!("{path}.{setting}").into(), authority.into());
            Server { path, upstream, authority, scheme, gateway_adds_credential }
        };
        let of_signers = signer.into_iter().flat_map(Signer::upstreams).map(of_signer);
        before.into_iter().flatten().chain(of_signers).chain(after)
    }
}

fn of_method(auth: &Auth) -> Option<Server<'_>> {
    match auth {
        Auth::JwtAuth(settings) => Some(of_jwt_auth("inbound.auth.jwt_auth.upstream", settings)),
        Auth::ClientCredentials(settings) => Some(match &settings.validation {
            TokenValidation::Jwt(settings) => Server {
                path: "inbound.auth.client_credentials.upstream".into(),
                upstream: &settings.upstream,
                authority: settings.jwks.authority().into(),
                scheme: settings.jwks.scheme(),
                gateway_adds_credential: false,
            },
            TokenValidation::Introspection(settings) => Server {
                path: "inbound.auth.client_credentials.introspection.upstream".into(),
                upstream: &settings.upstream,
                authority: settings.url.authority().into(),
                scheme: settings.url.scheme(),
                gateway_adds_credential: settings.client_secret == Credential::AddedByGateway,
            },
        }),
        Auth::ApiKey(_) | Auth::MtlsOnly => None,
    }
}

fn of_replay_store(auth: &Auth) -> Option<Server<'_>> {
    let Auth::JwtAuth(JwtAuth { replay: Some(Replay { store: Some(SharedStore { store, .. }), .. }), .. }) = auth
    else {
        return None;
    };
    Some(Server {
        path: format!("inbound.auth.jwt_auth.replay_detection.{}.upstream", store.path()).into(),
        upstream: &store.upstream,
        authority: store.address.host_and_port().into(),
        scheme: store.address.scheme(),
        gateway_adds_credential: false,
    })
}

fn of_jwt_auth<'a>(path: &'static str, settings: &'a JwtAuth) -> Server<'a> {
    Server {
        path: path.into(),
        upstream: &settings.upstream,
        authority: settings.jwks.host_and_port().into(),
        scheme: settings.jwks.scheme(),
        gateway_adds_credential: false,
    }
}
