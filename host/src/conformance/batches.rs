//! How samples are put together must not matter: division, company, order, packing, batches without labels.

use super::objective::{Outcome, SEED, difference};
use super::samples::{self, Text};
use super::world::{Parts, World};

/// Two micro-batches give the loss and gradients of one batch.
pub(super) fn division(world: &World, texts: &[Text]) -> Outcome {
    let (whole, slopes) = world.total(&[texts], SEED)?;
    let (front, back) = texts.split_at(texts.len() / 2);
    let (divided, divided_slopes) = world.total(&[front, back], SEED)?;
    if !near(whole, divided) {
        return Ok(Err(format!(
            "one batch has the loss {whole:.12}, two micro-batches {divided:.12}; give sums and counts, never means"
        )));
    }
    for (name, slope) in &slopes {
        let other = divided_slopes.get(name);
        let size = slope.iter().fold(0.0_f64, |most, number| most.max(number.abs()));
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-6 * size + 1e-12;
        if other.is_none_or(|other| other.len() != slope.len() || !slope.iter().zip(other).all(close)) {
            return Ok(Err(format!("the gradient of `{name}` changes when the batch is divided")));
        }
    }
    Ok(Ok("two micro-batches give the loss and gradients of one batch".into()))
}

/// Other samples in the batch change nothing: sums and counts of the parts add up.
pub(super) fn company(world: &World, texts: &[Text]) -> Outcome {
    let together = world.parts(texts, SEED, false)?;
    let mut alone = Parts::new();
    for text in texts {
        add(&mut alone, &world.parts(std::slice::from_ref(text), SEED, false)?);
    }
    Ok(match difference(&alone, &together) {
        Some(text) => Err(format!("samples change each other: alone against together, {text}")),
        None => Ok(format!("{} samples lose the same alone and together", texts.len())),
    })
}

/// The order of the samples changes nothing.
pub(super) fn order(world: &World, texts: &[Text]) -> Outcome {
    let forward = world.parts(texts, SEED, false)?;
    let backward: Vec<Text> = texts.iter().rev().cloned().collect();
    Ok(match difference(&forward, &world.parts(&backward, SEED, false)?) {
        Some(text) => Err(format!("the order of the samples matters: {text}")),
        None => Ok("the reverse order gives the same".into()),
    })
}

/// Samples packed into one sequence lose what they lose in sequences of their own.
pub(super) fn packing(world: &World, texts: &[Text]) -> Outcome {
    let apart = world.parts(texts, SEED, false)?;
    Ok(match difference(&apart, &world.parts(texts, SEED, true)?) {
        Some(text) => Err(format!("packing matters: {text}")),
        None => Ok("packed into one sequence they lose the same".into()),
    })
}

/// Samples with nothing to predict give count 0, sum 0, and nothing that is not finite.
pub(super) fn without_labels(world: &World) -> Outcome {
    let mut labels = 0.0;
    for texts in samples::without_text() {
        for (name, (_, sum, count)) in world.parts(&texts, SEED, false)? {
            if !sum.is_finite() || !count.is_finite() {
                return Ok(Err(format!("without text, part `{name}` has sum {sum} and count {count}")));
            }
            if count == 0.0 && sum != 0.0 {
                return Ok(Err(format!("part `{name}` has count 0 and yet the sum {sum}")));
            }
            labels += count;
        }
    }
    Ok(Ok(if labels == 0.0 {
        "count 0 and sum 0".into()
    } else {
        format!("{labels} labels on special tokens, all finite")
    }))
}

fn add(total: &mut Parts, parts: &Parts) {
    for (name, (weight, sum, count)) in parts {
        let entry = total.entry(name.clone()).or_default();
        *entry = (*weight, entry.1 + sum, entry.2 + count);
    }
}

/// Equal but for rounding in f64.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}
