//! The table: name, inputs, call. A test reads the sources and fails when a public function has no row.

use super::*;
use crate::Result;
use crate::ops::*;
use crate::testing::{check_gradient, check_same, positive, random};

type Call = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

fn row(
    name: &'static str,
    inputs: Vec<Value>,
    call: impl Fn(&[Tensor]) -> Result<Tensor> + 'static,
) -> (&'static str, Vec<Value>, Call) {
    (name, inputs, Box::new(call))
}

fn r(shape: &[usize], seed: u64) -> Value {
    random(shape, seed)
}

fn p(shape: &[usize], seed: u64) -> Value {
    positive(shape, seed)
}

/// Distinct numbers in no order, so that no step of a finite difference makes a tie.
fn distinct(shape: &[usize], seed: u64) -> Value {
    let count: usize = shape.iter().product();
    let order = philox::Key::root(seed).permutation(count);
    f64s(&order.iter().map(|rank| *rank as f64 * 0.37 - 1.0).collect::<Vec<_>>(), shape)
}

fn elementwise_rows() -> Vec<(&'static str, Vec<Value>, Call)> {
    vec![
        row("exp", vec![r(&[3, 5], 1)], |x| exp(&x[0])),
        row("expm1", vec![r(&[3, 5], 1)], |x| expm1(&x[0])),
        row("log", vec![p(&[3, 5], 1)], |x| log(&x[0])),
        row("log1p", vec![p(&[3, 5], 1)], |x| log1p(&x[0])),
        row("sqrt", vec![p(&[3, 5], 1)], |x| sqrt(&x[0])),
        row("rsqrt", vec![p(&[3, 5], 1)], |x| rsqrt(&x[0])),
        row("reciprocal", vec![p(&[3, 5], 1)], |x| reciprocal(&x[0])),
        row("square", vec![r(&[2, 3, 4], 1)], |x| square(&x[0])),
        row("sin", vec![r(&[3, 5], 1)], |x| sin(&x[0])),
        row("cos", vec![r(&[3, 5], 1)], |x| cos(&x[0])),
        row("tanh", vec![r(&[3, 5], 1)], |x| tanh(&x[0])),
        row("sigmoid", vec![r(&[3, 5], 1)], |x| sigmoid(&x[0])),
        row("erf", vec![r(&[3, 5], 1)], |x| erf(&x[0])),
        row("neg", vec![r(&[3, 5], 1)], |x| neg(&x[0])),
        row("abs", vec![r(&[3, 5], 1)], |x| abs(&x[0])),
        row("pow_scalar", vec![p(&[3, 5], 1)], |x| pow_scalar(&x[0], 2.5)),
        row("pow_scalar", vec![r(&[3, 5], 1)], |x| pow_scalar(&x[0], 3.0)),
        row("clamp", vec![r(&[3, 5], 1)], |x| clamp(&x[0], -0.5, 0.7)),
        row("relu", vec![r(&[3, 5], 2)], |x| relu(&x[0])),
        row("leaky_relu", vec![r(&[3, 5], 2)], |x| leaky_relu(&x[0], 0.1)),
        row("elu", vec![r(&[3, 5], 2)], |x| elu(&x[0], 1.3)),
        row("gelu", vec![r(&[3, 5], 2)], |x| gelu(&x[0])),
        row("gelu_tanh", vec![r(&[3, 5], 2)], |x| gelu_tanh(&x[0])),
        row("quick_gelu", vec![r(&[3, 5], 2)], |x| quick_gelu(&x[0])),
        row("silu", vec![r(&[3, 5], 2)], |x| silu(&x[0])),
        row("mish", vec![r(&[3, 5], 2)], |x| mish(&x[0])),
        row("softplus", vec![r(&[3, 5], 2)], |x| softplus(&x[0])),
        row("log_sigmoid", vec![r(&[3, 5], 2)], |x| log_sigmoid(&x[0])),
        row("add", vec![r(&[2, 3, 4], 1), r(&[3, 1], 2)], |x| add(&x[0], &x[1])),
        row("sub", vec![r(&[3, 1], 1), r(&[2, 3, 4], 2)], |x| sub(&x[0], &x[1])),
        row("mul", vec![r(&[2, 1, 4], 1), r(&[3, 1], 2)], |x| mul(&x[0], &x[1])),
        row("div", vec![r(&[2, 3, 4], 1), p(&[4], 2)], |x| div(&x[0], &x[1])),
        row("add_scalar", vec![r(&[3, 5], 1)], |x| add_scalar(&x[0], 1.5)),
        row("mul_scalar", vec![r(&[3, 5], 1)], |x| mul_scalar(&x[0], -1.5)),
        row("maximum", vec![r(&[2, 3, 4], 1), r(&[3, 1], 2)], |x| maximum(&x[0], &x[1])),
        row("minimum", vec![r(&[4], 1), r(&[2, 3, 4], 2)], |x| minimum(&x[0], &x[1])),
        row("cast", vec![r(&[3, 5], 1)], |x| cast(&x[0], DType::F64)),
        row("to_device", vec![r(&[3, 5], 1)], |x| to_device(&x[0], &crate::Device::Cpu)),
        row("where_cond", vec![truth(&[1, 0, 0], &[3, 1]), r(&[3, 4], 1), r(&[2, 1, 4], 2)], |x| {
            where_cond(&x[0], &x[1], &x[2])
        }),
        row("fill_where", vec![r(&[2, 3, 4], 1), truth(&[0, 1, 0], &[3, 1])], |x| fill_where(&x[0], &x[1], 9.0)),
    ]
}

fn reduction_rows() -> Vec<(&'static str, Vec<Value>, Call)> {
    vec![
        row("sum", vec![r(&[2, 3, 4], 1)], |x| sum(&x[0], &[1], false)),
        row("sum", vec![r(&[2, 3, 4], 1)], |x| sum(&x[0], &[0, 2], true)),
        row("sum", vec![r(&[2, 3, 4], 1)], |x| sum(&x[0], &[-1, -2], false)),
        row("sum_all", vec![r(&[2, 3], 1)], |x| sum_all(&x[0])),
        row("mean", vec![r(&[2, 3, 4], 1)], |x| mean(&x[0], &[0, 2], false)),
        row("mean_all", vec![r(&[2, 3], 1)], |x| mean_all(&x[0])),
        row("max", vec![distinct(&[2, 3, 4], 1)], |x| max(&x[0], &[1], false)),
        row("max", vec![distinct(&[2, 3, 4], 1)], |x| max(&x[0], &[0, 2], true)),
        row("min", vec![distinct(&[2, 3, 4], 1)], |x| min(&x[0], &[-1], false)),
        row("prod", vec![r(&[2, 3, 4], 1)], |x| prod(&x[0], &[0, 2], false)),
        row("variance", vec![r(&[2, 3, 4], 1)], |x| variance(&x[0], &[0, 2], false, true)),
        row("variance", vec![r(&[2, 3, 4], 1)], |x| variance(&x[0], &[1], true, false)),
        row("std", vec![r(&[2, 3, 4], 1)], |x| std(&x[0], &[1, 2], true, false)),
        row("logsumexp", vec![r(&[2, 3, 4], 1)], |x| logsumexp(&x[0], &[1], false)),
        row("logsumexp", vec![r(&[2, 3, 4], 1)], |x| logsumexp(&x[0], &[0, 2], true)),
        row("norm", vec![r(&[2, 3, 4], 1)], |x| norm(&x[0], &[1], true)),
        row("cumsum", vec![r(&[2, 3, 4], 1)], |x| cumsum(&x[0], 1)),
        row("cumsum", vec![r(&[2, 5], 1)], |x| cumsum(&x[0], -1)),
    ]
}

fn shape_rows() -> Vec<(&'static str, Vec<Value>, Call)> {
    vec![
        row("reshape", vec![r(&[2, 3, 4], 1)], |x| reshape(&x[0], &[4, -1])),
        row("flatten", vec![r(&[2, 3, 4], 1)], |x| flatten(&x[0], 1, -1)),
        row("transpose", vec![r(&[2, 3, 4], 1)], |x| transpose(&x[0], 0, -1)),
        row("permute", vec![r(&[2, 3, 4], 1)], |x| permute(&x[0], &[2, 0, 1])),
        row("unsqueeze", vec![r(&[2, 3], 1)], |x| unsqueeze(&x[0], -1)),
        row("squeeze", vec![r(&[2, 1, 3], 1)], |x| squeeze(&x[0], 1)),
        row("expand", vec![r(&[2, 1, 3], 1)], |x| expand(&x[0], &[4, -1, 5, -1])),
        row("narrow", vec![r(&[2, 5, 3], 1)], |x| narrow(&x[0], 1, 1, 3)),
        row("slice", vec![r(&[2, 7, 3], 1)], |x| slice(&x[0], 1, 1, 6, 2)),
        row("cat", vec![r(&[2, 3], 1), r(&[2, 2], 2)], |x| cat(&[&x[0], &x[1], &x[0]], 1)),
        row("stack", vec![r(&[2, 3], 1), r(&[2, 3], 2)], |x| stack(&[&x[0], &x[1]], -1)),
        row("split", vec![r(&[2, 6], 1)], |x| {
            let parts = split(&x[0], 1, &[1, 3, 2])?;
            cat(&[&parts[2], &mul(&parts[1], &parts[1])?], 1)
        }),
        row("chunk", vec![r(&[2, 5], 1)], |x| mul(&chunk(&x[0], 1, 3)?[0], &chunk(&x[0], 1, 3)?[1])),
        row("flip", vec![r(&[2, 3, 4], 1)], |x| flip(&x[0], &[0, -1])),
        row("roll", vec![r(&[2, 5], 1)], |x| roll(&x[0], -7, 1)),
        row("pad", vec![r(&[2, 3], 1)], |x| pad(&x[0], 1, 2, 1, PadMode::Constant(3.0))),
        row("pad", vec![r(&[2, 4], 1)], |x| pad(&x[0], 1, 3, 2, PadMode::Reflect)),
        row("pad", vec![r(&[2, 3], 1)], |x| pad(&x[0], 0, 2, 2, PadMode::Replicate)),
        row("repeat", vec![r(&[2, 3], 1)], |x| repeat(&x[0], &[2, 3])),
        row("tril", vec![r(&[2, 3, 4], 1)], |x| tril(&x[0], 1)),
        row("triu", vec![r(&[2, 4, 3], 1)], |x| triu(&x[0], -1)),
        row("diagonal", vec![r(&[2, 3, 4], 1)], |x| diagonal(&x[0], 1)),
        row("contiguous", vec![r(&[2, 3], 1)], |x| contiguous(&transpose(&x[0], 0, 1)?)),
        row("unfold", vec![r(&[2, 7, 3], 1)], |x| unfold(&x[0], 1, 3, 2)),
        row("unfold", vec![r(&[2, 7], 1)], |x| unfold(&x[0], -1, 4, 1)),
    ]
}

fn index_rows() -> Vec<(&'static str, Vec<Value>, Call)> {
    let select = || tensor(&[2u32, 0, 2, 1], &[4]);
    let elements = || tensor(&[2i64, 0, 2, 2, 1, 1, 0, 0], &[2, 4, 1]);
    vec![
        row("index_select", vec![r(&[2, 3, 4], 1)], move |x| index_select(&x[0], 1, &select())),
        row("gather", vec![r(&[2, 3, 1], 1)], move |x| gather(&x[0], 1, &elements())),
        row("scatter", vec![r(&[2, 3, 1], 1), r(&[2, 4, 1], 2)], move |x| scatter(&x[0], 1, &elements(), &x[1])),
        row("scatter_add", vec![r(&[2, 3, 1], 1), r(&[2, 4, 1], 2)], move |x| {
            scatter_add(&x[0], 1, &elements(), &x[1])
        }),
        row("index_add", vec![r(&[2, 3, 4], 1), r(&[2, 4, 4], 2)], move |x| index_add(&x[0], 1, &select(), &x[1])),
        row("masked_select", vec![r(&[2, 3, 4], 1), truth(&[1, 0, 0, 1, 1, 0], &[2, 3])], |x| {
            masked_select(&x[0], &x[1])
        }),
        row("take_where", vec![r(&[2, 3, 2], 1), r(&[3, 2], 2)], |x| {
            take_where(&x[0], &Tensor::truth(truth(&[1, 0, 0, 1, 1, 0], &[2, 3])), &x[1])
        }),
        row("sort", vec![distinct(&[2, 5, 2], 1)], |x| Ok(sort(&x[0], 1, false)?.0)),
        row("sort", vec![distinct(&[2, 5], 1)], |x| Ok(sort(&x[0], -1, true)?.0)),
        row("top_k", vec![distinct(&[2, 5, 2], 3)], |x| Ok(top_k(&x[0], 2, 1, true)?.0)),
    ]
}

fn product_rows() -> Vec<(&'static str, Vec<Value>, Call)> {
    let product = |a: &[usize], b: &[usize]| row("matmul", vec![r(a, 1), r(b, 2)], |x| matmul(&x[0], &x[1]));
    vec![
        product(&[3, 4], &[4, 5]),
        product(&[4], &[4]),
        product(&[4], &[4, 3]),
        product(&[3, 4], &[4]),
        product(&[2, 3, 4], &[4, 5]),
        product(&[2, 3, 4], &[1, 4, 5]),
        product(&[3, 4], &[1, 4, 5]),
        product(&[3, 4], &[2, 4, 5]),
        product(&[2, 3, 4], &[2, 4, 5]),
        product(&[2, 1, 3, 4], &[3, 4, 2]),
        product(&[2, 3, 4], &[4]),
        product(&[4], &[2, 4, 3]),
        row("matmul", vec![r(&[2, 4, 3], 1), r(&[2, 5, 4], 2)], |x| {
            matmul(&transpose(&x[0], 1, 2)?, &transpose(&x[1], 1, 2)?)
        }),
        row("matmul", vec![r(&[2, 4, 3], 1), r(&[5, 4], 2)], |x| {
            matmul(&transpose(&x[0], 1, 2)?, &transpose(&x[1], 0, 1)?)
        }),
        row("matmul", vec![r(&[2, 3, 4, 5], 1), r(&[2, 3, 4, 6], 2)], |x| {
            matmul(&permute(&x[0], &[0, 2, 1, 3])?, &permute(&x[1], &[0, 2, 3, 1])?.narrow_last(5)?)
        }),
        row("outer", vec![r(&[3], 1), r(&[4], 2)], |x| outer(&x[0], &x[1])),
        row("dot", vec![r(&[2, 3, 4], 1), r(&[4], 2)], |x| dot(&x[0], &x[1])),
    ]
}

trait NarrowLast {
    fn narrow_last(&self, length: usize) -> Result<Tensor>;
}

impl NarrowLast for Tensor {
    fn narrow_last(&self, length: usize) -> Result<Tensor> {
        narrow(self, -2, 1, length)
    }
}

fn loss_rows() -> Vec<(&'static str, Vec<Value>, Call)> {
    vec![
        row("mse", vec![r(&[2, 3], 1), r(&[2, 3], 2)], |x| mse(&x[0], &x[1])),
        row("l1", vec![r(&[2, 3], 1), r(&[2, 3], 2)], |x| l1(&x[0], &x[1])),
        row("huber", vec![r(&[2, 5], 1), r(&[2, 5], 2)], |x| huber(&x[0], &x[1], 0.8)),
        row("smooth_l1", vec![r(&[2, 5], 1), r(&[2, 5], 2)], |x| smooth_l1(&x[0], &x[1], 0.8)),
        row("bce_with_logits", vec![r(&[2, 3], 1), p(&[2, 3], 2)], |x| bce_with_logits(&x[0], &x[1], None)),
        row("bce_with_logits", vec![r(&[2, 3], 1), p(&[2, 3], 2), p(&[3], 3)], |x| {
            bce_with_logits(&x[0], &x[1], Some(&x[2]))
        }),
        row("kl_div", vec![r(&[2, 3], 1), p(&[2, 3], 2)], |x| kl_div(&x[0], &x[1], false)),
        row("kl_div", vec![r(&[2, 3], 1), r(&[2, 3], 2)], |x| kl_div(&x[0], &x[1], true)),
        row("cosine_similarity", vec![r(&[2, 3, 4], 1), r(&[3, 4], 2)], |x| cosine_similarity(&x[0], &x[1])),
        row("info_nce", vec![r(&[3, 4], 1), r(&[3, 4], 2)], |x| info_nce(&x[0], &x[1], 0.3, false)),
        row("info_nce", vec![r(&[3, 4], 1), r(&[3, 4], 2)], |x| info_nce(&x[0], &x[1], 0.3, true)),
        row("custom", vec![r(&[2, 3], 1), r(&[2, 3], 2)], |x| {
            let kept = vec![x[0].clone(), x[1].clone()];
            let made = custom(
                "product",
                &[&x[0], &x[1]],
                vec![mul(&x[0].stop_gradient(), &x[1].stop_gradient())?],
                kept,
                |saved, gradients| {
                    let Some(gradient) = &gradients[0] else { return Ok(vec![None, None]) };
                    Ok(vec![Some(mul(gradient, &saved[1])?), Some(mul(gradient, &saved[0])?)])
                },
            );
            Ok(made?.remove(0))
        }),
    ]
}

fn rows() -> Vec<(&'static str, Vec<Value>, Call)> {
    [elementwise_rows(), reduction_rows(), shape_rows(), index_rows(), product_rows(), loss_rows()]
        .into_iter()
        .flatten()
        .collect()
}

/// Constants by nature: their values are held in `values`.
const WITHOUT_GRADIENT: [&str; 26] = [
    "round",
    "floor",
    "ceil",
    "sign",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "eq_scalar",
    "ne_scalar",
    "lt_scalar",
    "le_scalar",
    "gt_scalar",
    "ge_scalar",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
    "is_finite",
    "all",
    "any",
    "count_true",
    "argmax",
    "argmin",
];
const WITHOUT_GRADIENT_TOO: [&str; 3] = ["one_hot", "argsort", "nonzero"];

#[test]
fn gradients_match_finite_differences() {
    for (name, inputs, call) in rows() {
        check_gradient(name, &inputs, call);
    }
}

#[test]
fn no_operation_is_forgotten() {
    let table = rows();
    let exports = include_str!("../mod.rs").lines().collect::<Vec<_>>().join(" ");
    let mut seen = 0;
    for list in exports.split("pub use ").skip(1) {
        let list = list.split(';').next().unwrap();
        let names = list.split("::").nth(1).unwrap().trim_matches(['{', '}', ' ']);
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "PadMode") {
            seen += 1;
            let exempt = WITHOUT_GRADIENT.contains(&name) || WITHOUT_GRADIENT_TOO.contains(&name);
            assert!(exempt || table.iter().any(|(row, ..)| *row == name), "`{name}` has no row in the table");
        }
    }
    assert!(seen > 100, "only {seen} operations were found in the list of exports");
}

/// Narrower types give what f64 gives, up to their rounding, and gradients of their own type.
#[test]
fn f32_bf16_and_f16_agree_with_f64() {
    for (name, inputs, call) in rows() {
        for (dtype, tolerance) in
            [(candle_core::DType::F32, 2e-5), (candle_core::DType::BF16, 0.1), (candle_core::DType::F16, 0.02)]
        {
            // Inputs that the narrow type holds exactly, so that ties and kinks stay where they were.
            let narrow: Vec<Value> = inputs
                .iter()
                .map(|x| if x.dtype() == candle_core::DType::F64 { x.to_dtype(dtype).unwrap() } else { x.clone() })
                .collect();
            let leaf = crate::Leaf::new("x");
            let run = |inputs: &[Value]| {
                let tensors: Vec<Tensor> = inputs
                    .iter()
                    .map(|x| {
                        if x.dtype() == candle_core::DType::U8 {
                            Tensor::truth(x.clone())
                        } else {
                            Tensor::leaf(x.clone(), &leaf)
                        }
                    })
                    .collect();
                call(&tensors).unwrap_or_else(|error| panic!("{name} in {dtype:?}: {error}"))
            };
            let wide: Vec<Value> = narrow
                .iter()
                .map(|x| if x.dtype() == dtype { x.to_dtype(candle_core::DType::F64).unwrap() } else { x.clone() })
                .collect();
            let found = numbers(&run(&narrow));
            crate::testing::compare(&format!("{name} in {dtype:?}"), &found, &numbers(&run(&wide)), tolerance);
        }
        let single: Vec<Value> = inputs
            .iter()
            .map(|x| {
                if x.dtype() == candle_core::DType::F64 {
                    x.to_dtype(candle_core::DType::F32).unwrap()
                } else {
                    x.clone()
                }
            })
            .collect();
        check_same(name, &single, 1e-4, &call, &call);
    }
}
