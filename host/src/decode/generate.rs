//! The loop of generation: prompts read at once, then a token for each sequence in every step.

use std::time::Instant;

use philox::Key;

use super::{Decoder, Sampler, Sampling};
use crate::error::{Error, Result};

/// When a sequence ends, and how much is done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most new tokens of a sequence.
    pub tokens: usize,
    /// The token that ends a sequence; it is kept as its last one.
    pub end: Option<u32>,
    /// Sequences that are decoded together.
    pub batch: usize,
}

/// Why a sequence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With its end token.
    End,
    /// It has the tokens that were asked for.
    Tokens,
    /// The model has no more positions.
    Length,
}

impl Ended {
    /// In a word, as results say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Tokens => "tokens",
            Self::Length => "length",
        }
    }
}

/// A sequence that was continued.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The new tokens.
    pub tokens: Vec<u32>,
    /// Why there are no more.
    pub ended: Ended,
    /// What a search finds it worth; `None` where there was none.
    pub score: Option<f64>,
}

/// How long it took.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Times {
    /// Reading the prompts, with the first token of each sequence, in seconds.
    pub prefill: f64,
    /// All further steps, in seconds.
    pub decoding: f64,
    /// How many steps those were.
    pub steps: usize,
    /// How many tokens came from them.
    pub tokens: usize,
}

/// All sequences, and how long they took.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// By number of the prompt.
    pub sequences: Vec<Written>,
    /// How long it took.
    pub times: Times,
}

/// Continues `prompts`, none of them empty. A draw belongs to (seed, number of the prompt, number of the token): how prompts
/// are divided into batches changes none. `on_token` sees each token as it comes, with the number of its prompt.
///
/// # Errors
/// When a prompt is empty or longer than the model reads, or the model fails.
pub fn generate(
    decoder: &Decoder,
    prompts: &[Vec<u32>],
    sampling: Sampling,
    seed: u64,
    limits: Limits,
    on_token: &mut (dyn FnMut(usize, u32) + Send),
) -> Result<Generated> {
    for (number, prompt) in prompts.iter().enumerate() {
        check(prompt, number, decoder.maximum_length())?;
    }
    let mut sequences: Vec<Written> =
        prompts.iter().map(|_| Written { tokens: Vec::new(), ended: Ended::Tokens, score: None }).collect();
    let mut times = Times::default();
    let key = Key::root(seed).stream("generate");
    let numbers: Vec<usize> = (0..prompts.len()).collect();
    // On a thread of the pool a parallel loop begins at once; from outside it would wake one first, in every operation.
    rayon::scope(|_| {
        let mut sampler = Sampler::new(sampling);
        let mut choose = |number: usize, at: usize, logits: &[f32]| {
            let token = sampler.choose(logits, key.at(number as u64).at(at as u64));
            on_token(number, token);
            token
        };
        for batch in numbers.chunks(limits.batch.max(1)) {
            group(decoder, prompts, batch, limits, &mut sequences, &mut times, &mut choose)?;
        }
        Ok(())
    })
    .map(|()| Generated { sequences, times })
}

pub(super) fn check(prompt: &[u32], number: usize, maximum: Option<usize>) -> Result<()> {
    let ordinal = number + 1;
    if prompt.is_empty() {
        return Err(Error::new("config/generate", format!("prompt {ordinal} has no tokens"))
            .with_help("give it some text: the vocabulary has no begin token to start from"));
    }
    match maximum {
        Some(maximum) if prompt.len() > maximum => {
            let text = format!("prompt {ordinal} has {} tokens, the model reads at most {maximum}", prompt.len());
            Err(Error::new("config/generate", text).with_help("shorten it"))
        }
        _ => Ok(()),
    }
}

/// Decodes the prompts of these numbers together until all have ended.
fn group(
    decoder: &Decoder,
    prompts: &[Vec<u32>],
    numbers: &[usize],
    limits: Limits,
    sequences: &mut [Written],
    times: &mut Times,
    choose: &mut impl FnMut(usize, usize, &[f32]) -> u32,
) -> Result<()> {
    if limits.tokens == 0 {
        return Ok(());
    }
    let start = Instant::now();
    let mut running = numbers.to_vec();
    let read: Vec<&[u32]> = numbers.iter().map(|number| prompts[*number].as_slice()).collect();
    let keys_of = |running: &[usize]| running.iter().map(|number| *number as u64).collect::<Vec<_>>();
    let (mut state, mut logits_bv) = decoder.read(&read, &keys_of(numbers), limits.tokens)?;
    let mut tokens: Vec<u32> = Vec::with_capacity(numbers.len());
    let (mut is_first, mut step) = (true, start);
    loop {
        let width = logits_bv.len() / running.len();
        tokens.clear();
        let mut kept = Vec::with_capacity(running.len());
        for (place, number) in running.iter().enumerate() {
            let written = &mut sequences[*number];
            let token = choose(*number, written.tokens.len(), &logits_bv[place * width..(place + 1) * width]);
            written.tokens.push(token);
            let room = decoder.room(prompts[*number].len());
            if limits.end == Some(token) {
                written.ended = Ended::End;
            } else if written.tokens.len() == limits.tokens {
                written.ended = Ended::Tokens;
            } else if room.is_some_and(|room| written.tokens.len() >= room) {
                written.ended = Ended::Length;
            } else {
                kept.push(place);
                tokens.push(token);
            }
        }
        if is_first {
            times.prefill += start.elapsed().as_secs_f64();
            is_first = false;
        } else {
            times.decoding += step.elapsed().as_secs_f64();
            times.steps += 1;
            times.tokens += running.len();
        }
        if kept.is_empty() {
            return Ok(());
        }
        step = Instant::now();
        if kept.len() < running.len() {
            state = std::sync::Arc::new(state.select(&kept)?);
        }
        running = kept.iter().map(|place| running[*place]).collect();
        logits_bv = decoder.step(&state, &tokens, &vec![1; running.len()], &keys_of(&running))?;
    }
}
