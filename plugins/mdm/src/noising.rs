//! Which tokens are hidden, and what a hidden one weighs: pure functions of uniform draws.
//!
//! A token is *given* where it is never hidden: the begin token, a mask token that stands in the text itself, and the prompt
//! in conditional training. Everything else is *open*.

/// The bound on −ln p that the loss estimates. Both have one expectation: Zheng et al. 2024, arXiv:2409.02908, section 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A time t, each open token hidden with probability t, weight 1/t: Nie et al. 2024, arXiv:2410.18514, section 3.
    OneOverT,
    /// A number k, exactly k of the n open tokens hidden, weight n/k: Zheng et al. 2024, section 3.
    TimeFree,
}

/// What is hidden in one view of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Hidden {
    /// Positions in the sample, ascending.
    pub positions: Vec<usize>,
    /// What each weighs in the loss.
    pub weight: f64,
}

/// Positions of the open tokens: not `begin`, not `mask`, and behind the prompt.
#[must_use]
pub fn open(tokens: &[u32], prompt: usize, begin: Option<u32>, mask: u32) -> Vec<usize> {
    let given = |position: usize| {
        let token = tokens[position];
        position < prompt || token == mask || (position == 0 && begin == Some(token))
    };
    (0..tokens.len()).filter(|&position| !given(position)).collect()
}

/// Tokens of the prompt: up to the first separator, which belongs to it; 0 where there is none, or nothing behind it.
#[must_use]
pub fn prompt(tokens: &[u32], separator: u32) -> usize {
    match tokens.iter().position(|&token| token == separator) {
        Some(at) if at + 1 < tokens.len() => at + 1,
        _ => 0,
    }
}

/// Hides open tokens. `time` is uniform in (0, 1); `draws` holds one number for each token of the sample, of which only
/// those of open tokens are read. `epsilon` lifts the time from 0: t = (1 − ε) · time + ε.
///
/// # Panics
/// When there is no draw for an open token.
#[must_use]
pub fn hide(bound: Bound, open: &[usize], time: f64, epsilon: f64, draws: &[f64]) -> Hidden {
    match bound {
        Bound::OneOverT => {
            // A time of exactly 0 hides nothing and must not weigh infinitely.
            let time = ((1.0 - epsilon) * time + epsilon).max(f64::MIN_POSITIVE);
            let positions = open.iter().copied().filter(|&position| draws[position] < time).collect();
            Hidden { positions, weight: 1.0 / time }
        }
        Bound::TimeFree => {
            let count = (1 + (time * open.len() as f64) as usize).min(open.len());
            let mut ranked = open.to_vec();
            ranked.sort_by(|&a, &b| draws[a].total_cmp(&draws[b]).then(a.cmp(&b)));
            ranked.truncate(count);
            ranked.sort_unstable();
            Hidden { positions: ranked, weight: open.len() as f64 / count.max(1) as f64 }
        }
    }
}

/// Time number `index` of `count` that divide (0, 1) evenly from a common random start: t = (u + index / count) mod 1.
/// Nie et al. 2024, section 4: the variance of the bound falls, its expectation stays.
#[must_use]
pub fn even_time(start: f64, index: usize, count: usize) -> f64 {
    (start + index as f64 / count as f64).fract()
}

/// Length to which a sample is cut, from two draws: with probability `share` uniform in 1..=length. Nie et al. 2024,
/// appendix B.1, cut whole batches; here each sample by itself, since its draws may not depend on the others.
#[must_use]
pub fn cut(length: usize, share: f64, draws: &[f64]) -> usize {
    if length == 0 || draws[0] >= share {
        return length;
    }
    (1 + (draws[1] * length as f64) as usize).min(length)
}

#[cfg(test)]
#[path = "noising_tests.rs"]
mod tests;
