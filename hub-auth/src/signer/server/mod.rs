//! The server: HTTP/1.1 on a port of loopback or a socket in the file system, for a few clients that are right here.

mod connections;
mod limit;
mod service;
mod sockets;

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::desk::Desk;
use super::journal::Journal;
use super::supervisor;
use connections::Connections;
pub(super) use service::Service;
pub(super) use sockets::Sockets;
use sockets::{Accepted, Listener};

/// The longest head of a request: a token of 4 KiB and what goes with it.
const LONGEST_HEAD: usize = 16 * 1024;

/// How long requests that are under way get to end, after SIGTERM.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The module does not answer for so long: nothing helps but to start anew, which the watchdog does.
const STUCK: Duration = Duration::from_secs(30);

/// Serves until SIGTERM or SIGINT, and then until what is under way has ended.
///
/// # Errors
/// There is no runtime, or the socket cannot be used.
pub(super) fn serve(sockets: Sockets, service: Service, desk: &Desk, journal: &Journal) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let listener = sockets.listener()?;
        let mut signals = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        journal.note("listening", Some(&listener.name()));
        supervisor::tell("READY=1");
        let service = Arc::new(service);
        let connections = Arc::new(Connections::new(service.max_connections()));
        let (stop, stopping) = watch::channel(false);
        let [terminate, interrupt] = &mut signals;
        tokio::select! {
            () = accept(&listener, &service, &connections, &stopping) => {}
            () = keep_the_watchdog_quiet(desk) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        supervisor::tell("STOPPING=1");
        drop((listener, stopping));
        // Whoever still has a connection ends it after its request.
        let _ = stop.send(true);
        let _ = timeout(LAST_WORDS, stop.closed()).await;
        Ok(())
    });
    // A signature that nobody waits for any more may still be made.
    runtime.shutdown_background();
    served
}

async fn accept(
    listener: &Listener,
    service: &Arc<Service>,
    connections: &Arc<Connections>,
    stopping: &watch::Receiver<bool>,
) {
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                let (service, connections, stopping) = (Arc::clone(service), Arc::clone(connections), stopping.clone());
                tokio::spawn(connection(accepted, service, connections, stopping));
            }
            // No descriptors are left, or the like: others may end meanwhile.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// One connection, until it ends, is too slow, has to make room for another one, or the daemon stops.
async fn connection(
    accepted: Accepted,
    service: Arc<Service>,
    connections: Arc<Connections>,
    mut stopping: watch::Receiver<bool>,
) {
    let Some(place) = connections.enter() else { return };
    let client: Arc<str> = accepted.client.into();
    let answering = service_fn(|request| {
        let (service, client, place) = (Arc::clone(&service), Arc::clone(&client), place.clone());
        async move { Ok::<_, std::convert::Infallible>(service.answer(request, &client, &place).await) }
    });
    let mut serving: Pin<&mut _> = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(service.idle_timeout())
            .max_buf_size(LONGEST_HEAD)
            .serve_connection(TokioIo::new(accepted.stream), answering)
    );
    let ends: &mut (dyn Future<Output = ()> + Send + Unpin) = &mut pin!(async {
        // An error is that the other side does, too.
        let _ = stopping.wait_for(|stop| *stop).await;
    });
    tokio::select! {
        _ = serving.as_mut() => return,
        () = place.has_to_go() => return,
        () = ends => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = serving.await;
}

/// Tells systemd that all is well, for as long as the module answers.
async fn keep_the_watchdog_quiet(desk: &Desk) {
    let Some(period) = supervisor::watchdog() else { return std::future::pending().await };
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if desk.longest_call() < STUCK {
            supervisor::tell("WATCHDOG=1");
        }
    }
}
