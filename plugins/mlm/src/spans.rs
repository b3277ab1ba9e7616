//! Spans of whole words with geometric lengths: Joshi et al. 2020, arXiv:1907.10529, section 3.1.

use crate::masking::Chosen;

/// Takes spans until `count` tokens are chosen, and gives them in ascending order.
///
/// A span begins at a word that is free, each with equal probability, and goes on over neighbouring words for its drawn
/// length; a special token or a taken word ends it early, and the last span ends with the count. `words` are first
/// position and one past the last; `draws` holds two for each span, so two for each token are enough.
///
/// # Panics
/// When there are too few draws.
#[must_use]
pub fn choose(words: &[(usize, usize)], count: usize, stop: f64, longest: usize, draws: &[f64]) -> Vec<Chosen> {
    let mut free: Vec<usize> = (0..words.len()).collect();
    let mut taken = vec![false; words.len()];
    let mut chosen = Vec::with_capacity(count);
    let mut draws = draws.chunks_exact(2);
    while chosen.len() < count && !free.is_empty() {
        let pair = draws.next().expect("two draws for each span");
        let start = free[((pair[0] * free.len() as f64) as usize).min(free.len() - 1)];
        let unit = words[start].0;
        for word in start..(start + length(pair[1], stop, longest)).min(words.len()) {
            let apart = word > start && words[word].0 != words[word - 1].1;
            if taken[word] || apart || chosen.len() == count {
                break;
            }
            taken[word] = true;
            let (first, end) = words[word];
            let room = count - chosen.len();
            chosen.extend((first..end).take(room).map(|position| Chosen { position, unit }));
        }
        free.retain(|&word| !taken[word]);
    }
    chosen.sort_unstable_by_key(|chosen| chosen.position);
    chosen
}

/// A length in 1..=longest from a uniform draw, by inversion of the geometric distribution cut off at `longest`.
fn length(draw: f64, stop: f64, longest: usize) -> usize {
    let within = 1.0 - (1.0 - stop).powf(longest as f64);
    let length = ((1.0 - draw * within).ln() / (1.0 - stop).ln()).ceil();
    (length as usize).clamp(1, longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_mean_of_the_paper() {
        let draws = 100_000;
        let lengths: Vec<usize> = (0..draws).map(|i| length((i as f64 + 0.5) / draws as f64, 0.2, 10)).collect();
        let mean = lengths.iter().sum::<usize>() as f64 / draws as f64;
        assert!((mean - 3.797).abs() < 0.01, "the paper says 3.8, this is {mean}");
        assert_eq!((lengths.iter().min(), lengths.iter().max()), (Some(&1), Some(&10)));
    }

    #[test]
    fn a_span_ends_before_a_special_token_and_shares_its_fate() {
        // Words at 1..3 and 3..4, a special token at 4, a word at 5..6.
        let words = [(1, 3), (3, 4), (5, 6)];
        let chosen = choose(&words, 3, 0.2, 10, &[0.0, 0.999, 0.0, 0.0]);
        let expected = [1, 2, 3].map(|position| Chosen { position, unit: 1 });
        assert_eq!(chosen, expected);
    }

    #[test]
    fn the_count_is_met_within_a_word() {
        let chosen = choose(&[(0, 5)], 2, 0.2, 10, &[0.5, 0.5]);
        assert_eq!(chosen.iter().map(|chosen| chosen.position).collect::<Vec<_>>(), [0, 1]);
    }
}
