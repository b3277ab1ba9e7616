//! Which spans of a sample are masked: pure functions of uniform draws. Charpentier and Samuel 2024, section 2, and their code.

/// A token to be predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// Where it stands in the sample.
    pub position: usize,
    /// The first position of its span, which is masked, replaced or kept as a whole.
    pub span: usize,
}

/// How samples are cut into spans.
#[derive(Debug, Clone, Copy)]
pub struct Spans {
    /// Lengths are 1 to this, equally likely.
    pub longest: usize,
}

impl Spans {
    /// How many draws [`Spans::choose`] needs for a sample of so many tokens.
    #[must_use]
    pub fn draws(&self, length: usize) -> usize {
        2 * length
    }

    /// The tokens of the spans with the lowest scores, until `rate` of the tokens that are not special is reached; at least
    /// one. Ascending; nothing where all tokens are special.
    ///
    /// The sample is cut into spans from its beginning. A span's score is a uniform number times the softmax of how often
    /// its tokens were masked before (`times`), so that all get their turn.
    ///
    /// # Panics
    /// When there are fewer draws than [`Spans::draws`] says.
    #[must_use]
    pub fn choose(&self, special: &[bool], rate: f64, times: &[u32], draws: &[f64]) -> Vec<Chosen> {
        let (for_lengths, for_scores) = draws.split_at(special.len());
        let ordinary: Vec<usize> = (0..special.len()).filter(|&at| !special[at]).collect();
        if ordinary.is_empty() {
            return Vec::new();
        }
        let most = ordinary.iter().map(|&at| times[at]).max().unwrap_or(0);
        let weight = |at: usize| (f64::from(times[at]) - f64::from(most)).exp();
        let total: f64 = ordinary.iter().map(|&at| weight(at)).sum();
        // Score and tokens of each span; a special token ends one.
        let mut spans: Vec<(f64, Vec<usize>)> = Vec::new();
        let mut left = 0;
        for &at in &ordinary {
            let goes_on = left > 0 && spans.last().is_some_and(|(_, span)| span.last() == Some(&(at - 1)));
            match spans.last_mut() {
                Some((score, span)) if goes_on => {
                    *score = score.max(for_scores[span[0]] * weight(at) / total);
                    span.push(at);
                    left -= 1;
                }
                _ => {
                    left = ((for_lengths[at] * self.longest as f64) as usize).min(self.longest - 1);
                    spans.push((for_scores[at] * weight(at) / total, vec![at]));
                }
            }
        }
        spans.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let wanted = ((rate * ordinary.len() as f64).round() as usize).max(1);
        let mut chosen = Vec::with_capacity(wanted);
        for (_, span) in spans {
            let room = wanted - chosen.len();
            if room == 0 {
                break;
            }
            chosen.extend(span.iter().take(room).map(|&position| Chosen { position, span: span[0] }));
        }
        chosen.sort_unstable_by_key(|token| token.position);
        chosen
    }
}

/// What becomes of the spans.
#[derive(Debug, Clone)]
pub struct Corruption {
    /// The mask token.
    pub mask: u32,
    /// Ids that stand for text: random tokens come from here.
    pub ordinary: Vec<u32>,
    /// Share of the spans shown as mask tokens.
    pub masked_share: f64,
    /// Share shown as random tokens; the rest stays as it is.
    pub random_share: f64,
}

impl Corruption {
    /// What the model is shown of `tokens`, from two draws for each token.
    ///
    /// # Panics
    /// When there are fewer draws, or a random token is called for and there is no ordinary id.
    #[must_use]
    pub fn shown(&self, tokens: &[u32], chosen: &[Chosen], draws: &[f64]) -> Vec<u32> {
        let mut shown = tokens.to_vec();
        for &Chosen { position, span } in chosen {
            let fate = draws[2 * span];
            if fate < self.masked_share {
                shown[position] = self.mask;
            } else if fate < self.masked_share + self.random_share {
                let index = (draws[2 * position + 1] * self.ordinary.len() as f64) as usize;
                shown[position] = self.ordinary[index.min(self.ordinary.len() - 1)];
            }
        }
        shown
    }
}

/// A sample as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shifted {
    /// All tokens but the last.
    pub inputs: Vec<u32>,
    /// Rows of the inputs with the token that each predicts: the one after it.
    pub labels: Vec<(usize, u32)>,
}

/// The inputs of a sample and what their rows predict: of `tokens`, shown as `shown`, those at `chosen`. The first token has
/// no row before it and is never predicted.
#[must_use]
pub fn shifted(tokens: &[u32], shown: &[u32], chosen: &[usize]) -> Shifted {
    let labels = chosen.iter().filter(|&&at| at > 0).map(|&at| (at - 1, tokens[at])).collect();
    Shifted { inputs: shown[..shown.len().saturating_sub(1)].to_vec(), labels }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(count: usize, seed: u64) -> Vec<f64> {
        (0..count as u64)
            .map(|i| {
                (i.wrapping_add(seed << 20).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1_u64 << 53) as f64
            })
            .collect()
    }

    const SPANS: Spans = Spans { longest: 3 };

    #[test]
    fn the_rate_is_met_and_special_tokens_are_left() {
        let mut special = vec![false; 102];
        (special[0], special[101]) = (true, true);
        let chosen = SPANS.choose(&special, 0.15, &[0; 102], &draws(204, 1));
        assert_eq!(chosen.len(), 15);
        assert!(chosen.iter().all(|token| !special[token.position]));
        assert!(chosen.iter().all(|token| token.position - token.span < 3));
        assert_eq!(SPANS.choose(&[true, false], 0.01, &[0; 2], &draws(4, 1)).len(), 1);
        assert!(SPANS.choose(&[true; 3], 0.5, &[0; 3], &draws(6, 1)).is_empty());
    }

    #[test]
    fn what_was_masked_before_waits() {
        let special = vec![false; 64];
        let mut times = vec![0_u32; 64];
        for epoch in 0..6 {
            for token in SPANS.choose(&special, 0.25, &times, &draws(128, epoch)) {
                times[token.position] += 1;
            }
        }
        // 6 · 16 tokens were masked; by chance alone a fifth of the positions would never have come.
        let never = times.iter().filter(|&&times| times == 0).count();
        assert!(never <= 4, "{never} of 64 positions were never masked: {times:?}");
    }

    /// Of the segment a b c, b is masked: the inputs are begin, a and the mask, and only a's row has a label, b.
    #[test]
    fn a_masked_token_is_predicted_from_the_row_before_it() {
        let (begin, a, b, c, mask) = (0, 11, 12, 13, 99);
        let masked = shifted(&[begin, a, b, c], &[begin, a, mask, c], &[2]);
        assert_eq!(masked, Shifted { inputs: vec![begin, a, mask], labels: vec![(1, b)] });
        let causal = shifted(&[begin, a, b, c], &[begin, a, b, c], &[1, 2, 3]);
        assert_eq!(causal, Shifted { inputs: vec![begin, a, b], labels: vec![(0, a), (1, b), (2, c)] });
    }

    #[test]
    fn a_span_shares_its_fate() {
        let corruption = Corruption { mask: 9, ordinary: vec![5], masked_share: 0.8, random_share: 0.1 };
        let chosen =
            [Chosen { position: 1, span: 1 }, Chosen { position: 2, span: 1 }, Chosen { position: 4, span: 4 }];
        let draws = [0.0, 0.0, 0.3, 0.0, 0.99, 0.0, 0.0, 0.0, 0.85, 0.0];
        assert_eq!(corruption.shown(&[1, 2, 3, 4, 6], &chosen, &draws), [1, 9, 9, 4, 5]);
    }
}
