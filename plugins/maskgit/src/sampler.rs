//! Parallel decoding: all hidden codes are drawn in each step, and the least certain hidden again.
//!
//! Chang et al. 2022, arXiv:2202.04200, section 3.2. Plain Rust over a [`Network`] and uniform draws, so that it can be held against
//! laws that are known.

use plugin_api::{Error, Result};

use crate::schedule::left_hidden;

/// How pictures are decoded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Steps, at least 1; the network is asked in each.
    pub steps: usize,
    /// How much noise decides, beside certainty, which codes stay; it falls to 0 over the steps.
    pub choice_temperature: f64,
}

/// A picture on its way: its codes, `None` where hidden.
pub type Codes = Vec<Option<u32>>;

/// What predicts hidden codes from the others.
pub trait Network {
    /// For each picture the logits `[hidden, v]` of its hidden codes, row by row.
    ///
    /// # Errors
    /// When the model fails.
    fn logits(&mut self, pictures: &[Codes]) -> Result<Vec<Vec<f32>>>;
}

/// The next uniform numbers in (0, 1) of one picture.
pub type Draws<'a> = Box<dyn FnMut(usize) -> Result<Vec<f64>> + 'a>;

/// Pictures of `count` codes each, one for each of `draws`.
///
/// # Errors
/// When the network or the draws fail, or a logit is no number.
pub fn decode(rule: Rule, count: usize, network: &mut dyn Network, draws: &mut [Draws<'_>]) -> Result<Vec<Vec<u32>>> {
    let mut pictures: Vec<Codes> = vec![vec![None; count]; draws.len()];
    for step in 1..=rule.steps {
        let logits = network.logits(&pictures)?;
        for ((picture, logits), draws) in pictures.iter_mut().zip(logits).zip(draws.iter_mut()) {
            let hidden: Vec<usize> = (0..count).filter(|place| picture[*place].is_none()).collect();
            let width = logits.len() / hidden.len().max(1);
            let mut drawn = Vec::with_capacity(hidden.len());
            for ((place, row), draw) in hidden.iter().zip(logits.chunks_exact(width.max(1))).zip(draws(hidden.len())?) {
                let (code, log_probability) = draw_code(row, draw)?;
                picture[*place] = Some(code);
                drawn.push((log_probability, *place));
            }
            if step == rule.steps {
                continue;
            }
            let temperature = rule.choice_temperature * (1.0 - step as f64 / rule.steps as f64);
            for ((certainty, _), draw) in drawn.iter_mut().zip(draws(hidden.len())?) {
                *certainty += temperature * gumbel(draw);
            }
            // Of equals the first are hidden again.
            drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (_, place) in &drawn[..left_hidden(count, hidden.len(), step, rule.steps).min(drawn.len())] {
                picture[*place] = None;
            }
        }
    }
    // The last step fills what is hidden; there is none only where there were no steps.
    Ok(pictures.into_iter().map(|codes| codes.into_iter().map(Option::unwrap_or_default).collect()).collect())
}

/// A code of the distribution that `logits` mean, by the inverse of its cumulative sums, and ln of its probability.
fn draw_code(logits: &[f32], draw: f64) -> Result<(u32, f64)> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = logits.iter().map(|logit| f64::from(logit - most).exp()).collect();
    let total: f64 = weights.iter().sum();
    if !total.is_finite() || total <= 0.0 {
        return Err(Error::new("plugin/logits", "the model gives logits that are no numbers")
            .help("take an earlier checkpoint: `--checkpoint`"));
    }
    let (wanted, mut sum) = (draw * total, 0.0);
    let found = weights.iter().position(|weight| {
        sum += weight;
        sum > wanted
    });
    // Rounding may leave the sum a hair below the total.
    let code = found.or_else(|| weights.iter().rposition(|weight| *weight > 0.0)).unwrap_or(0);
    Ok((code as u32, (weights[code] / total).ln()))
}

/// Standard Gumbel noise of a uniform draw.
fn gumbel(draw: f64) -> f64 {
    -(-draw.ln()).ln()
}

/// Logits under guidance of weight w: without + w (with − without), so that 1 takes the condition as it is and 0 leaves it out.
#[must_use]
pub fn guided(with: &[f32], without: &[f32], weight: f64) -> Vec<f32> {
    let mix = |(with, without): (&f32, &f32)| (f64::from(*without) + weight * f64::from(with - without)) as f32;
    with.iter().zip(without).map(mix).collect()
}

#[cfg(test)]
#[path = "sampler_tests.rs"]
mod tests;
