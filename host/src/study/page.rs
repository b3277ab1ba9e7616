//! A study's page: claim, verdict, figures.

use records::{Body, Card, Page, RunFolder, Section, Table, difference};

use super::runner::Swept;
use super::scores::{Scores, metric_of};
use super::summary::directions;

/// The page of a study that was gone through.
pub(super) fn page(swept: &Swept, scores: &Scores) -> String {
    let study = &swept.study;
    let card = |label: &str, value: String, note: String| Card { label: label.into(), value, note };
    let mut cards = Vec::new();
    let mut sections = Vec::new();
    if let Some(verdict) = swept.verdict() {
        let note = if study.report { "no success is expected at this size".into() } else { String::new() };
        cards.push(card("Verdict", verdict.words().into(), note));
        let mut table = Table::new(["clause", "left − right", "95 % interval", "holds", "because"]);
        for judged in &verdict.clauses {
            let interval = judged
                .interval
                .map_or("—".into(), |(low, high)| format!("[{}, {}]", difference(low), difference(high)));
            let holds = if judged.holds { "yes" } else { "no" };
            table.push([&judged.text, &difference(judged.mean), &interval, holds, &judged.because]);
        }
        sections.push(Section { title: "Held against the claim".into(), body: Body::Table(table) });
    }
    cards.push(card("Arms", study.arms.len().to_string(), String::new()));
    if !study.tasks.is_empty() {
        cards.push(card("Tasks", study.tasks.len().to_string(), String::new()));
    }
    cards.push(card("Seeds", scores.seeds.len().to_string(), format!("{:?}", scores.seeds)));
    cards.push(card("Runs", swept.done.1.to_string(), String::new()));
    for (table, title) in swept.tables().into_iter().zip(["Measured", "Chosen settings"]) {
        sections.push(Section { title: title.into(), body: Body::Table(table) });
    }
    let charts = charts(swept, scores);
    if !charts.is_empty() {
        sections.push(Section {
            title: "Curves".into(),
            body: Body::Html(format!("<div class=\"charts\">{charts}</div>")),
        });
    }
    sections.push(Section { title: "Every pair".into(), body: Body::Table(scores.standing(study).pairs()) });
    sections.push(Section { title: "Each cell".into(), body: Body::Table(cells(swept, scores)) });
    let subtitle =
        if study.claim.is_empty() { directions(study) } else { format!("{} · {}", study.claim, directions(study)) };
    Page { title: study.name.clone(), subtitle, cards, sections }.to_html()
}

/// For each task the curves of its figure, or of the loss where that was measured once: each arm's mean with its interval.
fn charts(swept: &Swept, scores: &Scores) -> String {
    let study = &swept.study;
    let tasks: Vec<Option<usize>> =
        if study.tasks.is_empty() { vec![None] } else { (0..study.tasks.len()).map(Some).collect() };
    let mut html = String::new();
    for task in tasks {
        let metric = metric_of(study, task.map(|task| &study.tasks[task]));
        let rows = |arm: usize| -> Vec<Vec<records::Row>> {
            let scores = scores.row(arm, task).map_or(&[][..], |row| row.scores.as_slice());
            let read = |score: &super::Score| Some(RunFolder::open(&score.run).ok()?.metrics().ok()?.rows);
            scores.iter().filter_map(read).collect()
        };
        let all: Vec<Vec<Vec<records::Row>>> = (0..study.arms.len()).map(rows).collect();
        let groups: Vec<(&str, Vec<&[records::Row]>)> = study
            .arms
            .iter()
            .zip(&all)
            .map(|(arm, runs)| (arm.name.as_str(), runs.iter().map(Vec::as_slice).collect()))
            .collect();
        for (split, key) in [(metric.row.as_str(), metric.key.as_str()), ("train", "loss")] {
            let on = task.map(|task| format!("{}: ", study.tasks[task].name)).unwrap_or_default();
            html.push_str(&records::spread_chart(&on, &groups, split, key).unwrap_or_default());
        }
    }
    html
}

fn cells(swept: &Swept, scores: &Scores) -> Table {
    let study = &swept.study;
    let mut table = Table::new(["arm", "task", "seed", "figure", "tokens", "seconds", "run"]);
    for row in &scores.rows {
        for score in &row.scores {
            let task = row.task.map_or("—", |task| study.tasks[task].name.as_str());
            let run = score.run.strip_prefix(&swept.folder).unwrap_or(&score.run);
            table.push([
                &study.arms[row.arm].name,
                task,
                &score.seed.to_string(),
                &records::figure(score.value),
                &records::count(score.tokens),
                &format!("{:.1}", score.seconds),
                &run.display().to_string(),
            ]);
        }
    }
    table
}
