//! `hub-auth signer`: a daemon beside the gateway that signs tokens of JWT Auth with a key in a hardware security module, behind the API
//! of Vault's Transit engine, which the filter's remote signer speaks (spec §4).
//!
//! The server knows HTTP and no PKCS#11, the token's threads the reverse; they meet at the [`desk::Desk`].

mod desk;
mod input;
mod journal;
mod secrets;
mod server;
mod supervisor;
mod token;
mod transit;

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use crate::arguments::{Listen, Signer};
use crate::pkcs11::KeyUri;
use desk::Desk;
use journal::Journal;
use secrets::{ClientTokens, PinFile};
use server::{Service, Sockets};
use token::{Fault, Keeper};

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// It cannot start: an option or a file is wrong, the address is taken, or the key is not one that it signs with.
pub(crate) fn run(arguments: &Signer) -> io::Result<()> {
    let uri = arguments.key.strip_prefix("pkcs11:").ok_or("expected pkcs11:…, got another text".to_owned());
    let uri = uri.and_then(KeyUri::parse).map_err(|problem| io::Error::other(format!("--key: {problem}")))?;
    if !uri.module_path.is_absolute() {
        return Err(io::Error::other("--key: module-path: expected a path from the root, got another"));
    }
    let pin = PinFile::find(arguments.pin_file.as_deref().or(uri.pin_file.as_deref()))?;
    let clients = ClientTokens::read(arguments.client_token_file.as_deref())?;
    if clients.is_none() && matches!(arguments.listen, Listen::Port(_)) {
        return Err(io::Error::other(
            "expected --client-token-file, because any user of this machine can connect to a port; or listen on unix:/PATH",
        ));
    }
    let sockets = Sockets::bind(&arguments.listen, arguments.socket_mode)?;
    let journal = Arc::new(Journal::start(&arguments.name, arguments.key_version));
    let desk = Arc::new(Desk::default());
    let keeper = Keeper::new(arguments, uri, pin, Arc::clone(&desk), Arc::clone(&journal))?;
    let (first, opened) = mpsc::channel();
    let keeping = thread::Builder::new().name("token".to_owned()).spawn(move || keeper.keep(&first))?;
    // Whether the first try succeeded or may succeed later: only what time does not cure ends it here.
    if let Ok(Err(Fault::Lasting(problem))) = opened.recv() {
        let _ = keeping.join();
        return Err(io::Error::other(problem));
    }
    let service = Service::new(arguments, clients, Arc::clone(&desk), Arc::clone(&journal));
    let served = server::serve(sockets, service, &desk, &journal);
    desk.close();
    if keeping.join().is_err() {
        return Err(io::Error::other("the thread that keeps the token has ended by a fault of this program"));
    }
    journal.note("stopped", None);
    journal.end();
    served
}
