//! Which tokens of a sample are predicted, and what the model is shown in their place: pure functions of uniform draws.
//!
//! A token is *eligible* when it is no special token. A *word* is a run of eligible tokens from one word start to the
//! next; a special token ends it.

use crate::spans;

/// What is chosen together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unit {
    /// Single tokens: Devlin et al. 2018, section 3.1.
    Token,
    /// Whole words.
    Word,
    /// Spans of whole words: Joshi et al. 2020, section 3.1. Their length is geometric with parameter `stop`, cut off
    /// at `longest` and scaled to sum to one.
    Span {
        /// Probability that a span ends after a word, in (0, 1).
        stop: f64,
        /// Longest span, in words.
        longest: usize,
    },
}

/// How many tokens are chosen, and in which units.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Share of the eligible tokens, in (0, 1).
    pub rate: f64,
    /// The count is `max(1, round(rate · eligible))` instead of random with this mean.
    pub exact: bool,
    /// What is chosen together.
    pub unit: Unit,
}

/// A sample as it was read; all three have one entry for each token.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Token ids.
    pub tokens: &'a [u32],
    /// True where the token is special.
    pub special: &'a [bool],
    /// True where a word begins.
    pub word_starts: &'a [bool],
}

/// A token to be predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Where it stands in the sample.
    pub position: usize,
    /// First position of the unit whose fate it shares: a span is corrupted as a whole, words token by token.
    pub unit: usize,
}

impl Sample<'_> {
    /// Number of eligible tokens.
    #[must_use]
    pub fn eligible(&self) -> usize {
        self.special.iter().filter(|special| !**special).count()
    }

    /// The words: first position and one past the last, ascending.
    #[must_use]
    pub fn words(&self) -> Vec<(usize, usize)> {
        let mut words: Vec<(usize, usize)> = Vec::new();
        for position in (0..self.tokens.len()).filter(|&position| !self.special[position]) {
            match words.last_mut() {
                Some((_, end)) if *end == position && !self.word_starts[position] => *end += 1,
                _ => words.push((position, position + 1)),
            }
        }
        words
    }
}

impl Policy {
    /// How many uniform draws [`choose`] needs for a sample of `length` tokens.
    #[must_use]
    pub fn draws(&self, length: usize) -> usize {
        match self.unit {
            Unit::Token | Unit::Word => length,
            Unit::Span { .. } => 2 * length + 1,
        }
    }

    /// `max(1, round(rate · eligible))`, 0 without an eligible token.
    #[must_use]
    pub fn exact_count(&self, eligible: usize) -> usize {
        ((self.rate * eligible as f64).round() as usize).clamp(1, eligible.max(1)).min(eligible)
    }
}

/// The tokens to predict, in ascending order. Never a special one.
///
/// With whole words an exact count is an upper bound, as in BERT's own code: words are taken in random order, and one
/// that would exceed the count is passed over; where no word fits, the shortest one is taken. Spans meet the count, so
/// that the last one may end within a word; without `exact` their count is rounded at random, to the mean.
///
/// # Panics
/// When there are fewer draws than [`Policy::draws`] says.
#[must_use]
pub fn choose(sample: &Sample, policy: &Policy, draws: &[f64]) -> Vec<Chosen> {
    let eligible = sample.eligible();
    if eligible == 0 {
        return Vec::new();
    }
    let count = policy.exact_count(eligible);
    match policy.unit {
        Unit::Span { stop, longest } => {
            let expected = policy.rate * eligible as f64;
            let drawn = expected.floor() as usize + usize::from(draws[0] < expected.fract());
            let count = if policy.exact { count } else { drawn };
            spans::choose(&sample.words(), count, stop, longest, &draws[1..])
        }
        Unit::Token | Unit::Word => {
            let units = match policy.unit {
                Unit::Word => sample.words(),
                _ => (0..sample.tokens.len()).filter(|&at| !sample.special[at]).map(|at| (at, at + 1)).collect(),
            };
            let taken = if policy.exact {
                take_exactly(units, count, draws)
            } else {
                units.into_iter().filter(|&(first, _)| draws[first] < policy.rate).collect()
            };
            taken.into_iter().flat_map(|(first, end)| first..end).map(|at| Chosen { position: at, unit: at }).collect()
        }
    }
}

/// Units in the order of their draws, as long as they fit into `count` tokens; returned in ascending order.
fn take_exactly(units: Vec<(usize, usize)>, count: usize, draws: &[f64]) -> Vec<(usize, usize)> {
    let length = |&(first, end): &(usize, usize)| end - first;
    let mut ranked = units;
    ranked.sort_by(|a, b| draws[a.0].total_cmp(&draws[b.0]).then(a.0.cmp(&b.0)));
    let shortest = ranked.iter().min_by_key(|unit| length(unit)).copied();
    let mut left = count;
    ranked.retain(|unit| {
        let fits = length(unit) <= left;
        left -= if fits { length(unit) } else { 0 };
        fits
    });
    if ranked.is_empty() {
        ranked.extend(shortest);
    }
    ranked.sort_unstable();
    ranked
}

/// What becomes of the chosen tokens: Devlin et al. 2018, section 3.1.
#[derive(Debug, Clone)]
pub struct Corruption {
    /// The mask token.
    pub mask: u32,
    /// Ids that stand for text: random tokens come from here.
    pub ordinary: Vec<u32>,
    /// Share of the chosen tokens shown as the mask token.
    pub masked_share: f64,
    /// Share shown as a random token; the rest stays as it is.
    pub random_share: f64,
}

impl Corruption {
    /// What the model is shown of `tokens`, from two draws for each token.
    ///
    /// # Panics
    /// When there are fewer draws, or when a random token is called for and there is no ordinary id.
    #[must_use]
    pub fn shown(&self, tokens: &[u32], chosen: &[Chosen], draws: &[f64]) -> Vec<u32> {
        let mut shown = tokens.to_vec();
        for &Chosen { position, unit } in chosen {
            let fate = draws[2 * unit];
            if fate < self.masked_share {
                shown[position] = self.mask;
            } else if fate < self.masked_share + self.random_share {
                let index = (draws[2 * position + 1] * self.ordinary.len() as f64) as usize;
                shown[position] = self.ordinary[index.min(self.ordinary.len() - 1)];
            }
        }
        shown
    }
}

#[cfg(test)]
#[path = "masking_tests.rs"]
mod tests;
