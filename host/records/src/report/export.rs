//! Tables for other programs: LaTeX and CSV.

use super::page::Table;

impl Table {
    /// The table as a LaTeX `tabular` with the rules of the package booktabs.
    #[must_use]
    pub fn to_latex(&self) -> String {
        let columns: String =
            (0..self.header.len()).map(|column| if self.is_numeric(column) { 'r' } else { 'l' }).collect();
        let line = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
        let mut text = format!("\\begin{{tabular}}{{{columns}}}\n\\toprule\n");
        text.push_str(&line(self.header.iter().map(|cell| latex(cell)).collect()));
        text.push_str("\\midrule\n");
        for (at, row) in self.rows.iter().enumerate() {
            let cell = |(column, cell): (usize, &String)| {
                if self.strong.contains(&(at, column)) { format!("\\textbf{{{}}}", latex(cell)) } else { latex(cell) }
            };
            text.push_str(&line(row.iter().enumerate().map(cell).collect()));
        }
        text.push_str("\\bottomrule\n\\end{tabular}\n");
        text
    }

    /// The table as comma-separated values (RFC 4180, with plain line ends); marks are left out.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let cell = |text: &String| {
            if text.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.clone()
            }
        };
        let line = |cells: &Vec<String>| format!("{}\n", cells.iter().map(cell).collect::<Vec<_>>().join(","));
        std::iter::once(&self.header).chain(&self.rows).map(line).collect()
    }
}

/// Text without anything that LaTeX would take for a command.
fn latex(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => safe.extend(['\\', c]),
            '\\' => safe.push_str("\\textbackslash{}"),
            '~' => safe.push_str("\\textasciitilde{}"),
            '^' => safe.push_str("\\textasciicircum{}"),
            '−' => safe.push_str("$-$"),
            '±' => safe.push_str("$\\pm$"),
            '∞' => safe.push_str("$\\infty$"),
            '↑' => safe.push_str("$\\uparrow$"),
            '↓' => safe.push_str("$\\downarrow$"),
            '—' => safe.push_str("---"),
            '<' => safe.push_str("$<$"),
            '>' => safe.push_str("$>$"),
            // A cell is one line.
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["name", "value ↓"]);
        table.push(["a_b & \\c", "−1.5 ± 0.1"]);
        table.push(["x,\"y\"", "20"]);
        table.strong.push((1, 1));
        table
    }

    #[test]
    fn each_form_escapes_its_own() {
        assert_eq!(
            table().to_latex(),
            "\\begin{tabular}{lr}\n\\toprule\nname & value $\\downarrow$ \\\\\n\\midrule\n\
             a\\_b \\& \\textbackslash{}c & $-$1.5 $\\pm$ 0.1 \\\\\nx,\"y\" & \\textbf{20} \\\\\n\\bottomrule\n\\end{tabular}\n"
        );
        assert_eq!(table().to_csv(), "name,value ↓\na_b & \\c,−1.5 ± 0.1\n\"x,\"\"y\"\"\",20\n");
        assert!(table().to_markdown().contains("| **20** |"));
        assert_eq!(table().to_terminal().lines().last(), Some("x,\"y\"             20 *"));
        assert!(table().to_html().contains("<b>20</b>"));
    }
}
