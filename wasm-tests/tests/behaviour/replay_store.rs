//! Replay detection by a store that several gateways share: who asks it when, and what becomes of requests while it does not answer.
//! What a real etcd and a real Redis answer, and that a token passes once whatever happens to them, is tested in `tests/envoy/`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};
use wasm_tests::host::{Answer, Exchange, Gateway, Headers, Level, Module, Upstream};
use wasm_tests::stage::tokens::{Signer, Token, jwks, with_broken_signature};

use super::scene::*;

const STORE: &str = "etcd.test:2379";
static GATEWAYS: AtomicU64 = AtomicU64::new(1);
const LEASE: &str = "7587848390493283847";

/// What etcd does with the requests of the filter, as its API is documented: one memory for all gateways that ask it.
#[derive(Clone, Default)]
struct Etcd(Rc<RefCell<Remembered>>);

#[derive(Default)]
struct Remembered {
    values: BTreeMap<String, Value>,
    /// The paths that were asked, in their order.
    asked: Vec<String>,
    /// What is answered in place of the next ones.
    instead: Vec<Answer>,
}

impl Etcd {
    fn upstream(&self) -> Upstream {
        let etcd = self.clone();
        Upstream::scripted(move |headers, body| etcd.answer(headers, body))
    }

    fn answer(&self, headers: &Headers, body: &[u8]) -> Answer {
        let path = headers.text(":path").expect("a path").into_owned();
        let mut remembered = self.0.borrow_mut();
        remembered.asked.push(path.clone());
        if let Some(answer) = remembered.instead.pop() {
            return answer;
        }
        let request: Value = serde_json::from_slice(body).expect("JSON");
        if path == "/v3/lease/grant" {
            let ttl = request["TTL"].as_str().expect("seconds");
            return Answer::ok(json!({"header": {}, "ID": LEASE, "TTL": ttl}).to_string());
        }
        assert_eq!((path.as_str(), &request["compare"][0]["create_revision"]), ("/v3/kv/txn", &json!("0")));
        let put = &request["success"][0]["request_put"];
        assert_eq!(put["lease"], LEASE);
        let key = put["key"].as_str().expect("a key").to_owned();
        let answer = match remembered.values.get(&key) {
            Some(value) => {
                json!({"header": {}, "responses": [{"response_range": {"kvs": [{"key": key, "value": value}]}}]})
            }
            None => json!({"header": {}, "succeeded": true, "responses": [{"response_put": {"header": {}}}]}),
        };
        remembered.values.entry(key).or_insert_with(|| put["value"].clone());
        Answer::ok(answer.to_string())
    }

    fn asked(&self) -> Vec<String> {
        self.0.borrow().asked.clone()
    }

    /// The last of these is given first.
    fn answer_instead(&self, answers: impl IntoIterator<Item = Answer>) {
        self.0.borrow_mut().instead = answers.into_iter().collect();
    }
}

fn configuration(unavailable: &str) -> Value {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"]["jwt_auth"]["replay_detection"] = json!({
        "store": { "etcd": { "address": "http://etcd.test:2379", "upstream": STORE } },
        "unavailable": unavailable,
    });
    configuration
}

fn start(host: Host, etcd: &Etcd, unavailable: &str) -> Gateway {
    let configuration = configuration(unavailable);
    let builder = if unavailable == "local" {
        host.with_replay_scope("gateway", &configuration)
    } else {
        host.with(&configuration)
    };
    // Each gateway has randomness of its own: by that a use is told from another one.
    let seed = GATEWAYS.fetch_add(1, Relaxed);
    builder.workers(2).seed(seed).upstream(STORE, etcd.upstream()).start(Module::release()).expect("the gateway starts")
}

fn fresh(gateway: &Gateway) -> String {
    let token: Token = token(gateway);
    token.sign(Signer::Ps256(&hub().signing))
}

fn refusal(exchange: &Exchange) -> (u16, String) {
    let reply = exchange.reply().unwrap_or_else(|| panic!("{:?}", exchange.outcome()));
    (reply.status, error(&reply)["errorCode"].as_str().expect("a code").to_owned())
}

fn replayed() -> (u16, String) {
    (401, "JWS.InvalidClaim".to_owned())
}

fn unavailable() -> (u16, String) {
    (503, "GenericRecoverableError".to_owned())
}

#[apply(every_engine)]
fn a_token_passes_once_at_all_gateways_and_after_a_restart_too(host: Host) {
    let etcd = Etcd::default();
    let [first, second] = [(); 2].map(|()| start(host, &etcd, "refuse"));
    let token = fresh(&first);
    assert_eq!(judge(&first, with(&token)), "admitted");
    assert_eq!(refusal(&send(&second, with(&token))), replayed());
    assert_eq!(refusal(&send(&first, with(&token))), replayed());
    drop(first);
    assert_eq!(refusal(&send(&start(host, &etcd, "refuse"), with(&token))), replayed());
    assert_eq!(judge(&second, with(&fresh(&second))), "admitted");
}

/// Keys, a lease, a transaction: in that order for the first request, and one transaction for each after it.
#[apply(every_gateway)]
fn a_token_costs_one_request_and_one_that_comes_back_to_the_same_worker_none(host: Host) {
    let etcd = Etcd::default();
    let gateway = start(host, &etcd, "refuse");
    let token = fresh(&gateway);
    assert_eq!(judge(&gateway, with(&token)), "admitted");
    assert_eq!(etcd.asked(), ["/v3/lease/grant", "/v3/kv/txn"]);
    assert_eq!(judge(&gateway, with(&fresh(&gateway))), "admitted");
    assert_eq!(etcd.asked().len(), 3);
    assert_eq!(refusal(&send(&gateway, with(&token))), replayed());
    assert_eq!(etcd.asked().len(), 3, "the memory in front knows it");
}

#[apply(every_gateway)]
fn the_store_learns_of_no_token_that_is_not_right_in_all_else(host: Host) {
    let etcd = Etcd::default();
    let gateway = start(host, &etcd, "refuse");
    assert_eq!(judge(&gateway, with(&fresh(&gateway))), "admitted");
    let asked = etcd.asked().len();
    let good = fresh(&gateway);
    let expired = Token::new(&hub().subject, &hub().signing.kid, PROVIDER, gateway.now().as_secs() - 600);
    for bad in [with_broken_signature(&good), expired.sign(Signer::Ps256(&hub().signing)), "a.b.c".to_owned()] {
        assert_ne!(judge(&gateway, with(&bad)), "admitted");
    }
    assert_eq!(etcd.asked().len(), asked);
    assert_eq!(judge(&gateway, with(&good)), "admitted", "nobody has used it");
}

#[apply(every_gateway)]
fn without_a_word_of_the_store_a_token_is_refused_with_503(host: Host) {
    for (what, answer) in [
        ("no leader", Answer::status(503).body(json!({"error": "etcdserver: no leader", "code": 14}).to_string())),
        (
            "no space",
            Answer::status(429).body(json!({"error": "etcdserver: mvcc: database space exceeded"}).to_string()),
        ),
        ("another user", Answer::status(403).body("{}")),
        ("HTML", Answer::ok("<html>")),
        ("nothing", Answer::ok("")),
        ("an empty object", Answer::ok("{}")),
        ("half an answer", Answer::half()),
        ("an end of the connection", Answer::reset()),
        ("nobody there", Answer::refused()),
        ("too much", Answer::ok("x".repeat(300_000))),
    ] {
        let etcd = Etcd::default();
        let gateway = start(host, &etcd, "refuse");
        assert_eq!(judge(&gateway, with(&fresh(&gateway))), "admitted");
        etcd.answer_instead(vec![answer; 12]);
        let token = fresh(&gateway);
        let exchange = send(&gateway, with(&token));
        if host.repeats_unanswered_callouts || exchange.reply().is_some_and(|reply| !reply.body.is_empty()) {
            assert_eq!(refusal(&exchange), unavailable(), "{what}");
        }
        let reply = exchange.reply().expect("refused");
        assert_eq!(reply.status, 503, "{what}");
        let pause = fresh(&gateway);
        assert_eq!(refusal(&send(&gateway, with(&pause))), unavailable(), "{what}: it is left alone for a second");
        etcd.answer_instead([]);
        gateway.advance(seconds(1));
        assert_eq!(judge(&gateway, with(&fresh(&gateway))), "admitted", "{what}");
        let told = |log: &wasm_tests::host::Log| log.level == Level::Warn && log.text.contains("etcd does not say");
        assert!(gateway.logs().iter().any(told), "{what}");
    }
}

#[apply(every_gateway)]
fn a_store_that_says_nothing_costs_a_request_no_more_than_the_deadline(host: Host) {
    let etcd = Etcd::default();
    let gateway = start(host, &etcd, "refuse");
    assert_eq!(judge(&gateway, with(&fresh(&gateway))), "admitted");
    etcd.answer_instead(vec![Answer::never(); 4]);
    let exchange = gateway.worker(0).send(with(&fresh(&gateway)));
    gateway.advance(seconds(3));
    assert_eq!(exchange.reply().expect("refused").status, 503);
    let calls = etcd.asked().iter().filter(|path| *path == "/v3/kv/txn").count();
    assert_eq!(calls, if host.repeats_unanswered_callouts { 4 } else { 2 });
}

/// The first try may have been written. The second recognises it by its value.
#[test]
fn an_answer_that_is_lost_refuses_nobody_and_admits_nobody_twice() {
    let etcd = Etcd::default();
    let [first, second] = [(); 2].map(|()| start(Host::ENVOY, &etcd, "refuse"));
    for gateway in [&first, &second] {
        assert_eq!(judge(gateway, with(&fresh(gateway))), "admitted");
    }
    let token = fresh(&first);
    // Written, and the answer lost on the way.
    let lossy = Upstream::scripted({
        let (calls, etcd) = (Cell::new(0), etcd.clone());
        move |headers, body| {
            let answer = etcd.answer(headers, body);
            if calls.replace(calls.get() + 1) % 2 == 0 { Answer::reset() } else { answer }
        }
    });
    let third = Host::ENVOY
        .with(&configuration("refuse"))
        .seed(1_000_003)
        .upstream(STORE, lossy)
        .start(Module::release())
        .expect("the gateway starts");
    assert_eq!(judge(&third, with(&token)), "admitted");
    assert_eq!(refusal(&send(&second, with(&token))), replayed());
    assert_eq!(etcd.0.borrow().values.len(), 3);
}

#[apply(every_gateway)]
fn with_local_this_gateway_decides_alone_while_the_store_is_away_and_says_so(host: Host) {
    if !host.replay_scopes().contains(&"gateway") {
        return;
    }
    let etcd = Etcd::default();
    let gateway = start(host, &etcd, "local");
    let before = fresh(&gateway);
    assert_eq!(judge(&gateway, with(&before)), "admitted");
    etcd.answer_instead(vec![Answer::status(429).body("{}"); 50]);
    let token = fresh(&gateway);
    assert_eq!(judge(&gateway, with(&token)), "admitted");
    for worker in 0..2 {
        let exchange = gateway.worker(worker).send(with(&token));
        gateway.settle();
        assert_eq!(refusal(&exchange), replayed(), "whichever worker");
        let exchange = gateway.worker(worker).send(with(&before));
        gateway.settle();
        assert_eq!(refusal(&exchange), replayed(), "what the store has let in before, too");
    }
    assert_eq!(judge(&gateway, with(&fresh(&gateway))), "admitted");
    if host.has_metrics && !host.metrics_are_a_switch {
        assert_eq!(gateway.metric("hub_auth_filter.replay_fallbacks_total"), 2);
    }
    let told = gateway.logs().iter().filter(|log| log.text.contains("this gateway alone has decided on")).count();
    assert_eq!(told, 1, "once a minute");
    // The store is back, and what was let in meanwhile is still known here.
    etcd.answer_instead([]);
    gateway.advance(seconds(20));
    assert_eq!(judge(&gateway, with(&fresh(&gateway))), "admitted");
    assert_eq!(refusal(&send(&gateway, with(&token))), replayed());
}

#[apply(every_gateway)]
fn of_many_presentations_at_once_to_two_gateways_one_passes(host: Host) {
    let etcd = Etcd::default();
    let gateways = [(); 2].map(|()| start(host, &etcd, "refuse"));
    for gateway in &gateways {
        for worker in 0..2 {
            gateway.worker(worker).send(with(&fresh(gateway)));
            gateway.settle();
        }
    }
    let token = fresh(&gateways[0]);
    let exchanges: Vec<_> = (0..40).map(|n| gateways[n % 2].worker(n / 2 % 2).send(with(&token))).collect();
    gateways.iter().for_each(Gateway::settle);
    let admitted = exchanges.iter().filter(|exchange| outcome(exchange) == "admitted").count();
    assert_eq!(admitted, 1);
    let refused = exchanges.iter().filter(|exchange| outcome(exchange) == "JWS.InvalidClaim").count();
    assert_eq!(refused, 39);
}

#[apply(every_gateway)]
fn a_client_that_hangs_up_takes_its_token_with_it_and_keeps_nobody_out(host: Host) {
    let etcd = Etcd::default();
    let gateway = start(host, &etcd, "refuse");
    assert_eq!(judge(&gateway, with(&fresh(&gateway))), "admitted");
    etcd.answer_instead([Answer::never()]);
    let exchange = gateway.worker(0).send(with(&fresh(&gateway)));
    exchange.disconnect();
    assert_eq!(judge(&gateway, with(&fresh(&gateway))), "admitted");
    gateway.advance(seconds(10));
    assert_eq!(judge(&gateway, with(&fresh(&gateway))), "admitted");
}

#[apply(every_gateway)]
fn a_lease_is_replaced_before_it_ends(host: Host) {
    let etcd = Etcd::default();
    let gateway = start(host, &etcd, "refuse");
    for _ in 0..10 {
        assert_eq!(judge(&gateway, with(&fresh(&gateway))), "admitted");
        gateway.advance(seconds(30));
    }
    let leases = etcd.asked().iter().filter(|path| *path == "/v3/lease/grant").count();
    // Where the plugin makes callouts, each of the two workers has one ahead of time.
    let most = if host.shares_callouts { 16 } else { 8 };
    assert!((4..=most).contains(&leases), "{leases} leases in 5 minutes");
}

#[test]
fn keys_may_come_late_and_the_store_after_them() {
    let etcd = Etcd::default();
    let slow = publishing(Answer::ok(jwks([&hub().signing]).to_string()).after(seconds(1)));
    let gateway = Host::ENVOY
        .with(&configuration("refuse"))
        .upstream(KEYSTORE, slow)
        .upstream(STORE, etcd.upstream())
        .start(Module::release())
        .expect("the gateway starts");
    let tokens: Vec<_> = (0..20).map(|_| fresh(&gateway)).collect();
    let exchanges: Vec<_> = tokens.iter().map(|token| gateway.worker(0).send(with(token))).collect();
    gateway.advance(seconds(1));
    gateway.settle();
    assert!(exchanges.iter().all(|exchange| outcome(exchange) == "admitted"));
    assert_eq!(etcd.asked().iter().filter(|path| *path == "/v3/kv/txn").count(), 20);
}
