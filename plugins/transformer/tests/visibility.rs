//! Who sees whom, by mask: a prefix of length 0 is causal to the bit, one of the whole length is an encoder, and gradients reach
//! exactly what is visible. What a decoder is told of its encoder does not depend on who else is in the batch.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "shared with other tests")]
mod support;

use std::sync::Arc;

use compute::mask::Mask;
use compute::{Device, Leaf, Tensor, Value};
use lacuna::boundary::{
    Call, CallOptions, Content, ForwardRequest, HeadInstance, Object, Scope, TensorState, batch_object,
};
use support::{Built, build, layout, numbers};

const VOCABULARY: usize = 40;
const TOKENS: [u32; 9] = [5, 17, 30, 8, 8, 21, 39, 6, 11];
const LENGTHS: [usize; 2] = [5, 4];
const WIDTH: usize = 24;

fn settings(changes: &[(&str, &str)]) -> String {
    let mut settings = serde_json::json!({
        "width": WIDTH, "num_layers": 2, "num_heads": 4, "maximum_length": 12, "norm_epsilon": 1e-6, "dropout": 0.0,
        "attention_dropout": 0.0, "initial_std": 0.3, "pre_norm": true,
    });
    for (name, value) in changes {
        settings[*name] = serde_json::from_str(value).unwrap();
    }
    settings.to_string()
}

fn variants() -> Vec<Vec<(&'static str, &'static str)>> {
    vec![
        vec![],
        vec![("positions", "\"rotary\""), ("norm", "\"rms\""), ("glu", "true"), ("num_key_value_heads", "2")],
        vec![("positions", "\"alibi\"")],
        vec![("positions", "\"relative\""), ("score_scale", "1.0"), ("bias_buckets", "6"), ("bias_distance", "4")],
    ]
}

/// A model with logits over tokens.
struct Reader {
    built: Built,
    head: Arc<HeadInstance>,
}

impl Reader {
    fn new(variant: &[(&str, &str)], further: &[(&str, &str)]) -> Self {
        let changes: Vec<_> = variant.iter().chain(further).copied().collect();
        let built = build(VOCABULARY, &settings(&changes)).unwrap();
        let head = built.model.head(&Scope::new(&built.context, "objective", "the test"), "tokens", 0).unwrap();
        Self { built, head }
    }

    /// Logits `[n, v]` of some inputs in a workflow.
    fn logits(
        &self,
        workflow: &str,
        inputs: Vec<(&str, Content)>,
        lengths: &[usize],
        mask: Option<Mask>,
        gradients: bool,
    ) -> Tensor {
        let inputs = batch_object(inputs.into_iter().map(|(name, content)| (name.to_owned(), content))).unwrap();
        let masks: Vec<Arc<Object>> = mask.into_iter().map(|mask| Object::new(Content::Mask(mask))).collect();
        let (layout, layers) = (layout(lengths), 0..u32::MAX);
        let wanted = if workflow == "memory" { &["hidden"][..] } else { &[] };
        let workflow = if workflow == "memory" { "encode" } else { workflow };
        let request = ForwardRequest { workflow, inputs: &inputs, layout: &layout, masks: &masks, layers, wanted };
        let mut options = CallOptions::evaluation(3, 1, Device::Cpu);
        if gradients {
            options = CallOptions::training(3, 1, Device::Cpu);
        }
        let call = Call::new(options);
        let outputs = self.built.model.forward(&call, &request).unwrap();
        let Content::Batch(outputs) = outputs.content() else { panic!("the outputs are a batch") };
        let hidden_nd = outputs.tensor("hidden").unwrap();
        if !wanted.is_empty() {
            return hidden_nd;
        }
        let logits = self.head.apply(&call, &Object::new(hidden_nd)).unwrap();
        match logits.content() {
            Content::Tensor(TensorState::Ready(tensor)) => tensor.clone(),
            _ => panic!("logits are a tensor"),
        }
    }

    fn of_tokens(&self, mask: Option<Mask>) -> Vec<f32> {
        numbers(&self.logits("encode", vec![("tokens", tokens(&TOKENS))], &LENGTHS, mask, false))
    }

    /// Whether each embedding gets a gradient from each row's logits: [row][embedding].
    fn reached(&self, mask: Option<Mask>) -> Vec<Vec<bool>> {
        let x_nd: Vec<f32> = (0..TOKENS.len() * WIDTH).map(|at| (at as f32 * 0.37).sin()).collect();
        let x_nd = Value::from_vec(x_nd, (TOKENS.len(), WIDTH), &Device::Cpu).unwrap();
        let x_nd = Tensor::leaf(x_nd, &Leaf::new("embeddings"));
        let logits_nv = self.logits("encode", vec![("embeddings", Content::from(x_nd.clone()))], &LENGTHS, mask, true);
        let row = |row: usize| {
            let seed = |at: usize| if at / VOCABULARY == row { (at as f32 * 0.7).cos() } else { 0.0 };
            let seed: Vec<f32> = (0..TOKENS.len() * VOCABULARY).map(seed).collect();
            let seed = Value::from_vec(seed, (TOKENS.len(), VOCABULARY), &Device::Cpu).unwrap();
            let slopes = compute::grad(&[(&logits_nv, seed)], &[&x_nd], true).unwrap().remove(0).unwrap();
            let slopes: Vec<Vec<f32>> = slopes.to_vec2().unwrap();
            slopes.into_iter().map(|slopes| slopes.iter().any(|slope| *slope != 0.0)).collect()
        };
        (0..TOKENS.len()).map(row).collect()
    }
}

fn tokens(ids: &[u32]) -> Content {
    Content::from(Tensor::from_slice(ids, &[ids.len()], &Device::Cpu).unwrap())
}

fn same_bits(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

#[test]
fn a_prefix_of_length_0_is_causal_and_one_of_the_whole_length_an_encoder() {
    for variant in variants() {
        let decoder = Reader::new(&variant, &[("causal", "true")]);
        let causal = decoder.of_tokens(None);
        assert!(same_bits(&causal, &decoder.of_tokens(Some(Mask::prefix(vec![0, 0])))), "{variant:?}");
        let whole = decoder.of_tokens(Some(Mask::prefix(LENGTHS.to_vec())));
        assert!(same_bits(&whole, &decoder.of_tokens(Some(Mask::full()))), "{variant:?}");
        assert!(!same_bits(&whole, &causal), "{variant:?}");
        // Another model of the same seed, an encoder of its own accord; buckets of relative positions are then other ones.
        if !variant.contains(&("positions", "\"relative\"")) {
            assert!(same_bits(&whole, &Reader::new(&variant, &[]).of_tokens(None)), "{variant:?}");
        }
    }
}

#[test]
fn gradients_reach_exactly_what_is_visible() {
    for variant in variants() {
        let reader = Reader::new(&variant, &[("causal", "true")]);
        for prefixes in [[0, 0], [2, 3], [5, 4], [4, 1]] {
            let found = reader.reached(Some(Mask::prefix(prefixes.to_vec())));
            for (row, found) in found.iter().enumerate() {
                for (key, found) in found.iter().enumerate() {
                    let (of_row, of_key) = (usize::from(row >= 5), usize::from(key >= 5));
                    let place = |row: usize, of: usize| row - 5 * of;
                    let visible = of_row == of_key
                        && (place(key, of_key) <= place(row, of_row) || place(key, of_key) < prefixes[of_row]);
                    assert_eq!(*found, visible, "{variant:?}, prefixes {prefixes:?}: row {row}, embedding {key}");
                }
            }
        }
        let encoder = Reader::new(&variant, &[]).reached(None);
        assert!((0..9).all(|row| (0..9).all(|key| encoder[row][key] == ((row < 5) == (key < 5)))), "{variant:?}");
    }
}

#[test]
fn an_answer_does_not_depend_on_the_padding_of_its_question() {
    for variant in variants() {
        let reader = Reader::new(&variant, &[("decoder_layers", "2")]);
        // Questions of 5 and 4 tokens together, where 4 would be padded, and each alone.
        let answers = |questions: &[u32], lengths: &[usize], targets: &[u32], target_lengths: &[usize]| {
            let memory = reader.logits("memory", vec![("tokens", tokens(questions))], lengths, None, false);
            let inputs = vec![
                ("tokens", tokens(targets)),
                ("memory", Content::from(memory)),
                ("memory.layout", Content::Layout(layout(lengths))),
            ];
            numbers(&reader.logits("decode", inputs, target_lengths, None, false))
        };
        let targets = [2, 9, 12, 2, 33, 7, 8];
        let together = answers(&TOKENS, &LENGTHS, &targets, &[3, 4]);
        let mut alone = answers(&TOKENS[..5], &[5], &targets[..3], &[3]);
        alone.extend(answers(&TOKENS[5..], &[4], &targets[3..], &[4]));
        let off = together.iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(together.len() == alone.len() && off < 1e-5, "{variant:?}: {off}");
        // And it does depend on the question.
        let mut others = TOKENS;
        others[1] = 31;
        let other = answers(&others, &LENGTHS, &targets, &[3, 4]);
        let rows = |row: usize| row * VOCABULARY..(row + 1) * VOCABULARY;
        assert!(!same_bits(&together[rows(0)], &other[rows(0)]) && same_bits(&together[rows(3)], &other[rows(3)]));
    }
}
