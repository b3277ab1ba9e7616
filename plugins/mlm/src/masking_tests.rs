//! Masking by hand on small samples, and its properties on random ones.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use proptest::prelude::*;

const SPAN: Unit = Unit::Span { stop: 0.2, longest: 10 };

/// Uniform numbers without a library: a 64-bit LCG is enough to look at shares.
fn uniforms(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64
        })
        .collect()
}

fn positions(chosen: &[Chosen]) -> Vec<usize> {
    chosen.iter().map(|chosen| chosen.position).collect()
}

const TOKENS: [u32; 7] = [2, 11, 12, 13, 14, 15, 3];
const SPECIAL: [bool; 7] = [true, false, false, false, false, false, true];
const STARTS: [bool; 7] = [false, true, false, true, true, false, false];
const SAMPLE: Sample = Sample { tokens: &TOKENS, special: &SPECIAL, word_starts: &STARTS };

#[test]
fn words_run_from_start_to_start_and_end_at_special_tokens() {
    assert_eq!(SAMPLE.words(), [(1, 3), (3, 4), (4, 6)]);
    let split = Sample { special: &[false, true, false], tokens: &[9, 2, 9], word_starts: &[true, false, false] };
    assert_eq!(split.words(), [(0, 1), (2, 3)]);
}

#[test]
fn each_token_is_drawn_for_itself() {
    let policy = Policy { rate: 0.15, exact: false, unit: Unit::Token };
    let draws = [0.0, 0.14, 0.16, 0.2, 0.1, 0.9, 0.0];
    assert_eq!(positions(&choose(&SAMPLE, &policy, &draws)), [1, 4]);
}

#[test]
fn exactly_the_rounded_share_is_taken() {
    let policy = Policy { rate: 0.5, exact: true, unit: Unit::Token };
    let draws = [0.0, 0.5, 0.3, 0.9, 0.1, 0.4, 0.0];
    // round(0.5 · 5) = 3: the smallest draws of the five.
    assert_eq!(positions(&choose(&SAMPLE, &policy, &draws)), [2, 4, 5]);
    let rare = Policy { rate: 0.01, ..policy };
    assert_eq!(positions(&choose(&SAMPLE, &rare, &draws)), [4]);
}

#[test]
fn words_are_taken_whole_and_passed_over_where_they_exceed_the_count() {
    let policy = Policy { rate: 0.6, exact: true, unit: Unit::Word };
    let draws = [0.0, 0.1, 0.0, 0.3, 0.2, 0.0, 0.0];
    // Three tokens: the word at 1..3, then 4..6 does not fit, then 3..4 does.
    assert_eq!(positions(&choose(&SAMPLE, &policy, &draws)), [1, 2, 3]);
    let long = Sample { tokens: &[9; 3], special: &[false; 3], word_starts: &[true, false, false] };
    let one = Policy { rate: 0.15, ..policy };
    assert_eq!(positions(&choose(&long, &one, &draws)), [0, 1, 2]);
}

#[test]
fn nothing_eligible_means_nothing_chosen() {
    let special = Sample { special: &[true; 2], tokens: &[2, 3], word_starts: &[false; 2] };
    let empty = Sample { special: &[], tokens: &[], word_starts: &[] };
    for unit in [Unit::Token, Unit::Word, SPAN] {
        for exact in [false, true] {
            let policy = Policy { rate: 0.9, exact, unit };
            assert_eq!(choose(&special, &policy, &[0.0; 5]), []);
            assert_eq!(choose(&empty, &policy, &[0.0; 1]), []);
        }
    }
}

#[test]
fn chosen_tokens_are_masked_swapped_and_kept_in_the_asked_shares() {
    let length = 200_000;
    let tokens = vec![50; length];
    let sample = Sample { tokens: &tokens, special: &vec![false; length], word_starts: &vec![true; length] };
    let corruption = Corruption { mask: 4, ordinary: (5..105).collect(), masked_share: 0.8, random_share: 0.1 };
    for unit in [Unit::Token, Unit::Word, SPAN] {
        // Rounding and luck aside, each share is met; spans are drawn for fewer tokens, since that takes square time.
        let length = if unit == SPAN { 20_000 } else { length };
        let sample = Sample { tokens: &sample.tokens[..length], ..sample };
        let sample =
            Sample { special: &sample.special[..length], word_starts: &sample.word_starts[..length], ..sample };
        let policy = Policy { rate: 0.15, exact: false, unit };
        let chosen = choose(&sample, &policy, &uniforms(1, policy.draws(length)));
        let shown = corruption.shown(sample.tokens, &chosen, &uniforms(2, 2 * length));
        let share = |count: usize, of: usize| count as f64 / of as f64;
        assert!((share(chosen.len(), length) - 0.15).abs() < 0.004, "{unit:?}: {}", chosen.len());
        let masked = shown.iter().filter(|&&id| id == 4).count();
        let swapped = shown.iter().filter(|&&id| id != 4 && id != 50).count();
        let slack = if unit == SPAN { 0.05 } else { 0.01 };
        assert!((share(masked, chosen.len()) - 0.8).abs() < slack, "{unit:?}: {masked} of {}", chosen.len());
        // One random id in a hundred is the token itself.
        assert!((share(swapped, chosen.len()) - 0.099).abs() < slack, "{unit:?}: {swapped} of {}", chosen.len());
    }
}

#[test]
fn random_tokens_come_from_all_ordinary_ids_alike() {
    let length = 50_000;
    let chosen: Vec<Chosen> = (0..length).map(|position| Chosen { position, unit: position }).collect();
    let corruption = Corruption { mask: 4, ordinary: vec![5, 7, 9, 11], masked_share: 0.0, random_share: 1.0 };
    let shown = corruption.shown(&vec![0; length], &chosen, &uniforms(3, 2 * length));
    for id in [5, 7, 9, 11] {
        let count = shown.iter().filter(|&&shown| shown == id).count();
        assert!((count as f64 / length as f64 - 0.25).abs() < 0.01, "{id}: {count}");
    }
}

fn samples() -> impl Strategy<Value = (Vec<u32>, Vec<bool>, Vec<bool>)> {
    prop::collection::vec((5u32..100, prop::bool::weighted(0.2), prop::bool::weighted(0.6)), 0..80).prop_map(|tokens| {
        (
            tokens.iter().map(|token| token.0).collect(),
            tokens.iter().map(|token| token.1).collect(),
            tokens.iter().map(|token| token.2).collect(),
        )
    })
}

proptest! {
    #[test]
    fn contract_m0_holds(
        (tokens, special, word_starts) in samples(),
        rate in 0.01f64..0.9,
        exact: bool,
        seed: u64,
        unit in prop::sample::select(vec![Unit::Token, Unit::Word, SPAN]),
    ) {
        let sample = Sample { tokens: &tokens, special: &special, word_starts: &word_starts };
        let policy = Policy { rate, exact, unit };
        let chosen = choose(&sample, &policy, &uniforms(seed, policy.draws(tokens.len())));
        let eligible = sample.eligible();

        prop_assert!(chosen.windows(2).all(|pair| pair[0].position < pair[1].position));
        prop_assert!(chosen.iter().all(|chosen| !special[chosen.position]));
        prop_assert!(chosen.iter().all(|chosen| chosen.unit <= chosen.position && !special[chosen.unit]));
        if exact && unit != Unit::Word {
            let count = if eligible == 0 { 0 } else { ((rate * eligible as f64).round() as usize).max(1) };
            prop_assert_eq!(chosen.len(), count);
        }
        if exact && unit == Unit::Word {
            prop_assert_eq!(chosen.is_empty(), eligible == 0);
        }
        if unit == Unit::Word {
            for (first, end) in sample.words() {
                let inside = chosen.iter().filter(|chosen| (first..end).contains(&chosen.position)).count();
                prop_assert!(inside == 0 || inside == end - first);
            }
        }

        let corruption = Corruption { mask: 4, ordinary: (5..100).collect(), masked_share: 0.8, random_share: 0.1 };
        let shown = corruption.shown(&tokens, &chosen, &uniforms(seed ^ 1, 2 * tokens.len()));
        let picked = positions(&chosen);
        for position in 0..tokens.len() {
            prop_assert!(shown[position] == tokens[position] || picked.contains(&position));
            prop_assert!(shown[position] >= 4);
        }
    }
}
