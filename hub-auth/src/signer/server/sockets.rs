//! Where it listens: a port of loopback, or a socket in the file system that appears with its mode.

use std::fs::{self, Permissions};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::arguments::{Listen, SocketMode};
use crate::certificates::named;

/// A stream of bytes, from wherever.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection, and who it is from, as far as the system says it.
pub(super) struct Accepted {
    pub(super) stream: Box<dyn Stream>,
    pub(super) client: String,
}

/// What is bound.
pub(in crate::signer) enum Sockets {
    Port(TcpListener),
    Socket(UnixListener, Named),
}

/// A name in the file system, which goes when nobody listens any more.
pub(in crate::signer) struct Named(PathBuf);

impl Drop for Named {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Sockets {
    /// Binds it.
    ///
    /// # Errors
    /// The system refuses, or somebody listens there already.
    pub(in crate::signer) fn bind(listen: &Listen, mode: SocketMode) -> io::Result<Self> {
        match listen {
            Listen::Port(address) => {
                let listener = TcpListener::bind(address)
                    .map_err(|error| io::Error::new(error.kind(), format!("--listen {address}: {error}")))?;
                listener.set_nonblocking(true)?;
                Ok(Self::Port(listener))
            }
            Listen::Socket(path) => {
                let listener = bind_with_mode(path, mode.bits()).map_err(|error| named(path, &error))?;
                listener.set_nonblocking(true)?;
                Ok(Self::Socket(listener, Named(path.clone())))
            }
        }
    }

    /// The same for the runtime in which this is called.
    pub(super) fn listener(self) -> io::Result<Listener> {
        Ok(match self {
            Self::Port(listener) => Listener::Port(tokio::net::TcpListener::from_std(listener)?),
            Self::Socket(listener, named) => Listener::Socket(tokio::net::UnixListener::from_std(listener)?, named),
        })
    }
}

/// Binds a socket in a folder that nobody else can enter, and moves it to its place once it has its mode: there is no moment at which
/// others could connect. One that is left of a process that has ended is replaced.
fn bind_with_mode(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            return Err(io::Error::other("expected a socket or nothing there, got something else"));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody listens there already"));
        }
        Ok(_) | Err(_) => {}
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let private = tempfile::Builder::new().prefix(".s").rand_bytes(4).tempdir_in(folder)?;
    let made = private.path().join("s");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(mode))?;
    fs::rename(&made, path)?;
    Ok(listener)
}

/// What is listened on.
pub(super) enum Listener {
    Port(tokio::net::TcpListener),
    Socket(tokio::net::UnixListener, Named),
}

impl Listener {
    /// Where it is.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Port(listener) => listener.local_addr().map(|address| address.to_string()).unwrap_or_default(),
            Self::Socket(_, Named(path)) => format!("unix:{}", path.display()),
        }
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Port(listener) => {
                let (stream, address) = listener.accept().await?;
                // An answer is one write: it is not to wait for the next.
                stream.set_nodelay(true)?;
                Ok(Accepted { stream: Box::new(stream), client: address.to_string() })
            }
            Self::Socket(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let credentials = stream.peer_cred()?;
                let process = credentials.pid().map(|pid| format!(" pid {pid}")).unwrap_or_default();
                Ok(Accepted { stream: Box::new(stream), client: format!("uid {}{process}", credentials.uid()) })
            }
        }
    }
}
