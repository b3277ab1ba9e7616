//! Every fused operation against finite differences and against its written-out reference.
#![allow(clippy::unwrap_used, reason = "tests")]

mod attention;
mod ctc;

use candle_core::DType as Kind;
use philox::Key;

use super::{
    Activation, BatchNorm, IGNORE, batch_norm, cross_entropy, dropout, embedding, glu, group_norm, layer_norm,
    layer_norm_residual, linear, linear_cross_entropy, log_softmax, reference, rms_norm, rms_norm_residual, rotary,
    soft_cross_entropy, softmax,
};
use crate::layout::Layout;
use crate::ops::{add, mul_scalar};
use crate::testing::{check_gradient, check_same, device, numbers, random, widest};
use crate::{Result, Tensor, Value};

const ACTIVATIONS: [Activation; 6] =
    [Activation::None, Activation::Relu, Activation::Gelu, Activation::GeluTanh, Activation::Silu, Activation::Sigmoid];

/// Finite differences, then value and gradient against the reference in f64, f32 and bf16.
fn hold(
    name: &str,
    inputs: &[Value],
    function: impl Fn(&[Tensor]) -> Result<Tensor>,
    reference: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    check_gradient(name, inputs, &function);
    let kinds = [(Kind::F64, 1e-10), (Kind::F32, 2e-5), (Kind::BF16, 4e-2)];
    for (kind, tolerance) in kinds.into_iter().filter(|(kind, _)| *kind != Kind::F64 || widest() == Kind::F64) {
        let cast: Vec<Value> = inputs.iter().map(|input| input.to_dtype(kind).unwrap()).collect();
        check_same(&format!("{name} {kind:?}"), &cast, tolerance, &function, &reference);
    }
}

fn ids(list: &[i64]) -> Tensor {
    Tensor::from_slice(list, &[list.len()], &device()).unwrap()
}

#[test]
fn softmax_and_log_softmax() {
    for shape in [&[3, 5][..], &[2, 3, 37], &[4, 1], &[7]] {
        hold("softmax", &[random(shape, 1)], |x| softmax(&x[0]), |x| reference::softmax(&x[0]));
        hold("log_softmax", &[random(shape, 2)], |x| log_softmax(&x[0]), |x| reference::log_softmax(&x[0]));
    }
    let huge = Tensor::constant(Value::new(&[[1000.0_f32, -1000.0, f32::NEG_INFINITY]], &device()).unwrap());
    assert_eq!(numbers(softmax(&huge).unwrap().value()), [1.0, 0.0, 0.0]);
    assert!(numbers(softmax(&Tensor::constant(random(&[0, 4], 1))).unwrap().value()).is_empty());
    let nan = Tensor::constant(Value::new(&[1.0_f32, f32::NAN, 0.0], &device()).unwrap());
    assert!(numbers(softmax(&nan).unwrap().value()).iter().all(|p| p.is_nan()));
    assert!(softmax(&Tensor::constant(Value::new(1.0_f32, &device()).unwrap())).is_err());
}

#[test]
fn norms_over_the_last_axis() {
    for shape in [&[3, 5][..], &[2, 3, 33]] {
        let width = *shape.last().unwrap();
        let inputs = [random(shape, 1), random(&[width], 2), random(&[width], 3), random(shape, 4)];
        hold(
            "layer_norm",
            &inputs[..3],
            |x| layer_norm(&x[0], Some(&x[1]), Some(&x[2]), 1e-5),
            |x| Ok(reference::normalise(&x[0], None, Some(&x[1]), Some(&x[2]), 1e-5, true)?.0),
        );
        hold(
            "layer_norm, bias only",
            &[inputs[0].clone(), inputs[2].clone()],
            |x| layer_norm(&x[0], None, Some(&x[1]), 1e-5),
            |x| Ok(reference::normalise(&x[0], None, None, Some(&x[1]), 1e-5, true)?.0),
        );
        hold(
            "rms_norm",
            &inputs[..2],
            |x| rms_norm(&x[0], Some(&x[1]), 1e-6),
            |x| Ok(reference::normalise(&x[0], None, Some(&x[1]), None, 1e-6, false)?.0),
        );
        let both = |(normed, sum): (Tensor, Tensor)| add(&normed, &mul_scalar(&sum, 0.3)?);
        hold(
            "layer_norm_residual",
            &inputs,
            |x| both(layer_norm_residual(&x[0], &x[3], Some(&x[1]), Some(&x[2]), 1e-5)?),
            |x| both(reference::normalise(&x[0], Some(&x[3]), Some(&x[1]), Some(&x[2]), 1e-5, true)?),
        );
        hold(
            "rms_norm_residual",
            &[inputs[0].clone(), inputs[3].clone()],
            |x| both(rms_norm_residual(&x[0], &x[1], None, 1e-6)?),
            |x| both(reference::normalise(&x[0], Some(&x[1]), None, None, 1e-6, false)?),
        );
        check_gradient("the sum alone", &[inputs[0].clone(), inputs[3].clone()], |x| {
            Ok(rms_norm_residual(&x[0], &x[1], None, 1e-6)?.1)
        });
        check_gradient("the norm alone", &[inputs[0].clone(), inputs[3].clone()], |x| {
            Ok(rms_norm_residual(&x[0], &x[1], None, 1e-6)?.0)
        });
    }
    let (x, w) = (Tensor::constant(random(&[2, 4], 1)), Tensor::constant(random(&[5], 1)));
    let error = layer_norm(&x, Some(&w), None, 1e-5).unwrap_err().to_string();
    assert!(error.contains("[5]") && error.contains("[2, 4]"), "{error}");
    assert!(layer_norm_residual(&x, &w, None, None, 1e-5).is_err());
}

#[test]
fn norms_of_channels() {
    let buffers = (random(&[3], 8), random(&[3], 9).sqr().unwrap());
    let settings = |training| BatchNorm {
        running_mean: &buffers.0,
        running_variance: &buffers.1,
        training,
        momentum: 0.1,
        eps: 1e-5,
    };
    for shape in [&[4, 3][..], &[2, 3, 5], &[2, 3, 2, 4]] {
        let inputs = [random(shape, 1), random(&[3], 2), random(&[3], 3)];
        for training in [true, false] {
            check_gradient("batch_norm", &inputs, |x| {
                Ok(batch_norm(&x[0], Some(&x[1]), Some(&x[2]), &settings(training))?.0)
            });
        }
        let normed = |x: &[Tensor]| Ok(batch_norm(&x[0], None, None, &settings(true))?.0);
        check_same("batch_norm", &inputs[..1], 1e-10, normed, |x| reference::batch_standardise(&x[0], 1e-5));
        check_gradient("group_norm", &[random(&[2, 6, 3], 1), random(&[6], 2), random(&[6], 3)], |x| {
            group_norm(&x[0], 2, Some(&x[1]), Some(&x[2]), 1e-5)
        });
    }
    // Two values a channel: mean 2, biased variance 1, unbiased 2.
    let x = Tensor::constant(Value::new(&[[1.0_f64, 1.0, 1.0], [3.0, 3.0, 3.0]], &device()).unwrap());
    let zero = Value::zeros(3, Kind::F64, &device()).unwrap();
    let fresh = BatchNorm { running_mean: &zero, running_variance: &zero, training: true, momentum: 0.25, eps: 0.0 };
    let (y, mean, variance) = batch_norm(&x, None, None, &fresh).unwrap();
    assert_eq!(numbers(y.value()), [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]);
    assert_eq!((numbers(&mean)[0], numbers(&variance)[0]), (0.5, 0.5));
    assert!(batch_norm(&Tensor::constant(random(&[1, 3], 1)), None, None, &fresh).is_err());
    assert!(group_norm(&x, 2, None, None, 1e-5).is_err());
}

#[test]
fn linear_layers_with_every_epilogue() {
    for activation in ACTIVATIONS {
        for shape in [&[5, 3][..], &[2, 3, 3], &[3]] {
            let inputs = [random(shape, 1), random(&[7, 3], 2), random(&[7], 3)];
            hold(
                &format!("linear {activation:?}"),
                &inputs,
                |x| linear(&x[0], &x[1], Some(&x[2]), activation),
                |x| {
                    let rows = x[0].elements() as i64 / 3;
                    let flat = crate::ops::reshape(&x[0], &[rows, 3])?;
                    let mut shape: Vec<i64> = x[0].dims().iter().map(|length| *length as i64).collect();
                    *shape.last_mut().unwrap() = 7;
                    crate::ops::reshape(&reference::linear(&flat, &x[1], Some(&x[2]), activation)?, &shape)
                },
            );
            check_gradient("linear without bias", &inputs[..2], |x| linear(&x[0], &x[1], None, activation));
        }
        hold("glu", &[random(&[2, 3, 10], 4)], |x| glu(&x[0], activation), |x| reference::glu(&x[0], activation));
    }
    let (x, w) = (Tensor::constant(random(&[2, 4], 1)), Tensor::constant(random(&[5, 3], 1)));
    let error = linear(&x, &w, None, Activation::None).unwrap_err().to_string();
    assert!(error.contains("[2, 4]") && error.contains("[5, 3]"), "{error}");
    assert!(glu(&w, Activation::Silu).is_err());
    let none = linear(&Tensor::constant(random(&[0, 3], 1)), &w, None, Activation::Gelu).unwrap();
    assert_eq!(none.dims(), [0, 5]);
}

#[test]
fn f32_weights_beside_bf16_rows_keep_f32_gradients() {
    let leaf = crate::Leaf::new("weight");
    let weight = Tensor::leaf(random(&[4, 3], 1).to_dtype(Kind::F32).unwrap(), &leaf);
    let x = Tensor::constant(random(&[5, 3], 2).to_dtype(Kind::BF16).unwrap());
    let y = linear(&x, &weight, None, Activation::Gelu).unwrap();
    assert_eq!(y.value().dtype(), Kind::BF16);
    let mut gradients = crate::Gradients::default();
    crate::backward(&y, Some(&y.value().ones_like().unwrap()), false, &mut gradients).unwrap();
    assert_eq!(gradients.get(&leaf).unwrap().dtype(), Kind::F32);
}

#[test]
fn embeddings_sum_the_gradients_of_repeated_ids() {
    let list = ids(&[2, 0, 2, 2, 4, 1]);
    hold("embedding", &[random(&[5, 3], 1)], |x| embedding(&x[0], &list), |x| reference::embedding(&x[0], &list));
    let grid = Tensor::from_slice(&[1_u32, 0, 1, 1], &[2, 2], &device()).unwrap();
    check_gradient("embedding of a grid", &[random(&[2, 3], 1)], |x| embedding(&x[0], &grid));
    let table = Tensor::constant(random(&[5, 3], 1));
    assert_eq!(embedding(&table, &grid).unwrap().dims(), [2, 2, 3]);
    for bad in [5, -1] {
        let error = embedding(&table, &ids(&[0, bad])).unwrap_err().to_string();
        assert!(error.contains(&format!("id {bad} at place 1")) && error.contains("5 rows"), "{error}");
    }
    assert!(embedding(&table, &Tensor::constant(random(&[2], 1))).is_err());
    assert_eq!(embedding(&table, &ids(&[])).unwrap().dims(), [0, 3]);
}

#[test]
fn rotary_turns_pairs() {
    let positions = [0, 1, 2, 0, 7];
    for interleaved in [false, true] {
        for dims in [6, 4, 0] {
            let table = super::rotary::table(&positions, 100.0, dims);
            let inputs = [random(&[5, 2, 6], 1)];
            let function = |x: &[Tensor]| rotary(&x[0], &positions, 100.0, interleaved, dims);
            check_gradient("rotary", &inputs, function);
            if dims > 0 {
                hold("rotary", &inputs, function, |x| reference::rotary(&x[0], &table, interleaved, dims));
            }
        }
    }
    // Position 0 stays; scores depend on the distance of positions alone.
    let x = random(&[1, 1, 8], 1);
    let at = |position| numbers(rotary(&Tensor::constant(x.clone()), &[position], 10_000.0, false, 8).unwrap().value());
    assert_eq!(at(0), numbers(&x));
    let score = |a, b| at(a).iter().zip(at(b)).map(|(a, b)| a * b).sum::<f64>();
    assert!((score(3, 7) - score(13, 17)).abs() < 1e-12);
    let x = Tensor::constant(x);
    assert!(rotary(&x, &[0], 10_000.0, false, 3).is_err() && rotary(&x, &[0, 1], 10_000.0, false, 8).is_err());
}

#[test]
fn dropout_is_inverted_and_follows_its_rows() {
    let key = Key::root(3).stream("dropout");
    let layout = Layout::new(&[3, 2], &[8, 9]).unwrap();
    check_gradient("dropout", &[random(&[5, 7], 1)], |x| dropout(&x[0], 0.4, key, None));
    check_gradient("dropout of rows", &[random(&[5, 7], 1)], |x| dropout(&x[0], 0.4, key, Some(&layout)));
    let ones = |shape: &[usize]| Tensor::constant(Value::ones(shape, Kind::F32, &device()).unwrap());
    let many = numbers(dropout(&ones(&[100, 200]), 0.25, key, None).unwrap().value());
    let kept = many.iter().filter(|x| **x > 0.0).count() as f64 / 20_000.0;
    assert!((kept - 0.75).abs() < 0.01, "{kept}");
    assert!(many.iter().all(|x| *x == 0.0 || (*x - 4.0 / 3.0).abs() < 1e-6));
    let whole = numbers(dropout(&ones(&[5, 7]), 0.5, key, Some(&layout)).unwrap().value());
    let second = Layout::new(&[2], &[9]).unwrap();
    assert_eq!(whole[21..], numbers(dropout(&ones(&[2, 7]), 0.5, key, Some(&second)).unwrap().value()));
    assert_eq!(numbers(dropout(&ones(&[4]), 0.0, key, None).unwrap().value()), [1.0; 4]);
    assert!(dropout(&ones(&[4]), 1.0, key, None).is_err());
}

#[test]
fn cross_entropy_with_ignored_labels_and_smoothing() {
    let targets = ids(&[2, IGNORE, 0, 4, IGNORE, 2]);
    let checked = [Some(2), None, Some(0), Some(4), None, Some(2)];
    for smoothing in [0.0, 0.1, 1.0] {
        hold(
            "cross_entropy",
            &[random(&[6, 5], 1)],
            |x| cross_entropy(&x[0], &targets, IGNORE, smoothing),
            |x| reference::cross_entropy(&x[0], &checked, smoothing),
        );
        for chunk in [0, 1, 3] {
            hold(
                "linear_cross_entropy",
                &[random(&[6, 3], 1), random(&[5, 3], 2), random(&[5], 3)],
                |x| linear_cross_entropy(&x[0], &x[1], Some(&x[2]), &targets, IGNORE, smoothing, chunk),
                |x| {
                    let logits = reference::linear(
                        &crate::ops::cast(&x[0], wide(&x[0]))?,
                        &x[1],
                        Some(&x[2]),
                        Activation::None,
                    )?;
                    reference::cross_entropy(&logits, &checked, smoothing)
                },
            );
        }
    }
    check_gradient("linear_cross_entropy without bias", &[random(&[6, 3], 1), random(&[5, 3], 2)], |x| {
        linear_cross_entropy(&x[0], &x[1], None, &targets, IGNORE, 0.1, 2)
    });
    hold(
        "soft_cross_entropy",
        &[random(&[4, 5], 1), random(&[4, 5], 2)],
        |x| soft_cross_entropy(&x[0], &x[1]),
        |x| reference::soft_cross_entropy(&x[0], &x[1]),
    );
    let (logits, weight) = (Tensor::constant(random(&[2, 5], 1)), Tensor::constant(random(&[9, 5], 2)));
    let none = ids(&[IGNORE, IGNORE]);
    assert_eq!(numbers(cross_entropy(&logits, &none, IGNORE, 0.0).unwrap().value()), [0.0, 0.0]);
    assert_eq!(
        numbers(linear_cross_entropy(&logits, &weight, None, &none, IGNORE, 0.0, 0).unwrap().value()),
        [0.0, 0.0]
    );
    let error = cross_entropy(&logits, &ids(&[0, 5]), IGNORE, 0.0).unwrap_err().to_string();
    assert!(error.contains("target 5 at row 1") && error.contains("5 classes"), "{error}");
    assert!(cross_entropy(&logits, &ids(&[0]), IGNORE, 0.0).is_err());
    // Two equal logits: ln 2.
    let even = Tensor::constant(Value::new(&[[3.0_f32, 3.0]], &device()).unwrap());
    let loss = numbers(cross_entropy(&even, &ids(&[1]), IGNORE, 0.0).unwrap().value())[0];
    assert!((loss - std::f64::consts::LN_2).abs() < 1e-6);
}

#[test]
fn no_label_gives_no_gradient() {
    let leaf = crate::Leaf::new("weight");
    let weight = Tensor::leaf(random(&[4, 3], 1), &leaf);
    let hidden = Tensor::constant(random(&[2, 3], 2));
    let loss = linear_cross_entropy(&hidden, &weight, None, &ids(&[IGNORE, IGNORE]), IGNORE, 0.1, 0).unwrap();
    let mut gradients = crate::Gradients::default();
    crate::backward(&loss, Some(&loss.value().ones_like().unwrap()), false, &mut gradients).unwrap();
    assert!(numbers(gradients.get(&leaf).unwrap()).iter().all(|g| *g == 0.0));
}

fn wide(x: &Tensor) -> crate::DType {
    if x.dtype() == crate::DType::F64 { crate::DType::F64 } else { crate::DType::F32 }
}

/// Results of any pool of threads are the same bits.
#[test]
fn threads_change_nothing() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let f32s = |shape: &[usize], seed| random(shape, seed).to_dtype(Kind::F32).unwrap();
            let leaves: Vec<_> = (0..5).map(|i| crate::Leaf::new(format!("{i}"))).collect();
            let values = [f32s(&[700, 64], 1), f32s(&[96, 64], 2), f32s(&[96], 3), f32s(&[96], 4), f32s(&[500, 96], 5)];
            let x: Vec<Tensor> =
                values.iter().zip(&leaves).map(|(value, leaf)| Tensor::leaf(value.clone(), leaf)).collect();
            let targets = ids(&(0..700).map(|i| i % 500).collect::<Vec<_>>());
            let hidden = linear(&x[0], &x[1], Some(&x[2]), Activation::Gelu).unwrap();
            let normed = layer_norm(&hidden, Some(&x[3]), None, 1e-5).unwrap();
            let loss = linear_cross_entropy(&normed, &x[4], None, &targets, IGNORE, 0.1, 100).unwrap();
            let mut gradients = crate::Gradients::default();
            crate::backward(&loss, Some(&loss.value().ones_like().unwrap()), false, &mut gradients).unwrap();
            let mut all = vec![numbers(loss.value())];
            all.extend(leaves.iter().map(|leaf| numbers(gradients.get(leaf).unwrap())));
            all
        })
    };
    assert_eq!(run(1), run(4));
}
