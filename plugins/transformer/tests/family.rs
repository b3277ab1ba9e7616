//! What holds for every variant of the family: who sees whom, parts of a pass, refusals.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::{Built, build, difference, numbers};

const VOCABULARY: usize = 40;
const TOKENS: [u32; 9] = [5, 17, 30, 8, 8, 21, 39, 6, 11];
const LENGTHS: [usize; 2] = [5, 4];

fn settings(changes: &[(&str, &str)]) -> String {
    let mut settings = serde_json::json!({
        "width": 24, "num_layers": 2, "num_heads": 4, "causal": false, "positions": "learned", "maximum_length": 12,
        "rotary_base": 10000.0, "norm": "layer", "pre_norm": false, "norm_epsilon": 1e-6, "activation": "gelu",
        "glu": false, "bias": true, "dropout": 0.2, "attention_dropout": 0.2, "token_types": 0, "tied_head": true,
        "pooler": false, "initial_std": 0.3,
    });
    for (name, value) in changes {
        settings[*name] = serde_json::from_str(value).unwrap();
    }
    settings.to_string()
}

fn refusal(changes: &[(&str, &str)]) -> String {
    build(VOCABULARY, &settings(changes)).err().expect("it is refused").text
}

fn variants() -> Vec<Vec<(&'static str, &'static str)>> {
    vec![
        vec![],
        vec![("positions", "\"sinusoidal\""), ("activation", "\"relu\"")],
        vec![
            ("positions", "\"rotary\""),
            ("pre_norm", "true"),
            ("norm", "\"rms\""),
            ("glu", "true"),
            ("bias", "false"),
        ],
        vec![("positions", "\"alibi\""), ("pre_norm", "true"), ("activation", "\"gelu_tanh\"")],
        vec![("positions", "\"rotary\""), ("num_key_value_heads", "2"), ("activation", "\"silu\""), ("glu", "true")],
        vec![("positions", "\"none\""), ("token_types", "2"), ("tied_head", "false"), ("pooler", "true")],
        // DeBERTa, ModernBERT, LTG-BERT but for its sums, ELECTRA.
        vec![
            ("positions", "\"none\""),
            ("relative_terms", "[\"c2p\", \"p2c\"]"),
            ("relative_buckets", "4"),
            ("relative_maximum", "12"),
            ("pooler", "true"),
            ("pooler_activation", "\"gelu\""),
        ],
        vec![
            ("positions", "\"rotary\""),
            ("pre_norm", "true"),
            ("first_norm", "false"),
            ("glu", "true"),
            ("bias", "false"),
            ("decoder_bias", "true"),
            ("head_transform", "true"),
            ("window", "12"),
            ("local_rotary_base", "100.0"),
            ("global_every", "2"),
        ],
        vec![
            ("positions", "\"none\""),
            ("relative_terms", "[\"p2c\"]"),
            ("relative_shared", "false"),
            ("relative_buckets", "0"),
            ("norm", "\"plain\""),
            ("pre_norm", "true"),
            ("attention_gate", "true"),
            ("mlp_norm", "true"),
            ("glu", "true"),
        ],
        vec![
            ("embedding_width", "10"),
            ("scalar_transform", "true"),
            ("position_offset", "2"),
            ("vocabulary_multiple", "64"),
            ("lora_rank", "2"),
        ],
    ]
}

fn hidden(built: &Built, tokens: &[u32], lengths: &[usize]) -> Vec<f32> {
    numbers(&built.run(tokens, lengths, &[]).unwrap()["hidden"])
}

/// The largest change of a row's hidden state.
fn change(before: &[f32], after: &[f32], row: usize) -> f32 {
    (row * 24..(row + 1) * 24).map(|at| (before[at] - after[at]).abs()).fold(0.0, f32::max)
}

#[test]
fn an_encoder_sees_its_whole_text_and_a_decoder_what_came_before() {
    for variant in variants() {
        for causal in ["false", "true"] {
            let changes: Vec<_> = variant.iter().copied().chain([("causal", causal)]).collect();
            let built = build(VOCABULARY, &settings(&changes)).unwrap();
            let before = hidden(&built, &TOKENS, &LENGTHS);
            let mut tokens = TOKENS;
            tokens[2] = 33;
            let after = hidden(&built, &tokens, &LENGTHS);
            for row in 0..TOKENS.len() {
                let sees = row < 5 && (causal == "false" || row >= 2);
                assert_eq!(change(&before, &after, row) > 1e-6, sees, "{changes:?}, row {row}");
            }
        }
    }
}

#[test]
fn a_text_does_not_depend_on_its_neighbours() {
    for variant in variants() {
        let built = build(VOCABULARY, &settings(&variant)).unwrap();
        let together = hidden(&built, &TOKENS, &LENGTHS);
        let alone = hidden(&built, &TOKENS[5..], &LENGTHS[1..]);
        let off = together[5 * 24..].iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-5, "{variant:?} is off by {off}");
    }
}

#[test]
fn order_matters_unless_there_are_no_positions() {
    for (positions, matters) in
        [("learned", true), ("sinusoidal", true), ("rotary", true), ("alibi", true), ("none", false)]
    {
        let built = build(VOCABULARY, &settings(&[("positions", &format!("\"{positions}\""))])).unwrap();
        let forward = hidden(&built, &[5, 17, 30, 8], &[4]);
        let swapped = hidden(&built, &[30, 17, 5, 8], &[4]);
        assert_eq!(change(&forward, &swapped, 1) > 1e-5, matters, "{positions}");
    }
}

#[test]
fn a_pass_in_two_parts_is_the_whole_pass() {
    for variant in variants() {
        let built = build(VOCABULARY, &settings(&variant)).unwrap();
        let whole = built.run(&TOKENS, &LENGTHS, &["embeddings", "layers.0.output"]).unwrap();
        let first = whole["layers.0.output"].clone();
        let second = built.run_on("hidden", first, &LENGTHS, 1..u32::MAX, &[], false).unwrap();
        assert!(difference(&whole["hidden"], &second["hidden"]) < 1e-6, "{variant:?}");
    }
}

#[test]
fn dropout_acts_in_training_alone_and_is_replayed_from_its_key() {
    let built = build(VOCABULARY, &settings(&[])).unwrap();
    let run = |training| {
        let tokens_n = compute::Tensor::from_slice(&TOKENS, &[9], &compute::Device::Cpu).unwrap();
        built.run_on("tokens", tokens_n, &LENGTHS, 0..u32::MAX, &[], training).unwrap()["hidden"].clone()
    };
    assert!(difference(&run(false), &run(true)) > 1e-3);
    assert!(difference(&run(true), &run(true)) == 0.0);
    assert!(difference(&run(false), &run(false)) == 0.0);
}

#[test]
fn heads_have_the_widths_asked_for() {
    for variant in variants() {
        let built = build(VOCABULARY, &settings(&variant)).unwrap();
        let outputs = built.run(&TOKENS, &LENGTHS, &[]).unwrap();
        for (kind, size, width) in [("tokens", 0, VOCABULARY), ("classes", 3, 3), ("scalar", 1, 1), ("values", 7, 7)] {
            let logits = built.head(kind, size).unwrap()(&outputs["hidden"]).unwrap();
            assert_eq!(logits.dims(), [9, width], "{kind} of {variant:?}");
        }
    }
}

#[test]
fn a_tied_head_has_no_matrix_of_its_own() {
    let names = |tied: &str| {
        let built = build(VOCABULARY, &settings(&[("tied_head", tied)])).unwrap();
        drop(built.head("tokens", 0).unwrap());
        built.context.weights.all().iter().filter(|weight| weight.name().ends_with("decoder.weight")).count()
    };
    assert_eq!((names("true"), names("false")), (0, 1));
}

#[test]
fn settings_that_do_not_fit_together_are_refused_with_their_numbers() {
    assert_eq!(refusal(&[("width", "30")]), "setting `width` is 30, which 4 heads cannot share evenly");
    assert_eq!(
        refusal(&[("num_key_value_heads", "3")]),
        "setting `num_key_value_heads` is 3, which does not divide the 4 query heads"
    );
    assert_eq!(
        refusal(&[("positions", "\"rotary\""), ("width", "20")]),
        "setting `positions` is `rotary`, which turns pairs, and a head is 5 wide"
    );
    assert_eq!(
        refusal(&[("positions", "\"sinusoidal\""), ("width", "21"), ("num_heads", "3")]),
        "setting `positions` is `sinusoidal`, which needs an even `width`, and that is 21"
    );
}

#[test]
fn a_text_longer_than_the_learned_positions_is_refused_with_both_numbers() {
    let built = build(VOCABULARY, &settings(&[])).unwrap();
    let error = built.run(&[7; 13], &[13], &[]).unwrap_err();
    assert_eq!(error.text, "a sequence of 13 tokens is longer than the 12 learned positions of the model");
    let rotary = build(VOCABULARY, &settings(&[("positions", "\"rotary\"")])).unwrap();
    assert_eq!(hidden(&rotary, &[7; 13], &[13]).len(), 13 * 24);
}

#[test]
fn a_later_layer_needs_hidden_rows() {
    let built = build(VOCABULARY, &settings(&[])).unwrap();
    let tokens_n = compute::Tensor::from_slice(&TOKENS, &[9], &compute::Device::Cpu).unwrap();
    let error = built.run_on("tokens", tokens_n, &LENGTHS, 1..2, &[], false).unwrap_err();
    assert_eq!(error.text, "layers 1..2 need the input `hidden`");
}
