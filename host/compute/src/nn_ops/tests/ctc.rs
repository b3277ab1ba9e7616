//! The CTC loss: worked examples, PyTorch's numbers, finite differences, and what is refused.

use crate::layout::Layout;
use crate::nn_ops::{TooShort, ctc};
use crate::testing::{check_gradient, compare, device, numbers, random, widest};
use crate::{Gradients, Leaf, Result, Tensor, Value, backward, mode};

fn layout(lengths: &[usize]) -> Layout {
    Layout::new(lengths, &(0..lengths.len() as u64).collect::<Vec<_>>()).unwrap()
}

/// The losses of segments, each with its transcript.
fn losses(logits: &Tensor, rows: &[usize], labels: &[&[i64]], blank: usize, too_short: TooShort) -> Result<Tensor> {
    let flat = labels.concat();
    let targets = Tensor::from_slice(&flat, &[flat.len()], &device())?;
    let lengths: Vec<usize> = labels.iter().map(|labels| labels.len()).collect();
    ctc(logits, &layout(rows), &targets, &layout(&lengths), blank, too_short)
}

fn zeros(rows: usize, classes: usize) -> Tensor {
    Tensor::constant(Value::zeros((rows, classes), widest(), &device()).unwrap())
}

#[test]
fn uniform_rows_count_the_ways() {
    // Three rows over a blank, a and b: 5 of 27 ways say "ab", one (a, blank, a) says "aa".
    let found = losses(&zeros(6, 3), &[3, 3], &[&[1, 2], &[1, 1]], 0, TooShort::Refuse).unwrap();
    compare("uniform", &numbers(found.value()), &[-(5.0_f64 / 27.0).ln(), 27.0_f64.ln()], 1e-6);
}

#[test]
fn a_transcript_too_long_for_its_rows_is_refused_or_skipped() {
    let refuse = |rows: &[usize], labels: &[&[i64]]| {
        losses(&zeros(rows.iter().sum(), 3), rows, labels, 0, TooShort::Refuse).unwrap_err().to_string()
    };
    let error = refuse(&[3, 3], &[&[1, 2], &[1, 2, 1, 2]]);
    assert!(error.contains("segment 1 has 3 rows") && error.contains("4 labels need 4 (0 repeat"), "{error}");
    assert!(refuse(&[2], &[&[1, 1]]).contains("2 labels need 3 (1 repeat"));
    assert!(refuse(&[0], &[&[1]]).contains("segment 0 has 0 rows"));

    let leaf = Leaf::new("logits");
    let mut gradients = Gradients::default();
    mode::with_gradients(true, || {
        let logits = Tensor::leaf(random(&[5, 3], 1), &leaf);
        let loss = losses(&logits, &[2, 3], &[&[1, 1], &[1, 2]], 0, TooShort::Skip).unwrap();
        let found = numbers(loss.value());
        assert!(found[0] == 0.0 && found[1] > 0.0, "{found:?}");
        let seed = Value::ones(2, widest(), &device()).unwrap();
        backward(&loss, Some(&seed), false, &mut gradients).unwrap();
    });
    let gradient = numbers(gradients.get(&leaf).unwrap());
    assert!(gradient[..6].iter().all(|g| *g == 0.0) && gradient[6..].iter().all(|g| *g != 0.0), "{gradient:?}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let error = |classes, rows: &[usize], labels: &[&[i64]], blank| {
        losses(&zeros(4, classes), rows, labels, blank, TooShort::Refuse).unwrap_err().to_string()
    };
    assert!(error(3, &[3], &[&[1]], 0).contains("4 rows of logits"));
    assert!(error(3, &[2, 2], &[&[1]], 0).contains("2 segments of rows and 1 transcripts"));
    assert!(error(3, &[4], &[&[0]], 0).contains("label 0 at 0"));
    assert!(error(3, &[4], &[&[1, 3]], 0).contains("label 3 at 1"));
    assert!(error(3, &[4], &[&[1, -1]], 0).contains("label -1 at 1"));
    assert!(error(3, &[4], &[&[1]], 3).contains("the blank 3"));
}

#[test]
fn segments_without_rows_or_labels() {
    let found = losses(&zeros(2, 4), &[0, 2], &[&[], &[]], 0, TooShort::Refuse).unwrap();
    compare("empty", &numbers(found.value()), &[0.0, 2.0 * 4.0_f64.ln()], 1e-6);
    let none = losses(&zeros(0, 4), &[], &[], 0, TooShort::Refuse).unwrap();
    assert_eq!(none.dims(), [0]);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    /// Rows of segments, their labels, the blank.
    type Case<'a> = (&'a [usize], &'a [&'a [i64]], usize);
    let cases: [Case<'_>; 3] =
        [(&[5, 3, 4], &[&[1, 1, 2], &[], &[3]], 0), (&[4], &[&[0, 2, 0]], 3), (&[3, 6], &[&[2, 2], &[0, 1, 0]], 3)];
    for (rows, labels, blank) in cases {
        let logits = random(&[rows.iter().sum(), 4], 3);
        check_gradient("ctc", &[logits], |x| losses(&x[0], rows, labels, blank, TooShort::Refuse));
    }
}

#[test]
fn other_types_give_what_f64_gives() {
    use candle_core::DType::{BF16, F32};
    let logits = random(&[9, 4], 4);
    let run = |value: Value| {
        let found = losses(&Tensor::constant(value), &[9], &[&[1, 2, 2]], 0, TooShort::Refuse).unwrap();
        (found.value().dtype(), numbers(found.value()))
    };
    let wide = run(logits.clone()).1;
    for (kind, tolerance) in [(F32, 1e-5), (BF16, 2e-2)] {
        let (dtype, found) = run(logits.to_dtype(kind).unwrap());
        assert_eq!(dtype, F32);
        compare("ctc, narrow", &found, &wide, tolerance);
    }
}

/// A case of `ctc.txt`, see `make_ctc.py`.
struct Case {
    name: String,
    classes: usize,
    blank: usize,
    rows: Vec<usize>,
    labels: Vec<Vec<i64>>,
    logits: Vec<f64>,
    loss: Vec<f64>,
    gradient: Vec<f64>,
}

fn cases() -> Vec<Case> {
    fn rest<'a>(line: &'a str, key: &str) -> &'a str {
        line.strip_prefix(key).unwrap_or_else(|| panic!("`{key}` is expected before {line}")).trim()
    }
    fn list<T: std::str::FromStr>(text: &str) -> Vec<T> {
        text.split_whitespace().map(|number| number.parse().ok().unwrap()).collect()
    }
    let lines: Vec<&str> = include_str!("../../../tests/golden/ctc.txt").lines().collect();
    let case = |lines: &[&str]| {
        let head: Vec<&str> = rest(lines[0], "case").split(' ').collect();
        Case {
            name: head[0].to_owned(),
            classes: head[1].parse().unwrap(),
            blank: head[2].parse().unwrap(),
            rows: list(rest(lines[1], "rows")),
            labels: rest(lines[2], "labels").split('|').map(list).collect(),
            logits: list(rest(lines[3], "logits")),
            loss: list(rest(lines[4], "loss")),
            gradient: list(rest(lines[5], "gradient")),
        }
    };
    lines.chunks(6).map(case).collect()
}

#[test]
fn pytorch_says_the_same() {
    for case in cases() {
        let dims = [case.rows.iter().sum(), case.classes];
        let logits = Tensor::from_slice(&case.logits, &dims, &device()).unwrap();
        let labels: Vec<&[i64]> = case.labels.iter().map(Vec::as_slice).collect();
        let leaf = Leaf::new("logits");
        let mut gradients = Gradients::default();
        mode::with_gradients(true, || {
            let logits = Tensor::leaf(logits.value().to_dtype(widest()).unwrap(), &leaf);
            let loss = losses(&logits, &case.rows, &labels, case.blank, TooShort::Refuse).unwrap();
            compare(&format!("{}: loss", case.name), &numbers(loss.value()), &case.loss, 1e-10);
            let seed: Vec<f64> = (1..=case.rows.len()).map(|index| index as f64).collect();
            let seed = Tensor::from_slice(&seed, &[case.rows.len()], &device()).unwrap();
            backward(&loss, Some(seed.value()), false, &mut gradients).unwrap();
        });
        compare(&format!("{}: gradient", case.name), &numbers(gradients.get(&leaf).unwrap()), &case.gradient, 1e-10);
    }
}
