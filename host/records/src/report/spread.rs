//! The chart of a metric in several groups of runs: each run faint, the mean strong, its interval as a band.

use philox::Key;

use super::chart::{Band, Chart, Series, Style, smooth};
use super::{curve, title};
use crate::metrics::Row;
use crate::statistics::{interval, mean};

/// Beyond this many points a curve is smoothed before it is averaged.
const NOISY: usize = 40;

/// The chart as an HTML figure under `lead` and the metric's name; nothing where no group has the metric. A group is its name
/// and the rows of its runs.
#[must_use]
pub fn spread_chart(lead: &str, groups: &[(&str, Vec<&[Row]>)], split: &str, metric: &str) -> Option<String> {
    let (mut series, mut bands) = (Vec::new(), Vec::new());
    for (colour, (name, runs)) in groups.iter().enumerate() {
        let curves: Vec<Vec<(f64, f64)>> = runs
            .iter()
            .map(|rows| curve(rows, split, metric))
            .filter(|points| !points.is_empty())
            .map(|points| if points.len() >= NOISY && split == "train" { smooth(&points) } else { points })
            .collect();
        let mut draw = |style, points| series.push(Series { name: (*name).into(), colour, style, points });
        if curves.len() < 2 {
            curves.into_iter().for_each(|points| draw(Style::Strong, points));
            continue;
        }
        let (line, band) = mean_and_band(&curves);
        draw(Style::Strong, line);
        for points in curves {
            draw(Style::Faint, points);
        }
        bands.push(Band { colour, points: band });
    }
    let title = format!("{lead}{} on {split}", title(metric));
    Chart { title, wide: false, series, bands }.to_html()
}

/// (step, value).
type Points = Vec<(f64, f64)>;

/// The mean of the curves at the steps that all of them have, and (step, low, high) of its 95 % interval.
fn mean_and_band(curves: &[Points]) -> (Points, Vec<(f64, f64, f64)>) {
    let key = Key::root(0).stream("band");
    let (mut line, mut band) = (Vec::new(), Vec::new());
    for (step, first) in &curves[0] {
        let others: Option<Vec<f64>> = curves[1..]
            .iter()
            .map(|points| points.binary_search_by(|point| point.0.total_cmp(step)).ok().map(|at| points[at].1))
            .collect();
        let Some(mut values) = others else { continue };
        values.push(*first);
        line.push((*step, mean(&values)));
        band.extend(interval(&values, key).map(|(low, high)| (*step, low, high)));
    }
    (line, band)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_mean_is_strong_the_runs_are_faint_the_interval_is_a_band() {
        let run = |offset: f64| -> Vec<Row> {
            (1..=5).map(|step| Row::new(step, "valid").with("loss", offset + 5.0 / step as f64)).collect()
        };
        let runs = [run(0.0), run(0.1), run(0.2)];
        let groups = [("a", runs.iter().map(Vec::as_slice).collect()), ("b", vec![runs[0].as_slice()])];
        let html = spread_chart("", &groups, "valid", "loss").unwrap();
        assert_eq!(html.matches("faint").count(), 3);
        assert_eq!(html.matches("class=\"band").count(), 1);
        assert_eq!(html.matches("class=\"key\"").count(), 2);
        assert!(spread_chart("", &groups, "valid", "f1").is_none());
        let curves: Vec<Points> = runs.iter().map(|rows| curve(rows, "valid", "loss")).collect();
        let (line, band) = mean_and_band(&curves);
        assert!((line[4].1 - 1.1).abs() < 1e-12 && band[4].1 < 1.1 && band[4].2 > 1.1);
    }
}
