//! What the bank's administrator does with etcd, over its JSON gateway: users and roles, keys and their sizes, room, and who leads.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::client::{Outcome, Request};
use super::etcd::{Etcd, PATIENCE};

/// The gateways' user.
pub const USER: &str = "gateway";
/// Its password.
pub const PASSWORD: &str = "the-password-of-the-fleet";
const ROOT_PASSWORD: &str = "the-password-of-root";

/// How large a database is.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseSize {
    /// On disk.
    pub allocated: u64,
    /// Of it, in use: what `allocated` would be after defragmentation.
    pub in_use: u64,
    /// How many writes there were since the beginning.
    pub revision: u64,
}

impl Etcd {
    /// Who leads, once the live members agree on one of them.
    pub async fn leader(&self) -> usize {
        let started = Instant::now();
        loop {
            let mut told = Vec::new();
            for member in self.live() {
                let request = request("/v3/maintenance/status", &json!({}), None);
                if let Outcome::Reply(reply) = self.send(member, &request).await {
                    let status = reply.json();
                    let id = status["header"]["member_id"].clone();
                    told.push((member, id, status["leader"].clone()));
                }
            }
            let leaders: Vec<usize> =
                told.iter().filter(|(_, id, leader)| id.is_string() && id == leader).map(|told| told.0).collect();
            let agree = told.windows(2).all(|pair| pair[0].2 == pair[1].2);
            if let ([leader], true) = (&leaders[..], agree) {
                return *leader;
            }
            assert!(started.elapsed() < PATIENCE, "nobody leads: {told:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// One of those that follow.
    pub async fn follower(&self) -> usize {
        let leader = self.leader().await;
        self.live().into_iter().find(|member| *member != leader).expect("a follower")
    }

    /// Lets nobody in without a password: the gateways' user may read and write below this prefix.
    pub async fn secure(&mut self, prefix: &str) {
        self.demand("/v3/auth/user/add", &json!({"name": "root", "password": ROOT_PASSWORD})).await;
        self.demand("/v3/auth/user/grant", &json!({"user": "root", "role": "root"})).await;
        self.demand("/v3/auth/role/add", &json!({"name": USER})).await;
        self.grant(prefix).await;
        self.demand("/v3/auth/user/add", &json!({"name": USER, "password": PASSWORD})).await;
        self.demand("/v3/auth/user/grant", &json!({"user": USER, "role": USER})).await;
        self.demand("/v3/auth/enable", &json!({})).await;
        self.root_password = Some(ROOT_PASSWORD);
    }

    /// Gives the gateways' role the keys below a further prefix.
    pub async fn grant(&self, prefix: &str) {
        let rights = json!({"permType": "READWRITE", "key": base64(prefix), "range_end": base64(&end(prefix))});
        self.demand("/v3/auth/role/grant", &json!({"name": USER, "perm": rights})).await;
    }

    /// Gives the gateways' user another password. Tokens that it has end with that.
    pub async fn change_password(&self, password: &str) {
        self.demand("/v3/auth/user/changepw", &json!({"name": USER, "password": password})).await;
    }

    /// The keys below a prefix.
    pub async fn keys(&self, prefix: &str) -> Vec<Vec<u8>> {
        let range = json!({"key": base64(prefix), "range_end": base64(&end(prefix)), "keys_only": true});
        let told = self.demand("/v3/kv/range", &range).await;
        let keys = told["kvs"].as_array().cloned().unwrap_or_default();
        keys.iter().map(|pair| STANDARD.decode(pair["key"].as_str().expect("a key")).expect("base64")).collect()
    }

    /// How many leases there are.
    pub async fn leases(&self) -> usize {
        self.demand("/v3/lease/leases", &json!({})).await["leases"].as_array().map_or(0, Vec::len)
    }

    /// How large the database of a live member is.
    pub async fn size(&self) -> DatabaseSize {
        let told = self.demand("/v3/maintenance/status", &json!({})).await;
        let number = |value: &Value| value.as_str().and_then(|text| text.parse().ok()).expect("a number");
        DatabaseSize {
            allocated: number(&told["dbSize"]),
            in_use: number(&told["dbSizeInUse"]),
            revision: number(&told["header"]["revision"]),
        }
    }

    /// Forgets how keys were before: what `--auto-compaction-retention` does.
    pub async fn compact(&self) {
        let revision = self.size().await.revision;
        self.demand("/v3/kv/compaction", &json!({"revision": revision.to_string(), "physical": true})).await;
    }

    /// Gives back the room that compaction left, at each live member.
    pub async fn defragment(&self) {
        let token = self.root_token().await;
        for member in self.live() {
            let request = request("/v3/maintenance/defragment", &json!({}), token.as_deref());
            let reply = self.send(member, &request).await.reply();
            assert_eq!(reply.status, 200, "{}", reply.json());
        }
    }

    /// Fills the room up, under a key of its own, until the alarm is raised.
    pub async fn fill(&self) {
        let value = STANDARD.encode(vec![b'x'; 512 * 1024]);
        for number in 0..1000 {
            let put = json!({"key": base64(&format!("ballast/{number}")), "value": value});
            if let Err(told) = self.ask("/v3/kv/put", &put).await {
                assert!(told.contains("database space exceeded"), "{told}");
                return;
            }
        }
        panic!("there is no quota");
    }

    /// Takes away what filled it, and the alarm.
    pub async fn empty(&self) {
        self.demand("/v3/kv/deleterange", &json!({"key": base64("ballast/"), "range_end": base64("ballast0")})).await;
        self.compact().await;
        self.defragment().await;
        let raised = self.demand("/v3/maintenance/alarm", &json!({"action": "GET"})).await;
        for alarm in raised["alarms"].as_array().into_iter().flatten() {
            let disarm = json!({"action": "DEACTIVATE", "memberID": alarm["memberID"], "alarm": alarm["alarm"]});
            self.demand("/v3/maintenance/alarm", &disarm).await;
        }
    }

    /// What a live member gives for a request that must succeed.
    pub async fn demand(&self, path: &str, body: &Value) -> Value {
        self.ask(path, body).await.unwrap_or_else(|told| panic!("{path}: {told}"))
    }

    /// What a live member answers, or why it does not.
    async fn ask(&self, path: &str, body: &Value) -> Result<Value, String> {
        let request = request(path, body, self.root_token().await.as_deref());
        let mut told = "there is no live member".to_owned();
        let started = Instant::now();
        for member in self.live().into_iter().cycle() {
            match self.send(member, &request).await {
                Outcome::Reply(reply) if reply.status == 200 => return Ok(reply.json()),
                // While nobody leads.
                Outcome::Reply(reply) if matches!(reply.status, 503 | 504) => told = reply.json().to_string(),
                Outcome::Reply(reply) => return Err(reply.json().to_string()),
                Outcome::Refused(reason) => told = reason,
            }
            if started.elapsed() > PATIENCE {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(told)
    }

    async fn root_token(&self) -> Option<String> {
        let password = self.root_password?;
        let body = json!({"name": "root", "password": password});
        let started = Instant::now();
        loop {
            for member in self.live() {
                let told = self.send(member, &request("/v3/auth/authenticate", &body, None)).await;
                if let Outcome::Reply(reply) = told
                    && let Some(token) = reply.json()["token"].as_str()
                {
                    return Some(token.to_owned());
                }
            }
            assert!(started.elapsed() < PATIENCE, "root has no token");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A request of etcd's JSON gateway.
#[must_use]
pub fn request(path: &str, body: &Value, token: Option<&str>) -> Request {
    let request = Request::new("POST", path).header("accept", "application/json").body(body.to_string().as_bytes());
    token.map_or(request.clone(), |token| request.header("authorization", token))
}

/// Keys and values as the gateway takes them.
#[must_use]
pub fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// The first key behind all that begin so.
fn end(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    let last = end.pop().expect("a prefix");
    end.push(char::from_u32(u32::from(last) + 1).expect("a character"));
    end
}
