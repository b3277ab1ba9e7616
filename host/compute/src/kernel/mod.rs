//! What all kernels for the CPU share: one number type, slices of values, loops over fixed chunks, vector loops, products.
//!
//! Kernels compute in f32 or f64; bf16 and f16 go through f32. Chunks and lanes are fixed, so no result depends on the
//! number of threads or the width of the vectors. Values of other devices either have a form made of plain operations or
//! are fetched ([`on_cpu`]).

mod arguments;
mod arithmetic;
mod blocks;
mod few_rows;
mod head_rows;
mod loops;
mod matrices;
mod parallel;
mod product;
mod real;
mod simd;
mod slices;

pub(crate) use arguments::{axes_of, axis_of, broadcast_shape, ids, indices_of, require_width, rows_width, same_dtype};
pub(crate) use arithmetic::{Arithmetic, arithmetic, negated, sum_of};
pub(crate) use blocks::{Blocks, lines};
pub(crate) use few_rows::FewRows;
pub(crate) use head_rows::{HeadPart, HeadRows};
pub(crate) use loops::{add_into, dot, exp_sum, lane_sum, lane_sum_2, max, scale, squares, sum, sum_exp};
pub(crate) use matrices::{Matrices, matrices, positive};
pub(crate) use parallel::{CHUNK, map, over_rows, over_rows_2, over_rows_and_sum, rows_per_task, sum_over_rows, zip};
pub(crate) use product::{Matrix, new_product, new_product_and, new_product_then, product};
pub(crate) use real::Real;
pub(crate) use simd::vectorised;
pub(crate) use slices::{
    by_element, by_real, elements, on_cpu, optional_slice, plain, slice, unfilled, value_as, value_of, widen,
    with_slice,
};
