//! What is hidden, by hand; and the two bounds against each other on a model small enough to enumerate.

use super::*;

#[test]
fn begin_prompt_and_written_mask_tokens_are_given() {
    assert_eq!(open(&[1, 8, 9, 2], 0, Some(1), 4), [1, 2, 3]);
    assert_eq!(open(&[8, 4, 1, 9], 0, Some(1), 4), [0, 2, 3]);
    assert_eq!(open(&[1, 8, 2, 9, 2], prompt(&[1, 8, 2, 9, 2], 2), Some(1), 4), [3, 4]);
    assert_eq!((prompt(&[1, 8, 2], 2), prompt(&[1, 8], 2)), (0, 0));
}

#[test]
fn each_open_token_is_hidden_with_the_time_as_its_probability() {
    let draws = [0.0, 0.1, 0.5, 0.49];
    let hidden = hide(Bound::OneOverT, &[1, 2, 3], 0.5, 0.0, &draws);
    assert_eq!(hidden, Hidden { positions: vec![1, 3], weight: 2.0 });
    // ε lifts the time: 0.9 · 0.5 + 0.1.
    let lifted = hide(Bound::OneOverT, &[1, 2, 3], 0.5, 0.1, &draws);
    assert_eq!((lifted.positions.len(), lifted.weight), (3, 1.0 / 0.55));
    assert!(hide(Bound::OneOverT, &[], 1e-300, 0.0, &[]).weight.is_finite());
}

#[test]
fn exactly_k_tokens_weigh_n_over_k() {
    let draws = [0.9, 0.2, 0.7, 0.1];
    let open = [0, 1, 2, 3];
    for (time, positions, weight) in
        [(0.1, vec![3], 4.0), (0.26, vec![1, 3], 2.0), (0.6, vec![1, 2, 3], 4.0 / 3.0), (0.99, vec![0, 1, 2, 3], 1.0)]
    {
        assert_eq!(hide(Bound::TimeFree, &open, time, 0.001, &draws), Hidden { positions, weight });
    }
    assert!(hide(Bound::TimeFree, &[], 0.5, 0.001, &[]).positions.is_empty());
}

#[test]
fn even_times_cover_the_interval() {
    let mut times: Vec<f64> = (0..5).map(|index| even_time(0.93, index, 5)).collect();
    times.sort_by(f64::total_cmp);
    for (index, time) in times.iter().enumerate() {
        assert!((index as f64 / 5.0..(index as f64 + 1.0) / 5.0).contains(time), "{times:?}");
    }
}

#[test]
fn a_share_of_the_samples_is_cut_to_any_length() {
    assert_eq!(cut(10, 0.01, &[0.02, 0.0]), 10);
    assert_eq!((cut(10, 0.01, &[0.005, 0.0]), cut(10, 0.01, &[0.005, 0.9999])), (1, 10));
    assert_eq!(cut(0, 1.0, &[0.0, 0.0]), 0);
}

/// −ln p of the true token at each position of n = 4 when the positions in the bit set `hidden` are hidden: any table.
fn table(seed: u64) -> impl Fn(usize, u32) -> f64 {
    move |position, hidden| {
        let mut state = seed ^ (u64::from(hidden) << 8 | position as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        0.1 + 3.0 * ((state >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

const N: usize = 4;

fn loss_of(nll: &impl Fn(usize, u32) -> f64, hidden: u32) -> f64 {
    (0..N).filter(|position| hidden >> position & 1 == 1).map(|position| nll(position, hidden)).sum()
}

/// Σ over subsets of n/k · P(subset) · loss, with what `hide` does for each k and each order of the draws.
fn time_free(nll: &impl Fn(usize, u32) -> f64) -> f64 {
    let orders = permutations();
    let mut total = 0.0;
    for k in 1..=N {
        for order in &orders {
            let draws: Vec<f64> = order.iter().map(|rank| *rank as f64 / 10.0).collect();
            let time = (k as f64 - 0.5) / N as f64;
            let hidden = hide(Bound::TimeFree, &[0, 1, 2, 3], time, 0.0, &draws);
            let set = hidden.positions.iter().fold(0, |set, position| set | 1 << position);
            total += hidden.weight * loss_of(nll, set) / (N * orders.len()) as f64;
        }
    }
    total
}

/// ∫ 1/t · Σ over subsets of t^k (1 − t)^(n − k) · loss dt, by Gauss-Legendre (exact for these polynomials).
fn one_over_t(nll: &impl Fn(usize, u32) -> f64) -> f64 {
    let root = 13.0 * 70_f64.sqrt();
    let weights = [128.0 / 225.0, (322.0 + root) / 900.0, (322.0 - root) / 900.0];
    let mut total = 0.0;
    for (index, node) in [0.0, 0.538_469_310_105_683_1, 0.906_179_845_938_664].into_iter().enumerate() {
        for sign in if index == 0 { vec![1.0] } else { vec![1.0, -1.0] } {
            let time: f64 = 0.5 + 0.5 * sign * node;
            let mut inside = 0.0;
            for set in 1_u32..1 << N {
                let k = set.count_ones() as i32;
                inside += time.powi(k) * (1.0 - time).powi(N as i32 - k) * loss_of(nll, set);
            }
            // What a view at this time weighs.
            let unit = hide(Bound::OneOverT, &[], time, 0.0, &[]).weight;
            total += 0.5 * weights[index] * unit * inside;
        }
    }
    total
}

/// The mean over all orders of Σ −ln p of each token given those before it in that order.
fn chain_rule(nll: &impl Fn(usize, u32) -> f64) -> f64 {
    let orders = permutations();
    let of_order = |order: &Vec<usize>| {
        let mut hidden = (1_u32 << N) - 1;
        order.iter().fold(0.0, |sum, &position| {
            let sum = sum + nll(position, hidden);
            hidden &= !(1 << position);
            sum
        })
    };
    orders.iter().map(of_order).sum::<f64>() / orders.len() as f64
}

fn permutations() -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    for code in 0..N.pow(N as u32) {
        let order: Vec<usize> = (0..N).map(|digit| code / N.pow(digit as u32) % N).collect();
        if (0..N).all(|position| order.contains(&position)) {
            found.push(order);
        }
    }
    assert_eq!(found.len(), 24);
    found
}

#[test]
fn the_time_free_bound_is_the_one_over_t_bound_is_the_mean_over_all_orders() {
    for seed in 0..20 {
        let nll = table(seed);
        let (free, timed, orders) = (time_free(&nll), one_over_t(&nll), chain_rule(&nll));
        assert!((free - timed).abs() < 1e-9 && (free - orders).abs() < 1e-9, "{free} {timed} {orders}");
    }
}

#[test]
fn a_uniform_model_has_n_ln_v_in_every_draw_of_the_time_free_form() {
    let nll = 50_f64.ln();
    for draw in 0..200 {
        let draws: Vec<f64> = (0..7).map(|token| ((draw * 7 + token) as f64 * 0.618_033_988_75).fract()).collect();
        let hidden = hide(Bound::TimeFree, &[0, 1, 2, 4, 5, 6], draws[3], 0.001, &draws);
        let bound = hidden.weight * hidden.positions.len() as f64 * nll;
        assert!((bound - 6.0 * nll).abs() < 1e-12);
    }
}

#[test]
fn on_a_uniform_model_the_monte_carlo_bound_is_n_ln_v_in_expectation() {
    let (open, nll, draws) = ([0, 1, 2, 3, 4, 5, 6, 7], 50_f64.ln(), 40_000);
    let uniform = |index: usize, salt: f64| (index as f64 * 0.754_877_666_246_692_8 + salt * 0.569_840_290_998).fract();
    let mut mean = 0.0;
    for draw in 0..draws {
        let numbers: Vec<f64> = (0..8).map(|token| uniform(draw * 31 + token * 7919, token as f64 + 1.0)).collect();
        let hidden = hide(Bound::OneOverT, &open, even_time(0.37, draw, draws), 0.0, &numbers);
        mean += hidden.weight * hidden.positions.len() as f64 * nll / draws as f64;
    }
    assert!((mean / (8.0 * nll) - 1.0).abs() < 0.02, "{mean}, not {}", 8.0 * nll);
}

#[test]
fn golden_losses_of_the_paper() {
    // V = 4, n = 4, p = 0.5, zero logits; the loss is divided by n.
    let loss = |hidden: &Hidden| hidden.weight * hidden.positions.len() as f64 * 4_f64.ln() / 4.0;
    let two = hide(Bound::OneOverT, &[0, 1, 2, 3], 0.5, 0.0, &[0.1, 0.9, 0.2, 0.8]);
    let one = hide(Bound::OneOverT, &[0, 1, 2, 3], 0.5, 0.0, &[0.1, 0.9, 0.7, 0.8]);
    assert!(
        (loss(&two) - 2.0 * std::f64::consts::LN_2).abs() < 1e-6 && (loss(&one) - std::f64::consts::LN_2).abs() < 1e-6
    );
}
