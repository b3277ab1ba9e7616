//! Optimizers against PyTorch's numbers; clipping, skipping, groups, averages, state.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use super::*;
use crate::testing::numbers;
use crate::weights::{Init, Resolve, Weight, WeightOptions};
use crate::{DType, Device, Value};

fn sines(count: usize, phase: f64, factor: f64) -> Vec<f64> {
    (0..count).map(|index| factor * (index as f64 * 0.7 + phase).sin()).collect()
}

/// Weights `a` [2, 3] with decay and `b` [3] without, as in `make_golden.py`.
fn weights(dtype: DType) -> Weights {
    let weights = Weights::with_dtype(0, &Device::Cpu, dtype);
    weights.create("a", &[2, 3], Init::Values(sines(6, 0.0, 1.0)), WeightOptions::default()).unwrap();
    weights.create("b", &[3], Init::Values(sines(3, 1.0, 1.0)), WeightOptions::without_decay()).unwrap();
    weights
}

fn set(gradients: &mut Gradients, weight: &Weight, numbers: Vec<f64>) {
    let value = Value::from_vec(numbers, weight.shape(), &Device::Cpu).unwrap();
    gradients.set(&weight.leaf(), value.to_dtype(weight.value().dtype()).unwrap());
}

fn gradients(weights: &Weights, step: usize) -> Gradients {
    let mut gradients = Gradients::default();
    set(&mut gradients, &weights.get("a").unwrap(), sines(6, 0.3 * step as f64, 1.0));
    set(&mut gradients, &weights.get("b").unwrap(), sines(3, 2.0 + step as f64, 10.0));
    gradients
}

fn all(weights: &Weights) -> Vec<f64> {
    weights.all().iter().flat_map(|weight| numbers(&weight.value())).collect()
}

fn map(state: Vec<Saved>) -> BTreeMap<String, Saved> {
    state.into_iter().map(|saved| (saved.name.clone(), saved)).collect()
}

fn settings() -> Settings {
    let groups = Groups { weight_decay: 0.1, ..Groups::default() };
    Settings { betas: (0.9, 0.99), momentum: 0.9, groups, ..Settings::default() }
}

/// Four kinds with the settings of the golden file.
fn kinds() -> [(&'static str, &'static str, Settings); 4] {
    [
        ("adamw", "adamw", settings()),
        ("sgd", "sgd", Settings { momentum: 0.0, ..settings() }),
        ("sgd_momentum", "sgd", settings()),
        ("sgd_nesterov", "sgd", Settings { nesterov: true, ..settings() }),
    ]
}

#[test]
fn five_steps_end_where_pytorch_ends() {
    for (golden, name, settings) in kinds() {
        let line = include_str!("../../tests/golden/optimizers.txt")
            .lines()
            .find(|line| line.split(' ').next() == Some(golden));
        let wanted: Vec<f64> = line.unwrap().split(' ').skip(1).map(|number| number.parse().unwrap()).collect();
        for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 2e-6)] {
            let weights = weights(dtype);
            let mut optimizer = optimizer(name, &settings).unwrap();
            for step in 0..5 {
                let report = optimizer.step(&weights, &mut gradients(&weights, step), 0.1).unwrap();
                assert!(report.updated == 2 && !report.skipped && report.clip_factor == 1.0);
            }
            for (found, wanted) in all(&weights).iter().zip(&wanted) {
                assert!((found - wanted).abs() < tolerance, "{golden} {dtype}: {found} instead of {wanted}");
            }
        }
    }
}

/// The plain form of other devices makes the same change as the kernel.
#[test]
fn kernels_agree_with_plain_operations() {
    use super::slots::Rule;
    let weights = weights(DType::F64);
    let adamw = AdamWSettings { betas: (0.9, 0.99), ..AdamWSettings::default() };
    let sgd = SgdSettings { momentum: 0.9, nesterov: true, groups: Groups::default() };
    let plan = Groups::default().plan(&weights, &gradients(&weights, 1), 0.1).unwrap();
    let item = &plan.items[0];
    let (value, gradient) = (numbers(&item.value), numbers(&item.gradient));
    let same = |a: &[f64], b: &Value| assert!(a.iter().zip(numbers(b)).all(|(a, b)| (a - b).abs() < 1e-14));
    let moment = |phase: f64| sines(6, phase, 0.1).into_iter().map(f64::abs).collect::<Vec<f64>>();
    let like = |numbers: &[f64]| Value::from_slice(numbers, (2, 3), &Device::Cpu).unwrap();

    let c = adamw.coefficients(item, 3);
    let (mut out, mut first, mut second) = (vec![0.0; 6], moment(0.2), moment(0.4));
    let before = [like(&first), like(&second)];
    AdamWSettings::chunk(c, 1.0, &mut out, &value, &gradient, [&mut first, &mut second]);
    let (plain, moments) = AdamWSettings::plain(c, &item.value, &item.gradient, &before).unwrap();
    same(&out, &plain);
    same(&first, &moments[0]);
    same(&second, &moments[1]);

    let c = sgd.coefficients(item, 3);
    let mut velocity = moment(0.2);
    let before = [like(&velocity)];
    SgdSettings::chunk(c, 1.0, &mut out, &value, &gradient, [&mut velocity]);
    let (plain, moments) = SgdSettings::plain(c, &item.value, &item.gradient, &before).unwrap();
    same(&out, &plain);
    same(&velocity, &moments[0]);
}

#[test]
fn clipping_inside_the_step_is_clipping_before_it() {
    let (inside, before) = (weights(DType::F64), weights(DType::F64));
    let clipped = Settings { groups: Groups { max_norm: Some(1.5), ..settings().groups }, ..settings() };
    let report = optimizer("sgd", &clipped).unwrap().step(&inside, &mut gradients(&inside, 0), 0.1).unwrap();
    let mut scaled = gradients(&before, 0);
    let norm = clip_by_global_norm(&before, &mut scaled, 1.5).unwrap();
    assert!((global_norm(&before, &scaled).unwrap() - 1.5).abs() < 1e-12);
    assert_eq!((report.gradient_norm, report.clip_factor), (norm.norm, norm.factor));
    let squares = |numbers: Vec<f64>| numbers.iter().map(|x| x * x).sum::<f64>();
    assert!((norm.norm - (squares(sines(6, 0.0, 1.0)) + squares(sines(3, 2.0, 10.0))).sqrt()).abs() < 1e-12);
    optimizer("sgd", &settings()).unwrap().step(&before, &mut scaled, 0.1).unwrap();
    assert!(all(&inside).iter().zip(all(&before)).all(|(a, b)| (a - b).abs() < 1e-14));
    let small = clip_by_global_norm(&before, &mut gradients(&before, 0), 1e9).unwrap();
    assert!(small.factor == 1.0 && small.is_finite());
}

#[test]
fn gradients_that_are_not_finite_skip_the_step() {
    for name in ["adamw", "sgd"] {
        let weights = weights(DType::F32);
        let before = all(&weights);
        let mut optimizer = optimizer(name, &settings()).unwrap();
        for bad in [f64::NAN, f64::INFINITY] {
            let mut gradients = gradients(&weights, 0);
            set(&mut gradients, &weights.get("b").unwrap(), vec![0.0, bad, 0.0]);
            let report = optimizer.step(&weights, &mut gradients, 0.1).unwrap();
            assert!(report.skipped && report.updated == 0 && !report.gradient_norm.is_finite());
            assert_eq!(gradients.leaves().count(), 2);
        }
        assert_eq!(all(&weights), before);
        assert!(optimizer.state().unwrap().is_empty());
    }
}

#[test]
fn groups_scale_rates_and_share_weights_out() {
    let groups = Groups {
        only: vec!["?".into()],
        groups: vec![
            Group { names: vec!["a*".into()], learning_rate_scale: 0.5, weight_decay: Some(0.0) },
            Group { names: vec!["*".into()], learning_rate_scale: 2.0, weight_decay: Some(0.3) },
        ],
        ..Groups::default()
    };
    let weights = weights(DType::F64);
    let other = weights.create("other", &[1], Init::Ones, WeightOptions::default()).unwrap();
    let of = |name: &str| groups.of(&weights.get(name).unwrap());
    assert_eq!((of("a"), of("b"), of("other")), (Some((0.5, 0.0)), Some((2.0, 0.0)), None));
    let before = all(&weights);
    let settings = Settings { momentum: 0.0, groups: groups.clone(), ..settings() };
    let mut gradients = gradients(&weights, 0);
    set(&mut gradients, &other, vec![1.0]);
    optimizer("sgd", &settings).unwrap().step(&weights, &mut gradients, 0.1).unwrap();
    let after = all(&weights);
    assert!((before[1] - after[1] - 0.05 * sines(6, 0.0, 1.0)[1]).abs() < 1e-14);
    assert!((before[6] - after[6] - 0.2 * sines(3, 2.0, 10.0)[0]).abs() < 1e-14);
    // What is not its own keeps value and gradient, for the optimizer of another phase.
    assert!(after[9] == 1.0 && gradients.get(&other.leaf()).is_some());
    assert!(groups.unmatched(&weights).is_empty());
    assert_eq!(Groups { only: vec!["x*".into()], ..groups }.unmatched(&weights), ["x*"]);
}

#[test]
fn a_restored_optimizer_goes_on_bit_for_bit() {
    for (_, name, settings) in kinds() {
        let (whole, resumed) = (weights(DType::F32), weights(DType::F32));
        let make = || optimizer(name, &settings).unwrap();
        let (mut first, mut second) = (make(), make());
        for step in 0..3 {
            first.step(&whole, &mut gradients(&whole, step), 0.1).unwrap();
        }
        resumed.load_state(&map(whole.state().unwrap()), true).unwrap();
        second.load_state(&resumed, &map(first.state().unwrap())).unwrap();
        for step in 3..6 {
            first.step(&whole, &mut gradients(&whole, step), 0.1).unwrap();
            second.step(&resumed, &mut gradients(&resumed, step), 0.1).unwrap();
        }
        assert_eq!(whole.state().unwrap(), resumed.state().unwrap());
        assert_eq!(first.state().unwrap(), second.state().unwrap());
    }
}

#[test]
fn foreign_or_incomplete_states_are_refused() {
    let weights = weights(DType::F32);
    let mut adamw = optimizer("adamw", &settings()).unwrap();
    adamw.step(&weights, &mut gradients(&weights, 0), 0.1).unwrap();
    let state = map(adamw.state().unwrap());
    let refused = |state: &BTreeMap<String, Saved>, part: &str| {
        let text = optimizer("adamw", &settings()).unwrap().load_state(&weights, state).unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    };
    let mut broken = state.clone();
    broken.remove("adamw/second/a");
    refused(&broken, "`adamw/second/a` is missing");
    let mut broken = state.clone();
    broken.get_mut("adamw/first/a").unwrap().shape = vec![6];
    refused(&broken, "[2, 3]");
    let mut broken = state.clone();
    broken.insert("adamw/first/z".into(), state["adamw/first/a"].clone());
    refused(&broken, "adamw/first/z");
    let mut sgd = optimizer("sgd", &settings()).unwrap();
    assert!(sgd.load_state(&weights, &state).unwrap_err().to_string().contains("not its own"));
}

#[test]
fn averages_follow_the_values_and_resolve() {
    let weights = weights(DType::F32);
    let a = weights.get("a").unwrap();
    let ema = Ema::new(0.75).unwrap();
    ema.update(&weights).unwrap();
    let start = numbers(&a.value());
    a.set_value(&a.value().zeros_like().unwrap()).unwrap();
    ema.update(&weights).unwrap();
    let resolve = Resolve { ema: true, ..Resolve::default() };
    let found = a.resolve(&resolve).unwrap();
    assert!(!found.needs_gradient());
    assert!(numbers(found.value()).iter().zip(start).all(|(found, x)| (found - 0.75 * x).abs() < 1e-7));
    assert_eq!(numbers(a.resolve(&Resolve::default()).unwrap().value()), [0.0; 6]);
    let state = map(ema.state(&weights).unwrap());
    ema.update(&weights).unwrap();
    ema.load_state(&weights, &state).unwrap();
    assert_eq!(map(ema.state(&weights).unwrap()), state);
    let mut wrong = state.clone();
    wrong.insert("x".into(), state["a"].clone());
    assert!(ema.load_state(&weights, &wrong).unwrap_err().to_string().contains("`x`"));
    assert!(Ema::new(1.0).is_err());
}

#[test]
fn large_weights_take_the_same_step_on_any_number_of_threads() {
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let weights = Weights::new(3, &Device::Cpu);
            let w = weights.create("w", &[301, 257], Init::Normal { std: 1.0 }, WeightOptions::default()).unwrap();
            let mut gradients = Gradients::default();
            gradients.set(&w.leaf(), w.value());
            let settings = Settings { groups: Groups { max_norm: Some(1.0), ..Groups::default() }, ..settings() };
            let report = optimizer("adamw", &settings).unwrap().step(&weights, &mut gradients, 0.1).unwrap();
            (report.gradient_norm, weights.state().unwrap())
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn scaling_and_faulty_settings() {
    let weights = weights(DType::F64);
    let mut found = gradients(&weights, 0);
    scale(&weights, &mut found, 0.25).unwrap();
    let wanted: Vec<f64> = sines(6, 0.0, 0.25);
    assert!(
        numbers(found.get(&weights.get("a").unwrap().leaf()).unwrap())
            .iter()
            .zip(wanted)
            .all(|(a, b)| (a - b).abs() < 1e-15)
    );
    let text = |name: &str, settings: Settings| optimizer(name, &settings).err().unwrap().to_string();
    assert!(text("adam", settings()).contains("there are adamw"));
    assert!(text("adamw", Settings { betas: (1.0, 0.9), ..settings() }).contains("beta1 is 1"));
    assert!(text("sgd", Settings { momentum: -0.1, ..settings() }).contains("momentum"));
    assert!(text("sgd", Settings { momentum: 0.0, nesterov: true, ..settings() }).contains("nesterov"));
    assert!(
        text("sgd", Settings { groups: Groups { weight_decay: f64::NAN, ..Groups::default() }, ..settings() })
            .contains("weight_decay")
    );
}
