//! Where the library below gives wrong values or gradients, or none, these operations give the right ones.
//!
//! One test for each row of the table of faults of candle 0.11.1; values against loops written out here, gradients against
//! finite differences in f64 at batch 2 or more, strided, broadcast and used twice.
#![allow(clippy::unwrap_used, reason = "tests")]

use compute::layout::Layout;
use compute::mask::Mask;
use compute::ops::{self, *};
use compute::spatial::{self, Conv, Pool};
use compute::testing::{check_gradient, compare, numbers, positive, random, strided};
use compute::{Device, Gradients, Leaf, Tensor, Value, backward, nn_ops};

fn constant(value: &Value) -> Tensor {
    Tensor::constant(value.clone())
}

fn f64s(numbers: &[f64], shape: &[usize]) -> Value {
    Value::from_slice(numbers, shape, &Device::Cpu).unwrap()
}

fn gradient_of(x: &Value, call: impl Fn(&Tensor) -> compute::Result<Tensor>) -> Vec<f64> {
    let leaf = Leaf::new("x");
    let mut gradients = Gradients::default();
    backward(&sum_all(&call(&Tensor::leaf(x.clone(), &leaf)).unwrap()).unwrap(), None, false, &mut gradients).unwrap();
    numbers(gradients.get(&leaf).unwrap())
}

/// Fused softmax, layer norm with bias, RMS norm and rotary embedding cut the gradient without a word.
#[test]
fn fused_operations_carry_gradients() {
    let x = random(&[2, 3, 8], 1);
    check_gradient("softmax", std::slice::from_ref(&x), |x| nn_ops::softmax(&x[0]));
    check_gradient("log_softmax", std::slice::from_ref(&x), |x| nn_ops::log_softmax(&x[0]));
    let (weight, bias) = (positive(&[8], 2), random(&[8], 3));
    check_gradient("layer_norm", &[x.clone(), weight.clone(), bias], |x| {
        nn_ops::layer_norm(&x[0], Some(&x[1]), Some(&x[2]), 1e-5)
    });
    check_gradient("rms_norm", &[x.clone(), weight], |x| nn_ops::rms_norm(&x[0], Some(&x[1]), 1e-6));
    for interleaved in [false, true] {
        check_gradient("rotary", std::slice::from_ref(&x), |x| {
            nn_ops::rotary(&x[0], &[0, 5], 10_000.0, interleaved, 8)
        });
    }
}

/// Fused attention has no gradient.
#[test]
fn attention_carries_gradients() {
    let layout = Layout::new(&[2, 3], &[1, 2]).unwrap();
    let inputs = [random(&[5, 2, 4], 1), random(&[5, 1, 4], 2), random(&[5, 1, 3], 3)];
    for mask in [Mask::full(), Mask::causal()] {
        check_gradient("attention", &inputs, |x| {
            nn_ops::attention(&x[0], &x[1], &x[2], &layout, &layout, &mask, 0.5, None)
        });
    }
}

/// The convolution of `[b, c, l]` with `[o, c, k]`, written out.
fn conv1d_by_loops(x: &Value, weight: &Value, stride: usize, padding: usize) -> Vec<f64> {
    let (&[batch, channels, length], &[outputs, _, taps]) = (x.dims(), weight.dims()) else { panic!("ranks") };
    let (x, weight) = (numbers(x), numbers(weight));
    let steps = (length + 2 * padding - taps) / stride + 1;
    let mut out = vec![0.0; batch * outputs * steps];
    for (at, out) in out.iter_mut().enumerate() {
        let (b, o, step) = (at / (outputs * steps), at / steps % outputs, at % steps);
        for c in 0..channels {
            for tap in 0..taps {
                let Some(place) = (step * stride + tap).checked_sub(padding).filter(|place| *place < length) else {
                    continue;
                };
                *out += x[(b * channels + c) * length + place] * weight[(o * channels + c) * taps + tap];
            }
        }
    }
    out
}

/// conv1d: wrong values with a kernel that is not contiguous; wrong gradients at batch above 1.
#[test]
fn conv1d_with_strided_kernels_and_batches() {
    for (length, stride, padding) in [(7, 1, 0), (8, 2, 0), (7, 2, 1), (9, 3, 2)] {
        let (x, weight) = (random(&[2, 3, length], 1), random(&[4, 3, 3], 2));
        let conv = Conv { stride: [stride], padding: [padding], ..Conv::default() };
        let expected = conv1d_by_loops(&x, &weight, stride, padding);
        for kernel in [weight.clone(), strided(&weight)] {
            let found = spatial::conv1d(&constant(&x), &constant(&kernel), None, conv).unwrap();
            compare("conv1d", &numbers(found.value()), &expected, 1e-12);
        }
        check_gradient("conv1d", &[x, weight], |x| spatial::conv1d(&x[0], &x[1], None, conv));
    }
}

/// conv_transpose1d: wrong values for batch above 1 at padding 0; no gradient.
#[test]
fn conv_transpose1d_of_a_batch() {
    for (stride, padding) in [(1, 0), (2, 0), (2, 1)] {
        let (x, weight) = (random(&[2, 3, 4], 1), random(&[3, 2, 3], 2));
        let conv = Conv { stride: [stride], padding: [padding], ..Conv::default() };
        let length = 3 * stride + 3;
        let (xs, ws) = (numbers(&x), numbers(&weight));
        let mut whole = vec![0.0; 2 * 2 * length];
        for (at, x) in xs.iter().enumerate() {
            let (b, c, step) = (at / 12, at / 4 % 3, at % 4);
            for o in 0..2 {
                for tap in 0..3 {
                    whole[(b * 2 + o) * length + step * stride + tap] += x * ws[(c * 2 + o) * 3 + tap];
                }
            }
        }
        let cut = |line: &[f64]| line[padding..length - padding].to_vec();
        let expected: Vec<f64> = whole.chunks(length).flat_map(cut).collect();
        let found = spatial::conv_transpose1d(&constant(&x), &constant(&weight), None, conv, [0]).unwrap();
        compare("conv_transpose1d", &numbers(found.value()), &expected, 1e-12);
        check_gradient("conv_transpose1d", &[x, weight], |x| spatial::conv_transpose1d(&x[0], &x[1], None, conv, [0]));
    }
}

/// conv2d: an error in backward when the rows left over differ between height and width.
#[test]
fn conv2d_with_uneven_left_overs() {
    let conv = Conv { stride: [2, 2], ..Conv::default() };
    check_gradient("conv2d", &[random(&[2, 2, 5, 6], 1), random(&[3, 2, 3, 3], 2)], |x| {
        spatial::conv2d(&x[0], &x[1], None, conv)
    });
}

/// conv_transpose2d and depthwise convolutions are right below; they are right here.
#[test]
fn conv_transpose2d_and_depthwise() {
    let conv = Conv { stride: [2, 1], padding: [1, 0], ..Conv::default() };
    check_gradient("conv_transpose2d", &[random(&[2, 2, 3, 3], 1), random(&[2, 2, 3, 2], 2)], |x| {
        spatial::conv_transpose2d(&x[0], &x[1], None, conv, [0, 0])
    });
    let depthwise = Conv { padding: [1], groups: 4, ..Conv::default() };
    check_gradient("depthwise", &[random(&[2, 4, 5], 1), random(&[4, 1, 3], 2)], |x| {
        spatial::conv1d(&x[0], &x[1], None, depthwise)
    });
}

/// max_pool2d: the gradient four times too small for 2 × 2, and an error where kernel and stride differ.
#[test]
fn max_pool2d_gives_the_whole_gradient() {
    let x = random(&[2, 2, 4, 4], 1);
    assert_eq!(gradient_of(&x, |x| spatial::max_pool2d(x, Pool::new([2, 2]))).iter().sum::<f64>(), 16.0);
    let overlapping = Pool { kernel: [3, 3], stride: [1, 2], padding: [1, 1] };
    check_gradient("max_pool2d", std::slice::from_ref(&x), |x| spatial::max_pool2d(&x[0], Pool::new([2, 2])));
    check_gradient("max_pool2d", &[x], |x| spatial::max_pool2d(&x[0], overlapping));
}

/// avg_pool2d: an error in backward where kernel and stride differ.
#[test]
fn avg_pool2d_with_kernel_unlike_stride() {
    let pool = Pool { kernel: [3, 2], stride: [2, 1], padding: [0, 0] };
    check_gradient("avg_pool2d", &[random(&[2, 2, 5, 4], 1)], |x| spatial::avg_pool2d(&x[0], pool, false));
}

/// Nearest up-sampling overwrites what other uses of its input gave; bilinear has no gradient.
#[test]
fn up_sampling_adds_to_other_gradients() {
    let x = random(&[2, 1, 2, 3], 1);
    let skip = |x: &Tensor| add(&sum_all(&spatial::upsample_nearest2d(x, [4, 6])?)?, &sum_all(&mul_scalar(x, 10.0)?)?);
    assert_eq!(gradient_of(&x, skip), [14.0; 12]);
    check_gradient("upsample_nearest1d", &[random(&[2, 2, 3], 2)], |x| spatial::upsample_nearest1d(&x[0], [7]));
    check_gradient("upsample_nearest2d", std::slice::from_ref(&x), |x| spatial::upsample_nearest2d(&x[0], [5, 7]));
    for align_corners in [false, true] {
        check_gradient("upsample_bilinear", std::slice::from_ref(&x), |x| {
            spatial::upsample_bilinear(&x[0], [5, 4], align_corners)
        });
    }
}

/// scatter: the base keeps a gradient at overwritten places. scatter_add: an error where shapes differ, else the base loses its own.
#[test]
fn scatter_and_scatter_add() {
    let indices = Tensor::from_slice(&[1u32, 0, 1, 2, 2, 0], &[2, 3], &Device::Cpu).unwrap();
    let (base, source) = (random(&[2, 4], 1), random(&[2, 3], 2));
    assert_eq!(
        gradient_of(&base, |base| scatter(base, 1, &indices, &constant(&source))),
        [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    );
    assert_eq!(gradient_of(&base, |base| scatter_add(base, 1, &indices, &constant(&source))), [1.0; 8]);
    // Of two that meet the first is lost, and so is its gradient.
    assert_eq!(
        gradient_of(&source, |source| scatter(&constant(&base), 1, &indices, source)),
        [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    );
    check_gradient("scatter", &[base.clone(), source.clone()], |x| scatter(&x[0], 1, &indices, &x[1]));
    check_gradient("scatter_add", &[base, source], |x| scatter_add(&x[0], 1, &indices, &x[1]));
}

/// unfold: an error in backward where windows overlap.
#[test]
fn unfold_with_overlap() {
    assert_eq!(gradient_of(&random(&[5], 1), |x| unfold(x, 0, 3, 1)), [1.0, 2.0, 3.0, 2.0, 1.0]);
    check_gradient("unfold", &[random(&[2, 5, 2], 1)], |x| unfold(&x[0], 1, 3, 1));
}

/// max and min: the whole gradient to each of equal entries. abs: gradient 1 at 0. sqrt: infinite at 0, here too, by its definition.
#[test]
fn ties_and_zeros() {
    let ties = f64s(&[2.0, 2.0, 1.0, 3.0, 3.0, 3.0], &[2, 3]);
    assert_eq!(gradient_of(&ties, |x| max(x, &[1], false)), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    assert_eq!(gradient_of(&ties, |x| min(x, &[1], false)), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(gradient_of(&f64s(&[0.0, -2.0, 2.0], &[3]), ops::abs), [0.0, -1.0, 1.0]);
    assert_eq!(gradient_of(&f64s(&[0.0], &[1]), ops::sqrt), [f64::INFINITY]);
    assert_eq!(gradient_of(&f64s(&[0.0], &[1]), |x| ops::sqrt(&add_scalar(x, 0.25)?)), [1.0]);
}

/// round, floor, sign, argmax: constants, and the straight-through form works; ceil in a graph is no error.
#[test]
fn steps_are_constants() {
    let leaf = Leaf::new("x");
    let x = Tensor::leaf(f64s(&[0.4, 1.6], &[2]), &leaf);
    for step in [ops::round(&x), ops::floor(&x), ops::ceil(&x), sign(&x), argmax(&x, 0, false)] {
        assert!(!step.unwrap().needs_gradient());
    }
    let through = |x: &Tensor| mul(&add(x, &sub(&ops::round(x)?, x)?.stop_gradient())?, x);
    assert_eq!(gradient_of(x.value(), through), [0.4, 2.0 + 1.6]);
}

/// var: unbiased only. Here the caller says which, and must.
#[test]
fn both_variances() {
    let x = constant(&f64s(&[1.0, 2.0, 3.0, 4.0], &[4]));
    assert_eq!(numbers(variance(&x, &[], false, false).unwrap().value()), [1.25]);
    compare("unbiased", &numbers(variance(&x, &[], true, false).unwrap().value()), &[5.0 / 3.0], 1e-15);
}

/// arg_sort: needs contiguous input, unstable on ties.
#[test]
fn sorting_strided_ties() {
    let x = f64s(&[1.0, 0.0, 1.0, 0.0, 1.0, 0.0], &[2, 3]);
    for input in [x.clone(), strided(&x)] {
        let places = argsort(&constant(&input), 1, true).unwrap();
        assert_eq!(numbers(places.value()), [0.0, 2.0, 1.0, 1.0, 0.0, 2.0]);
    }
    // Thirty-three equal numbers: more than what an unstable sort leaves alone.
    let equal = constant(&f64s(&[1.0; 33], &[33]));
    let ascending: Vec<f64> = (0..33).map(f64::from).collect();
    assert_eq!(numbers(argsort(&equal, 0, false).unwrap().value()), ascending);
    assert_eq!(numbers(argsort(&equal, 0, true).unwrap().value()), ascending);
    check_gradient("sort", &[f64s(&[3.0, 1.0, 2.0, 0.5, 4.0, 2.5], &[2, 3])], |x| Ok(sort(&x[0], 1, true)?.0));
}

/// cumsum: a product with a matrix of quadratic size. A length whose square no memory holds.
#[test]
fn cumsum_in_linear_time() {
    let count = 2_000_000;
    let ones = Value::ones(count, compute::DType::F32.candle(), &Device::Cpu).unwrap();
    let sums = cumsum(&constant(&ones), 0).unwrap();
    assert_eq!(numbers(sums.value())[count - 1], count as f64);
}

/// A turned batch on the left with one right side for all is folded into rows as if it lay in order.
#[test]
fn products_of_turned_batches() {
    check_gradient("matmul", &[random(&[2, 3, 3], 1), random(&[3, 3], 2)], |x| {
        matmul(&transpose(&x[0], 1, 2)?, &expand(&x[1], &[2, 3, 3])?)
    });
}
