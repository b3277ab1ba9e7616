//! A standing as tables: figures with spread and budget, and every pair.

use super::standing::{Cell, Pair, Standing};
use crate::better::Better;
use crate::report::{Table, count, difference, figure, short};

/// What the tables' marks mean.
pub(crate) const LEGEND: &str = "Bold: the best of a task and whatever is not significantly below it (corrected p at least 0.05). Intervals: 95 %, paired \
    bootstrap. p: paired test over seeds, or over items below three seeds, corrected over all pairs of a task (Holm).";

impl Standing {
    /// A row for each system, a column for each task: mean ± standard deviation, the best ones bold, then the mean rank.
    #[must_use]
    pub fn figures(&self) -> Table {
        let mut header = vec!["system".to_owned()];
        header.extend(self.tasks.iter().map(|task| format!("{}{}", task.name, arrow(task.better))));
        header.extend(["runs".to_owned(), "tokens".into(), "seconds".into()]);
        if self.ranks.is_some() {
            header.push("mean rank".into());
        }
        let mut table = Table { header, ..Table::default() };
        for (at, name) in self.systems.iter().enumerate() {
            let cells: Vec<Option<Cell>> = self.tasks.iter().map(|task| task.cells[at]).collect();
            let mut row = vec![name.clone()];
            for (column, cell) in cells.iter().enumerate() {
                row.push(cell.map_or("—".into(), |cell| spread(&cell)));
                if cell.is_some_and(|cell| cell.among_best) {
                    table.strong.push((at, column + 1));
                }
            }
            let measured: Vec<Cell> = cells.into_iter().flatten().collect();
            row.push(measured.iter().map(|cell| cell.runs).max().unwrap_or(0).to_string());
            row.push(budget(&measured, |cell| cell.tokens).map_or("—".into(), |tokens| short(tokens, 3)));
            row.push(budget(&measured, |cell| cell.seconds).map_or("—".into(), |seconds| format!("{seconds:.1}")));
            if let Some(ranks) = &self.ranks {
                row.push(figure(ranks[at]));
            }
            table.rows.push(row);
        }
        table
    }

    /// A row for each pair on each task.
    #[must_use]
    pub fn pairs(&self) -> Table {
        let items = self.tasks.iter().flat_map(|task| &task.pairs).any(|pair| pair.items.is_some());
        let mut header = vec!["task", "pair", "reading", "difference", "95 % interval"];
        if items {
            header.extend(["over items", "95 % interval"]);
        }
        header.extend(["p", "corrected", "test", "n", "d", "g"]);
        let mut table = Table { header: header.into_iter().map(str::to_owned).collect(), ..Table::default() };
        for task in &self.tasks {
            for pair in &task.pairs {
                let names = format!("{} − {}", self.systems[pair.first], self.systems[pair.second]);
                let reading = self.reading(task.better, pair);
                let mut row = vec![task.name.clone(), names, reading, difference(pair.mean), between(pair.interval)];
                if items {
                    row.push(pair.items.map_or("—".into(), |items| difference(items.mean)));
                    row.push(pair.items.map_or("—".into(), |items| between(items.interval)));
                }
                let number = |value: Option<f64>| value.map_or("—".into(), figure);
                let test = pair.test.map(|test| test.replace("permutation", "perm.").replace(" over ", ", "));
                row.extend([number(pair.p), number(pair.corrected_p), test.unwrap_or("—".into()), sizes(pair)]);
                row.extend([number(pair.cohen_d), number(pair.hedges_g)]);
                table.rows.push(row);
            }
        }
        table
    }

    /// Every cell with all its digits, for other programs.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let header =
            ["system", "task", "mean", "sd", "runs", "tokens", "seconds", "among_best"].map(str::to_owned).to_vec();
        let mut table = Table { header, ..Table::default() };
        for task in &self.tasks {
            for (name, cell) in self.systems.iter().zip(&task.cells) {
                let Some(cell) = cell else { continue };
                let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
                table.rows.push(vec![
                    name.clone(),
                    task.name.clone(),
                    cell.mean.to_string(),
                    number(cell.sd),
                    cell.runs.to_string(),
                    number(cell.tokens),
                    number(cell.seconds),
                    cell.among_best.to_string(),
                ]);
            }
        }
        table.to_csv()
    }

    /// What a pair comes to, in words.
    fn reading(&self, better: Option<Better>, pair: &Pair) -> String {
        if !pair.conclusive {
            return "not conclusive".into();
        }
        let mean = if pair.test == Some("permutation over items") {
            pair.items.map_or(pair.mean, |items| items.mean)
        } else {
            pair.mean
        };
        let winner = match better {
            Some(Better::Higher) if mean > 0.0 => pair.first,
            Some(Better::Lower) if mean < 0.0 => pair.first,
            Some(_) => pair.second,
            None => return "they differ".into(),
        };
        let sure = if pair.corrected_p.is_some_and(|p| p < super::standing::LEVEL) { "" } else { ", not significant" };
        format!("{} better{sure}", self.systems[winner])
    }
}

fn arrow(better: Option<Better>) -> &'static str {
    match better {
        Some(Better::Higher) => " ↑",
        Some(Better::Lower) => " ↓",
        None => "",
    }
}

/// Two digits of the deviation say how many of the mean mean anything.
fn spread(cell: &Cell) -> String {
    let Some(sd) = cell.sd else { return figure(cell.mean) };
    if !cell.mean.is_finite() || !(1e-6..1e4).contains(&sd) || cell.mean.abs() >= 1e6 {
        return format!("{} ± {}", figure(cell.mean), figure(sd));
    }
    let decimals = (1 - sd.log10().floor() as i32).clamp(0, 7) as usize;
    format!("{:.decimals$} ± {sd:.decimals$}", cell.mean).replace('-', "−")
}

fn between(interval: Option<(f64, f64)>) -> String {
    interval.map_or("—".into(), |(low, high)| format!("[{}, {}]", difference(low), difference(high)))
}

fn sizes(pair: &Pair) -> String {
    let items = pair.items.map_or(String::new(), |items| format!(", {} items", count(items.items as u64)));
    format!("{} seeds{items}", pair.seeds)
}

fn budget(cells: &[Cell], of: impl Fn(&Cell) -> Option<f64>) -> Option<f64> {
    let spent: Vec<f64> = cells.iter().filter_map(of).collect();
    (!spent.is_empty()).then(|| crate::statistics::mean(&spent))
}
