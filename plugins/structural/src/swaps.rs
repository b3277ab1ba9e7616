//! Which tokens are chosen and what is shown in their place: pure functions of uniform draws.

/// What happens to chosen tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Swaps {
    /// Share of the tokens that are chosen, special ones aside; each is drawn for itself.
    pub rate: f64,
    /// The mask token.
    pub mask: u32,
    /// Ids that stand for text: replacements come from here.
    pub ordinary: Vec<u32>,
    /// Of the chosen tokens, the share shown as the mask token.
    pub masked_share: f64,
    /// The share shown as a random ordinary token; the rest stays as it is.
    pub random_share: f64,
}

impl Swaps {
    /// Positions of chosen tokens, ascending, from one draw for each token.
    ///
    /// # Panics
    /// When there are fewer draws than tokens.
    #[must_use]
    pub fn choose(&self, special: &[bool], draws: &[f64]) -> Vec<usize> {
        (0..special.len()).filter(|&position| !special[position] && draws[position] < self.rate).collect()
    }

    /// What is shown of `tokens`, from two draws for each token.
    ///
    /// # Panics
    /// When there are fewer draws.
    #[must_use]
    pub fn shown(&self, tokens: &[u32], chosen: &[usize], draws: &[f64]) -> Vec<u32> {
        let mut shown = tokens.to_vec();
        for &position in chosen {
            let fate = draws[2 * position];
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

#[cfg(test)]
mod tests {
    use super::*;

    fn swaps(masked_share: f64, random_share: f64) -> Swaps {
        Swaps { rate: 0.15, mask: 4, ordinary: (5..105).collect(), masked_share, random_share }
    }

    fn draws(len: usize, salt: f64) -> Vec<f64> {
        (1..=len).map(|index| (index as f64 * 0.618_033_988_749_894_9 + salt).fract()).collect()
    }

    #[test]
    fn specials_are_never_swapped() {
        let special: Vec<bool> = (0..1000).map(|position| position % 3 == 0).collect();
        let chosen = swaps(0.0, 1.0).choose(&special, &vec![0.0; 1000]);
        assert_eq!(chosen.len(), 666);
        assert!(chosen.iter().all(|&position| !special[position]));
    }

    #[test]
    fn a_constant_guess_of_the_share_costs_its_entropy() {
        // 15 of 100 swapped, probability 0.15 for each: 0.4227 nats.
        let chosen = swaps(0.0, 1.0)
            .choose(&[false; 100], &(0..100).map(|at| (f64::from(at) + 0.5) / 100.0).collect::<Vec<_>>());
        let loss: f64 = (0..100).map(|at| if chosen.contains(&at) { -0.15_f64.ln() } else { -0.85_f64.ln() }).sum();
        assert!((loss / 100.0 - 0.4227).abs() < 1e-4, "{loss}");
    }

    #[test]
    fn chosen_tokens_are_swapped_for_ordinary_ones_or_kept() {
        let (length, tokens) = (30_000, vec![200_u32; 30_000]);
        let chosen: Vec<usize> = (0..length).collect();
        let noise: Vec<f64> =
            draws(length, 0.1).into_iter().zip(draws(length, 0.77)).flat_map(|(a, b)| [a, b]).collect();
        let shown = swaps(0.0, 0.9).shown(&tokens, &chosen, &noise);
        let kept = shown.iter().filter(|&&id| id == 200).count() as f64 / length as f64;
        assert!((kept - 0.1).abs() < 0.01, "{kept}");
        assert!(shown.iter().all(|id| *id == 200 || (5..105).contains(id)));
    }
}
