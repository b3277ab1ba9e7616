//! A comparison for the terminal, for programs, for notes and for the browser.

use serde_json::{Value, json};

use super::{Comparison, Difference, MetricComparison};
use crate::better::Better;
use crate::report::{Chart, Table, count, difference, drawn, escape, figure, page, section, title};

impl Comparison {
    /// Tables and remarks for a terminal.
    #[must_use]
    pub fn to_terminal(&self) -> String {
        let mut text = self.figures_table().to_terminal();
        let differences = self.differences_table();
        if !differences.rows.is_empty() {
            text.push_str(&format!("\nDifference from {}\n", self.names()[0]));
            text.push_str(&differences.to_terminal());
            text.push_str(&format!("{}\n", INTERVAL.replace(". ", ".\n")));
        }
        text.push('\n');
        if self.settings.is_empty() {
            text.push_str("No setting differs.\n");
        } else {
            text.push_str(&self.settings_table().to_terminal());
        }
        if !self.remarks.is_empty() {
            text.push('\n');
        }
        for remark in &self.remarks {
            text.push_str(&format!("note: {remark}\n"));
        }
        text
    }

    /// Everything as one JSON value; differences are those of the second run and later ones from the first.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let runs: Vec<Value> =
            self.runs.iter().map(|run| json!({ "name": run.name, "path": run.path.display().to_string() })).collect();
        json!({ "runs": runs, "metrics": self.metrics, "settings": self.settings, "remarks": self.remarks })
    }

    /// Tables and remarks as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# {}\n\n{}", self.title().replace('<', "&lt;"), self.figures_table().to_markdown());
        let differences = self.differences_table();
        if !differences.rows.is_empty() {
            text.push_str(&format!("\n## Difference from {}\n\n", self.names()[0]));
            text.push_str(&format!("{}\n{INTERVAL}\n", differences.to_markdown()));
        }
        text.push_str("\n## Settings that differ\n\n");
        if self.settings.is_empty() {
            text.push_str("None.\n");
        } else {
            text.push_str(&self.settings_table().to_markdown());
        }
        if !self.remarks.is_empty() {
            text.push_str("\n## Remarks\n\n");
        }
        for remark in &self.remarks {
            text.push_str(&format!("- {}\n", remark.replace('<', "&lt;")));
        }
        text
    }

    /// The tables of figures and differences for LaTeX (booktabs).
    #[must_use]
    pub fn to_latex(&self) -> String {
        format!("{}\n{}", self.figures_table().to_latex(), self.differences_table().to_latex())
    }

    /// The last and best figures as comma-separated values.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let header =
            ["run", "split", "metric", "points", "last_step", "last", "best_step", "best"].map(str::to_owned).to_vec();
        let mut table = Table { header, ..Table::default() };
        for compared in &self.metrics {
            for (run, figures) in self.runs.iter().zip(&compared.runs) {
                let Some(found) = figures else { continue };
                table.rows.push(vec![
                    run.name.clone(),
                    compared.split.clone(),
                    compared.metric.clone(),
                    found.points.to_string(),
                    found.last_step.to_string(),
                    found.last.to_string(),
                    found.best_step.map_or(String::new(), |step| step.to_string()),
                    found.best.map_or(String::new(), |best| best.to_string()),
                ]);
            }
        }
        table.to_csv()
    }

    /// One self-contained page with the curves of all runs laid over each other.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut body = format!(
            "<h1>{}</h1>\n<p class=\"under\">{} runs; differences are from the first</p>\n",
            escape(&self.title()),
            self.runs.len()
        );
        let charts: String = self.metrics.iter().filter_map(|compared| self.chart(compared).to_html()).collect();
        if charts.is_empty() {
            body.push_str(r#"<p class="empty">Nothing was measured in any of these runs.</p>"#);
        } else {
            body.push_str(&section("Curves", &format!("<div class=\"charts\">{charts}</div>")));
            body.push_str(&section("Measured", &self.figures_table().to_html()));
        }
        let differences = self.differences_table();
        if !differences.rows.is_empty() {
            let name = format!("Difference from {}", self.names()[0]);
            let note = format!("<p class=\"note\">{}</p>", escape(INTERVAL));
            body.push_str(&section(&name, &format!("{}{note}", differences.to_html())));
        }
        let settings = if self.settings.is_empty() {
            "<p>No setting differs.</p>".into()
        } else {
            self.settings_table().to_html()
        };
        body.push_str(&section("Settings that differ", &settings));
        if !self.remarks.is_empty() {
            let remarks: String = self.remarks.iter().map(|remark| format!("<li>{}</li>", escape(remark))).collect();
            body.push_str(&section("Remarks", &format!("<ul>{remarks}</ul>")));
        }
        page(&self.title(), &body)
    }

    fn title(&self) -> String {
        self.names().join(" against ")
    }

    fn chart(&self, compared: &MetricComparison) -> Chart {
        let (split, metric) = (&compared.split, &compared.metric);
        let runs = self.runs.iter().enumerate();
        let series = runs.flat_map(|(colour, run)| drawn(&run.metrics, split, metric, &run.name, colour));
        Chart {
            title: format!("{} on {}", title(&compared.metric), compared.split),
            wide: false,
            series: series.collect(),
            bands: Vec::new(),
        }
    }

    fn figures_table(&self) -> Table {
        let mut header = vec!["metric".to_owned(), "measured on".into()];
        for name in self.names() {
            header.extend([format!("{name}: last"), "best".into()]);
        }
        let mut table = Table { header, ..Table::default() };
        for compared in &self.metrics {
            let mut row = vec![compared.metric.clone(), compared.split.clone()];
            for figures in &compared.runs {
                row.push(figures.map_or("—".into(), |figures| figure(figures.last)));
                let best = figures.and_then(|figures| Some((figures.best?, figures.best_step?)));
                row.push(best.map_or("—".into(), |(best, step)| format!("{} @{step}", figure(best))));
            }
            table.rows.push(row);
        }
        table
    }

    fn differences_table(&self) -> Table {
        let mut table =
            Table::new(["metric", "measured on", "run", "mean difference", "95 % interval", "points", "reading"]);
        for compared in &self.metrics {
            for (difference, run) in compared.differences.iter().zip(&self.runs[1..]) {
                let Some(found) = difference else { continue };
                table.push([
                    &compared.metric,
                    &compared.split,
                    &run.name,
                    &self::difference(found.mean),
                    &interval_text(found),
                    &count(found.points as u64),
                    reading(compared.better, found),
                ]);
            }
        }
        table
    }

    fn settings_table(&self) -> Table {
        let header = std::iter::once("setting").chain(self.names()).map(String::from).collect();
        let rows = self.settings.iter().map(|setting| {
            let values = setting.values.iter().map(|value| value.clone().unwrap_or_else(|| "—".into()));
            std::iter::once(setting.key.clone()).chain(values).collect()
        });
        Table { header, rows: rows.collect(), ..Table::default() }
    }
}

const INTERVAL: &str = "Interval: paired bootstrap over the steps at which both runs were measured. Points of one run \
                        depend on each other, so read it as a guide; runs with other seeds are the proof.";

fn interval_text(found: &Difference) -> String {
    found.interval.map_or("—".into(), |(low, high)| format!("[{}, {}]", difference(low), difference(high)))
}

fn reading(better: Option<Better>, found: &Difference) -> &'static str {
    let (Some(better), Some((low, high))) = (better, found.interval) else { return "" };
    let lower = match (low, high) {
        (_, high) if high < 0.0 => true,
        (low, _) if low > 0.0 => false,
        _ => return "no clear difference",
    };
    if lower == (better == Better::Lower) { "better" } else { "worse" }
}
