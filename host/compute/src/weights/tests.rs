//! Weights: precision, views, ties, buffers, state, and the watch over gradients.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::testing::{check_gradient, numbers, random};
use crate::{Gradients, Tensor, Value, backward};

fn store() -> Weights {
    Weights::with_dtype(7, &Device::Cpu, DType::F64)
}

fn weight(weights: &Weights, name: &str, shape: &[usize]) -> Arc<Weight> {
    weights.create(name, shape, Init::Normal { std: 1.0 }, WeightOptions::default()).unwrap()
}

const F64: Resolve = Resolve { precision: DType::F64, views: true, ema: false, gradients: true };

/// Gradients of the sum of `tensor`.
fn gradients_of(tensor: &Tensor) -> Gradients {
    let mut gradients = Gradients::default();
    backward(tensor, Some(&tensor.value().ones_like().unwrap()), false, &mut gradients).unwrap();
    gradients
}

fn state_map(weights: &Weights) -> BTreeMap<String, Saved> {
    weights.state().unwrap().into_iter().map(|saved| (saved.name.clone(), saved)).collect()
}

#[test]
fn names_are_unique_over_weights_and_buffers() {
    let weights = store();
    let first = weight(&weights, "a", &[2]);
    let again = weights.create("a", &[3], Init::Zeros, WeightOptions::default()).unwrap_err().to_string();
    assert!(again.contains("weight `a` of shape [2]"), "{again}");
    assert!(weights.create_buffer("a", &[2], DType::F32, Init::Zeros).is_err());
    assert!(weights.create("", &[2], Init::Zeros, WeightOptions::default()).is_err());
    let axes = WeightOptions::default().axes(&["width"]);
    assert!(weights.create("b", &[2, 2], Init::Zeros, axes).unwrap_err().to_string().contains("axis names"));
    weight(&weights, "0", &[1]);
    let names: Vec<String> = weights.all().iter().map(|weight| weight.name().to_owned()).collect();
    assert_eq!(names, ["a", "0"]);
    assert!(Arc::ptr_eq(&weights.get("a").unwrap(), &first) && weights.get("b").is_none());
}

#[test]
fn compute_precision_brings_gradients_of_the_masters() {
    let weights = Weights::new(0, &Device::Cpu);
    let w = weight(&weights, "w", &[4]);
    let half = w.resolve(&Resolve { precision: DType::BF16, ..Resolve::default() }).unwrap();
    assert_eq!(half.dtype(), DType::BF16);
    assert_eq!(gradients_of(&half).get(&w.leaf()).unwrap().dtype(), candle_core::DType::F32);
    // The cast value follows the master.
    w.set_value(&Value::ones(4, candle_core::DType::F32, &Device::Cpu).unwrap()).unwrap();
    let half = w.resolve(&Resolve { precision: DType::BF16, ..Resolve::default() }).unwrap();
    assert_eq!(numbers(half.value()), [1.0; 4]);
    assert!(!w.resolve(&Resolve { gradients: false, ..Resolve::default() }).unwrap().needs_gradient());
    w.set_trainable(false);
    assert!(!w.resolve(&Resolve::default()).unwrap().needs_gradient());
}

#[test]
fn a_changed_weight_refuses_an_older_backward() {
    let weights = store();
    let w = weight(&weights, "w", &[2]);
    let tensor = w.resolve(&F64).unwrap();
    w.set_value(&w.value()).unwrap();
    let seed = tensor.value().ones_like().unwrap();
    let error = backward(&tensor, Some(&seed), false, &mut Gradients::default()).unwrap_err().to_string();
    assert!(error.contains("`w` has changed"), "{error}");
    assert!(w.set_value(&random(&[3], 0)).unwrap_err().to_string().contains("[3]"));
}

#[test]
fn ties_share_value_gradient_and_file() {
    let weights = store();
    let owner = weight(&weights, "embedding", &[3, 2]);
    let head = weight(&weights, "head", &[3, 2]);
    let output = weights.create_tied("output", &owner).unwrap();
    head.tie_to(&output).unwrap();
    owner.set_value(&random(&[3, 2], 9)).unwrap();
    assert_eq!(numbers(&head.value()), numbers(&owner.value()));
    head.set_value(&random(&[3, 2], 10)).unwrap();
    assert_eq!(numbers(&output.value()), numbers(&owner.value()));
    // Ties hold with views off.
    let tensor = head.resolve(&Resolve { views: false, ..F64 }).unwrap();
    assert!(gradients_of(&tensor).get(&owner.leaf()).is_some());
    assert_eq!(weights.state().unwrap().iter().map(|saved| saved.name.as_str()).collect::<Vec<_>>(), ["embedding"]);
    assert_eq!((weights.parameters(), weights.trainable().len()), (6, 1));
    assert!(owner.tie_to(&head).unwrap_err().to_string().contains("depends on it"));
    let other = weight(&weights, "other", &[2]);
    assert!(other.tie_to(&owner).unwrap_err().to_string().contains("[3, 2]"));
}

#[test]
fn a_delta_trains_the_difference_alone() {
    let weights = store();
    let (base, delta) = (weight(&weights, "base", &[2, 3]), weight(&weights, "delta", &[2, 3]));
    base.push_view(View::Delta { delta: delta.clone() }).unwrap();
    let tensor = base.resolve(&F64).unwrap();
    let sum: Vec<f64> = numbers(&base.value()).iter().zip(numbers(&delta.value())).map(|(a, b)| a + b).collect();
    assert_eq!(numbers(tensor.value()), sum);
    assert_eq!(numbers(&base.materialise().unwrap()), sum);
    let gradients = gradients_of(&tensor);
    assert!(gradients.get(&base.leaf()).is_none() && gradients.get(&delta.leaf()).is_some());
    assert!(!base.trainable());
    assert_eq!(numbers(base.resolve(&Resolve { views: false, ..F64 }).unwrap().value()), numbers(&base.value()));
    assert!(delta.push_view(View::Delta { delta: base.clone() }).is_err());

    let (shared, own) = (weight(&weights, "shared", &[2]), weight(&weights, "own", &[2]));
    own.push_view(View::DeltaOf { base: shared.clone() }).unwrap();
    let gradients = gradients_of(&own.resolve(&F64).unwrap());
    assert!(gradients.get(&shared.leaf()).is_none() && gradients.get(&own.leaf()).is_some() && shared.trainable());
}

/// The value seen through `view` on a weight `[3, 2, 2]` as a function of base and the view's weights.
fn check_low_rank(train_base: bool) {
    let weights = store();
    let base = weight(&weights, "base", &[3, 2, 2]);
    let (up, down) = (weight(&weights, "up", &[3, 2]), weight(&weights, "down", &[2, 4]));
    base.push_view(View::LowRank { up: up.clone(), down: down.clone(), scale: 0.5, train_base }).unwrap();
    let seen = base.resolve(&F64).unwrap();
    let change = (up.value().matmul(&down.value()).unwrap() * 0.5).unwrap().reshape((3, 2, 2)).unwrap();
    assert_eq!(numbers(seen.value()), numbers(&(base.value() + change).unwrap()));
    let gradients = gradients_of(&seen);
    assert_eq!(gradients.get(&base.leaf()).is_some(), train_base);
    // The sum's gradient of `up` is scale · row sums of `down`, the same for each row of `up`.
    let rows: Vec<f64> = numbers(&down.value()).chunks(4).map(|row| 0.5 * row.iter().sum::<f64>()).collect();
    for (found, wanted) in numbers(gradients.get(&up.leaf()).unwrap()).iter().zip(rows.iter().cycle()) {
        assert!((found - wanted).abs() < 1e-12);
    }
    assert_eq!(gradients.get(&down.leaf()).unwrap().dims(), [2, 4]);
}

#[test]
fn low_rank_views_train_their_factors() {
    check_low_rank(false);
    check_low_rank(true);
    let weights = store();
    let (base, up) = (weight(&weights, "base", &[3, 4]), weight(&weights, "up", &[4, 2]));
    let view = View::LowRank { up: up.clone(), down: up, scale: 1.0, train_base: false };
    assert!(base.push_view(view).unwrap_err().to_string().contains("[3, 4]"));
}

#[test]
fn views_pass_gradients_like_finite_differences() {
    let inputs = [random(&[3, 4], 1), random(&[3, 2], 2), random(&[2, 4], 3)];
    check_gradient("low_rank_view", &inputs, |t| views::low_rank(&t[0], &t[1], &t[2], 0.7));
    check_gradient("delta_view", &[random(&[2, 3], 1), random(&[2, 3], 2)], |t| views::sum(&t[0], &t[1]));
    let mask = Arc::new(Buffer::new("mask", DType::F64, random(&[2, 3], 4)));
    check_gradient("mask_view", &[random(&[2, 3], 1)], |t| {
        View::Mask { mask: mask.clone() }.applied("w", t[0].clone(), &F64)
    });
}

#[test]
fn views_stack_and_callbacks_keep_the_shape() {
    let weights = store();
    let w = weight(&weights, "w", &[2]);
    let mask = weights.create_buffer("mask", &[2], DType::U8, Init::Values(vec![1.0, 0.0])).unwrap();
    w.push_view(View::Mask { mask }).unwrap();
    let double: ViewCallback = Arc::new(|name, below| {
        assert_eq!(name, "w");
        Ok(Tensor::constant((below.value() * 2.0)?))
    });
    w.push_view(View::Callback(double)).unwrap();
    let base = numbers(&w.value());
    assert_eq!(numbers(w.resolve(&F64).unwrap().value()), [2.0 * base[0], 0.0]);
    w.clear_views();
    w.push_view(View::Callback(Arc::new(|_, below| Ok(Tensor::constant(below.value().unsqueeze(0)?))))).unwrap();
    assert!(w.resolve(&F64).unwrap_err().to_string().contains("[1, 2]"));
}

#[test]
fn buffers_take_means_sums_and_running_averages() {
    let weights = store();
    let buffer = weights.create_buffer("mean", &[2], DType::F32, Init::Ones).unwrap();
    let value = |a: f32, b: f32| Value::from_vec(vec![a, b], 2, &Device::Cpu).unwrap();
    let before = buffer.value();
    buffer.update(&[value(2.0, 4.0), value(4.0, 0.0)], BufferUpdate::Mean).unwrap();
    assert_eq!((numbers(&buffer.value()), numbers(&before)), (vec![3.0, 2.0], vec![1.0, 1.0]));
    buffer.update(&[value(1.0, 1.0), value(1.0, 2.0)], BufferUpdate::Sum).unwrap();
    assert_eq!(numbers(&buffer.value()), [5.0, 5.0]);
    buffer.update(&[value(1.0, 9.0), value(3.0, 9.0)], BufferUpdate::Ema(0.75)).unwrap();
    assert_eq!(numbers(&buffer.value()), [4.25, 6.0]);
    buffer.update(&[], BufferUpdate::Mean).unwrap();
    assert_eq!(numbers(&buffer.value()), [4.25, 6.0]);
    assert!(buffer.update(&[random(&[3], 0)], BufferUpdate::Sum).unwrap_err().to_string().contains("`mean`"));
    let count = weights.create_buffer("count", &[1], DType::I64, Init::Zeros).unwrap();
    let one = Value::ones(1, candle_core::DType::I64, &Device::Cpu).unwrap();
    count.update(&[one.clone(), one.clone()], BufferUpdate::Sum).unwrap();
    assert_eq!(numbers(&count.value()), [2.0]);
    assert!(count.update(&[one], BufferUpdate::Mean).is_err());
}

#[test]
fn state_goes_out_sorted_and_comes_back() {
    let make = |seed| {
        let weights = Weights::new(seed, &Device::Cpu);
        weight(&weights, "b", &[2, 3]);
        weight(&weights, "a", &[]);
        weights.create_buffer("c", &[2], DType::I64, Init::Constant(seed as f64)).unwrap();
        weights.create_buffer("d", &[2], DType::BF16, Init::Normal { std: 1.0 }).unwrap();
        weights
    };
    let (one, two) = (make(1), make(2));
    let names: Vec<String> = one.state().unwrap().into_iter().map(|saved| saved.name).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert_ne!(one.state().unwrap(), two.state().unwrap());
    assert!(two.load_state(&state_map(&one), true).unwrap().is_clean());
    assert_eq!(one.state().unwrap(), two.state().unwrap());
}

#[test]
fn strict_loading_names_all_faults_and_changes_nothing() {
    let weights = store();
    for name in ["a", "b", "c", "d"] {
        weight(&weights, name, &[2]);
    }
    let before = weights.state().unwrap();
    let mut state = state_map(&weights);
    state.remove("a");
    let value = random(&[3], 0);
    state.insert("b".to_owned(), Saved::of("b", &value, DType::F64).unwrap());
    let single = Value::ones(2, candle_core::DType::F32, &Device::Cpu).unwrap();
    state.insert("c".to_owned(), Saved::of("c", &single, DType::F32).unwrap());
    state.insert("z".to_owned(), Saved::of("z", &value, DType::F64).unwrap());
    let text = weights.load_state(&state, true).unwrap_err().to_string();
    for part in ["missing: a", "unexpected: z", "`b` has shape [3] instead of [2]", "`c` is f32 instead of f64"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(weights.state().unwrap(), before);
    // Loose loading casts and loads what fits.
    let report = weights.load_state(&state, false).unwrap();
    assert_eq!((report.missing, report.unexpected, report.wrong.len()), (vec!["a".into()], vec!["z".into()], 1));
    assert_eq!(numbers(&weights.get("c").unwrap().value()), [1.0, 1.0]);
    state.get_mut("d").unwrap().bytes.pop();
    assert!(weights.load_state(&state, false).unwrap_err().to_string().contains("15 bytes"));
}

#[test]
fn the_watch_names_weights_without_gradients() {
    let weights = store();
    let (a, b) = (weight(&weights, "a", &[1]), weight(&weights, "b", &[1]));
    let rare = WeightOptions { sometimes: true, ..WeightOptions::default() };
    weights.create("expert", &[1], Init::Zeros, rare).unwrap();
    weight(&weights, "frozen", &[1]).set_trainable(false);
    let mut watch = GradientWatch::new();
    watch.observe(&weights, [a.leaf().id(), b.leaf().id()]);
    assert!(watch.never(&weights).is_empty());
    let late = weight(&weights, "late", &[1]);
    for _ in 0..3 {
        watch.observe(&weights, [a.leaf().id()]);
    }
    assert_eq!(watch.overdue(&weights, 3), ["b", "late"]);
    assert!(watch.overdue(&weights, 4).is_empty());
    assert_eq!(watch.never(&weights), ["late"]);
    assert_eq!(GradientWatch::from_state(watch.state()), watch);
    late.set_trainable(false);
    watch.observe(&weights, [b.leaf().id()]);
    assert_eq!(watch.overdue(&weights, 1), ["a"]);
}
