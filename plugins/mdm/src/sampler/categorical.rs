//! Draws from a categorical law by a race, in numbers whose fineness can be chosen.
//!
//! Category i with weight w wins if its clock −ln(u) / w is the first, which is the same as argmax of ln w plus Gumbel
//! noise. On a grid of uniform numbers no clock is faster than the finest step allows: rare categories starve (Zheng et al.
//! 2024, arXiv:2409.02908, section 4). With spacing δ a category of small probability q comes with about δ / (e^(δ/q) − 1).

/// The numbers a sampler computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Bits of a uniform number: 53 leaves it as it is, fewer cut it to a grid of spacing 2^−bits.
    pub bits: u32,
    /// Whether clocks are rounded to single precision.
    pub single: bool,
}

impl Numbers {
    /// Double precision.
    pub const DOUBLE: Self = Self { bits: 53, single: false };
    /// Single precision, with the 24 bits that its uniform numbers have.
    pub const SINGLE: Self = Self { bits: 24, single: true };

    /// A uniform number cut to the grid; 0 becomes the least number above.
    fn uniform(self, draw: f64) -> f64 {
        if self.bits >= 53 {
            return draw;
        }
        let steps = (1_u64 << self.bits) as f64;
        (draw * steps).floor().max(1.0) / steps
    }

    fn round(self, number: f64) -> f64 {
        if self.single { f64::from(number as f32) } else { number }
    }

    /// When category of weight `weight` rings.
    fn clock(self, draw: f64, weight: f64, temperature: f64) -> f64 {
        let noise = self.round(-self.uniform(draw).ln());
        let noise = if temperature == 1.0 { noise } else { self.round(noise.powf(temperature)) };
        self.round(noise / self.round(weight))
    }
}

/// The winner of a race of `weights` (they need not sum to one), the first of equals: argmax of w / (−ln u)^temperature.
/// At temperature 0 the heaviest. 0 without a positive weight.
#[must_use]
pub fn race(weights: &[f32], temperature: f64, draws: &[f64], numbers: Numbers) -> usize {
    let heaviest = heaviest(weights);
    if temperature == 0.0 {
        return heaviest;
    }
    let clock = |index: usize| numbers.clock(draws[index], f64::from(weights[index]), temperature);
    let start = (clock(heaviest), heaviest);
    challenge(weights, 1.0, temperature, draws, numbers, start)
}

/// As [`race`] with every weight times `scale`, against one more competitor of weight `stay`, the last of equals: `None` if
/// it wins. `draws` has a number more than `weights`.
#[must_use]
pub fn race_or_stay(weights: &[f32], scale: f64, stay: f64, draws: &[f64], numbers: Numbers) -> Option<usize> {
    let none = weights.len();
    let clock = if stay > 0.0 { numbers.clock(draws[none], stay, 1.0) } else { f64::INFINITY };
    let winner = challenge(weights, scale, 1.0, draws, numbers, (clock, none));
    (winner != none).then_some(winner)
}

/// Who is faster than `best`, a clock and its owner.
fn challenge(
    weights: &[f32],
    scale: f64,
    temperature: f64,
    draws: &[f64],
    numbers: Numbers,
    mut best: (f64, usize),
) -> usize {
    for (index, (&weight, &draw)) in weights.iter().zip(draws).enumerate() {
        let weight = f64::from(weight) * scale;
        // −ln u is at least 1 − u: this passes over nearly all without a logarithm. The slack covers rounding.
        let hopeless = temperature == 1.0 && (1.0 - draw) * (1.0 - 1e-6) > weight * best.0;
        if weight <= 0.0 || hopeless {
            continue;
        }
        let clock = numbers.clock(draw, weight, temperature);
        if clock < best.0 || (clock == best.0 && index < best.1) {
            best = (clock, index);
        }
    }
    best.1
}

/// The heaviest, the first of equals.
#[must_use]
pub fn heaviest(weights: &[f32]) -> usize {
    let heavier = |best: usize, next: usize| if weights[next] > weights[best] { next } else { best };
    (1..weights.len()).fold(0, heavier)
}
