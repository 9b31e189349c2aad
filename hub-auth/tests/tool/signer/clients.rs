//! Clients that want too much, come too slowly or are somebody else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use wasm_tests::stage::client::{Connection, Request};
use wasm_tests::stage::module_signer::{self, CLIENT_TOKEN, HEALTH_PATH, ModuleSigner, Secrets};
use wasm_tests::stage::openbao::{KEY_PATH, SIGN_PATH};

use super::{LABEL, body, claims, input, module, request, sign, started, tool};
use crate::text;

#[tokio::test]
async fn more_signatures_than_allowed_are_refused_and_soon_there_are_more() {
    let (signer, _module) = started(&["--max-signatures-per-second", "5"]).await;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let reply = sign(&signer).await;
        assert_eq!(reply.header("retry-after"), (reply.status == 429).then_some("1"));
        statuses.push(reply.status);
    }
    assert_eq!(statuses[..5], [200; 5]);
    assert!(statuses.contains(&429), "{statuses:?}");
    // What asks for no signature costs none.
    assert_eq!(signer.ask(Request::new("GET", KEY_PATH)).await.status, 200);
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(sign(&signer).await.status, 200);
}

/// A head of which a byte comes now and then, and a body that never comes whole.
#[tokio::test]
async fn who_sends_slowly_is_left_and_stops_nobody() {
    let (signer, _module) = started(&["--idle-timeout", "700ms", "--timeout", "700ms", "--max-connections", "8"]).await;
    let head = format!(
        "POST {SIGN_PATH} HTTP/1.1\r\nhost: a\r\nx-vault-token: {CLIENT_TOKEN}\r\ncontent-length: 400\r\n\r\n{{"
    );
    let mut slow = Vec::new();
    for number in 0..20 {
        let mut stream = TcpStream::connect(signer.address()).await.expect("a connection");
        let start = if number % 2 == 0 { "POST /v1/tra" } else { head.as_str() };
        stream.write_all(start.as_bytes()).await.expect("an open connection");
        slow.push(stream);
        let asked = Instant::now();
        assert_eq!(sign(&signer).await.status, 200);
        assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    }
    let started = Instant::now();
    for mut stream in slow {
        let mut answer = Vec::new();
        let _ = stream.write_all(b"x").await;
        let ended = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "a slow connection is still open");
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn who_opens_connections_keeps_nobody_out_and_who_is_known_stays() {
    let (signer, _module) = started(&["--max-connections", "4"]).await;
    let asked = request(&body(&input(&claims()))).header("x-vault-token", CLIENT_TOKEN);
    let mut known = Connection::open_plain(signer.address(), "localhost").await.expect("a connection");
    assert_eq!(known.send(&asked).await.reply().status, 200);
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(TcpStream::connect(signer.address()).await.expect("a connection"));
        assert_eq!(signer.send(&Request::new("GET", HEALTH_PATH)).await.status, 200);
    }
    assert_eq!(known.send(&asked).await.reply().status, 200, "the same connection");
}

#[tokio::test]
async fn a_socket_is_for_its_owner_or_also_its_group_and_goes_with_the_daemon() {
    let module = module();
    let path = module.folder().join("socket");
    for (arguments, mode) in [(&[][..], 0o600), (&["--socket-mode", "0660"][..], 0o660)] {
        let mut signer = ModuleSigner::on_socket(tool(), &module, LABEL, arguments).await;
        assert_eq!(fs::metadata(&path).expect("a socket").permissions().mode() & 0o7777, mode);
        assert_eq!(sign(&signer).await.status, 200);
        let client = signer.events("signature")[0]["client"].clone();
        assert!(client.as_str().is_some_and(|text| text.contains(&format!("pid {}", std::process::id()))), "{client}");

        let mut second = module_signer::command(tool(), &module, &Secrets::of(&module));
        let listen = format!("unix:{}", path.display());
        let second = second.args(["--key", &module.uri(LABEL), "--listen", &listen]).output().expect("the tool starts");
        assert!(text(&second.stderr).contains("somebody listens there already"), "{}", text(&second.stderr));
        assert_eq!(sign(&signer).await.status, 200);

        signer.terminate();
        assert!(signer.ended().await.success());
        assert!(!path.exists());
    }
    // What a process that was killed has left is replaced, and nothing else is.
    let signer = ModuleSigner::on_socket(tool(), &module, LABEL, &[]).await;
    drop(signer);
    assert!(path.exists());
    let signer = ModuleSigner::on_socket(tool(), &module, LABEL, &[]).await;
    assert_eq!(sign(&signer).await.status, 200);
    drop(signer);
    fs::remove_file(&path).and_then(|()| fs::write(&path, "not a socket")).expect("a file");
    let mut other = module_signer::command(tool(), &module, &Secrets::of(&module));
    let listen = format!("unix:{}", path.display());
    let other = other.args(["--key", &module.uri(LABEL), "--listen", &listen]).output().expect("the tool starts");
    assert!(text(&other.stderr).contains("expected a socket or nothing there"), "{}", text(&other.stderr));
    assert!(fs::read_to_string(&path).is_ok_and(|text| text == "not a socket"));
}

/// Who may open the socket says enough.
#[tokio::test]
async fn on_a_socket_no_token_of_a_client_is_needed() {
    let module = module();
    let secrets = Secrets::of(&module);
    let listen = format!("unix:{}", module.folder().join("socket").display());
    let pin = secrets.pin.to_str().expect("UTF-8");
    let mut command = crate::command(&["signer", "--key", &module.uri(LABEL), "--listen", &listen, "--pin-file", pin]);
    let signer = ModuleSigner::start(
        {
            module.in_environment(&mut command);
            command
        },
        module.folder(),
    )
    .await;
    assert_eq!(signer.send(&request(&body(&input(&claims())))).await.status, 200);
}
