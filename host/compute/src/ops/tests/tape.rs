//! The tape under the operations: long chains, shared tensors, stale graphs, gradients of tensors in the middle.

use super::*;
use crate::ops::*;
use crate::{Gradients, Leaf, backward, grad, mode};

fn leaf(name: &str, numbers: &[f64]) -> (std::sync::Arc<Leaf>, Tensor) {
    let leaf = Leaf::new(name);
    let tensor = Tensor::leaf(f64s(numbers, &[numbers.len()]), &leaf);
    (leaf, tensor)
}

fn gradient(output: &Tensor, leaf: &Leaf) -> Vec<f64> {
    let mut gradients = Gradients::default();
    backward(output, None, true, &mut gradients).unwrap();
    crate::testing::numbers(gradients.get(leaf).unwrap())
}

#[test]
fn a_chain_of_200_000_nodes_goes_back_and_is_dropped() {
    let (w, x) = leaf("w", &[1.0]);
    let mut y = x.clone();
    for _ in 0..200_000 {
        y = neg(&y).unwrap();
    }
    assert_eq!(gradient(&y, &w), [1.0]);
    drop(y);
    // And one that no backward pass has freed.
    let mut y = x;
    for _ in 0..200_000 {
        y = neg(&y).unwrap();
    }
    drop(y);
}

#[test]
fn a_tensor_used_often_gets_the_sum() {
    let (w, x) = leaf("w", &[1.0, 2.0]);
    // Through add twice, a view, a broadcast and a skip connection.
    let twice = add(&x, &x).unwrap();
    let view = reshape(&x, &[2, 1]).unwrap();
    let wide = expand(&x, &[3, 2]).unwrap();
    let skip = add(&tanh(&twice).unwrap(), &x).unwrap();
    let parts = [twice, view, wide, skip].map(|part| sum_all(&part).unwrap());
    let total = parts.iter().skip(1).fold(parts[0].clone(), |sum, part| add(&sum, part).unwrap());
    let expected: Vec<f64> =
        [1.0f64, 2.0].iter().map(|x| 2.0 + 1.0 + 3.0 + 1.0 + 2.0 * (1.0 - (2.0 * x).tanh().powi(2))).collect();
    crate::testing::compare("sum of uses", &gradient(&total, &w), &expected, 1e-12);
    // Again on the same graph: a sum in place must not have changed what the first pass left.
    crate::testing::compare("second pass", &gradient(&total, &w), &expected, 1e-12);
}

#[test]
fn sums_in_place_leave_shared_gradients_alone() {
    // The gradient of `add` is one value for both inputs; adding into it for one must not change the other.
    let ((w, x), (v, y)) = (leaf("w", &[1.0]), leaf("v", &[1.0]));
    let mut total = add(&x, &y).unwrap();
    for _ in 0..5 {
        total = add(&total, &add(&x, &mul_scalar(&y, 10.0).unwrap()).unwrap()).unwrap();
    }
    assert_eq!((gradient(&total, &w), gradient(&total, &v)), (vec![6.0], vec![51.0]));
}

#[test]
fn stale_graphs_are_refused() {
    let (w, x) = leaf("w", &[1.0]);
    let y = exp(&x).unwrap();
    w.advance();
    let error = backward(&y, None, true, &mut Gradients::default()).unwrap_err();
    assert!(error.to_string().contains("`w` has changed"), "{error}");
    let (_, x) = leaf("v", &[1.0]);
    let before = mode::step();
    let y = exp(&x).unwrap();
    mode::set_step(before + 1);
    let error = backward(&y, None, true, &mut Gradients::default()).unwrap_err();
    mode::set_step(before);
    assert!(error.to_string().contains("recorded in step"), "{error}");
    backward(&y, None, false, &mut Gradients::default()).unwrap();
    let error = backward(&y, None, false, &mut Gradients::default()).unwrap_err();
    assert!(error.to_string().contains("freed"), "{error}");
}

#[test]
fn gradients_of_tensors_in_the_middle() {
    let (w, x) = leaf("w", &[1.0, 2.0]);
    let middle = square(&x).unwrap();
    let output = sum_all(&mul(&middle, &middle).unwrap()).unwrap();
    let seed = output.value().ones_like().unwrap();
    let found = grad(&[(&output, seed)], &[&middle, &x], true).unwrap();
    assert_eq!(crate::testing::numbers(found[0].as_ref().unwrap()), [2.0, 8.0]);
    assert_eq!(crate::testing::numbers(found[1].as_ref().unwrap()), [4.0, 32.0]);
    assert_eq!(gradient(&output, &w), [4.0, 32.0]);
    let (_, other) = leaf("other", &[1.0]);
    let seed = output.value().ones_like().unwrap();
    assert!(grad(&[(&output, seed.clone())], &[&other], true).unwrap()[0].is_none());
    assert!(grad(&[(&output, seed)], &[&x.stop_gradient()], true).is_err());
}

#[test]
fn recording_can_be_switched_off() {
    let (_, x) = leaf("w", &[1.0]);
    assert!(!mode::with_gradients(false, || exp(&x)).unwrap().needs_gradient());
    assert!(exp(&x).unwrap().needs_gradient());
    assert!(!exp(&x.stop_gradient()).unwrap().needs_gradient());
    assert!(backward(&exp(&x.stop_gradient()).unwrap(), None, false, &mut Gradients::default()).is_err());
    let (_, pair) = leaf("v", &[1.0, 2.0]);
    assert!(backward(&exp(&pair).unwrap(), None, false, &mut Gradients::default()).is_err());
}

#[test]
fn custom_backward_runs_unrecorded_and_is_checked() {
    let (w, x) = leaf("w", &[3.0]);
    // Forward rounds, backward passes straight through: twice the gradient, to tell it from the identity.
    let rounded = round(&x).unwrap();
    let made = custom("straight", &[&x], vec![rounded, tensor(&[1u32], &[1])], vec![x.clone()], |saved, gradients| {
        assert!(!saved[0].needs_gradient() && !mode::gradients_on());
        Ok(vec![gradients[0].as_ref().map(|gradient| mul_scalar(gradient, 2.0)).transpose()?])
    })
    .unwrap();
    assert_eq!(gradient(&made[0], &w), [2.0]);
    assert!(!made[1].needs_gradient());
    let wrong = custom("wrong", &[&x], vec![x.clone()], vec![], |_, gradients| {
        Ok(vec![gradients[0].as_ref().map(|gradient| cat(&[gradient, gradient], 0)).transpose()?])
    });
    let error = backward(&wrong.unwrap()[0], None, false, &mut Gradients::default()).unwrap_err();
    assert!(error.to_string().contains("wrong"), "{error}");
}
