//! Decoding with a cache gives what the whole sequence gives, whatever the positions.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "shared with tests that ask for heads")]
mod support;

use std::sync::Arc;

use compute::{DType, Device, Tensor};
use lacuna::boundary::{CallOptions, Content, ForwardRequest, Scope, State, batch_object};
use lacuna::decode::{Decoder, Ended, Limits, Sampling, generate};
use support::{Built, build, difference, numbers};

const VOCABULARY: usize = 40;
const LENGTHS: [usize; 3] = [6, 3, 8];

fn settings(changes: &[(&str, &str)]) -> String {
    let mut settings = serde_json::json!({
        "width": 24, "num_layers": 2, "num_heads": 4, "causal": true, "positions": "learned", "maximum_length": 16,
        "rotary_base": 10000.0, "norm": "layer", "pre_norm": true, "norm_epsilon": 1e-6, "activation": "gelu",
        "glu": false, "bias": true, "dropout": 0.1, "attention_dropout": 0.1, "token_types": 0, "tied_head": true,
        "pooler": false, "initial_std": 0.3,
    });
    for (name, value) in changes {
        settings[*name] = serde_json::from_str(value).unwrap();
    }
    settings.to_string()
}

fn variants() -> Vec<Vec<(&'static str, &'static str)>> {
    vec![
        vec![],
        vec![("positions", "\"sinusoidal\""), ("pre_norm", "false")],
        vec![("positions", "\"rotary\""), ("norm", "\"rms\""), ("glu", "true"), ("bias", "false")],
        vec![("positions", "\"rotary\""), ("num_key_value_heads", "2"), ("activation", "\"silu\""), ("glu", "true")],
        vec![("positions", "\"alibi\"")],
        vec![("positions", "\"none\""), ("token_types", "2"), ("tied_head", "false")],
    ]
}

fn token(sequence: usize, place: usize) -> u32 {
    (7 + 11 * sequence + 5 * place + place * place) as u32 % VOCABULARY as u32
}

/// Hidden rows of a step with so many new tokens of each sequence.
fn step(built: &Built, state: &Arc<State>, new: &[usize]) -> lacuna::error::Result<Tensor> {
    let past = state.lengths();
    let tokens: Vec<u32> =
        (0..new.len()).flat_map(|of| (past[of]..past[of] + new[of]).map(move |place| token(of, place))).collect();
    let layout = state.layout(new, &[0, 1, 2][..new.len()])?;
    let tokens_n = Tensor::from_slice(&tokens, &[tokens.len()], &Device::Cpu)?;
    let inputs = batch_object([("tokens".to_owned(), Content::from(tokens_n))])?;
    let request = ForwardRequest {
        workflow: "decode",
        inputs: &inputs,
        layout: &layout,
        masks: &[],
        layers: 0..u32::MAX,
        wanted: &[],
    };
    let outputs = built.model.step(&built.call(false), state, &request)?;
    let Content::Batch(outputs) = outputs.content() else { panic!("the outputs are a batch") };
    outputs.tensor("hidden")
}

fn begin(built: &Built, room: usize) -> lacuna::error::Result<Arc<State>> {
    built.model.begin_decoding(&built.call(false), LENGTHS.len(), room)
}

#[test]
fn steps_of_any_length_give_what_the_whole_gives() {
    for variant in variants() {
        let built = build(VOCABULARY, &settings(&variant)).unwrap();
        let tokens: Vec<u32> = LENGTHS
            .iter()
            .enumerate()
            .flat_map(|(of, length)| (0..*length).map(move |place| token(of, place)))
            .collect();
        let whole = numbers(&built.run(&tokens, &LENGTHS, &[]).unwrap()["hidden"]);
        // Ragged prompts, single tokens, some sequences at rest, several tokens behind a past.
        for steps in [
            vec![[6, 3, 8]],
            vec![[3, 1, 4], [1, 1, 1], [1, 1, 1], [1, 0, 2]],
            vec![[1, 1, 1], [1, 1, 1], [1, 1, 1], [3, 0, 4], [0, 0, 1]],
        ] {
            let state = begin(&built, 2).unwrap();
            for new in steps {
                let past = state.lengths();
                let found = numbers(&step(&built, &state, &new).unwrap());
                let mut row = 0;
                for (of, new) in new.iter().enumerate() {
                    let start = LENGTHS[..of].iter().sum::<usize>() + past[of];
                    for place in 0..*new {
                        for feature in 0..24 {
                            let (a, b) = (found[row * 24 + feature], whole[(start + place) * 24 + feature]);
                            assert!((a - b).abs() < 1e-5, "{variant:?} {past:?}: {a} and {b}");
                        }
                        row += 1;
                    }
                }
            }
            assert_eq!(state.lengths(), LENGTHS);
        }
    }
}

#[test]
fn sequences_are_reordered_repeated_and_dropped() {
    for variant in variants() {
        let built = build(VOCABULARY, &settings(&variant)).unwrap();
        let state = begin(&built, 16).unwrap();
        let _ = step(&built, &state, &[2, 3, 4]).unwrap();
        let only = Arc::new(state.select(&[0]).unwrap());
        let alone = step(&built, &only, &[1]).unwrap();
        let together = step(&built, &state, &[1, 1, 1]).unwrap();
        let first = Tensor::constant(together.value().narrow(0, 0, 1).unwrap());
        assert!(difference(&alone, &first) < 1e-6, "{variant:?}");
        assert_eq!(state.select(&[2, 0, 2]).unwrap().lengths(), [5, 3, 5]);
        assert!(state.select(&[3]).is_err());
    }
}

#[test]
fn a_step_that_fails_leaves_the_state_as_it_was() {
    let built = build(VOCABULARY, &settings(&[])).unwrap();
    let state = begin(&built, 16).unwrap();
    let _ = step(&built, &state, &[2, 3, 4]).unwrap();
    let error = step(&built, &state, &[15, 1, 1]).unwrap_err();
    assert_eq!(error.text, "a sequence of 17 tokens is longer than the 16 learned positions of the model");
    assert_eq!(state.lengths(), [2, 3, 4]);
    let after = step(&built, &state, &[1, 1, 1]).unwrap();
    let fresh = begin(&built, 16).unwrap();
    let _ = step(&built, &fresh, &[2, 3, 4]).unwrap();
    assert!(difference(&after, &step(&built, &fresh, &[1, 1, 1]).unwrap()) == 0.0);
    assert!(step(&built, &state, &[1, 1]).is_err());
}

#[test]
fn an_encoder_is_refused() {
    let built = build(VOCABULARY, &settings(&[("causal", "false")])).unwrap();
    let error = begin(&built, 4).err().expect("it is refused");
    assert_eq!(error.text, "a transformer that sees what comes after cannot decode step by step");
}

fn decoder(built: &Built, products: Option<DType>) -> Decoder {
    let mut options = CallOptions::evaluation(3, 1, Device::Cpu);
    options.products = products;
    let head = built.model.head(&Scope::new(&built.context, "objective", "the test"), "tokens", 0).unwrap();
    Decoder::new(built.model.clone(), head, options)
}

fn prompts() -> Vec<Vec<u32>> {
    (0..5).map(|of| (0..1 + 2 * of).map(|place| token(of, place)).collect()).collect()
}

fn limits(tokens: usize, batch: usize) -> Limits {
    Limits { tokens, end: None, batch }
}

#[test]
fn how_prompts_are_divided_changes_no_token() {
    let built = build(VOCABULARY, &settings(&[("positions", "\"rotary\"")])).unwrap();
    let decoder = decoder(&built, None);
    let run = |batch, seed| {
        let random = Sampling::new(1.0, Some(20), Some(0.95)).unwrap();
        generate(&decoder, &prompts(), random, seed, limits(12, batch), &mut |_, _| ()).unwrap().sequences
    };
    assert_eq!(run(1, 4), run(5, 4));
    assert_eq!(run(2, 4), run(3, 4));
    assert_ne!(run(5, 4), run(5, 5));
}

/// The likeliest token after each prefix, computed from the whole prefix every time.
#[test]
fn greedy_generation_is_the_likeliest_token_of_the_whole_prefix() {
    let built = build(VOCABULARY, &settings(&[])).unwrap();
    let decoder = decoder(&built, None);
    let generated = generate(&decoder, &prompts(), Sampling::Greedy, 0, limits(6, 8), &mut |_, _| ()).unwrap();
    for (prompt, written) in prompts().iter().zip(&generated.sequences) {
        let mut sequence = prompt.clone();
        for token in &written.tokens {
            let state = decoder.begin(1, 1).unwrap();
            let logits = decoder.step(&state, &sequence, &[sequence.len()], &[0]).unwrap();
            let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]).then(b.cmp(a))).unwrap();
            assert_eq!(*token as usize, best, "after {sequence:?}");
            sequence.push(*token);
        }
        assert_eq!((written.tokens.len(), written.ended), (6, Ended::Tokens));
    }
    assert_eq!((generated.times.steps, generated.times.tokens), (5, 25));
}

#[test]
fn sequences_end_with_the_end_token_or_the_last_position() {
    let built = build(VOCABULARY, &settings(&[])).unwrap();
    let decoder = decoder(&built, None);
    let run = |end| {
        let limits = Limits { tokens: 50, end, batch: 8 };
        generate(&decoder, &prompts(), Sampling::Greedy, 0, limits, &mut |_, _| ()).unwrap().sequences
    };
    let free = run(None);
    for (prompt, written) in prompts().iter().zip(&free) {
        assert_eq!((prompt.len() + written.tokens.len(), written.ended), (17, Ended::Length));
    }
    let end = free[0].tokens[2];
    for (ended, free) in run(Some(end)).iter().zip(&free) {
        let stop = free.tokens.iter().position(|token| *token == end).map_or(free.tokens.len(), |at| at + 1);
        assert_eq!(ended.tokens, free.tokens[..stop]);
        assert_eq!(ended.ended == Ended::End, free.tokens.contains(&end));
    }
    let refused = |prompt: Vec<u32>| {
        let generated = generate(&decoder, &[prompt], Sampling::Greedy, 0, limits(1, 1), &mut |_, _| ());
        generated.unwrap_err().text
    };
    assert_eq!(refused(vec![1; 17]), "prompt 1 has 17 tokens, the model reads at most 16");
    assert_eq!(refused(Vec::new()), "prompt 1 has no tokens");
}

#[test]
fn half_precision_is_near() {
    let built = build(VOCABULARY, &settings(&[("positions", "\"rotary\"")])).unwrap();
    let whole = decoder(&built, None);
    let head = built.model.heads("tokens").remove(0);
    for (dtype, limit) in [(DType::F16, 0.02), (DType::BF16, 0.2)] {
        let mut options = CallOptions::evaluation(3, 1, Device::Cpu);
        options.products = Some(dtype);
        let half = Decoder::new(built.model.clone(), head.clone(), options);
        let logits = |decoder: &Decoder| {
            let state = decoder.begin(1, 8).unwrap();
            let _ = decoder.step(&state, &[5, 6, 7], &[3], &[0]).unwrap();
            decoder.step(&state, &[8], &[1], &[0]).unwrap()
        };
        let off = logits(&whole).iter().zip(logits(&half)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off > 0.0 && off < limit, "{dtype} is off by {off}");
    }
}
