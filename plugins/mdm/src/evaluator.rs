//! Measurements of what a model writes and recalls: the entropy of its samples, and facts asked for from either side.
//!
//! Samples: Zheng et al. 2024, arXiv:2409.02908, section 5, where entropy stands beside every figure of quality. Recall:
//! the reversal of facts, Berglund et al. 2023, arXiv:2309.12288, as Nie et al. 2024, arXiv:2410.18514, section 5, ask for it.

use std::collections::BTreeMap;

use plugin_api::prelude::*;

use crate::decoder::{DecoderSettings, Denoiser};

/// The `[evaluator]` section of an experiment file.
#[derive(Settings)]
pub struct MeasureSettings {
    /// `samples` writes a text for each held-out sample and tells how varied they are; `recall` asks for one text of a pair,
    /// given the other.
    #[setting(default = "samples", choices = ["samples", "recall"])]
    task: String,
    /// New tokens of each text that is written.
    #[setting(default = 32, range = 1..=100_000)]
    length: usize,
    /// Begin each text that is written with the begin token, as those of training began.
    #[setting(default = true)]
    begin: bool,
    /// Which hidden tokens are filled when.
    #[setting(default = "first-hitting", choices = ["first-hitting", "parallel", "ancestral", "origin", "greedy"])]
    sampler: String,
    /// Steps; left out, as many as there are new tokens.
    #[setting(range = 1..=1_000_000)]
    steps: Option<usize>,
    /// Power of the noise of token draws.
    #[setting(default = 1.0, range = 0.0..=10.0)]
    temperature: f64,
    /// Numbers that tokens are drawn in.
    #[setting(default = "f64", choices = ["f32", "f64"])]
    precision: String,
    /// Bits of a uniform number, left out 24 in f32 and 53 in f64.
    #[setting(range = 4..=53)]
    uniform_bits: Option<u32>,
    /// Which text of a pair is asked for. A causal model can be asked for the second alone.
    #[setting(default = "first", choices = ["first", "second"])]
    answer: String,
}

/// The evaluator.
pub struct Measure(Task);

enum Task {
    Samples { denoiser: Denoiser, length: usize, begin: Option<u32> },
    Recall { asked: Asked, second: bool, end: u32 },
}

/// Who is asked.
enum Asked {
    /// Fills the text that is asked for.
    Denoiser(Box<Denoiser>),
    /// Predicts its tokens one after the other.
    Causal(Model, Head),
}

impl Evaluator for Measure {
    type Settings = MeasureSettings;

    fn new(settings: MeasureSettings, scope: &Scope) -> Result<Self> {
        let vocabulary = scope.vocabulary("text")?;
        let MeasureSettings { length, sampler, steps, temperature, precision, uniform_bits, .. } = settings;
        let rule = DecoderSettings { sampler, steps, temperature, precision, uniform_bits, guidance: 0.0 };
        if settings.task == "samples" {
            let begin = if settings.begin { vocabulary.begin_token().ok() } else { None };
            return Ok(Self(Task::Samples { denoiser: Denoiser::new(rule, scope)?, length, begin }));
        }
        let second = settings.answer == "second";
        let encoder = scope.model("encoder")?;
        let asked = if encoder.describe()?.causal {
            if !second {
                return Err(Error::setting("answer", "is `first`, which a causal model cannot be asked for").help(
                    "exchange `field` and `second_field` and ask for the second: its prompt in the other order",
                ));
            }
            let tokens = encoder.head(scope, HeadKind::Tokens)?;
            Asked::Causal(encoder, tokens)
        } else {
            Asked::Denoiser(Box::new(Denoiser::new(rule, scope)?))
        };
        Ok(Self(Task::Recall { asked, second, end: vocabulary.end_token()? }))
    }

    fn collate(&self, samples: &Samples<'_>) -> Result<()> {
        let (mut numbers, mut answers) = (Vec::<u32>::new(), Vec::<u32>::new());
        for sample in samples.iter() {
            numbers.push((sample.uniforms("number", 1)?[0] * f64::from(u32::MAX)) as u32);
            if let Task::Recall { second, end, .. } = &self.0 {
                let (first, last) = answer(sample.u32s("text.tokens")?, *end, *second)?;
                answers.extend([first as u32, last as u32]);
            }
        }
        samples.add("numbers", &numbers)?;
        samples.add_shaped("answers", &answers, &[answers.len() / 2, 2])
    }

    fn measure(&self, batch: &Batch) -> Result<Loss> {
        let numbers = batch.tensor("numbers")?.to_vec::<u32>()?;
        match &self.0 {
            Task::Samples { denoiser, length, begin } => {
                let prompts = vec![begin.iter().copied().collect::<Vec<u32>>(); numbers.len()];
                let (written, calls) = denoiser.continued(&prompts, &numbers, *length)?;
                let tokens: Vec<f64> = written.concat().into_iter().map(f64::from).collect();
                let loss = Loss::new().item_for_figures("tokens", &Tensor::new(&tokens, &[numbers.len(), *length]));
                Ok(loss.metric("network_calls", &Tensor::new(&[calls as f32], &[1])))
            }
            Task::Recall { asked, .. } => {
                let right = recalled(asked, batch)?;
                Ok(Loss::new().item("recalled", &Tensor::new(&right, &[right.len()])))
            }
        }
    }

    fn figures(&self, _training: Option<&Items>, held_out: &Items) -> Result<Vec<(String, f64)>> {
        match &self.0 {
            Task::Samples { .. } => {
                let texts = held_out.lists("tokens")?;
                let sentence = texts.iter().map(|text| entropy(text.iter())).sum::<f64>() / texts.len().max(1) as f64;
                let unigram = entropy(texts.iter().flatten());
                Ok(vec![("unigram_entropy".to_owned(), unigram), ("sentence_entropy".to_owned(), sentence)])
            }
            Task::Recall { .. } => {
                let right = held_out.numbers("recalled")?;
                Ok(vec![("recall".to_owned(), right.iter().sum::<f64>() / right.len().max(1) as f64)])
            }
        }
    }
}

/// First position of the text that is asked for, and one past its last.
fn answer(tokens: &[u32], end: u32, second: bool) -> Result<(usize, usize)> {
    let ends: Vec<usize> = (0..tokens.len()).filter(|&position| tokens[position] == end).collect();
    match *ends.as_slice() {
        [first, .., last] if second => Ok((first + 1, last)),
        [first, _, ..] => Ok((usize::from(first > 0), first)),
        _ => Err(Error::data("a sample holds one text, and recall asks for one of two")
            .help("name both with `field` and `second_field` in [data.text]")),
    }
}

/// For each sample 1 where all tokens of its answer are right.
fn recalled(asked: &Asked, batch: &Batch) -> Result<Vec<f64>> {
    let (tokens, layout) = (batch.tensor("text.tokens")?.to_vec::<u32>()?, batch.layout("text")?);
    let answers = batch.tensor("answers")?.to_vec::<u32>()?;
    let (mut texts, mut first) = (Vec::new(), 0);
    for (length, answer) in layout.lengths().to_vec::<u32>()?.into_iter().zip(answers.chunks_exact(2)) {
        let text = tokens[first..first + length as usize].to_vec();
        texts.push((first, text, answer[0] as usize..answer[1] as usize));
        first += length as usize;
    }
    let given: Vec<Vec<u32>> = match asked {
        Asked::Denoiser(denoiser) => {
            let gaps: Vec<_> =
                texts.iter().map(|(_, text, answer)| (text.clone(), answer.clone().collect::<Vec<usize>>())).collect();
            denoiser.filled(&gaps)?
        }
        Asked::Causal(model, head) => {
            let rows: Vec<i64> = texts
                .iter()
                .flat_map(|(first, _, answer)| answer.clone().map(move |position| (first + position) as i64 - 1))
                .collect();
            let hidden_nd = model.encode(&batch.tensor("text.tokens")?, &layout)?;
            let logits_cv = head.apply(&hidden_nd.index_select(0, Tensor::new(&rows, &[rows.len()])))?;
            let mut told = logits_cv.argmax(-1).to_vec::<u32>()?.into_iter();
            // Each token is told with those before it right: all are right where writing them would have been.
            let fill = |(_, text, answer): &(usize, Vec<u32>, std::ops::Range<usize>)| {
                let mut text = text.clone();
                answer.clone().zip(told.by_ref()).for_each(|(position, token)| text[position] = token);
                text
            };
            texts.iter().map(fill).collect()
        }
    };
    Ok(texts.iter().zip(given).map(|((_, text, _), given)| f64::from(u8::from(*text == given))).collect())
}

/// Of the tokens' shares, in nats.
fn entropy<'a>(tokens: impl Iterator<Item = &'a f64>) -> f64 {
    let (mut counts, mut total) = (BTreeMap::<u64, f64>::new(), 0.0);
    for token in tokens {
        *counts.entry(*token as u64).or_default() += 1.0;
        total += 1.0;
    }
    counts.values().map(|count| -(count / total) * (count / total).ln()).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn answers_lie_between_begin_and_ends() {
        let pair = [1, 7, 8, 2, 9, 2];
        assert_eq!((answer(&pair, 2, false).unwrap(), answer(&pair, 2, true).unwrap()), ((1, 3), (4, 5)));
        assert!(answer(&[1, 7, 2], 2, false).is_err());
    }

    #[test]
    fn entropy_is_that_of_the_shares() {
        assert!((entropy([3.0, 3.0, 4.0, 4.0].iter()) - 2_f64.ln()).abs() < 1e-12);
        assert_eq!(entropy([].iter()), 0.0);
    }
}
