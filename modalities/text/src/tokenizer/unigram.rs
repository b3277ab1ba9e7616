//! Unigram training (Kudo 2018, arXiv:1804.10959) made reproducible.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::models::unigram::{Unigram, UnigramTrainer};

/// The step between the scores that the library gives to letters that training dropped and it puts back.
const RESTORED_STEP: f64 = 0.0001;

/// Trains on `words` with their counts; `special` tokens take the first ids and the token at `unknown` is theirs.
///
/// Gives the pieces and their log-probabilities, the same on every run and machine.
pub(super) fn train(
    vocabulary_size: u32,
    special: &[&str],
    unknown: usize,
    words: Vec<(String, u32)>,
) -> Result<Vec<(String, f64)>, String> {
    let added = special.iter().map(|token| tokenizers::AddedToken::from(*token, true)).collect();
    let trainer = UnigramTrainer::builder()
        .show_progress(false)
        .vocab_size(vocabulary_size)
        .special_tokens(added)
        .unk_token(Some(special[unknown].to_owned()))
        .build()
        .map_err(|error| error.to_string())?;
    // The library sums floats per thread: one thread, one order of summation. It panics where its arithmetic ends in NaN.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| error.to_string())?;
    let model = pool.install(|| {
        catch_unwind(AssertUnwindSafe(|| {
            let mut model = Unigram::default();
            trainer.do_train(words, &mut model).map(|_| model).map_err(|error| error.to_string())
        }))
        .unwrap_or_else(|_| Err("the likelihood is not a number; there is too little text for this size".to_owned()))
    })?;
    let mut pieces: Vec<(String, f64)> = model.iter().skip(special.len()).cloned().collect();
    settle(&mut pieces);
    pieces.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(special.iter().map(|token| ((*token).to_owned(), 0.0)).chain(pieces).collect())
}

/// Gives the scores of restored letters out anew, in the order of the letters.
///
/// The library hands the scores `min`, `min + step`, `min + 2 step` … to them in the order of a hash table, which differs
/// from run to run; the set of letters and the set of scores do not.
fn settle(pieces: &mut [(String, f64)]) {
    let lowest = pieces.iter().map(|piece| piece.1).fold(f64::INFINITY, f64::min);
    // Summed up as the library does, to meet the same last bits.
    let mut penalty = 0.0;
    let mut restored = Vec::new();
    loop {
        let score = lowest + penalty;
        let before = restored.len();
        restored.extend((0..pieces.len()).filter(|i| pieces[*i].1 == score && pieces[*i].0.chars().count() == 1));
        if restored.len() == before {
            break;
        }
        penalty += RESTORED_STEP;
    }
    let scores: Vec<f64> = restored.iter().map(|i| pieces[*i].1).collect();
    restored.sort_by(|a, b| pieces[*a].0.cmp(&pieces[*b].0));
    for (i, score) in restored.into_iter().zip(scores) {
        pieces[i].1 = score;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Letters that occur only inside common words: training drops them, and the library puts them back.
    #[test]
    fn restored_letters_have_the_same_scores_on_every_run() {
        let words: Vec<(String, u32)> = ["qxz", "jvk", "wfy", "gbh"]
            .iter()
            .flat_map(|common| "acdeilmnoprstu".chars().map(move |rest| (format!("▁{rest}{common}"), 2)))
            .collect();
        let train = || train(60, &["[PAD]", "[UNK]"], 1, words.clone()).unwrap();
        let first = train();
        for _ in 0..8 {
            assert_eq!(train(), first);
        }
        let restored = first.windows(2).filter(|pair| (pair[0].1 - pair[1].1 - RESTORED_STEP).abs() < 1e-9).count();
        assert!(restored >= 3, "no letters were restored: {first:?}");
    }
}
