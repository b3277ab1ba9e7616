//! Figures and probes against scikit-learn, scipy and seqeval; `fixtures/metrics.py` made the values.
#![allow(clippy::unwrap_used, reason = "tests")]

use plugin_api::Json;
use plugin_api::metrics::*;
use plugin_api::probe::{Logistic, Neighbours, Ridge, Standard};

fn golden() -> Json {
    serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap()
}

fn list<T>(json: &Json, of: impl Fn(&Json) -> T) -> Vec<T> {
    json.as_array().unwrap().iter().map(of).collect()
}

fn number(json: &Json) -> f64 {
    json.as_f64().unwrap()
}

fn numbers(json: &Json) -> Vec<f64> {
    list(json, number)
}

fn indices(json: &Json) -> Vec<usize> {
    list(json, |one| one.as_u64().unwrap() as usize)
}

fn texts(json: &Json) -> Vec<Vec<String>> {
    list(json, |line| list(line, |tag| tag.as_str().unwrap().to_owned()))
}

#[track_caller]
fn assert_near(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found} where {expected} belongs");
}

#[test]
fn classes_are_counted_as_in_scikit_learn() {
    for case in golden()["classes"].as_array().unwrap() {
        let (predicted, labels) = (indices(&case["predicted"]), indices(&case["labels"]));
        assert_near(accuracy(&predicted, &labels), number(&case["accuracy"]), 1e-12);
        assert_near(f1(&predicted, &labels, 1), number(&case["f1"]), 1e-12);
        assert_near(macro_f1(&predicted, &labels), number(&case["macro_f1"]), 1e-12);
        assert_near(micro_f1(&predicted, &labels), number(&case["micro_f1"]), 1e-12);
        assert_near(matthews(&predicted, &labels), number(&case["matthews"]), 1e-12);
    }
}

#[test]
fn areas_are_those_of_scikit_learn_ties_included() {
    for case in golden()["auc"].as_array().unwrap() {
        let positive = list(&case["positive"], |one| one.as_bool().unwrap());
        assert_near(auc(&numbers(&case["scores"]), &positive), number(&case["auc"]), 1e-12);
    }
    assert!(auc(&[1.0, 2.0], &[true, true]).is_nan());
}

#[test]
fn correlations_are_those_of_scipy_ties_included() {
    for case in golden()["correlations"].as_array().unwrap() {
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        assert_near(pearson(&a, &b), number(&case["pearson"]), 1e-12);
        assert_near(spearman(&a, &b), number(&case["spearman"]), 1e-12);
        assert_eq!(ranks(&a), numbers(&case["ranks"]));
    }
    assert!(pearson(&[1.0, 1.0], &[0.0, 1.0]).is_nan() && spearman(&[], &[]).is_nan());
}

#[test]
fn spans_are_those_of_seqeval() {
    for case in golden()["spans"].as_array().unwrap() {
        let spans = |name: &str| texts(&case[name]).iter().map(|tags| spans_of_bio(tags)).collect::<Vec<_>>();
        let (labels, predicted) = (spans("labels"), spans("predicted"));
        let expected = list(&case["spans"], |line| {
            list(line, |span| Span {
                start: span[0].as_u64().unwrap() as usize,
                end: span[1].as_u64().unwrap() as usize,
                kind: span[2].as_str().unwrap().to_owned(),
            })
        });
        assert_eq!(labels, expected, "{}", case["labels"]);
        let scores = span_scores(&predicted, &labels);
        assert_near(scores.f1, number(&case["f1"]), 1e-12);
        assert_near(scores.precision, number(&case["precision"]), 1e-12);
        assert_near(scores.recall, number(&case["recall"]), 1e-12);
    }
}

#[test]
fn entropies_are_those_of_scipy() {
    for case in golden()["entropy"].as_array().unwrap() {
        assert_near(entropy(&numbers(&case["p"])), number(&case["entropy"]), 1e-12);
    }
    assert_near(perplexity(6.0 * 7.0_f64.ln(), 6.0), 7.0, 1e-12);
    assert_near(bits(std::f64::consts::LN_2 * 8.0, 4.0), 2.0, 1e-12);
}

#[test]
fn probes_find_what_scikit_learn_finds() {
    let probes = golden()["probes"].clone();
    let (rows, labels) = (list(&probes["rows"], numbers), indices(&probes["labels"]));
    let logistic = Logistic::fit(&rows, &labels, 3, 0.5).unwrap();
    for (class, expected) in list(&probes["weights"], numbers).iter().enumerate() {
        logistic.weights(class).iter().zip(expected).for_each(|(a, b)| assert_near(*a, *b, 1e-5));
    }
    for (row, expected) in rows.iter().zip(list(&probes["probabilities"], numbers)) {
        logistic.probabilities(row).iter().zip(&expected).for_each(|(a, b)| assert_near(*a, *b, 1e-5));
    }
    let ridge = Ridge::fit(&rows, &numbers(&probes["targets"]), 1.5).unwrap();
    let found: Vec<f64> = ridge.weights().iter().copied().chain([ridge.bias()]).collect();
    found.iter().zip(numbers(&probes["ridge"])).for_each(|(a, b)| assert_near(*a, b, 1e-9));
    let neighbours = Neighbours::new(&rows[..40], &labels[..40], 3).unwrap();
    assert_eq!(neighbours.predict(&rows[40..], 5), indices(&probes["neighbours"]));
}

#[test]
fn classes_that_can_be_told_apart_end_the_search_with_finite_weights() {
    let rows: Vec<Vec<f64>> = (0..20).map(|place| vec![f64::from(place), 1.0]).collect();
    let labels: Vec<usize> = (0..20).map(|place| usize::from(place >= 10)).collect();
    let standard = Standard::of(&rows).unwrap();
    let logistic = Logistic::fit(&standard.apply(&rows), &labels, 2, 0.0).unwrap();
    assert_eq!(logistic.predict(&standard.apply(&rows)), labels);
    assert!(logistic.weights(1).iter().all(|weight| weight.is_finite()));
}

#[test]
fn what_cannot_be_fitted_is_told() {
    let rows = vec![vec![1.0, 2.0], vec![2.0, 4.0], vec![3.0, 6.0]];
    assert!(Ridge::fit(&rows, &[1.0, 2.0, 3.0], 0.0).unwrap_err().text().contains("depend on each other"));
    assert!(Ridge::fit(&rows, &[1.0], 1.0).is_err() && Ridge::fit(&[], &[], 1.0).is_err());
    assert!(Logistic::fit(&rows, &[0, 1, 2], 2, 1.0).unwrap_err().text().contains("class 2 of 2"));
    assert!(Logistic::fit(&[vec![f64::NAN]], &[0], 1, 1.0).is_err());
    assert!(Standard::of(&[vec![1.0], vec![1.0, 2.0]]).is_err());
}

#[test]
fn intersections_over_unions_are_those_of_scikit_learn() {
    let golden: Json = serde_json::from_str(include_str!("fixtures/confusion.json")).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let mut confusion = Confusion::new(case["classes"].as_u64().unwrap() as usize);
        for counts in case["confusion"].as_array().unwrap() {
            confusion.add(&numbers(counts)).unwrap();
        }
        assert_near(confusion.mean_iou(), number(&case["mean_iou"]), 1e-12);
        assert_near(confusion.accuracy(), number(&case["accuracy"]), 1e-12);
        for (class, expected) in case["iou"].as_array().unwrap().iter().enumerate() {
            match (confusion.iou(class), expected.as_f64()) {
                (Some(found), Some(expected)) => assert_near(found, expected, 1e-12),
                (found, expected) => assert_eq!(found, expected, "class {class}"),
            }
        }
    }
    assert!(Confusion::new(3).add(&[1.0; 4]).is_err());
    assert!(Confusion::new(2).mean_iou().is_nan());
    let mut three = Confusion::new(3);
    three.add(&[1.0, 2.0, 0.0, 0.0, 4.0, 1.0, 0.0, 0.0, 0.0]).unwrap();
    let majority = three.majority();
    assert_eq!(majority.accuracy(), 5.0 / 8.0);
    assert_eq!(majority.mean_iou(), (0.0 + 5.0 / 8.0) / 2.0, "the third class is nowhere");
}
