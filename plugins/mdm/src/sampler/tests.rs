//! Each rule against a law that is known.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::categorical::{race, race_or_stay};
use super::rules::first_hit;
use super::*;

/// Uniform numbers without a library, odd multiples of 2^−53.
struct Lcg(u64);

impl Draws for Lcg {
    fn take(&mut self, count: usize) -> Result<Vec<f64>> {
        Ok((0..count).map(|_| self.next()).collect())
    }
}

impl Lcg {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((mixed ^ (mixed >> 31)) >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }
}

/// A network that says the same of every hidden token, and counts how often it is asked.
struct Unigram {
    shares: Vec<f32>,
    calls: usize,
}

impl Network for Unigram {
    fn probabilities(&mut self, questions: &[Question<'_>]) -> Result<Vec<Vec<f32>>> {
        self.calls += 1;
        Ok(questions.iter().map(|question| self.shares.repeat(question.hidden.len())).collect())
    }
}

fn zipf(size: usize) -> Unigram {
    let total: f64 = (1..=size).map(|rank| 1.0 / rank as f64).sum();
    Unigram { shares: (1..=size).map(|rank| (1.0 / (rank as f64 * total)) as f32).collect(), calls: 0 }
}

/// The new tokens of `count` sequences of `length`; tokens are `0..v`, the mask token is `v`.
fn written(
    rule: Rule,
    numbers: Numbers,
    network: &mut dyn Network,
    mask: u32,
    count: usize,
    length: usize,
) -> Vec<Vec<u32>> {
    let mut draws: Vec<Lcg> = (0..count as u64).map(|seed| Lcg(seed << 32 | 17)).collect();
    let mut sequences: Vec<Sequence> = draws.iter_mut().map(|draws| Sequence::new(&[], length, mask, draws)).collect();
    write(&rule, numbers, network, &mut sequences).unwrap();
    assert!(sequences.iter().all(|sequence| sequence.hidden() == 0 && !sequence.tokens.contains(&mask)));
    sequences.into_iter().map(|sequence| sequence.tokens).collect()
}

fn entropy_of(shares: impl IntoIterator<Item = f64>) -> f64 {
    shares.into_iter().filter(|share| *share > 0.0).map(|share| -share * share.ln()).sum()
}

fn unigram_entropy(sequences: &[Vec<u32>], size: usize) -> f64 {
    let mut counts = vec![0.0; size];
    let total = sequences.iter().map(Vec::len).sum::<usize>() as f64;
    sequences.iter().flatten().for_each(|token| counts[*token as usize] += 1.0 / total);
    entropy_of(counts)
}

#[test]
fn first_hitting_times_have_the_law_of_the_largest_of_k() {
    // Kolmogorov-Smirnov against P(τ < x) = x^k; 1.63 / √n is exceeded once in a hundred.
    let mut draws = Lcg(1);
    for hidden in [1, 2, 7, 64] {
        let count = 4000;
        let mut times: Vec<f64> = (0..count).map(|_| first_hit(1.0, hidden, draws.next())).collect();
        times.sort_by(f64::total_cmp);
        let distance = times.iter().enumerate().fold(0.0_f64, |most, (rank, time)| {
            let law = time.powi(hidden as i32);
            most.max((law - rank as f64 / count as f64).abs()).max(((rank + 1) as f64 / count as f64 - law).abs())
        });
        assert!(distance < 1.63 / (count as f64).sqrt(), "{hidden} hidden: {distance}");
    }
}

#[test]
fn first_hitting_asks_the_network_once_for_each_token_and_ends_before_time_0() {
    let mut network = zipf(10);
    let mut draws = Lcg(5);
    let mut sequences = [Sequence::new(&[3, 4], 32, 10, &mut draws)];
    write(&Rule::FirstHitting { temperature: 1.0 }, Numbers::DOUBLE, &mut network, &mut sequences).unwrap();
    assert_eq!((network.calls, sequences[0].tokens.len(), &sequences[0].tokens[..2]), (32, 34, &[3, 4][..]));
    assert!(sequences[0].time() > 0.0 && sequences[0].time() < 0.3);
}

#[test]
fn logits_are_used_again_when_nothing_was_filled() {
    let mut network = zipf(10);
    let _ = written(Rule::Ancestral { steps: 1000 }, Numbers::DOUBLE, &mut network, 10, 1, 8);
    assert!(network.calls <= 8, "{} calls for 8 tokens", network.calls);
    let mut network = zipf(10);
    let _ = written(Rule::Origin { steps: 1000, temperature: 1.0 }, Numbers::DOUBLE, &mut network, 10, 1, 8);
    assert!(network.calls <= 8, "{} calls for 8 tokens", network.calls);
    let mut network = zipf(10);
    let _ = written(Rule::Parallel { steps: 4, temperature: 1.0 }, Numbers::DOUBLE, &mut network, 10, 3, 10);
    assert_eq!(network.calls, 4);
}

/// Token 1 is likely where the neighbour is token 1, token 0 where it is 0: p(0) = 0.7 with nothing known.
struct Pair;

impl Network for Pair {
    fn probabilities(&mut self, questions: &[Question<'_>]) -> Result<Vec<Vec<f32>>> {
        let row = |question: &Question<'_>, position: usize| match question.tokens[1 - position] {
            0 => [0.9_f32, 0.1],
            1 => [0.7 / 3.0, 1.0 - 0.7 / 3.0],
            _ => [0.7, 0.3],
        };
        Ok(questions
            .iter()
            .map(|question| question.hidden.iter().flat_map(|&at| row(question, at)).collect())
            .collect())
    }
}

#[test]
fn first_hitting_has_the_law_of_ancestral_sampling() {
    // p(00) = 0.63, p(01) = p(10) = 0.07, p(11) = 0.23 in either order; filled at once they would be independent.
    let exact = [0.63_f64, 0.07, 0.07, 0.23];
    for rule in [Rule::FirstHitting { temperature: 1.0 }, Rule::Ancestral { steps: 400 }] {
        let mut shares = [0.0_f64; 4];
        for tokens in written(rule, Numbers::DOUBLE, &mut Pair, 2, 20_000, 2) {
            shares[(2 * tokens[0] + tokens[1]) as usize] += 1.0 / 20_000.0;
        }
        for (share, exact) in shares.iter().zip(exact) {
            assert!((share - exact).abs() < 0.012, "{rule:?}: {shares:?}");
        }
    }
}

/// The entropy of ancestral samples where a category of probability q comes with probability δ / (e^(δ/q) − 1).
fn predicted(shares: &[f32], steps: usize, spacing: f64) -> f64 {
    let (mut hidden, mut law) = (1.0, vec![0.0; shares.len()]);
    for left in (1..=steps).rev() {
        let biased: Vec<f64> =
            shares.iter().map(|&share| spacing / (spacing * left as f64 / f64::from(share)).exp_m1()).collect();
        let filled: f64 = biased.iter().sum();
        // The last step fills whatever is left.
        let scale = if left == 1 { 1.0 / filled } else { 1.0 };
        law.iter_mut().zip(&biased).for_each(|(law, biased)| *law += hidden * biased * scale);
        hidden *= 1.0 - filled * scale;
    }
    entropy_of(law)
}

#[test]
fn a_grid_of_uniform_numbers_starves_rare_tokens_as_predicted() {
    let exact = |size: usize| entropy_of(zipf(size).shares.into_iter().map(f64::from));
    assert!(
        (exact(50) - 3.197).abs() < 1e-3 && (exact(4096) - 6.066).abs() < 1e-3 && (exact(30_522) - 7.272).abs() < 1e-3
    );
    let spacing = |bits: i32| 2_f64.powi(-bits);
    assert!((predicted(&zipf(50).shares, 100, spacing(12)) - 2.863).abs() < 0.01);
    assert!((predicted(&zipf(4096).shares, 1024, spacing(24)) - 5.868).abs() < 1e-3);
    assert!((predicted(&zipf(30_522).shares, 1024, spacing(24)) - 6.316).abs() < 1e-3);
    assert!((predicted(&zipf(4096).shares, 1024, spacing(53)) - exact(4096)).abs() < 1e-3);
}

#[test]
fn sampling_on_a_12_bit_grid_has_the_golden_entropy_and_double_precision_the_exact_one() {
    let rule = Rule::Ancestral { steps: 100 };
    let entropy = |numbers| unigram_entropy(&written(rule, numbers, &mut zipf(50), 50, 5000, 8), 50);
    let coarse = entropy(Numbers { bits: 12, single: false });
    assert!((coarse - 2.863).abs() < 0.03, "{coarse}");
    let exact = entropy(Numbers::DOUBLE);
    assert!((exact - 3.197).abs() < 0.02, "{exact}");
    let first = Rule::FirstHitting { temperature: 1.0 };
    let hitting = unigram_entropy(&written(first, Numbers::DOUBLE, &mut zipf(50), 50, 5000, 8), 50);
    assert!((hitting - 3.197).abs() < 0.02, "{hitting}");
}

#[test]
fn the_noise_of_a_race_ends_at_the_bits_of_its_uniform_numbers() {
    // Gumbel noise g = −ln(−ln u) is at most 24 ln 2 = 16.6355 in single precision, 36.7368 with 53 bits.
    let largest = |bits: i32| -(-(1.0 - 2_f64.powi(-bits)).ln()).ln();
    assert!((largest(24) - 16.6355).abs() < 1e-4 && (largest(53) - 36.7368).abs() < 1e-4);
    // A weight beyond that never wins: here e^−17 against a competitor that draws 1/e.
    let draws = [(-1_f64).exp(), 1.0 - 2_f64.powi(-53)];
    let weights = [1.0, (-17_f64).exp() as f32];
    assert_eq!(race(&weights, 1.0, &draws, Numbers::SINGLE), 0);
    assert_eq!(race(&weights, 1.0, &draws, Numbers::DOUBLE), 1);
}

#[test]
fn races_have_the_shares_of_their_weights() {
    let (mut draws, weights, count) = (Lcg(9), [0.5_f32, 0.3, 0.2, 0.0], 40_000);
    let (mut plain, mut stayed) = ([0.0_f64; 4], [0.0_f64; 5]);
    for _ in 0..count {
        plain[race(&weights, 1.0, &draws.take(4).unwrap(), Numbers::DOUBLE)] += 1.0 / f64::from(count);
        let winner = race_or_stay(&weights, 0.4, 0.6, &draws.take(5).unwrap(), Numbers::DOUBLE);
        stayed[winner.unwrap_or(4)] += 1.0 / f64::from(count);
    }
    for (share, exact) in plain.iter().chain(&stayed).zip([0.5, 0.3, 0.2, 0.0, 0.2, 0.12, 0.08, 0.0, 0.6]) {
        assert!((share - exact).abs() < 0.01 && (exact > 0.0 || *share == 0.0), "{plain:?} {stayed:?}");
    }
    assert_eq!(race(&[0.2, 0.4, 0.4], 0.0, &[], Numbers::DOUBLE), 1);
    // Noise to the power of one half leaves less to chance.
    let cold = (0..10_000).filter(|_| race(&weights, 0.5, &draws.take(4).unwrap(), Numbers::DOUBLE) == 0).count();
    assert!((cold as f64 / 10_000.0 - 0.25 / 0.38).abs() < 0.02, "{cold}");
}

#[test]
fn of_origin_a_share_of_1_minus_s_is_left_open_after_time_s() {
    let mut draws: Vec<Lcg> = (0..200).map(Lcg).collect();
    let mut sequences: Vec<Sequence> = draws.iter_mut().map(|draws| Sequence::new(&[], 16, 10, draws)).collect();
    let (rule, steps) = (Rule::Origin { steps: 400, temperature: 1.0 }, 400);
    let mut network = zipf(10);
    for step in 0..steps {
        for sequence in &mut sequences {
            let plan = rule.plan(step, 16, sequence).unwrap();
            if plan.needs_network() && sequence.probabilities.is_empty() {
                let answer = network.probabilities(&[sequence.question(0)]).unwrap().remove(0);
                sequence.probabilities = answer;
            }
            plan.carry_out(Numbers::DOUBLE, sequence).unwrap();
        }
        let time = 1.0 - (step + 1) as f64 / steps as f64;
        if [0.75, 0.5, 0.25].contains(&time) {
            let hidden = sequences.iter().map(Sequence::hidden).sum::<usize>() as f64 / (200.0 * 16.0);
            assert!(((1.0 - hidden) - (1.0 - time)).abs() < 0.03, "at {time}: {hidden} hidden");
        }
    }
    assert!(sequences.iter().all(|sequence| sequence.hidden() == 0));
}

/// Position p is certain with confidence 0.5 + p / 20.
struct Sure;

impl Network for Sure {
    fn probabilities(&mut self, questions: &[Question<'_>]) -> Result<Vec<Vec<f32>>> {
        let row = |&at: &usize| [0.5 + at as f32 / 20.0, 0.5 - at as f32 / 20.0];
        Ok(questions.iter().map(|question| question.hidden.iter().flat_map(row).collect()).collect())
    }
}

#[test]
fn greedy_fills_the_most_confident_first() {
    let mut draws = Lcg(0);
    let mut sequence = Sequence::new(&[], 8, 2, &mut draws);
    let rule = Rule::Greedy { steps: 4, temperature: 0.0 };
    // ⌊8 · (1 − s/t)⌋ with s/t = 0.75 + a little: one of eight less than a quarter.
    let plan = rule.plan(0, 8, &mut sequence).unwrap();
    sequence.probabilities = Sure.probabilities(&[sequence.question(0)]).unwrap().remove(0);
    plan.carry_out(Numbers::DOUBLE, &mut sequence).unwrap();
    assert_eq!(sequence.hidden, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(sequence.tokens, [2, 2, 2, 2, 2, 2, 2, 0]);
    write(&rule, Numbers::DOUBLE, &mut Sure, std::slice::from_mut(&mut sequence)).unwrap();
    assert_eq!(sequence.hidden(), 0);
}

#[test]
fn gaps_are_filled_one_by_one_where_they_are() {
    let mut draws = Lcg(0);
    let mut sequence = Sequence::with_hidden(&[1, 0, 1, 0], &[1, 3], 2, &mut draws);
    assert_eq!(sequence.tokens, [1, 2, 1, 2]);
    write(&Rule::OneByOne { steps: 2 }, Numbers::DOUBLE, &mut Sure, std::slice::from_mut(&mut sequence)).unwrap();
    assert_eq!(sequence.tokens, [1, 0, 1, 0]);
}

#[test]
fn guidance_weighs_the_prompt_against_its_absence() {
    let near = |found: &[f32], expected: [f32; 2]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(near(&guidance::guided(&[1.0, 0.0], &[0.0, 1.0], 0.6), [1.6, -0.6]));
    assert!(near(&guidance::guided(&[1.0, 0.0], &[0.0, 1.0], 0.0), [1.0, 0.0]));
    let mut logits = [0.0, 3_f32.ln(), 9.0, 0.0, 0.0, 0.0];
    guidance::softmax(&mut logits, 3, 2);
    assert!(near(&logits[..2], [0.25, 0.75]) && logits[2] == 0.0 && near(&logits[3..5], [0.5, 0.5]));
}
