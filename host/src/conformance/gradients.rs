//! Gradients against central finite differences in f64.

use std::sync::Arc;

use compute::weights::{View, Weight, Weights};
use philox::Key;

use super::world::{Slopes, numbers, set};
use crate::error::Result;

/// Elements looked at in each weight.
const SAMPLED: usize = 20;
/// How far to go to either side; further ones are tried where the first does not agree: kinks want less, rounding more.
const DISTANCES: [f64; 3] = [1e-5, 1e-7, 1e-3];
/// Share of the gradient by which the two may differ.
const TOLERANCE: f64 = 1e-4;
/// Difference that rounding explains whatever the size.
const FLOOR: f64 = 1e-7;

/// Compares `slopes` at some elements of every trainable weight with differences of `value`.
///
/// `Ok` says how many were compared, `Err` names the element that differs most.
pub(super) fn compare(
    weights: &Weights,
    slopes: &Slopes,
    value: &mut dyn FnMut() -> Result<f64>,
) -> Result<std::result::Result<String, String>> {
    let (mut compared, mut worst) = (0, (0.0, String::new()));
    for weight in weights.owners().iter().filter(|weight| weight.trainable()) {
        let (base, differences) = (numbers(&weight.value())?, differences_to(weights, weight));
        let zeros = vec![0.0; base.len()];
        let slope = slopes.get(weight.name()).unwrap_or(&zeros);
        for element in elements(weight.name(), slope) {
            let given = slope[element];
            let mut nearest = f64::INFINITY;
            let mut measured = f64::NAN;
            for distance in DISTANCES {
                let difference = displaced(weight, &differences, &base, element, distance, value)?;
                let off = (difference - given).abs() / (given.abs().max(difference.abs()) * TOLERANCE + FLOOR);
                if off < nearest || measured.is_nan() {
                    (nearest, measured) = (off, difference);
                }
                if nearest <= 1.0 {
                    break;
                }
            }
            compared += 1;
            if nearest.is_nan() || nearest > worst.0 {
                let text = format!(
                    "`{}`[{element}]: the gradient is {given:.6e}, finite differences give {measured:.6e}",
                    weight.name()
                );
                worst = (nearest, text);
            }
        }
        set(weight, &base)?;
    }
    Ok(if worst.0 <= 1.0 {
        Ok(format!("{compared} elements agree with finite differences to {TOLERANCE:e}"))
    } else {
        Err(worst.1)
    })
}

fn displaced(
    weight: &Weight,
    differences: &[Arc<Weight>],
    base: &[f64],
    element: usize,
    distance: f64,
    value: &mut dyn FnMut() -> Result<f64>,
) -> Result<f64> {
    let mut at = |shift: f64| {
        let mut numbers = base.to_vec();
        numbers[element] += shift;
        set(weight, &numbers)?;
        for other in differences {
            let mut numbers = numbers_of(other)?;
            numbers[element] -= shift;
            set(other, &numbers)?;
        }
        let found = value();
        for other in differences {
            let mut numbers = numbers_of(other)?;
            numbers[element] += shift;
            set(other, &numbers)?;
        }
        found
    };
    Ok((at(distance)? - at(-distance)?) / (2.0 * distance))
}

/// The weights that are seen as this one, without its gradient, plus their own value: what is seen must stay where it was.
fn differences_to(weights: &Weights, weight: &Arc<Weight>) -> Vec<Arc<Weight>> {
    let shows = |view: &View| matches!(view, View::DeltaOf { base } if Arc::ptr_eq(&base.owner(), weight));
    weights.all().into_iter().filter(|other| other.views().iter().any(shows)).collect()
}

fn numbers_of(weight: &Weight) -> Result<Vec<f64>> {
    numbers(&weight.value())
}

/// Some elements of a weight: half of those with a gradient, since most rows of an embedding have none, half of any.
fn elements(name: &str, slope: &[f64]) -> Vec<usize> {
    let key = Key::root(0).stream(name);
    let moved: Vec<usize> = (0..slope.len()).filter(|index| slope[*index] != 0.0).collect();
    let pick = |number: u64, count: usize| ((key.uniform(number) * count as f64) as usize).min(count.saturating_sub(1));
    let mut chosen: Vec<usize> = (0..SAMPLED as u64)
        .filter(|_| !slope.is_empty())
        .map(|number| {
            if number % 2 == 0 && !moved.is_empty() {
                moved[pick(number, moved.len())]
            } else {
                pick(number, slope.len())
            }
        })
        .collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}
