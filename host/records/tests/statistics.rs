//! Paired statistics agree with scipy (fixtures/statistics.py).
#![allow(clippy::unwrap_used, reason = "tests")]

use philox::Key;
use records::statistics::{
    average_ranks, cohen_d, deviation, hedges_g, holm, interval, mean, paired_t_test, permutation_test,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("fixtures/statistics.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[track_caller]
fn near(ours: f64, theirs: &Value, tolerance: f64, what: &str) {
    let theirs = theirs.as_f64().unwrap();
    assert!((ours - theirs).abs() <= tolerance * theirs.abs().max(1.0), "{what}: {ours} against {theirs}");
}

#[test]
fn closed_forms() {
    for case in golden()["cases"].as_array().unwrap() {
        let values = numbers(&case["values"]);
        near(mean(&values), &case["mean"], 1e-12, "mean");
        near(deviation(&values).unwrap(), &case["deviation"], 1e-12, "deviation");
        near(cohen_d(&values).unwrap(), &case["cohen_d"], 1e-10, "Cohen's d");
        match hedges_g(&values) {
            Some(g) => near(g, &case["hedges_g"], 1e-10, "Hedges' g"),
            None => assert!(case["hedges_g"].is_null()),
        }
        let p = paired_t_test(&values).unwrap();
        near(p, &case["t_test"], 1e-11, "t test");
        let theirs = case["t_test"].as_f64().unwrap();
        assert!((p.ln() - theirs.ln()).abs() < 1e-6, "small p-values too: {p:e} against {theirs:e}");
    }
}

#[test]
fn resampling_within_its_own_noise() {
    for case in golden()["cases"].as_array().unwrap() {
        let values = numbers(&case["values"]);
        let tolerance = if values.len() <= 12 { 1e-12 } else { 0.015 };
        near(permutation_test(&values).unwrap(), &case["permutation"], tolerance, "permutation");
        let (low, high) = interval(&values, Key::root(3)).unwrap();
        let theirs = numbers(&case["interval"]);
        // A quantile of 10,000 draws wavers by a few hundredths of a standard error; few values make it jump.
        let error = case["standard_error"].as_f64().unwrap() * if values.len() < 5 { 0.5 } else { 0.13 };
        assert!(
            (low - theirs[0]).abs() <= error && (high - theirs[1]).abs() <= error,
            "{low} {high} {theirs:?} ± {error}"
        );
    }
}

#[test]
fn corrections_and_ranks() {
    let golden = golden();
    for (ours, theirs) in holm(&numbers(&golden["holm"]["p"])).iter().zip(numbers(&golden["holm"]["corrected"])) {
        assert!((ours - theirs).abs() < 1e-15);
    }
    let tasks: Vec<Vec<f64>> = golden["ranks"]["goodness"].as_array().unwrap().iter().map(numbers).collect();
    assert_eq!(average_ranks(&tasks), numbers(&golden["ranks"]["average"]));
}
