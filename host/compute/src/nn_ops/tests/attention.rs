//! Attention against finite differences, the unfused form and itself under padding and packing.

use philox::Key;

use super::super::{attention, attention_maps};
use crate::layout::{Layout, pad, rows};
use crate::mask::{Mask, alibi_slopes};
use crate::testing::{check_gradient, check_same, device, numbers, random};
use crate::{Tensor, Value};
use candle_core::DType as Kind;

fn ragged() -> Layout {
    Layout::new(&[3, 0, 5, 1], &[4, 5, 6, 7]).unwrap()
}

fn truth(bytes: &[u8], shape: &[usize]) -> Tensor {
    Tensor::truth(Value::from_slice(bytes, shape, &device()).unwrap())
}

/// Masks for the ragged layout and two heads.
fn masks() -> Vec<Mask> {
    let keys = Mask::keys(&truth(&[1, 0, 1, 1, 1, 0, 0, 1, 1], &[9])).unwrap();
    let pairs: Vec<u8> = (0..50).map(|i| u8::from(i % 3 != 0)).collect();
    let dense = Mask::dense(&truth(&pairs, &[1, 2, 5, 5])).unwrap();
    let blind: Vec<u8> = (0..25).map(|i| u8::from(i >= 5)).collect();
    vec![
        Mask::full(),
        Mask::causal(),
        Mask::prefix(vec![2, 0, 3, 1]),
        Mask::window(1, 1),
        keys.clone(),
        dense,
        Mask::dense(&truth(&blind, &[1, 1, 5, 5])).unwrap(),
        Mask::alibi(alibi_slopes(2)),
        keys.and(&Mask::causal()).and(&Mask::alibi(alibi_slopes(2))),
    ]
}

fn qkv(n: usize, m: usize, heads: usize, key_heads: usize) -> [Value; 3] {
    [random(&[n, heads, 4], 1), random(&[m, key_heads, 4], 2), random(&[m, key_heads, 3], 3)]
}

#[test]
fn every_mask_against_finite_differences_and_the_unfused_form() {
    let layout = ragged();
    for mask in masks() {
        for (heads, key_heads) in [(2, 2), (2, 1)] {
            for dropout in [None, Some((0.3, Key::root(1)))] {
                let name = format!("attention, {} {dropout:?}", mask.describe());
                let inputs = qkv(9, 9, heads, key_heads);
                let fused = |x: &[Tensor]| attention(&x[0], &x[1], &x[2], &layout, &layout, &mask, 0.5, dropout);
                let unfused =
                    |x: &[Tensor]| Ok(attention_maps(&x[0], &x[1], &x[2], &layout, &layout, &mask, 0.5, dropout)?.0);
                check_gradient(&name, &inputs, fused);
                check_same(&name, &inputs, 1e-10, fused, unfused);
                for (kind, tolerance) in [(Kind::F32, 2e-5), (Kind::BF16, 5e-2)] {
                    let cast: Vec<Value> = inputs.iter().map(|input| input.to_dtype(kind).unwrap()).collect();
                    check_same(&name, &cast, tolerance, fused, unfused);
                }
            }
        }
    }
}

#[test]
fn long_segments_take_several_tiles() {
    let layout = Layout::new(&[1100, 70], &[1, 2]).unwrap();
    let inputs: Vec<Value> = qkv(1170, 1170, 2, 1).iter().map(|x| x.to_dtype(Kind::F32).unwrap()).collect();
    for mask in [Mask::full(), Mask::causal(), Mask::window(40, 0)] {
        check_same(
            &mask.describe(),
            &inputs,
            5e-5,
            |x| attention(&x[0], &x[1], &x[2], &layout, &layout, &mask, 0.5, None),
            |x| Ok(attention_maps(&x[0], &x[1], &x[2], &layout, &layout, &mask, 0.5, None)?.0),
        );
    }
}

#[test]
fn biases_get_their_gradient() {
    let layout = ragged();
    for shape in [[4, 2, 5, 5], [1, 2, 5, 5], [1, 1, 1, 5], [4, 1, 6, 7]] {
        let mut inputs = qkv(9, 9, 2, 1).to_vec();
        inputs.push(random(&shape, 9));
        let fused = |x: &[Tensor]| {
            let mask = Mask::bias(&x[3])?.and(&Mask::causal());
            attention(&x[0], &x[1], &x[2], &layout, &layout, &mask, 0.5, None)
        };
        check_gradient("attention with a bias", &inputs, fused);
        check_same("attention with a bias", &inputs, 1e-10, fused, |x| {
            let mask = Mask::bias(&x[3])?.and(&Mask::causal());
            Ok(attention_maps(&x[0], &x[1], &x[2], &layout, &layout, &mask, 0.5, None)?.0)
        });
    }
}

#[test]
fn cross_attention_has_two_layouts() {
    let (queries, keys) = (Layout::new(&[2, 1, 3], &[1, 2, 3]).unwrap(), Layout::new(&[4, 2, 0], &[1, 2, 3]).unwrap());
    let inputs = qkv(6, 6, 2, 2);
    check_gradient("cross attention", &inputs, |x| {
        attention(&x[0], &x[1], &x[2], &queries, &keys, &Mask::full(), 1.0, None)
    });
    let x: Vec<Tensor> = inputs.iter().map(|x| Tensor::constant(x.clone())).collect();
    let output = numbers(attention(&x[0], &x[1], &x[2], &queries, &keys, &Mask::full(), 1.0, None).unwrap().value());
    assert!(output[18..].iter().all(|x| *x == 0.0), "queries without keys give zeros");
    assert!(output[..18].iter().all(|x| x.is_finite() && *x != 0.0));
}

#[test]
fn a_query_that_sees_nothing_gives_zeros_and_finite_gradients() {
    let layout = Layout::new(&[3], &[0]).unwrap();
    let mask = Mask::keys(&truth(&[0, 0, 0], &[3])).unwrap();
    let inputs = qkv(3, 3, 2, 2);
    for fused in [true, false] {
        check_gradient("blind", &inputs, |x| {
            let y = if fused {
                attention(&x[0], &x[1], &x[2], &layout, &layout, &mask, 1.0, None)?
            } else {
                attention_maps(&x[0], &x[1], &x[2], &layout, &layout, &mask, 1.0, None)?.0
            };
            assert!(numbers(y.value()).iter().all(|x| *x == 0.0));
            Ok(y)
        });
    }
}

#[test]
fn packing_padding_and_splitting_change_nothing() {
    let layout = ragged();
    let dropout = Some((0.2, Key::root(9)));
    let x: Vec<Tensor> = qkv(9, 9, 2, 1).iter().map(|x| Tensor::constant(x.clone())).collect();
    let mask = Mask::causal().and(&Mask::alibi(alibi_slopes(2)));
    let packed = numbers(attention(&x[0], &x[1], &x[2], &layout, &layout, &mask, 0.5, dropout).unwrap().value());
    // Each segment alone.
    for (segment, length) in layout.lengths().enumerate() {
        let start = layout.offsets()[segment];
        let alone = Layout::new(&[length], &[layout.row_keys()[segment]]).unwrap();
        let part: Vec<Tensor> =
            x.iter().map(|x| Tensor::constant(x.value().narrow(0, start, length).unwrap())).collect();
        let found =
            numbers(attention(&part[0], &part[1], &part[2], &alone, &alone, &mask, 0.5, dropout).unwrap().value());
        crate::testing::compare("alone", &found, &packed[start * 6..(start + length) * 6], 1e-12);
    }
    // Padded to five rows each, with a mask over keys.
    let wide = Layout::new(&[5; 4], layout.row_keys()).unwrap();
    let padded: Vec<Tensor> = x
        .iter()
        .map(|x| {
            let filled = pad(x, &layout, 7.5).unwrap();
            Tensor::constant(filled.value().flatten(0, 1).unwrap())
        })
        .collect();
    let real: Vec<u8> = layout.lengths().flat_map(|length| (0..5).map(move |place| u8::from(place < length))).collect();
    let mask = mask.and(&Mask::keys(&truth(&real, &[20])).unwrap());
    let output = attention(&padded[0], &padded[1], &padded[2], &wide, &wide, &mask, 0.5, dropout).unwrap();
    let output = Tensor::constant(output.value().reshape((4, 5, 2, 3)).unwrap());
    crate::testing::compare("padded", &numbers(rows(&output, &layout).unwrap().value()), &packed, 1e-12);
}

#[test]
fn one_more_query_at_the_end_sees_what_the_whole_saw() {
    let (whole, last) =
        (Layout::new(&[4], &[1]).unwrap(), Layout::new(&[1], &[1]).unwrap().with_positions(vec![3]).unwrap());
    let x: Vec<Tensor> = qkv(4, 4, 2, 2).iter().map(|x| Tensor::constant(x.clone())).collect();
    let mask = Mask::causal().and(&Mask::window(2, 0)).and(&Mask::alibi(alibi_slopes(2)));
    let all = numbers(attention(&x[0], &x[1], &x[2], &whole, &whole, &mask, 0.5, None).unwrap().value());
    let q = Tensor::constant(x[0].value().narrow(0, 3, 1).unwrap());
    let step = numbers(attention(&q, &x[1], &x[2], &last, &whole, &mask, 0.5, None).unwrap().value());
    crate::testing::compare("last query", &step, &all[18..], 1e-12);
}

#[test]
fn maps_are_probabilities() {
    let layout = ragged();
    let inputs = qkv(9, 9, 2, 1);
    check_gradient("maps", &inputs[..2], |x| {
        let v = Tensor::constant(inputs[2].clone());
        Ok(attention_maps(&x[0], &x[1], &v, &layout, &layout, &Mask::causal(), 0.5, None)?.1)
    });
    let x: Vec<Tensor> = inputs.iter().map(|x| Tensor::constant(x.clone())).collect();
    let (_, maps) = attention_maps(&x[0], &x[1], &x[2], &layout, &layout, &Mask::causal(), 0.5, None).unwrap();
    assert_eq!(maps.dims(), [4, 2, 5, 5]);
    let sums = numbers(&maps.value().sum(3).unwrap());
    let expected = [1., 1., 1., 0., 0., 1., 1., 1., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.];
    crate::testing::compare("sums of maps", &sums[..20], &expected, 1e-12);
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let layout = ragged();
    let x: Vec<Tensor> = qkv(9, 9, 2, 2).iter().map(|x| Tensor::constant(x.clone())).collect();
    let short = Tensor::constant(random(&[8, 2, 4], 1));
    let narrow = Tensor::constant(random(&[9, 2, 3], 1));
    let three = Tensor::constant(random(&[9, 3, 4], 1));
    let call = |q: &Tensor, k: &Tensor, v: &Tensor, rate: f64| {
        attention(q, k, v, &layout, &layout, &Mask::full(), 1.0, Some((rate, Key::root(0)))).unwrap_err().to_string()
    };
    assert!(call(&short, &x[1], &x[2], 0.0).contains("[8, 2, 4]"));
    assert!(call(&narrow, &x[1], &x[2], 0.0).contains("[9, 2, 3]"));
    assert!(call(&three, &x[1], &x[2], 0.0).contains("[9, 3, 4]"));
    assert!(call(&x[0], &x[1], &x[2], 1.0).contains("rate 1"));
}
