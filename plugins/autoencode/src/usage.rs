//! How codes are used.

/// How often each code occurred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    counts: Vec<u64>,
}

impl Usage {
    /// Of so many codes, none of which occurred.
    #[must_use]
    pub fn new(codes: usize) -> Self {
        Self { counts: vec![0; codes] }
    }

    /// One occurrence; what is no code is not counted.
    pub fn count(&mut self, code: usize) {
        if let Some(count) = self.counts.get_mut(code) {
            *count += 1;
        }
    }

    /// A level of light for each code, row by row of a square that may have dark places behind the last: ln(1 + count), the most
    /// frequent 1.
    #[must_use]
    pub fn map(&self) -> Vec<f32> {
        let side = (1..).find(|side| side * side >= self.counts.len()).unwrap_or(1);
        let most = self.counts.iter().max().copied().unwrap_or(0).max(1);
        let level = |count: &u64| ((*count as f64).ln_1p() / (most as f64).ln_1p()) as f32;
        let mut map: Vec<f32> = self.counts.iter().map(level).collect();
        map.resize(side * side, 0.0);
        map
    }

    /// The share of codes that occurred.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.counts.iter().filter(|count| **count > 0).count() as f64 / self.counts.len() as f64
    }

    /// exp of the entropy of the codes: between 1 and their number; 1 where none occurred.
    #[must_use]
    pub fn perplexity(&self) -> f64 {
        let all = self.counts.iter().sum::<u64>() as f64;
        let shares = self.counts.iter().filter(|count| **count > 0).map(|count| *count as f64 / all);
        shares.map(|share| -share * share.ln()).sum::<f64>().exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_a_square_with_the_most_frequent_white() {
        let mut usage = Usage::new(5);
        [1, 1, 1, 3].into_iter().for_each(|code| usage.count(code));
        assert_eq!(usage.map(), [0.0, 1.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(Usage::new(4).map(), [0.0; 4]);
    }

    #[test]
    fn perplexity_lies_between_one_and_the_number_of_codes() {
        let of = |codes: &[usize]| {
            let mut usage = Usage::new(4);
            codes.iter().for_each(|code| usage.count(*code));
            (usage.share(), usage.perplexity())
        };
        assert_eq!(of(&[]), (0.0, 1.0));
        assert_eq!(of(&[2, 2, 2]), (0.25, 1.0));
        let (share, perplexity) = of(&[0, 1, 2, 3, 0, 1, 2, 3]);
        assert!(share == 1.0 && (perplexity - 4.0).abs() < 1e-12);
        // Shares 1/2, 1/4, 1/4: entropy 3/2 ln 2.
        assert!((of(&[0, 0, 1, 2]).1 - 8_f64.sqrt()).abs() < 1e-12);
    }
}
