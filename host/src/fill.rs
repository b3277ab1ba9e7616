//! Gaps filled: sentences with gaps in, the objective's guesses out.

use compute::layout::Layout;
use compute::{DType, Tensor, ops};
use modality_text::Tokenizer;
use records::{Span, Tone};
use serde_json::{Value as Json, json};

use crate::boundary::{Call, Content, batch_object};
use crate::error::{Error, Result};
use crate::train::Session;

/// How a gap is written.
pub const GAP: &str = "___";

/// Of a held-out sentence, every so many whole words is hidden.
const HIDE_EVERY: usize = 7;

/// A sentence in pieces.
#[derive(Debug, Clone, PartialEq)]
pub struct Filled {
    /// Text and gaps in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// As it was given.
    Text(String),
    /// A gap.
    Gap {
        /// What was hidden, where that is known.
        truth: Option<String>,
        /// Guesses with their probabilities, likeliest first.
        guesses: Vec<(String, f64)>,
    },
}

impl Filled {
    /// One line for a terminal: `he [looked] at` with the truth behind a wrong guess: `he [went|looked] at`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut words = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => words.push(text.trim().to_owned()),
                Piece::Gap { truth: Some(truth), guesses } => {
                    let (guess, share) = best(guesses);
                    let percent = share * 100.0;
                    words.push(if guess == *truth {
                        format!("[{guess} ✓ {percent:.0} %]")
                    } else {
                        format!("[{guess} ✗ {truth} {percent:.0} %]")
                    });
                }
                Piece::Gap { truth: None, guesses } => {
                    let all: Vec<String> =
                        guesses.iter().map(|(word, share)| format!("{word} {:.0} %", share * 100.0)).collect();
                    words.push(format!("[{}]", all.join(", ")));
                }
            }
        }
        words.retain(|word| !word.is_empty());
        words.join(" ")
    }

    /// The sentence for the report: a right guess green, a wrong one red with the truth behind it.
    #[must_use]
    pub fn to_spans(&self) -> Vec<Vec<Span>> {
        let mut spans = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => spans.push(Span::new(&format!(" {} ", text.trim()), Tone::Plain)),
                Piece::Gap { truth, guesses } => {
                    let (guess, _) = best(guesses);
                    let tone = match truth {
                        Some(truth) if *truth == guess => Tone::Good,
                        Some(_) => Tone::Bad,
                        None => Tone::Marked,
                    };
                    spans.push(Span::new(&guess, tone));
                    if let Some(truth) = truth.as_ref().filter(|truth| **truth != guess) {
                        spans.push(Span::new(&format!(" {truth}"), Tone::Pale));
                    }
                }
            }
        }
        vec![spans]
    }

    /// `{"pieces": [{"text": …} or {"truth": …, "guesses": [[word, probability], …]}, …]}`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => json!({ "text": text }),
            Piece::Gap { truth, guesses } => json!({ "truth": truth, "guesses": guesses }),
        };
        json!({ "pieces": self.pieces.iter().map(piece).collect::<Vec<_>>() })
    }
}

fn best(guesses: &[(String, f64)]) -> (String, f64) {
    guesses.first().cloned().unwrap_or_default()
}

/// Fills the gaps of `text`, written `___`, with the `guesses` likeliest tokens each.
///
/// # Errors
/// When there is no gap, the text is too long, or the objective cannot predict.
pub fn fill(session: &Session, text: &str, guesses: usize) -> Result<Filled> {
    let tokenizer = &session.text()?.tokenizer;
    let parts = gaps(text)?;
    let mut ids = vec![];
    let mut rows = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            rows.push(ids.len());
            ids.push(gap_id(session)?);
        }
        ids.extend(tokenizer.encode(part)?.ids);
    }
    let found = predict(session, ids, &rows, guesses)?;
    let mut pieces = Vec::new();
    let mut found = found.into_iter();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            pieces.push(Piece::Gap { truth: None, guesses: found.next().unwrap_or_default() });
        }
        pieces.push(Piece::Text((*part).to_owned()));
    }
    Ok(Filled { pieces })
}

/// What stands before, between and after the gaps of a text.
///
/// # Errors
/// When there is no gap.
pub(crate) fn gaps(text: &str) -> Result<Vec<&str>> {
    let parts: Vec<&str> = text.split(GAP).collect();
    if parts.len() > 1 {
        return Ok(parts);
    }
    Err(Error::new("config/fill", format!("`{text}` has no gap"))
        .with_help(format!("write a gap as `{GAP}`: the {GAP} sat on the mat")))
}

/// Hides every seventh whole word of `count` held-out samples, spread evenly, and fills the gaps.
///
/// # Errors
/// As [`fill`]; and without held-out data.
pub fn fill_held_out(session: &Session, count: usize) -> Result<Vec<Filled>> {
    let Some(valid) = &session.text()?.valid else {
        return Err(
            Error::new("config/missing", "the run has no held-out data").with_help("set `data.text.valid_files`")
        );
    };
    let tokenizer = &session.text()?.tokenizer;
    let long_enough: Vec<usize> = (0..valid.len()).filter(|sample| valid.length(*sample) >= 2 * HIDE_EVERY).collect();
    let stride = (long_enough.len() / count.max(1)).max(1);
    let mut filled = Vec::new();
    for number in long_enough.into_iter().step_by(stride).take(count) {
        let sample = valid.get(number);
        let text: Vec<(u32, bool)> = sample
            .ids
            .iter()
            .zip(&sample.word_starts)
            .zip(&sample.special)
            .filter(|(_, special)| !**special)
            .map(|((id, start), _)| (*id, *start))
            .collect();
        // Whole words of one token: a guess of one token can be right.
        let whole = |index: usize| {
            text[index].1 && text.get(index + 1).is_none_or(|next| next.1) && is_word(tokenizer, text[index].0)
        };
        let rows: Vec<usize> = (3..text.len()).filter(|index| whole(*index)).step_by(HIDE_EVERY).collect();
        let mut ids: Vec<u32> = text.iter().map(|(id, _)| *id).collect();
        for row in &rows {
            ids[*row] = gap_id(session)?;
        }
        let mut guesses = predict(session, ids, &rows, 3)?.into_iter();
        let (mut pieces, mut start) = (Vec::new(), 0);
        let plain = |from: usize, to: usize| -> Result<Piece> {
            Ok(Piece::Text(tokenizer.decode(&text[from..to].iter().map(|(id, _)| *id).collect::<Vec<_>>(), true)?))
        };
        for row in rows {
            pieces.push(plain(start, row)?);
            pieces.push(Piece::Gap {
                truth: Some(word(tokenizer, text[row].0)?),
                guesses: guesses.next().unwrap_or_default(),
            });
            start = row + 1;
        }
        pieces.push(plain(start, text.len())?);
        filled.push(Filled { pieces });
    }
    Ok(filled)
}

fn word(tokenizer: &Tokenizer, id: u32) -> Result<String> {
    Ok(tokenizer.decode(&[id], false)?.trim().to_owned())
}

fn is_word(tokenizer: &Tokenizer, id: u32) -> bool {
    word(tokenizer, id).is_ok_and(|word| word.chars().count() > 2 && word.chars().all(char::is_alphabetic))
}

/// What stands in a gap: the mask token, or for vocabularies without one any special token (the model sees what is before).
fn gap_id(session: &Session) -> Result<u32> {
    let vocabulary = session.text()?.vocabulary();
    vocabulary.mask.or(vocabulary.unknown).or(vocabulary.pad).or(vocabulary.end).ok_or_else(|| {
        Error::new("config/fill", "the vocabulary has no mask token to put into a gap")
            .with_help("use a tokenizer with `[MASK]`")
    })
}

/// The likeliest tokens of the rows, special ones left out.
fn predict(session: &Session, ids: Vec<u32>, rows: &[usize], guesses: usize) -> Result<Vec<Vec<(String, f64)>>> {
    let vocabulary = session.text()?.vocabulary();
    let (mut ids, mut shift) = (ids, 0);
    if session.text()?.settings.add_special {
        if let Some(begin) = vocabulary.begin {
            ids.insert(0, begin);
            shift = 1;
        }
        ids.extend(vocabulary.end);
    }
    let longest = session.text()?.settings.length;
    if ids.len() > longest {
        return Err(Error::new(
            "config/fill",
            format!("the text has {} tokens, the model was trained on at most {longest}", ids.len()),
        )
        .with_help("shorten it"));
    }
    let device = &session.stepper.device;
    let layout = Layout::new(&[ids.len()], &[0])?;
    let tokens = Tensor::from_slice(&ids, &[ids.len()], device)?;
    let batch = batch_object([
        ("text.tokens".to_owned(), Content::from(tokens)),
        ("text.layout".to_owned(), Content::Layout(layout)),
    ])?;
    let rows: Vec<i64> = rows.iter().map(|row| (row + shift) as i64).collect();
    let rows_c = Tensor::from_slice(&rows, &[rows.len()], device)?;
    let logits_cv = session.stepper.objective.predict(&Call::new(session.evaluation()), &batch, &rows_c)?;
    let logits_cv = ops::cast(&logits_cv, DType::F32)?.value().to_vec2::<f32>().map_err(compute::Error::from)?;
    logits_cv.into_iter().map(|row| likeliest(&session.text()?.tokenizer, &row, guesses)).collect()
}

/// The likeliest tokens of one row of logits, special ones left out, with their probabilities.
pub(crate) fn likeliest(tokenizer: &Tokenizer, logits: &[f32], guesses: usize) -> Result<Vec<(String, f64)>> {
    let (vocabulary, shares) = (tokenizer.vocabulary(), shares(logits));
    // A model may have rows that are no token's.
    let count = (shares.len() as u32).min(vocabulary.size);
    let mut order: Vec<u32> = (0..count).filter(|id| !vocabulary.is_special(*id)).collect();
    order.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b)));
    order.into_iter().take(guesses).map(|id| Ok((word(tokenizer, id)?, shares[id as usize]))).collect()
}

/// softmax(logits).
pub(crate) fn shares(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shares: Vec<f64> = logits.iter().map(|logit| f64::from(logit - largest).exp()).collect();
    let total: f64 = shares.iter().sum();
    shares.into_iter().map(|share| share / total).collect()
}
