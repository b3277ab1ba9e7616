//! The sampler held against networks whose answers are known.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const CODES: usize = 5;

/// Draws of a small congruential generator, different for each picture.
fn draws(pictures: u64) -> Vec<Draws<'static>> {
    let of = |picture: u64| -> Draws<'static> {
        let mut state = picture.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        Box::new(move |count| {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
            };
            Ok((0..count).map(|_| next()).collect())
        })
    };
    (0..pictures).map(of).collect()
}

/// Knows a picture, and is certain of it or likes each code by its number; remembers what it was asked.
struct Oracle {
    certain: bool,
    asked: Vec<Vec<Codes>>,
}

fn truth(place: usize) -> u32 {
    (place * place % CODES) as u32
}

fn row(place: usize, certain: bool) -> Vec<f32> {
    let of = |code: usize| match certain {
        true => f32::from(u8::from(code as u32 == truth(place))) * 200.0,
        false => (code * (place % 3)) as f32 * 0.5,
    };
    (0..CODES).map(of).collect()
}

impl Network for Oracle {
    fn logits(&mut self, pictures: &[Codes]) -> Result<Vec<Vec<f32>>> {
        self.asked.push(pictures.to_vec());
        let rows = |codes: &Codes| {
            let hidden = (0..codes.len()).filter(|place| codes[*place].is_none());
            hidden.flat_map(|place| row(place, self.certain)).collect()
        };
        Ok(pictures.iter().map(rows).collect())
    }
}

fn run(certain: bool, steps: usize, count: usize, pictures: u64) -> (Vec<Vec<u32>>, Vec<Vec<Codes>>) {
    let mut oracle = Oracle { certain, asked: Vec::new() };
    let rule = Rule { steps, choice_temperature: 4.5 };
    let made = decode(rule, count, &mut oracle, &mut draws(pictures)).unwrap();
    (made, oracle.asked)
}

#[test]
fn who_knows_the_picture_recovers_it_in_any_number_of_steps() {
    let expected: Vec<u32> = (0..49).map(truth).collect();
    for steps in [1, 2, 3, 8, 12, 60] {
        let (made, asked) = run(true, steps, 49, 3);
        assert_eq!((made, asked.len()), (vec![expected.clone(); 3], steps));
    }
}

#[test]
fn what_is_filled_stays_and_as_many_are_hidden_as_the_schedule_says() {
    let (made, asked) = run(false, 8, 49, 4);
    let hidden = |codes: &Codes| codes.iter().filter(|code| code.is_none()).count();
    for picture in 0..4 {
        let counts: Vec<usize> = asked.iter().map(|pictures| hidden(&pictures[picture])).collect();
        assert_eq!(counts, [49, 48, 45, 40, 34, 27, 18, 9]);
        let after = asked[1..].iter().map(|pictures| pictures[picture].clone());
        let after: Vec<Codes> = after.chain([made[picture].iter().copied().map(Some).collect()]).collect();
        for (before, after) in asked.iter().map(|pictures| &pictures[picture]).zip(&after) {
            assert!(before.iter().zip(after).all(|(before, after)| before.is_none() || before == after));
        }
    }
    assert!(made[0] != made[1], "each picture has draws of its own");
}

#[test]
fn one_step_draws_each_code_for_itself() {
    let (made, _) = run(false, 1, 49, 2);
    for (picture, mut draws) in made.iter().zip(draws(2)) {
        for (place, draw) in draws(49).unwrap().into_iter().enumerate() {
            let weights: Vec<f64> = row(place, false).into_iter().map(|logit| f64::from(logit).exp()).collect();
            let below = |code: usize| weights[..code].iter().sum::<f64>() / weights.iter().sum::<f64>();
            let code = picture[place] as usize;
            assert!(below(code) <= draw + 1e-12 && draw < below(code + 1) + 1e-12, "place {place}");
        }
    }
}

#[test]
fn drawn_codes_have_the_law_of_the_logits() {
    let mut counts = [0; CODES];
    let (made, _) = run(false, 1, 2, 4000);
    made.iter().for_each(|picture| counts[picture[1] as usize] += 1);
    let weights: Vec<f64> = row(1, false).into_iter().map(|logit| f64::from(logit).exp()).collect();
    for (count, weight) in counts.iter().zip(&weights) {
        let share = weight / weights.iter().sum::<f64>();
        assert!((f64::from(*count) / 4000.0 - share).abs() < 4.0 * (share / 4000.0).sqrt(), "{counts:?}");
    }
}

#[test]
fn guidance_of_one_and_zero_is_with_and_without() {
    let (with, without) = ([1.0, -2.5, 0.25], [0.5, 3.0, -1.0]);
    assert_eq!(guided(&with, &without, 1.0), with);
    assert_eq!(guided(&with, &without, 0.0), without);
    assert_eq!(guided(&with, &without, 3.0), [2.0, -13.5, 2.75]);
}

#[test]
fn logits_that_are_no_numbers_are_told() {
    assert!(draw_code(&[f32::NAN, 0.0], 0.5).is_err());
    assert!(draw_code(&[f32::NEG_INFINITY, 0.0], 0.5).is_ok_and(|(code, ln)| code == 1 && ln == 0.0));
}
