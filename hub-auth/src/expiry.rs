//! `hub-auth expiry`: when certificates end, for people and for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::arguments::{Expiry, Format};
use crate::certificates::{certificates, named, read_leaf};
use crate::jwks::printable;
use crate::new_file::NewFile;

const DAY: u64 = 24 * 60 * 60;

/// Who may read the metrics: node_exporter is another user.
const ALL: u32 = 0o644;

/// The worst of what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outlook {
    /// No certificate ends soon.
    Good,
    /// One does, or has ended.
    Soon,
    /// A file cannot be read.
    Unknown,
}

/// A file and its certificates, in its order, or why there are none.
struct Seen {
    file: String,
    certificates: io::Result<Vec<Certificate>>,
}

struct Certificate {
    subject: String,
    /// In seconds since 1970.
    ends: u64,
}

/// Prints when the certificates of these files end, and writes the metrics if that is wanted.
///
/// # Errors
/// Writing fails. That a file cannot be read is no error here: the others are told of all the same.
pub(crate) fn expiry(arguments: &Expiry, now: SystemTime, output: &mut dyn Write) -> io::Result<Outlook> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seen: Vec<Seen> = arguments.files.iter().map(|path| look_at(path)).collect();
    if let Some(path) = &arguments.metrics {
        NewFile::write(path, metrics(&seen, now).as_bytes(), ALL)?.publish("--metrics", true)?;
    }
    let soon = now.saturating_add(u64::from(arguments.days).saturating_mul(DAY));
    let outlook = |seen: &Seen| match &seen.certificates {
        Err(_) => Outlook::Unknown,
        Ok(all) if all.iter().any(|certificate| certificate.ends < soon) => Outlook::Soon,
        Ok(_) => Outlook::Good,
    };
    match arguments.format {
        Format::Json => writeln!(output, "{:#}", to_json(&seen))?,
        Format::Human => print(&seen, now, soon, output)?,
    }
    Ok(seen.iter().map(outlook).max().unwrap_or(Outlook::Good))
}

fn look_at(path: &Path) -> Seen {
    let read = || {
        let all = certificates(path)?;
        let certificate = |der| {
            let leaf = read_leaf(der).map_err(|error| named(path, &error))?;
            Ok(Certificate { subject: leaf.subject().to_owned(), ends: leaf.validity().not_after().as_millis() / 1000 })
        };
        all.iter().map(certificate).collect()
    };
    Seen { file: path.display().to_string(), certificates: read() }
}

fn print(seen: &[Seen], now: u64, soon: u64, output: &mut dyn Write) -> io::Result<()> {
    for Seen { file, certificates } in seen {
        match certificates {
            // It begins with the name of the file.
            Err(error) => writeln!(output, "unread  {}", printable(&error.to_string()))?,
            Ok(all) => {
                for Certificate { subject, ends } in all {
                    let (word, when) = match ends.checked_sub(now) {
                        None => ("ENDED", format!("{} days ago", now.saturating_sub(*ends) / DAY)),
                        Some(left) => (if *ends < soon { "SOON" } else { "good" }, format!("in {} days", left / DAY)),
                    };
                    let (file, subject) = (printable(file), printable(subject));
                    writeln!(output, "{word:<6}  {}  {when:>13}  {file}  {subject}", time(*ends))?;
                }
            }
        }
    }
    Ok(())
}

fn to_json(seen: &[Seen]) -> Value {
    let certificate = |one: &Certificate| json!({"subject": one.subject, "ends": time(one.ends)});
    let files = seen.iter().map(|Seen { file, certificates }| match certificates {
        Ok(all) => json!({"file": file, "certificates": all.iter().map(certificate).collect::<Vec<_>>()}),
        Err(error) => json!({"file": file, "error": error.to_string()}),
    });
    json!({"files": files.collect::<Vec<_>>()})
}

/// The exposition format of Prometheus, version 0.0.4. node_exporter drops a whole file in which a series stands twice: so of
/// certificates with one subject in one file, such as an old CA and a new one, only that which ends first is told of.
fn metrics(seen: &[Seen], now: u64) -> String {
    let mut ends = BTreeMap::new();
    let mut readable = BTreeMap::new();
    for Seen { file, certificates } in seen {
        readable.insert(file, u8::from(certificates.is_ok()));
        for certificate in certificates.iter().flatten() {
            let first = ends.entry((file, &certificate.subject)).or_insert(certificate.ends);
            *first = certificate.ends.min(*first);
        }
    }
    let mut text = String::new();
    let mut family = |name: &str, help: &str, series: Vec<(String, u64)>| {
        let name = format!("hub_auth_certificate_{name}");
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (labels, value) in series {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let ends = ends
        .into_iter()
        .map(|((file, subject), ends)| (format!("{{file=\"{}\",subject=\"{}\"}}", label(file), label(subject)), ends));
    let readable = readable.into_iter().map(|(file, is)| (format!("{{file=\"{}\"}}", label(file)), is.into()));
    family("not_after_timestamp_seconds", "When the certificate ends.", ends.collect());
    family("readable", "Whether the file holds certificates.", readable.collect());
    family("checked_timestamp_seconds", "When the files were last looked at.", vec![(String::new(), now)]);
    text
}

/// The value of a label, escaped.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn time(seconds: u64) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    time.map(|time| humantime::format_rfc3339_seconds(time).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(file: &str, certificates: &[(&str, u64)]) -> Seen {
        let one = |(subject, ends): &(&str, u64)| Certificate { subject: (*subject).to_owned(), ends: *ends };
        Seen { file: file.to_owned(), certificates: Ok(certificates.iter().map(one).collect()) }
    }

    #[test]
    fn no_series_stands_twice_and_of_equal_subjects_the_first_end_counts() {
        let twice = [seen("a", &[("CN=x", 30), ("CN=x", 20), ("CN=y", 40)]), seen("a", &[("CN=x", 30)])];
        let text = metrics(&twice, 7);
        let series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            r#"hub_auth_certificate_not_after_timestamp_seconds{file="a",subject="CN=x"} 20"#,
            r#"hub_auth_certificate_not_after_timestamp_seconds{file="a",subject="CN=y"} 40"#,
            r#"hub_auth_certificate_readable{file="a"} 1"#,
            "hub_auth_certificate_checked_timestamp_seconds 7",
        ];
        assert_eq!(series, expected);
    }

    #[test]
    fn names_cannot_break_out_of_their_label() {
        let text = metrics(&[seen("a\"b\\c", &[("O=x\ny", 1)])], 0);
        assert!(text.contains(r#"{file="a\"b\\c",subject="O=x\ny"} 1"#), "{text}");
    }
}
