//! What MosaicBERT asks of the family (Portes et al. 2023, arXiv:2312.17482): numbers kept by gated MLPs, texts longer
//! than those trained on, padding that changes nothing, a table rounded up.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "shared with other tests")]
mod support;

use std::collections::BTreeMap;

use compute::mask::{Mask, alibi_slopes};
use compute::{Device, Gradients, Tensor, Value, backward, ops};
use lacuna::boundary::{Content, ForwardRequest, Object, batch_object};
use serde_json::{Value as Json, json};
use support::{Built, build, layout, numbers};

const WIDTH: usize = 24;

fn settings(changes: &[(&str, Json)]) -> String {
    let mut settings = json!({
        "width": WIDTH, "num_layers": 2, "num_heads": 12, "positions": "alibi", "glu": true, "mlp_first_bias": false,
        "ffn_width": 64, "dropout": 0.0, "attention_dropout": 0.0, "initial_std": 0.3,
    });
    for (name, value) in changes {
        settings[*name] = value.clone();
    }
    settings.to_string()
}

#[test]
fn slopes_for_twelve_heads_are_the_published_ones() {
    let expected = "0.5 0.25 0.125 0.0625 0.03125 0.015625 0.0078125 0.00390625 0.707107 0.353553 0.176777 0.088388";
    for (found, expected) in alibi_slopes(12).iter().zip(expected.split(' ')) {
        let expected: f64 = expected.parse().unwrap();
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
}

/// Matrices of the MLPs of a model with 4 · width inside, and with two thirds of that and a gate.
#[test]
fn a_gated_mlp_of_two_thirds_has_as_many_numbers() {
    let matrices = |changes: &[(&str, Json)]| -> usize {
        let built = build(40, &settings(changes)).unwrap();
        let weights = built.context.weights.all();
        let of_mlp = weights.iter().filter(|weight| {
            let name = weight.name();
            (name.contains("intermediate") || name.contains("layer.0.output") || name.contains("layer.1.output"))
                && weight.shape().len() == 2
        });
        of_mlp.map(|weight| weight.shape().iter().product::<usize>()).sum()
    };
    let plain = matrices(&[("glu", json!(false)), ("ffn_width", json!(96))]);
    assert_eq!(plain, 2 * 2 * WIDTH * 96);
    assert_eq!(matrices(&[]), plain);
}

#[test]
fn longer_texts_than_those_trained_on_need_nothing_new() {
    let built = build(40, &settings(&[("maximum_length", json!(8))])).unwrap();
    let before = built.context.weights.parameters();
    let tokens: Vec<u32> = (0..33).map(|place| (7 + 5 * place + place * place) % 40).collect();
    let hidden_nd = built.run(&tokens, &[33], &[]).unwrap()["hidden"].clone();
    assert_eq!(hidden_nd.dims(), [33, WIDTH]);
    assert!(numbers(&hidden_nd).iter().all(|number| number.is_finite()));
    assert_eq!(built.context.weights.parameters(), before);
}

const LENGTHS: [usize; 3] = [7, 2, 5];

/// Texts of [`LENGTHS`], each filled up to `to` rows with `pad`, which are hidden as keys: hidden rows of the real
/// ones, and gradients of a sum over them by the names of the weights.
fn padded(built: &Built, to: Option<usize>, pad: u32) -> (Vec<f32>, BTreeMap<String, Vec<f32>>) {
    let (mut tokens, mut real) = (Vec::new(), Vec::new());
    for (of, length) in LENGTHS.into_iter().enumerate() {
        tokens.extend((0..length).map(|place| ((5 + 11 * of + 7 * place) % 35 + 5) as u32));
        real.extend(vec![1_u8; length]);
        tokens.extend(vec![pad; to.map_or(0, |to| to - length)]);
        real.resize(tokens.len(), 0);
    }
    let rows: Vec<u32> = (0..real.len()).filter(|row| real[*row] == 1).map(|row| row as u32).collect();
    let lengths: Vec<usize> = LENGTHS.iter().map(|length| to.unwrap_or(*length)).collect();
    let visible = Tensor::truth(Value::from_vec(real, tokens.len(), &Device::Cpu).unwrap());
    let tokens = Tensor::from_slice(&tokens, &[tokens.len()], &Device::Cpu).unwrap();
    let inputs = batch_object([("tokens".to_owned(), Content::from(tokens))]).unwrap();
    let (layout, layers) = (layout(&lengths), 0..u32::MAX);
    let masks = [Object::new(Content::Mask(Mask::keys(&visible).unwrap()))];
    let request =
        ForwardRequest { workflow: "encode", inputs: &inputs, layout: &layout, masks: &masks, layers, wanted: &[] };
    let outputs = built.model.forward(&built.call(true), &request).unwrap();
    let Content::Batch(outputs) = outputs.content() else { panic!("the outputs are a batch") };
    let rows = Tensor::from_slice(&rows, &[rows.len()], &Device::Cpu).unwrap();
    let real_nd = ops::index_select(&outputs.tensor("hidden").unwrap(), 0, &rows).unwrap();
    // Squares of norms are constant: a projection tells rows apart.
    let factors: Vec<f32> = (0..real_nd.elements()).map(|at| ((at * 31) % 17) as f32 / 8.0 - 1.0).collect();
    let factors = Tensor::from_slice(&factors, real_nd.dims(), &Device::Cpu).unwrap();
    let mut gradients = Gradients::default();
    let sum = ops::sum_all(&ops::mul(&real_nd, &factors).unwrap()).unwrap();
    backward(&sum, None, false, &mut gradients).unwrap();
    let slopes = built.context.weights.all().into_iter().map(|weight| {
        let slope = gradients.get(&weight.leaf()).unwrap_or_else(|| panic!("nothing reaches {}", weight.name()));
        (weight.name().to_owned(), slope.flatten_all().unwrap().to_vec1::<f32>().unwrap())
    });
    (numbers(&real_nd), slopes.collect())
}

fn off(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn padding_and_its_ids_change_neither_hidden_rows_nor_gradients() {
    let built = build(40, &settings(&[])).unwrap();
    let (unpadded, slopes) = padded(&built, None, 0);
    let (with_pads, padded_slopes) = padded(&built, Some(9), 0);
    assert!(off(&unpadded, &with_pads) < 1e-5);
    for (name, slope) in &slopes {
        let size = slope.iter().fold(1.0_f32, |most, number| most.max(number.abs()));
        let difference = off(slope, &padded_slopes[name]);
        assert!(difference < 1e-5 * size, "the gradient of {name} is off by {difference}");
    }
    assert_eq!(with_pads, padded(&built, Some(9), 3).0);
}

#[test]
fn rows_that_are_no_tokens_have_no_logits() {
    let built = build(40, &settings(&[("vocabulary_multiple", json!(64))])).unwrap();
    let table =
        built.context.weights.all().into_iter().find(|weight| weight.name().ends_with("word_embeddings.weight"));
    let table = table.unwrap();
    assert_eq!(table.shape(), [64, WIDTH]);
    // However large the rows behind the vocabulary are.
    let mut numbers = vec![0.1_f32; 40 * WIDTH];
    numbers.extend(vec![1e6; 24 * WIDTH]);
    table.set_value(&Value::from_vec(numbers, (64, WIDTH), &Device::Cpu).unwrap()).unwrap();
    let hidden_nd = built.run(&[5, 6, 7], &[3], &[]).unwrap()["hidden"].clone();
    let logits = built.head("tokens", 0).unwrap()(&hidden_nd).unwrap();
    assert_eq!(logits.dims(), [3, 40]);
}
