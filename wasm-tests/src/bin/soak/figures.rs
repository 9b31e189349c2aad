//! What was sent, and what came of it, as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The figures of one Envoy so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Its name.
    pub(crate) name: &'static str,
    /// Good requests that were answered.
    pub(crate) good: u64,
    /// Those that went on.
    pub(crate) admitted: u64,
    /// Those that were refused because a server was away that they take.
    pub(crate) excused: u64,
    /// Those that were refused although it was not, by answer.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Hostile requests that were answered.
    pub(crate) hostile: u64,
    /// Hostile requests that have reached the bank, by what is wrong with them.
    pub(crate) doors: BTreeMap<String, u64>,
    /// Requests that have reached the Hub without a right token, by what is wrong with it.
    pub(crate) unsigned: BTreeMap<String, u64>,
    /// How often a server was in trouble.
    pub(crate) troubles: u64,
    /// Resident memory of Envoy in bytes: at the start, now, and the most.
    pub(crate) memory: (u64, u64, u64),
    /// How many VMs Envoy has made beyond those of the start: after a trap it makes another.
    pub(crate) more_vms: u64,
}

impl Figures {
    /// Requests that came where they must not: 0.
    pub(crate) fn open_doors(&self) -> u64 {
        self.doors.values().chain(self.unsigned.values()).sum()
    }

    /// A line for each answer to good requests that nothing excuses, and for each door.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let lines = |what: &str, counts: &BTreeMap<String, u64>| {
            counts.iter().map(|(why, count)| format!("{}: {count} {what}: {why}", self.name)).collect::<Vec<_>>()
        };
        [
            lines("good requests refused without excuse", &self.refused),
            lines("DOORS OPEN", &self.doors),
            lines("REQUESTS LEFT UNSIGNED", &self.unsigned),
        ]
        .concat()
    }

    fn cells(&self) -> Vec<String> {
        let total = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>().to_string();
        let (start, now, most) = self.memory;
        vec![
            self.name.to_owned(),
            self.good.to_string(),
            self.admitted.to_string(),
            self.excused.to_string(),
            total(&self.refused),
            self.hostile.to_string(),
            total(&self.doors),
            total(&self.unsigned),
            self.troubles.to_string(),
            mebibytes(start),
            mebibytes(now),
            mebibytes(most),
            self.more_vms.to_string(),
        ]
    }
}

/// A table under this headline, a row for each.
pub(crate) fn report(headline: &str, all: &[Figures]) -> String {
    const TITLES: [&str; 13] = [
        "good",
        "admitted",
        "excused",
        "refused",
        "hostile",
        "doors",
        "unsigned",
        "troubles",
        "MiB at first",
        "now",
        "most",
        "VMs anew",
        "",
    ];
    let titles = [headline].into_iter().chain(TITLES).take(TITLES.len()).map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = [titles].into_iter().chain(all.iter().map(Figures::cells)).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..TITLES.len()).filter_map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (number, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if number == 0 { write!(line, "{cell:<width$}") } else { write!(line, "  {cell:>width$}") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes / (1 << 20) * 10 + bytes % (1 << 20) * 10 / (1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        Figures {
            name: "keys",
            good: 1200,
            admitted: 1190,
            excused: 7,
            refused: BTreeMap::from([("503 GenericRecoverableError".to_owned(), 3)]),
            hostile: 90,
            troubles: 4,
            memory: (100 << 20, (107 << 20) + (1 << 19), 110 << 20),
            ..Figures::default()
        }
    }

    #[test]
    fn a_report_has_a_row_for_each_envoy_in_columns() {
        let other = Figures { name: "introspection", ..Figures::default() };
        assert_eq!(
            report("after 60 s", &[figures(), other]),
            "after 60 s     good  admitted  excused  refused  hostile  doors  unsigned  troubles  MiB at first    now   most  VMs anew\n\
             keys           1200      1190        7        3       90      0         0         4         100.0  107.5  110.0         0\n\
             introspection     0         0        0        0        0      0         0         0           0.0    0.0    0.0         0\n"
        );
    }

    #[test]
    fn refusals_without_excuse_and_doors_are_named() {
        let count = |what: &str| BTreeMap::from([(what.to_owned(), 2)]);
        assert_eq!(figures().open_doors(), 0);
        assert_eq!(figures().refusals(), ["keys: 3 good requests refused without excuse: 503 GenericRecoverableError"]);
        let open = Figures { doors: count("expired"), unsigned: count("no token"), ..figures() };
        assert_eq!(open.open_doors(), 4);
        assert_eq!(open.refusals()[1..], ["keys: 2 DOORS OPEN: expired", "keys: 2 REQUESTS LEFT UNSIGNED: no token"]);
    }
}
