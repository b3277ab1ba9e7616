//! How likely a model finds the tokens of a text: what evaluators of language models share.
//!
//! Called from [`Evaluator::measure`](crate::Evaluator::measure). Tokens come as plain memory, so an evaluator may put together
//! texts of its own: options behind a prompt, sentences in pairs.

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::mask::Mask;
use crate::model::{Head, HeadKind, Model};
use crate::scope::Scope;
use crate::tensor::Tensor;
use crate::vocabulary::Vocabulary;

/// Logits that exist at a time; more rows are taken in turns.
const MOST_LOGITS: usize = 1 << 24;

/// What a model is asked for the probability of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likelihood {
    /// The token after those before it.
    Causal,
    /// The token masked, seen from both sides (Salazar et al. 2020, arXiv:1910.14659: pseudo-log-likelihood).
    Pseudo,
    /// The same with the tokens behind it in its word masked as well (Kauf and Ivanova 2023, arXiv:2305.10588: a word of several
    /// tokens gives itself away otherwise).
    PseudoWord,
    /// The token masked and predicted where the one before it stands (Charpentier and Samuel 2024, arXiv:2410.24159: masked
    /// next-token prediction).
    Shifted,
}

impl Likelihood {
    /// The names, for the choices of a setting.
    pub const NAMES: [&'static str; 4] = ["causal", "pseudo", "pseudo-word", "shifted"];

    /// By its name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn from_name(name: &str) -> Result<Self> {
        Ok(match name {
            "causal" => Self::Causal,
            "pseudo" => Self::Pseudo,
            "pseudo-word" => Self::PseudoWord,
            "shifted" => Self::Shifted,
            other => {
                return Err(Error::unsupported(format!("there is no likelihood `{other}`"))
                    .help(format!("choose one of {}", Self::NAMES.join(", "))));
            }
        })
    }

    /// Whether a text's first token has a probability.
    #[must_use]
    pub fn scores_first(self) -> bool {
        matches!(self, Self::Pseudo | Self::PseudoWord)
    }
}

/// A text and which of its tokens are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoredText {
    /// All tokens, special ones included.
    pub tokens: Vec<u32>,
    /// Whether each token begins a word; may be empty where words do not matter.
    pub word_starts: Vec<bool>,
    /// Places of the tokens asked for.
    pub asked: Vec<usize>,
}

/// A model with its token head, asked for probabilities.
pub struct Scorer {
    model: Model,
    tokens: Head,
    how: Likelihood,
    mask_token: Option<u32>,
    mask: Option<Mask>,
    most_rows: usize,
    vocabulary: usize,
}

/// One pass through the model being put together.
#[derive(Default)]
struct Pass {
    tokens: Vec<u32>,
    lengths: Vec<u32>,
    rows: Vec<i64>,
    targets: Vec<i64>,
    /// Text and number among those asked for.
    asked: Vec<(usize, usize)>,
}

impl Scorer {
    /// The model of `role` with its token head, run on about `most_rows` rows at a time.
    ///
    /// # Errors
    /// When there is no such model, it has no token head, or the vocabulary has no mask token where one is needed.
    pub fn new(scope: &Scope, role: &str, how: Likelihood, most_rows: usize) -> Result<Self> {
        let model = scope.model(role)?;
        let vocabulary = scope.vocabulary("text")?;
        let causal = model.describe()?.causal;
        // A model's own mask is the one that it knows; only what it would not do by itself is asked for.
        let mask = match how {
            Likelihood::Causal => (!causal).then(Mask::causal),
            _ => causal.then(Mask::full),
        };
        let mask_token = (how != Likelihood::Causal).then(|| vocabulary.mask_token()).transpose()?;
        let tokens = model.head(scope, HeadKind::Tokens)?;
        Ok(Self { model, tokens, how, mask_token, mask, most_rows: most_rows.max(1), vocabulary: vocabulary.size() })
    }

    /// ln p of the tokens asked for, text by text, in nats.
    ///
    /// # Errors
    /// When a place lies outside of its text, the first token of a text is asked for and has none before it, or the model
    /// fails.
    pub fn log_probabilities(&self, texts: &[ScoredText]) -> Result<Vec<Vec<f64>>> {
        let mut found: Vec<Vec<f64>> = texts.iter().map(|text| vec![0.0; text.asked.len()]).collect();
        let mut pass = Pass::default();
        for (number, text) in texts.iter().enumerate() {
            let first = usize::from(!self.how.scores_first());
            if let Some(place) = text.asked.iter().find(|place| **place < first || **place >= text.tokens.len()) {
                let text = format!("token {place} of a text of {} has no probability", text.tokens.len());
                return Err(Error::data(text).help("the first token of a text has one only where it is masked"));
            }
            match self.how {
                Likelihood::Causal => {
                    self.run_if_full(&mut pass, text.tokens.len(), &mut found)?;
                    pass.add(&text.tokens, text.asked.iter().map(|place| place - 1), text, number, 0);
                }
                how => {
                    for (asked, place) in text.asked.iter().enumerate() {
                        self.run_if_full(&mut pass, text.tokens.len(), &mut found)?;
                        let shown = self.shown(text, *place);
                        let row = if how == Likelihood::Shifted { place - 1 } else { *place };
                        pass.add(&shown, [row], text, number, asked);
                    }
                }
            }
        }
        self.run(&mut pass, &mut found)?;
        Ok(found)
    }

    /// The text with one token hidden.
    fn shown(&self, text: &ScoredText, place: usize) -> Vec<u32> {
        let mut shown = text.tokens.clone();
        let mask = self.mask_token.unwrap_or_default();
        shown[place] = mask;
        if self.how == Likelihood::PseudoWord {
            let rest = text.word_starts.iter().zip(&mut shown).skip(place + 1);
            rest.take_while(|(starts, _)| !**starts).for_each(|(_, token)| *token = mask);
        }
        shown
    }

    fn run_if_full(&self, pass: &mut Pass, rows: usize, found: &mut [Vec<f64>]) -> Result<()> {
        if !pass.tokens.is_empty() && pass.tokens.len() + rows > self.most_rows {
            self.run(pass, found)?;
        }
        Ok(())
    }

    fn run(&self, pass: &mut Pass, found: &mut [Vec<f64>]) -> Result<()> {
        let Pass { tokens, lengths, rows, targets, asked } = std::mem::take(pass);
        if asked.is_empty() {
            return Ok(());
        }
        let layout = Layout::new(&Tensor::new(&lengths, &[lengths.len()]));
        let tokens_n = Tensor::new(&tokens, &[tokens.len()]);
        let mut call = self.model.pass(&layout).tokens(&tokens_n);
        if let Some(mask) = &self.mask {
            call = call.mask(mask);
        }
        let output = call.run()?;
        let at_a_time = (MOST_LOGITS / self.vocabulary.max(1)).max(1);
        let parts = rows.chunks(at_a_time).zip(targets.chunks(at_a_time)).zip(asked.chunks(at_a_time));
        for ((rows, targets), asked) in parts {
            let hidden_cd = output.hidden().index_select(0, Tensor::new(rows, &[rows.len()]));
            let losses_c = self.tokens.apply(&hidden_cd)?.cross_entropy(Tensor::new(targets, &[targets.len()]));
            for (loss, (text, place)) in losses_c.to_vec::<f64>()?.into_iter().zip(asked) {
                found[*text][*place] = -loss;
            }
        }
        Ok(())
    }
}

impl Pass {
    /// A segment; the rows predict the asked tokens of `text` from number `first` on.
    fn add(
        &mut self,
        shown: &[u32],
        rows: impl IntoIterator<Item = usize>,
        text: &ScoredText,
        number: usize,
        first: usize,
    ) {
        let before = self.tokens.len();
        self.tokens.extend_from_slice(shown);
        self.lengths.push(shown.len() as u32);
        for (offset, row) in rows.into_iter().enumerate() {
            self.rows.push((before + row) as i64);
            self.targets.push(i64::from(text.tokens[text.asked[first + offset]]));
            self.asked.push((number, first + offset));
        }
    }
}

/// The texts of a batch in plain memory, one list of tokens for each sample.
///
/// # Errors
/// When the batch has no text.
pub fn texts_of(batch: &Batch) -> Result<Vec<Vec<u32>>> {
    let tokens = batch.tensor("text.tokens")?.to_vec::<u32>()?;
    split(&tokens, &batch.layout("text")?)
}

/// The rows of a plain column, sample by sample.
///
/// # Errors
/// When the layout has another number of rows.
pub fn split<T: Clone>(rows: &[T], layout: &Layout) -> Result<Vec<Vec<T>>> {
    let lengths = layout.lengths().to_vec::<u32>()?;
    let mut rest = rows;
    let mut parts = Vec::with_capacity(lengths.len());
    for length in lengths {
        let Some((part, after)) = rest.split_at_checked(length as usize) else {
            return Err(Error::data(format!("a column has {} rows, fewer than its layout", rows.len())));
        };
        parts.push(part.to_vec());
        rest = after;
    }
    Ok(parts)
}

/// The two texts of a pair, without special tokens: `types` are 0 for the first and 1 for the second.
#[must_use]
pub fn pair(tokens: &[u32], types: &[u32], vocabulary: &Vocabulary) -> [Vec<u32>; 2] {
    [0, 1].map(|kind| {
        let own = tokens.iter().zip(types).filter(|(token, own)| **own == kind && !vocabulary.is_special(**token));
        own.map(|(token, _)| *token).collect()
    })
}

/// Text tokens between the vocabulary's begin and end tokens, where it has them.
#[must_use]
pub fn enclosed(text: &[u32], vocabulary: &Vocabulary) -> Vec<u32> {
    let (begin, end) = (vocabulary.begin_token().ok(), vocabulary.end_token().ok());
    begin.into_iter().chain(text.iter().copied()).chain(end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_likelihoods_are_the_same() {
        let all = Likelihood::NAMES.map(|name| Likelihood::from_name(name).expect("a likelihood"));
        assert_eq!(all, [Likelihood::Causal, Likelihood::Pseudo, Likelihood::PseudoWord, Likelihood::Shifted]);
        assert!(Likelihood::from_name("mask").is_err());
        assert!(all[1].scores_first() && !all[3].scores_first());
    }
}
