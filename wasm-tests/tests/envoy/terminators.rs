//! The Hub's certificate by way of a terminator of TLS: a real nginx and a real HAProxy on their shipped files, in front of Envoy
//! (spec §2.1). Only the terminator that is pinned may say who calls, and only of whom it verified.

use serde_json::Value;
use wasm_tests::stage::client::{Connection, Outcome, Reply, Request};
use wasm_tests::stage::pki::{ARABIC_HUB_UNIT, GATEWAY_NAME, Identity, PROXY_UNIT, Pki};
use wasm_tests::stage::terminator::{Fronted, Kind, behind_the_internal_ca};
use wasm_tests::stage::{Setup, signed_by};

/// A right request of the Hub.
fn right() -> Request {
    Request::with_token(&signed_by(&Pki::shared().hub))
}

/// With the headers that the terminator would set for this certificate.
fn forwarding(kind: Kind, request: Request, identity: &Identity) -> Request {
    kind.headers(identity).into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

#[track_caller]
fn assert_refused(reply: &Reply, status: u16, code: &str, what: &str) {
    assert_eq!((reply.status, reply.error_code().as_deref()), (status, Some(code)), "{what}");
}

#[tokio::test]
async fn the_hub_is_known_behind_nginx_and_haproxy_and_nobody_else_is() {
    for kind in Kind::ALL {
        let fronted = Fronted::start(kind, Setup::new().pin(ARABIC_HUB_UNIT), &[]).await;
        let pki = fronted.stage.pki;
        for party in [&pki.hub, &pki.arabic_hub] {
            let request = Request::with_token(&signed_by(party));
            assert_eq!(fronted.send(Some(&party.transport), &request).await.reply().status, 200, "{kind:?}");
            let received = fronted.stage.bank.received();
            let organisation = received.last().expect("a request").value("x-hub-client-organisation");
            assert_eq!(organisation, Some(party.subject.organisation.as_str()), "{kind:?}");
        }
        let reply = fronted.send(Some(&pki.tpp.transport), &right()).await.reply();
        assert_refused(&reply, 403, "Certificate.NotAllowed", "another participant");
        for (what, identity) in [("nobody", None), ("another CA", Some(&pki.stranger)), ("expired", Some(&pki.expired))]
        {
            match fronted.send(identity, &right()).await {
                Outcome::Refused(_) => assert_eq!(kind, Kind::HaProxy, "{what}"),
                Outcome::Reply(reply) => assert_eq!((kind, reply.status), (Kind::Nginx, 400), "{what}"),
            }
        }
        assert_eq!(fronted.stage.bank.received().len(), 2, "{kind:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_the_caller_forwards_itself_is_replaced() {
    for kind in Kind::ALL {
        let fronted = Fronted::start(kind, Setup::new(), &[]).await;
        let pki = fronted.stage.pki;
        let as_hub = |request| forwarding(kind, request, &pki.hub.transport);
        let shouted = kind
            .headers(&pki.hub.transport)
            .into_iter()
            .fold(right(), |request, (name, value)| request.header(&name.to_uppercase(), &value).header(name, value));
        for forged in [as_hub(right()), as_hub(as_hub(right())), shouted] {
            let reply = fronted.send(Some(&pki.tpp.transport), &forged).await.reply();
            assert_refused(&reply, 403, "Certificate.NotAllowed", "the terminator's word replaces it");
        }
        // In a spelling that some backends take for the same header.
        let underscored = kind
            .headers(&pki.hub.transport)
            .into_iter()
            .fold(right(), |request, (name, value)| request.header(&name.replace('-', "_"), value));
        let reply = fronted.send(Some(&pki.tpp.transport), &underscored).await.reply();
        assert!(matches!(reply.status, 400 | 403), "{kind:?}: {}", reply.status);
        assert_eq!(fronted.stage.bank.received(), [], "{kind:?}");

        // The Hub is the Hub, whatever somebody on the way wrote.
        let confused = forwarding(kind, right(), &pki.tpp.transport);
        assert_eq!(fronted.send(Some(&pki.hub.transport), &confused).await.reply().status, 200, "{kind:?}");
        let sent = fronted.stage.bank.received().remove(0);
        let [(certificate, value), (verify, said)] = kind.headers(&pki.hub.transport);
        assert_eq!(sent.value(certificate), Some(value.as_str()), "{kind:?}");
        assert_eq!(sent.value(verify), Some(said.as_str()), "{kind:?}");
    }
}

#[tokio::test]
async fn past_the_terminator_nobody_is_believed_but_its_own_certificate() {
    for kind in Kind::ALL {
        let fronted = Fronted::start(kind, Setup::new(), &[]).await;
        let pki = fronted.stage.pki;
        let forged = forwarding(kind, right(), &pki.hub.transport);

        let reply = fronted.send_past(Some(&pki.batch), &forged).await.reply();
        assert_refused(&reply, 401, "Certificate.Missing", "another certificate of the same CA");
        let told = reply.json()["errorMessage"].as_str().unwrap_or_default().to_owned();
        assert!(told.contains("the OU of the proxy that forwards it is not allowed"), "{told}");
        let logged = fronted.stage.envoy.events("refused");
        assert_eq!(logged.last().map(|event| &event["code"]), Some(&Value::from("Certificate.Missing")), "{kind:?}");
        for (what, identity) in [("no certificate", None), ("the Hub's own", Some(&pki.hub.transport))] {
            let outcome = fronted.send_past(identity, &forged).await;
            assert!(matches!(outcome, Outcome::Refused(_)), "{what}: {outcome:?}");
        }
        assert_eq!(fronted.stage.bank.received(), [], "{kind:?}");
        assert_eq!(fronted.send_past(Some(&pki.proxy), &forged).await.reply().status, 200, "{kind:?}");
        // The terminator's certificate is not the Hub's.
        let reply = fronted.send_past(Some(&pki.proxy), &right()).await.reply();
        assert_refused(&reply, 401, "Certificate.Missing", "no forwarded certificate");
    }
}

#[tokio::test]
async fn a_client_that_the_terminator_lets_in_unverified_is_refused() {
    for (kind, strict, lax) in [
        (Kind::Nginx, "ssl_verify_client on;", "ssl_verify_client optional_no_ca;"),
        (Kind::HaProxy, "verify required alpn", "verify optional ca-ignore-err all crt-ignore-err all alpn"),
    ] {
        let fronted = Fronted::start(kind, Setup::new(), &[(strict, lax)]).await;
        let pki = fronted.stage.pki;
        for (what, identity) in [
            ("no certificate", None),
            ("the Hub's subject from another CA", Some(&pki.stranger)),
            ("the Hub's subject signed by itself", Some(&pki.self_signed)),
        ] {
            for request in [right(), forwarding(kind, right(), &pki.hub.transport)] {
                let reply = fronted.send(identity, &request).await.reply();
                assert_refused(&reply, 401, "Certificate.Missing", &format!("{what} {kind:?}"));
            }
        }
        assert_eq!(fronted.stage.bank.received(), [], "{kind:?}");
        assert_eq!(fronted.send(Some(&pki.hub.transport), &right()).await.reply().status, 200, "{kind:?}");
    }
}

#[tokio::test]
async fn the_header_of_an_envoy_in_front_is_believed_from_its_certificate_alone() {
    let source = format!(r#"{{"forwarded_header": {{"proxy": {{"organisational_units": ["{PROXY_UNIT}"]}}}}}}"#);
    let stage = behind_the_internal_ca(Setup::new(), &source)
        .edit("forward_client_cert_details: SANITIZE_SET", "forward_client_cert_details: FORWARD_ONLY")
        .start()
        .await;
    let pki = stage.pki;
    let (name, unit) = (&pki.hub.subject.common_name, &pki.hub.subject.organisational_unit);
    let subject = format!("CN={name},OU={unit},O=Ozone Financial Technology\\, Limited,C=AE");
    let request = right().header("x-forwarded-client-cert", format!("Subject=\"{subject}\""));
    let send = async |identity: &'static Identity| {
        let (address, root) = (stage.envoy.address(), pki.internal_root());
        let connection = Connection::open_to(GATEWAY_NAME, address, &root, Some(identity)).await;
        connection.expect("a connection").send(&request).await.reply()
    };
    assert_refused(&send(&pki.batch).await, 401, "Certificate.Missing", "another certificate of the same CA");
    assert_eq!(stage.bank.received(), []);
    assert_eq!(send(&pki.proxy).await.status, 200);
}
