//! The rules: which hidden tokens are filled in a step.

use plugin_api::Result;

use super::categorical::{race, race_or_stay};
use super::{Numbers, Sequence};

/// The end of the times of `Origin` and `Greedy`, as in the code of Nie et al. 2024.
const LAST_TIME: f64 = 1e-5;

/// When hidden tokens are filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// One token a step, at the time at which the first of the hidden ones would be filled: Zheng et al. 2024,
    /// arXiv:2409.02908, algorithm 1. The same law as `Ancestral` with infinitely many steps.
    FirstHitting {
        /// Power of the noise of token draws; 0 takes the likeliest.
        temperature: f64,
    },
    /// The same number of tokens in each of `steps` steps, at random positions: Zheng et al. 2024, section 3.
    Parallel {
        /// Network calls.
        steps: usize,
        /// As above.
        temperature: f64,
    },
    /// From time t to s each hidden token stays with probability s/t, else comes from the network: Sahoo et al. 2024,
    /// arXiv:2406.07524, section 3. Whether and which is one draw, as in their code.
    Ancestral {
        /// Steps of equal length from 1 to 0.
        steps: usize,
    },
    /// Each hidden token is filled with probability 1 − s/t, all in the last step: Nie et al. 2024, arXiv:2410.18514.
    Origin {
        /// Steps of equal length from 1 to 1e-5.
        steps: usize,
        /// As above.
        temperature: f64,
    },
    /// ⌊hidden · (1 − s/t)⌋ tokens are filled, the most confident first: Nie et al. 2024.
    Greedy {
        /// As for `Origin`.
        steps: usize,
        /// As above.
        temperature: f64,
    },
    /// The likeliest token of the most confident position, one at a time.
    OneByOne {
        /// At least as many as there are hidden tokens.
        steps: usize,
    },
}

/// What a step does to one sequence.
pub(super) enum Plan {
    /// Nothing.
    Rest,
    /// Fills hidden tokens of these numbers.
    Fill(Vec<usize>, f64),
    /// Fills so many hidden tokens, the most confident.
    Confident(usize, f64),
    /// Each hidden token stays with this probability.
    Stay(f64),
}

impl Rule {
    /// How many steps it takes for `hidden` tokens.
    #[must_use]
    pub fn steps(&self, hidden: usize) -> usize {
        match *self {
            Self::FirstHitting { .. } => hidden,
            Self::Parallel { steps, .. } => steps.min(hidden),
            Self::Ancestral { steps }
            | Self::Origin { steps, .. }
            | Self::Greedy { steps, .. }
            | Self::OneByOne { steps } => steps,
        }
    }

    /// What step `step` does. `longest` is the number of tokens hidden at first.
    pub(super) fn plan(&self, step: usize, longest: usize, sequence: &mut Sequence<'_>) -> Result<Plan> {
        let hidden = sequence.hidden();
        if hidden == 0 {
            return Ok(Plan::Rest);
        }
        Ok(match *self {
            Self::FirstHitting { temperature } => {
                let draws = sequence.draws.take(2)?;
                sequence.time = first_hit(sequence.time, hidden, draws[0]);
                Plan::Fill(vec![below(draws[1], hidden)], temperature)
            }
            Self::Parallel { temperature, .. } => {
                let steps = self.steps(longest);
                let count = ((step + 1) * longest / steps - step * longest / steps).min(hidden);
                let count = if step + 1 == steps { hidden } else { count };
                let draws = sequence.draws.take(hidden)?;
                let mut order: Vec<usize> = (0..hidden).collect();
                order.sort_by(|&a, &b| draws[a].total_cmp(&draws[b]).then(a.cmp(&b)));
                order.truncate(count);
                order.sort_unstable();
                Plan::Fill(order, temperature)
            }
            Self::Ancestral { steps } => Plan::Stay((steps - step - 1) as f64 / (steps - step) as f64),
            Self::Origin { steps, temperature } => {
                let share = if step + 1 == steps { 1.0 } else { 1.0 - remaining(step, steps) };
                let draws = sequence.draws.take(hidden)?;
                Plan::Fill((0..hidden).filter(|&index| draws[index] < share).collect(), temperature)
            }
            Self::Greedy { steps, temperature } => {
                let count = (hidden as f64 * (1.0 - remaining(step, steps))) as usize;
                Plan::Confident(if step + 1 == steps { hidden } else { count }, temperature)
            }
            Self::OneByOne { .. } => Plan::Confident(1, 0.0),
        })
    }
}

/// s/t of a step of `linspace(1, 1e-5, steps + 1)`.
fn remaining(step: usize, steps: usize) -> f64 {
    let time = |step: usize| 1.0 - (1.0 - LAST_TIME) * step as f64 / steps as f64;
    time(step + 1) / time(step)
}

/// The time at which the first of `hidden` tokens is filled after `time`, from a uniform draw: τ · u^(1/k), so that P(τ < x) =
/// x^k from time 1. Zheng et al. 2024, proposition 4, for the linear schedule.
#[must_use]
pub(super) fn first_hit(time: f64, hidden: usize, draw: f64) -> f64 {
    time * draw.powf(1.0 / hidden as f64)
}

fn below(draw: f64, count: usize) -> usize {
    ((draw * count as f64) as usize).min(count - 1)
}

impl Plan {
    /// Whether the network has to tell what stands at hidden positions.
    pub(super) fn needs_network(&self) -> bool {
        match self {
            Self::Rest => false,
            Self::Fill(which, _) => !which.is_empty(),
            Self::Confident(count, _) => *count > 0,
            Self::Stay(_) => true,
        }
    }

    /// Does it; the sequence has the probabilities of its hidden tokens where the plan needs them.
    pub(super) fn carry_out(self, numbers: Numbers, sequence: &mut Sequence<'_>) -> Result<()> {
        if !self.needs_network() {
            return Ok(());
        }
        let chosen: Vec<(usize, u32)> = match self {
            Self::Rest => Vec::new(),
            Self::Fill(which, temperature) => drawn(&which, temperature, numbers, sequence)?,
            Self::Confident(count, temperature) => {
                let all: Vec<usize> = (0..sequence.hidden()).collect();
                let mut drawn = drawn(&all, temperature, numbers, sequence)?;
                let confidence = |&(index, token): &(usize, u32)| sequence.row(index)[token as usize];
                drawn.sort_by(|a, b| confidence(b).total_cmp(&confidence(a)).then(a.0.cmp(&b.0)));
                drawn.truncate(count);
                drawn
            }
            Self::Stay(stay) => {
                let (hidden, width) = (sequence.hidden(), sequence.row(0).len() + 1);
                let draws = sequence.draws.take(hidden * width)?;
                let winner = |index: usize, draws: &[f64]| {
                    let token = race_or_stay(sequence.row(index), 1.0 - stay, stay, draws, numbers);
                    token.map(|token| (index, token as u32))
                };
                draws.chunks_exact(width).enumerate().filter_map(|(index, draws)| winner(index, draws)).collect()
            }
        };
        sequence.fill(&chosen);
        Ok(())
    }
}

/// A token for each of some hidden ones.
fn drawn(
    which: &[usize],
    temperature: f64,
    numbers: Numbers,
    sequence: &mut Sequence<'_>,
) -> Result<Vec<(usize, u32)>> {
    let width = sequence.row(0).len();
    let draws = if temperature == 0.0 { Vec::new() } else { sequence.draws.take(which.len() * width)? };
    let token = |(place, &index): (usize, &usize)| {
        let draws = draws.get(place * width..(place + 1) * width).unwrap_or_default();
        (index, race(sequence.row(index), temperature, draws, numbers) as u32)
    };
    Ok(which.iter().enumerate().map(token).collect())
}
