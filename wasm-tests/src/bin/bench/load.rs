//! The caller, made as cheap as a caller can be, because it shares the machine with Envoy: requests that were written before,
//! on a few mutual-TLS connections that stay open, from one thread that never polls. All connections have a request under way;
//! answers are read in turn, each followed by the next request on its connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use wasm_tests::stage::client;
use wasm_tests::stage::pki::{Identity, LISTENER_NAME, Pki};
use wasm_tests::stage::tokens::uuid;

/// Connections, each with one request under way.
pub(crate) const CONNECTIONS: usize = 8;
/// What Envoy answers to whoever gets past the filter.
pub(crate) const BODY: &str = "accepted";
/// How such an answer ends.
const ACCEPTED: &[u8] = b"\r\n\r\naccepted";
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request as the Hub sends it, with this token.
pub(crate) fn request(token: &str) -> Vec<u8> {
    let id = uuid();
    format!(
        "GET /accounts HTTP/1.1\r\nhost: {LISTENER_NAME}\r\naccept: application/json\r\nuser-agent: hub\r\n\
         o3-provider-id: retail\r\no3-caller-interaction-id: {id}\r\no3-ozone-interaction-id: {id}\r\n\
         x-fapi-interaction-id: {id}\r\nauthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

/// When to stop sending.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// After so many requests.
    Sent(usize),
    /// After this time.
    Passed(Duration),
}

/// Open connections of the Hub.
pub(crate) struct Load(Vec<Lane>);

impl Load {
    /// Opens so many.
    pub(crate) fn open(address: SocketAddr, connections: usize) -> Self {
        Self::open_as(&Pki::shared().hub.transport, address, connections)
    }

    /// Opens so many of somebody else, with this client certificate.
    pub(crate) fn open_as(identity: &Identity, address: SocketAddr, connections: usize) -> Self {
        Self((0..connections).map(|_| Lane::open(identity, address)).collect())
    }

    /// Sends these requests over and over again, and waits for all answers: how many there were, and how long it took.
    /// All must be 200.
    pub(crate) fn run(&mut self, requests: &[Vec<u8>], until: Until) -> (usize, Duration) {
        let started = Instant::now();
        let mut sent = 0;
        let mut requests = requests.iter().cycle();
        let mut send = |lane: &mut Lane| {
            let more = match until {
                Until::Sent(all) => sent < all,
                Until::Passed(time) => started.elapsed() < time,
            };
            if more {
                lane.send(requests.next().expect("a request"));
                sent += 1;
            }
            more
        };
        let mut waiting: Vec<bool> = self.0.iter_mut().map(&mut send).collect();
        while waiting.contains(&true) {
            for (lane, waiting) in self.0.iter_mut().zip(&mut waiting).filter(|(_, waiting)| **waiting) {
                let status = lane.receive();
                assert_eq!(status, 200, "a request was refused while it was measured");
                *waiting = send(lane);
            }
        }
        (sent, started.elapsed())
    }

    /// Sends one request: the status of the answer.
    pub(crate) fn status(&mut self, request: &[u8]) -> u16 {
        let lane = self.0.first_mut().expect("a connection");
        lane.send(request);
        lane.receive()
    }
}

/// One connection.
struct Lane {
    stream: StreamOwned<ClientConnection, TcpStream>,
    received: Vec<u8>,
}

impl Lane {
    fn open(identity: &Identity, address: SocketAddr) -> Self {
        let pki = Pki::shared();
        let socket = TcpStream::connect(address).expect("a connection");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let tls = Arc::new(client::tls(&pki.root(), Some(identity)));
        let name = ServerName::try_from(LISTENER_NAME).expect("a host name");
        let mut stream = StreamOwned::new(ClientConnection::new(tls, name).expect("a TLS client"), socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).expect("a handshake");
        }
        Self { stream, received: Vec::new() }
    }

    fn send(&mut self, request: &[u8]) {
        self.stream.write_all(request).and_then(|()| self.stream.flush()).expect("an open connection");
    }

    /// Reads one whole answer, after which nothing can follow: its status.
    fn receive(&mut self) -> u16 {
        self.received.clear();
        loop {
            // Told by its end, without a look at all of it: this is built without optimisation.
            let accepted = self.received.starts_with(b"HTTP/1.1 200 ") && self.received.ends_with(ACCEPTED);
            if let Some(status) = if accepted { Some(200) } else { status(&self.received) } {
                return status;
            }
            let mut chunk = [0; 4096];
            let read = self.stream.read(&mut chunk).expect("an answer in time");
            assert_ne!(read, 0, "the connection was closed");
            self.received.extend_from_slice(&chunk[..read]);
        }
    }
}

/// The status of this answer, if all of it is there.
fn status(received: &[u8]) -> Option<u16> {
    let head = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&received[..head]).expect("a head in ASCII");
    let length = text.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse::<usize>().expect("a length"));
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (received.len() >= head + length).then_some(status)
}
