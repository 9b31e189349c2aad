//! The gateways that the suite runs on, and the one table of what differs between them (spec §2 holds on all of them).
//!
//! A test asks its [`Host`] what it needs to know, and never which gateway it is. What only one of them can do is a plain test
//! with that one named at its beginning; `gateways/` has the tests of what only that one does.

use rstest_reuse::template;
use serde_json::{Value, json};
use wasm_tests::host::{Builder, Engine, Gateway, Headers, Level, Log, Module, Profile, SharedStore};

use super::scene::{KEYSTORE, error, hub, jwt_auth, keystore, request, send};

/// A gateway as the suite sees it: each field is a difference.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// The host of the module.
    profile: fn() -> Profile,
    /// The engine that runs the module, where it is not that of the profile.
    engine: Option<Engine>,
    /// The host with data that workers share, if there is one. Kong has them with `nginx_wasm_shm_kv`, which the filter must
    /// be told of.
    with_shared_data: Option<fn() -> Profile>,
    /// Whether shared data are used only when the filter's configuration says so: without `nginx_wasm_shm_kv` the call for
    /// them traps, and nothing tells beforehand.
    pub shared_data_is_a_switch: bool,
    /// Whether a callout goes to an upstream that the gateway's configuration names. Elsewhere it goes to host and port of the
    /// URL, and `upstream` is left out.
    pub names_upstreams: bool,
    /// Whether callouts belong to the plugin: one fetch serves all requests that wait for it, and goes on when the one that made
    /// it has gone. Elsewhere a callout belongs to its request: each fetches for itself, at most [`MOST_FETCHES`] at a time for
    /// an address and worker, and the rest get 503.
    pub shares_callouts: bool,
    /// Whether keys are fetched anew at 80 % of their life while nobody waits. Elsewhere the request that finds them so old
    /// fetches them, and waits for that.
    pub refreshes_in_background: bool,
    /// Whether a callout's timeout is for the whole of it. Elsewhere it is for each wait: a server that drips outlives it, and
    /// what it says then comes too late.
    pub times_whole_callouts: bool,
    /// Whether an answer that broke in its body is reported as a success, so that only reading it fails.
    pub half_answers_look_whole: bool,
    /// Whether the gateway itself answers a callout, with 503 or 504, when the server cannot be reached or says nothing.
    /// Elsewhere such a callout ends without any answer.
    pub answers_for_servers: bool,
    /// Whether a request that waits can be kept from the bank beforehand, whatever becomes of the filter meanwhile.
    pub has_guard: bool,
    /// What the bank finds in place of a credential that is not forwarded: nothing, or, where no header can be removed, a value
    /// that is worth nothing.
    pub instead_of_a_credential: Option<&'static str>,
    /// Whether two `Authorization` fields are one value with a comma, which is the filter's to judge. Elsewhere nginx answers
    /// 400 before any filter.
    pub joins_authorizations: bool,
    /// The most header fields, `Host` among them, of a request that is not refused for their number. APISIX adds three.
    pub most_headers: usize,
    /// Whether a wrong configuration stops the gateway. Elsewhere that would let requests pass unfiltered, or tell nobody, and
    /// the filter starts and answers each request with 500.
    pub wrong_configuration_stops_it: bool,
    /// Whether the worker dies of a request that is held without a callout or a reply, as it must be where the host takes
    /// neither. Elsewhere such a request hangs until its client goes.
    pub dies_of_holding_in_vain: bool,
    /// Whether the filter can hold a response. Elsewhere one that cannot be replaced goes to the client.
    pub holds_responses: bool,
    /// Whether the filter can replace a response, at least its status and body.
    pub replaces_responses: bool,
    /// Whether a callout with a body may follow at once on another whose answer had none. Elsewhere that kills the worker: there
    /// is no second try then, and a refusal has no body.
    pub repeats_unanswered_callouts: bool,
    /// Whether a client that hangs up is noticed while its request waits for a callout.
    pub notices_hang_ups: bool,
    /// Whether there are metrics.
    pub has_metrics: bool,
    /// Whether the configuration must say that there are.
    pub metrics_are_a_switch: bool,
    /// What stands before the name of a variable of nginx in the path of a property.
    variables_under: &'static [&'static str],
    /// Whether the issuer of a client certificate is told only by a header that the gateway writes.
    pub tells_issuers_by_header: bool,
}

/// How many fetches of one address are made at a time in one worker where each request makes its own.
pub const MOST_FETCHES: usize = 4;

/// A test of a rule that holds on every gateway.
#[template]
#[rstest::rstest]
#[case::envoy(Host::ENVOY)]
#[case::kong(Host::KONG)]
#[case::apisix(Host::APISIX)]
pub fn every_gateway(#[case] host: Host) {}

/// A test of one of the module's main paths: on every gateway, and on the engines that Kong had before.
#[template]
#[rstest::rstest]
#[case::envoy(Host::ENVOY)]
#[case::kong(Host::KONG)]
#[case::kong_3_7(Host::KONG_3_7)]
#[case::kong_3_6(Host::KONG_3_6)]
#[case::apisix(Host::APISIX)]
pub fn every_engine(#[case] host: Host) {}

/// The same of a path on which responses are replaced.
#[template]
#[rstest::rstest]
#[case::envoy(Host::ENVOY)]
#[case::kong(Host::KONG)]
#[case::kong_3_7(Host::KONG_3_7)]
#[case::kong_3_6(Host::KONG_3_6)]
pub fn every_engine_that_replaces_responses(#[case] host: Host) {}

/// A test of a rule about data that workers share.
#[template]
#[rstest::rstest]
#[case::envoy(Host::ENVOY)]
#[case::kong(Host::KONG)]
pub fn every_gateway_with_shared_data(#[case] host: Host) {}

/// A test of a rule about responses that the filter must be able to replace.
#[template]
#[rstest::rstest]
#[case::envoy(Host::ENVOY)]
#[case::kong(Host::KONG)]
pub fn every_gateway_that_replaces_responses(#[case] host: Host) {}

/// A test of a rule for gateways where each request fetches for itself.
#[template]
#[rstest::rstest]
#[case::kong(Host::KONG)]
#[case::apisix(Host::APISIX)]
pub fn every_gateway_of_lone_requests(#[case] host: Host) {}

impl Host {
    /// Envoy 1.40.
    pub const ENVOY: Host = Host {
        profile: Profile::envoy,
        engine: None,
        with_shared_data: Some(Profile::envoy),
        shared_data_is_a_switch: false,
        names_upstreams: true,
        shares_callouts: true,
        refreshes_in_background: true,
        times_whole_callouts: true,
        half_answers_look_whole: false,
        answers_for_servers: true,
        has_guard: false,
        instead_of_a_credential: None,
        joins_authorizations: true,
        most_headers: usize::MAX,
        wrong_configuration_stops_it: true,
        dies_of_holding_in_vain: false,
        holds_responses: true,
        replaces_responses: true,
        repeats_unanswered_callouts: true,
        notices_hang_ups: true,
        has_metrics: true,
        metrics_are_a_switch: false,
        variables_under: &[],
        tells_issuers_by_header: true,
    };

    /// Kong 3.9.
    pub const KONG: Host = Host {
        profile: Profile::kong,
        engine: None,
        with_shared_data: Some(|| Profile { shared_data: SharedStore::ByCrc32, ..Profile::kong() }),
        shared_data_is_a_switch: true,
        names_upstreams: false,
        shares_callouts: false,
        refreshes_in_background: false,
        times_whole_callouts: false,
        half_answers_look_whole: true,
        answers_for_servers: false,
        has_guard: true,
        instead_of_a_credential: Some("removed"),
        joins_authorizations: false,
        most_headers: 96,
        wrong_configuration_stops_it: false,
        dies_of_holding_in_vain: false,
        holds_responses: false,
        replaces_responses: true,
        repeats_unanswered_callouts: false,
        notices_hang_ups: false,
        has_metrics: true,
        metrics_are_a_switch: true,
        variables_under: &["ngx"],
        tells_issuers_by_header: false,
    };

    /// Kong 3.7: its engine, and no metrics.
    pub const KONG_3_7: Host = Host::KONG_BEFORE_3_8.with_engine(Engine::Wasmtime19);

    /// Kong 3.6, likewise. Its engine does not load the artifact for relaxed SIMD.
    pub const KONG_3_6: Host = Host::KONG_BEFORE_3_8.with_engine(Engine::Wasmtime14);

    const KONG_BEFORE_3_8: Host = Host {
        profile: Profile::kong_before_3_8,
        with_shared_data: Some(|| Profile { shared_data: SharedStore::ByCrc32, ..Profile::kong_before_3_8() }),
        has_metrics: false,
        metrics_are_a_switch: false,
        ..Host::KONG
    };

    /// APISIX 3.18.
    pub const APISIX: Host = Host {
        profile: Profile::apisix,
        engine: None,
        with_shared_data: None,
        shared_data_is_a_switch: true,
        names_upstreams: false,
        shares_callouts: false,
        refreshes_in_background: false,
        times_whole_callouts: false,
        half_answers_look_whole: false,
        answers_for_servers: false,
        has_guard: false,
        instead_of_a_credential: None,
        joins_authorizations: false,
        most_headers: 96,
        wrong_configuration_stops_it: false,
        dies_of_holding_in_vain: true,
        holds_responses: false,
        replaces_responses: false,
        repeats_unanswered_callouts: true,
        notices_hang_ups: true,
        has_metrics: false,
        metrics_are_a_switch: false,
        variables_under: &[],
        tells_issuers_by_header: false,
    };

    /// The same gateway with the engine that counts fuel, for tests of what something costs and for traps at a chosen cost.
    pub const fn metered(self) -> Host {
        self.with_engine(Engine::Metered)
    }

    const fn with_engine(self, engine: Engine) -> Host {
        Host { engine: Some(engine), ..self }
    }

    /// A gateway with this configuration of the plugin, written for Envoy, and a keystore with the Hub's keys; not started yet.
    /// It logs what the suite reads, where nginx would leave `info` out.
    pub fn with(self, configuration: &Value) -> Builder {
        self.of((self.profile)(), configuration.clone())
    }

    /// The same with data that its workers share.
    pub fn with_shared_data(self, configuration: &Value) -> Builder {
        let mut configuration = configuration.clone();
        if self.shared_data_is_a_switch {
            configuration["gateway"]["shared_data"] = true.into();
        }
        self.of(self.with_shared_data.expect("data that workers share")(), configuration)
    }

    /// The same on this variant of its host.
    pub fn on(self, profile: Profile, configuration: &Value) -> Builder {
        self.of(profile, configuration.clone())
    }

    /// The property in which it tells a variable of nginx.
    pub fn variable(self, name: &'static str) -> Vec<&'static str> {
        self.variables_under.iter().copied().chain([name]).collect()
    }

    /// A gateway with JWT Auth, started.
    pub fn start(self) -> Gateway {
        self.with(&jwt_auth()).start(Module::release()).expect("the gateway starts")
    }

    /// The log of a gateway that has refused its configuration: it has not started, or answers a right request with 500.
    #[track_caller]
    pub fn refuses(self, gateway: Builder) -> Vec<Log> {
        match gateway.start(Module::release()) {
            Err(failure) => {
                assert!(self.wrong_configuration_stops_it, "{failure}");
                failure.logs
            }
            Ok(gateway) => {
                assert!(!self.wrong_configuration_stops_it, "it has started");
                for _ in 0..2 {
                    let request = request().header("x-fapi-interaction-id", "f-1");
                    let reply = send(&gateway, request).reply().expect("a refusal");
                    assert_eq!((reply.status, &error(&reply)["errorCode"]), (500, &json!("GenericError")));
                    assert_eq!(reply.headers.text("x-fapi-interaction-id").as_deref(), Some("f-1"));
                }
                gateway.logs()
            }
        }
    }

    /// The replay detections that there are: by each worker, or by all of them together.
    pub fn replay_scopes(self) -> &'static [&'static str] {
        if self.with_shared_data.is_some() { &["worker", "gateway"] } else { &["worker"] }
    }

    /// What of this is about replay detections that there are.
    pub fn scopes<T, const N: usize>(self, cases: [(&'static str, T); N]) -> impl Iterator<Item = (&'static str, T)> {
        cases.into_iter().filter(move |(scope, _)| self.replay_scopes().contains(scope))
    }

    /// A gateway as [`Host::with`] makes it, with what this replay detection needs.
    pub fn with_replay_scope(self, scope: &str, configuration: &Value) -> Builder {
        if scope == "gateway" { self.with_shared_data(configuration) } else { self.with(configuration) }
    }

    /// What becomes of a request with two credentials.
    pub fn two_credentials(self) -> &'static str {
        if self.joins_authorizations { "Credential.Malformed" } else { "400" }
    }

    /// With the death of workers expected, where holding a request in vain leads to it.
    pub fn expecting_what_holding_in_vain_does(self, gateway: Builder) -> Builder {
        if self.dies_of_holding_in_vain { gateway.expect_crashes() } else { gateway }
    }

    /// Whether a request that was held for a callout is kept from the bank though this call always fails, or does nothing. Where
    /// a request goes upstream by itself when its callback returns, and no guard keeps it back, nothing but a reply does.
    pub fn keeps_what_it_held_without(self, call: &str) -> bool {
        self.shares_callouts || self.has_guard || call != "proxy_send_local_response"
    }

    /// That nothing has died but where the host took neither replies nor callouts.
    #[track_caller]
    pub fn assert_died_only_of_holding_in_vain(self, gateway: &Gateway, faulty: &str) {
        let may_die = ["proxy_send_local_response", "proxy_http_call"].contains(&faulty);
        assert!(may_die || gateway.crashes().is_empty(), "{faulty}: {:?}", gateway.crashes());
    }

    /// That the bank gets nothing of a credential in this header.
    #[track_caller]
    pub fn assert_withheld(self, upstream: &Headers, name: &str) {
        let values: Vec<&[u8]> = self.instead_of_a_credential.map(str::as_bytes).into_iter().collect();
        assert_eq!(upstream.all(name), values, "{upstream:?}");
    }

    /// That this has been counted so often since the start, where anything is counted.
    #[track_caller]
    pub fn assert_counted(self, gateway: &Gateway, name: &str, count: u64) {
        let count = if self.has_metrics { count } else { 0 };
        assert_eq!(gateway.metric(&format!("hub_auth_filter.{name}")), count, "{name}");
    }

    /// The name that the configuration has for it.
    pub fn name(self) -> &'static str {
        (self.profile)().name
    }

    /// This configuration, written for Envoy, as it is written for this gateway.
    pub fn configuration(self, configuration: &Value) -> Value {
        let mut configuration = configuration.clone();
        if !self.names_upstreams {
            leave_out_upstreams(&mut configuration);
        }
        configuration
    }

    fn of(self, profile: Profile, configuration: Value) -> Builder {
        let engine = self.engine.unwrap_or(profile.engine);
        let mut configuration = configuration;
        if self.metrics_are_a_switch
            && let Some(metrics) = configuration.get_mut("gateway").and_then(Value::as_object_mut)
        {
            metrics.entry("metrics").or_insert(true.into());
        } else if self.metrics_are_a_switch
            && let Some(all) = configuration.as_object_mut()
        {
            all.entry("gateway").or_insert(json!({"metrics": true}));
        }
        Gateway::new(Profile { engine, ..profile })
            .configuration(self.configuration(&configuration).to_string())
            .log_level(Level::Info)
            .upstream(KEYSTORE, keystore([&hub().signing]))
    }
}

/// Takes every `upstream` out of a configuration.
fn leave_out_upstreams(configuration: &mut Value) {
    match configuration {
        Value::Object(members) => {
            members.remove("upstream");
            members.values_mut().for_each(leave_out_upstreams);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_upstreams),
        _ => {}
    }
}
