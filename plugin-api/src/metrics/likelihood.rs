//! Figures of probabilities.

/// exp of the mean loss in nats: how many equally likely tokens the model hesitates between.
#[must_use]
pub fn perplexity(sum_nats: f64, tokens: f64) -> f64 {
    (sum_nats / tokens).exp()
}

/// The loss in bits for each of so many units (bytes, characters), from the sum in nats.
#[must_use]
pub fn bits(sum_nats: f64, units: f64) -> f64 {
    sum_nats / units / std::f64::consts::LN_2
}

/// −Σ p ln p in nats; what has probability 0 adds nothing. The probabilities are divided by their sum first.
#[must_use]
pub fn entropy(probabilities: &[f64]) -> f64 {
    let sum: f64 = probabilities.iter().sum();
    let part = |p: &f64| if *p == 0.0 { 0.0 } else { -p / sum * (p / sum).ln() };
    probabilities.iter().map(part).sum()
}
