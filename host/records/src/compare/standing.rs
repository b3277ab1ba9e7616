//! Systems on tasks: means with their spread, every pair tested, which are as good as the best.
//!
//! Runs of two systems are paired by seed. With three seeds or more a pair is judged by its seeds: Student's paired test up
//! to five, whose exchanges of signs are too few to reach 5 %, the permutation test from six on. With fewer it is judged by
//! the items that both measured, where there are any. P-values are corrected over all pairs of a task (Holm 1979).

use std::collections::BTreeMap;

use philox::Key;
use serde::Serialize;

use crate::better::Better;
use crate::statistics::{
    average_ranks, cohen_d, deviation, hedges_g, holm, interval, mean, paired_t_test, permutation_test,
};

/// Below this a corrected p-value is called significant.
pub const LEVEL: f64 = 0.05;
/// From so many seeds on, signs can be exchanged often enough to reach the level.
const ENOUGH_TO_PERMUTE: usize = 6;
/// Below so many seeds the items decide, where there are any.
const ENOUGH_SEEDS: usize = 3;

/// How pairs are tested over seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Test {
    /// Student's test below six seeds, the permutation test from there on.
    #[default]
    Auto,
    /// Student's paired test (1908).
    Student,
    /// The paired permutation test (Fisher 1935), exact up to twelve seeds.
    Permutation,
}

/// The score of each item by its identity.
pub type ItemScores = BTreeMap<u64, f64>;

/// One system on one task, as it was measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Seed and figure of each run.
    pub values: Vec<(u64, f64)>,
    /// Seed and items of the runs that tell.
    pub items: Vec<(u64, ItemScores)>,
    /// Tokens seen by a run, on the mean.
    pub tokens: Option<f64>,
    /// Seconds of training of a run, on the mean.
    pub seconds: Option<f64>,
}

/// One task with every system's measurements.
#[derive(Clone, Debug)]
pub struct Task {
    /// What it is called in tables.
    pub name: String,
    /// Which way its figure gets better.
    pub better: Option<Better>,
    /// One for each system, where it was measured.
    pub systems: Vec<Option<Measured>>,
}

/// Systems on tasks.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// The systems' names, in the order of every list here.
    pub systems: Vec<String>,
    /// The tasks.
    pub tasks: Vec<TaskStanding>,
    /// Each system's mean rank over the tasks, 1 being the best; none for fewer than two tasks.
    pub ranks: Option<Vec<f64>>,
}

/// Systems on one task.
#[derive(Clone, Debug, Serialize)]
pub struct TaskStanding {
    /// The task.
    pub name: String,
    /// Which way its figure gets better.
    pub better: Option<Better>,
    /// One for each system, where it was measured.
    pub cells: Vec<Option<Cell>>,
    /// Every pair of measured systems.
    pub pairs: Vec<Pair>,
}

/// A system on a task.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cell {
    /// The mean over the runs.
    pub mean: f64,
    /// Their standard deviation, from two runs on.
    pub sd: Option<f64>,
    /// How many runs.
    pub runs: usize,
    /// Tokens seen by a run, on the mean.
    pub tokens: Option<f64>,
    /// Seconds of training of a run, on the mean.
    pub seconds: Option<f64>,
    /// It is the best, or not significantly below the best.
    pub among_best: bool,
}

/// Two systems on a task; differences are first minus second.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// The first system.
    pub first: usize,
    /// The second system.
    pub second: usize,
    /// Seeds that both have.
    pub seeds: usize,
    /// The mean difference over those.
    pub mean: f64,
    /// Its 95 % bootstrap interval, from two seeds on.
    pub interval: Option<(f64, f64)>,
    /// Cohen's d of the paired differences.
    pub cohen_d: Option<f64>,
    /// The same without its bias in small samples (Hedges 1981).
    pub hedges_g: Option<f64>,
    /// What the items say, where both have the same ones.
    pub items: Option<ItemPair>,
    /// What the p-value was got from: `t over seeds`, `permutation over seeds`, `permutation over items`.
    pub test: Option<&'static str>,
    /// The p-value of no difference.
    pub p: Option<f64>,
    /// The same, corrected over all pairs of the task.
    pub corrected_p: Option<f64>,
    /// The interval of what decides, seeds or items, excludes 0.
    pub conclusive: bool,
}

/// Two systems over the items that both measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ItemPair {
    /// How many items.
    pub items: usize,
    /// The mean difference, each item's averaged over the seeds.
    pub mean: f64,
    /// Its 95 % bootstrap interval over the items.
    pub interval: Option<(f64, f64)>,
    /// The p-value of the permutation test over the items.
    pub p: Option<f64>,
}

impl Standing {
    /// Compares `systems` on `tasks`, each with one entry for each system.
    #[must_use]
    pub fn of(systems: Vec<String>, tasks: &[Task], test: Test) -> Self {
        let standings: Vec<TaskStanding> = tasks.iter().map(|task| TaskStanding::of(task, test)).collect();
        let goodness: Vec<Vec<f64>> = standings.iter().filter_map(TaskStanding::goodness).collect();
        let ranks = (goodness.len() > 1).then(|| average_ranks(&goodness));
        Self { systems, tasks: standings, ranks }
    }
}

impl TaskStanding {
    fn of(task: &Task, test: Test) -> Self {
        let systems = &task.systems;
        let mut pairs = Vec::new();
        for first in 0..systems.len() {
            for second in first + 1..systems.len() {
                if let (Some(one), Some(other)) = (&systems[first], &systems[second]) {
                    pairs.push(pair(first, second, one, other, test, &task.name));
                }
            }
        }
        let tested: Vec<usize> = (0..pairs.len()).filter(|&at| pairs[at].p.is_some()).collect();
        let corrected = holm(&tested.iter().filter_map(|&at| pairs[at].p).collect::<Vec<_>>());
        for (at, corrected) in tested.into_iter().zip(corrected) {
            pairs[at].corrected_p = Some(corrected);
        }
        let cells: Vec<Option<Cell>> = systems.iter().map(|system| system.as_ref().map(cell)).collect();
        let mut standing = Self { name: task.name.clone(), better: task.better, cells, pairs };
        standing.mark_best();
        standing
    }

    /// Figures of which more is better; none where nobody knows which way that is or nothing was measured.
    fn goodness(&self) -> Option<Vec<f64>> {
        let sign = match self.better? {
            Better::Higher => 1.0,
            Better::Lower => -1.0,
        };
        Some(self.cells.iter().map(|cell| cell.map_or(f64::NAN, |cell| sign * cell.mean)).collect())
    }

    fn mark_best(&mut self) {
        let Some(goodness) = self.goodness() else { return };
        let measured = (0..goodness.len()).filter(|&at| !goodness[at].is_nan());
        let Some(best) =
            measured.clone().reduce(|best, next| if goodness[next] > goodness[best] { next } else { best })
        else {
            return;
        };
        for at in measured.collect::<Vec<_>>() {
            let beaten = self.pair(best, at).and_then(|pair| pair.corrected_p).is_some_and(|p| p < LEVEL);
            if let Some(cell) = &mut self.cells[at] {
                cell.among_best = !beaten;
            }
        }
    }

    /// The pair of two systems, whichever comes first.
    #[must_use]
    pub fn pair(&self, one: usize, other: usize) -> Option<&Pair> {
        self.pairs.iter().find(|pair| (pair.first, pair.second) == (one.min(other), one.max(other)))
    }
}

fn cell(measured: &Measured) -> Cell {
    let values: Vec<f64> = measured.values.iter().map(|(_, value)| *value).collect();
    Cell {
        mean: mean(&values),
        sd: deviation(&values),
        runs: values.len(),
        tokens: measured.tokens,
        seconds: measured.seconds,
        among_best: false,
    }
}

fn pair(first: usize, second: usize, one: &Measured, other: &Measured, test: Test, task: &str) -> Pair {
    let theirs: BTreeMap<u64, f64> = other.values.iter().copied().collect();
    let shared: Vec<f64> = one.values.iter().filter_map(|(seed, value)| Some(value - theirs.get(seed)?)).collect();
    let key = Key::root(0).stream("compare").stream(task);
    let over_seeds = interval(&shared, key);
    let items = item_pair(one, other, key.stream("items"));
    let by_items = shared.len() < ENOUGH_SEEDS && items.is_some();
    let (name, p) = if by_items {
        ("permutation over items", items.and_then(|items| items.p))
    } else {
        match test {
            _ if shared.len() < 2 => ("", None),
            Test::Student => ("t over seeds", paired_t_test(&shared)),
            Test::Auto if shared.len() < ENOUGH_TO_PERMUTE => ("t over seeds", paired_t_test(&shared)),
            Test::Auto | Test::Permutation => ("permutation over seeds", permutation_test(&shared)),
        }
    };
    let decides = if by_items { items.and_then(|items| items.interval) } else { over_seeds };
    Pair {
        first,
        second,
        seeds: shared.len(),
        mean: mean(&shared),
        interval: over_seeds,
        cohen_d: cohen_d(&shared),
        hedges_g: hedges_g(&shared),
        items,
        test: p.is_some().then_some(name),
        p,
        corrected_p: None,
        conclusive: decides.is_some_and(|(low, high)| low > 0.0 || high < 0.0),
    }
}

/// Over the items that both have in every seed that both have.
fn item_pair(one: &Measured, other: &Measured, key: Key) -> Option<ItemPair> {
    let mut sums: BTreeMap<u64, (f64, usize)> = BTreeMap::new();
    let mut seeds = 0;
    for (seed, ours) in &one.items {
        let Some((_, theirs)) = other.items.iter().find(|(theirs, _)| theirs == seed) else { continue };
        seeds += 1;
        for (item, score) in ours {
            let Some(there) = theirs.get(item) else { continue };
            let sum = sums.entry(*item).or_default();
            *sum = (sum.0 + score - there, sum.1 + 1);
        }
    }
    let differences: Vec<f64> =
        sums.values().filter(|(_, count)| *count == seeds).map(|(sum, count)| sum / *count as f64).collect();
    if differences.is_empty() {
        return None;
    }
    Some(ItemPair {
        items: differences.len(),
        mean: mean(&differences),
        interval: interval(&differences, key),
        p: permutation_test(&differences),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn seeds(values: &[f64]) -> Option<Measured> {
        Some(Measured {
            values: values.iter().zip(0..).map(|(value, seed)| (seed, *value)).collect(),
            ..Measured::default()
        })
    }

    fn items(broken: usize) -> Option<Measured> {
        let scores: ItemScores =
            (0..1000).map(|item| (item, if item % 10 < broken as u64 { 0.0 } else { 1.0 })).collect();
        let accuracy = scores.values().sum::<f64>() / 1000.0;
        Some(Measured { values: vec![(0, accuracy)], items: vec![(0, scores)], ..Measured::default() })
    }

    fn standing(systems: Vec<Option<Measured>>, better: Better) -> Standing {
        let names = (0..systems.len()).map(|at| format!("s{at}")).collect();
        Standing::of(names, &[Task { name: "t".into(), better: Some(better), systems }], Test::Auto)
    }

    #[test]
    fn a_system_against_itself_and_against_itself_with_broken_items() {
        let same = standing(vec![items(0), items(0)], Better::Higher);
        let pair = &same.tasks[0].pairs[0];
        assert_eq!((pair.p, pair.mean, pair.conclusive), (Some(1.0), 0.0, false));
        assert!(same.tasks[0].cells.iter().all(|cell| cell.unwrap().among_best));
        let broken = standing(vec![items(1), items(0)], Better::Higher);
        let pair = &broken.tasks[0].pairs[0];
        assert!(pair.corrected_p.unwrap() < 0.01 && pair.conclusive, "{pair:?}");
        assert_eq!((pair.test, pair.items.unwrap().items), (Some("permutation over items"), 1000));
        let best: Vec<bool> = broken.tasks[0].cells.iter().map(|cell| cell.unwrap().among_best).collect();
        assert_eq!(best, [false, true]);
    }

    #[test]
    fn few_seeds_are_tested_by_student_and_many_by_permutation() {
        let few =
            standing(vec![seeds(&[1.0, 1.1, 1.2]), seeds(&[1.5, 1.62, 1.68]), seeds(&[1.1, 1.0, 1.3])], Better::Lower);
        let task = &few.tasks[0];
        assert!(task.pairs.iter().all(|pair| pair.test == Some("t over seeds") && pair.seeds == 3));
        let p: Vec<f64> = task.pairs.iter().map(|pair| pair.p.unwrap()).collect();
        let corrected: Vec<f64> = task.pairs.iter().map(|pair| pair.corrected_p.unwrap()).collect();
        assert!(
            p.iter().zip(&corrected).all(|(p, corrected)| corrected >= p) && corrected[0] == 3.0 * p[0],
            "{p:?} {corrected:?}"
        );
        let best: Vec<bool> = task.cells.iter().map(|cell| cell.unwrap().among_best).collect();
        assert_eq!(best, [true, false, true]);
        assert!(task.pair(1, 0).unwrap().conclusive && !task.pair(0, 2).unwrap().conclusive);
        let many: Vec<f64> = (0..8).map(|seed| 1.0 + f64::from(seed) / 10.0).collect();
        let more: Vec<f64> = many.iter().map(|value| value + 0.3).collect();
        let pair = standing(vec![seeds(&many), seeds(&more)], Better::Lower).tasks[0].pairs[0].clone();
        assert_eq!((pair.test, pair.p), (Some("permutation over seeds"), Some(2.0 / 256.0)));
    }

    #[test]
    fn gaps_and_single_runs_are_no_obstacle() {
        let odd = standing(vec![seeds(&[1.0]), None, seeds(&[f64::NAN]), seeds(&[2.0])], Better::Higher);
        let task = &odd.tasks[0];
        assert_eq!(task.pairs.len(), 3);
        assert!(task.pairs.iter().all(|pair| pair.p.is_none() && !pair.conclusive));
        assert!(task.cells[1].is_none() && !task.cells[2].unwrap().among_best && task.cells[3].unwrap().among_best);
        assert!(odd.ranks.is_none());
    }
}
