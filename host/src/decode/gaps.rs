//! Gaps of a text filled by an opened model: with a mask token each where the model sees both sides, and by the answer of an
//! encoder–decoder to sentinels, which may be several tokens long.

use compute::layout::Layout;
use compute::{DType, Tensor, ops};
use modality_text::Tokenizer;

use super::decoder::{Decoder, Reading, answers};
use crate::boundary::{Call, Content};
use crate::error::{Error, Result};
use crate::fill::{Filled, GAP, Piece, gaps, likeliest, shares};
use crate::models::Opened;

/// How gaps are filled.
#[derive(Debug, Clone, Copy)]
pub struct Filling {
    /// So many guesses for each gap, of a model that sees both sides.
    pub guesses: usize,
    /// The most tokens of a gap, of an encoder–decoder.
    pub tokens: usize,
    /// How the numbers of linear layers are read.
    pub reading: Reading,
}

/// Fills the gaps of `text`, each written `___`.
///
/// # Errors
/// When there is no gap, the model sees only what comes before, or its tokenizer has no mask token or too few sentinels.
pub fn fill_gaps(opened: &Opened, tokenizer: &Tokenizer, text: &str, filling: Filling) -> Result<Filled> {
    let parts = gaps(text)?;
    let guesses = if answers(&opened.model) {
        by_answer(opened, tokenizer, &parts, filling)?
    } else if opened.model.description().causal {
        let text =
            format!("the model of the role `{}` is causal: it does not see what follows a gap", opened.model.role());
        return Err(Error::new("config/fill", text).with_help("let it continue what comes before: `--prompt`"));
    } else {
        by_mask(opened, tokenizer, &parts, filling.guesses)?
    };
    let mut pieces = Vec::new();
    let mut guesses = guesses.into_iter();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            pieces.push(Piece::Gap { truth: None, guesses: guesses.next().unwrap_or_default() });
        }
        pieces.push(Piece::Text((*part).to_owned()));
    }
    Ok(Filled { pieces })
}

/// The ids of the parts with those of the gaps between them.
fn joined(tokenizer: &Tokenizer, parts: &[&str], gap: impl Fn(usize) -> u32) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            ids.push(gap(index - 1));
        }
        ids.extend(tokenizer.encode(part)?.ids);
    }
    Ok(ids)
}

/// The likeliest tokens in place of each gap.
fn by_mask(opened: &Opened, tokenizer: &Tokenizer, parts: &[&str], guesses: usize) -> Result<Vec<Vec<(String, f64)>>> {
    let vocabulary = tokenizer.vocabulary();
    let mask = vocabulary.mask.ok_or_else(|| {
        Error::new("config/fill", "the vocabulary has no mask token to put into a gap")
            .with_help("this needs a model that was trained with one, like BERT's `[MASK]`")
    })?;
    let mut ids = joined(tokenizer, parts, |_| mask)?;
    if opened.stored.add_special {
        ids.splice(0..0, vocabulary.begin);
        ids.extend(vocabulary.end);
    }
    if let Some(longest) = opened.said("maximum_length").filter(|longest| ids.len() > *longest) {
        let text = format!("the text has {} tokens, the model reads at most {longest}", ids.len());
        return Err(Error::new("config/fill", text).with_help("shorten it"));
    }
    let rows: Vec<i64> = (0..ids.len()).filter(|row| ids[*row] == mask).map(|row| row as i64).collect();
    let call = Call::new(opened.evaluation());
    let tokens = Tensor::from_slice(&ids, &[ids.len()], opened.device())?;
    let tokens = [("tokens".to_owned(), Content::from(tokens))];
    let hidden_nd = opened.hidden(&call, "encode", tokens, &Layout::new(&[ids.len()], &[0])?)?;
    let hidden_cd = ops::index_select(&hidden_nd, 0, &Tensor::from_slice(&rows, &[rows.len()], opened.device())?)?;
    let logits_cv = opened.logits(&call, "tokens", hidden_cd)?.ok_or_else(|| {
        let text = format!("the model of the role `{}` has no logits over tokens", opened.model.role());
        Error::new("config/fill", text).with_help("gaps are filled by an objective that predicts tokens, like `mlm`")
    })?;
    let logits_cv = ops::cast(&logits_cv, DType::F32)?.value().to_vec2::<f32>().map_err(compute::Error::from)?;
    logits_cv.into_iter().map(|row| likeliest(tokenizer, &row, guesses)).collect()
}

/// What an encoder–decoder writes behind the sentinel of each gap, token by token the likeliest; a gap gets a token at least.
fn by_answer(
    opened: &Opened,
    tokenizer: &Tokenizer,
    parts: &[&str],
    filling: Filling,
) -> Result<Vec<Vec<(String, f64)>>> {
    let (vocabulary, count) = (tokenizer.vocabulary(), parts.len() - 1);
    let sentinels = &vocabulary.sentinels;
    if sentinels.len() < count {
        let text = format!("the text has {count} gaps `{GAP}`, the vocabulary {} sentinels", sentinels.len());
        return Err(Error::new("config/fill", text)
            .with_help("sentinels (`<extra_id_0>`, …) stand for gaps: train with `data.text.sentinels`"));
    }
    let mut source = joined(tokenizer, parts, |gap| sentinels[gap])?;
    source.extend(vocabulary.end);
    let decoder = Decoder::of_opened(opened, filling.reading)?;
    let (state, _) = decoder.read(&[&source], &[0], count * (filling.tokens + 1))?;
    let mut found = Vec::with_capacity(count);
    // What the decoder has not read yet.
    let mut unread = Vec::new();
    for gap in 0..count {
        let (mut written, mut probability) = (Vec::new(), 1.0);
        let stops = [sentinels.get(gap + 1).copied(), vocabulary.end.filter(|_| gap + 1 == count)];
        unread.push(sentinels[gap]);
        while written.len() < filling.tokens {
            let shares = shares(&decoder.step(&state, &unread, &[unread.len()], &[0])?);
            unread.clear();
            let may = |id: u32| {
                let stops = stops.contains(&Some(id));
                (stops && !written.is_empty()) || (!stops && id < vocabulary.size && !vocabulary.is_special(id))
            };
            let allowed = (0..shares.len() as u32).filter(|id| may(*id));
            let best = allowed.max_by(|a, b| shares[*a as usize].total_cmp(&shares[*b as usize]).then(b.cmp(a)));
            let best = best.ok_or_else(|| Error::new("config/fill", "the vocabulary has special tokens alone"))?;
            probability *= shares[best as usize];
            if stops.contains(&Some(best)) {
                break;
            }
            written.push(best);
            unread.push(best);
        }
        found.push(vec![(tokenizer.decode(&written, true)?.trim().to_owned(), probability)]);
    }
    Ok(found)
}
