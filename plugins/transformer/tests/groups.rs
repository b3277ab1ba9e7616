//! Groups of blocks without a causal mask, as a string of bits: who reaches whom, and what is refused.
#![allow(clippy::unwrap_used, reason = "tests")]

#[allow(dead_code, reason = "shared with other tests")]
mod support;

use compute::mask::Mask;
use compute::{Device, Gradients, Leaf, Tensor, Value, backward, ops};
use lacuna::boundary::{Call, CallOptions, Content, ForwardRequest, Object, batch_object};
use support::{Built, build, layout, numbers};

const WIDTH: usize = 16;
const TOKENS: [u32; 11] = [5, 17, 30, 8, 8, 21, 39, 6, 11, 9, 22];
const LENGTHS: [usize; 2] = [6, 5];

fn settings(causal: bool, bits: Option<&str>, positions: &str) -> String {
    serde_json::json!({
        "width": WIDTH, "num_layers": 4, "num_heads": 4, "causal": causal, "causal_groups": bits, "positions": positions,
        "maximum_length": 16, "pre_norm": true, "norm_epsilon": 1e-6, "dropout": 0.0, "attention_dropout": 0.0,
        "initial_std": 0.3,
    })
    .to_string()
}

fn built(causal: bool, bits: Option<&str>) -> Built {
    build(40, &settings(causal, bits, "rotary")).unwrap()
}

fn hidden(built: &Built) -> Vec<f32> {
    numbers(&built.run(&TOKENS, &LENGTHS, &[]).unwrap()["hidden"])
}

#[test]
fn closed_groups_are_the_decoder_and_open_ones_the_encoder_to_the_bit() {
    let (decoder, encoder) = (hidden(&built(true, None)), hidden(&built(false, None)));
    assert_ne!(decoder, encoder);
    assert_eq!(hidden(&built(true, Some("0000"))), decoder);
    assert_eq!(hidden(&built(true, Some("00"))), decoder);
    assert_eq!(hidden(&built(true, Some("1111"))), encoder);
    assert_eq!(hidden(&built(true, Some("1"))), encoder);
    let half = hidden(&built(true, Some("01")));
    assert_eq!(half, hidden(&built(true, Some("0011"))));
    assert!(half != decoder && half != encoder);
}

/// The gradient of what left block `block` at row `row` with respect to what entered the first block: its size for each
/// row.
fn reach(built: &Built, block: usize, row: usize) -> Vec<f32> {
    let leaf = Leaf::new("embeddings");
    let numbers: Vec<f32> = (0..6 * WIDTH).map(|at| ((at * 7919) % 97) as f32 / 48.0 - 1.0).collect();
    let embeddings = Tensor::leaf(Value::from_vec(numbers, (6, WIDTH), &Device::Cpu).unwrap(), &leaf);
    let inputs = batch_object([("embeddings".to_owned(), Content::from(embeddings))]).unwrap();
    let (layout, name) = (layout(&[6]), format!("layers.{block}.output"));
    let (layers, wanted) = (0..u32::MAX, [name.as_str()]);
    let request =
        ForwardRequest { workflow: "encode", inputs: &inputs, layout: &layout, masks: &[], layers, wanted: &wanted };
    let outputs = built.model.forward(&Call::new(CallOptions::training(3, 1, Device::Cpu)), &request).unwrap();
    let Content::Batch(outputs) = outputs.content() else { panic!("the outputs are a batch") };
    let left_nd = outputs.tensor(&name).unwrap();
    let sum = ops::sum_all(&ops::square(&ops::narrow(&left_nd, 0, row, 1).unwrap()).unwrap()).unwrap();
    let mut gradients = Gradients::default();
    backward(&sum, None, false, &mut gradients).unwrap();
    let gradient: Vec<Vec<f32>> = gradients.get(&leaf).unwrap().to_vec2().unwrap();
    gradient.into_iter().map(|row| row.into_iter().map(f32::abs).fold(0.0, f32::max)).collect()
}

#[test]
fn gradients_reach_later_rows_behind_open_groups_alone() {
    for (bits, first_open) in [("0001", 3), ("0011", 2), ("0100", 1), ("0000", 4), ("1000", 0)] {
        let built = built(true, Some(bits));
        for block in 0..4 {
            for row in [0, 3] {
                for (other, slope) in reach(&built, block, row).into_iter().enumerate() {
                    let reaches = other <= row || block >= first_open;
                    assert_eq!(slope > 0.0, reaches, "{bits}: block {block}, row {row} and {other}: {slope}");
                }
            }
        }
    }
}

#[test]
fn what_sees_later_rows_does_not_decode() {
    for bits in ["0001", "1000", "11"] {
        let built = built(true, Some(bits));
        assert!(!built.model.description().causal);
        let error = built.model.begin_decoding(&built.call(false), 2, 4).err().expect("it is refused");
        assert_eq!(error.text, "a transformer that sees what comes after cannot decode step by step");
        let help = format!("`causal_groups = \"{bits}\"` opens groups of blocks: leave it out to decode");
        assert_eq!(error.help.as_deref(), Some(help.as_str()));
    }
    let closed = built(true, Some("0000"));
    assert!(closed.model.description().causal);
    assert!(closed.model.begin_decoding(&closed.call(false), 2, 4).is_ok());
}

#[test]
fn bits_that_do_not_fit_are_refused() {
    let refusal = |causal, bits| build(40, &settings(causal, Some(bits), "rotary")).err().expect("it is refused").text;
    assert_eq!(refusal(true, "012"), "setting `causal_groups` is `012`, which is no list of bits");
    assert_eq!(refusal(true, "011"), "setting `causal_groups` is `011`, whose 3 groups cannot share 4 blocks evenly");
    assert_eq!(refusal(false, "01"), "setting `causal_groups` is `01`, and the model is not causal");
    assert_eq!(refusal(true, ""), "setting `causal_groups` is ``, which is no list of bits");
}

/// Hidden rows of a text of five, of which `pads` rows more stand on a side and are hidden as keys.
fn padded(built: &Built, left: usize, right: usize, pad: u32) -> Vec<f32> {
    let mut tokens = vec![pad; left];
    tokens.extend([5, 17, 30, 8, 21]);
    tokens.extend(vec![pad; right]);
    let total = tokens.len();
    let visible: Vec<u8> = (0..total).map(|row| u8::from((left..left + 5).contains(&row))).collect();
    let visible = Tensor::truth(Value::from_vec(visible, total, &Device::Cpu).unwrap());
    let tokens = Tensor::from_slice(&tokens, &[total], &Device::Cpu).unwrap();
    let inputs = batch_object([("tokens".to_owned(), Content::from(tokens))]).unwrap();
    let (layout, layers) = (layout(&[total]), 0..u32::MAX);
    let masks = [Object::new(Content::Mask(Mask::keys(&visible).unwrap()))];
    let request =
        ForwardRequest { workflow: "encode", inputs: &inputs, layout: &layout, masks: &masks, layers, wanted: &[] };
    let outputs = built.model.forward(&built.call(false), &request).unwrap();
    let Content::Batch(outputs) = outputs.content() else { panic!("the outputs are a batch") };
    numbers(&outputs.tensor("hidden").unwrap())[left * WIDTH..(left + 5) * WIDTH].to_vec()
}

/// Open groups do not see padding, on whichever side it stands; its ids change nothing.
#[test]
fn padding_on_either_side_changes_nothing() {
    for positions in ["rotary", "alibi"] {
        let built = build(40, &settings(true, Some("1111"), positions)).unwrap();
        let alone = padded(&built, 0, 0, 0);
        for (left, right, pad) in [(3, 0, 0), (0, 4, 0), (3, 4, 33), (0, 4, 33), (3, 0, 33)] {
            let off = alone.iter().zip(padded(&built, left, right, pad)).map(|(a, b)| (a - b).abs());
            let off = off.fold(0.0, f32::max);
            assert!(off < 1e-5, "{positions}, {left} before and {right} behind: off by {off}");
        }
        assert_eq!(padded(&built, 3, 4, 0), padded(&built, 3, 4, 33), "{positions}");
    }
}
