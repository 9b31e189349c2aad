//! The token: a thread that opens it, and opens it again whenever it was lost, and one for each session, which sign.

mod login;
mod opened;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use cryptoki::context::Pkcs11;
use cryptoki::session::Session;

use super::desk::{Desk, Failure, Job, Next, PublicHalf};
use super::journal::{Journal, Outcome};
use super::secrets::PinFile;
use super::supervisor;
use crate::arguments::Signer;
use crate::pkcs11::{KeyUri, said};
use login::Login;
use opened::{Opened, Sessions};

/// The pauses between two tries to open the token: the first one, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// After so long without work a session looks whether the token is still there.
const IDLE: Duration = Duration::from_secs(2);

/// Why the token cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Time does not cure it.
    Lasting(String),
    /// The PIN is wrong, and must not be tried again.
    Pin(String),
    /// It may be there later.
    Passing(String),
}

impl Fault {
    fn text(&self) -> &str {
        match self {
            Self::Lasting(text) | Self::Pin(text) | Self::Passing(text) => text,
        }
    }
}

/// Who keeps the token open.
pub(super) struct Keeper {
    module: Pkcs11,
    uri: KeyUri,
    login: Login,
    sessions: u16,
    allow_extractable: bool,
    desk: Arc<Desk>,
    journal: Arc<Journal>,
    /// The key that was there first. Another one under its name is another key.
    key: Option<Arc<PublicHalf>>,
}

impl Keeper {
    /// Loads the module, which stays loaded.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub(super) fn new(
        arguments: &Signer,
        uri: KeyUri,
        pin: PinFile,
        desk: Arc<Desk>,
        journal: Arc<Journal>,
    ) -> io::Result<Self> {
        let module = Pkcs11::new(&uri.module_path).map_err(|error| {
            io::Error::other(format!("{}: the module cannot be loaded: {}", uri.module_path.display(), said(&error)))
        })?;
        Ok(Self {
            module,
            uri,
            login: Login::new(pin),
            sessions: arguments.sessions,
            allow_extractable: arguments.allow_extractable,
            desk,
            journal,
            key: None,
        })
    }

    /// Keeps the token open until nothing more will come. Whoever has `first` is told how the first try ended; with a lasting fault it was
    /// the only one.
    pub(super) fn keep(mut self, first: &Sender<Result<(), Fault>>) {
        let mut pause = FIRST_PAUSE;
        let mut is_first = true;
        let mut told = None;
        loop {
            let fault = match self.open() {
                Ok((opened, sessions)) => {
                    told = None;
                    let _ = first.send(Ok(()));
                    is_first = false;
                    let (fault, signed) = self.serve(&opened, sessions);
                    if signed {
                        pause = FIRST_PAUSE;
                    }
                    fault
                }
                Err(fault) => Some(fault),
            };
            // Sessions and objects end with it.
            let _ = self.desk.during(|| self.module.clone().finalize());
            if let Some(fault) = fault {
                let ends = is_first && matches!(fault, Fault::Lasting(_));
                let _ = first.send(Err(fault.clone()));
                if ends {
                    return;
                }
                is_first = false;
                if told.as_ref() != Some(&fault) {
                    self.journal.note("token_away", Some(fault.text()));
                    supervisor::tell(&format!("STATUS=No token: {}", fault.text()));
                    told = Some(fault);
                }
            }
            if self.desk.is_closed_after(pause) {
                return;
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    fn open(&mut self) -> Result<(Opened, Sessions), Fault> {
        let Self { module, uri, login, sessions, allow_extractable, desk, .. } = self;
        let (opened, sessions) = desk.during(|| Opened::open(module, uri, login, *sessions, *allow_extractable))?;
        let key = self.key.get_or_insert_with(|| Arc::clone(&opened.public_half));
        if **key != *opened.public_half {
            return Err(Fault::Passing(format!(
                "{}: the token has another key of this name than before: start hub-auth signer anew if that is meant",
                opened.place
            )));
        }
        for remark in &opened.remarks {
            self.journal.note("warning", Some(remark));
        }
        Ok((opened, sessions))
    }

    /// Signs until the token is lost, and why, or until nothing more will come; and whether anything was signed.
    fn serve(&self, opened: &Opened, sessions: Sessions) -> (Option<Fault>, bool) {
        let Sessions { login, signing } = sessions;
        self.desk.open(Arc::clone(&opened.public_half));
        self.journal.note("token_there", Some(&opened.place));
        supervisor::tell("STATUS=Signing.");
        let ends: Vec<(Option<String>, bool)> = thread::scope(|scope| {
            let sessions: Vec<_> =
                signing.into_iter().map(|session| scope.spawn(move || self.work(opened, &session))).collect();
            let lost = || (Some("a session has ended by a fault of this program".to_owned()), false);
            sessions.into_iter().map(|session| session.join().unwrap_or_else(|_| lost())).collect()
        });
        drop(login);
        let signed = ends.iter().any(|(_, signed)| *signed);
        let problem = ends.into_iter().find_map(|(problem, _)| problem);
        (problem.map(|problem| Fault::Passing(format!("{}: {problem}", opened.place))), signed)
    }

    /// One session: signs what comes, until the token is lost, and why, or until nothing more will come; and whether it signed anything.
    fn work(&self, opened: &Opened, session: &Session) -> (Option<String>, bool) {
        let mut signed = false;
        loop {
            match self.desk.next(IDLE) {
                Next::Job(job) if job.reply.is_closed() => self.fail(*job, "who asked has gone before it was signed"),
                Next::Job(job) => match self.desk.during(|| opened.sign(session, &job.input)) {
                    Ok(signature) => {
                        signed = true;
                        self.hand_over(*job, signature);
                    }
                    Err(problem) => {
                        // Before anybody is told: whoever asks next is to wait for a new session.
                        self.lose();
                        self.fail(*job, &problem);
                        return (Some(problem), signed);
                    }
                },
                Next::Idle => {
                    if let Err(problem) = self.desk.during(|| opened.look(session)) {
                        self.lose();
                        return (Some(problem), signed);
                    }
                }
                Next::End => return (None, signed),
            }
        }
    }

    /// The token is lost, and all who wait for it are told.
    fn lose(&self) {
        for job in self.desk.lose() {
            self.fail(*job, "the token was lost before it was signed");
        }
    }

    /// Tells that there is no signature.
    fn fail(&self, job: Job, reason: &str) {
        let _ = self.journal.signature(&job.entry, Outcome::Failed, 503, Some(reason));
        // Who has gone needs no answer.
        let _ = job.reply.send(Err(Failure::Away));
    }

    /// Gives a signature to whoever waits for it, once the journal has it.
    fn hand_over(&self, job: Job, signature: Vec<u8>) {
        let Job { entry, reply, .. } = job;
        let outcome = if reply.is_closed() { Outcome::Abandoned } else { Outcome::Signed };
        let written = self.journal.signature(&entry, outcome, 200, None);
        let _ = reply.send(written.map(|()| signature).map_err(|_| Failure::NotWritten));
    }
}
