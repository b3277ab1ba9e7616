//! Writing a text by masked diffusion: all new tokens start hidden, and a rule says which are filled when.
//!
//! Pure Rust over a [`Network`] and uniform [`Draws`], so that each rule can be held against a law that is known. A network
//! is asked only for sequences that need it and have changed since it was last asked.

pub mod categorical;
pub mod guidance;
mod rules;

use plugin_api::Result;

pub use categorical::Numbers;
pub use rules::Rule;

/// Uniform numbers in (0, 1) with 53 bits, those of one sequence.
pub trait Draws {
    /// The next `count` of them.
    ///
    /// # Errors
    /// When the host fails.
    fn take(&mut self, count: usize) -> Result<Vec<f64>>;
}

/// What a network is asked: tokens with the mask token at the hidden positions.
pub struct Question<'a> {
    /// The sequence's number among those written.
    pub number: usize,
    /// Prompt and new tokens.
    pub tokens: &'a [u32],
    /// Positions of hidden tokens, ascending.
    pub hidden: &'a [usize],
}

/// A denoiser: what stands at hidden positions, given the others.
pub trait Network {
    /// For each question the probabilities `[hidden, v]`, row by row. One call of the network.
    ///
    /// # Errors
    /// When the model fails.
    fn probabilities(&mut self, questions: &[Question<'_>]) -> Result<Vec<Vec<f32>>>;
}

/// A sequence being written.
pub struct Sequence<'a> {
    /// Prompt and new tokens.
    pub tokens: Vec<u32>,
    /// Positions of hidden tokens, ascending.
    hidden: Vec<usize>,
    /// What the network said of `hidden`; empty where it has to be asked again.
    probabilities: Vec<f32>,
    /// The time of the first-hitting sampler, from 1 down.
    time: f64,
    draws: &'a mut dyn Draws,
}

impl<'a> Sequence<'a> {
    /// `prompt` followed by `length` hidden tokens.
    pub fn new(prompt: &[u32], length: usize, mask: u32, draws: &'a mut dyn Draws) -> Self {
        let mut tokens = prompt.to_vec();
        tokens.resize(prompt.len() + length, mask);
        let hidden: Vec<usize> = (prompt.len()..tokens.len()).collect();
        Self::with_hidden(&tokens, &hidden, mask, draws)
    }

    /// A text of which the tokens at the positions `hidden`, ascending, are to be filled.
    pub fn with_hidden(text: &[u32], hidden: &[usize], mask: u32, draws: &'a mut dyn Draws) -> Self {
        let mut tokens = text.to_vec();
        hidden.iter().for_each(|&position| tokens[position] = mask);
        Self { tokens, hidden: hidden.to_vec(), probabilities: Vec::new(), time: 1.0, draws }
    }

    /// How many tokens are hidden.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.hidden.len()
    }

    /// The time of the last token that the first-hitting sampler filled.
    #[must_use]
    pub fn time(&self) -> f64 {
        self.time
    }

    /// What the network is asked of it.
    fn question(&self, number: usize) -> Question<'_> {
        Question { number, tokens: &self.tokens, hidden: &self.hidden }
    }

    /// The probabilities of hidden token number `index`.
    fn row(&self, index: usize) -> &[f32] {
        let width = self.probabilities.len() / self.hidden.len();
        &self.probabilities[index * width..(index + 1) * width]
    }

    /// Fills hidden tokens by their number among the hidden ones.
    fn fill(&mut self, chosen: &[(usize, u32)]) {
        if chosen.is_empty() {
            return;
        }
        for &(index, token) in chosen {
            self.tokens[self.hidden[index]] = token;
        }
        let mut index = 0;
        self.hidden.retain(|_| {
            index += 1;
            !chosen.iter().any(|(filled, _)| *filled == index - 1)
        });
        self.probabilities.clear();
    }
}

/// Fills all hidden tokens of all sequences by a rule.
///
/// # Errors
/// When the network or the draws fail.
pub fn write(rule: &Rule, numbers: Numbers, network: &mut dyn Network, sequences: &mut [Sequence<'_>]) -> Result<()> {
    let longest = sequences.iter().map(Sequence::hidden).max().unwrap_or(0);
    for step in 0..rule.steps(longest) {
        let plans =
            sequences.iter_mut().map(|sequence| rule.plan(step, longest, sequence)).collect::<Result<Vec<_>>>()?;
        let asked: Vec<usize> = (0..sequences.len())
            .filter(|&number| plans[number].needs_network() && sequences[number].probabilities.is_empty())
            .collect();
        if !asked.is_empty() {
            let question = |&number: &usize| sequences[number].question(number);
            let questions: Vec<Question<'_>> = asked.iter().map(question).collect();
            let answers = network.probabilities(&questions)?;
            for (number, answer) in asked.into_iter().zip(answers) {
                sequences[number].probabilities = answer;
            }
        }
        for (plan, sequence) in plans.into_iter().zip(sequences.iter_mut()) {
            plan.carry_out(numbers, sequence)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
