//! Tables for a terminal: names to the left, figures to the right.

/// A table that grows by rows.
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    /// With these titles over its columns. A title of several lines has `\n` in it.
    pub(crate) fn new(titles: &[&str]) -> Self {
        let lines = titles.iter().map(|title| title.lines().count()).max().unwrap_or_default();
        let line = |number: usize, title: &&str| {
            let missing = lines - title.lines().count();
            number.checked_sub(missing).and_then(|number| title.lines().nth(number)).unwrap_or_default().to_owned()
        };
        Self((0..lines).map(|number| titles.iter().map(|title| line(number, title)).collect()).collect())
    }

    /// One more row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.push(cells.into_iter().collect());
    }

    /// Prints it.
    pub(crate) fn print(&self) {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or_default();
        let width =
            |column: usize| self.0.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
        for row in &self.0 {
            let mut line = String::new();
            for (number, (cell, width)) in row.iter().zip(&widths).enumerate() {
                line += &if number == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
            }
            println!("{}", line.trim_end());
        }
    }
}
