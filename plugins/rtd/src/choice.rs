//! Which tokens of a sample are replaced, and what the generator is shown: pure functions of uniform draws.

/// How many tokens are chosen, and which of them are hidden.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Share of the eligible tokens, in (0, 1).
    pub rate: f64,
    /// The count is `max(1, round(rate · eligible))` instead of random with this mean.
    pub exact: bool,
    /// Share of the chosen tokens shown as the mask token.
    pub masked_share: f64,
}

impl Choice {
    /// The positions to replace, ascending; never a special one. One draw for each token.
    #[must_use]
    pub fn positions(&self, special: &[bool], draws: &[f64]) -> Vec<usize> {
        let mut eligible: Vec<usize> = (0..special.len()).filter(|&position| !special[position]).collect();
        if !self.exact {
            eligible.retain(|&position| draws[position] < self.rate);
            return eligible;
        }
        let count = ((self.rate * eligible.len() as f64).round() as usize).max(1).min(eligible.len());
        eligible.sort_by(|a, b| draws[*a].total_cmp(&draws[*b]).then(a.cmp(b)));
        eligible.truncate(count);
        eligible.sort_unstable();
        eligible
    }

    /// What the generator is shown of `tokens`: the mask token at a share of the chosen positions. One draw for each token.
    #[must_use]
    pub fn shown(&self, tokens: &[u32], positions: &[usize], mask: u32, draws: &[f64]) -> Vec<u32> {
        let mut shown = tokens.to_vec();
        for &position in positions.iter().filter(|&&position| draws[position] < self.masked_share) {
            shown[position] = mask;
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIAL: [bool; 6] = [true, false, false, false, false, true];
    const DRAWS: [f64; 6] = [0.0, 0.4, 0.1, 0.9, 0.2, 0.0];

    #[test]
    fn exactly_the_rounded_share_is_chosen_and_at_least_one() {
        let choose = |rate| Choice { rate, exact: true, masked_share: 1.0 }.positions(&SPECIAL, &DRAWS);
        assert_eq!(choose(0.5), [2, 4]);
        assert_eq!(choose(0.01), [2]);
        assert_eq!(choose(0.9), [1, 2, 3, 4]);
        let choice = Choice { rate: 0.5, exact: true, masked_share: 1.0 };
        assert!(choice.positions(&[true; 3], &DRAWS).is_empty() && choice.positions(&[], &[]).is_empty());
    }

    #[test]
    fn otherwise_each_token_is_drawn_for_itself() {
        assert_eq!(Choice { rate: 0.25, exact: false, masked_share: 1.0 }.positions(&SPECIAL, &DRAWS), [2, 4]);
    }

    #[test]
    fn a_share_of_the_chosen_is_hidden_and_nothing_else_changes() {
        let choice = Choice { rate: 0.5, exact: true, masked_share: 0.15 };
        assert_eq!(choice.shown(&[7; 6], &[2, 4], 3, &DRAWS), [7, 7, 3, 7, 7, 7]);
        let all = Choice { masked_share: 1.0, ..choice };
        assert_eq!(all.shown(&[7; 6], &[2, 4], 3, &DRAWS), [7, 7, 3, 7, 3, 7]);
        let none = Choice { masked_share: 0.0, ..choice };
        assert_eq!(none.shown(&[7; 6], &[2, 4], 3, &[0.0; 6]), [7; 6]);
    }
}
