//! Span corruption: which spans of a text are cut out, and what source and target remain. Raffel et al. 2020, section 3.1.4.

use plugin_api::prelude::*;

/// How texts are corrupted.
#[derive(Debug, Clone)]
pub struct Corruption {
    /// Share of the tokens that spans hide.
    pub noise_share: f64,
    /// Mean length of a span.
    pub mean_span: f64,
    /// What stands for the first, second, … span.
    pub sentinels: Vec<u32>,
}

impl Corruption {
    /// How many tokens of `length` are hidden, and in how many spans: at least one and one, and as many tokens stay as
    /// there are spans.
    #[must_use]
    pub fn counts(&self, length: usize) -> (usize, usize) {
        let noise = ((self.noise_share * length as f64).round() as usize).clamp(1, length.saturating_sub(1).max(1));
        let spans = ((noise as f64 / self.mean_span).round() as usize).max(1);
        (noise, spans.min(length - noise).max(1))
    }

    /// The text with each span replaced by its sentinel, and the spans, each behind its sentinel. The first token stays.
    ///
    /// `text` has at least two tokens, `draws` two for each token.
    ///
    /// # Errors
    /// When there are more spans than sentinels.
    pub fn apply(&self, text: &[u32], draws: &[f64]) -> Result<(Vec<u32>, Vec<u32>)> {
        let (noise, spans) = self.counts(text.len());
        let Some(sentinels) = self.sentinels.get(..spans) else {
            let fact = format!(
                "a text of {} tokens gets {spans} spans, and there are {} sentinels",
                text.len(),
                self.sentinels.len()
            );
            return Err(
                Error::new("plugin/sentinels", fact).help(format!("set `sentinels = {spans}` or more in [data.text]"))
            );
        };
        let (for_noise, for_rest) = draws.split_at(text.len());
        let hidden = partition(noise, spans, for_noise);
        let kept = partition(text.len() - noise, spans, for_rest);
        let (mut source, mut target, mut at) = (Vec::new(), Vec::new(), 0);
        for ((&sentinel, hidden), kept) in sentinels.iter().zip(hidden).zip(kept) {
            source.extend(&text[at..at + kept]);
            source.push(sentinel);
            target.push(sentinel);
            target.extend(&text[at + kept..at + kept + hidden]);
            at += kept + hidden;
        }
        Ok((source, target))
    }
}

/// `total` as an ordered sum of `parts` numbers of at least 1, each such sum with equal probability: the cuts are those with
/// the smallest draws.
fn partition(total: usize, parts: usize, draws: &[f64]) -> Vec<usize> {
    let mut cuts: Vec<usize> = (1..total).collect();
    cuts.sort_by(|a, b| draws[*a].total_cmp(&draws[*b]).then(a.cmp(b)));
    cuts.truncate(parts - 1);
    cuts.sort_unstable();
    cuts.push(total);
    let mut before = 0;
    cuts.into_iter().map(|cut| cut - std::mem::replace(&mut before, cut)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn corruption() -> Corruption {
        Corruption { noise_share: 0.15, mean_span: 3.0, sentinels: (1000..1100).collect() }
    }

    /// Lengths of T5 with the end token behind source and target: (n, noise, spans, source, target).
    #[test]
    fn lengths_are_those_of_t5() {
        for (length, noise, spans, source, target) in
            [(568, 85, 28, 512, 114), (128, 19, 6, 116, 26), (64, 10, 3, 58, 14)]
        {
            assert_eq!(corruption().counts(length), (noise, spans));
            let text: Vec<u32> = (0..length as u32).collect();
            let draws: Vec<f64> = (0..2 * length).map(|i| ((i * 7919) % 10007) as f64 / 10007.0).collect();
            let (shown, hidden) = corruption().apply(&text, &draws).unwrap();
            assert_eq!((shown.len() + 1, hidden.len() + 1), (source, target));
        }
    }

    #[test]
    fn too_few_sentinels_are_told() {
        let few = Corruption { sentinels: vec![9], ..corruption() };
        let error = few.apply(&[1; 128], &[0.5; 256]).unwrap_err();
        assert!(error.text().contains("128 tokens gets 6 spans"), "{}", error.text());
    }

    proptest! {
        /// Source and target together give the text back, and the first token is never hidden.
        #[test]
        fn nothing_is_lost(length in 2..200_usize, seed in any::<u64>()) {
            let text: Vec<u32> = (0..length as u32).collect();
            let draws: Vec<f64> = (0..2 * length as u64)
                .map(|i| ((i.wrapping_add(seed)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1_u64 << 53) as f64)
                .collect();
            let (source, target) = corruption().apply(&text, &draws).unwrap();
            prop_assert_eq!(source[0], 0);
            let mut spans = target.split(|id| *id >= 1000).skip(1);
            let back: Vec<u32> = source
                .iter()
                .flat_map(|&id| if id >= 1000 { spans.next().unwrap().to_vec() } else { vec![id] })
                .collect();
            prop_assert_eq!(back, text);
        }
    }
}
