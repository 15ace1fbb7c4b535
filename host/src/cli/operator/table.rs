//! Aligned columns.

use super::text;

/// A table for people. Cells are made harmless as they come in.
#[derive(Debug)]
pub(crate) struct Table {
    /// A title, and whether its column is aligned to the right.
    columns: Vec<(&'static str, bool)>,
    rows: Vec<Vec<String>>,
    /// The longest cell.
    longest: usize,
}

/// The longest cell: a reason can be a page.
const LONGEST: usize = 80;

impl Table {
    /// Titles; one that begins with `>` has its column aligned to the right.
    pub(crate) fn new(titles: &[&'static str]) -> Self {
        let column = |title: &&'static str| match title.strip_prefix('>') {
            Some(title) => (title, true),
            None => (*title, false),
        };
        Self {
            columns: titles.iter().map(column).collect(),
            rows: Vec::new(),
            longest: LONGEST,
        }
    }

    /// Cells up to this length are shown whole: where nothing else shows them.
    pub(crate) fn cells_up_to(self, longest: usize) -> Self {
        Self { longest, ..self }
    }

    /// Adds a row: a cell for each title.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cell = |cell: String| text::short(&text::plain(&cell), self.longest);
        self.rows.push(cells.into_iter().map(cell).collect());
    }

    /// The whole, with a line of titles.
    pub(crate) fn render(&self) -> String {
        let titles: Vec<String> = self.columns.iter().map(|(t, _)| (*t).to_owned()).collect();
        let width = |at: usize| {
            let cells = std::iter::once(&titles).chain(&self.rows);
            let lengths = cells
                .filter_map(|row| row.get(at))
                .map(|c| c.chars().count());
            lengths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut out = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let cells = row.iter().zip(&widths).zip(&self.columns);
            let cells = cells.map(|((cell, width), (_, right))| {
                if *right {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cells_harmless() {
        let mut table = Table::new(&[">ID", "STATE", "REASON"]);
        table.row(["7".into(), "dead".into(), "no\nway\x1b[0m".into()]);
        table.row(["1234".into(), "done".into(), String::new()]);
        table.row(["5".into(), "pending".into(), "x".repeat(200)]);
        let text = table.render();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  ID  STATE    REASON");
        assert_eq!(lines[1], "   7  dead     no\\nway\\u{1b}[0m");
        assert_eq!(lines[2], "1234  done");
        assert!(lines[3].ends_with("x…") && lines[3].chars().count() == 15 + LONGEST);
        assert_eq!(lines.len(), 4);
    }
}
