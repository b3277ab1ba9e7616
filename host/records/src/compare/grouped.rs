//! Runs grouped by what they train: one group for each experiment, one run for each seed.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::RunData;
use super::settings::{self, SettingDifference};
use super::standing::{Measured, Standing, Task, Test};
use super::tables::LEGEND;
use crate::better::Better;
use crate::error::{Error, Result};
use crate::metrics::Row;
use crate::report::{Body, Page, Section, Table, WITHOUT_CHART, curve, metric_names, splits, spread_chart};

/// What may differ between runs of one group.
const OF_A_RUN: [&str; 2] = ["run.seed", "run.name"];
/// How many runs may stand behind one another: a run that began with another's weights, and so on.
const DEEPEST: usize = 8;

/// Runs of one experiment that differ in their seeds.
#[derive(Clone, Debug)]
pub struct Group {
    /// What it is called here.
    pub name: String,
    /// Its runs.
    pub runs: Vec<RunData>,
}

/// Groups side by side.
#[derive(Clone, Debug)]
pub struct GroupedComparison {
    groups: Vec<Group>,
    /// Every metric of every split that is not `train`, unless there is no other.
    pub standing: Standing,
    /// Settings that differ between the groups.
    pub settings: Vec<SettingDifference>,
    /// What could not be compared, and why.
    pub remarks: Vec<String>,
}

impl Group {
    /// Puts runs together that differ in their seeds alone, in the order in which they are given. A run that began with the
    /// weights of another counts that one's settings as its own.
    #[must_use]
    pub fn by_seed(runs: Vec<RunData>) -> Vec<Self> {
        let mut groups: Vec<(String, Self)> = Vec::new();
        for run in runs {
            let identity = identity(&run.settings, DEEPEST);
            match groups.iter_mut().find(|(other, _)| *other == identity) {
                Some((_, group)) => group.runs.push(run),
                None => groups.push((identity, Self { name: String::new(), runs: vec![run] })),
            }
        }
        let mut groups: Vec<Self> = groups.into_iter().map(|(_, group)| group).collect();
        for group in &mut groups {
            group.name = common_name(&group.runs);
        }
        tell_apart(&mut groups);
        groups
    }
}

/// Groups of one name get the settings added that tell them apart, as few as that takes; then a number, if need be.
fn tell_apart(groups: &mut [Group]) {
    let names: Vec<String> = groups.iter().map(|group| group.name.clone()).collect();
    for name in &names {
        let same: Vec<usize> = (0..groups.len()).filter(|&at| groups[at].name == *name).collect();
        if same.len() < 2 {
            continue;
        }
        let firsts: Vec<RunData> = same.iter().map(|&at| first_without_seed(&groups[at])).collect();
        let mut labels = vec![String::new(); same.len()];
        let distinct = |labels: &[String]| labels.iter().collect::<std::collections::BTreeSet<_>>().len();
        for setting in settings::differences(&firsts) {
            // A path says little, and what it leads to differs elsewhere.
            if setting.key.ends_with(".weights") {
                continue;
            }
            let key = setting.key.rsplit('.').next().unwrap_or(&setting.key);
            let value = |value: &Option<String>| {
                value.as_deref().map_or("none".to_owned(), |value| value.trim_matches('"').to_owned())
            };
            let longer: Vec<String> = labels
                .iter()
                .zip(&setting.values)
                .map(|(label, found)| format!("{label} {key}={}", value(found)))
                .collect();
            if distinct(&longer) > distinct(&labels) {
                labels = longer;
            }
        }
        for (&at, label) in same.iter().zip(labels) {
            groups[at].name.push_str(&label);
        }
    }
    for at in 0..groups.len() {
        let before = groups[..at].iter().filter(|other| other.name == groups[at].name).count();
        if before > 0 {
            groups[at].name = format!("{} ({})", groups[at].name, before + 1);
        }
    }
}

fn first_without_seed(group: &Group) -> RunData {
    let settings = group.runs[0].settings.iter().filter(|(key, _)| !OF_A_RUN.contains(&key.as_str()));
    RunData { settings: settings.map(|(key, value)| (key.clone(), value.clone())).collect(), ..RunData::default() }
}

/// What a run trains, whatever its seed.
fn identity(settings: &BTreeMap<String, String>, depth: usize) -> String {
    let own = settings.iter().filter(|(key, _)| !OF_A_RUN.contains(&key.as_str()));
    let line = |(key, value): (&String, &String)| {
        let before =
            key.ends_with(".weights").then(|| RunData::read(Path::new(value.trim_matches('"'))).ok()).flatten();
        match before.filter(|_| depth > 0) {
            Some(run) => format!("{key} = {{{}}}\n", identity(&run.settings, depth - 1)),
            None => format!("{key} = {value}\n"),
        }
    };
    own.map(line).collect()
}

/// What the names of the runs begin with, without what numbers and seeds leave at the end.
fn common_name(runs: &[RunData]) -> String {
    let first = &runs[0].name;
    if runs.len() == 1 {
        return first.clone();
    }
    let same = first
        .char_indices()
        .take_while(|(at, c)| runs.iter().all(|run| run.name.get(*at..).is_some_and(|rest| rest.starts_with(*c))))
        .map(|(at, c)| at + c.len_utf8())
        .last()
        .unwrap_or(0);
    let name = first[..same].trim_end_matches(|c: char| c.is_ascii_digit() || "-_./ ".contains(c));
    let name = name.strip_suffix("seed").unwrap_or(name).trim_end_matches(['-', '_', '.', '/', ' ']);
    if name.is_empty() { first.clone() } else { name.into() }
}

impl GroupedComparison {
    /// Compares groups.
    ///
    /// # Errors
    /// [`Error::TooFewRuns`] for fewer than two.
    pub fn of(groups: Vec<Group>, test: Test) -> Result<Self> {
        if groups.len() < 2 {
            return Err(Error::TooFewRuns { given: groups.len() });
        }
        let mut remarks: Vec<String> =
            groups.iter().flat_map(|group| &group.runs).flat_map(|run| run.remarks.clone()).collect();
        let keys = pairing(&groups, &mut remarks);
        let rows: Vec<Row> =
            groups.iter().flat_map(|group| &group.runs).flat_map(|run| run.metrics.iter().cloned()).collect();
        let measured: Vec<String> = splits(&rows);
        let held_out: Vec<&String> = measured.iter().filter(|split| *split != "train").collect();
        let chosen = if held_out.is_empty() { measured.iter().collect() } else { held_out };
        let mut tasks = Vec::new();
        for split in chosen {
            for metric in metric_names(&rows) {
                let systems: Vec<Option<Measured>> =
                    groups.iter().zip(&keys).map(|(group, keys)| measured_of(group, keys, split, &metric)).collect();
                let better = Better::of(&metric);
                if better.is_some() && systems.iter().any(Option::is_some) {
                    tasks.push(Task { name: format!("{split}.{metric}"), better, systems });
                }
            }
        }
        let names = groups.iter().map(|group| group.name.clone()).collect();
        let mut standing = Standing::of(names, &tasks, test);
        // Metrics of one evaluation are no tasks of their own: a rank over them would count one finding several times.
        standing.ranks = None;
        let firsts: Vec<RunData> = groups.iter().map(first_without_seed).collect();
        Ok(Self { settings: settings::differences(&firsts), groups, standing, remarks })
    }

    /// The groups.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Everything as one JSON value.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let groups: Vec<Value> = self
            .groups
            .iter()
            .map(|group| json!({ "name": group.name, "runs": group.runs.iter().map(|run| run.path.display().to_string()).collect::<Vec<_>>() }))
            .collect();
        json!({ "groups": groups, "standing": self.standing, "settings": self.settings, "remarks": self.remarks })
    }

    /// Tables and remarks for a terminal.
    #[must_use]
    pub fn to_terminal(&self) -> String {
        let mut text = self.standing.figures().to_terminal();
        text.push_str("* bold\n\n");
        text.push_str(&self.standing.pairs().to_terminal());
        text.push_str(&format!("\n{}\n\n", LEGEND.replace(". ", ".\n")));
        match self.settings_table() {
            Some(table) => text.push_str(&table.to_terminal()),
            None => text.push_str("No setting differs.\n"),
        }
        for remark in &self.remarks {
            text.push_str(&format!("note: {remark}\n"));
        }
        text
    }

    /// Tables and remarks as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# {}\n\n{}", self.title().replace('<', "&lt;"), self.standing.figures().to_markdown());
        text.push_str(&format!("\n## Every pair\n\n{}\n{LEGEND}\n", self.standing.pairs().to_markdown()));
        if let Some(table) = self.settings_table() {
            text.push_str(&format!("\n## Settings that differ\n\n{}", table.to_markdown()));
        }
        if !self.remarks.is_empty() {
            text.push_str("\n## Remarks\n\n");
        }
        for remark in &self.remarks {
            text.push_str(&format!("- {}\n", remark.replace('<', "&lt;")));
        }
        text
    }

    /// Both tables for LaTeX (booktabs).
    #[must_use]
    pub fn to_latex(&self) -> String {
        format!("{}\n{}", self.standing.figures().to_latex(), self.standing.pairs().to_latex())
    }

    /// One self-contained page: the curves of all runs with mean and interval, the tables.
    #[must_use]
    pub fn to_html(&self) -> String {
        let runs: usize = self.groups.iter().map(|group| group.runs.len()).sum();
        let mut sections = vec![Section { title: "Curves".into(), body: Body::Html(self.charts()) }];
        sections.push(Section { title: "Measured".into(), body: Body::Table(self.standing.figures()) });
        sections.push(Section { title: "Every pair".into(), body: Body::Table(self.standing.pairs()) });
        sections.push(Section { title: "How to read this".into(), body: Body::Html(format!("<p>{LEGEND}</p>")) });
        if let Some(table) = self.settings_table() {
            sections.push(Section { title: "Settings that differ".into(), body: Body::Table(table) });
        }
        if !self.remarks.is_empty() {
            let lines = self.remarks.iter().map(|remark| crate::report::escape(remark));
            let list: String = lines.map(|remark| format!("<li>{remark}</li>")).collect();
            sections.push(Section { title: "Remarks".into(), body: Body::Html(format!("<ul>{list}</ul>")) });
        }
        let subtitle = format!(
            "{} groups, {runs} runs; curves are means with their 95 % intervals over the runs",
            self.groups.len()
        );
        Page { title: self.title(), subtitle, cards: Vec::new(), sections }.to_html()
    }

    fn title(&self) -> String {
        self.groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>().join(" against ")
    }

    fn charts(&self) -> String {
        let named: Vec<(&str, Vec<&[Row]>)> = self
            .groups
            .iter()
            .map(|group| (group.name.as_str(), group.runs.iter().map(|run| run.metrics.as_slice()).collect()))
            .collect();
        let rows: Vec<Row> =
            self.groups.iter().flat_map(|group| &group.runs).flat_map(|run| run.metrics.iter().cloned()).collect();
        let mut html = String::new();
        for metric in metric_names(&rows).into_iter().filter(|name| !WITHOUT_CHART.contains(&name.as_str())) {
            for split in splits(&rows) {
                html.push_str(&spread_chart("", &named, &split, &metric).unwrap_or_default());
            }
        }
        if html.is_empty() {
            return r#"<p class="empty">Nothing was measured in any of these runs.</p>"#.into();
        }
        format!("<div class=\"charts\">{html}</div>")
    }

    fn settings_table(&self) -> Option<Table> {
        if self.settings.is_empty() {
            return None;
        }
        let header = std::iter::once("setting".to_owned()).chain(self.groups.iter().map(|group| group.name.clone()));
        let rows = self.settings.iter().map(|setting| {
            let values = setting.values.iter().map(|value| value.clone().unwrap_or_else(|| "—".into()));
            std::iter::once(setting.key.clone()).chain(values).collect()
        });
        Some(Table { header: header.collect(), rows: rows.collect(), ..Table::default() })
    }
}

/// What runs are paired by: their seeds, or their order where those do not tell.
fn pairing(groups: &[Group], remarks: &mut Vec<String>) -> Vec<Vec<u64>> {
    let seeds = |group: &Group| -> Option<Vec<u64>> {
        let seeds: Option<Vec<u64>> = group.runs.iter().map(|run| run.settings.get("run.seed")?.parse().ok()).collect();
        let mut sorted = seeds.clone()?;
        sorted.sort_unstable();
        sorted.windows(2).all(|pair| pair[0] != pair[1]).then_some(seeds).flatten()
    };
    let all: Option<Vec<Vec<u64>>> = groups.iter().map(seeds).collect();
    if let Some(all) = all {
        let shared = all.iter().skip(1).all(|seeds| seeds.iter().any(|seed| all[0].contains(seed)));
        if shared {
            return all;
        }
    }
    if groups.iter().any(|group| group.runs.len() > 1) {
        remarks.push("the groups have no seeds in common: their runs are paired in the order given".into());
    }
    groups.iter().map(|group| (0..group.runs.len() as u64).collect()).collect()
}

fn measured_of(group: &Group, keys: &[u64], split: &str, metric: &str) -> Option<Measured> {
    let last = |run: &RunData| curve(&run.metrics, split, metric).last().map(|point| point.1);
    let values: Vec<(u64, f64)> =
        group.runs.iter().zip(keys).filter_map(|(run, key)| Some((*key, last(run)?))).collect();
    if values.is_empty() {
        return None;
    }
    let name = format!("{split}.{metric}");
    let items =
        group.runs.iter().zip(keys).filter_map(|(run, key)| Some((*key, run.items.get(&name)?.clone()))).collect();
    let mean = |of: &dyn Fn(&RunData) -> Option<f64>| {
        let all: Vec<f64> = group.runs.iter().filter_map(of).collect();
        (!all.is_empty()).then(|| crate::statistics::mean(&all))
    };
    let tokens = |run: &RunData| run.metrics.iter().rev().find_map(|row| row.get("tokens"));
    Some(Measured { values, items, tokens: mean(&tokens), seconds: mean(&|run| run.seconds) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn run(name: &str, seed: u64, rate: &str, loss: f64) -> RunData {
        let text = format!("[run]\nseed = {seed}\nname = \"{name}\"\n[optimizer]\nlearning_rate = {rate}\n");
        RunData {
            name: name.into(),
            path: name.into(),
            metrics: vec![
                Row::new(1, "train").with("loss", 5.0).with("tokens", 100.0),
                Row::new(2, "valid").with("loss", loss).with("accuracy", 1.0 / loss),
            ],
            settings: settings::flatten(&text, Path::new("")).unwrap(),
            seconds: Some(2.0),
            ..RunData::default()
        }
    }

    #[test]
    fn runs_that_differ_in_seed_are_one_group_named_by_what_tells_it_apart() {
        let runs = vec![
            run("a-0001", 1, "0.1", 2.0),
            run("a-0002", 1, "0.2", 3.0),
            run("a-0003", 2, "0.1", 2.1),
            run("b", 5, "0.3", 1.0),
        ];
        let groups = Group::by_seed(runs);
        let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["a", "a-0002", "b"]);
        let same = Group::by_seed(vec![run("x", 1, "0.1", 2.0), run("x", 1, "0.2", 3.0)]);
        assert_eq!(same[1].name, "x learning_rate=0.2");
    }

    #[test]
    fn groups_are_paired_by_seed_or_by_order() {
        let groups = |seeds: [u64; 2]| {
            vec![
                Group { name: "one".into(), runs: vec![run("a", 1, "0.1", 2.0), run("b", 2, "0.1", 2.5)] },
                Group {
                    name: "other".into(),
                    runs: vec![run("c", seeds[0], "0.2", 3.0), run("d", seeds[1], "0.2", 3.5)],
                },
            ]
        };
        let by_seed = GroupedComparison::of(groups([2, 1]), Test::Auto).unwrap();
        let pair = &by_seed.standing.tasks[0].pairs[0];
        assert_eq!((pair.seeds, pair.mean, pair.interval), (2, -1.0, Some((-1.5, -0.5))));
        assert!(by_seed.remarks.is_empty() && by_seed.standing.tasks.len() == 2, "the training loss is no figure");
        assert_eq!(by_seed.settings.len(), 1);
        let by_order = GroupedComparison::of(groups([7, 8]), Test::Auto).unwrap();
        assert_eq!(by_order.standing.tasks[0].pairs[0].interval, Some((-1.0, -1.0)));
        assert!(by_order.remarks[0].contains("in the order given"));
        for text in [by_seed.to_terminal(), by_seed.to_markdown(), by_seed.to_latex(), by_seed.to_html()] {
            assert!(text.contains("one") && text.contains("100") && text.contains("2.25"), "{text}");
        }
        assert_eq!(by_seed.to_json()["standing"]["tasks"][0]["cells"][0]["tokens"], 100.0);
        assert_eq!(GroupedComparison::of(groups([1, 2])[..1].to_vec(), Test::Auto).unwrap_err().code(), "run/compare");
    }
}
