//! Values that finite differences say nothing of: constants, ties, edges, empty tensors, NaN, integers.

use super::*;
use crate::ops::*;

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn gradient_of(x: &Value, call: impl Fn(&Tensor) -> crate::Result<Tensor>) -> Vec<f64> {
    let leaf = crate::Leaf::new("x");
    let total = sum_all(&call(&Tensor::leaf(x.clone(), &leaf)).unwrap()).unwrap();
    let mut gradients = crate::Gradients::default();
    crate::backward(&total, None, false, &mut gradients).unwrap();
    crate::testing::numbers(gradients.get(&leaf).unwrap())
}

#[test]
fn comparisons_and_truth_values() {
    let a = tensor(&[1.0, 2.0, NAN], &[3]);
    let b = tensor(&[1.0], &[1]);
    for (found, expected) in [
        (eq(&a, &b), [1.0, 0.0, 0.0]),
        (ne(&a, &b), [0.0, 1.0, 1.0]),
        (lt(&a, &b), [0.0, 0.0, 0.0]),
        (le(&a, &b), [1.0, 0.0, 0.0]),
        (gt(&a, &b), [0.0, 1.0, 0.0]),
        (ge(&a, &b), [1.0, 1.0, 0.0]),
        (eq_scalar(&a, 2.0), [0.0, 1.0, 0.0]),
        (ne_scalar(&a, 2.0), [1.0, 0.0, 1.0]),
        (lt_scalar(&a, 2.0), [1.0, 0.0, 0.0]),
        (le_scalar(&a, 2.0), [1.0, 1.0, 0.0]),
        (gt_scalar(&a, 1.0), [0.0, 1.0, 0.0]),
        (ge_scalar(&a, 1.0), [1.0, 1.0, 0.0]),
        (is_finite(&tensor(&[1.0, INF, NAN], &[3])), [1.0, 0.0, 0.0]),
    ] {
        let found = found.unwrap();
        assert_eq!((found.dtype(), numbers(&found)), (DType::Bool, expected.to_vec()));
    }
    let (x, y) = (Tensor::truth(truth(&[0, 0, 1, 1], &[4])), Tensor::truth(truth(&[0, 1, 0, 1], &[4])));
    assert_eq!(numbers(&logical_and(&x, &y).unwrap()), [0.0, 0.0, 0.0, 1.0]);
    assert_eq!(numbers(&logical_or(&x, &y).unwrap()), [0.0, 1.0, 1.0, 1.0]);
    assert_eq!(numbers(&logical_xor(&x, &y).unwrap()), [0.0, 1.0, 1.0, 0.0]);
    assert_eq!(numbers(&logical_not(&x).unwrap()), [1.0, 1.0, 0.0, 0.0]);
    let square = reshape(&y, &[2, 2]).unwrap();
    assert_eq!(numbers(&any(&square, &[0], false).unwrap()), [0.0, 1.0]);
    assert_eq!(numbers(&all(&square, &[1], true).unwrap()), [0.0, 0.0]);
    assert_eq!(numbers(&all(&square, &[0], false).unwrap()), [0.0, 1.0]);
    assert_eq!(numbers(&count_true(&square, &[], false).unwrap()), [2.0]);
    assert!(logical_not(&a).is_err() && count_true(&a, &[], false).is_err());
    // A negative number is below every token id; as u32 it would be a large one or zero.
    assert_eq!(numbers(&eq_scalar(&tensor(&[0u32, 7], &[2]), -100.0).unwrap()), [0.0, 0.0]);
}

#[test]
fn ties_and_kinks_have_the_documented_gradient() {
    let tie = f64s(&[2.0, 2.0, 1.0], &[3]);
    assert_eq!(gradient_of(&tie, |x| max(x, &[0], false)), [1.0, 0.0, 0.0]);
    assert_eq!(gradient_of(&tie, |x| min(&neg(x)?, &[0], false)), [-1.0, 0.0, 0.0]);
    assert_eq!(gradient_of(&tie, |x| maximum(x, &tensor(&[2.0, 1.0, 3.0], &[3]))), [0.5, 1.0, 0.0]);
    assert_eq!(gradient_of(&f64s(&[0.0, -0.0], &[2]), abs), [0.0, 0.0]);
    assert_eq!(gradient_of(&f64s(&[0.0], &[1]), relu), [0.0]);
    assert_eq!(gradient_of(&f64s(&[0.0, 0.0], &[2]), |x| norm(x, &[], false)), [0.0, 0.0]);
    assert_eq!(gradient_of(&f64s(&[3.0, 3.0], &[2]), |x| std(x, &[], false, false)), [0.0, 0.0]);
    assert_eq!(gradient_of(&f64s(&[-INF, -INF], &[2]), |x| logsumexp(x, &[], false)), [0.0, 0.0]);
    assert_eq!(gradient_of(&f64s(&[2.0, 0.0, 3.0], &[3]), |x| prod(x, &[], false)), [0.0, 6.0, 0.0]);
    assert_eq!(gradient_of(&f64s(&[0.0], &[1]), |x| pow_scalar(x, 0.0)), [0.0]);
    // What is not chosen does not count, even where its own gradient is no number.
    let safe = |x: &Tensor| where_cond(&gt_scalar(x, 0.0)?, &log(x)?, x);
    assert!(gradient_of(&f64s(&[-1.0, 2.0], &[2]), safe)[1] == 0.5);
}

#[test]
fn steps_are_constants_with_the_right_value() {
    let leaf = crate::Leaf::new("x");
    let x = Tensor::leaf(f64s(&[-2.5, -0.4, 0.5, 1.5, 2.6], &[5]), &leaf);
    assert_eq!(numbers(&round(&x).unwrap()), [-2.0, 0.0, 0.0, 2.0, 3.0]);
    assert_eq!(numbers(&floor(&x).unwrap()), [-3.0, -1.0, 0.0, 1.0, 2.0]);
    assert_eq!(numbers(&ceil(&x).unwrap()), [-2.0, 0.0, 1.0, 2.0, 3.0]);
    assert_eq!(numbers(&sign(&x).unwrap()), [-1.0, -1.0, 1.0, 1.0, 1.0]);
    for step in
        [round(&x), floor(&x), ceil(&x), sign(&x), argmax(&x, 0, false), one_hot(&tensor(&[1u32], &[1]), 3, DType::F32)]
    {
        assert!(!step.unwrap().needs_gradient());
    }
    let through = gradient_of(&f64s(&[0.3, 1.7], &[2]), |x| add(x, &sub(&round(x)?, x)?.stop_gradient()));
    assert_eq!(through, [1.0, 1.0]);
}

#[test]
fn nothing_hides_nan() {
    let x = tensor(&[1.0, NAN, 3.0], &[3]);
    type Call = fn(&Tensor) -> crate::Result<Tensor>;
    let whole: [(&str, Call); 9] = [
        ("max", |x| max(x, &[], false)),
        ("min", |x| min(x, &[], false)),
        ("sum", sum_all),
        ("mean", mean_all),
        ("prod", |x| prod(x, &[], false)),
        ("logsumexp", |x| logsumexp(x, &[], false)),
        ("norm", |x| norm(x, &[], false)),
        ("variance", |x| variance(x, &[], true, false)),
        ("maximum", |x| narrow(&maximum(&tensor(&[5.0, 5.0, 5.0], &[3]), x)?, 0, 1, 1)),
    ];
    for (name, call) in whole {
        assert!(numbers(&call(&x).unwrap()).iter().all(|y| y.is_nan()), "{name}");
    }
    let each: [(&str, Call); 8] = [
        ("relu", relu),
        ("clamp", |x| clamp(x, 0.0, 1.0)),
        ("sign", sign),
        ("gelu", gelu),
        ("softplus", softplus),
        ("sigmoid", sigmoid),
        ("elu", |x| elu(x, 1.0)),
        ("minimum", |x| minimum(x, &tensor(&[0.0, 0.0, 0.0], &[3]))),
    ];
    for (name, call) in each {
        let found = numbers(&call(&x).unwrap());
        assert!(found[1].is_nan() && found[0].is_finite() && found[2].is_finite(), "{name}: {found:?}");
    }
    assert_eq!(numbers(&argmax(&x, 0, false).unwrap()), [1.0]);
    assert_eq!(numbers(&argsort(&x, 0, true).unwrap()), [1.0, 2.0, 0.0]);
}

#[test]
fn extreme_numbers_do_not_overflow() {
    let x = tensor(&[-800.0, 800.0], &[2]);
    assert_eq!(numbers(&softplus(&x).unwrap()), [0.0, 800.0]);
    assert_eq!(numbers(&log_sigmoid(&x).unwrap()), [-800.0, 0.0]);
    assert_eq!(numbers(&sigmoid(&x).unwrap()), [0.0, 1.0]);
    assert_eq!(numbers(&logsumexp(&x, &[], false).unwrap()), [800.0]);
    let targets = tensor(&[1.0, 0.0], &[2]);
    assert_eq!(numbers(&bce_with_logits(&x, &targets, None).unwrap()), [800.0, 800.0]);
    let empty = tensor::<f64>(&[], &[0]);
    assert_eq!(numbers(&logsumexp(&empty, &[], false).unwrap()), [-INF]);
    assert_eq!(numbers(&logsumexp(&tensor(&[INF, INF, 1.0], &[3]), &[], false).unwrap()), [INF]);
    // A target of nothing adds nothing, even where log p is minus infinity.
    let found = kl_div(&tensor(&[-INF, -1.0], &[2]), &tensor(&[0.0, 1.0], &[2]), false).unwrap();
    assert_eq!(numbers(&found), [0.0, 1.0]);
}

#[test]
fn sorting_is_stable_in_both_directions() {
    let x = tensor(&[2.0, 1.0, 2.0, 1.0], &[4]);
    assert_eq!(numbers(&argsort(&x, 0, false).unwrap()), [1.0, 3.0, 0.0, 2.0]);
    assert_eq!(numbers(&argsort(&x, 0, true).unwrap()), [0.0, 2.0, 1.0, 3.0]);
    let (values, places) = top_k(&x, 3, 0, true).unwrap();
    assert_eq!((numbers(&values), numbers(&places)), (vec![2.0, 2.0, 1.0], vec![0.0, 2.0, 1.0]));
    assert_eq!(numbers(&top_k(&x, 1, 0, false).unwrap().1), [1.0]);
    assert!(top_k(&x, 5, 0, true).is_err());
}

#[test]
fn indices_out_of_range_are_named() {
    let x = tensor(&[1.0, 2.0], &[2]);
    let error = index_select(&x, 0, &tensor(&[0i64, 5], &[2])).unwrap_err().to_string();
    assert!(error.contains("index 5 (element 1") && error.contains("0..2"), "{error}");
    assert!(gather(&x, 0, &tensor(&[-1i64], &[1])).is_err());
    assert!(one_hot(&tensor(&[3u32], &[1]), 3, DType::F32).is_err());
    assert!(index_select(&x, 0, &tensor(&[0.0f32], &[1])).is_err());
    assert_eq!(numbers(&one_hot(&tensor(&[2i64, 0], &[2]), 3, DType::I64).unwrap()), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    let places = nonzero(&Tensor::truth(truth(&[0, 1, 0, 0, 0, 1], &[2, 3]))).unwrap();
    assert_eq!((places.dims(), numbers(&places)), (&[2, 2][..], vec![0.0, 1.0, 1.0, 2.0]));
}

#[test]
fn shape_faults_name_both_shapes() {
    let (a, b) = (tensor(&[0.0; 6], &[2, 3]), tensor(&[0.0; 8], &[2, 4]));
    for error in [
        add(&a, &b),
        matmul(&a, &b),
        cat(&[&a, &b], 0),
        stack(&[&a, &b], 0),
        mse(&a, &b),
        bce_with_logits(&a, &b, None),
    ] {
        let error = error.unwrap_err();
        assert!(error.to_string().contains("[2, 3]") && error.to_string().contains("[2, 4]"), "{error}");
    }
    assert!(reshape(&a, &[4, -1]).is_err() && reshape(&a, &[-1, -1]).is_err());
    assert!(sum(&a, &[2], false).is_err() && sum(&a, &[0, -2], false).is_err());
    assert!(add(&a, &tensor(&[0f32; 6], &[2, 3])).is_err());
}

#[test]
fn empty_tensors_work_or_are_refused() {
    let empty = tensor::<f64>(&[], &[0, 3]);
    assert_eq!(numbers(&sum_all(&empty).unwrap()), [0.0]);
    assert_eq!(numbers(&sum(&empty, &[0], false).unwrap()), [0.0; 3]);
    assert_eq!(sum(&empty, &[1], false).unwrap().dims(), [0]);
    assert!(max(&empty, &[0], false).is_err() && mean(&empty, &[0], false).is_err());
    assert_eq!(exp(&empty).unwrap().dims(), [0, 3]);
    assert_eq!(matmul(&empty, &tensor(&[0.0; 6], &[3, 2])).unwrap().dims(), [0, 2]);
    assert_eq!(numbers(&matmul(&tensor::<f64>(&[], &[2, 0]), &tensor::<f64>(&[], &[0, 1])).unwrap()), [0.0, 0.0]);
    assert_eq!(cat(&[&empty, &tensor(&[1.0, 2.0, 3.0], &[1, 3])], 0).unwrap().dims(), [1, 3]);
    assert_eq!(sort(&empty, 0, false).unwrap().0.dims(), [0, 3]);
    assert_eq!(masked_select(&tensor(&[1.0, 2.0], &[2]), &Tensor::truth(truth(&[0, 0], &[2]))).unwrap().dims(), [0]);
    let none = gradient_of(&f64s(&[1.0, 2.0], &[2]), |x| masked_select(x, &Tensor::truth(truth(&[0, 0], &[2]))));
    assert_eq!(none, [0.0, 0.0]);
    for (rows, index) in [(0usize, 0usize), (2, 0)] {
        let x = tensor(&vec![0.0; rows * 3], &[rows, 3]);
        assert_eq!(index_select(&x, 0, &tensor::<u32>(&[], &[index])).unwrap().dims(), [0, 3]);
    }
}

#[test]
fn integers_keep_their_type() {
    let x = tensor(&[5u32, 2], &[2]);
    assert_eq!(add_scalar(&x, -2.0).unwrap().dtype(), DType::U32);
    assert_eq!(numbers(&add_scalar(&x, -2.0).unwrap()), [3.0, 0.0]);
    assert!(add_scalar(&x, -3.0).is_err() && mul_scalar(&x, 0.5).is_err());
    assert_eq!(numbers(&sum_all(&x).unwrap()), [7.0]);
    assert_eq!(numbers(&max(&x, &[], false).unwrap()), [5.0]);
    assert!(div(&x, &tensor(&[1u32, 0], &[2])).is_err());
    assert_eq!(numbers(&cast(&tensor(&[0.0, 0.5, -1.0], &[3]), DType::Bool).unwrap()), [0.0, 1.0, 1.0]);
    assert!(exp(&x).is_err());
}

#[test]
fn large_sums_are_exact_to_rounding_in_every_arrangement() {
    // f32 adding in order loses the small ones; f64 sums do not.
    let count = 300_001;
    let x = tensor(&vec![0.1f32; count], &[count]);
    let expected = f64::from(0.1f32) * count as f64;
    assert!((numbers(&sum_all(&x).unwrap())[0] / expected - 1.0).abs() < 1e-7);
    let wide = tensor(&vec![0.1f32; 3 * 100_003], &[100_003, 3]);
    let columns = numbers(&sum(&wide, &[0], false).unwrap());
    assert!(columns.iter().all(|sum| (sum / (f64::from(0.1f32) * 100_003.0) - 1.0).abs() < 1e-7));
    assert!((numbers(&cumsum(&x, 0).unwrap())[count - 1] / expected - 1.0).abs() < 1e-7);
    for dtype in FLOATS {
        let narrow = cast(&x, dtype).unwrap();
        assert!(numbers(&mean_all(&narrow).unwrap())[0] - 0.1 < 1e-3, "{dtype}");
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let x = Tensor::constant(crate::testing::random(&[37, 4_099], 3).to_dtype(candle_core::DType::F32).unwrap());
    let indices: Vec<u32> = (0..37).map(|row| row * 7 % 5).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let added = index_add(&tensor(&[0f32; 5 * 4_099], &[5, 4_099]), 0, &tensor(&indices, &[37]), &x).unwrap();
            [sum_all(&x), sum(&x, &[0], false), variance(&x, &[1], false, false), mean_all(&added), Ok(added)]
                .map(|result| numbers(&result.unwrap()))
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}
