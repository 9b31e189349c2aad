//! The operator's tool: it says what is wrong with a configuration before a gateway does, by the filter's own code.

mod api_key;
mod arguments;
mod callouts;
mod certificates;
mod check;
mod configurations;
mod configured;
mod doctor;
mod document;
mod environment;
mod expiry;
mod explain;
mod fetch;
mod findings;
mod jwks;
mod key;
mod new_file;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod rsa_key;
mod schema;
mod shell;
#[cfg(feature = "pkcs11")]
mod signer;
mod token;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser as _;

use arguments::{ApiKey, Arguments, Check, Command, Format, Gateway, Key};
use doctor::Health;
use environment::Environment;
use expiry::Outlook;
use findings::{Finding, Severity};

/// The check was made, and something is wrong.
const WRONG: u8 = 1;

/// What was asked for could not be done.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(status) => ExitCode::from(status),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hub-auth: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn run(arguments: Arguments) -> io::Result<u8> {
    match arguments.command {
        Command::Check(arguments) => check(&arguments),
        Command::Explain(arguments) => {
            let accepted = explain::explain(&arguments, &mut io::stdout().lock())?;
            Ok(if accepted { 0 } else { WRONG })
        }
        Command::Jwks(arguments) => {
            let usable = jwks::show(&arguments, &mut io::stdout().lock())?;
            Ok(if usable { 0 } else { WRONG })
        }
        Command::Schema(arguments) => {
            schema::print(&arguments, &mut io::stdout().lock())?;
            Ok(0)
        }
        Command::Doctor(arguments) => Ok(match doctor::doctor(&arguments, &mut anstream::stdout().lock())? {
            Health::Good => 0,
            Health::Wrong => WRONG,
            Health::Unknown => FAILED,
        }),
        Command::Expiry(arguments) => {
            Ok(match expiry::expiry(&arguments, SystemTime::now(), &mut io::stdout().lock())? {
                Outlook::Good => 0,
                Outlook::Soon => WRONG,
                Outlook::Unknown => FAILED,
            })
        }
        Command::Token(arguments) => {
            token::mint(&arguments, &mut io::stdout().lock(), &mut io::stderr().lock())?;
            Ok(0)
        }
        Command::Key(Key::New(arguments)) => {
            key::new(&arguments, &mut io::stdout().lock(), &mut io::stderr().lock())?;
            Ok(0)
        }
        #[cfg(feature = "pkcs11")]
        Command::Signer(arguments) => {
            signer::run(&arguments)?;
            Ok(0)
        }
        #[cfg(not(feature = "pkcs11"))]
        Command::Signer(_) => Err(io::Error::other(
            "this hub-auth was built without PKCS#11, because a static program can load no modules: use another build of it",
        )),
        Command::ApiKey(ApiKey::New(arguments)) => {
            api_key::new(&arguments, SystemTime::now(), &mut io::stdout().lock())?;
            Ok(0)
        }
        Command::Completion(arguments) => {
            shell::complete(arguments.shell, &mut io::stdout().lock())?;
            Ok(0)
        }
        Command::Man(arguments) => {
            shell::write_manual(&arguments.directory, &mut io::stdout().lock())?;
            Ok(0)
        }
    }
}

fn check(arguments: &Check) -> io::Result<u8> {
    let environment = Environment::of(arguments.env_file.as_deref())?;
    let settings = check::Settings {
        gateway: arguments.gateway.map(Gateway::kind),
        environment: &environment,
        side: arguments.environment,
        now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
    };
    let findings: Vec<Finding> = arguments.files.iter().flat_map(|path| check::check(path, &settings)).collect();
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    match arguments.format {
        Format::Json => writeln!(io::stdout(), "{:#}", findings::to_json(&findings))?,
        Format::Human => {
            let mut output = anstream::stdout().lock();
            findings::print(&findings, &mut output)?;
            let files = arguments.files.len();
            writeln!(
                output,
                "{files} {} checked: {errors} {}, {warnings} {}",
                plural(files, "file"),
                plural(errors, "error"),
                plural(warnings, "warning")
            )?;
            if findings.iter().any(|finding| finding.rule == "configuration") {
                writeln!(
                    output,
                    "What depends on several values of a configuration is checked once it has no errors of its own."
                )?;
            }
        }
    }
    if findings.iter().any(|finding| finding.rule == "unreadable") {
        return Ok(FAILED);
    }
    let is_wrong = errors > 0 || (arguments.strict && warnings > 0);
    Ok(if is_wrong { WRONG } else { 0 })
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}
