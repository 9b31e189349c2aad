//! A store of used tokens that several gateways share: keys that end with their lease, by the clock of the store.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::callout::Request;

/// What it remembers.
#[derive(Debug)]
pub(super) struct Store {
    /// What its clock shows, in milliseconds since 1970. Nobody sets it.
    clock: u64,
    /// When each lease ends.
    leases: Vec<u64>,
    /// The value of each key, and when that ends.
    keys: BTreeMap<String, (Json, u64)>,
}

impl Store {
    pub(super) fn new(clock: u64) -> Self {
        Self { clock, leases: Vec::new(), keys: BTreeMap::new() }
    }

    pub(super) fn clock(&self) -> u64 {
        self.clock
    }

    pub(super) fn pass(&mut self, time: u64) {
        self.clock += time;
    }

    /// What it says of its clock.
    pub(super) fn date(&self) -> Vec<u8> {
        let date = std::time::UNIX_EPOCH + std::time::Duration::from_millis(self.clock);
        httpdate::fmt_http_date(date).into_bytes()
    }

    /// Does what it is asked for. Its answer, with 200; without a lease it writes nothing, and has no such answer.
    pub(super) fn take(&mut self, request: &Request) -> Vec<u8> {
        let asked: Json = serde_json::from_slice(&request.body).unwrap();
        let answer = if request.url.path() == "/v3/lease/grant" {
            let seconds: u64 = asked["TTL"].as_str().unwrap().parse().unwrap();
            self.leases.push(self.clock + seconds * 1_000);
            json!({ "ID": self.leases.len().to_string(), "TTL": seconds.to_string() })
        } else {
            self.write(&asked["success"][0]["request_put"])
        };
        answer.to_string().into_bytes()
    }

    fn write(&mut self, put: &Json) -> Json {
        let clock = self.clock;
        self.keys.retain(|_, (_, end)| *end > clock);
        let key = put["key"].as_str().unwrap();
        if let Some((value, _)) = self.keys.get(key) {
            return json!({ "responses": [{ "response_range": { "kvs": [{ "key": key, "value": value }] } }] });
        }
        let lease: usize = put["lease"].as_str().unwrap().parse().unwrap();
        match lease.checked_sub(1).and_then(|lease| self.leases.get(lease)) {
            Some(end) if *end > clock => {
                self.keys.insert(key.to_owned(), (put["value"].clone(), *end));
                json!({ "succeeded": true, "responses": [{ "response_put": {} }] })
            }
            _ => json!({ "error": "etcdserver: requested lease not found", "code": 5 }),
        }
    }
}
