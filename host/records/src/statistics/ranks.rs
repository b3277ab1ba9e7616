//! Ranks of systems over several tasks.

/// The mean rank of each system over the tasks at which all are measured, 1 for the best, equals sharing their ranks.
/// `goodness_ts` has a list for each task, one figure for each system, higher being better; NaN leaves the task out.
#[must_use]
pub fn average_ranks(goodness_ts: &[Vec<f64>]) -> Vec<f64> {
    let whole: Vec<&Vec<f64>> = goodness_ts.iter().filter(|task| task.iter().all(|value| !value.is_nan())).collect();
    let systems = goodness_ts.first().map_or(0, Vec::len);
    if whole.is_empty() {
        return vec![f64::NAN; systems];
    }
    let rank = |task: &[f64], system: usize| {
        let above = task.iter().filter(|value| **value > task[system]).count() as f64;
        let equal = task.iter().filter(|value| **value == task[system]).count() as f64;
        above + (equal + 1.0) / 2.0
    };
    let tasks = whole.len() as f64;
    (0..systems).map(|system| whole.iter().map(|task| rank(task, system)).sum::<f64>() / tasks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_share_and_tasks_with_gaps_are_left_out() {
        let ranks = average_ranks(&[vec![0.9, 0.8, 0.8], vec![0.1, 0.5, 0.3], vec![f64::NAN, 1.0, 2.0]]);
        assert_eq!(ranks, [2.0, 1.75, 2.25]);
        assert!(average_ranks(&[vec![f64::NAN, 1.0]]).iter().all(|rank| rank.is_nan()));
        assert!(average_ranks(&[]).is_empty());
    }
}
