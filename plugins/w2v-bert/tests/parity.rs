//! Quantiser and losses are those of wav2vec 2.0 in transformers on the same weights; see `fixtures/make.py`.
#![allow(clippy::unwrap_used, dead_code, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use compute::layout::Layout;
use compute::{Device, Tensor, ops};
use lacuna::boundary::{Content, batch_object};
use support::*;

const ROWS: usize = 7;
const WIDTH: usize = 8;
const BINS: usize = 32;

/// The lines of `expected.txt`: names and numbers.
fn expected() -> BTreeMap<&'static str, Vec<f64>> {
    let line = |line: &'static str| {
        let mut words = line.split(' ');
        (words.next().unwrap(), words.map(|word| word.parse().unwrap()).collect())
    };
    include_str!("fixtures/expected.txt").lines().map(line).collect()
}

/// Convolutions that hand on every fourth frame and bin, so that features say what the rows are, which may not be negative.
#[test]
fn the_original_says_the_same() {
    let expected = expected();
    let session = session(&[
        "objective.codebooks=2",
        "objective.codes=5",
        "objective.code_width=6",
        "objective.contrast_width=6",
    ]);
    let diagonal = |width: usize| move |index: usize| f64::from(index / width == index % width);
    for layer in ["conv1", "conv2"] {
        set(&session, &format!("encoder.frontend.{layer}.weight"), |index| f64::from(index == 4));
    }
    set(&session, "encoder.frontend.projection.weight", diagonal(WIDTH));
    set(&session, "objective.target.weight", diagonal(6));
    set(&session, "objective.context.weight", |_| 0.0);
    for (name, numbers) in [
        ("objective.context.bias", "context"),
        ("objective.quantiser.logits.weight", "weight"),
        ("objective.quantiser.logits.bias", "bias"),
        ("objective.quantiser.codes", "codes"),
    ] {
        set(&session, name, |index| expected[numbers][index]);
    }
    let mut features = vec![0.0_f32; ROWS * 4 * BINS];
    for (index, number) in expected["rows"].iter().enumerate() {
        features[index / WIDTH * 4 * BINS + index % WIDTH * 4] = *number as f32;
    }
    let numbers = |name: &str| expected[name].iter().map(|number| *number as i64).collect::<Vec<_>>();
    let (masked, candidates) = (numbers("masked"), numbers("candidates"));
    let hidden: Vec<u8> = (0..ROWS as i64).map(|row| u8::from(masked.contains(&row))).collect();
    let tensor = |made: compute::Result<Tensor>| Content::from(made.unwrap());
    let hidden = Tensor::from_slice(&hidden, &[ROWS], &Device::Cpu).unwrap();
    let batch = batch_object([
        ("audio.features".to_owned(), tensor(Tensor::from_slice(&features, &[1, ROWS * 4, BINS], &Device::Cpu))),
        ("audio.layout".to_owned(), Content::Layout(Layout::new(&[ROWS], &[1]).unwrap())),
        ("w2v-bert.hidden".to_owned(), tensor(ops::cast(&hidden, compute::DType::Bool))),
        ("w2v-bert.masked".to_owned(), tensor(Tensor::from_slice(&masked, &[masked.len()], &Device::Cpu))),
        (
            "w2v-bert.candidates".to_owned(),
            tensor(Tensor::from_slice(&candidates, &[masked.len(), candidates.len() / masked.len()], &Device::Cpu)),
        ),
    ])
    .unwrap();
    let found = losses(&session, &batch, false);
    assert!((found["diversity"] - expected["diversity"][0]).abs() < 1e-5, "{found:?}");
    let contrastive = expected["contrastive"].iter().sum::<f64>() / masked.len() as f64;
    assert!((found["contrastive"] - contrastive).abs() < 1e-4, "{found:?}, not {contrastive}");
    let result = result(&session, &batch, false);
    let units = result.items.iter().find(|item| item.name == "units").unwrap();
    let pairs: Vec<f64> = expected["units"].chunks(2).map(|pair| pair[0] + 5.0 * pair[1]).collect();
    assert_eq!(flat(units.values.value()), pairs);
}
