//! The plain operations: each computes a value and records how its gradient goes back.
//!
//! Axes are counted from 0, or from the last one as -1. Binary operations broadcast as NumPy's do and want equal dtypes.
//! Nothing hides a NaN: it comes out of every operation that looks at it.

mod activation;
mod arithmetic;
pub(crate) mod axis;
mod cast;
mod compare;
mod custom;
mod elementwise;
mod extremes;
mod index;
mod loss;
mod matmul;
mod reduce;
mod scan;
mod scatter;
mod shape;
mod sort;
mod statistics;
mod window;

#[cfg(test)]
mod tests;

pub use activation::{elu, gelu, gelu_tanh, leaky_relu, log_sigmoid, mish, quick_gelu, relu, silu, softplus};
pub use arithmetic::{add, add_scalar, div, maximum, minimum, mul, mul_scalar, sub};
pub use cast::{cast, to_device};
pub use compare::{
    all, any, eq, eq_scalar, fill_where, ge, ge_scalar, gt, gt_scalar, is_finite, le, le_scalar, logical_and,
    logical_not, logical_or, logical_xor, lt, lt_scalar, ne, ne_scalar, where_cond,
};
pub use custom::custom;
pub use elementwise::{
    abs, ceil, clamp, cos, erf, exp, expm1, floor, log, log1p, neg, pow_scalar, reciprocal, round, rsqrt, sigmoid,
    sign, sin, sqrt, square, tanh,
};
pub use extremes::{argmax, argmin, max, min};
pub use index::{gather, index_select, masked_select, nonzero, one_hot};
pub use loss::{bce_with_logits, cosine_similarity, huber, info_nce, kl_div, l1, mse, smooth_l1};
#[cfg(any(feature = "cuda", feature = "cuda-emulation"))]
pub(crate) use matmul::product;
pub use matmul::{dot, matmul, outer};
pub use reduce::{count_true, mean, mean_all, sum, sum_all};
pub use scan::{cumsum, logsumexp, prod};
pub use scatter::{index_add, scatter, scatter_add, take_where};
pub use shape::{
    cat, chunk, contiguous, diagonal, expand, flatten, narrow, permute, reshape, split, squeeze, stack, transpose,
    tril, triu, unsqueeze,
};
pub use sort::{argsort, sort, top_k};
pub use statistics::{norm, std, variance};
pub use window::{PadMode, flip, pad, repeat, roll, slice, unfold};
