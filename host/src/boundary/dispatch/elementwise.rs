//! Arithmetic and functions of single elements.

use compute::ops;
use lacuna_abi::attribute::{HIGH, LOW, VALUE};
use lacuna_abi::op;

use super::{Operator, binary, one, operator, unary};

/// Operations of a tensor and the attribute `value`.
macro_rules! with_value {
    ($number:ident, $function:path) => {
        operator(op::$number, (1, 1), &[VALUE], |a| one($function(&a.tensor(0)?, a.attributes.float(VALUE)?)?))
    };
}
pub(super) use with_value;

pub(super) const TABLE: &[Operator] = &[
    binary!(ADD, ops::add),
    binary!(SUB, ops::sub),
    binary!(MUL, ops::mul),
    binary!(DIV, ops::div),
    binary!(MAXIMUM, ops::maximum),
    binary!(MINIMUM, ops::minimum),
    with_value!(ADD_SCALAR, ops::add_scalar),
    with_value!(MUL_SCALAR, ops::mul_scalar),
    with_value!(POW_SCALAR, ops::pow_scalar),
    operator(op::CLAMP, (1, 1), &[LOW, HIGH], |a| {
        let low = a.attributes.maybe_float(LOW)?.unwrap_or(f64::NEG_INFINITY);
        one(ops::clamp(&a.tensor(0)?, low, a.attributes.maybe_float(HIGH)?.unwrap_or(f64::INFINITY))?)
    }),
    unary!(NEG, ops::neg),
    unary!(ABS, ops::abs),
    unary!(EXP, ops::exp),
    unary!(LOG, ops::log),
    unary!(SQRT, ops::sqrt),
    unary!(RSQRT, ops::rsqrt),
    unary!(RECIPROCAL, ops::reciprocal),
    unary!(SQUARE, ops::square),
    unary!(SIN, ops::sin),
    unary!(COS, ops::cos),
    unary!(TANH, ops::tanh),
    unary!(SIGMOID, ops::sigmoid),
    unary!(ERF, ops::erf),
    unary!(LOG1P, ops::log1p),
    unary!(EXPM1, ops::expm1),
    unary!(SOFTPLUS, ops::softplus),
    unary!(LOG_SIGMOID, ops::log_sigmoid),
    unary!(ROUND, ops::round),
    unary!(FLOOR, ops::floor),
    unary!(CEIL, ops::ceil),
    unary!(SIGN, ops::sign),
    unary!(RELU, ops::relu),
    with_value!(LEAKY_RELU, ops::leaky_relu),
    with_value!(ELU, ops::elu),
    unary!(GELU, ops::gelu),
    unary!(GELU_TANH, ops::gelu_tanh),
    unary!(SILU, ops::silu),
    unary!(MISH, ops::mish),
    unary!(QUICK_GELU, ops::quick_gelu),
    operator(op::CAST, (1, 1), &[lacuna_abi::attribute::DTYPE], |a| {
        one(ops::cast(&a.tensor(0)?, a.attributes.dtype(None)?)?)
    }),
    operator(op::STOP_GRADIENT, (1, 1), &[], |a| one(a.tensor(0)?.stop_gradient())),
    operator(op::MATERIALISE, (1, 1), &[], |a| one(a.tensor(0)?)),
];
