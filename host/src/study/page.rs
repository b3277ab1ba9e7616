//! A study's page: claim, verdict, figures.

use records::{Body, Card, Page, Section, Table, difference};

use super::runner::Swept;
use super::scores::Scores;
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
            let interval = judged.interval.map_or("—".into(), |(low, high)| format!("[{}, {}]", difference(low), difference(high)));
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
    sections.push(Section { title: "Measured".into(), body: Body::Table(swept.table()) });
    sections.push(Section { title: "Each cell".into(), body: Body::Table(cells(swept, scores)) });
    let subtitle = if study.claim.is_empty() { directions(study) } else { format!("{} · {}", study.claim, directions(study)) };
    Page { title: study.name.clone(), subtitle, cards, sections }.to_html()
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
