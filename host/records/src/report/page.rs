//! The page around a report: escaping, style, tables.

use std::fmt::Write;

/// A table of texts. Cells that look like numbers stand at the right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Column names.
    pub header: Vec<String>,
    /// Rows of as many cells.
    pub rows: Vec<Vec<String>>,
    /// Cells that stand out, as (row, column).
    pub strong: Vec<(usize, usize)>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { header: header.map(String::from).to_vec(), ..Self::default() }
    }

    /// Adds a row.
    pub fn push<const N: usize>(&mut self, row: [&str; N]) {
        self.rows.push(row.map(String::from).to_vec());
    }

    pub(crate) fn to_html(&self) -> String {
        // Many columns are read by scrolling, not by breaking their words.
        let wide = if self.header.len() > 8 { r#" class="tight""# } else { "" };
        let mut html = format!(r#"<div class="scroll"><table{wide}><thead><tr>"#);
        let numeric: Vec<bool> = (0..self.header.len()).map(|column| self.is_numeric(column)).collect();
        let class = |column: usize| if numeric.get(column) == Some(&true) { r#" class="number""# } else { "" };
        for (column, name) in self.header.iter().enumerate() {
            let _ = write!(html, "<th{}>{}</th>", class(column), escape(name));
        }
        html.push_str("</tr></thead><tbody>");
        for (at, row) in self.rows.iter().enumerate() {
            html.push_str("<tr>");
            for (column, cell) in row.iter().enumerate() {
                let cell = if self.stands_out(at, column) { format!("<b>{}</b>", escape(cell)) } else { escape(cell) };
                let _ = write!(html, "<td{}>{cell}</td>", class(column));
            }
            html.push_str("</tr>");
        }
        html.push_str("</tbody></table></div>");
        html
    }

    fn stands_out(&self, row: usize, column: usize) -> bool {
        self.strong.contains(&(row, column))
    }

    pub(super) fn is_numeric(&self, column: usize) -> bool {
        let mut cells =
            self.rows.iter().filter_map(|row| row.get(column)).filter(|cell| !["", "—"].contains(&cell.as_str()));
        let starts = |cell: &String| {
            cell.trim_start_matches(['+', '-', '−', '[']).starts_with(|c: char| c.is_ascii_digit() || c == '∞')
                || cell == "NaN"
        };
        cells.next().is_some_and(starts) && cells.all(starts)
    }

    /// The table as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let cell =
            |text: &String| text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('\n', " ");
        let line = |cells: &[String]| format!("| {} |\n", cells.iter().map(cell).collect::<Vec<_>>().join(" | "));
        let rule: Vec<String> =
            (0..self.header.len()).map(|column| if self.is_numeric(column) { "---:" } else { "---" }.into()).collect();
        let mut text = line(&self.header);
        text.push_str(&format!("| {} |\n", rule.join(" | ")));
        for (at, row) in self.rows.iter().enumerate() {
            let strong = |(column, cell): (usize, &String)| {
                if self.stands_out(at, column) { format!("**{cell}**") } else { cell.clone() }
            };
            text.push_str(&line(&row.iter().enumerate().map(strong).collect::<Vec<_>>()));
        }
        text
    }

    /// The table in columns of spaces.
    #[must_use]
    pub fn to_terminal(&self) -> String {
        // Where some cells of a column stand out, the others leave room for the mark.
        let marked = |at: usize, row: &Vec<String>| -> Vec<String> {
            let mark = |(column, cell): (usize, &String)| match self.strong.iter().any(|(_, other)| *other == column) {
                true if self.stands_out(at, column) => format!("{cell} *"),
                true => format!("{cell}  "),
                false => cell.clone(),
            };
            row.iter().enumerate().map(mark).collect()
        };
        let rows = self.rows.iter().enumerate().map(|(at, row)| marked(at, row));
        let lines: Vec<Vec<String>> = std::iter::once(self.header.clone()).chain(rows).collect();
        let width = |column: usize| {
            lines.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let columns: Vec<(usize, bool)> =
            (0..self.header.len()).map(|column| (width(column), self.is_numeric(column))).collect();
        let mut text = String::new();
        for (index, row) in lines.iter().enumerate() {
            let cells: Vec<String> = columns
                .iter()
                .zip(row.iter())
                .map(|(&(width, right), cell)| {
                    // Control characters could move the cursor of the terminal.
                    let cell: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                    if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                })
                .collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
            if index == 0 {
                let rule: Vec<String> = columns.iter().map(|(width, _)| "─".repeat(*width)).collect();
                text.push_str(&rule.join("  "));
                text.push('\n');
            }
        }
        text
    }
}

/// `text` for the inside of an element or a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Not allowed in HTML, and invisible.
            c if c.is_control() && !matches!(c, '\n' | '\t') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// A whole page around `body`.
pub(crate) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n",
        escape(title),
        include_str!("page.css"),
    )
}

/// A titled part of a page.
pub(crate) fn section(title: &str, inner: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{inner}\n</section>\n", escape(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["name", "value"]);
        table.push(["a|b", "1.5"]);
        table.push(["<i>", "−20"]);
        table.push(["c", "—"]);
        table
    }

    #[test]
    fn cells_are_escaped_in_each_form() {
        let html = table().to_html();
        assert!(html.contains("<td>&lt;i&gt;</td>") && html.contains(r#"<td class="number">1.5</td>"#), "{html}");
        assert_eq!(
            table().to_markdown(),
            "| name | value |\n| --- | ---: |\n| a\\|b | 1.5 |\n| &lt;i> | −20 |\n| c | — |\n"
        );
        assert_eq!(table().to_terminal(), "name  value\n────  ─────\na|b     1.5\n<i>     −20\nc         —\n");
    }

    #[test]
    fn nothing_gets_out_of_an_attribute_or_element() {
        assert_eq!(escape("<a href=\"x\" b='y'>&\u{0}"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;\u{fffd}");
    }
}
