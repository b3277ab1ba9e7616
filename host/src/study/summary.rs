//! A study's result for the terminal, for programs and for its folder.

use experiment::Study;
use records::{Table, difference, duration};
use serde_json::{Value as Json, json};

use super::folder::StudyFolder;
use super::page::page;
use super::runner::Swept;
use super::scores::{Row, Scores, better_of, metric_of};
use super::verdict::{Judged, Verdict};
use crate::error::Result;

/// One line for each cell, without anything that depends on the clock.
const SCORES: &str = "scores.jsonl";
const SUMMARY: &str = "summary.json";
const REPORT: &str = "report.html";

impl Swept {
    /// What the figures say of the claim; none where the study has none or was stopped.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.scores.as_ref().and_then(|scores| Verdict::of(&self.study, scores))
    }

    /// The result as `lacuna reproduce --json` prints it; none where it was stopped or the study expects nothing.
    #[must_use]
    pub fn reproduction(&self) -> Option<Json> {
        let (scores, verdict) = (self.scores.as_ref()?, self.verdict()?);
        Some(json!({
            "name": self.study.name,
            "claim": self.study.claim,
            "metric": metrics(&self.study),
            "arms": scores.rows.iter().map(|row| arm(&self.study, row)).collect::<Vec<_>>(),
            "interval": verdict.clauses.first().and_then(|judged| judged.interval).map(|(low, high)| json!([low, high])),
            "verdict": verdict.words(),
        }))
    }

    /// All of it, with every cell: what `summary.json` holds.
    #[must_use]
    pub fn summary(&self) -> Json {
        let mut all = json!({
            "name": self.study.name,
            "claim": self.study.claim,
            "metric": metrics(&self.study),
            "expect": self.study.expect.as_ref().map(|expect| &expect.text),
            "report": self.study.report,
            "folder": self.folder,
            "runs": { "done": self.done.0, "all": self.done.1 },
            "notes": self.notes,
        });
        if let Some(scores) = &self.scores {
            all["seeds"] = json!(scores.seeds);
            all["arms"] = scores.rows.iter().map(|row| detailed(&self.study, row)).collect();
        }
        if let Some(verdict) = self.verdict() {
            all["clauses"] = verdict.clauses.iter().map(clause).collect();
            all["verdict"] = verdict.words().into();
        }
        all
    }

    /// The figures of each arm on each task, and what the grid chose for them.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let Some(scores) = &self.scores else { return Vec::new() };
        let mut tables = vec![scores.standing(&self.study).figures()];
        if self.study.select.is_some() {
            let mut chosen = Table::new(["arm", "chosen settings"]);
            scores.rows.iter().for_each(|row| chosen.push([&arm_name(&self.study, row), &row.chosen.join(" ")]));
            tables.push(chosen);
        }
        tables
    }

    /// The result for a terminal.
    #[must_use]
    pub fn to_terminal(&self) -> String {
        let study = &self.study;
        let mut text = format!("{}\n", study.name);
        let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<10}{value}\n"));
        if !study.claim.is_empty() {
            line("claim", &study.claim);
        }
        if let Some(expect) = &study.expect {
            line("expected", &format!("{}  ({})", expect.text, directions(study)));
        }
        for table in self.tables() {
            text.push_str(&format!("\n{}", table.to_terminal()));
        }
        text.push_str(
            "* the best, and what is not significantly below it; tokens and seconds: a cell, all its stages\n\n",
        );
        let verdict = self.verdict();
        if let (None, Some(scores)) = (&verdict, &self.scores) {
            text.push_str(&format!("{}\n", scores.standing(study).pairs().to_terminal()));
        }
        for judged in verdict.iter().flat_map(|verdict| &verdict.clauses) {
            text.push_str(&format!("{}\n", judged.to_text()));
        }
        if let Some(verdict) = &verdict {
            let remark =
                if study.report { "  (the study only reports: no success is expected at this size)" } else { "" };
            text.push_str(&format!("verdict   {}{remark}\n", verdict.words()));
        }
        for note in &self.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        text.push_str(&format!("report    {}\n", self.folder.join(REPORT).display()));
        text.push_str(&format!("took      {}\n", duration(self.seconds)));
        text
    }

    /// Writes scores, summary and report into the study's folder.
    pub(super) fn write(&self, folder: &StudyFolder) -> Result<()> {
        let Some(scores) = &self.scores else { return Ok(()) };
        folder.write(SCORES, &lines(&self.study, scores))?;
        folder.write(SUMMARY, &format!("{:#}\n", self.summary()))?;
        folder.write(REPORT, &page(self, scores))?;
        Ok(())
    }
}

impl Judged {
    /// One line: the clause, the difference with its interval, whether it holds and why.
    #[must_use]
    pub fn to_text(&self) -> String {
        let interval = self
            .interval
            .map_or(String::new(), |(low, high)| format!(", 95 % [{}, {}]", difference(low), difference(high)));
        let holds = if self.holds { "holds" } else { "does not hold" };
        format!("{}: left − right {}{interval}: {holds} ({})", self.text, difference(self.mean), self.because)
    }
}

/// `valid.loss, lower is better`.
pub(super) fn directions(study: &Study) -> String {
    let way = |task| match better_of(study, task) {
        Ok(records::Better::Lower) => "lower",
        _ => "higher",
    };
    if study.tasks.is_empty() {
        return format!("{}, {} is better", study.metric, way(None));
    }
    let tasks = study
        .tasks
        .iter()
        .map(|task| format!("{}: {}, {} is better", task.name, metric_of(study, Some(task)), way(Some(task))));
    tasks.collect::<Vec<_>>().join("; ")
}

fn metrics(study: &Study) -> String {
    let mut names: Vec<String> = study.tasks.iter().map(|task| metric_of(study, Some(task)).to_string()).collect();
    names.dedup();
    if names.is_empty() { study.metric.to_string() } else { names.join(", ") }
}

fn arm_name(study: &Study, row: &Row) -> String {
    let arm = &study.arms[row.arm].name;
    row.task.map_or_else(|| arm.clone(), |task| format!("{arm} on {}", study.tasks[task].name))
}

/// A number, or null where it is none: JSON has no word for it.
fn number(value: f64) -> Json {
    if value.is_finite() { json!(value) } else { Json::Null }
}

fn arm(study: &Study, row: &Row) -> Json {
    json!({
        "name": arm_name(study, row),
        "mean": number(row.mean()),
        "sd": row.deviation().map(number),
        "seeds": row.scores.len(),
    })
}

fn detailed(study: &Study, row: &Row) -> Json {
    let mut all = arm(study, row);
    all["chosen"] = json!(row.chosen);
    all["cells"] = row
        .scores
        .iter()
        .map(|score| {
            json!({
                "seed": score.seed,
                "value": number(score.value),
                "tokens": score.tokens,
                "seconds": score.seconds,
                "run": score.run,
            })
        })
        .collect();
    all
}

fn clause(judged: &Judged) -> Json {
    json!({
        "clause": judged.text,
        "differences": judged.differences.iter().map(|value| number(*value)).collect::<Vec<_>>(),
        "mean": number(judged.mean),
        "interval": judged.interval.map(|(low, high)| json!([low, high])),
        "holds": judged.holds,
        "because": judged.because,
    })
}

fn lines(study: &Study, scores: &Scores) -> String {
    let cells = scores.rows.iter().flat_map(|row| row.scores.iter().map(move |score| (row, score)));
    cells
        .map(|(row, score)| {
            let task = row.task.map(|task| &study.tasks[task]);
            let line = json!({
                "arm": study.arms[row.arm].name,
                "task": task.map(|task| &task.name),
                "chosen": row.chosen,
                "seed": score.seed,
                "metric": metric_of(study, task).to_string(),
                "value": number(score.value),
                "tokens": score.tokens,
            });
            format!("{line}\n")
        })
        .collect()
}
