//! What the figures say of a claim.
//!
//! `a > b` holds when the paired difference has one sign in all seeds or its 95 % bootstrap interval excludes 0, from two
//! seeds on: one seed shows nothing. `a ~ b` holds when neither is so.

use experiment::{Clause, On, Relation, Side, Study};
use philox::Key;
use records::Better;
use records::statistics::{common_sign, interval, mean};

use super::scores::{Scores, better_of, sign};

/// A clause, held against the figures.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The clause as it was written.
    pub text: String,
    /// Left minus right, one for each seed; on several tasks their mean.
    pub differences: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Its 95 % bootstrap interval over the seeds; none below two.
    pub interval: Option<(f64, f64)>,
    /// Whether it holds.
    pub holds: bool,
    /// Why, in a few words.
    pub because: String,
}

/// A claim, held against the figures.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// All clauses hold.
    pub reproduced: bool,
    /// The clauses.
    pub clauses: Vec<Judged>,
}

impl Verdict {
    /// Holds `scores` against what `study` expects; none where it expects nothing.
    #[must_use]
    pub fn of(study: &Study, scores: &Scores) -> Option<Self> {
        let expect = study.expect.as_ref()?;
        let clauses: Vec<Judged> = expect.clauses.iter().map(|clause| judge(study, scores, clause)).collect();
        Some(Self { reproduced: clauses.iter().all(|judged| judged.holds), clauses })
    }

    /// `reproduced` or `not reproduced`.
    #[must_use]
    pub fn words(&self) -> &'static str {
        if self.reproduced { "reproduced" } else { "not reproduced" }
    }
}

fn judge(study: &Study, scores: &Scores, clause: &Clause) -> Judged {
    let all: Vec<Option<usize>> =
        if study.tasks.is_empty() { vec![None] } else { (0..study.tasks.len()).map(Some).collect() };
    let tasks = match clause.on {
        On::Task(task) => vec![Some(task)],
        On::Average | On::Tasks(_) => all,
    };
    let better = |task: Option<usize>| better_of(study, task.map(|task| &study.tasks[task])).unwrap_or(Better::Higher);
    let mixed = tasks.iter().any(|task| better(*task) != better(tasks[0]));
    // Between two arms the relation speaks of better and worse, otherwise of the figures themselves.
    let way = |task| if clause.arms().is_some() { sign(better(task)) } else { 1.0 };
    let direction = match clause.relation {
        Relation::Less | Relation::AtMost => -1.0,
        _ => 1.0,
    };
    let of_task = |task: Option<usize>| differences(scores, clause, task);
    let averaged: Vec<f64> = (0..scores.seeds.len())
        .map(|seed| {
            let values: Vec<f64> = tasks
                .iter()
                // Where tasks disagree about which way is better, a difference is how much better the left side is.
                .map(|&task| of_task(task)[seed] * if mixed { way(task) } else { 1.0 })
                .collect();
            mean(&values)
        })
        .collect();
    let oriented = |values: &[f64], way: f64| values.iter().map(|value| value * way * direction).collect::<Vec<f64>>();
    let (holds, because) = match clause.on {
        On::Tasks(wanted) => {
            let held: Vec<&str> = tasks
                .iter()
                .filter_map(|&task| Some((task, &study.tasks[task?].name)))
                .filter(|(task, _)| holds(clause.relation, &oriented(&of_task(*task), way(*task))).0)
                .map(|(_, name)| name.as_str())
                .collect();
            let list = if held.is_empty() { "none".into() } else { held.join(", ") };
            (held.len() >= wanted, format!("it holds on {} of {} tasks: {list}", held.len(), tasks.len()))
        }
        _ => holds(clause.relation, &oriented(&averaged, if mixed { 1.0 } else { way(tasks[0]) })),
    };
    Judged {
        text: clause.text.clone(),
        mean: mean(&averaged),
        interval: interval_of(&averaged),
        differences: averaged,
        holds,
        because,
    }
}

/// Left minus right for each seed.
fn differences(scores: &Scores, clause: &Clause, task: Option<usize>) -> Vec<f64> {
    let side = |side: &Side, seed: usize| {
        let figure = |arm: usize| {
            scores.row(arm, task).and_then(|row| row.scores.get(seed)).map_or(f64::NAN, |score| score.value)
        };
        side.terms.iter().map(|(factor, arm)| factor * figure(*arm)).sum::<f64>() + side.constant.unwrap_or(0.0)
    };
    (0..scores.seeds.len()).map(|seed| side(&clause.left, seed) - side(&clause.right, seed)).collect()
}

fn interval_of(values: &[f64]) -> Option<(f64, f64)> {
    interval(values, Key::root(0).stream("study"))
}

/// Whether the relation holds of differences that are above 0 where it does.
fn holds(relation: Relation, values: &[f64]) -> (bool, String) {
    let seeds = values.len();
    if values.iter().any(|value| !value.is_finite()) {
        return (false, "a figure is not finite".into());
    }
    if seeds < 2 {
        return (false, "one seed shows nothing".into());
    }
    let interval = interval_of(values);
    let excludes = interval.is_some_and(|(low, high)| low > 0.0 || high < 0.0);
    let sign = common_sign(values);
    match relation {
        Relation::Unclear if sign == 0 && !excludes => (true, "signs differ and the interval contains 0".into()),
        Relation::Unclear if sign != 0 => (false, format!("one sign in all {seeds} seeds")),
        Relation::Unclear => (false, "the interval excludes 0".into()),
        Relation::Greater | Relation::Less if sign > 0 => (true, format!("one sign in all {seeds} seeds")),
        Relation::AtLeast | Relation::AtMost if values.iter().all(|value| *value >= 0.0) => {
            (true, format!("so in all {seeds} seeds"))
        }
        _ if interval.is_some_and(|(low, _)| low > 0.0) => (true, "the interval excludes 0".into()),
        _ if sign < 0 => (false, format!("the other way in all {seeds} seeds")),
        _ if excludes => (false, "the interval lies on the other side of 0".into()),
        _ => (false, "not conclusive: signs differ and the interval contains 0".into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::study::{Row, Score};

    fn study(expect: &str, metric: &str, tasks: bool) -> Study {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.toml"), "").unwrap();
        let arm = |name| format!("[[arm]]\nname = '{name}'\n[[arm.stage]]\nfile = 'a.toml'\n");
        let task =
            |name, metric| format!("[[task]]\nname = '{name}'\nmetric = '{metric}'\n[[task.stage]]\nfile = 'a.toml'\n");
        let tasks = if tasks { task("t", "valid.accuracy") + &task("u", "valid.loss") } else { String::new() };
        let text = format!("[study]\nmetric = '{metric}'\nexpect = '{expect}'\n{}{}{tasks}", arm("a"), arm("b"));
        Study::from_text(&text, &folder.path().join("x.study.toml"), &[]).unwrap()
    }

    fn scores(rows: &[(usize, Option<usize>, &[f64])]) -> Scores {
        let score = |seed: usize, value: f64| Score {
            seed: seed as u64,
            value,
            chosen_by: None,
            tokens: 0,
            seconds: 0.0,
            run: std::path::PathBuf::new(),
            items: None,
        };
        let row = |&(arm, task, values): &(usize, Option<usize>, &[f64])| Row {
            arm,
            task,
            chosen: Vec::new(),
            scores: values.iter().enumerate().map(|(seed, value)| score(seed, *value)).collect(),
        };
        Scores { seeds: (0..rows[0].2.len() as u64).collect(), rows: rows.iter().map(row).collect() }
    }

    #[track_caller]
    fn says(expect: &str, metric: &str, a: &[f64], b: &[f64], reproduced: bool, because: &str) {
        let verdict = Verdict::of(&study(expect, metric, false), &scores(&[(0, None, a), (1, None, b)])).unwrap();
        assert_eq!(verdict.reproduced, reproduced, "{expect}: {verdict:?}");
        assert!(verdict.clauses.last().unwrap().because.contains(because), "{expect}: {verdict:?}");
    }

    #[test]
    fn better_goes_the_metrics_way() {
        let (low, high) = (&[1.0, 1.1, 1.2][..], &[1.3, 1.2, 1.25][..]);
        says("a > b", "valid.loss", low, high, true, "one sign in all 3 seeds");
        says("a > b", "valid.accuracy", low, high, false, "the other way");
        says("a < b", "valid.accuracy", low, high, true, "one sign");
        says("b < a", "valid.loss", low, high, true, "one sign");
        says("a ~ b", "valid.loss", low, high, false, "one sign");
        says("a > b and a > b + 0.0", "valid.loss", low, high, false, "the other way");
    }

    #[test]
    fn seeds_that_disagree_are_not_conclusive_unless_the_interval_is() {
        says("a > b", "valid.accuracy", &[1.0, 2.0, 3.0], &[1.5, 1.5, 3.1], false, "not conclusive");
        says("a ~ b", "valid.accuracy", &[1.0, 2.0, 3.0], &[1.5, 1.5, 3.1], true, "signs differ");
        let many: Vec<f64> = (0..20).map(|at| if at == 7 { -0.1 } else { 1.0 + f64::from(at) / 100.0 }).collect();
        says("a > b", "valid.accuracy", &many, &[0.0; 20], true, "the interval excludes 0");
        says("a > b", "valid.accuracy", &[2.0], &[1.0], false, "one seed shows nothing");
        says("a > b", "valid.accuracy", &[2.0, f64::NAN], &[1.0, 1.0], false, "not finite");
    }

    #[test]
    fn margins_speak_of_the_figures() {
        let (a, b) = (&[0.80, 0.81][..], &[0.81, 0.82][..]);
        says("a >= b - 0.02", "valid.accuracy", a, b, true, "so in all 2 seeds");
        says("a >= b - 0.005", "valid.accuracy", a, b, false, "");
        says("a >= b", "valid.accuracy", a, a, true, "so in all");
        says("a > b", "valid.accuracy", a, a, false, "");
        says("a < 1.05 * b", "valid.loss", a, b, true, "one sign");
        says("a < 0.9 * b", "valid.loss", a, b, false, "other way");
    }

    #[test]
    fn tasks_are_averaged_or_counted() {
        // Better on both: higher accuracy, lower loss.
        let rows: [(usize, Option<usize>, &[f64]); 4] = [
            (0, Some(0), &[0.9, 0.8]),
            (0, Some(1), &[1.0, 1.1]),
            (1, Some(0), &[0.7, 0.7]),
            (1, Some(1), &[1.0, 1.3]),
        ];
        for (expect, reproduced) in [
            ("a > b", true),
            ("a > b on t", true),
            ("a > b on u", false),
            ("a > b on 1 tasks", true),
            ("a > b on 2 tasks", false),
            ("b > a", false),
        ] {
            let verdict = Verdict::of(&study(expect, "valid.loss", true), &scores(&rows)).unwrap();
            assert_eq!(verdict.reproduced, reproduced, "{expect}: {verdict:?}");
        }
        let verdict = Verdict::of(&study("a > b", "valid.loss", true), &scores(&rows)).unwrap();
        assert!((verdict.clauses[0].mean - 0.125).abs() < 1e-12, "how much better a is: {verdict:?}");
    }
}
