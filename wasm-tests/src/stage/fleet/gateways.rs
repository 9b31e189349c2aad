//! The gateways of a fleet: Envoys with one configuration, the shipped one and the shipped cluster of a store, before one keystore
//! and one backend.

use serde_json::{Value, json};

use super::super::client::{Connection, Outcome, Request};
use super::super::envoy::{Configuration, Envoy, shipped};
use super::super::{Setup, Stage, at};
use super::etcd::{ETCD_NAME, Etcd, MEMBERS};
use super::redis::Redis;
use super::{etcd_api, redis};

/// Under which the fleet's keys are.
pub const PREFIX: &str = "hub-auth/sandbox/";

/// The last of the shipped method's settings.
const UPSTREAM: &str = r#""upstream": "keystore""#;
/// The variable that has the store's password.
const VARIABLE: &str = "STORE_PASSWORD";

/// Where gateways remember used tokens, and how they ask.
pub struct FleetSetup {
    replay_detection: Value,
    password: Option<String>,
    cluster: String,
    gateways: usize,
    workers: u32,
}

impl FleetSetup {
    /// Two gateways of one worker, and this etcd.
    #[must_use]
    pub fn etcd(etcd: &Etcd) -> Self {
        let settings = json!({
            "address": format!("https://{ETCD_NAME}:2379"), "upstream": "etcd", "prefix": PREFIX,
        });
        let file = |name: &str| etcd.file(name).display().to_string();
        let mut cluster = Configuration::new("etcd-cluster.yaml", shipped("etcd-cluster.yaml"));
        for member in 0..MEMBERS {
            let name = format!("address: etcd-{}.bank.internal, port_value: 2379", member + 1);
            cluster = cluster.replace(&name, &at(etcd.addresses()[member]));
        }
        for name in ["etcd-ca.pem", "etcd-client-chain.pem", "etcd-client-key.pem"] {
            cluster = cluster.replace(&format!("/etc/envoy/tls/{name}"), &file(name));
        }
        Self::new("etcd", settings, cluster)
    }

    /// Two gateways of one worker, and this Redis behind Webdis.
    #[must_use]
    pub fn redis(pair: &Redis) -> Self {
        let settings = json!({"address": "http://127.0.0.1:7379", "upstream": "webdis", "prefix": PREFIX});
        let cluster = Configuration::new("webdis-cluster.yaml", shipped("webdis-cluster.yaml"));
        let cluster = cluster.replace("address: 127.0.0.1, port_value: 7379", &at(pair.front()));
        Self::new("webdis", settings, cluster).user(redis::USER, redis::PASSWORD)
    }

    /// Two gateways of one worker that remember tokens each for itself, as this scope says.
    #[must_use]
    pub fn memory(scope: &str) -> Self {
        Self { replay_detection: json!(scope), password: None, cluster: String::new(), gateways: 2, workers: 1 }
    }

    fn new(store: &str, settings: Value, cluster: Configuration) -> Self {
        Self {
            replay_detection: json!({"store": {store: settings}}),
            password: None,
            cluster: cluster.text().to_owned(),
            gateways: 2,
            workers: 1,
        }
    }

    /// With the user that [`Etcd::secure`] makes.
    #[must_use]
    pub fn with_password(self) -> Self {
        self.user(etcd_api::USER, etcd_api::PASSWORD)
    }

    /// With a user of the store.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.store("username", &json!(name)).store("password", &json!({"env": VARIABLE}))
    }

    /// With another setting of the store.
    #[must_use]
    pub fn store(mut self, name: &str, value: &Value) -> Self {
        let stores = self.replay_detection["store"].as_object_mut().expect("a store");
        stores.values_mut().for_each(|settings| settings[name] = value.clone());
        self
    }

    /// Which go on with their own memory while the store cannot be asked.
    #[must_use]
    pub fn local(mut self) -> Self {
        self.replay_detection["unavailable"] = json!("local");
        self
    }

    /// So many gateways, of so many workers.
    #[must_use]
    pub fn gateways(mut self, gateways: usize, workers: u32) -> Self {
        (self.gateways, self.workers) = (gateways, workers);
        self
    }

    /// What is to be set up of the stage.
    #[must_use]
    pub fn setup(&self) -> Setup {
        let settings = format!("{UPSTREAM}, \"replay_detection\": {}", self.replay_detection);
        let setup = Setup::new().workers(self.workers).append(&self.cluster).edit(UPSTREAM, &settings);
        match &self.password {
            Some(password) => setup.environment(VARIABLE, password),
            None => setup,
        }
    }

    /// Starts them.
    pub async fn start(self) -> Fleet {
        let stage = self.setup().start().await;
        let mut others = Vec::new();
        for number in 1..self.gateways {
            others.push(stage.neighbour(&format!("gateway-{number}"), |same| same).await);
        }
        Fleet { others, stage }
    }
}

/// The running gateways. Dropping it stops everything but the store.
pub struct Fleet {
    others: Vec<Envoy>,
    /// The first gateway, and all that the others share with it.
    pub stage: Stage,
}

impl Fleet {
    /// How many gateways there are.
    #[must_use]
    pub fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// One of them.
    #[must_use]
    pub fn gateway(&self, number: usize) -> &Envoy {
        number.checked_sub(1).map_or(&self.stage.envoy, |other| &self.others[other])
    }

    /// Ends a gateway and starts it anew, with this change of its configuration.
    pub async fn restart(&mut self, number: usize, change: impl FnOnce(Configuration) -> Configuration) {
        let running = match number.checked_sub(1) {
            None => &mut self.stage.envoy,
            Some(other) => &mut self.others[other],
        };
        running.stop();
        let started = self.stage.neighbour(&format!("gateway-{number}"), change).await;
        match number.checked_sub(1) {
            None => self.stage.envoy = started,
            Some(other) => self.others[other] = started,
        }
    }

    /// Connects to a gateway as the Hub.
    pub async fn connect(&self, number: usize) -> Connection {
        let pki = self.stage.pki;
        let opened = Connection::open(self.gateway(number).address(), &pki.root(), Some(&pki.hub.transport)).await;
        opened.unwrap_or_else(|reason| panic!("gateway {number}: {reason}"))
    }

    /// Sends a request to a gateway as the Hub, on a connection of its own.
    pub async fn send(&self, number: usize, request: &Request) -> Outcome {
        self.connect(number).await.send(request).await
    }

    /// A counter of all gateways together: the sum of those whose names contain all of these.
    pub async fn count(&self, parts: &[&str]) -> u64 {
        let mut sum = 0;
        for number in 0..self.len() {
            let told = self.gateway(number).prometheus("hub_auth_filter").await;
            let lines =
                told.lines().filter(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)));
            sum += lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum::<u64>();
        }
        sum
    }
}
