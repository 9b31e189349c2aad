//! Where a host is: its own address, or one that the user named for it; and connections that end in time.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::ServerName;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::arguments::ConnectTo;

/// A server with TLS.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Its name in TLS and in `Host`.
    pub(super) host: String,
    port: u16,
    ways: Ways,
    timeout: Duration,
}

/// The addresses that the user named.
#[derive(Debug, Clone)]
pub(super) struct Ways(Vec<ConnectTo>);

impl Ways {
    pub(super) fn new(named: &[ConnectTo]) -> Self {
        Self(named.to_vec())
    }

    fn to(&self, host: &str) -> Option<SocketAddr> {
        self.0.iter().find(|way| way.host.eq_ignore_ascii_case(host)).map(|way| way.address)
    }
}

impl Server {
    /// The server of an `https://` URL.
    ///
    /// # Errors
    /// It is another URL.
    pub(super) fn of_url(url: &str, ways: &Ways, timeout: Duration) -> io::Result<Self> {
        let wrong = || io::Error::other(format!("{url}: expected https:// with a host and, if need be, a port"));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let has_more = !matches!(uri.path(), "" | "/") || uri.query().is_some();
        if has_more
            || uri.scheme_str() != Some("https")
            || uri.authority().is_some_and(|text| text.as_str().contains('@'))
        {
            return Err(wrong());
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let server = Self { host, port: uri.port_u16().unwrap_or(443), ways: ways.clone(), timeout };
        server.name().ok_or_else(wrong)?;
        Ok(server)
    }

    /// Its name, for TLS.
    pub(super) fn name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.host.clone()).ok()
    }

    /// A connection to it, of which each read and write ends in time.
    ///
    /// # Errors
    /// No address is known, or none takes a connection.
    pub(super) fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "no address is known for this host");
        for address in self.addresses()? {
            match TcpStream::connect_timeout(&address, self.timeout) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(self.timeout))?;
                    stream.set_write_timeout(Some(self.timeout))?;
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
            }
        }
        Err(last)
    }

    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = self.ways.to(&self.host) {
            return Ok(vec![address]);
        }
        // The system's resolver knows no time limit.
        let (sender, receiver) = mpsc::channel();
        let of = (self.host.clone(), self.port);
        thread::spawn(move || {
            let _ = sender.send(of.to_socket_addrs().map(Iterator::collect::<Vec<_>>));
        });
        let failed = |what: &str| io::Error::other(format!("no address is known for {}: {what}", self.host));
        match receiver.recv_timeout(self.timeout) {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(failed(&error.to_string())),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, failed("no answer in time"))),
        }
    }
}

impl Resolver for Ways {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(address) = uri.host().and_then(|host| self.to(host)) else {
            return DefaultResolver::default().resolve(uri, config, timeout);
        };
        let mut addresses = self.empty();
        addresses.push(address);
        Ok(addresses)
    }
}
