//! LAMB, Adafactor, Lion and Muon against public implementations; what they remember, saved and put back.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use super::*;
use crate::testing::numbers;
use crate::weights::{Init, WeightOptions};
use crate::{DType, Device, Value};

fn sines(count: usize, phase: f64, factor: f64) -> Vec<f64> {
    (0..count).map(|index| factor * (index as f64 * 0.7 + phase).sin()).collect()
}

/// Weights `a` of six numbers, `scale` times as large, with decay, and `b` of three without, as in `make_rules.py`.
fn weights(shape: &[usize], scale: f64, dtype: DType) -> Weights {
    let weights = Weights::with_dtype(0, &Device::Cpu, dtype);
    weights.create("a", shape, Init::Values(sines(6, 0.0, scale)), WeightOptions::default()).unwrap();
    weights.create("b", &[3], Init::Values(sines(3, 1.0, 1.0)), WeightOptions::without_decay()).unwrap();
    weights
}

fn gradients(weights: &Weights, step: usize) -> Gradients {
    let mut gradients = Gradients::default();
    for (name, numbers) in [("a", sines(6, 0.3 * step as f64, 1.0)), ("b", sines(3, 2.0 + step as f64, 10.0))] {
        let weight = weights.get(name).unwrap();
        let value = Value::from_vec(numbers, weight.shape(), &Device::Cpu).unwrap();
        gradients.set(&weight.leaf(), value.to_dtype(weight.value().dtype()).unwrap());
    }
    gradients
}

fn steps(optimizer: &mut dyn Optimizer, weights: &Weights, steps: std::ops::Range<usize>) {
    for step in steps {
        let report = optimizer.step(weights, &mut gradients(weights, step), 0.1).unwrap();
        assert!(report.updated == 2 && !report.skipped);
    }
}

fn all(weights: &Weights) -> Vec<f64> {
    weights.all().iter().flat_map(|weight| numbers(&weight.value())).collect()
}

/// The rules with the settings of the golden file: its name, the optimizer's, the shape and scale of `a`.
fn rules() -> Vec<(&'static str, &'static str, [usize; 2], f64, Settings)> {
    let groups = Groups { weight_decay: 0.1, ..Groups::default() };
    let lamb = Settings { betas: (0.9, 0.99), epsilon: 1e-6, groups, ..Settings::default() };
    let adafactor = |change: fn(&mut AdafactorSettings)| {
        let mut own = AdafactorSettings::default();
        change(&mut own);
        Settings { betas: (own.beta1, 0.0), epsilon: own.epsilon, adafactor: own, ..lamb.clone() }
    };
    let muon = |adjust| {
        let own = MuonSettings { adjust, ..MuonSettings::default() };
        Settings { epsilon: 1e-8, momentum: 0.9, nesterov: true, muon: own, ..lamb.clone() }
    };
    vec![
        ("lamb", "lamb", [2, 3], 1.0, lamb.clone()),
        ("lamb_large", "lamb", [2, 3], 4.0, lamb.clone()),
        ("lamb_clipped", "lamb", [2, 3], 4.0, Settings { trust_clip: 1.0, ..lamb.clone() }),
        ("lion", "lion", [2, 3], 1.0, lamb.clone()),
        ("adafactor", "adafactor", [2, 3], 1.0, adafactor(|_| {})),
        (
            "adafactor_plain",
            "adafactor",
            [2, 3],
            1.0,
            adafactor(|own| (own.scale_parameter, own.update_clip) = (false, 0.5)),
        ),
        ("adafactor_first", "adafactor", [2, 3], 1.0, adafactor(|own| (own.beta1, own.decay_exponent) = (0.9, 0.5))),
        ("adafactor_relative", "adafactor", [2, 3], 1.0, adafactor(|own| own.relative_step = true)),
        (
            "adafactor_warmup",
            "adafactor",
            [2, 3],
            1.0,
            adafactor(|own| (own.relative_step, own.warmup_init) = (true, true)),
        ),
        ("muon", "muon", [2, 3], 1.0, muon(MuonAdjust::Original)),
        ("muon_tall", "muon", [3, 2], 1.0, muon(MuonAdjust::Original)),
        ("muon_matched", "muon", [3, 2], 1.0, muon(MuonAdjust::MatchRms)),
        ("muon_bfloat16", "muon", [3, 2], 1.0, muon(MuonAdjust::Original)),
    ]
}

#[test]
fn five_steps_end_where_public_implementations_end() {
    let golden = include_str!("../../tests/golden/rules.txt");
    for (name, optimizer_name, shape, scale, settings) in rules() {
        let line = golden.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
        let wanted: Vec<f64> = line.split(' ').skip(1).map(|number| number.parse().unwrap()).collect();
        for (dtype, tolerance) in [(DType::F64, 2e-9), (DType::F32, 1e-5)] {
            // Theirs in bfloat16, ours not.
            let tolerance = if name == "muon_bfloat16" { 0.01 } else { tolerance };
            let weights = weights(&shape, scale, dtype);
            let mut optimizer = optimizer(optimizer_name, &settings).unwrap();
            assert_eq!(optimizer.name(), optimizer_name);
            steps(&mut *optimizer, &weights, 0..5);
            for (found, wanted) in all(&weights).iter().zip(&wanted) {
                assert!((found - wanted).abs() < tolerance, "{name} {dtype}: {found} instead of {wanted}");
            }
        }
    }
}

#[test]
fn stopped_and_continued_they_end_at_the_same_bits() {
    for (name, optimizer_name, shape, scale, settings) in rules() {
        for dtype in [DType::F64, DType::F32] {
            let (whole, parted) = (weights(&shape, scale, dtype), weights(&shape, scale, dtype));
            let mut first = optimizer(optimizer_name, &settings).unwrap();
            steps(&mut *first, &whole, 0..5);
            let mut before = optimizer(optimizer_name, &settings).unwrap();
            steps(&mut *before, &parted, 0..3);
            let state: BTreeMap<String, Saved> =
                before.state().unwrap().into_iter().map(|saved| (saved.name.clone(), saved)).collect();
            let mut after = optimizer(optimizer_name, &settings).unwrap();
            after.load_state(&parted, &state).unwrap();
            assert_eq!(after.state().unwrap(), before.state().unwrap(), "{name}");
            steps(&mut *after, &parted, 3..5);
            assert_eq!(all(&whole), all(&parted), "{name} {dtype}");
            // What is another's, and what is cut off, is refused.
            let mut strange = state.clone();
            let (key, saved) = state.iter().next().map(|(key, saved)| (key.clone(), saved.clone())).unwrap();
            strange.insert("sgd/velocity/a".into(), Saved { name: "sgd/velocity/a".into(), ..saved });
            assert!(after.load_state(&parted, &strange).is_err(), "{name}");
            let mut cut = state.clone();
            cut.remove(&key);
            assert!(after.load_state(&parted, &cut).is_err(), "{name}");
        }
    }
}

#[test]
fn adafactor_remembers_rows_and_columns_and_muon_one_moment() {
    let names = |name: &str, settings: &Settings| {
        let weights = weights(&[2, 3], 1.0, DType::F32);
        let mut optimizer = optimizer(name, settings).unwrap();
        steps(&mut *optimizer, &weights, 0..1);
        let shape = |saved: Saved| format!("{} {:?}", saved.name, saved.shape);
        optimizer.state().unwrap().into_iter().map(shape).filter(|name| !name.contains("steps")).collect::<Vec<_>>()
    };
    let factored = ["adafactor/column/a [3]", "adafactor/row/a [2]", "adafactor/second/b [3]"];
    let own = Settings { betas: (0.0, 0.0), ..Settings::default() };
    assert_eq!(names("adafactor", &own), factored);
    let muon = ["muon-rest/adamw/first/b [3]", "muon-rest/adamw/second/b [3]", "muon/momentum/a [2, 3]"];
    assert_eq!(names("muon", &Settings::default()), muon);
}

/// A table that is looked up is no matrix, whatever its shape.
#[test]
fn muon_leaves_tables_of_embeddings_to_adamw() {
    let weights = Weights::new(0, &Device::Cpu);
    let table = WeightOptions::default().axes(&["vocabulary", "width"]);
    weights.create("a", &[2, 3], Init::Values(sines(6, 0.0, 1.0)), table).unwrap();
    weights.create("b", &[3], Init::Values(sines(3, 1.0, 1.0)), WeightOptions::default()).unwrap();
    let mut muon = optimizer("muon", &Settings::default()).unwrap();
    steps(&mut *muon, &weights, 0..1);
    assert!(muon.state().unwrap().iter().all(|saved| saved.name.starts_with("muon-rest/adamw/")));
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |name: &str, settings: Settings| assert!(optimizer(name, &settings).is_err(), "{name}");
    refused("lamb", Settings { trust_clip: -1.0, ..Settings::default() });
    refused("lion", Settings { betas: (1.0, 0.9), ..Settings::default() });
    let warm = AdafactorSettings { warmup_init: true, ..AdafactorSettings::default() };
    refused("adafactor", Settings { betas: (0.0, 0.0), adafactor: warm, ..Settings::default() });
    let none = MuonSettings { iterations: 0, ..MuonSettings::default() };
    refused("muon", Settings { muon: none, ..Settings::default() });
    assert!(MuonAdjust::named("spectral").is_err());
}
