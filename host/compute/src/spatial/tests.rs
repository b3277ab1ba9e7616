//! Spatial operations against finite differences, against PyTorch's numbers, and kernels against plain operations.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::conv_kernels::{Plan, composed, forward, input_gradient, weight_gradient};
use super::windows::Windows;
use super::*;
use crate::testing::{check_gradient, device, numbers, random};
use crate::{DType, Gradients, Leaf, backward};

fn conv(stride: [usize; 2], padding: [usize; 2], dilation: [usize; 2], groups: usize) -> Conv<2> {
    Conv { stride, padding, dilation, groups }
}

fn pool(kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Pool<2> {
    Pool { kernel, stride, padding }
}

/// The lines of `tests/golden/spatial.txt`: names and numbers.
fn golden(name: &str) -> Vec<f64> {
    let line = include_str!("../../tests/golden/spatial.txt").lines().find(|line| line.split(' ').next() == Some(name));
    line.unwrap().split(' ').skip(1).map(|number| number.parse().unwrap()).collect()
}

fn sines(shape: &[usize], phase: f64) -> Tensor {
    let count = shape.iter().product::<usize>();
    let numbers: Vec<f64> = (0..count).map(|index| (index as f64 * 0.7 + phase).sin()).collect();
    Tensor::from_slice(&numbers, shape, &device()).unwrap()
}

fn assert_golden(name: &str, tensor: Result<Tensor>, shape: &[usize]) {
    let tensor = tensor.unwrap();
    assert_eq!(tensor.dims(), shape, "{name}");
    for (index, (found, wanted)) in numbers(tensor.value()).iter().zip(golden(name)).enumerate() {
        assert!((found - wanted).abs() < 1e-8, "{name}, element {index}: {found} instead of {wanted}");
    }
    assert_eq!(tensor.elements(), golden(name).len(), "{name}");
}

#[test]
fn values_are_those_of_pytorch() {
    let (x, bias) = (sines(&[2, 4, 5, 4], 0.0), sines(&[6], 0.0));
    let weight = sines(&[6, 2, 3, 2], 0.5);
    assert_golden("conv2d", conv2d(&x, &weight, Some(&bias), conv([2, 1], [1, 2], [1, 2], 2)), &[2, 6, 3, 6]);
    let narrow = Conv { stride: [2], padding: [1], ..Conv::default() };
    assert_golden("conv1d", conv1d(&sines(&[2, 3, 8], 0.0), &sines(&[4, 3, 3], 0.5), None, narrow), &[2, 4, 4]);
    let weight = sines(&[4, 3, 3, 2], 0.5);
    let up = conv_transpose2d(&x, &weight, Some(&bias), conv([2, 3], [1, 0], [1, 1], 2), [1, 2]);
    assert_golden("conv_transpose2d", up, &[2, 6, 10, 13]);
    let up = Conv { stride: [2], padding: [1], dilation: [2], groups: 1 };
    let (x1, w1) = (sines(&[2, 3, 5], 0.0), sines(&[3, 2, 4], 0.5));
    assert_golden("conv_transpose1d", conv_transpose1d(&x1, &w1, None, up, [0]), &[2, 2, 13]);
    let windows = pool([3, 2], [2, 1], [1, 1]);
    assert_golden("max_pool2d", max_pool2d(&x, windows), &[2, 4, 3, 5]);
    assert_golden("avg_pool2d_counted", avg_pool2d(&x, windows, true), &[2, 4, 3, 5]);
    assert_golden("avg_pool2d", avg_pool2d(&x, windows, false), &[2, 4, 3, 5]);
    assert_golden("adaptive_avg_pool2d", adaptive_avg_pool2d(&x, [3, 3]), &[2, 4, 3, 3]);
    assert_golden("upsample_nearest2d", upsample_nearest2d(&x, [7, 3]), &[2, 4, 7, 3]);
    assert_golden("upsample_bilinear", upsample_bilinear(&x, [7, 3], false), &[2, 4, 7, 3]);
    assert_golden("upsample_bilinear_corners", upsample_bilinear(&x, [7, 3], true), &[2, 4, 7, 3]);
    assert_golden("upsample_linear", upsample_linear(&x1, [13], false), &[2, 3, 13]);
}

#[test]
fn gradients_of_convolutions() {
    // Input [h, w], kernel, options: plain, strided with frames left over, dilated and padded, grouped, depthwise, 1 × 1.
    let cases = [
        ([5, 6], [3, 2], conv([1, 1], [0, 0], [1, 1], 1)),
        ([6, 7], [3, 3], conv([2, 2], [1, 0], [1, 1], 1)),
        ([6, 8], [2, 3], conv([2, 3], [1, 2], [2, 1], 2)),
        ([5, 7], [3, 2], conv([1, 2], [2, 0], [1, 3], 4)),
        ([5, 5], [2, 3], conv([1, 1], [0, 1], [1, 1], 4)),
        ([4, 3], [1, 1], conv([1, 1], [0, 0], [1, 1], 2)),
    ];
    for (case, (size, kernel, options)) in cases.into_iter().enumerate() {
        let x = random(&[2, 4, size[0], size[1]], 1);
        let weight = random(&[8, 4 / options.groups, kernel[0], kernel[1]], 2);
        let name = format!("conv2d case {case}");
        check_gradient(&name, &[x.clone(), weight, random(&[8], 3)], |t| conv2d(&t[0], &t[1], Some(&t[2]), options));
        let weight = random(&[4, 8 / options.groups, kernel[0], kernel[1]], 4);
        let extra = [options.stride[0] - 1, options.stride[1] - 1];
        let name = format!("conv_transpose2d case {case}");
        check_gradient(&name, &[x, weight], |t| conv_transpose2d(&t[0], &t[1], None, options, extra));
    }
}

#[test]
fn gradients_over_one_axis() {
    for (length, stride, padding, dilation, groups) in
        [(7, 1, 0, 1, 1), (8, 2, 0, 1, 1), (9, 3, 2, 1, 1), (9, 2, 1, 2, 2), (8, 2, 1, 1, 4)]
    {
        let options = Conv { stride: [stride], padding: [padding], dilation: [dilation], groups };
        let x = random(&[3, 4, length], 5);
        let inputs = [x.clone(), random(&[4, 4 / groups, 3], 6), random(&[4], 7)];
        check_gradient("conv1d", &inputs, |t| conv1d(&t[0], &t[1], Some(&t[2]), options));
        check_gradient("conv_transpose1d", &[x, random(&[4, 4 / groups, 3], 8)], |t| {
            conv_transpose1d(&t[0], &t[1], None, options, [0])
        });
    }
    let x = [random(&[2, 3, 7], 9)];
    let windows = Pool { kernel: [3], stride: [2], padding: [1] };
    check_gradient("max_pool1d", &x, |t| max_pool1d(&t[0], windows));
    check_gradient("avg_pool1d", &x, |t| avg_pool1d(&t[0], windows, false));
    check_gradient("adaptive_avg_pool1d", &x, |t| adaptive_avg_pool1d(&t[0], [3]));
    check_gradient("upsample_nearest1d", &x, |t| upsample_nearest1d(&t[0], [10]));
    check_gradient("upsample_linear", &x, |t| upsample_linear(&t[0], [10], true));
}

#[test]
fn gradients_of_pools_and_interpolations() {
    let x = [random(&[2, 3, 7, 6], 10)];
    // Windows that overlap, leave gaps, leave inputs over, reach into padding.
    for windows in [pool([2, 2], [2, 2], [0, 0]), pool([3, 2], [1, 3], [1, 0]), pool([3, 3], [2, 2], [1, 1])] {
        check_gradient("max_pool2d", &x, |t| max_pool2d(&t[0], windows));
        check_gradient("avg_pool2d", &x, |t| avg_pool2d(&t[0], windows, true));
        check_gradient("avg_pool2d without padding", &x, |t| avg_pool2d(&t[0], windows, false));
    }
    for size in [[1, 1], [3, 4], [7, 12], [10, 2]] {
        check_gradient("adaptive_avg_pool2d", &x, |t| adaptive_avg_pool2d(&t[0], size));
        check_gradient("upsample_nearest2d", &x, |t| upsample_nearest2d(&t[0], size));
        check_gradient("upsample_bilinear", &x, |t| upsample_bilinear(&t[0], size, false));
        check_gradient("upsample_bilinear, corners", &x, |t| upsample_bilinear(&t[0], size, true));
    }
}

fn assert_close(name: &str, found: &Value, wanted: &Value, tolerance: f64) {
    assert_eq!(found.dims(), wanted.dims(), "{name}");
    for (a, b) in numbers(found).iter().zip(numbers(wanted)) {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{name}: {a} instead of {b}");
    }
}

#[test]
fn kernels_agree_with_plain_operations() {
    for dtype in [DType::F64, DType::F32] {
        let tolerance = if dtype == DType::F64 { 1e-12 } else { 2e-5 };
        // These kernels are those of the CPU, whatever device the suites run on.
        let cast = |value: Value| value.to_device(&crate::Device::Cpu).unwrap().to_dtype(dtype.candle()).unwrap();
        for (groups, stride, padding, dilation) in
            [(1, [1, 1], [0, 0], [1, 1]), (3, [2, 1], [1, 2], [1, 2]), (9, [1, 2], [1, 1], [2, 1])]
        {
            let windows = Windows::new("test", [9, 7], [3, 2], stride, padding, dilation).unwrap();
            let plan = Plan { batch: 11, in_channels: 9, out_channels: 18, groups, windows };
            let x = cast(random(&[11, 9, 9, 7], 11));
            let weight = cast(random(&[18, 9 / groups, 3, 2], 12));
            let y = forward(&x, &weight, &plan).unwrap();
            assert_close("forward", &y, &composed::forward(&x, &weight, &plan).unwrap(), tolerance);
            let g = cast(random(y.dims(), 13));
            let (fast, plain) = (input_gradient(&g, &weight, &plan), composed::input_gradient(&g, &weight, &plan));
            assert_close("input gradient", &fast.unwrap(), &plain.unwrap(), tolerance);
            let (fast, plain) = (weight_gradient(&x, &g, &plan), composed::weight_gradient(&x, &g, &plan));
            assert_close("weight gradient", &fast.unwrap(), &plain.unwrap(), 10.0 * tolerance);
        }
        let windows = Windows::new("test", [9, 7], [3, 3], [2, 1], [1, 1], [1, 1]).unwrap();
        let planes = cast(random(&[5, 63], 14));
        let g = cast(random(&[5, windows.output_plane()], 15));
        let (fast, fast_winners) = max_pool::largest(&planes, &windows).unwrap();
        let (plain, plain_winners) = max_pool::composed::largest(&planes, &windows).unwrap();
        assert_close("max pool", &fast, &plain, 0.0);
        let fast = max_pool::spread(&g, &fast_winners, &windows).unwrap();
        assert_close(
            "max pool gradient",
            &fast,
            &max_pool::composed::spread(&g, &plain_winners, &windows).unwrap(),
            tolerance,
        );
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let windows = Windows::new("test", [9, 7], [3, 2], [1, 1], [1, 1], [1, 1]).unwrap();
    let plan = Plan { batch: 19, in_channels: 6, out_channels: 8, groups: 2, windows };
    let single = |shape: &[usize], seed| {
        random(shape, seed).to_device(&crate::Device::Cpu).unwrap().to_dtype(candle_core::DType::F32).unwrap()
    };
    let (x, weight) = (single(&[19, 6, 9, 7], 1), single(&[8, 3, 3, 2], 2));
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let y = forward(&x, &weight, &plan).unwrap();
            let gradients = [input_gradient(&y, &weight, &plan).unwrap(), weight_gradient(&x, &y, &plan).unwrap()];
            [numbers(&y), numbers(&gradients[0]), numbers(&gradients[1])]
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn ties_go_to_the_first_and_nan_is_not_hidden() {
    let leaf = Leaf::new("x");
    let x = Value::from_vec(vec![1.0_f64, 1.0, 1.0, 1.0, 0.0, f64::NAN, 3.0, 2.0], (1, 2, 2, 2), &device()).unwrap();
    let y = max_pool2d(&Tensor::leaf(x, &leaf), Pool::new([2, 2])).unwrap();
    let found = numbers(y.value());
    assert!(found[0] == 1.0 && found[1].is_nan(), "{found:?}");
    let mut gradients = Gradients::default();
    backward(&y, Some(&y.value().ones_like().unwrap()), false, &mut gradients).unwrap();
    assert_eq!(numbers(gradients.get(&leaf).unwrap()), [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn half_precision_is_computed_in_single() {
    let (x, weight) = (sines(&[2, 3, 5, 5], 0.0), sines(&[4, 3, 3, 3], 0.5));
    let half = |tensor: &Tensor| Tensor::constant(tensor.value().to_dtype(candle_core::DType::BF16).unwrap());
    let wanted = conv2d(&x, &weight, None, Conv::default()).unwrap();
    let found = conv2d(&half(&x), &half(&weight), None, Conv::default()).unwrap();
    assert_eq!(found.dtype(), DType::BF16);
    assert_close("bf16", found.value(), wanted.value(), 0.05);
    assert_eq!(upsample_bilinear(&half(&x), [3, 3], false).unwrap().dtype(), DType::BF16);
    assert_eq!(max_pool2d(&half(&x), Pool::new([2, 2])).unwrap().dtype(), DType::BF16);
}

#[test]
fn an_empty_batch_gives_an_empty_result() {
    let x = Tensor::constant(random(&[0, 4, 6, 6], 1));
    let weight = Tensor::constant(random(&[2, 4, 3, 3], 1));
    assert_eq!(conv2d(&x, &weight, None, Conv::default()).unwrap().dims(), [0, 2, 4, 4]);
    assert_eq!(max_pool2d(&x, Pool::new([2, 2])).unwrap().dims(), [0, 4, 3, 3]);
    assert_eq!(adaptive_avg_pool2d(&x, [1, 1]).unwrap().dims(), [0, 4, 1, 1]);
}

#[test]
fn faults_say_what_and_how_to_mend_it() {
    let x = Tensor::constant(random(&[2, 4, 6, 6], 1));
    let weight = |shape: &[usize]| Tensor::constant(random(shape, 2));
    let plain = Conv::<2>::default();
    let text = |result: Result<Tensor>, parts: &[&str]| {
        let text = result.unwrap_err().to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    text(conv2d(&x, &weight(&[2, 3, 3, 3]), None, plain), &["[2, 4, 6, 6]", "[2, 3, 3, 3]", "3"]);
    text(conv2d(&x, &weight(&[2, 4, 9, 3]), None, plain), &["window of 9", "length 6"]);
    text(conv2d(&x, &weight(&[2, 4, 3]), None, plain), &["[2, 4, 3]", "4 axes"]);
    text(conv2d(&x, &weight(&[3, 2, 3, 3]), None, Conv { groups: 2, ..plain }), &["3 output channels", "2 groups"]);
    text(conv2d(&x, &weight(&[2, 4, 3, 3]), None, Conv { groups: 0, ..plain }), &["0 groups"]);
    text(conv2d(&x, &weight(&[2, 4, 3, 3]), None, Conv { stride: [0, 1], ..plain }), &["stride is 0"]);
    text(conv2d(&x, &weight(&[2, 4, 3, 3]), Some(&weight(&[3])), plain), &["[3]", "2 output channels"]);
    text(conv1d(&x, &weight(&[2, 4, 3]), None, Conv::default()), &["[2, 4, 6, 6]", "[batch, channels, length]"]);
    text(conv_transpose2d(&x, &weight(&[3, 2, 2, 2]), None, plain, [0, 0]), &["4 channels", "takes 3"]);
    text(conv_transpose2d(&x, &weight(&[4, 2, 2, 2]), None, plain, [1, 0]), &["output_padding", "below the stride"]);
    text(
        conv_transpose2d(&x, &weight(&[4, 2, 2, 2]), None, Conv { padding: [4, 4], ..plain }, [0, 0]),
        &["leaves nothing"],
    );
    text(max_pool2d(&x, pool([2, 2], [2, 2], [2, 0])), &["more than half"]);
    text(max_pool2d(&x, pool([7, 2], [2, 2], [0, 0])), &["window of 7"]);
    text(avg_pool2d(&x, pool([0, 2], [2, 2], [0, 0]), true), &["kernel is 0"]);
    text(adaptive_avg_pool2d(&x, [0, 1]), &["has a 0"]);
    text(upsample_bilinear(&x, [0, 1], true), &["has a 0"]);
    let integers = Tensor::from_slice(&[1_i64, 2, 3], &[1, 1, 3], &device()).unwrap();
    text(upsample_nearest1d(&integers, [6]), &["i64"]);
    let single = Tensor::constant(random(&[2, 4, 3, 3], 1).to_dtype(candle_core::DType::F32).unwrap());
    text(conv2d(&x, &single, None, plain), &["f64", "f32", "cast"]);
}
