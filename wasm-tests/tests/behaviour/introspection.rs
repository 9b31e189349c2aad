//! What becomes of questions to the authorisation server that end without an answer (RFC 7662; spec §2.3): a connection that ended is
//! not a server that fails, and a client that hangs up keeps nobody from asking.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::json;
use wasm_tests::host::{Answer, Exchange, Gateway, Headers, Module, Upstream};

use super::scene::{Host, apply, every_gateway, judge, jwt_auth, outcome, seconds, send, with};

const SERVER: &str = "as.test:443";

fn active() -> Answer {
    Answer::ok(json!({ "active": true, "scope": "accounts" }).to_string())
}

/// A gateway that asks a server, which answers so to one call after the other and then that the token is active. With how often it was
/// asked.
fn asking(host: Host, answers: Vec<Answer>) -> (Gateway, Rc<Cell<usize>>) {
    let mut configuration = jwt_auth();
    configuration["inbound"]["auth"] = json!({ "client_credentials": {
        "scopes": ["accounts"], "certificate_bound": false,
        "introspection": {
            "url": "https://as.test/introspect", "upstream": SERVER, "timeout": "2s",
            "client_id": "filter", "client_secret": { "value": "s" },
        },
    } });
    let asked = Rc::new(Cell::new(0));
    let counted = Rc::clone(&asked);
    let server = Upstream::scripted(move |headers: &Headers, _| {
        assert!(
            !headers.has("x-envoy-retry-on") && !headers.has("x-envoy-max-retries"),
            "the server need not see them"
        );
        let call = counted.replace(counted.get() + 1);
        answers.get(call).cloned().unwrap_or_else(active)
    });
    let gateway =
        host.with(&configuration).upstream(SERVER, server).start(Module::release()).expect("the gateway starts");
    (gateway, asked)
}

fn status(exchange: &Exchange) -> u16 {
    exchange.reply().unwrap_or_else(|| panic!("{:?}", exchange.outcome())).status
}

#[apply(every_gateway)]
fn a_question_whose_connection_ended_is_asked_once_more_where_the_gateway_keeps_connections(host: Host) {
    for (what, first) in [("reset", Answer::reset()), ("closed while it was made", Answer::refused())] {
        let (gateway, asked) = asking(host, vec![first]);
        let exchange = send(&gateway, with("opaque"));
        if host.answers_for_servers {
            assert_eq!((outcome(&exchange).as_str(), asked.get()), ("admitted", 2), "{what}");
            assert_eq!(judge(&gateway, with("another")), "admitted", "{what}: there is no pause");
        } else {
            assert_eq!((status(&exchange), asked.get()), (503, 1), "{what}");
        }
    }
}

#[apply(every_gateway)]
fn a_second_end_without_an_answer_counts_as_a_fault_of_the_server(host: Host) {
    let (gateway, asked) = asking(host, vec![Answer::reset(); 2]);
    assert_eq!(status(&send(&gateway, with("opaque"))), 503);
    let calls = if host.answers_for_servers { 2 } else { 1 };
    assert_eq!(asked.get(), calls, "once more, and not twice");
    assert_eq!(status(&send(&gateway, with("another"))), 503);
    assert_eq!(asked.get(), calls, "it is left alone for a second");
    gateway.advance(seconds(1));
    let expected = if host.answers_for_servers { 200 } else { 503 };
    let after = send(&gateway, with("opaque"));
    assert_eq!(after.reply().map_or(200, |reply| reply.status), expected, "what answers next");
}

/// Whoever answers was reached: to ask again at once would only add to what it has to do.
#[apply(every_gateway)]
fn what_was_answered_is_not_asked_again(host: Host) {
    for (what, first) in [
        ("503", Answer::status(503).body("{}")),
        ("503 in Envoy's words", Answer::status(503).body("upstream connect error or disconnect/reset before headers")),
        ("500", Answer::status(500).body("{}")),
        ("429", Answer::status(429).body("{}")),
        ("401", Answer::status(401).body("{}")),
        ("HTML", Answer::ok("<html>")),
        ("half an answer", Answer::half()),
        ("silence", Answer::never()),
    ] {
        let (gateway, asked) = asking(host, vec![first]);
        let exchange = gateway.worker(0).send(with("opaque"));
        gateway.advance(seconds(3));
        assert!(exchange.reply().is_some(), "{what}");
        assert_eq!(asked.get(), 1, "{what}");
    }
}

/// Has the server fail, and one request find out whether it is back, to which the server says nothing.
fn probing(host: Host) -> (Gateway, Rc<Cell<usize>>, Exchange) {
    let (gateway, asked) = asking(host, vec![Answer::status(500).body("{}"), Answer::never()]);
    assert_eq!(status(&send(&gateway, with("first"))), 503);
    gateway.advance(seconds(1));
    let probe = gateway.worker(0).send(with("probe"));
    assert_eq!((outcome(&probe).as_str(), asked.get()), ("pending", 2));
    assert_eq!(status(&gateway.worker(0).send(with("second"))), 503, "one finds out for all");
    assert_eq!(asked.get(), 2);
    (gateway, asked, probe)
}

#[apply(every_gateway)]
fn a_client_that_hangs_up_keeps_nobody_from_asking_whether_the_server_is_back(host: Host) {
    let (gateway, asked, probe) = probing(host);
    probe.disconnect();
    let is_told = host.notices_hang_ups && !host.shares_callouts;
    if is_told {
        assert_eq!((judge(&gateway, with("second")).as_str(), asked.get()), ("admitted", 3));
    } else {
        assert_eq!((status(&gateway.worker(0).send(with("second"))), asked.get()), (503, 2));
    }
    // The end of the question itself, or of the pause after it, is the latest at which others may ask.
    gateway.advance(seconds(5));
    assert_eq!(judge(&gateway, with("third")), "admitted");
}

#[apply(every_gateway)]
fn clients_that_ask_and_hang_up_have_a_failing_server_asked_within_bounds(host: Host) {
    let mut answers = vec![Answer::status(500).body("{}")];
    answers.extend(vec![Answer::never(); 100]);
    let (gateway, asked) = asking(host, answers);
    assert_eq!(status(&send(&gateway, with("first"))), 503);
    gateway.advance(seconds(1));
    for n in 0..50 {
        gateway.worker(0).send(with(&format!("t{n}"))).disconnect();
    }
    let calls = asked.get();
    assert!(calls <= 6, "{calls} questions");
}
