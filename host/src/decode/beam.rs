//! Beam search: of all continuations, the likeliest that some few beginnings lead to.
//!
//! As transformers search: a sequence is worth the sum of its tokens' log-probabilities, divided by its length to the power of a
//! penalty once it has ended; it ends with the end token or when it may grow no further. Of the `2 · beams` likeliest
//! continuations the best `beams` that go on are kept, and those among the first `beams` that end are put aside. The search ends
//! when `beams` sequences are put aside and the best that goes on, weighed at its present length, is worth less than each.

use std::sync::Arc;
use std::time::Instant;

use super::Decoder;
use super::generate::{Ended, Generated, Limits, Times, Written, check};
use crate::boundary::State;
use crate::error::{Error, Result};

/// How wide to search, and how length counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beams {
    count: usize,
    length_penalty: f64,
}

impl Beams {
    /// So many beginnings at once, from 1. Above 0, `length_penalty` favours long sequences, below it short ones; at 0 sums are
    /// compared as they are.
    ///
    /// # Errors
    /// When there is no beam or the penalty is no number.
    pub fn new(count: usize, length_penalty: f64) -> Result<Self> {
        if count == 0 {
            return Err(Error::new("config/range", "a search with 0 beams finds nothing").with_help("give 1 or more"));
        }
        if !length_penalty.is_finite() {
            return Err(Error::new("config/range", format!("the length penalty is {length_penalty}"))
                .with_help("give a number: 1 weighs sequences by the mean of their tokens, 0 by the sum"));
        }
        Ok(Self { count, length_penalty })
    }

    fn weighed(&self, score: f64, length: usize) -> f64 {
        score / (length as f64).powf(self.length_penalty)
    }
}

/// The tokens of a beginning and the sum of their log-probabilities.
#[derive(Debug, Clone)]
struct Beam {
    tokens: Vec<u32>,
    score: f64,
    /// The row of the last step's logits that it came from.
    parent: usize,
}

/// The search behind one prompt.
struct Search {
    beams: Beams,
    /// The most new tokens.
    most: usize,
    end: Option<u32>,
    running: Vec<Beam>,
    /// The best that have ended, best first, by their weighed scores.
    ended: Vec<Beam>,
}

impl Search {
    fn new(beams: Beams, most: usize, end: Option<u32>) -> Self {
        let start = Beam { tokens: Vec::new(), score: 0.0, parent: 0 };
        Self { beams, most, end, running: vec![start], ended: Vec::new() }
    }

    /// Goes on by a token: `rows` has the logits `[v]` behind each running beam, in order.
    fn advance<'a>(&mut self, rows: impl Iterator<Item = &'a [f32]>) {
        let count = self.beams.count;
        let mut found: Vec<(f64, usize, u32)> = Vec::new();
        for (at, (beam, logits)) in self.running.iter().zip(rows).enumerate() {
            let shares = likeliest(logits, 2 * count);
            found.extend(shares.into_iter().map(|(token, share)| (beam.score + share, at, token)));
        }
        // Places before tokens where scores are equal, so that a run says the same on every machine.
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        found.truncate(2 * count);
        let mut running = Vec::with_capacity(count);
        for (rank, (score, parent, token)) in found.into_iter().enumerate() {
            let mut tokens = self.running[parent].tokens.clone();
            tokens.push(token);
            let length = tokens.len();
            if self.end == Some(token) || length == self.most {
                if rank < count {
                    self.ended.push(Beam { tokens, score: self.beams.weighed(score, length), parent });
                }
            } else if running.len() < count {
                running.push(Beam { tokens, score, parent });
            }
        }
        self.running = running;
        self.ended.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.ended.truncate(count);
        if let (Some(best), Some(worst)) = (self.running.first(), self.ended.last())
            && self.ended.len() == count
            && self.beams.weighed(best.score, best.tokens.len()) <= worst.score
        {
            self.running.clear();
        }
    }

    fn best(self, limits: &Limits) -> Option<Written> {
        let Beam { tokens, score, .. } = self.ended.into_iter().next()?;
        let ended = if limits.end.is_some() && tokens.last().copied() == limits.end {
            Ended::End
        } else if tokens.len() == limits.tokens {
            Ended::Tokens
        } else {
            Ended::Length
        };
        Some(Written { tokens, ended, score: Some(score) })
    }
}

/// The likeliest tokens with their log-probabilities, at most so many; the first of equals.
fn likeliest(logits: &[f32], count: usize) -> Vec<(u32, f64)> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|logit| f64::from(logit - highest).exp()).sum();
    let level = f64::from(highest) + total.ln();
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    let before = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    if count < order.len() {
        order.select_nth_unstable_by(count - 1, before);
        order.truncate(count);
    }
    // A token that cannot come leads nowhere.
    order.retain(|id| logits[*id as usize] > f32::NEG_INFINITY);
    order.into_iter().map(|id| (id, f64::from(logits[id as usize]) - level)).collect()
}

/// Continues `prompts`, none of them empty, each with the best sequence that the search finds.
///
/// # Errors
/// When a prompt is empty or longer than the model reads, or the model fails.
pub fn search(decoder: &Decoder, prompts: &[Vec<u32>], beams: Beams, limits: Limits) -> Result<Generated> {
    for (number, prompt) in prompts.iter().enumerate() {
        check(prompt, number, decoder.maximum_length())?;
    }
    let mut sequences = Vec::with_capacity(prompts.len());
    let mut times = Times::default();
    // On a thread of the pool a parallel loop begins at once; from outside it would wake one first, in every operation.
    rayon::scope(|_| {
        for (index, batch) in prompts.chunks(limits.batch.max(1)).enumerate() {
            let first = index * limits.batch.max(1);
            sequences.extend(group(decoder, batch, first, beams, &limits, &mut times)?);
        }
        Ok(())
    })
    .map(|()| Generated { sequences, times })
}

/// Searches behind the prompts of a batch together, the first of which has the number `first`.
fn group(
    decoder: &Decoder,
    prompts: &[Vec<u32>],
    first: usize,
    beams: Beams,
    limits: &Limits,
    times: &mut Times,
) -> Result<Vec<Written>> {
    if limits.tokens == 0 {
        let nothing = Written { tokens: Vec::new(), ended: Ended::Tokens, score: Some(0.0) };
        return Ok(vec![nothing; prompts.len()]);
    }
    let start = Instant::now();
    let most = |prompt: &Vec<u32>| decoder.room(prompt.len()).map_or(limits.tokens, |room| room.min(limits.tokens));
    let mut searches: Vec<Search> = prompts.iter().map(|prompt| Search::new(beams, most(prompt), limits.end)).collect();
    let keys: Vec<u64> = (first..first + prompts.len()).map(|number| number as u64).collect();
    let slices: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let (mut state, mut logits_bv) = decoder.read(&slices, &keys, limits.tokens)?;
    let mut step = start;
    loop {
        let count: usize = searches.iter().map(|search| search.running.len()).sum();
        let width = logits_bv.len() / count.max(1);
        let mut rows = logits_bv.chunks(width.max(1));
        let (mut row, mut parents, mut tokens, mut step_keys) = (0, Vec::new(), Vec::new(), Vec::new());
        for (search, key) in searches.iter_mut().zip(&keys) {
            let before = search.running.len();
            if before == 0 {
                continue;
            }
            search.advance(rows.by_ref().take(before));
            for beam in &search.running {
                parents.push(row + beam.parent);
                tokens.extend(beam.tokens.last());
                step_keys.push(*key);
            }
            row += before;
        }
        if step == start {
            times.prefill += start.elapsed().as_secs_f64();
        } else {
            times.decoding += step.elapsed().as_secs_f64();
            times.steps += 1;
            times.tokens += count;
        }
        if parents.is_empty() {
            break;
        }
        step = Instant::now();
        if parents.len() != count || parents.iter().enumerate().any(|(at, parent)| at != *parent) {
            state = Arc::new(State::select(&state, &parents)?);
        }
        logits_bv = decoder.step(&state, &tokens, &vec![1; tokens.len()], &step_keys)?;
    }
    let lost = || Error::new("run/diverged", "no token is likelier than any other: the logits are all minus infinity");
    searches.into_iter().map(|search| search.best(limits).ok_or_else(lost)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Runs a search over a table: the logits behind a sequence.
    fn run(beams: Beams, most: usize, end: Option<u32>, logits: impl Fn(&[u32]) -> Vec<f32>) -> Beam {
        let mut search = Search::new(beams, most, end);
        while !search.running.is_empty() {
            let rows: Vec<Vec<f32>> = search.running.iter().map(|beam| logits(&beam.tokens)).collect();
            search.advance(rows.iter().map(Vec::as_slice));
        }
        search.ended[0].clone()
    }

    /// Logits over 4 tokens that depend on all tokens before.
    fn odd_logits(tokens: &[u32]) -> Vec<f32> {
        let seed = tokens.iter().fold(1_u64, |seed, token| seed.wrapping_mul(31).wrapping_add(u64::from(*token) + 7));
        let key = philox::Key::root(seed);
        (0..4).map(|token| (3.0 * key.uniform(token)) as f32).collect()
    }

    /// The best of all sequences that end with token 0 or have `most` tokens.
    fn exhaustive(beams: Beams, most: usize, tokens: &mut Vec<u32>, score: f64, best: &mut (f64, Vec<u32>)) {
        for (token, share) in likeliest(&odd_logits(tokens), 4) {
            tokens.push(token);
            if token == 0 || tokens.len() == most {
                let weighed = beams.weighed(score + share, tokens.len());
                if weighed > best.0 {
                    *best = (weighed, tokens.clone());
                }
            } else {
                exhaustive(beams, most, tokens, score + share, best);
            }
            tokens.pop();
        }
    }

    #[test]
    fn wide_enough_it_finds_the_best_of_all_sequences() {
        for penalty in [-1.0, 0.0, 0.7, 1.0, 3.0] {
            let beams = Beams::new(256, penalty).unwrap();
            let mut best = (f64::NEG_INFINITY, Vec::new());
            exhaustive(beams, 4, &mut Vec::new(), 0.0, &mut best);
            let found = run(beams, 4, Some(0), odd_logits);
            assert_eq!(found.tokens, best.1, "penalty {penalty}");
            assert!((found.score - best.0).abs() < 1e-9);
        }
    }

    #[test]
    fn one_beam_takes_the_likeliest_token_each_time() {
        let found = run(Beams::new(1, 1.0).unwrap(), 6, Some(0), odd_logits);
        let mut greedy = Vec::new();
        while greedy.len() < 6 && greedy.last() != Some(&0) {
            let next = likeliest(&odd_logits(&greedy), 1)[0].0;
            greedy.push(next);
        }
        assert_eq!(found.tokens, greedy);
    }

    #[test]
    fn log_probabilities_add_up_to_one() {
        let shares = likeliest(&[1.0, f32::NEG_INFINITY, 3.0, 2.0], 4);
        assert_eq!(shares.iter().map(|(token, _)| *token).collect::<std::collections::BTreeSet<_>>().len(), 3);
        assert!((shares.iter().map(|(_, share)| share.exp()).sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        assert!(Beams::new(0, 1.0).is_err() && Beams::new(2, f64::NAN).is_err());
    }
}
